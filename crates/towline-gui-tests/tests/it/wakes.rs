//! How often the window wakes and is drawn, and what it takes in at each look. Counts, not times.

use std::cell::Cell;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use towline_gui::command::Command;
use towline_testkit::stepped::{SteppedServer, SteppedStream};
use towline_testkit::{Routes, Script, fakemodel, records::ollama};

use crate::stage::{Begin, Stage};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks models of a stepped server side by side, in a new chat.
fn ask(stage: &Stage, server: &SteppedServer, models: &[String]) -> Vec<SteppedStream> {
    stage.window(|window| {
        window.act(Command::NewChat);
        window.act(Command::Model(models[0].clone()));
        for model in &models[1..] {
            window.act(Command::Compare(model.clone(), true));
        }
        window.act(Command::Draft("Go.".into()));
        window.act(Command::Send);
    });
    models.iter().map(|model| server.stream(model)).collect()
}

/// Waits until the engine has so many tokens of each answer, without a look of the window's.
#[track_caller]
fn until_received(stage: &Stage, tokens: impl Fn(&str) -> u64) {
    let jobs: Vec<_> = stage.window(|window| {
        window.chats.iter().flat_map(|chat| &chat.live).map(|live| live.job.clone()).collect()
    });
    let end = Instant::now() + PATIENCE;
    for job in jobs {
        while job.info().tokens < tokens(&job.name()) {
            assert!(Instant::now() < end, "{} has {} tokens", job.name(), job.info().tokens);
            std::thread::yield_now();
        }
    }
}

/// What is drawn of each answer, and what the conversation has of it, by its model.
fn answers(stage: &Stage) -> Vec<(String, String, String)> {
    stage.window(|window| {
        let turns = window.chats.iter().flat_map(|chat| {
            chat.conversation.answers().map(|answer| (answer, chat.answers.get(&answer.id)))
        });
        turns
            .map(|(turn, answer)| {
                let drawn = answer.map(|answer| answer.text.text().to_owned()).unwrap_or_default();
                (turn.model.clone(), drawn, turn.answer.content.clone())
            })
            .collect()
    })
}

fn is_idle(stage: &Stage) -> bool {
    stage.wanted_next().is_none()
        && stage.window(|window| {
            window.chats.iter().all(|chat| chat.live.is_empty())
                && window.engine.jobs().iter().all(|job| job.state().is_ended())
        })
}

fn wakes(stage: &Stage) -> u64 {
    stage.window(|window| window.counts.wakes.load(Ordering::Relaxed))
}

#[test]
fn an_idle_window_asks_for_no_frame() {
    let mut stage = Stage::new(fakemodel::plan(), Begin::default());
    stage.ask_to_end("hello");
    // Frames that somebody else wants, such as the desktop, cause no other ones. The engine's last word may still be on its
    // way to the first of them.
    let quiet = Cell::new(0);
    stage.until("ten frames in a row that ask for none", |stage| {
        quiet.set(if is_idle(stage) { quiet.get() + 1 } else { 0 });
        quiet.get() == 10
    });
}

#[test]
fn a_silent_answer_only_moves_the_clock() {
    let script = Script::ndjson_open([ollama::chat_text("words")]).stall();
    let mut stage = Stage::new(Routes::new().path("/api/chat", script), Begin::default());
    stage.ask("hello");
    stage.until_shown("words");
    let is_clock = |stage: &Stage| stage.wanted_next().is_some_and(|wait| wait > Duration::from_millis(400));
    stage.until("only the clock", is_clock);
}

#[test]
fn many_tokens_wake_the_window_once_a_frame_and_all_of_them_arrive_in_order() {
    const STREAMS: usize = 12;
    const FRAMES: u64 = 40;
    const TOKENS_A_FRAME: u64 = 25;
    let server = SteppedServer::start();
    let mut stage = Stage::new(fakemodel::plan(), Begin { url: Some(server.url()), ..Begin::default() });
    let mut streams = Vec::new();
    for chat in 0..3 {
        let models: Vec<String> = (0..STREAMS / 3).map(|model| format!("m{chat}-{model}")).collect();
        streams.extend(models.iter().cloned().zip(ask(&stage, &server, &models)));
    }
    stage.until("the first frame", |_| true);
    let mut sent: Vec<String> = vec![String::new(); STREAMS];
    let before = wakes(&stage);
    for frame in 0..FRAMES {
        for ((model, stream), sent) in streams.iter_mut().zip(&mut sent) {
            let token = |token: u64| match token % 9 {
                0 => format!("\n\n{model} "),
                1 => format!("**{}** ", frame * TOKENS_A_FRAME + token),
                _ => format!("{} ", frame * TOKENS_A_FRAME + token),
            };
            let tokens: Vec<String> = (0..TOKENS_A_FRAME).map(token).collect();
            stream.text(&tokens.iter().map(String::as_str).collect::<Vec<_>>());
            sent.extend(tokens);
        }
        until_received(&stage, |_| (frame + 1) * TOKENS_A_FRAME);
        stage.harness.step();
    }
    let woken = wakes(&stage) - before;
    assert!((1..=FRAMES * 12 / 10).contains(&woken), "{woken} wakes for {FRAMES} frames");
    let names: Vec<String> = streams.iter().map(|(model, _)| model.clone()).collect();
    streams.into_iter().for_each(|(_, stream)| stream.end());
    stage.until("every answer", is_idle);
    let expected: Vec<_> =
        names.into_iter().zip(sent).map(|(name, sent)| (name, sent.clone(), sent)).collect();
    let mut found = answers(&stage);
    found.retain(|(_, _, content)| !content.is_empty());
    found.sort();
    assert_eq!(found, expected);
}

#[test]
fn a_flood_takes_its_share_of_a_frame_and_no_more() {
    /// Half of what one look takes, and a piece.
    const SHARE: usize = (256 << 10) + (64 << 10);
    let server = SteppedServer::start();
    let mut stage = Stage::new(fakemodel::plan(), Begin { url: Some(server.url()), ..Begin::default() });
    let mut flood = ask(&stage, &server, &["flood".to_owned()]).remove(0);
    let mut brook = ask(&stage, &server, &["brook".to_owned()]).remove(0);
    let piece = "water ".repeat(5_000);
    for _ in 0..100 {
        flood.text(&[&piece]);
    }
    brook.text(&["a brook"]);
    until_received(&stage, |name| if name == "flood" { 100 } else { 1 });
    stage.harness.step();
    let length = |stage: &Stage, wanted: &str| {
        answers(stage).into_iter().find(|(model, ..)| model == wanted).map_or(0, |(_, drawn, _)| drawn.len())
    };
    assert_eq!(length(&stage, "brook"), "a brook".len(), "the second answer waits for the first");
    let taken = length(&stage, "flood");
    assert!((1..=SHARE).contains(&taken), "{taken} bytes in one frame");
    flood.end();
    brook.end();
    stage.until("every answer", is_idle);
    assert_eq!(length(&stage, "flood"), 100 * piece.len());
}
