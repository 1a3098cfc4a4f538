//! The calls that list and control jobs.

use std::time::Duration;

use towline::Deadline;
use towline::error::ErrorKind;
use towline::relay::{AnswerState, Filter};

use super::{client, until, writing};
use crate::client_support::{chat, soon};

/// A relay with this many running jobs.
async fn with_jobs(count: usize) -> super::Relay {
    let relay = writing();
    let client = client(&relay.url);
    for number in 0..count {
        tokio::select! {
            _ = client.chat(chat("m")).collect() => panic!("it runs"),
            () = until("the job", || relay.shared.jobs.lock().unwrap().len() > number) => {}
        }
    }
    relay
}

#[tokio::test]
async fn jobs_are_listed_found_and_controlled() {
    let relay = with_jobs(2).await;
    let control = client(&relay.url).relay();
    let jobs = soon(control.list(&Filter::default())).await.unwrap();
    assert_eq!(jobs.iter().map(|job| job.id.as_str()).collect::<Vec<_>>(), ["job0", "job1"]);
    assert_eq!(jobs[0].state, AnswerState::Streaming);

    assert_eq!(soon(control.find("job1")).await.unwrap().id, "job1");
    assert_eq!(soon(control.find("none")).await.unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(soon(control.find("a/b")).await.unwrap_err().kind, ErrorKind::InvalidRequest);
    assert_eq!(soon(control.job("gone")).await.unwrap_err().kind, ErrorKind::NotFound);

    for (deadline, name) in [
        (Deadline::In(Duration::from_secs(30)), "in_s"),
        (Deadline::ExtendBy(Duration::from_millis(1500)), "extend_s"),
        (Deadline::Never, "none"),
    ] {
        soon(control.set_deadline("job0", deadline)).await.unwrap();
        let sent = relay.job(0).deadline.lock().unwrap().clone();
        assert_eq!(sent.as_object().unwrap().keys().collect::<Vec<_>>(), [name]);
    }
    soon(control.pause("job0")).await.unwrap();
    assert!(*relay.job(0).paused.borrow());
    soon(control.unpause("job0")).await.unwrap();
    assert!(!*relay.job(0).paused.borrow());

    let waiting = control.wait("job0", Duration::from_secs(300));
    let (waited, cancelled) = tokio::join!(soon(waiting), control.cancel("job0", "enough"));
    assert_eq!(
        (waited.unwrap().state, cancelled.unwrap().state),
        (AnswerState::Cancelled, AnswerState::Cancelled)
    );

    soon(control.delete("job1")).await.unwrap();
    assert_eq!(soon(control.list(&Filter::default())).await.unwrap().len(), 1);
}
