//! Connections kept for the next request.

use std::collections::VecDeque;
use std::collections::hash_map::{Entry, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::{Handle, Id};
use tokio::sync::{OwnedMutexGuard, watch};
use tokio::time::Instant;
use towline_core::endpoint::Endpoint;

use super::config::PoolConfig;
use super::http2::{Http2, StreamSlot};
use super::proxy::Forward;
use super::socket::Socket;

/// The key by which connections are shared: scheme, host, port, and the runtime that drives their sockets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    /// Without its base path and credentials, host in lower case.
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
        endpoint.credentials = None;
        endpoint.host.make_ascii_lowercase();
        Self { endpoint, runtime: Handle::current().id() }
    }
}

/// An HTTP/1.1 connection between two requests.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) socket: Socket,
    /// Set if the socket leads to a forwarding proxy.
    pub(super) forward: Option<Arc<Forward>>,
}

/// Maximum number of remembered origins without a connection.
const REMEMBERED_ORIGINS: usize = 64;

#[derive(Debug)]
pub(super) struct Pool {
    config: PoolConfig,
    /// Number of shared connections that are opened to an origin to avoid crowding one.
    max_connections: usize,
    hosts: Mutex<HashMap<Arc<Origin>, Host>>,
}

/// The state of one origin.
#[derive(Debug, Default)]
struct Host {
    /// The connection that has been idle longest is first.
    idle: VecDeque<Idle<Link>>,
    http2: Vec<Idle<Http2>>,
    /// Held while it is not known whether the next connection will be shared, so that many simultaneous
    /// requests open one connection.
    gate: Arc<tokio::sync::Mutex<()>>,
    /// The last connection did not offer HTTP/2.
    speaks_http1: bool,
}

#[derive(Debug)]
struct Idle<T> {
    connection: T,
    /// When it was last taken or returned.
    since: Instant,
}

/// The pool's offer for a request.
#[derive(Debug)]
pub(super) enum Checkout {
    /// An idle connection that is still alive.
    Http1(Link),
    /// A shared connection and a slot on it.
    Http2(Http2, StreamSlot),
    /// A connection whose server has not sent its stream limit yet.
    AwaitingSettings(watch::Receiver<bool>),
    Nothing,
}

impl Pool {
    pub(super) fn new(config: PoolConfig, max_connections: usize) -> Self {
        Self { config, max_connections, hosts: Mutex::default() }
    }

    /// The best connection for a request. Closes dead connections that it finds. A known origin is replaced by the
    /// pool's own, so that its streams share one.
    pub(super) fn check_out(&self, origin: &mut Arc<Origin>) -> Checkout {
        let mut hosts = self.lock();
        self.forget_old(&mut hosts);
        let Entry::Occupied(known) = hosts.entry(Arc::clone(origin)) else { return Checkout::Nothing };
        *origin = Arc::clone(known.key());
        let host = known.into_mut();
        // The oldest shared connection comes first, so that those opened for a burst become idle after it.
        for shared in &mut host.http2 {
            if let Some(slot) = shared.connection.slot() {
                shared.since = Instant::now();
                return Checkout::Http2(shared.connection.clone(), slot);
            }
        }
        while let Some(idle) = host.idle.pop_back() {
            if idle.connection.socket.is_quiet() {
                return Checkout::Http1(idle.connection);
            }
        }
        if let Some(has_settings) = host.http2.iter().find_map(|shared| shared.connection.awaiting_settings())
        {
            return Checkout::AwaitingSettings(has_settings);
        }
        if host.http2.len() < self.max_connections {
            return Checkout::Nothing;
        }
        let least_busy = host.http2.iter_mut().min_by_key(|shared| shared.connection.streams());
        match least_busy
            .and_then(|shared| Some((shared.connection.clone(), shared.connection.slot_beyond_preferred()?)))
        {
            Some((connection, slot)) => Checkout::Http2(connection, slot),
            None => Checkout::Nothing,
        }
    }

    /// Keeps a connection whose last response was read to its end.
    pub(super) fn check_in(&self, origin: &Arc<Origin>, link: Link) {
        if self.config.max_idle_per_host == 0 {
            return;
        }
        let mut hosts = self.lock();
        self.forget_old(&mut hosts);
        let host = hosts.entry(Arc::clone(origin)).or_default();
        if host.idle.len() >= self.config.max_idle_per_host {
            host.idle.pop_front();
        }
        host.idle.push_back(Idle { connection: link, since: Instant::now() });
    }

    /// Shares a new connection.
    pub(super) fn share(&self, origin: &Arc<Origin>, connection: &Http2) {
        let mut hosts = self.lock();
        let host = hosts.entry(Arc::clone(origin)).or_default();
        host.speaks_http1 = false;
        host.http2.push(Idle { connection: connection.clone(), since: Instant::now() });
    }

    /// Remembers that connections to this origin are not shared, so no request waits for one.
    pub(super) fn speaks_http1(&self, origin: &Arc<Origin>) {
        self.lock().entry(Arc::clone(origin)).or_default().speaks_http1 = true;
    }

    /// Waits for permission to open a connection that may be shared; `None` if it is known that it will not
    /// be shared.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future releases the permission.
    pub(super) async fn open_permit(&self, origin: &Arc<Origin>) -> Option<OwnedMutexGuard<()>> {
        let gate = {
            let mut hosts = self.lock();
            let host = hosts.entry(Arc::clone(origin)).or_default();
            if host.speaks_http1 {
                return None;
            }
            Arc::clone(&host.gate)
        };
        Some(gate.lock_owned().await)
    }

    fn forget_old(&self, hosts: &mut HashMap<Arc<Origin>, Host>) {
        let now = Instant::now();
        let fresh = |since| now.duration_since(since) < self.config.idle_timeout;
        let crowded = hosts.len() > REMEMBERED_ORIGINS;
        hosts.retain(|_, host| {
            host.idle.retain(|idle| fresh(idle.since));
            host.http2.retain_mut(|shared| {
                shared.connection.is_open() && (!shared.connection.is_idle() || fresh(shared.since))
            });
            let in_use = !host.idle.is_empty() || !host.http2.is_empty() || Arc::strong_count(&host.gate) > 1;
            in_use || !crowded
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<Origin>, Host>> {
        // Every change under the lock is complete in itself, so a panic elsewhere leaves the map usable.
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
