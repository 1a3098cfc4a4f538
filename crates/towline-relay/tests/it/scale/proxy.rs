//! A proxy between a relay and Redis: it can hold requests, or the replies to some commands, break connections, and switch to
//! another server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The handling of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    is_held: bool,
    /// Replies are held on connections over which this was sent since the call.
    held_replies: Option<&'static str>,
    /// Connections with an earlier number are closed.
    generation: u64,
}

pub(super) struct Proxy {
    port: u16,
    target: Arc<AtomicU16>,
    state: watch::Sender<State>,
    /// The number of connections whose replies were held.
    held: Arc<AtomicUsize>,
}

impl Proxy {
    pub(super) async fn start(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let target = Arc::new(AtomicU16::new(target));
        let state = watch::Sender::new(State { is_held: false, held_replies: None, generation: 0 });
        let held = Arc::new(AtomicUsize::new(0));
        let (to, of, counted) = (Arc::clone(&target), state.subscribe(), Arc::clone(&held));
        tokio::spawn(async move {
            while let Ok((from, _)) = listener.accept().await {
                tokio::spawn(connection(from, to.load(Ordering::Relaxed), of.clone(), Arc::clone(&counted)));
            }
        });
        Self { port, target, state, held }
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Holds everything until released; connections stay open.
    pub(super) fn hold(&self, is_held: bool) {
        self.state.send_modify(|state| state.is_held = is_held);
    }

    /// Commands with this word arrive, but their replies are held: nothing returns over their connections until
    /// released.
    pub(super) fn hold_replies_to(&self, word: Option<&'static str>) {
        self.state.send_modify(|state| state.held_replies = word);
    }

    /// The number of connections whose replies were held so far.
    pub(super) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Closes all connections, with data in flight.
    pub(super) fn cut(&self) {
        self.state.send_modify(|state| state.generation += 1);
    }

    /// Switches to another server.
    pub(super) fn lead_to(&self, port: u16) {
        self.lead_new_to(port);
        self.cut();
    }

    /// Switches new connections to another server; open ones stay.
    pub(super) fn lead_new_to(&self, port: u16) {
        self.target.store(port, Ordering::Relaxed);
    }
}

async fn connection(from: TcpStream, target: u16, mut state: watch::Receiver<State>, held: Arc<AtomicUsize>) {
    let Ok(to) = TcpStream::connect(("127.0.0.1", target)).await else { return };
    let generation = state.borrow_and_update().generation;
    let (from_read, from_write) = from.into_split();
    let (to_read, to_write) = to.into_split();
    let (up, down) = (state.clone(), state.clone());
    let is_said = AtomicBool::new(false);
    let may_go_up = |state: &State, bytes: &[u8]| {
        let says = |word: &str| bytes.windows(word.len()).any(|at| at == word.as_bytes());
        if state.held_replies.is_some_and(says) && !is_said.swap(true, Ordering::Relaxed) {
            held.fetch_add(1, Ordering::Relaxed);
        }
        !state.is_held
    };
    let may_come_down = |state: &State, _: &[u8]| {
        !(state.is_held || state.held_replies.is_some() && is_said.load(Ordering::Relaxed))
    };
    tokio::select! {
        () = pass(from_read, to_write, up, may_go_up) => {}
        () = pass(to_read, from_write, down, may_come_down) => {}
        _ = state.wait_for(|state| state.generation != generation) => {}
    }
}

async fn pass(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut state: watch::Receiver<State>,
    may_pass: impl Fn(&State, &[u8]) -> bool,
) {
    let mut bytes = vec![0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if state.wait_for(|state| may_pass(state, &bytes[..count])).await.is_err()
            || to.write_all(&bytes[..count]).await.is_err()
        {
            return;
        }
    }
}
