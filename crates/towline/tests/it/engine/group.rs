//! Several jobs that belong together.

use towline::engine::JobState;
use towline::engine::{Group, StreamSpec};
use towline_testkit::{Server, fakemodel};

use super::*;

fn models(engine: &Engine, server: &Server, models: &[&str]) -> Group {
    let client = client(server);
    engine.submit_group("compared", models.iter().map(|model| StreamSpec::chat(&client, request(model))))
}

#[test]
fn all_outcomes_come_in_the_order_of_submission() {
    let (server, engine) = (Server::start(fakemodel::plan()), engine());
    let group = models(&engine, &server, &["waits:0.05", "words:3", "error-after:1"]);
    let outcomes = group.wait_all().unwrap();
    let states: Vec<_> = outcomes.iter().map(|outcome| JobState::of_ending(&outcome.ending)).collect();
    assert_eq!(states, [JobState::Completed, JobState::Completed, JobState::Failed]);
    assert!(group.jobs().iter().all(|job| job.info().group.as_deref() == Some("compared")));
    assert_eq!(group.outcomes(), outcomes.into_iter().map(Some).collect::<Vec<_>>());
    assert!(group.wait_all_timeout(Duration::ZERO).unwrap().is_some());
}

#[test]
fn the_first_to_end_and_the_first_to_fail_are_found() {
    let (server, engine) = (Server::start(fakemodel::plan()), engine());
    let group = models(&engine, &server, &["stall-after:1", "words:3", "stall-after:2"]);
    let (first, ended) = group.wait_first().unwrap().unwrap();
    assert_eq!((first.id(), ended.is_completed()), (group.jobs()[1].id(), true));
    assert_eq!(group.wait_all_timeout(Duration::from_millis(5)).unwrap(), None);
    let (waits, third) = (group.clone(), group.jobs()[2].clone());
    let waiting = std::thread::spawn(move || waits.wait_failure().unwrap().unwrap().0.id());
    third.cancel("this is the failure");
    assert_eq!(waiting.join().unwrap(), third.id());
    assert!(!group.jobs()[0].state().is_ended());
    group.cancel("enough");
    assert!(group.wait_all().unwrap().iter().filter(|outcome| !outcome.is_completed()).count() == 2);
}

#[test]
fn no_failure_is_found_when_all_complete_and_nothing_in_an_empty_group() {
    let (server, engine) = (Server::start(fakemodel::plan()), engine());
    assert!(models(&engine, &server, &["words:1", "words:2"]).wait_failure().unwrap().is_none());
    let mut group = Group::default();
    assert!(group.wait_first().unwrap().is_none() && group.wait_all().unwrap().is_empty());
    group.add(engine.spawn("a task", async {}).job);
    assert_eq!(group.wait_all().unwrap().len(), 1);
}

#[test]
fn groups_can_be_awaited_and_given_up() {
    let (server, engine) = (Server::start(fakemodel::plan()), engine());
    let group = models(&engine, &server, &["stall-after:1", "words:3"]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        assert_eq!(group.first().await.unwrap().0.id(), group.jobs()[1].id());
        assert!(tokio::time::timeout(Duration::from_millis(5), group.all()).await.is_err());
        group.jobs()[0].cancel("enough");
        assert_eq!(group.failure().await.unwrap().0.id(), group.jobs()[0].id());
        assert_eq!(group.all().await.len(), 2);
    });
}
