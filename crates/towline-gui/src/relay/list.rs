//! The list of the relay's jobs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use towline::Error;
use towline::error::{ErrorKind, Fault};
use towline::relay::{Change, Control, Filter, Job};
use towline_app::servers::Reached;

use super::{News, lock};

/// Maximum number of listed jobs; beyond it, those that ended first are omitted.
pub const MAX_LISTED: usize = 1_000;
/// How often a relay that does not answer is contacted, and started, at most.
const RETRY_EVERY: Duration = Duration::from_secs(2);
/// How long a relay may take to respond.
const HELLO: Duration = Duration::from_secs(10);

/// The state of the connection to the relay.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Connection {
    /// Nothing listens to it.
    #[default]
    Unknown,
    /// It is being contacted.
    Connecting,
    /// It is being started.
    Starting,
    /// It answers.
    Connected,
    /// It does not answer; with the reason, for people.
    Unreachable(String),
}

/// One of its jobs, and when it was reported.
#[derive(Debug, Clone)]
pub struct KnownJob {
    /// The job.
    pub job: Job,
    /// When this state was reported.
    pub reported: Instant,
}

impl KnownJob {
    /// Time until its deadline.
    pub fn deadline_in(&self) -> Option<Duration> {
        Some(seconds(self.job.deadline_s?)?.saturating_sub(self.reported.elapsed()))
    }

    /// Time since its server last sent anything.
    pub fn silent_for(&self) -> Option<Duration> {
        Some(seconds(self.job.since_last_s?)? + self.reported.elapsed())
    }
}

fn seconds(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds.max(0.0)).ok()
}

/// Its jobs.
#[derive(Debug, Default)]
pub struct List {
    /// The state of the connection to the relay.
    pub connection: Connection,
    /// Its running and ended jobs, by id.
    pub jobs: BTreeMap<String, KnownJob>,
    /// Whether the window's answers run there: then the own relay is restarted whenever it does not run.
    pub(super) is_needed: bool,
    /// What the window was not told yet.
    news: Vec<News>,
    /// Whether the window was notified of changes.
    rung: bool,
}

impl List {
    /// What the window was not told yet.
    pub(super) fn take_news(&mut self) -> Vec<News> {
        self.rung = false;
        std::mem::take(&mut self.news)
    }

    fn changed(&mut self, change: Change) {
        match change {
            Change::Job(job) => {
                if !job.state.is_ended() && !self.jobs.contains_key(&job.id) {
                    self.news.push(News::Runs(job.clone()));
                }
                self.jobs.insert(job.id.clone(), KnownJob { job: *job, reported: Instant::now() });
                if self.jobs.len() > MAX_LISTED {
                    self.drop_oldest();
                }
            }
            Change::Removed(id) => drop(self.jobs.remove(&id)),
            Change::Reset => self.jobs.clear(),
        }
    }

    fn drop_oldest(&mut self) {
        let oldest = self
            .jobs
            .iter()
            .min_by_key(|(_, known)| (!known.job.state.is_ended(), &known.job.created_at))
            .map(|(id, _)| id.clone());
        if let Some(oldest) = oldest {
            self.jobs.remove(&oldest);
        }
    }

    fn connected(&mut self) {
        self.connection = Connection::Connected;
        self.jobs.clear();
        self.news.push(News::Here);
    }

    /// Whether that is new.
    fn lost(&mut self, why: String) -> bool {
        if self.connection == Connection::Connected {
            self.news.push(News::Lost(why.clone()));
        }
        self.disconnect(why)
    }

    /// Whether that is new.
    fn cannot_start(&mut self, why: String) -> bool {
        let is_new = self.disconnect(why.clone());
        if is_new {
            self.news.push(News::CannotStart(why));
        }
        is_new
    }

    fn disconnect(&mut self, why: String) -> bool {
        self.jobs.clear();
        let now = Connection::Unreachable(why);
        std::mem::replace(&mut self.connection, now.clone()) != now
    }

    /// Whether the own relay should be started if it does not run.
    fn starts(&self) -> bool {
        self.is_needed || self.connection == Connection::Starting
    }
}

/// Updates the list while the relay answers. Contacts it again when it does not, at once if `checks` is
/// notified, and starts the own relay if needed. Never returns. Calls `wake` once until the window reads the
/// changes.
///
/// # Cancel safety
/// Dropping the future ends it.
pub(super) async fn maintain(
    reached: Reached,
    control: Control,
    list: Arc<Mutex<List>>,
    checks: Arc<Notify>,
    wake: impl Fn() + Sync,
) {
    let maintainer = Maintainer { list, wake };
    let mut round = tokio::time::Instant::now();
    loop {
        drop(tokio::time::timeout_at(round, checks.notified()).await);
        round = tokio::time::Instant::now() + RETRY_EVERY;
        let starts = lock(&maintainer.list).starts();
        if starts && let Err(error) = reached.ensure().await {
            maintainer.change(|list| list.cannot_start(error.to_string()));
            continue;
        }
        let error = maintainer.follow(&control).await;
        let is_absent = reached.place.own.is_some() && error.kind == ErrorKind::Connect;
        let why = if is_absent { "no relay runs".to_owned() } else { error.message };
        maintainer.change(|list| list.lost(why));
    }
}

struct Maintainer<W> {
    list: Arc<Mutex<List>>,
    wake: W,
}

impl<W: Fn() + Sync> Maintainer<W> {
    /// Changes the list, and notifies the window if that made a difference.
    fn change(&self, change: impl FnOnce(&mut List) -> bool) {
        let mut list = lock(&self.list);
        let rings = change(&mut list) && !std::mem::replace(&mut list.rung, true);
        drop(list);
        if rings {
            (self.wake)();
        }
    }

    /// Follows the relay until that fails.
    async fn follow(&self, control: &Control) -> Error {
        let late = |_| {
            let message = format!("the relay does not answer within {HELLO:?}");
            Error::new(ErrorKind::ConnectionLost, Fault::Transport, message)
        };
        // A relay without jobs sends nothing, so its version is requested first.
        let hello = tokio::time::timeout(HELLO, control.version()).await;
        if let Err(error) = hello.map_err(late).and_then(|version| version.map(drop)) {
            return error;
        }
        self.change(|list| {
            list.connected();
            true
        });
        let mut watch = control.watch(&Filter::default());
        loop {
            match watch.next().await {
                Ok(change) => self.change(|list| {
                    list.changed(change);
                    true
                }),
                Err(error) => return error,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(id: &str, state: &str, created: u32) -> Change {
        let job =
            format!(r#"{{"id":"{id}","state":"{state}","created_at":"2026-11-21T00:00:{created:02}Z"}}"#);
        Change::Job(serde_json::from_str(&job).unwrap())
    }

    #[test]
    fn a_list_is_bounded_and_keeps_what_runs() {
        let mut list = List::default();
        list.changed(job("old", "streaming", 0));
        list.changed(job("done", "completed", 1));
        for number in 0..MAX_LISTED {
            list.changed(job(&format!("n{number}"), "completed", 2));
        }
        assert_eq!(list.jobs.len(), MAX_LISTED);
        assert!(list.jobs.contains_key("old") && !list.jobs.contains_key("done"));
        list.changed(Change::Removed("old".into()));
        assert!(!list.jobs.contains_key("old"));
        list.changed(Change::Reset);
        assert!(list.jobs.is_empty());
    }

    #[test]
    fn a_loss_is_reported_once() {
        let mut list = List::default();
        list.connected();
        assert!(list.lost("gone".into()));
        assert!(list.lost("no relay runs".into()));
        assert!(!list.lost("no relay runs".into()), "an idle window is not woken for it");
        assert_eq!(list.take_news(), [News::Here, News::Lost("gone".into())]);
        assert_eq!(list.connection, Connection::Unreachable("no relay runs".into()));
        assert!(list.cannot_start("no program".into()));
        assert!(!list.cannot_start("no program".into()));
        assert_eq!(list.take_news(), [News::CannotStart("no program".into())]);
    }
}
