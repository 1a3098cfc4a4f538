//! The running requests of a client.

use std::sync::{Arc, Weak};

use pyo3::prelude::*;
use towline::Error;

use crate::call::Call;
use crate::driver::drive_call;
use crate::failure;
use crate::leaf::Leaf;
use crate::mailbox::Mailbox;
use crate::runtime;

/// The running requests, so that all can be cancelled together.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    state: Leaf<Open>,
}

#[derive(Debug, Default)]
struct Open {
    closed: bool,
    mailboxes: Vec<Weak<Mailbox>>,
    /// The number of entries at which ended requests are removed.
    tidy_at: usize,
}

impl Registry {
    /// Sends a request with a single answer.
    pub(crate) fn call(
        &self,
        py: Python<'_>,
        call: impl Future<Output = Result<Vec<u8>, Error>> + Send + 'static,
        is_relayed: bool,
    ) -> PyResult<Call> {
        let mailbox = Arc::default();
        self.add(py, &mailbox)?;
        runtime::spawn(drive_call(call, Arc::clone(&mailbox)))?;
        Ok(Call { mailbox, started_in: std::process::id(), is_relayed })
    }

    pub(crate) fn add(&self, py: Python<'_>, mailbox: &Arc<Mailbox>) -> PyResult<()> {
        let is_open = self.state.with(|open| {
            if open.closed {
                return false;
            }
            if open.mailboxes.len() >= open.tidy_at {
                open.mailboxes.retain(|mailbox| mailbox.strong_count() > 0);
                open.tidy_at = 2 * open.mailboxes.len() + 16;
            }
            open.mailboxes.push(Arc::downgrade(mailbox));
            true
        });
        if is_open { Ok(()) } else { Err(failure::closed(py)) }
    }

    pub(crate) fn close(&self) {
        let mailboxes = self.state.with(|open| {
            open.closed = true;
            std::mem::take(&mut open.mailboxes)
        });
        for mailbox in mailboxes.iter().filter_map(Weak::upgrade) {
            mailbox.cancel("the client was closed");
        }
    }
}
