//! An answer that another relay runs: what is told of it, and what that relay is told to do.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, oneshot};
use towline::relay::AnswerState;

use crate::store::redis::{Commands, Reply};
use crate::store::{RedisError, RedisStore, StreamNo};

/// Orders that a relay may be behind; older ones are gone.
const ORDERS: &str = "10000";

/// What a relay is told to do with an answer that it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    Cancel(String),
    /// In Unix milliseconds; none takes it away.
    Deadline(Option<u64>),
    /// So many milliseconds later than it stands when this is obeyed.
    Extend(u64),
    Pause(bool),
    Rename(String),
    /// So many readers of it are at that relay.
    Readers {
        relay: u64,
        count: usize,
    },
}

/// How an answer looks that runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Shown {
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
    pub(crate) fn own(&self) -> u64 {
        self.outbox.store.relay()
    }

    /// Sends an order. Those that are given here arrive in the order in which they were given.
    pub(crate) fn send(&self, order: &Order) -> Sent {
        let (arrived, arrives) = oneshot::channel();
        // Plain data can always be said in JSON.
        let order = serde_json::to_string(order).unwrap_or_default();
        self.outbox.put(Letter { stream: self.stream, to: self.relay, order, arrived });
        Sent(Some(arrives))
    }
}

/// An order on its way. It arrives also when this is dropped.
#[derive(Debug)]
pub(crate) struct Sent(Option<oneshot::Receiver<Result<(), RedisError>>>);

impl Sent {
    /// One to this relay itself.
    pub(crate) fn here() -> Self {
        Self(None)
    }

    /// Waits until the store has it: what is ordered from then on, at whichever relay, comes after it.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    ///
    /// # Errors
    /// When the store has not taken it, or has not said so.
    pub(crate) async fn arrived(self) -> Result<(), RedisError> {
        let Some(arrives) = self.0 else { return Ok(()) };
        // Who would send it is gone with the relay.
        arrives.await.unwrap_or_else(|_| Err(RedisError::Refused("the relay ends".into())))
    }
}

#[derive(Debug)]
struct Letter {
    stream: StreamNo,
    /// The relay that runs it.
    to: u64,
    order: String,
    arrived: oneshot::Sender<Result<(), RedisError>>,
}

/// Orders that are to be sent, the first first.
#[derive(Debug)]
pub(crate) struct Outbox {
    store: Arc<RedisStore>,
    letters: Mutex<Vec<Letter>>,
    is_filled: Notify,
    /// How many were sent: an order that comes twice, since a reply was lost, is obeyed once.
    sent: AtomicU64,
}

impl Outbox {
    pub(crate) fn new(store: Arc<RedisStore>) -> Self {
        Self { store, letters: Mutex::default(), is_filled: Notify::new(), sent: AtomicU64::new(0) }
    }

    fn put(&self, letter: Letter) {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner).push(letter);
        self.is_filled.notify_one();
    }

    /// Sends what is ordered to the relays that run the answers. Never ready.
    ///
    /// # Cancel safety
    /// Dropping the future stops it; whether the last orders have arrived is not known.
    pub(crate) async fn send(&self) -> Infallible {
        loop {
            self.is_filled.notified().await;
            let letters = std::mem::take(&mut *self.letters.lock().unwrap_or_else(PoisonError::into_inner));
            let mut commands = Commands::default();
            for letter in &letters {
                let key = format!("towline:orders:{}", letter.to);
                let (stream, own) = (letter.stream.to_string(), self.store.relay().to_string());
                let nth = (self.sent.fetch_add(1, Ordering::Relaxed) + 1).to_string();
                let add = ["XADD", &key, "MAXLEN", "~", ORDERS, "*", "no", &stream, "order", &letter.order];
                commands.push(&[&add[..], &["by", &own, "nth", &nth]].concat());
                commands.push(&["PUBLISH", &key, ""]);
            }
            let mut replies = match self.store.ask(&commands).await {
                Ok(replies) => replies.into_iter().step_by(2).map(Ok).collect(),
                Err(error) => vec![Err(error.to_string())],
            }
            .into_iter();
            let mut last = Err("nothing came back".to_owned());
            for letter in letters {
                // One failure is that of all.
                last = replies.next().unwrap_or(last);
                let arrived = match &last {
                    Ok(Reply::Failed(why)) | Err(why) => Err(RedisError::Refused(why.clone())),
                    Ok(_) => Ok(()),
                };
                if let Err(error) = &arrived {
                    tracing::warn!(%error, "an order did not get to the relay that runs the answer");
                }
                // Nobody may wait for it.
                drop(letter.arrived.send(arrived));
            }
        }
    }
}
