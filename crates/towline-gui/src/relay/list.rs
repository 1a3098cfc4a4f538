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
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// How long a relay may take to respond.
const HELLO: Duration = Duration::from_secs(10);

/// The state of the connection to the relay.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Standing {
    /// Nothing listens to it.
    #[default]
    Unknown,
    /// It is being contacted.
    Looking,
    /// It is being started.
    Starting,
    /// It answers.
    Here,
    /// It does not answer; with the reason, for people.
    Nowhere(String),
}

/// One of its jobs, and when it was reported.
#[derive(Debug, Clone)]
pub struct Known {
    /// The job.
    pub job: Job,
    /// When this state was reported.
    pub told: Instant,
}

impl Known {
    /// Time until its deadline.
    pub fn deadline_in(&self) -> Option<Duration> {
        Some(seconds(self.job.deadline_s?)?.saturating_sub(self.told.elapsed()))
    }

    /// Time since its server last sent anything.
    pub fn silent_for(&self) -> Option<Duration> {
        Some(seconds(self.job.since_last_s?)? + self.told.elapsed())
    }
}

fn seconds(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds.max(0.0)).ok()
}

/// Its jobs.
#[derive(Debug, Default)]
pub struct List {
    /// The state of the connection to the relay.
    pub standing: Standing,
    /// Its running and ended jobs, by id.
    pub jobs: BTreeMap<String, Known>,
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
                self.jobs.insert(job.id.clone(), Known { job: *job, told: Instant::now() });
                if self.jobs.len() > MAX_LISTED {
                    self.leave_one_out();
                }
            }
            Change::Removed(id) => drop(self.jobs.remove(&id)),
            Change::Reset => self.jobs.clear(),
        }
    }

    fn leave_one_out(&mut self) {
        let oldest = self
            .jobs
            .iter()
            .min_by_key(|(_, known)| (!known.job.state.is_ended(), &known.job.created_at))
            .map(|(id, _)| id.clone());
        if let Some(oldest) = oldest {
            self.jobs.remove(&oldest);
        }
    }

    fn here(&mut self) {
        self.standing = Standing::Here;
        self.jobs.clear();
        self.news.push(News::Here);
    }

    /// Whether that is new.
    fn nowhere(&mut self, why: String) -> bool {
        if self.standing == Standing::Here {
            self.news.push(News::Lost(why.clone()));
        }
        self.stands(why)
    }

    /// Whether that is new.
    fn cannot_start(&mut self, why: String) -> bool {
        let is_new = self.stands(why.clone());
        if is_new {
            self.news.push(News::CannotStart(why));
        }
        is_new
    }

    fn stands(&mut self, why: String) -> bool {
        self.jobs.clear();
        let now = Standing::Nowhere(why);
        std::mem::replace(&mut self.standing, now.clone()) != now
    }

    /// Whether the own relay should be started if it does not run.
    fn starts(&self) -> bool {
        self.is_needed || self.standing == Standing::Starting
    }
}

/// Updates the list while the relay answers. Contacts it again when it does not, at once if `looks` is
/// notified, and starts the own relay if needed. Never returns. Calls `wake` once until the window reads the
/// changes.
///
/// # Cancel safety
/// Dropping the future ends it.
pub(super) async fn keep(
    reached: Reached,
    control: Control,
    list: Arc<Mutex<List>>,
    looks: Arc<Notify>,
    wake: impl Fn() + Sync,
) {
    let keeper = Keeper { list, wake };
    let mut round = tokio::time::Instant::now();
    loop {
        drop(tokio::time::timeout_at(round, looks.notified()).await);
        round = tokio::time::Instant::now() + LOOK_AGAIN;
        let starts = lock(&keeper.list).starts();
        if starts && let Err(error) = reached.ensure().await {
            keeper.tell(|list| list.cannot_start(error.to_string()));
            continue;
        }
        let error = keeper.follow(&control).await;
        let is_absent = reached.place.own.is_some() && error.kind == ErrorKind::Connect;
        let why = if is_absent { "no relay runs".to_owned() } else { error.message };
        keeper.tell(|list| list.nowhere(why));
    }
}

struct Keeper<W> {
    list: Arc<Mutex<List>>,
    wake: W,
}

impl<W: Fn() + Sync> Keeper<W> {
    /// Changes the list, and notifies the window if that made a difference.
    fn tell(&self, change: impl FnOnce(&mut List) -> bool) {
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
        if let Err(error) = hello.map_err(late).and_then(|said| said.map(drop)) {
            return error;
        }
        self.tell(|list| {
            list.here();
            true
        });
        let mut watch = control.watch(&Filter::default());
        loop {
            match watch.next().await {
                Ok(change) => self.tell(|list| {
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
    fn a_loss_is_told_once() {
        let mut list = List::default();
        list.here();
        assert!(list.nowhere("gone".into()));
        assert!(list.nowhere("no relay runs".into()));
        assert!(!list.nowhere("no relay runs".into()), "an idle window is not woken for it");
        assert_eq!(list.take_news(), [News::Here, News::Lost("gone".into())]);
        assert_eq!(list.standing, Standing::Nowhere("no relay runs".into()));
        assert!(list.cannot_start("no program".into()));
        assert!(!list.cannot_start("no program".into()));
        assert_eq!(list.take_news(), [News::CannotStart("no program".into())]);
    }
}
