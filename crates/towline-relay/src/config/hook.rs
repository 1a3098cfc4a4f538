//! What a program that runs a relay is told by it.

use std::fmt;
use std::sync::Arc;

use crate::id::StreamId;

/// Is called with the id of each answer that has ended, once the log and the record of it say so. It must not block: the relay
/// waits for it.
#[derive(Clone)]
pub struct OnEnd(Arc<dyn Fn(&StreamId) + Send + Sync>);

impl OnEnd {
    /// Calls this.
    pub fn new(call: impl Fn(&StreamId) + Send + Sync + 'static) -> Self {
        Self(Arc::new(call))
    }

    pub(crate) fn tell(&self, id: &StreamId) {
        (self.0)(id);
    }
}

impl fmt::Debug for OnEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnEnd")
    }
}
