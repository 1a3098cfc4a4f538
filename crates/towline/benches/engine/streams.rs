//! Thousands of paced streams in one engine, beside a program that only counts their newlines.

use std::collections::HashMap;
use std::fmt;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use towline::engine::{EngineConfig, JobId, Reader, StartAt};
use towline::{ChatRequest, Client, Engine, Event, Job};

use crate::Failure;
use crate::figures::{Times, cpu_time, resident_bytes};

/// Two records a second, each with the moment at which the server wrote it.
const RECORDS: usize = 60;
const MODEL: &str = "stamped:2:60";

/// Streams that are begun before the first of them receives: fewer than the server's queue of connections holds.
pub(crate) const CONNECT_AT_ONCE: usize = 500;
/// From the last stream's first record to the window that is measured.
pub(crate) const SETTLE: Duration = Duration::from_secs(1);
pub(crate) const WINDOW: Duration = Duration::from_secs(8);
const FRAME: Duration = Duration::from_micros(16_667);

/// What one program needed for the streams.
pub(crate) struct Side {
    pub(crate) cpu: Duration,
    pub(crate) records: u64,
    pub(crate) bytes_each: usize,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "side {} {} {}", self.cpu.as_nanos(), self.records, self.bytes_each)
    }
}

impl FromStr for Side {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let ["side", cpu, records, bytes_each] = text.split(' ').collect::<Vec<_>>()[..] else {
            return Err(format!("no side: {text}").into());
        };
        let cpu = Duration::from_nanos(cpu.parse()?);
        Ok(Self { cpu, records: records.parse()?, bytes_each: bytes_each.parse()? })
    }
}

pub(crate) fn compare(count: usize) -> Result<(), Failure> {
    println!(
        "\n{count} streams over HTTP/1.1, each 2 records a second; CPU of {WINDOW:?}, the engine's with a foreground of 60 frames a second:"
    );
    let counter = with_server(|url| child(&["--child-counter", url, MODEL, &count.to_string()]))?;
    let engine = with_server(|url| child(&["--child-engine", url, MODEL, &count.to_string()]))?;
    for (name, side) in [("newline counter", &counter), ("engine", &engine)] {
        let each = side.cpu.checked_div(u32::try_from(side.records)?).unwrap_or_default();
        println!(
            "{name:<16} CPU {:>8.2?} for {} records ({each:.2?} each)   memory {:.1} KB a stream",
            side.cpu,
            side.records,
            side.bytes_each as f64 / 1000.0
        );
    }
    let ratio = engine.cpu.as_secs_f64() / counter.cpu.as_secs_f64();
    println!("CPU, engine to counter: {ratio:.2} (target ≤ 1.1)   memory target ≤ 12 KB a stream");
    Ok(())
}

fn with_server<T>(run: impl FnOnce(&str) -> Result<T, Failure>) -> Result<T, Failure> {
    let mut server = myself(&["--serve"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut url = String::new();
    BufReader::new(server.stdout.take().ok_or("no output")?).read_line(&mut url)?;
    let result = run(url.trim());
    drop(server.stdin.take());
    end(server)?;
    result
}

/// Runs a side in a process of its own and passes on what else it prints.
fn child(words: &[&str]) -> Result<Side, Failure> {
    let output = myself(words).stderr(Stdio::inherit()).output()?;
    let text = String::from_utf8(output.stdout)?;
    let mut side = Err("the child said nothing".into());
    for line in text.lines() {
        if line.starts_with("side ") { side = line.parse() } else { println!("{line}") }
    }
    side
}

fn myself(words: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap_or_default());
    command.args(words);
    command
}

fn end(mut child: Child) -> Result<(), Failure> {
    child.wait()?;
    Ok(())
}

/// `URL MODEL COUNT`: the engine's side, with one foreground that reads the changes when it is woken.
pub(crate) fn child_engine(words: &[String]) -> Result<(), Failure> {
    let [url, model, count] = words else { return Err("URL MODEL COUNT".into()) };
    let count: usize = count.parse()?;
    let engine = Engine::start(EngineConfig { max_ended: count, ..EngineConfig::default() })?;
    let client = Client::new(url)?;
    let before = resident_bytes();
    let mut foreground = Foreground::default();
    for n in 0..count {
        while n >= foreground.receiving + CONNECT_AT_ONCE {
            foreground.read_when_woken(&engine)?;
        }
        let job = engine.chat(&client, ChatRequest::new(model).user("x"));
        foreground
            .panes
            .insert(job.id(), Pane { reader: job.reader(StartAt::Beginning), job, stamps: Vec::new() });
    }
    while foreground.receiving < count {
        foreground.read_when_woken(&engine)?;
    }
    foreground.read_until(&engine, Instant::now() + SETTLE)?;
    // First a foreground that reads the changes each time it is woken, then one that draws frames.
    foreground.times = Times::default();
    let stop = Arc::new(AtomicBool::new(false));
    let lag = engine.spawn("timer lag", timer_lag(Arc::clone(&stop)));
    foreground.read_until(&engine, Instant::now() + WINDOW)?;
    stop.store(true, Ordering::Relaxed);
    let lag = lag.wait()?.map_err(|outcome| outcome.to_string())?;
    let times = std::mem::take(&mut foreground.times);
    times.print("delivery, server's write to foreground", "target p99 ≤ 0.5 ms");
    lag.print("engine timer lag", "target p99 ≤ 5 ms");

    let (cpu, records, until) = (cpu_time(), foreground.records, Instant::now() + WINDOW);
    while Instant::now() < until {
        std::thread::sleep(FRAME);
        foreground.read_when_woken(&engine)?;
    }
    let side = Side {
        cpu: cpu_time() - cpu,
        records: foreground.records - records,
        bytes_each: resident_bytes().saturating_sub(before) / count,
    };
    println!("{side}");
    foreground.read_to_the_end(&engine)
}

#[derive(Default)]
struct Foreground {
    panes: HashMap<JobId, Pane>,
    receiving: usize,
    records: u64,
    ended: usize,
    times: Times,
}

struct Pane {
    job: Job,
    reader: Reader,
    stamps: Vec<u64>,
}

impl Foreground {
    fn read_when_woken(&mut self, engine: &Engine) -> Result<(), Failure> {
        let fd = engine.fd()?;
        let a_while = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&a_while))?;
        for info in engine.changes().jobs {
            let Some(pane) = self.panes.get_mut(&info.id) else { continue };
            while let Some(batch) = pane.reader.try_read() {
                let now = since_epoch();
                for event in batch.events {
                    let Event::Text(text) = event else { continue };
                    for stamp in text.split_whitespace() {
                        let stamp: u64 = stamp.parse()?;
                        self.times.push(Duration::from_nanos(now.saturating_sub(stamp)));
                        self.records += 1;
                        self.receiving += usize::from(pane.stamps.is_empty());
                        pane.stamps.push(stamp);
                    }
                }
                self.ended += usize::from(batch.outcome.is_some());
            }
        }
        Ok(())
    }

    fn read_until(&mut self, engine: &Engine, until: Instant) -> Result<(), Failure> {
        while Instant::now() < until {
            self.read_when_woken(engine)?;
        }
        Ok(())
    }

    /// Every stream to its end: nothing lost, nothing out of order.
    fn read_to_the_end(mut self, engine: &Engine) -> Result<(), Failure> {
        while self.ended < self.panes.len() {
            self.read_when_woken(engine)?;
        }
        let whole = self.panes.values().filter(|pane| {
            let completed = pane.job.outcome().is_some_and(|outcome| outcome.is_completed());
            completed && pane.stamps.len() == RECORDS && pane.stamps.is_sorted()
        });
        let whole = whole.count();
        println!("{whole} of {} streams whole and in order, {} records", self.panes.len(), self.records);
        if whole == self.panes.len() { Ok(()) } else { Err("records were lost".into()) }
    }
}

/// How late timers of 10 ms are.
async fn timer_lag(stop: Arc<AtomicBool>) -> Times {
    let mut times = Times::default();
    while !stop.load(Ordering::Relaxed) {
        let due = tokio::time::Instant::now() + Duration::from_millis(10);
        tokio::time::sleep_until(due).await;
        times.push(due.elapsed());
    }
    times
}

fn since_epoch() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}
