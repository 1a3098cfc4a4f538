//! An answer that another relay runs: what is told of it, and what that relay is told to do.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use towline::relay::AnswerState;

use super::store::RedisStore;
use crate::store::StreamNo;
use crate::tasks::Tasks;

/// Orders that a relay may be behind; older ones are gone.
const ORDERS: &str = "10000";

/// What a relay is told to do with an answer that it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    Cancel(String),
    /// In Unix milliseconds; none takes it away.
    Deadline(Option<u64>),
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
    pub(super) store: Arc<RedisStore>,
    pub(super) tasks: Tasks,
    pub(super) stream: StreamNo,
    pub(super) relay: u64,
}

impl Holder {
    /// The number of this relay, not of the holder.
    pub(crate) fn own(&self) -> u64 {
        self.store.relay()
    }

    /// Sends an order. One that does not get through is told in the log only: what was ordered is seen by its effect.
    pub(crate) fn send(&self, order: Order) {
        let holder = self.clone();
        self.tasks.start(async move {
            // Plain data can always be said in JSON.
            let said = serde_json::to_string(&order).unwrap_or_default();
            let channel = format!("towline:orders:{}", holder.relay);
            let stream = holder.stream.to_string();
            let mut commands = super::resp::Commands::default();
            commands.push(&["XADD", &channel, "MAXLEN", "~", ORDERS, "*", "no", &stream, "order", &said]);
            commands.push(&["PUBLISH", &channel, ""]);
            if let Err(error) = holder.store.ask(&commands).await {
                tracing::warn!(%error, "an order did not get to the relay that runs the answer");
            }
        });
    }
}
