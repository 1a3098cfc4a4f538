//! After any sequence of orders, the engine has the state that a small model of the job table predicts.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use tokio::sync::oneshot;
use towline::engine::JobState;
use towline::engine::{JobOptions, OnShutdown, Reader, StartAt, StreamSpec};
use towline::{Deadline, EngineConfig, Event};
use towline_testkit::{Plan, Script, Server, records::ollama};

use super::*;

const MAX_RUNNING: usize = 3;
const MAX_PER_HOST: usize = 2;

#[derive(Debug, Clone)]
enum Op {
    Submit {
        stream: bool,
        priority: i32,
    },
    /// The event arrives for which the job waits.
    Finish(usize),
    Cancel(usize),
    CancelNow(usize),
    Pause(usize),
    Unpause(usize),
    Expire(usize),
    Extend(usize),
    Lift(usize),
    DropHandle(usize),
    Read(usize),
    NewReader(usize),
    Forget(usize),
    Shutdown(bool),
}

fn op() -> impl Strategy<Value = Op> {
    let job = 0..12_usize;
    prop_oneof![
        8 => (any::<bool>(), -2..3).prop_map(|(stream, priority)| Op::Submit { stream, priority }),
        6 => job.clone().prop_map(Op::Finish),
        3 => job.clone().prop_map(Op::Cancel),
        1 => job.clone().prop_map(Op::CancelNow),
        4 => job.clone().prop_map(Op::Pause),
        4 => job.clone().prop_map(Op::Unpause),
        2 => job.clone().prop_map(Op::Expire),
        2 => job.clone().prop_map(Op::Extend),
        1 => job.clone().prop_map(Op::Lift),
        2 => job.clone().prop_map(Op::DropHandle),
        4 => job.clone().prop_map(Op::Read),
        1 => job.clone().prop_map(Op::NewReader),
        2 => job.prop_map(Op::Forget),
        1 => any::<bool>().prop_map(Op::Shutdown),
    ]
}

/// The model's state of a job.
struct Known {
    id: JobId,
    handle: Option<Job>,
    reader: Reader,
    read: String,
    finish: Option<oneshot::Sender<()>>,
    stream: bool,
    priority: i32,
    admitted: bool,
    begun: bool,
    paused: bool,
    finished: bool,
    end: Option<JobState>,
    forgotten: bool,
}

struct Table {
    engine: Engine,
    server: Server,
    client: Client,
    jobs: Vec<Known>,
    shut_down: bool,
}

/// A word, then nothing until the gate with the model's name opens.
fn word_then_wait() -> Plan {
    Plan::by_request(|request| {
        let gate = request.model().unwrap_or_default();
        Script::ndjson_open([ollama::chat_text("word")])
            .wait(&gate)
            .line(ollama::chat_done("stop", 1))
            .end_chunks()
    })
}

impl Table {
    fn new() -> Self {
        let config =
            EngineConfig { max_running: MAX_RUNNING, max_per_host: MAX_PER_HOST, ..EngineConfig::default() };
        let server = Server::start(word_then_wait());
        Self {
            engine: engine_with(config),
            client: client(&server),
            server,
            jobs: Vec::new(),
            shut_down: false,
        }
    }

    fn job(&self, n: usize) -> Option<Job> {
        let known = self.jobs.get(n)?;
        known.handle.clone().or_else(|| self.engine.job(known.id))
    }

    fn submit(&mut self, stream: bool, priority: i32) {
        let options = JobOptions { priority, ..JobOptions::default() };
        let (finish, finished) = oneshot::channel();
        let job = if stream {
            let gate = format!("gate {}", self.jobs.len());
            self.engine.submit(StreamSpec::chat(&self.client, request(&gate)), options)
        } else {
            let task = self.engine.spawn_with(options, |control| async move {
                control.emit(Event::Text("word".to_owned())).await;
                let stopped = tokio::select! {
                    _ = finished => false,
                    () = control.cancelled() => true,
                };
                assert_eq!(stopped, control.is_cancelled());
            });
            task.job
        };
        self.jobs.push(Known {
            id: job.id(),
            reader: job.reader(StartAt::Beginning),
            read: String::new(),
            handle: Some(job),
            finish: Some(finish),
            stream,
            priority,
            admitted: false,
            begun: false,
            paused: false,
            finished: false,
            end: self.shut_down.then_some(JobState::Failed),
            forgotten: self.shut_down,
        });
    }

    fn end(&mut self, n: usize, state: JobState) {
        if let Some(known) = self.jobs.get_mut(n) {
            known.end.get_or_insert(state);
        }
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Submit { stream, priority } => self.submit(stream, priority),
            Op::Finish(n) => {
                if let Some(known) = self.jobs.get_mut(n) {
                    known.finished = true;
                    known.finish.take().map(|finish| finish.send(()));
                    self.server.open(&format!("gate {n}"));
                }
            }
            Op::Cancel(n) | Op::CancelNow(n) => {
                let Some(job) = self.job(n) else { return };
                if matches!(op, Op::Cancel(_)) {
                    job.cancel("cancelled")
                } else {
                    job.cancel_now("cancelled")
                }
                self.end(n, JobState::Cancelled);
            }
            Op::Pause(n) | Op::Unpause(n) => {
                let (Some(job), paused) = (self.job(n), matches!(op, Op::Pause(_))) else { return };
                if paused {
                    job.pause()
                } else {
                    job.unpause()
                }
                self.jobs[n].paused = paused;
            }
            Op::Expire(n) => {
                let Some(job) = self.job(n) else { return };
                job.set_deadline(Deadline::In(Duration::ZERO));
                self.end(n, JobState::TimedOut);
            }
            Op::Extend(n) => {
                self.job(n).iter().for_each(|job| job.set_deadline(Deadline::ExtendBy(PATIENCE * 9)))
            }
            Op::Lift(n) => self.job(n).iter().for_each(|job| job.set_deadline(Deadline::Never)),
            Op::DropHandle(n) => drop(self.jobs.get_mut(n).and_then(|known| known.handle.take())),
            Op::Read(n) => self.read(n),
            Op::NewReader(n) => {
                let Some(job) = self.job(n) else { return };
                (self.jobs[n].reader, self.jobs[n].read) = (job.reader(StartAt::Beginning), String::new());
            }
            Op::Forget(n) => {
                let Some(known) = self.jobs.get_mut(n) else { return };
                let expected = known.end.is_some() && !known.forgotten;
                assert_eq!(self.engine.forget(known.id), expected);
                known.forgotten |= expected;
            }
            Op::Shutdown(finish) => self.shutdown(finish),
        }
    }

    fn read(&mut self, n: usize) {
        let Some(known) = self.jobs.get_mut(n) else { return };
        let expected = if known.begun { "word" } else { "" };
        // A task shows that it runs before its first poll has emitted the word.
        eventually("all that is there can be read", || {
            while let Some(batch) = known.reader.try_read() {
                assert_eq!(batch.missed, 0);
                known.read += &text_of(&batch.events);
            }
            known.read == expected && known.reader.is_ended() == known.end.is_some()
        });
    }

    fn shutdown(&mut self, finish: bool) {
        let policy = if finish { OnShutdown::Finish } else { OnShutdown::Cancel };
        let report = self.engine.shutdown(policy, Duration::ZERO).unwrap();
        if !std::mem::replace(&mut self.shut_down, true) {
            let cut: Vec<_> = report.cut.iter().map(|info| info.id).collect();
            let live: Vec<_> =
                self.jobs.iter().filter(|known| known.end.is_none()).map(|known| known.id).collect();
            assert_eq!((cut, report.stuck.len()), (live, 0));
        }
        for n in 0..self.jobs.len() {
            self.end(n, JobState::Cancelled);
        }
    }

    /// The results of the orders: which jobs end, which may run, which start.
    fn settle(&mut self) {
        loop {
            for known in
                self.jobs.iter_mut().filter(|known| known.end.is_none() && known.admitted && !known.paused)
            {
                known.begun = true;
                if known.finished {
                    known.end = Some(JobState::Completed);
                }
            }
            let running = |known: &&Known| known.admitted && known.end.is_none();
            let room = self.jobs.iter().filter(running).count() < MAX_RUNNING;
            let host_room =
                self.jobs.iter().filter(running).filter(|known| known.stream).count() < MAX_PER_HOST;
            let waits =
                |known: &&mut Known| !known.admitted && known.end.is_none() && (host_room || !known.stream);
            let next = self.jobs.iter_mut().filter(waits).min_by_key(|known| (-known.priority, known.id));
            let Some(next) = next.filter(|_| room) else { return };
            next.admitted = true;
        }
    }

    /// Waits until every job is in the model's state, and compares the rest.
    fn compare(&mut self) {
        self.settle();
        for known in &self.jobs {
            let expected = match (known.end, known.paused, known.begun, known.stream) {
                (Some(end), ..) => end,
                (None, true, ..) => JobState::Paused,
                (None, false, false, _) => JobState::Queued,
                (None, false, true, true) => JobState::Streaming,
                (None, false, true, false) => JobState::Running,
            };
            let job = known.handle.clone().or_else(|| self.engine.job(known.id));
            assert_eq!(job.is_none(), known.handle.is_none() && known.forgotten);
            let Some(job) = job else { continue };
            eventually(&format!("job {} is {expected}, but {}", known.id, job.state()), || {
                job.state() == expected
            });
            assert_eq!(job.outcome().is_some(), known.end.is_some());
        }
        let known: Vec<_> = self.jobs.iter().filter(|known| !known.forgotten).map(|known| known.id).collect();
        assert_eq!(self.engine.jobs().iter().map(Job::id).collect::<Vec<_>>(), known);
    }
}

#[test]
fn any_sequence_of_orders_ends_where_the_model_says() {
    let config = Config {
        cases: 64,
        rng_seed: RngSeed::Fixed(0x70_77_6c_69_6e_65),
        failure_persistence: None,
        ..Config::default()
    };
    proptest!(config, |(ops in proptest::collection::vec(op(), 1..40))| {
        let mut table = Table::new();
        for op in &ops {
            table.apply(op);
            table.compare();
        }
        for n in 0..table.jobs.len() {
            table.read(n);
        }
    });
}

/// Orders from several threads at once: in any order, every job ends, its last state is that of its outcome, and
/// it never reports a state that it has already left for good.
#[test]
fn orders_from_several_threads_leave_every_job_with_one_true_end() {
    for seed in 0..20_u64 {
        let table = Arc::new(Table::new());
        let jobs: Vec<Job> = (0..24)
            .map(|n| {
                let options = JobOptions { priority: n % 3, ..JobOptions::default() };
                match n % 2 {
                    0 => {
                        table
                            .engine
                            .spawn_with(options, |control| async move { control.cancelled().await })
                            .job
                    }
                    _ => table
                        .engine
                        .submit(StreamSpec::chat(&table.client, request(&format!("gate {n}"))), options),
                }
            })
            .collect();
        let recorders: Vec<_> = jobs.iter().map(Recorder::of).collect();
        std::thread::scope(|scope| {
            for thread in 0..3_u64 {
                let (jobs, table) = (&jobs, &table);
                scope.spawn(move || {
                    let mut random = seed * 31 + thread + 1;
                    for _ in 0..200 {
                        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        let n = (random >> 40) as usize % jobs.len();
                        match (random >> 33) % 9 {
                            0 | 1 => jobs[n].pause(),
                            2 | 3 => jobs[n].unpause(),
                            4 => jobs[n].set_deadline(Deadline::In(PATIENCE * 9)),
                            5 => jobs[n].set_deadline(Deadline::Never),
                            6 => table.server.open(&format!("gate {n}")),
                            7 => drop(jobs[n].reader(StartAt::Beginning).try_read()),
                            _ if random >> 60 == 0 => jobs[n].cancel("at random"),
                            _ => {}
                        }
                    }
                });
            }
        });
        let report = table.engine.shutdown(OnShutdown::Cancel, PATIENCE).unwrap();
        assert!(report.stuck.is_empty());
        for (job, recorder) in jobs.iter().zip(recorders) {
            let states = recorder.states();
            assert_eq!(states.last(), Some(&JobState::of_ending(&outcome(job).ending)));
            assert_eq!(states.iter().filter(|state| state.is_ended()).count(), 1, "{states:?}");
            let after_cancelling = states.iter().skip_while(|state| **state != JobState::Cancelling).count();
            assert!(after_cancelling <= 2, "{states:?}");
        }
    }
}
