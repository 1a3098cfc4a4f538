//! Messages about the connection to a relay.

use std::time::{Duration, Instant};

/// A relay that is back sooner is not reported as lost.
const TELL_AFTER: Duration = Duration::from_secs(2);

/// The reported state of the connection.
#[derive(Debug, Default)]
pub struct Link {
    reconnects: u32,
    away_since: Option<Instant>,
    told_away: bool,
}

impl Link {
    /// The message for now: `reconnects` is the number of reconnects, `away` whether there is no connection.
    pub fn message(&mut self, reconnects: u32, away: bool, now: Instant) -> Option<&'static str> {
        if reconnects > self.reconnects {
            *self = Self { reconnects, ..Self::default() };
            return Some("reconnected; nothing is missing");
        }
        if !away {
            self.away_since = None;
            return None;
        }
        let since = *self.away_since.get_or_insert(now);
        if self.told_away || now.duration_since(since) < TELL_AFTER {
            return None;
        }
        self.told_away = true;
        Some("the relay is out of reach; trying again")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_reported_once_and_its_end_always() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let mut link = Link::default();
        assert_eq!(link.message(0, false, at(0)), None);
        assert_eq!(link.message(0, true, at(1)), None);
        assert!(link.message(0, true, at(3)).unwrap().starts_with("the relay is out of reach"));
        assert_eq!(link.message(0, true, at(9)), None);
        assert!(link.message(1, false, at(10)).unwrap().starts_with("reconnected"));
        assert_eq!(link.message(1, false, at(11)), None);
        // So short that only the count shows it.
        assert!(link.message(2, false, at(12)).is_some());
        assert_eq!(link.message(2, true, at(13)), None);
    }
}
