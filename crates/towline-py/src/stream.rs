//! A streamed answer as an iterator, for threads and for event loops.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use pyo3::exceptions::{PyRuntimeError, PyStopAsyncIteration, PyStopIteration, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyType;
use towline::client::Operation;
use towline::error::Fault;
use towline::event::{Record, RecordKind, Records};
use towline::{Ending, Outcome};

use crate::driver::DriveStream;
use crate::failure;
use crate::forked::{self, ProcessBound};
use crate::hub::Hub;
use crate::mailbox::{End, Mailbox, News, Reader};
use crate::parker::Parker;
use crate::registry::Registry;
use crate::runtime;
use crate::shape::Shaper;

/// How long the driver may take to report what a stream had received when it was cancelled.
const LAST_WORD: Duration = Duration::from_secs(1);

/// One streamed answer. Nothing is sent before it is first read. Dropping it closes its connection.
///
/// ::
///
///    with client.chat("llama3.2", messages, stream=True) as stream:
///        for record in stream:
///            print(record.message.content, end="")
#[pyclass(module = "towline", frozen, weakref)]
pub(crate) struct Stream {
    operation: Operation,
    /// Whether a relay runs it, and continues without a reader.
    is_relayed: bool,
    mailbox: Arc<Mailbox>,
    started_in: u32,
    closed: AtomicBool,
    /// Locked by a reader while it reads; no thread waits for it.
    reading: Mutex<Reading>,
}

struct Reading {
    request: Option<ProcessBound<Request>>,
    records: Records,
    next: usize,
    /// The records after these.
    later: std::vec::IntoIter<Records>,
    over: bool,
    /// Whether any record said if it is the last.
    marks_its_end: bool,
    shaper: Shaper,
}

impl Reading {
    fn finish(&mut self) {
        self.over = true;
        (self.records, self.next, self.later) = (Records::default(), 0, Vec::new().into_iter());
        self.shaper.finish();
    }
}

/// The request, which is sent at the first read.
struct Request {
    make: Make,
    registry: Arc<Registry>,
}

/// Starts the stream when it is first read.
pub(crate) type Make = Box<dyn FnOnce() -> towline::Stream + Send>;

/// The result of a poll.
enum NextItem<T> {
    Item(T),
    Over,
    /// Nothing yet; the reader was registered.
    Pending,
}

impl Stream {
    pub(crate) fn new(
        make: Make,
        registry: Arc<Registry>,
        operation: Operation,
        is_relayed: bool,
        model: Py<PyType>,
        on_record: Option<Py<PyAny>>,
    ) -> Self {
        let reading = Reading {
            request: Some(ProcessBound::new(Request { make, registry })),
            records: Records::default(),
            next: 0,
            later: Vec::new().into_iter(),
            over: false,
            marks_its_end: false,
            shaper: Shaper::new(model, operation, on_record),
        };
        Self {
            operation,
            is_relayed,
            mailbox: Arc::default(),
            started_in: std::process::id(),
            closed: AtomicBool::new(false),
            reading: Mutex::new(reading),
        }
    }

    /// Locks the stream for its one reader.
    fn reading(&self) -> PyResult<MutexGuard<'_, Reading>> {
        match self.reading.try_lock() {
            Ok(reading) => Ok(reading),
            Err(TryLockError::Poisoned(poisoned)) => Ok(PoisonError::into_inner(poisoned)),
            Err(TryLockError::WouldBlock) => {
                Err(PyValueError::new_err("this stream is being read by another thread or task"))
            }
        }
    }

    /// Waits for the next record and passes it to `take`.
    fn next<T>(
        &self,
        py: Python<'_>,
        mut take: impl FnMut(&mut Shaper, Record<'_>) -> PyResult<T>,
    ) -> PyResult<Option<T>> {
        let mut reading = self.reading()?;
        if self.closed.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let mut parker = None;
        loop {
            let reader = parker.clone().map(Reader::Thread);
            let can_wait = reader.is_some();
            match self.poll_next(py, &mut reading, reader, &mut take)? {
                NextItem::Item(item) => return Ok(Some(item)),
                NextItem::Over => return Ok(None),
                NextItem::Pending if can_wait => {
                    if let Some(parker) = &parker {
                        parker.wait(py, None)?;
                    }
                }
                NextItem::Pending => parker = Some(Parker::of_thread(py)?),
            }
        }
    }

    /// The next record, if it has arrived. Otherwise `reader` is woken when there is news.
    #[inline]
    fn poll_next<T>(
        &self,
        py: Python<'_>,
        reading: &mut Reading,
        reader: Option<Reader>,
        take: &mut impl FnMut(&mut Shaper, Record<'_>) -> PyResult<T>,
    ) -> PyResult<NextItem<T>> {
        loop {
            let Reading { records, next, shaper, later, .. } = &mut *reading;
            if let Some(record) = records.get(*next) {
                *next += 1;
                let taken = take(shaper, record);
                return taken.map(NextItem::Item).map_err(|error| self.refused(py, reading, error));
            }
            if let Some(later) = later.next() {
                (*records, *next) = (later, 0);
                continue;
            }
            if reading.over {
                return Ok(NextItem::Over);
            }
            forked::check(self.started_in)?;
            if let Some(request) = reading.request.take().and_then(|mut request| request.take()) {
                self.start(py, request)?;
            }
            match self.mailbox.poll(reader.clone()) {
                News::Records(batches) => {
                    reading.marks_its_end = reading.marks_its_end || batches.iter().any(marks_its_end);
                    reading.later = batches.into_iter();
                }
                News::End(End::Stream(outcome)) => {
                    reading.finish();
                    if self.has_no_end_to_miss(reading, &outcome) {
                        failure::warn_of_unmarked_end(py)?;
                        return Ok(NextItem::Over);
                    }
                    return failure::of_outcome(py, &outcome, self.is_relayed)
                        .map_or(Ok(NextItem::Over), Err);
                }
                News::End(End::Answer(answer)) => {
                    reading.finish();
                    let failed = |error| Err(failure::of_error(py, &error, self.is_relayed));
                    return answer.map_or_else(failed, |_| Ok(NextItem::Over));
                }
                News::None => return Ok(NextItem::Pending),
            }
        }
    }

    /// The exception for a record that could not become an object. A record that does not fit its model ends the stream: its
    /// connection is closed, and the exception has what was received before.
    fn refused(&self, py: Python<'_>, reading: &mut Reading, error: PyErr) -> PyErr {
        let is_models = error.get_type(py).name().is_ok_and(|name| name == "ValidationError");
        if !is_models {
            return error;
        }
        reading.finish();
        self.mailbox.cancel("a record does not fit its model");
        match py.detach(|| self.mailbox.end_within(LAST_WORD)) {
            Some(End::Stream(outcome)) => failure::odd_record(py, error, Some(&outcome.reply)),
            Some(End::Answer(_)) | None => failure::odd_record(py, error, None),
        }
    }

    /// Whether a stream ended cleanly from a server that never sends `done`, such as the test servers that people write:
    /// then no terminal record is missing.
    fn has_no_end_to_miss(&self, reading: &Reading, outcome: &Outcome) -> bool {
        let answers = matches!(self.operation, Operation::Chat | Operation::Generate);
        let in_good_order = match &outcome.ending {
            Ending::Truncated(error) => error.fault == Fault::Server,
            Ending::Completed(_) | Ending::Cancelled { .. } | Ending::TimedOut { .. } | Ending::Failed(_) => {
                false
            }
        };
        let stats = &outcome.stats;
        answers && in_good_order && !reading.marks_its_end && stats.records > 0 && stats.undecoded_bytes == 0
    }

    fn start(&self, py: Python<'_>, request: Request) -> PyResult<()> {
        request.registry.add(py, &self.mailbox)?;
        let (make, mailbox, operation) = (request.make, Arc::clone(&self.mailbox), self.operation);
        // Start it on the runtime, which an attached stream needs.
        runtime::spawn(async move { DriveStream::new(make(), mailbox, operation).await })
    }

    /// Cancels the stream, because its reader no longer wants it.
    fn release(&self, reason: &'static str) {
        if self.is_relayed {
            self.mailbox.detach(reason);
        } else {
            self.mailbox.cancel(reason);
        }
    }
}

#[pymethods]
impl Stream {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.next(py, |shaper, record| shaper.shape(py, record))
    }

    /// Only the texts of the records.
    fn texts(slf: PyRef<'_, Self>) -> Texts {
        Texts { stream: slf.into() }
    }

    /// Cancels the answer, from any thread: its connection is closed now. A thread that waits for its next record gets a
    /// `CancelledError`; iteration ends then. A stream on a relay continues there.
    fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.release("the stream was closed");
    }

    /// The relay's id of the stream; ``None`` if no relay runs it, or before the relay has accepted it.
    #[getter]
    fn relay_id(&self) -> Option<String> {
        self.mailbox.relay_id()
    }

    /// Detaches from the answer, which its relay continues. Returns its id there, for `attach`. Iteration ends.
    ///
    /// Raises `RuntimeError` if no relay runs it, or before the first read.
    fn detach(&self) -> PyResult<String> {
        let id = self.mailbox.relay_id();
        let id = id.ok_or_else(|| {
            PyRuntimeError::new_err("no relay runs this stream, or it has not been read yet")
        })?;
        self.close();
        Ok(id)
    }

    /// Cancels the answer, from any thread. Earlier records are still yielded; then `CancelledError` is raised.
    fn cancel(&self) {
        self.mailbox.cancel("the stream was cancelled");
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __exit__(&self, _kind: &Bound<'_, PyAny>, _error: &Bound<'_, PyAny>, _trace: &Bound<'_, PyAny>) {
        self.close();
    }

    /// The next record, if it was already taken from the connection's thread.
    fn ready<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let mut reading = self.reading()?;
        let Reading { records, next, shaper, .. } = &mut *reading;
        let Some(record) = records.get(*next) else { return Ok(None) };
        *next += 1;
        let shaped = shaper.shape(py, record);
        shaped.map(Some).map_err(|error| self.refused(py, &mut reading, error))
    }

    /// The next record; `None` if there is none yet. The hub then posts `token` when there is news.
    fn poll<'py>(&self, py: Python<'py>, hub: &Hub, token: u64) -> PyResult<Option<Bound<'py, PyAny>>> {
        let mut reading = self.reading()?;
        if self.closed.load(Ordering::Relaxed) && reading.request.take().is_some() {
            reading.finish();
        }
        let reader = Reader::Task(Arc::clone(&hub.board), token);
        match self
            .poll_next(py, &mut reading, Some(reader), &mut |shaper, record| shaper.shape(py, record))?
        {
            NextItem::Item(item) => Ok(Some(item)),
            NextItem::Over => Err(PyStopAsyncIteration::new_err(())),
            NextItem::Pending => Ok(None),
        }
    }

    #[classmethod]
    fn __class_getitem__(cls: &Bound<'_, PyType>, _key: &Bound<'_, PyAny>) -> Py<PyType> {
        cls.clone().unbind()
    }

    fn __repr__(&self) -> String {
        let name = match self.operation {
            Operation::Chat => "chat",
            Operation::Generate => "generate",
            Operation::Pull => "pull",
            Operation::Push => "push",
            Operation::Create => "create",
        };
        let closed = if self.closed.load(Ordering::Relaxed) { ", closed" } else { "" };
        format!("<towline.Stream of {name}{closed}>")
    }
}

/// Whether one of the records says if it is the last.
fn marks_its_end(records: &Records) -> bool {
    (0..records.len()).filter_map(|index| records.get(index)).any(says_whether_done)
}

/// Whether a record has the field `done`. Inside a string its quotes would be escaped.
fn says_whether_done(record: Record<'_>) -> bool {
    const DONE: &[u8] = b"\"done\":";
    match record.kind {
        RecordKind::None | RecordKind::Pattern => record.json.windows(DONE.len()).any(|bytes| bytes == DONE),
        // The same as the pattern before it.
        RecordKind::Text | RecordKind::Thinking => false,
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.release("the stream was dropped");
    }
}

/// The texts of a stream's records, without objects for the records.
#[pyclass(module = "towline", frozen)]
pub(crate) struct Texts {
    stream: Py<Stream>,
}

#[pymethods]
impl Texts {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    /// Skips records without text, including thinking.
    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        loop {
            let found = self.stream.get().next(py, |shaper, record| {
                let is_answer = record.kind != RecordKind::Thinking && !record.text.is_empty();
                Ok(is_answer.then(|| shaper.text(py, record).into_any()))
            })?;
            match found {
                Some(Some(text)) => return Ok(Some(text)),
                Some(None) => {}
                None => return Err(PyStopIteration::new_err(())),
            }
        }
    }
}
