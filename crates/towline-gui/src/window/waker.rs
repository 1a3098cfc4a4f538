//! One wake-up per frame: the engine reports changes once until the window reads them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use towline::Engine;

/// The minimum time between repaints for new tokens.
const FRAME: Duration = Duration::from_millis(16);

/// Counts of frames and wake-ups since the start.
#[derive(Debug)]
pub struct Counts {
    start: Instant,
    /// When the last frame began, in nanoseconds since the start.
    last_frame: AtomicU64,
    /// Number of painted frames.
    pub frames: AtomicU64,
    /// Number of reads of changes.
    pub looks: AtomicU64,
    /// Number of wake-ups from the engine.
    pub wakes: AtomicU64,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            last_frame: AtomicU64::new(0),
            frames: AtomicU64::new(0),
            looks: AtomicU64::new(0),
            wakes: AtomicU64::new(0),
        }
    }
}

impl Counts {
    pub(super) fn looked(&self) {
        let now = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.last_frame.store(now, Ordering::Relaxed);
        self.looks.fetch_add(1, Ordering::Relaxed);
    }

    fn since_frame(&self) -> Duration {
        self.start.elapsed().saturating_sub(Duration::from_nanos(self.last_frame.load(Ordering::Relaxed)))
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
