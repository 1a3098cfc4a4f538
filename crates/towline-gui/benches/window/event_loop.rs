//! An event loop like the desktop's: it sleeps until somebody asks for a frame.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use egui::Context;

/// Waits for the moment of the next frame.
#[derive(Debug, Clone, Default)]
pub(crate) struct EventLoop {
    asked: Arc<(Mutex<Option<Asked>>, Condvar)>,
}

#[derive(Debug, Clone, Copy)]
struct Asked {
    at: Instant,
}

impl EventLoop {
    /// Is notified of every frame that is requested from `context`.
    pub(crate) fn new(context: &Context) -> Self {
        let event_loop = Self::default();
        let asked = Arc::clone(&event_loop.asked);
        context.set_request_repaint_callback(move |request| {
            let Some(at) = Instant::now().checked_add(request.delay) else { return };
            let mut next = asked.0.lock().unwrap_or_else(PoisonError::into_inner);
            let at = next.map_or(at, |before| at.min(before.at));
            *next = Some(Asked { at });
            asked.1.notify_all();
        });
        event_loop
    }

    /// Sleeps until the next frame is due; `false` when none is until `end`.
    pub(crate) fn wait(&self, end: Instant) -> bool {
        let (next, changed) = &*self.asked;
        let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let now = Instant::now();
            match *next {
                Some(asked) if asked.at <= now => {
                    *next = None;
                    return true;
                }
                Some(_) | None if now >= end => return false,
                Some(_) | None => {}
            }
            let until = next.map_or(end, |asked| asked.at.min(end));
            let wait = until.saturating_duration_since(now).max(Duration::from_micros(1));
            next = changed.wait_timeout(next, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
