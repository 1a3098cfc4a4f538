//! How streams through a relay end, and the orders to the relay.

use std::time::Duration;

use towline::Ending;
use towline::client::Timeouts;
use towline::error::ErrorKind;
use towline::outcome::Clock;
use towline::relay::Reconnect;

use super::{client, client_with, done, piece, until, writing};
use crate::client_support::{NO_TIMEOUTS, SHORT, chat, next_end, next_event, read};

#[tokio::test]
async fn a_cancel_stops_the_job_on_the_relay_before_the_end_comes() {
    let relay = writing();
    let mut stream = client(&relay.url).chat(chat("m"));
    let begun = async {
        until("the job", || relay.has_job()).await;
        relay.job(0).log.push(&piece("Hel"));
    };
    tokio::join!(begun, next_event(&mut stream));
    stream.cancel("enough");
    stream.cancel("twice");
    let outcome = next_end(&mut stream).await;
    assert_eq!(outcome.ending, Ending::Cancelled { reason: "enough".into(), may_have_had_effect: true });
    assert_eq!(outcome.reply.text, "Hel");
    assert_eq!(*relay.job(0).state.borrow(), "cancelled");
    assert_eq!(relay.count("POST /towline/v1/jobs/job0/cancel"), 1);
}

#[tokio::test]
async fn a_cancel_right_before_the_drop_arrives() {
    let relay = writing();
    let mut stream = client(&relay.url).chat(chat("m"));
    let begun = async {
        until("the job", || relay.has_job()).await;
        relay.job(0).log.push(&piece("Hel"));
    };
    tokio::join!(begun, next_event(&mut stream));
    stream.cancel("enough");
    drop(stream);
    until("the cancel", || *relay.job(0).state.borrow() == "cancelled").await;
}

#[tokio::test]
async fn a_clock_that_runs_out_stops_the_job_too() {
    let relay = writing();
    let stream =
        client(&relay.url).chat(chat("m")).with_timeouts(Timeouts { total: Some(SHORT), ..NO_TIMEOUTS });
    let (_, outcome) = read(stream).await;
    let wanted = Ending::TimedOut { clock: Clock::Total, limit: SHORT, may_have_had_effect: true };
    assert_eq!(outcome.ending, wanted);
    assert_eq!(*relay.job(0).state.borrow(), "cancelled");
}

#[tokio::test]
async fn a_deadline_that_is_moved_is_the_relays_too() {
    let relay = writing();
    let mut stream = client(&relay.url).chat(chat("m"));
    let begun = async {
        until("the job", || relay.has_job()).await;
        relay.job(0).log.push(&piece("Hel"));
    };
    tokio::join!(begun, next_event(&mut stream));
    stream.set_timeouts(Timeouts { total: Some(Duration::from_secs(100)), ..NO_TIMEOUTS });
    until("the deadline", || relay.job(0).deadline.lock().unwrap()["in_s"].is_number()).await;
    let left = relay.job(0).deadline.lock().unwrap()["in_s"].as_f64().unwrap();
    assert!((1.0..=100.0).contains(&left), "{left}");
    stream.set_timeouts(NO_TIMEOUTS);
    until("no deadline", || relay.job(0).deadline.lock().unwrap()["none"] == true).await;
}

#[tokio::test]
async fn what_others_did_to_the_job_is_the_end_here() {
    for (word, ending) in [
        ("cancelled", "cancelled"),
        ("truncated", "truncated"),
        ("timed_out", "timed_out"),
        ("failed", "failed"),
        ("interrupted", "truncated"),
    ] {
        let relay = writing();
        let stream = client(&relay.url).chat(chat("m"));
        let ends = async {
            until("the job", || relay.has_job()).await;
            relay.job(0).log.push(&piece("Hel"));
            relay.job(0).end(word, "by anna");
        };
        let ((_, outcome), ()) = tokio::join!(read(stream), ends);
        assert_eq!((outcome.ending.as_str(), outcome.reply.text.as_str()), (ending, "Hel"), "{word}");
        if let Ending::Cancelled { reason, .. } = outcome.ending {
            assert_eq!(reason, "by anna");
        }
    }
}

#[tokio::test]
async fn the_clocks_between_records_wait_while_the_relay_is_away() {
    let relay = writing();
    let timeouts =
        Timeouts { idle: Some(SHORT), first_event: Some(SHORT), record: None, connect: None, total: None };
    let mut stream = client(&relay.url).chat(chat("m")).with_timeouts(timeouts);
    let begun = async {
        until("the job", || relay.has_job()).await;
        relay.job(0).log.push(&piece("Hel"));
    };
    tokio::join!(begun, next_event(&mut stream));
    relay.kill();
    let back = async {
        tokio::time::sleep(3 * SHORT).await;
        relay.job(0).log.push(&[piece("lo"), done()].concat());
        relay.job(0).log.close();
        relay.revive();
    };
    let ((_, outcome), ()) = tokio::join!(read(stream), back);
    assert!(outcome.is_completed(), "{outcome}");
    assert_eq!((outcome.reply.text.as_str(), outcome.stats.reconnects), ("Hello", 1));
}

#[tokio::test]
async fn a_relay_that_stays_away_ends_the_stream_with_what_came() {
    let relay = writing();
    let client = client_with(&relay.url, |config| {
        config.reconnect = Reconnect { give_up_after: SHORT, ..config.reconnect };
    });
    let mut stream = client.chat(chat("m"));
    let begun = async {
        until("the job", || relay.has_job()).await;
        relay.job(0).log.push(&piece("Hel"));
    };
    tokio::join!(begun, next_event(&mut stream));
    relay.kill();
    let (_, outcome) = read(stream).await;
    let error = outcome.ending.error().unwrap();
    assert_eq!(outcome.ending.as_str(), "failed");
    assert!(matches!(error.kind, ErrorKind::Connect | ErrorKind::ConnectionLost), "{error:?}");
    assert!(error.message.contains("out of reach") && error.message.contains("is not known"), "{error}");
    assert_eq!(outcome.reply.text, "Hel");
    assert_eq!(*relay.job(0).state.borrow(), "streaming", "nobody stopped it");
}

#[tokio::test]
async fn a_cancel_that_cannot_be_sent_says_so() {
    let relay = writing();
    let mut stream = client(&relay.url).chat(chat("m"));
    let begun = async {
        until("the job", || relay.has_job()).await;
        relay.job(0).log.push(&piece("Hel"));
    };
    tokio::join!(begun, next_event(&mut stream));
    relay.kill();
    stream.cancel("enough");
    let outcome = next_end(&mut stream).await;
    let Ending::Cancelled { reason, .. } = outcome.ending else { panic!("{outcome}") };
    assert!(reason.starts_with("enough; the relay did not confirm this"), "{reason}");
}

#[tokio::test]
async fn a_relay_that_comes_back_with_the_end_was_away_all_the_same() {
    let relay = writing();
    let mut stream = client(&relay.url).chat(chat("m"));
    let begun = async {
        until("the job", || relay.has_job()).await;
        relay.job(0).log.push(&piece("Hel"));
    };
    tokio::join!(begun, next_event(&mut stream));
    relay.kill();
    relay.job(0).end("interrupted", "the relay was ended");
    relay.revive();
    let (_, outcome) = read(stream).await;
    assert_eq!((outcome.ending.as_str(), outcome.stats.reconnects), ("truncated", 1));
}
