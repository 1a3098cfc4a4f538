//! Cursors on a job's log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use towline_core::event::Event;
use towline_core::log::Offset;
use towline_core::outcome::Outcome;

use super::EngineError;
use super::cell::{BATCH_BYTES, Cell};
use super::task::refuse_inside;
use super::waiting::News;

/// The position at which a reader starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartAt {
    /// At the beginning of the log.
    Beginning,
    /// At the end of the log: only later events.
    Now,
    /// At an offset from an earlier [`Batch::next`].
    Offset(Offset),
}

/// The result of one read.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The new events. A reader that keeps up gets each event as it arrived. A reader that is behind gets all
    /// new events, with adjacent text joined, in batches of at most about 1 MiB.
    pub events: Vec<Event>,
    /// How many bytes of text (or events without text) the log dropped before this reader reached them.
    pub missed: u64,
    /// The offset for the next read, for [`StartAt::Offset`].
    pub next: Offset,
    /// The outcome of the job, in the last batch.
    pub outcome: Option<Arc<Outcome>>,
}

/// A cursor on a job's log. It never blocks the job, and dropping it detaches.
///
/// ```
/// use towline::engine::{JobOptions, StartAt};
/// use towline::{Engine, EngineConfig, Event};
///
/// let engine = Engine::start(EngineConfig::default())?;
/// let task = engine.spawn_with(JobOptions::default(), |control| async move {
///     control.emit(Event::Text("A river ".to_owned())).await;
///     control.emit(Event::Text("runs.".to_owned())).await;
/// });
///
/// let mut reader = task.job.reader(StartAt::Beginning); // a second reader would get the same
/// let mut text = String::new();
/// while let Some(batch) = reader.read()? {
///     for event in batch.events {
///         if let Event::Text(more) = event {
///             text.push_str(&more);
///         }
///     }
/// }
/// assert_eq!(text, "A river runs.");
/// # Ok::<(), towline::engine::EngineError>(())
/// ```
#[derive(Debug)]
pub struct Reader {
    cell: Arc<Cell>,
    at: Offset,
    ended: bool,
}

impl Reader {
    pub(super) fn new(cell: Arc<Cell>, from: StartAt) -> Self {
        let at = match from {
            StartAt::Beginning => Offset::START,
            StartAt::Now => cell.end_offset(),
            StartAt::Offset(offset) => offset.min(cell.end_offset()),
        };
        Self { cell, at, ended: false }
    }

    /// The offset of the next read.
    pub fn offset(&self) -> Offset {
        self.at
    }

    /// Returns the new events; `None` if there are none, or after the last batch. Never blocks.
    pub fn try_read(&mut self) -> Option<Batch> {
        self.try_read_at_most(BATCH_BYTES)
    }

    /// Returns new events, but not much more than `limit_bytes` (at least 1) of them: the batch ends with the
    /// piece that reaches the limit, and adjacent text stays in pieces of about 4 KiB. This is for a
    /// foreground with a limited budget per frame. Returns `None`, and never blocks, like
    /// [`try_read`](Self::try_read).
    pub fn try_read_at_most(&mut self, limit_bytes: usize) -> Option<Batch> {
        if self.ended {
            return None;
        }
        let read = self.cell.inner().read(self.at, limit_bytes.clamp(1, BATCH_BYTES))?;
        Some(self.take(read))
    }

    /// Blocks until there are new events. `None` after the last batch.
    ///
    /// # Errors
    /// [`EngineError::WouldDeadlock`] inside one of the engine's own tasks: use [`next`](Self::next) there.
    pub fn read(&mut self) -> Result<Option<Batch>, EngineError> {
        self.read_until(None)
    }

    /// Blocks until there are new events or `time` has passed. `None` in the second case, and after the last
    /// batch.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_timeout(&mut self, time: Duration) -> Result<Option<Batch>, EngineError> {
        self.read_until(Instant::now().checked_add(time))
    }

    fn read_until(&mut self, until: Option<Instant>) -> Result<Option<Batch>, EngineError> {
        refuse_inside()?;
        if self.ended {
            return Ok(None);
        }
        let read = self.cell.block(News::Any, until, |job| job.read(self.at, BATCH_BYTES));
        Ok(read.map(|read| self.take(read)))
    }

    /// Waits for new events. `None` after the last batch.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Batch> {
        if self.ended {
            return None;
        }
        let read = self.cell.wait(News::Any, |job| job.read(self.at, BATCH_BYTES)).await;
        Some(self.take(read))
    }

    /// Waits until there are new events, or the last batch was read, without reading them. The future holds
    /// no borrow, for loops that store their readers elsewhere.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub fn news(&self) -> impl Future<Output = ()> + Send + 'static {
        let (cell, at, ended) = (Arc::clone(&self.cell), self.at, self.ended);
        async move { cell.wait(News::Any, |job| (ended || job.has_news(at)).then_some(())).await }
    }

    fn take(&mut self, (batch, full): (Batch, bool)) -> Batch {
        self.cell.has_been_read(full);
        self.at = batch.next;
        self.ended = batch.outcome.is_some();
        batch
    }

    /// Whether the last batch was read.
    pub fn is_ended(&self) -> bool {
        self.ended
    }
}
