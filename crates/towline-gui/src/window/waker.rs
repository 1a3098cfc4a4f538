//! One wake per frame: the engine says once that something is new, until the window looks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use towline::Engine;

/// Tokens are painted at most this often.
const FRAME: Duration = Duration::from_millis(16);

/// Frames and wakes since the start.
#[derive(Debug)]
pub struct Counts {
    start: Instant,
    /// When the last frame began, in nanoseconds since the start.
    last_frame: AtomicU64,
    /// Frames that were painted.
    pub frames: AtomicU64,
    /// Looks at what is new.
    pub looks: AtomicU64,
    /// Wakes from the engine.
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

/// Has frames asked for when the engine has something new.
pub(super) fn install(engine: &Engine, context: &egui::Context, counts: &Arc<Counts>) -> Result<(), String> {
    let (context, counts) = (context.clone(), Arc::clone(counts));
    let hook = move || {
        counts.wakes.fetch_add(1, Ordering::Relaxed);
        context.request_repaint_after(FRAME.saturating_sub(counts.since_frame()));
    };
    engine.on_change(hook).map(|_| ()).map_err(|error| error.to_string())
}
