//! Ways through a proxy.

/// A proxy that forwards plain HTTP requests.
#[derive(Debug)]
pub(super) struct Forward;

impl Forward {
    pub(super) fn authorization(&self) -> Option<&str> {
        None
    }
}
