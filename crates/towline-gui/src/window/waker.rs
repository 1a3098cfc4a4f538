//! One wake-up per frame: the engine reports changes once until the window reads them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use towline::Engine;

/// The minimum time between repaints for new tokens.
const FRAME: Duration = Duration::from_millis(16);

/// Counts of frames and wake-ups since the start.
#[derive(Debug, Default)]
pub struct Counts {
    /// When the last frame began.
    last_frame: Mutex<Option<Instant>>,
    /// Number of painted frames.
    pub frames: AtomicU64,
    /// Number of reads of changes.
    pub updates: AtomicU64,
    /// Number of wake-ups from the engine.
    pub wakes: AtomicU64,
}

impl Counts {
    pub(super) fn updated(&self) {
        *self.last_frame.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.updates.fetch_add(1, Ordering::Relaxed);
    }

    fn since_frame(&self) -> Duration {
        let last = *self.last_frame.lock().unwrap_or_else(PoisonError::into_inner);
        last.map_or(FRAME, |last| last.elapsed())
    }
}

/// Requests a frame when the engine has changes.
pub(super) fn install(engine: &Engine, context: &egui::Context, counts: &Arc<Counts>) -> Result<(), String> {
    let (context, counts) = (context.clone(), Arc::clone(counts));
    let hook = move || {
        counts.wakes.fetch_add(1, Ordering::Relaxed);
        context.request_repaint_after(FRAME.saturating_sub(counts.since_frame()));
    };
    engine.on_change(hook).map(|_| ()).map_err(|error| error.to_string())
}
