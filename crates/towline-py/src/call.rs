//! A request with a single answer, for threads and for event loops.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::failure;
use crate::forked;
use crate::hub::Hub;
use crate::mailbox::{End, Mailbox, News, Reader};
use crate::parker::Parker;

/// A running request. Dropping it before the answer arrives closes its connection.
#[pyclass(module = "towline._towline", frozen)]
pub(crate) struct Call {
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) started_in: u32,
    /// Whether the request goes to a relay.
    pub(crate) is_relayed: bool,
}

impl Call {
    fn answer<'py>(&self, py: Python<'py>, news: News) -> PyResult<Option<Bound<'py, PyBytes>>> {
        match news {
            News::End(End::Answer(Ok(body))) => Ok(Some(PyBytes::new(py, &body))),
            News::End(End::Answer(Err(error))) => Err(failure::of_error(py, &error, self.is_relayed)),
            News::End(End::Stream(_)) | News::Records(_) => unreachable!("a call has one answer"),
            News::None => Ok(None),
        }
    }
}

#[pymethods]
impl Call {
    /// Waits for the answer's body.
    fn wait<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        forked::check(self.started_in)?;
        let parker = Parker::of_thread(py)?;
        loop {
            let news = self.mailbox.poll(Some(Reader::Thread(Arc::clone(&parker))));
            match self.answer(py, news)? {
                Some(body) => return Ok(body),
                None => parker.wait(py, None)?,
            }
        }
    }

    /// The answer's body; `None` if it has not arrived yet. The hub then posts `token` when it arrives.
    fn poll<'py>(&self, py: Python<'py>, hub: &Hub, token: u64) -> PyResult<Option<Bound<'py, PyBytes>>> {
        forked::check(self.started_in)?;
        self.answer(py, self.mailbox.poll(Some(Reader::Task(Arc::clone(&hub.board), token))))
    }

    /// Cancels the request, from any thread.
    fn cancel(&self) {
        self.mailbox.cancel("the call was cancelled");
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.mailbox.cancel("the call was dropped");
    }
}
