//! Connections kept for the next request.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::{Handle, Id};
use tokio::time::Instant;
use towline_core::endpoint::Endpoint;

use super::config::PoolConfig;
use super::proxy::Forward;
use super::socket::Socket;

/// What connections are shared by: scheme, host, port, and the runtime that drives their sockets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    /// Without its base path, host in lower case.
    pub(super) endpoint: Endpoint,
    runtime: Id,
}

impl Origin {
    /// # Panics
    ///
    /// Outside a runtime.
    pub(super) fn of(endpoint: &Endpoint) -> Self {
        let mut endpoint = endpoint.clone();
        endpoint.base_path.clear();
        endpoint.host.make_ascii_lowercase();
        Self { endpoint, runtime: Handle::current().id() }
    }
}

/// An HTTP/1.1 connection between two requests.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) socket: Socket,
    /// Set when the socket leads to a proxy that forwards.
    pub(super) forward: Option<Arc<Forward>>,
}

#[derive(Debug)]
pub(super) struct Pool {
    config: PoolConfig,
    hosts: Mutex<HashMap<Origin, Host>>,
}

/// All there is to one origin.
#[derive(Debug, Default)]
struct Host {
    /// The longest idle one first.
    idle: VecDeque<Idle>,
}

#[derive(Debug)]
struct Idle {
    link: Link,
    since: Instant,
}

impl Pool {
    pub(super) fn new(config: PoolConfig) -> Self {
        Self { config, hosts: Mutex::default() }
    }

    /// The most recently used idle connection that is still alive. Those found dead are closed.
    pub(super) fn take(&self, origin: &Origin) -> Option<Link> {
        let mut hosts = self.lock();
        forget_old(&mut hosts, self.config.idle_timeout);
        let host = hosts.get_mut(origin)?;
        while let Some(idle) = host.idle.pop_back() {
            if idle.link.socket.is_quiet() {
                return Some(idle.link);
            }
        }
        None
    }

    /// Keeps a connection whose last response was read to its end.
    pub(super) fn put(&self, origin: &Origin, link: Link) {
        if self.config.max_idle_per_host == 0 {
            return;
        }
        let mut hosts = self.lock();
        forget_old(&mut hosts, self.config.idle_timeout);
        let host = hosts.entry(origin.clone()).or_default();
        if host.idle.len() >= self.config.max_idle_per_host {
            host.idle.pop_front();
        }
        host.idle.push_back(Idle { link, since: Instant::now() });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Origin, Host>> {
        // Every change under the lock is complete in itself, so a panic elsewhere leaves the map usable.
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn forget_old(hosts: &mut HashMap<Origin, Host>, idle_timeout: Duration) {
    let now = Instant::now();
    hosts.retain(|_, host| {
        host.idle.retain(|idle| now.duration_since(idle.since) < idle_timeout);
        !host.idle.is_empty()
    });
}
