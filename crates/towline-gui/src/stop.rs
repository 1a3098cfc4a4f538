//! Ctrl-C, SIGTERM and SIGHUP close the window as its close button does, including the final write.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

/// The signal that asked the window to close, or 0. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop(Arc<AtomicI32>);

impl Stop {
    /// The signal that asked the window to close.
    pub(crate) fn signal(&self) -> Option<i32> {
        let signal = self.0.load(Ordering::Relaxed);
        (signal != 0).then_some(signal)
    }

    /// Records the first signal and wakes the window; the second one ends the program as without a handler.
    ///
    /// # Errors
    /// If the operating system cannot start a thread or watch signals.
    pub(crate) fn watch(&self, context: &egui::Context) -> Result<(), String> {
        let cannot = |error: std::io::Error| format!("signals cannot be watched: {error}");
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(cannot)?;
        let (first, context) = (Arc::clone(&self.0), context.clone());
        let watch = move || {
            for signal in signals.forever() {
                if first.swap(signal, Ordering::Relaxed) != 0 {
                    // It returns only if the operating system refuses, and then there is no alternative.
                    emulate_default_handler(signal).ok();
                }
                context.request_repaint();
            }
        };
        let spawned = std::thread::Builder::new().name("towline-signals".into()).spawn(watch);
        spawned.map(|_| ()).map_err(cannot)
    }
}

/// The exit status of a program that this signal ended.
pub(crate) fn exit(signal: i32) -> ExitCode {
    ExitCode::from(u8::try_from(signal).map_or(u8::MAX, |signal| signal.saturating_add(128)))
}
