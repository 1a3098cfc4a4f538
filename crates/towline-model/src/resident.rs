//! One model on offer: loaded when it is asked for, kept for a while after its last request, then let go.

use std::fs::File;
use std::io::{BufReader, Cursor};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::Notify;

use crate::builtin;
use crate::config::{KeepAlive, Limits};
use crate::describe::{Description, hex};
use crate::engine::generate::Model;
use crate::error::LoadError;
use crate::slots::Slots;
use crate::text::tokenizer::Tokenizer;

/// Where a model's bytes are.
#[derive(Debug, Clone)]
pub(crate) enum Weights {
    Builtin,
    File { path: PathBuf, threads: Option<NonZeroUsize> },
}

impl Weights {
    /// Reads and checks everything but the tensors' data.
    pub(crate) fn describe(&self) -> Result<(Description, Tokenizer), LoadError> {
        match self {
            Self::Builtin => {
                let (mut description, tokenizer) = Description::read(&mut Cursor::new(builtin::WEIGHTS))?;
                description.digest = hex(&<sha2::Sha256 as sha2::Digest>::digest(builtin::WEIGHTS));
                Ok((description, tokenizer))
            }
            Self::File { path, .. } => Description::read(&mut open(path)?),
        }
    }

    fn load(&self, description: &Description, tokenizer: Arc<Tokenizer>) -> Result<Model, LoadError> {
        let header = &description.header;
        match self {
            Self::Builtin => Model::load(header, tokenizer, &mut Cursor::new(builtin::WEIGHTS), None),
            Self::File { path, threads } => Model::load(header, tokenizer, &mut open(path)?, *threads),
        }
    }

    pub(crate) fn modified(&self) -> Option<SystemTime> {
        match self {
            Self::Builtin => None,
            Self::File { path, .. } => path.metadata().and_then(|file| file.modified()).ok(),
        }
    }
}

fn open(path: &PathBuf) -> Result<BufReader<File>, LoadError> {
    let opened = File::open(path).map(BufReader::new);
    opened.map_err(|source| LoadError::Io { what: path.display().to_string(), source })
}

/// A model that runs in this process.
#[derive(Debug)]
pub(crate) struct Resident {
    weights: Weights,
    description: Arc<Description>,
    tokenizer: Arc<Tokenizer>,
    parallel: usize,
    queue: usize,
    state: Mutex<State>,
    /// Held while loading, so that requests which come together load once.
    loading: tokio::sync::Mutex<()>,
    /// Told when an expiry may have changed.
    changed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    loaded: Option<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    slots: Arc<Slots>,
    users: usize,
    keep_alive: KeepAlive,
    /// When it is let go; `None` while in use, or for ever.
    expires: Option<Instant>,
}

/// A model in use. Its time to expiry begins when this is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    resident: Arc<Resident>,
    slots: Arc<Slots>,
}

impl Lease {
    pub(crate) fn slots(&self) -> &Arc<Slots> {
        &self.slots
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut state = self.resident.state();
        if let Some(loaded) = state.loaded.as_mut().filter(|loaded| Arc::ptr_eq(&loaded.slots, &self.slots)) {
            loaded.users -= 1;
            if loaded.users == 0 {
                match loaded.keep_alive {
                    KeepAlive::Forever => {}
                    KeepAlive::For(Duration::ZERO) => state.loaded = None,
                    KeepAlive::For(time) => loaded.expires = Instant::now().checked_add(time),
                }
            }
        }
        drop(state);
        self.resident.changed.notify_one();
    }
}

impl Resident {
    pub(crate) fn new(
        weights: Weights,
        description: Arc<Description>,
        tokenizer: Tokenizer,
        limits: &Limits,
        changed: Arc<Notify>,
    ) -> Self {
        Self {
            weights,
            description,
            tokenizer: Arc::new(tokenizer),
            parallel: limits.parallel,
            queue: limits.queue,
            state: Mutex::default(),
            loading: tokio::sync::Mutex::default(),
            changed,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the model into use, loading it first where it is not loaded.
    ///
    /// Cancel safety: cancellation safe; a load that has begun is finished by the next caller.
    ///
    /// # Errors
    /// When the file changed or vanished since it was described.
    pub(crate) async fn lease(self: &Arc<Self>, keep_alive: KeepAlive) -> Result<Lease, LoadError> {
        if let Some(lease) = self.lease_loaded(keep_alive) {
            return Ok(lease);
        }
        let _loading = self.loading.lock().await;
        if let Some(lease) = self.lease_loaded(keep_alive) {
            return Ok(lease);
        }
        let (weights, description) = (self.weights.clone(), Arc::clone(&self.description));
        let tokenizer = Arc::clone(&self.tokenizer);
        let loading = tokio::task::spawn_blocking(move || weights.load(&description, tokenizer));
        let model = match loading.await {
            Ok(model) => Arc::new(model?),
            Err(_) => return Err(LoadError::malformed("the model", "loading failed")),
        };
        let slots = Arc::new(Slots::new(model, self.parallel, self.queue));
        let loaded = Loaded { slots: Arc::clone(&slots), users: 1, keep_alive, expires: None };
        self.state().loaded = Some(loaded);
        Ok(Lease { resident: Arc::clone(self), slots })
    }

    fn lease_loaded(self: &Arc<Self>, keep_alive: KeepAlive) -> Option<Lease> {
        let mut state = self.state();
        let loaded = state.loaded.as_mut()?;
        loaded.users += 1;
        loaded.keep_alive = keep_alive;
        loaded.expires = None;
        let slots = Arc::clone(&loaded.slots);
        drop(state);
        Some(Lease { resident: Arc::clone(self), slots })
    }

    /// Lets the model go; answers that run finish first.
    pub(crate) fn unload(&self) {
        self.state().loaded = None;
        self.changed.notify_one();
    }

    /// Lets the model go when its time is over; otherwise when that will be.
    pub(crate) fn expire(&self, now: Instant) -> Option<Instant> {
        let mut state = self.state();
        let expires = state.loaded.as_ref()?.expires?;
        if expires > now {
            return Some(expires);
        }
        state.loaded = None;
        None
    }

    /// How long the model stays if nobody asks for it again; `None` when it is not loaded.
    pub(crate) fn remaining(&self) -> Option<KeepAlive> {
        let state = self.state();
        let loaded = state.loaded.as_ref()?;
        Some(match loaded.expires {
            Some(expires) => KeepAlive::For(expires.saturating_duration_since(Instant::now())),
            None => loaded.keep_alive,
        })
    }
}
