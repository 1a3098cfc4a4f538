//! A job of the prompt.

use std::sync::Arc;
use std::time::{Duration, Instant};

use towline::engine::JobState;
use towline::engine::{JobInfo, JobOptions, Reader, StartAt, StreamSpec, Task};
use towline::event::Progress;
use towline::{Deadline, Engine, Job, Message, Outcome, relay};
use towline_app::chat::{AnswerId, Reading};

use super::pace::Pace;

/// The kind of a job.
#[derive(Debug)]
pub enum Kind {
    /// An answer of the conversation.
    Answer(AnswerId),
    /// An answer on a relay that another program asked for.
    Elsewhere,
    /// A model that is being pulled.
    Pull,
    /// A command or file that an answer is sent to, and its exit status or error, once it has ended.
    Sink { task: Task<Result<i32, String>>, status: Option<Result<i32, String>> },
}

/// A job of the prompt.
#[derive(Debug)]
pub struct Item {
    pub kind: Kind,
    /// The model.
    pub model: String,
    /// The question.
    pub question: Message,
    /// The specification, to ask the same again.
    pub prepared: Option<StreamSpec>,
    slot: Slot,
    /// How the output gets into the conversation.
    pub reading: Option<Reading>,
    /// Reads the output that must be recorded or summed up as it arrives.
    pub reader: Option<Reader>,
    /// The latest progress of a pull.
    pub progress: Option<Progress>,
    pace: Pace,
    /// How it ended, once the prompt has seen it.
    pub outcome: Option<Arc<Outcome>>,
    /// Whether its end is announced at once.
    pub announce: bool,
    /// Whether it is in the foreground, where its end is shown.
    pub in_front: bool,
    /// Whether it continues without the prompt.
    pub disowned: bool,
    /// The state that `jobs -n` last showed.
    pub shown: Option<&'static str>,
}

#[derive(Debug)]
enum Slot {
    /// It waits to be started.
    Held {
        options: JobOptions,
        since: Instant,
        deadline: Option<Instant>,
    },
    Started(Job),
    /// It was cancelled before it started.
    Never,
}

impl Item {
    /// A job that waits to be started.
    pub fn held(
        kind: Kind,
        model: &str,
        question: Message,
        prepared: StreamSpec,
        options: JobOptions,
    ) -> Self {
        let since = Instant::now();
        let deadline = options.deadline.and_then(|time| since.checked_add(time));
        let slot = Slot::Held { options, since, deadline };
        Self::new(kind, model, question, Some(prepared), slot)
    }

    /// A running job.
    pub fn started(kind: Kind, model: &str, question: Message, job: Job) -> Self {
        Self::new(kind, model, question, None, Slot::Started(job))
    }

    fn new(kind: Kind, model: &str, question: Message, prepared: Option<StreamSpec>, slot: Slot) -> Self {
        let (reading, pace) = match kind {
            Kind::Answer(id) => (Some(Reading::new(id)), Pace::Own),
            Kind::Elsewhere => (None, Pace::Untold),
            Kind::Pull | Kind::Sink { .. } => (None, Pace::Own),
        };
        Self {
            kind,
            model: model.to_owned(),
            question,
            prepared,
            slot,
            reading,
            reader: None,
            progress: None,
            pace,
            outcome: None,
            announce: false,
            in_front: false,
            disowned: false,
            shown: None,
        }
    }

    /// An answer whose rest is on a relay, read from its beginning.
    pub fn resumed(reading: Reading, model: &str, question: Message, job: Job) -> Self {
        let mut item = Self::started(Kind::Answer(reading.id()), model, question, job.clone());
        (item.reading, item.reader) = (Some(reading), Some(job.reader(StartAt::Beginning)));
        item.pace = Pace::Untold;
        item
    }

    /// Whether the relay that runs it must be asked for its rate; true only once.
    pub fn asks_pace(&mut self) -> bool {
        let is_untold = self.pace == Pace::Untold;
        if is_untold {
            self.pace = Pace::Asked;
        }
        is_untold
    }

    /// Notes the state that the relay has reported.
    pub fn update_from_relay(&mut self, job: &relay::Job) {
        if self.pace != Pace::Own {
            self.pace = Pace::reported(job, self.age());
        }
    }

    /// Tokens per second, if known.
    pub fn tokens_per_second(&self) -> Option<f64> {
        self.pace.rate(&self.info()?)
    }

    /// Whether another program asked for it.
    pub fn is_elsewhere(&self) -> bool {
        match self.kind {
            Kind::Elsewhere => true,
            Kind::Answer(_) | Kind::Pull | Kind::Sink { .. } => false,
        }
    }

    /// Leaves it to the relay that runs it, and returns its id there. `None` if no relay runs it, or it has
    /// ended.
    pub fn detach(&mut self) -> Option<Arc<str>> {
        let id = self.job()?.detach()?;
        if let Some(reading) = &mut self.reading {
            reading.detach();
        }
        self.disowned = true;
        Some(id)
    }

    /// Starts it.
    pub fn start(&mut self, engine: &Engine) {
        let (Slot::Held { options, deadline, .. }, Some(prepared)) = (&self.slot, &self.prepared) else {
            return;
        };
        let mut options = options.clone();
        options.deadline = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let job = engine.submit(prepared.clone(), options);
        self.reader = match self.kind {
            Kind::Answer(_) | Kind::Pull => Some(job.reader(StartAt::Beginning)),
            Kind::Elsewhere | Kind::Sink { .. } => None,
        };
        self.slot = Slot::Started(job);
    }

    /// The job, if it was started.
    pub fn job(&self) -> Option<&Job> {
        match &self.slot {
            Slot::Started(job) => Some(job),
            Slot::Held { .. } | Slot::Never => None,
        }
    }

    pub fn is_held(&self) -> bool {
        matches!(self.slot, Slot::Held { .. })
    }

    /// Whether it has ended, even if the prompt has not seen it yet.
    pub fn is_over(&self) -> bool {
        match &self.slot {
            Slot::Held { .. } => false,
            Slot::Started(job) => job.state().is_ended(),
            Slot::Never => true,
        }
    }

    /// Whether it counts towards `limit`.
    pub fn is_running(&self) -> bool {
        self.job().is_some_and(|job| !job.state().is_ended())
    }

    pub fn info(&self) -> Option<JobInfo> {
        self.job().map(Job::info)
    }

    /// Cancels it. A waiting job ends at once.
    pub fn cancel(&mut self, reason: &str, hard: bool) {
        match &self.slot {
            Slot::Started(job) if hard => job.cancel_now(reason),
            Slot::Started(job) => job.cancel(reason),
            Slot::Held { .. } => self.slot = Slot::Never,
            Slot::Never => {}
        }
    }

    /// Moves its deadline.
    pub fn set_deadline(&mut self, to: Deadline) {
        match &mut self.slot {
            Slot::Held { deadline, .. } => *deadline = to.apply(*deadline, Instant::now()),
            Slot::Started(job) => job.set_deadline(to),
            Slot::Never => {}
        }
    }

    /// The time until its deadline.
    pub fn deadline_in(&self) -> Option<Duration> {
        match &self.slot {
            Slot::Held { deadline, .. } => deadline.map(|at| at.saturating_duration_since(Instant::now())),
            Slot::Started(job) => job.info().deadline_in,
            Slot::Never => None,
        }
    }

    pub fn age(&self) -> Duration {
        match &self.slot {
            Slot::Held { since, .. } => since.elapsed(),
            Slot::Started(job) => job.info().age,
            Slot::Never => Duration::ZERO,
        }
    }

    /// Whether it is a model's answer.
    pub fn is_answer(&self) -> bool {
        match self.kind {
            Kind::Answer(_) | Kind::Elsewhere => true,
            Kind::Pull | Kind::Sink { .. } => false,
        }
    }

    /// The state, in a shell's word.
    pub fn word(&self) -> &'static str {
        match &self.slot {
            Slot::Held { .. } => "Queued",
            Slot::Never => "Cancelled",
            Slot::Started(job) => match job.state() {
                JobState::Queued => "Queued",
                JobState::Connecting | JobState::Waiting | JobState::Streaming | JobState::Running => {
                    "Running"
                }
                JobState::Paused => "Paused",
                JobState::Cancelling => "Cancelling",
                JobState::Completed => match self.exit_status() {
                    None | Some(Ok(0)) => "Done",
                    Some(Ok(_)) => "Exit",
                    Some(Err(_)) => "Failed",
                },
                JobState::Truncated => "Truncated",
                JobState::Cancelled if self.disowned => "Disowned",
                JobState::Cancelled => "Cancelled",
                JobState::TimedOut => "Timed out",
                JobState::Failed => "Failed",
            },
        }
    }

    /// Notes that it has ended.
    pub fn ended(&mut self, outcome: Arc<Outcome>) {
        if let Kind::Sink { task, status } = &mut self.kind {
            *status = task.take_value();
        }
        self.outcome = Some(outcome);
    }

    /// The exit status of a command that has ended, or its error.
    pub fn exit_status(&self) -> Option<&Result<i32, String>> {
        match &self.kind {
            Kind::Sink { status, .. } => status.as_ref(),
            Kind::Answer(_) | Kind::Elsewhere | Kind::Pull => None,
        }
    }
}
