//! How many threads one model computes on.

use std::num::NonZeroUsize;
use std::sync::Arc;

/// Weights below this many bytes run on one thread: forking and joining costs more than it saves, and on a busy
/// machine each join waits for a thread that is not scheduled.
pub(crate) const SINGLE_THREAD_BELOW_BYTES: u64 = 50 * 1024 * 1024;

/// Where a model's arithmetic runs. Cloning shares the pool.
#[derive(Clone, Debug)]
pub(crate) enum Threads {
    /// On the thread that asks, without any pool.
    Caller,
    /// On a pool of its own, shared by all requests to the model.
    Pool(Arc<rayon::ThreadPool>),
}

impl Threads {
    /// Threads for a model with `weight_bytes` of weights: `wanted`, else one for a small model and one for each
    /// physical core for a large one. Where no pool can be made, the caller's thread does the work.
    pub(crate) fn for_weights(weight_bytes: u64, wanted: Option<NonZeroUsize>) -> Self {
        let count = match wanted {
            Some(count) => count.get(),
            None if weight_bytes < SINGLE_THREAD_BELOW_BYTES => 1,
            None => num_cpus::get_physical(),
        };
        if count <= 1 {
            return Self::Caller;
        }
        rayon::ThreadPoolBuilder::new()
            .num_threads(count)
            .thread_name(|number| format!("towline-model-{number}"))
            .build()
            .map_or(Self::Caller, |pool| Self::Pool(Arc::new(pool)))
    }

    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Caller => 1,
            Self::Pool(pool) => pool.current_num_threads(),
        }
    }

    /// Runs `work` so that parallel parts inside it use this model's threads.
    pub(crate) fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        match self {
            Self::Caller => work(),
            Self::Pool(pool) => pool.install(work),
        }
    }
}
