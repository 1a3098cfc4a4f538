//! The shared state of server and test: what the server has seen, and what the test allows.
//!
//! One mutex guards everything; critical sections are a few lines. Each connection has its own condition
//! variable, so a thousand scripts do not wake each other; the test waits on a separate one.

use std::{
    collections::HashMap,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{http::Request, socket::Socket};

/// The peer's end of a connection, as the server saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Close {
    /// When the server's read returned.
    pub at: Instant,
    pub kind: CloseKind,
}

/// How the peer closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseKind {
    /// End of file: the peer closed or half-closed.
    Fin,
    /// A reset. Kernels send one when a peer closes with unread bytes, so this is a common close too.
    Reset,
}

/// Why a wait of a script ended without success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interrupted {
    PeerClosed,
    Stopping,
    Elapsed,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    stopping: bool,
    gates: HashMap<String, Gate>,
    pub(crate) connections: Vec<Connection>,
    pub(crate) requests: Vec<Request>,
}

/// A gate lets through as many passes as the test has granted, or everything once it is open.
#[derive(Debug, Default)]
struct Gate {
    open: bool,
    passes: u64,
    arrived: u64,
}

#[derive(Debug)]
pub(crate) struct Connection {
    inbox: Vec<u8>,
    pub(crate) closed: Option<Close>,
    /// Whether the server ends it, so that an end of file does not come from the peer.
    ending: bool,
    /// Whether its socket is closed on this side.
    pub(crate) over: bool,
    pub(crate) requests: usize,
    pub(crate) sent: Arc<AtomicU64>,
    wake: Arc<Condvar>,
    socket: Weak<Socket>,
}

impl Ledger {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Blocks the test until `find` returns a value, at most `within`.
    pub(crate) fn wait<T>(&self, within: Duration, mut find: impl FnMut(&State) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + within;
        let mut state = self.lock();
        loop {
            if let Some(found) = find(&state) {
                return Some(found);
            }
            let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Numbers a new connection, unless the server is stopping.
    pub(crate) fn accepted(&self, socket: &Arc<Socket>) -> Option<usize> {
        let mut state = self.lock();
        if state.stopping {
            return None;
        }
        state.connections.push(Connection {
            inbox: Vec::new(),
            closed: None,
            ending: false,
            over: false,
            requests: 0,
            sent: Arc::default(),
            wake: Arc::default(),
            socket: Arc::downgrade(socket),
        });
        self.changed.notify_all();
        Some(state.connections.len() - 1)
    }

    pub(crate) fn received(&self, id: usize, bytes: &[u8]) {
        let mut state = self.lock();
        let connection = &mut state.connections[id];
        connection.inbox.extend_from_slice(bytes);
        connection.wake.notify_all();
    }

    pub(crate) fn peer_closed(&self, id: usize, kind: CloseKind) {
        let at = Instant::now();
        let mut state = self.lock();
        let stopping = state.stopping;
        let connection = &mut state.connections[id];
        if connection.closed.is_none() && !connection.ending && !stopping {
            connection.closed = Some(Close { at, kind });
        }
        connection.wake.notify_all();
        self.changed.notify_all();
    }

    /// Marks the connection as closed by the server: the waits of its script end.
    pub(crate) fn ending(&self, id: usize) {
        let mut state = self.lock();
        let connection = &mut state.connections[id];
        connection.ending = true;
        connection.wake.notify_all();
    }

    pub(crate) fn over(&self, id: usize) {
        self.lock().connections[id].over = true;
        self.changed.notify_all();
    }

    pub(crate) fn record(&self, mut request: Request) -> Request {
        let mut state = self.lock();
        let connection = &mut state.connections[request.connection];
        request.nth_on_connection = connection.requests;
        connection.requests += 1;
        state.requests.push(request.clone());
        self.changed.notify_all();
        request
    }

    pub(crate) fn allow(&self, gate: &str, passes: u64) {
        let mut state = self.lock();
        state.gates.entry(gate.to_owned()).or_default().passes += passes;
        wake_all(&state);
    }

    pub(crate) fn open(&self, gate: &str) {
        let mut state = self.lock();
        state.gates.entry(gate.to_owned()).or_default().open = true;
        wake_all(&state);
    }

    /// Stops every script: waits end, sockets are shut down.
    pub(crate) fn stop(&self) {
        let mut state = self.lock();
        state.stopping = true;
        wake_all(&state);
        for socket in state.connections.iter().filter_map(|connection| connection.socket.upgrade()) {
            socket.shutdown(std::net::Shutdown::Both);
        }
    }

    /// Blocks a script until the peer has sent bytes, and takes them.
    pub(crate) fn take_received(&self, id: usize) -> Result<Vec<u8>, Interrupted> {
        self.wait_on(id, None, |state| {
            let inbox = &mut state.connections[id].inbox;
            (!inbox.is_empty()).then(|| std::mem::take(inbox))
        })
    }

    /// Blocks a script at a gate.
    pub(crate) fn pass(&self, id: usize, gate: &str) -> Result<(), Interrupted> {
        self.lock().gates.entry(gate.to_owned()).or_default().arrived += 1;
        self.changed.notify_all();
        self.wait_on(id, None, |state| {
            let gate = state.gates.get_mut(gate)?;
            if !gate.open {
                gate.passes = gate.passes.checked_sub(1)?;
            }
            Some(())
        })
    }

    /// Blocks a script until the peer closes, or until a time.
    pub(crate) fn pause(&self, id: usize, until: Option<Instant>) -> Interrupted {
        match self.wait_on(id, until, |_| None::<std::convert::Infallible>) {
            Err(interrupted) => interrupted,
            Ok(never) => match never {},
        }
    }

    fn wait_on<T>(
        &self,
        id: usize,
        until: Option<Instant>,
        mut find: impl FnMut(&mut State) -> Option<T>,
    ) -> Result<T, Interrupted> {
        let mut state = self.lock();
        let wake = Arc::clone(&state.connections[id].wake);
        loop {
            if state.stopping || state.connections[id].ending {
                return Err(Interrupted::Stopping);
            }
            if let Some(found) = find(&mut state) {
                return Ok(found);
            }
            if state.connections[id].closed.is_some() {
                return Err(Interrupted::PeerClosed);
            }
            state = match until {
                None => wake.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(Interrupted::Elapsed);
                    }
                    wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

impl State {
    /// How often scripts have reached a gate.
    pub(crate) fn arrivals(&self, gate: &str) -> u64 {
        self.gates.get(gate).map_or(0, |gate| gate.arrived)
    }

    pub(crate) fn sent(&self, id: usize) -> Option<u64> {
        Some(self.connections.get(id)?.sent.load(Ordering::Relaxed))
    }
}

fn wake_all(state: &State) {
    for connection in &state.connections {
        connection.wake.notify_all();
    }
}
