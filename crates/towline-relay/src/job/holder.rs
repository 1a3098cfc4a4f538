//! Answers that other relays run: their state, and orders to the relays that hold them.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, oneshot};
use towline::relay::AnswerState;

use crate::store::redis::{Commands, Reply, key};
use crate::store::{RedisError, RedisStore, StreamNo};

/// Number of orders that a relay may be behind; older ones are dropped.
const ORDERS: &str = "10000";

/// An order to the relay that runs an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ForwardedOrder {
    Cancel(String),
    /// In Unix milliseconds; `None` removes it.
    Deadline(Option<u64>),
    /// This many milliseconds later than the deadline when the order is carried out.
    Extend(u64),
    Pause(bool),
    Rename(String),
    /// The number of its readers at that relay.
    Readers {
        relay: u64,
        count: usize,
    },
}

/// The state of a running answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct JobStatus {
    pub(crate) state: AnswerState,
    pub(crate) is_paused: bool,
    pub(crate) upstream: String,
    pub(crate) records: u64,
    pub(crate) tokens: Option<u64>,
    pub(crate) tokens_per_second: Option<f64>,
    /// In Unix milliseconds.
    pub(crate) deadline_ms: Option<u64>,
}

/// The relay that runs an answer.
#[derive(Debug, Clone)]
pub(crate) struct Holder {
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) stream: StreamNo,
    pub(crate) relay: u64,
}

impl Holder {
    /// The number of this relay, not of the holder.
    pub(crate) fn own_relay(&self) -> u64 {
        self.outbox.store.relay()
    }

    /// Sends an order. Orders from this relay arrive in the sequence in which they were given.
    pub(crate) fn send(&self, order: &ForwardedOrder) -> Sent {
        let (arrived, arrives) = oneshot::channel();
        // Plain data can always be written as JSON.
        let order = serde_json::to_string(order).unwrap_or_default();
        self.outbox.push(QueuedOrder { stream: self.stream, to: self.relay, order, arrived });
        Sent(Some(arrives))
    }
}

/// An order that is being sent. It arrives even if this is dropped.
#[derive(Debug)]
pub(crate) struct Sent(Option<oneshot::Receiver<Result<(), RedisError>>>);

impl Sent {
    /// An order to this relay itself.
    pub(crate) fn local() -> Self {
        Self(None)
    }

    /// Waits until the store has the order: later orders at any relay come after it.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    ///
    /// # Errors
    /// If the store has not accepted it, or has not confirmed it.
    pub(crate) async fn arrived(self) -> Result<(), RedisError> {
        let Some(arrives) = self.0 else { return Ok(()) };
        // The sending task has ended with the relay.
        arrives.await.unwrap_or_else(|_| Err(RedisError::Refused("the relay is ending".into())))
    }
}

#[derive(Debug)]
struct QueuedOrder {
    stream: StreamNo,
    /// The relay that runs it.
    to: u64,
    order: String,
    arrived: oneshot::Sender<Result<(), RedisError>>,
}

/// The orders to send, oldest first.
#[derive(Debug)]
pub(crate) struct Outbox {
    store: Arc<RedisStore>,
    queued: Mutex<Vec<QueuedOrder>>,
    is_filled: Notify,
    /// The number of sent orders: an order that arrives twice, because a reply was lost, is carried out once.
    sent: AtomicU64,
}

impl Outbox {
    pub(crate) fn new(store: Arc<RedisStore>) -> Self {
        Self { store, queued: Mutex::default(), is_filled: Notify::new(), sent: AtomicU64::new(0) }
    }

    fn push(&self, order: QueuedOrder) {
        self.queued.lock().unwrap_or_else(PoisonError::into_inner).push(order);
        self.is_filled.notify_one();
    }

    /// Sends orders to the relays that run the answers. Never ready.
    ///
    /// # Cancel safety
    /// Dropping the future stops it; the last orders may or may not have arrived.
    pub(crate) async fn send(&self) -> Infallible {
        loop {
            self.is_filled.notified().await;
            let queued = std::mem::take(&mut *self.queued.lock().unwrap_or_else(PoisonError::into_inner));
            let mut commands = Commands::default();
            for order in &queued {
                let key = key(format_args!("orders:{}", order.to));
                let (stream, own) = (order.stream.to_string(), self.store.relay().to_string());
                let nth = (self.sent.fetch_add(1, Ordering::Relaxed) + 1).to_string();
                let add = ["XADD", &key, "MAXLEN", "~", ORDERS, "*", "no", &stream, "order", &order.order];
                commands.push(&[&add[..], &["by", &own, "nth", &nth]].concat());
                commands.push(&["PUBLISH", &key, ""]);
            }
            let mut replies = match self.store.ask(&commands).await {
                Ok(replies) => replies.into_iter().step_by(2).map(Ok).collect(),
                Err(error) => vec![Err(error.to_string())],
            }
            .into_iter();
            let mut last = Err("no reply arrived".to_owned());
            for order in queued {
                // One failure applies to all.
                last = replies.next().unwrap_or(last);
                let arrived = match &last {
                    Ok(Reply::Failed(why)) | Err(why) => Err(RedisError::Refused(why.clone())),
                    Ok(_) => Ok(()),
                };
                if let Err(error) = &arrived {
                    tracing::warn!(%error, "an order did not reach the relay that runs the answer");
                }
                // The receiver may be gone.
                drop(order.arrived.send(arrived));
            }
        }
    }
}
