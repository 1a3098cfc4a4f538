//! Readers: each gets all of the text from its start, at its own pace.

use towline::Event;
use towline::engine::Offset;
use towline::engine::StartAt;
use towline_testkit::{Script, Server, fakemodel, records::ollama};

use super::*;

#[test]
fn early_late_and_resumed_readers_see_the_same_text() {
    let (server, engine) = (Server::start(fakemodel::plan()), engine());
    let job = engine.chat(&client(&server), request("words:500"));
    let (mut early, mut offsets) = (job.reader(StartAt::Beginning), vec![Offset::START]);
    let mut text = String::new();
    while let Some(batch) = early.read().unwrap() {
        text += &text_of(&batch.events);
        assert_eq!(batch.next, early.offset());
        offsets.push(batch.next);
    }
    assert_eq!(text, outcome(&job).reply.text);
    let mut late = job.reader(StartAt::Beginning);
    let all = late.try_read().unwrap();
    assert_eq!((text_of(&all.events), all.missed), (text.clone(), 0));
    assert!(
        all.outcome.is_some()
            && late.is_ended()
            && late.try_read().is_none()
            && late.read().unwrap().is_none()
    );
    assert_eq!(all.events.len(), 2, "text joined, then usage");
    for offset in offsets {
        let rest = job.reader(StartAt::Offset(offset)).try_read().unwrap();
        assert!(text.ends_with(&text_of(&rest.events)));
        assert_eq!(rest.next, all.next);
    }
    let now = job.reader(StartAt::Now).try_read().unwrap();
    assert!(now.events.is_empty() && now.outcome.is_some());
    let beyond = job.reader(StartAt::Offset(Offset::from_u64(u64::MAX))).try_read().unwrap();
    assert_eq!((beyond.events.len(), beyond.next), (0, all.next));
}

#[test]
fn a_reader_takes_no_more_than_it_wants() {
    let (server, engine) = (Server::start(fakemodel::plan()), engine());
    let job = engine.chat(&client(&server), request("words:20000"));
    let whole = outcome(&job).reply.text.clone();
    let (mut reader, mut text) = (job.reader(StartAt::Beginning), String::new());
    while let Some(batch) = reader.try_read_at_most(10_000) {
        let bytes = text_of(&batch.events);
        // The piece that reaches the limit is kept whole: about 4 KiB of text.
        assert!(bytes.len() < 10_000 + 8_192 && (!bytes.is_empty() || batch.outcome.is_some()));
        text += &bytes;
    }
    assert!(whole.len() > 30_000 && text == whole && reader.is_ended());
    assert!(!text_of(&job.reader(StartAt::Beginning).try_read_at_most(0).unwrap().events).is_empty());
}

#[test]
fn one_that_keeps_up_gets_each_event_as_it_came_and_one_that_is_behind_gets_them_joined() {
    let words = ["a ", "b ", "c "];
    let mut script = Script::ndjson_open(Vec::<String>::new());
    for word in words {
        script = script.wait("next").line(ollama::chat_text(word));
    }
    let (server, engine) = (Server::start(script.stall()), engine());
    let job = chat(&engine, &server);
    let (mut keeps_up, mut behind) = (job.reader(StartAt::Beginning), job.reader(StartAt::Beginning));
    let _never_reads = job.reader(StartAt::Beginning);
    for word in words {
        assert_eq!(keeps_up.try_read(), None);
        server.pass("next", 1);
        assert_eq!(keeps_up.read().unwrap().unwrap().events, [Event::Text(word.to_owned())]);
    }
    assert_eq!(behind.try_read().unwrap().events, [Event::Text("a b c ".to_owned())]);
    assert_eq!(job.reader(StartAt::Now).try_read(), None);
}

#[test]
fn timed_reads_come_back_and_async_reads_lose_nothing_when_dropped() {
    let (server, engine) = (Server::start(gated()), engine());
    let job = chat(&engine, &server);
    assert!(server.wait_until_at("go", 1, PATIENCE));
    let mut timed = job.reader(StartAt::Beginning);
    assert_eq!(timed.read_timeout(Duration::from_millis(5)).unwrap(), None);
    assert!(!timed.is_ended());
    let reader = job.reader(StartAt::Beginning);
    let (given_up, gave_up_all) = std::sync::mpsc::sync_channel(1);
    let task = engine.spawn("reads", async move {
        let mut reader = reader;
        // Abandoned reads, each of which was a waiter.
        for _ in 0..100 {
            let gave_up = tokio::time::timeout(Duration::ZERO, reader.next()).await;
            assert!(gave_up.is_err());
        }
        given_up.send(()).unwrap();
        let mut text = String::new();
        while let Some(batch) = reader.next().await {
            text += &text_of(&batch.events);
        }
        assert!(reader.next().await.is_none());
        text
    });
    gave_up_all.recv_timeout(PATIENCE).unwrap();
    server.open("go");
    assert_eq!(task.wait().unwrap().unwrap(), "ab");
    let mut text = String::new();
    while let Some(batch) = timed.read_timeout(PATIENCE).unwrap() {
        text += &text_of(&batch.events);
    }
    assert_eq!(text, "ab");
}

#[test]
fn many_blocking_readers_on_many_threads_delay_nobody() {
    let (server, engine) = (Server::start(fakemodel::plan()), engine());
    let client = client(&server);
    let blocked = engine.chat(&client, request("stall-after:1"));
    let reads_blocked: Vec<_> = (0..16)
        .map(|_| {
            let mut reader = blocked.reader(StartAt::Beginning);
            std::thread::spawn(move || while reader.read().unwrap().is_some() {})
        })
        .collect();
    let jobs: Vec<_> = (0..8).map(|_| engine.chat(&client, request("words:500"))).collect();
    let readers: Vec<_> = jobs
        .iter()
        .flat_map(|job| std::iter::repeat_n(job, 4))
        .map(|job| {
            let mut reader = job.reader(StartAt::Beginning);
            std::thread::spawn(move || {
                let mut text = String::new();
                while let Some(batch) = reader.read().unwrap() {
                    text += &text_of(&batch.events);
                }
                text
            })
        })
        .collect();
    let whole = &outcome(&jobs[0]).reply.text;
    for reader in readers {
        assert_eq!(reader.join().unwrap(), *whole);
    }
    assert!(!blocked.state().is_ended());
    blocked.cancel("done");
    for reader in reads_blocked {
        reader.join().unwrap();
    }
}

#[test]
fn a_long_log_is_read_in_bounded_batches_with_the_end_in_the_last() {
    let (server, engine) = (Server::start(fakemodel::plan()), engine());
    let job = engine.chat(&client(&server), request("flood:12MB"));
    let whole = outcome(&job).reply.text.len();
    let (mut reader, mut batches, mut length) = (job.reader(StartAt::Beginning), 0, 0);
    while let Some(batch) = reader.try_read() {
        let bytes = text_of(&batch.events).len();
        assert!(bytes <= (1 << 20) + 4096, "{bytes}");
        length += bytes;
        batches += 1;
        assert_eq!(batch.outcome.is_some(), length == whole && reader.is_ended());
    }
    assert_eq!((length, job.text_so_far().len()), (whole, whole));
    assert!(batches > 1);
}

#[test]
fn news_can_be_awaited_without_the_reader() {
    let (server, engine) = (Server::start(fakemodel::plan()), engine());
    let job = engine.chat(&client(&server), request("words:50"));
    let mut reader = job.reader(StartAt::Beginning);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut text = String::new();
    while !reader.is_ended() {
        runtime.block_on(reader.news());
        text += &text_of(&reader.try_read().unwrap().events);
    }
    runtime.block_on(reader.news());
    assert_eq!(text, outcome(&job).reply.text);
}
