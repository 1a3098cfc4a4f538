//! The relay as a server: from its configuration to its shutdown.

use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

use super::connection::connection;
use super::crowd::Crowd;
use crate::access::{self, Rules};
use crate::config::{Config, Listen};
use crate::error::Error;
use crate::housekeeping;
use crate::listen::{self, LateDoor, Listener, Stream, Tls};
use crate::relay::{Relay, RelayPhase};
use crate::shared;
use crate::tasks::Tasks;

/// How long to wait after a failed accept (mostly out of file descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long the first health check of the model servers may delay the first requests.
const FIRST_CHECK: Duration = Duration::from_secs(1);
/// How long connections may take to end after the last answer.
const CLOSE_TIME: Duration = Duration::from_secs(2);

/// A relay that listens but does not answer yet. Dropping it frees its addresses.
pub struct Server {
    relay: Arc<Relay>,
    listeners: Vec<Listener>,
    tls: Tls,
    /// The tasks that renew its lease and send its orders, if there are several relays.
    among_others: Vec<AbortOnDropHandle<Infallible>>,
}

/// Replaces parts of a running relay's configuration.
#[derive(Clone)]
pub struct Reloader {
    relay: Arc<Relay>,
    tls: Tls,
}

impl std::fmt::Debug for Reloader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reloader").finish_non_exhaustive()
    }
}

impl Reloader {
    /// Applies the tokens, hosts, origins and certificates of this configuration to later requests and
    /// connections. Other settings need a restart.
    ///
    /// # Errors
    /// An invalid setting; then nothing is changed.
    pub fn reload(&self, config: &Config) -> Result<(), Error> {
        access::check_open(&self.relay.config.listen, config)?;
        let rules = Rules::new(config)?;
        let tls = config.tls.as_ref().map(listen::acceptor).transpose()?;
        let mut own = self.tls.write().unwrap_or_else(PoisonError::into_inner);
        if own.is_some() != tls.is_some() {
            return Err(Error::Config("turning TLS on or off needs a restart of the relay".into()));
        }
        *own = tls;
        drop(own);
        self.relay.access.replace(rules);
        tracing::info!("tokens, hosts, origins and certificates were read again");
        Ok(())
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("listening", &self.listening()).finish_non_exhaustive()
    }
}

/// How a relay ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Number of answers that were running at the start of the shutdown.
    pub running: usize,
    /// Number of these that were cut at the end of the drain time. Each has its terminal record.
    pub cut: usize,
}

impl Server {
    /// Checks the configuration, opens the store, and binds the addresses.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    ///
    /// # Errors
    /// An unusable setting, or one that would let strangers in; the error says what to do.
    pub async fn bind(mut config: Config) -> Result<Self, Error> {
        listen::place(&mut config)?;
        access::check(&config)?;
        let tls = config.tls.as_ref().map(listen::acceptor).transpose()?;
        // Before the store is opened, so that a second relay learns that there is a first one.
        let mut listeners = Vec::new();
        for listen in &config.listen {
            listeners.push(match listen::passed_listener(&config.sockets, listen)? {
                Some(passed) => passed,
                None => Listener::bind(listen).await?,
            });
        }
        let shown: Vec<Listen> = listeners.iter().map(Listener::shown).collect();
        for upstream in &config.upstreams {
            if shown.iter().any(|listen| listen.is_at(&upstream.endpoint)) {
                let message = format!(
                    "the model server {} is this relay itself: use the address of a model server",
                    upstream.name
                );
                return Err(Error::Config(message));
            }
        }
        let tasks = Tasks::new();
        let relay = tokio::task::spawn_blocking(move || Relay::open(config, tasks)).await;
        let relay = match relay {
            Ok(opened) => opened?,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        };
        relay.listening.get_or_init(|| shown);
        let mut among_others = Vec::new();
        if let Some(shared) = &relay.shared {
            let (renewing, sending) = (Arc::clone(shared), Arc::clone(shared));
            among_others.push(relay.tasks.start_held(async move { shared::renew(&renewing).await }));
            among_others.push(relay.tasks.start_held(async move { sending.send().await }));
            shared.load().await.map_err(|source| Error::Shared { source })?;
        }
        Ok(Self { relay, listeners, tls: Arc::new(RwLock::new(tls)), among_others })
    }

    /// The addresses on which it listens, with the actual port if 0 was configured.
    pub fn listening(&self) -> Vec<Listen> {
        self.listeners.iter().map(Listener::shown).collect()
    }

    /// A handle that changes the configuration while it runs.
    pub fn reloader(&self) -> Reloader {
        Reloader { relay: Arc::clone(&self.relay), tls: Arc::clone(&self.tls) }
    }

    /// Serves requests until `shutdown` is ready or a client shuts it down. Then it refuses new work, lets
    /// answers run for the drain time, during which they can be read and controlled, cancels the rest, and
    /// closes the store.
    ///
    /// # Cancel safety
    /// Dropping the future has the effect of a crash: written data stays, and the next start closes running
    /// answers.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Report {
        self.run_until(Box::pin(shutdown)).await
    }

    /// The body of [`run`](Self::run), compiled once here and not in every program that runs a relay.
    fn run_until<'a>(
        self,
        shutdown: Pin<Box<dyn Future<Output = ()> + Send + 'a>>,
    ) -> Pin<Box<dyn Future<Output = Report> + Send + 'a>> {
        Box::pin(async move {
            let Self { relay, mut listeners, tls, among_others } = self;
            let connections = Tasks::new();
            // While devices may connect.
            if relay.devices.are_kept() {
                listen::open_again(&relay.phone_door, &relay.config.store.place).await;
            }
            // So that the first requests find the server that has their model; slower servers are checked
            // later.
            relay.upstreams.check_first(FIRST_CHECK).await;
            let (running, cut) = {
                let accepting = async {
                    let mut accepts: Vec<_> = listeners
                        .iter()
                        .map(|listener| Box::pin(accept(&relay, listener, &tls, &connections)))
                        .collect();
                    std::future::poll_fn(|cx| {
                        for accept in &mut accepts {
                            // None of these ends.
                            let _never = accept.as_mut().poll(cx);
                        }
                        std::task::Poll::<()>::Pending
                    })
                    .await;
                };
                let late = async |door: &LateDoor| {
                    let (listener, tls) = door.opened().await;
                    accept(&relay, &listener, &tls, &connections).await;
                };
                let serving = async {
                    tokio::select! {
                        () = accepting => {}
                        () = late(&relay.page_door) => {}
                        () = late(&relay.phone_door) => {}
                        () = relay.upstreams.check_periodically(relay.config.times.health) => {}
                        never = housekeeping::run(Arc::clone(&relay)) => match never {},
                        () = traced(&relay) => {}
                        () = follow_others(&relay) => {}
                    }
                };
                let mut serving = pin!(serving);
                tokio::select! {
                    () = &mut serving => unreachable!("serving does not end"),
                    () = shutdown => relay.end(),
                    () = relay.reaches(RelayPhase::Draining) => {}
                }
                let running = relay.running.load(Ordering::Relaxed);
                tracing::info!(running, "the relay is draining");
                // Readers of running answers may reconnect, and owners may control them.
                tokio::select! {
                    () = &mut serving => unreachable!("serving does not end"),
                    cut = drain(&relay) => (running, cut),
                }
            };
            // A client that is refused can use another relay. The Unix socket closes last, because a process
            // that waits for it wants the store.
            listeners.retain(|listener| matches!(listener, Listener::Unix { .. }));
            if let Some(traces) = &relay.traces {
                // The collector may be gone too.
                drop(tokio::time::timeout(CLOSE_TIME, traces.send()).await);
            }
            relay.moves_to(RelayPhase::Closing);
            if tokio::time::timeout(CLOSE_TIME, connections.all_ended()).await.is_err() {
                tracing::info!(connections = connections.running(), "connections are cut");
            }
            drop(among_others);
            let closing = Arc::clone(&relay);
            if tokio::task::spawn_blocking(move || closing.writer.end()).await.is_err() {
                tracing::error!("the store could not be closed");
            }
            drop(listeners);
            tracing::info!(running, cut, "the relay has ended");
            Report { running, cut }
        })
    }
}

/// Follows what other relays do, if there can be any. Never ready.
async fn follow_others(relay: &Relay) {
    let Some(shared) = &relay.shared else { return std::future::pending().await };
    tokio::select! {
        never = shared::maintain(shared) => match never {},
        never = shared::listen(shared) => match never {},
    }
}

/// Sends spans, if tracing is configured. Never returns.
async fn traced(relay: &Relay) {
    match &relay.traces {
        Some(traces) => traces.keep_sending().await,
        None => std::future::pending().await,
    }
}

/// Waits for answers during the drain time, then interrupts the rest. Returns the number of interrupted
/// answers.
async fn drain(relay: &Arc<Relay>) -> usize {
    let ended = async {
        let mut rounds = tokio::time::interval(Duration::from_millis(20));
        while relay.running.load(Ordering::Relaxed) > 0 {
            rounds.tick().await;
        }
    };
    let mut ended = pin!(ended);
    if tokio::time::timeout(relay.config.times.drain, ended.as_mut()).await.is_ok() {
        return 0;
    }
    let mut cut = 0;
    for entry in relay.registry.all() {
        if entry.job.is_some_and(|job| job.interrupt().is_ok()) {
            cut += 1;
        }
    }
    // These end at once: received bytes are written, without waiting for a server.
    ended.await;
    cut
}

async fn accept(relay: &Arc<Relay>, listener: &Listener, tls: &Tls, connections: &Tasks) {
    let crowd = Crowd::new(relay.config.limits.connections);
    let mut is_failing = false;
    loop {
        if crowd.is_full() {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        }
        match listener.accept().await {
            Ok(stream) => {
                is_failing = false;
                relay.connections.fetch_add(1, Ordering::Relaxed);
                let tls = tls.read().unwrap_or_else(PoisonError::into_inner).clone();
                let (relay, crowd) = (Arc::clone(relay), crowd.clone());
                connections.start(counted(relay, stream, tls, crowd));
            }
            Err(error) => {
                // Once, however often it is retried.
                if !std::mem::replace(&mut is_failing, true) {
                    tracing::warn!(%error, "connections cannot be accepted");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn counted(relay: Arc<Relay>, stream: Stream, tls: Option<TlsAcceptor>, crowd: Crowd) {
    connection(Arc::clone(&relay), stream, tls, crowd).await;
    relay.connections.fetch_sub(1, Ordering::Relaxed);
}
