//! The panel of jobs.

use egui::{Key, Modifiers};
use towline_testkit::{Routes, Script, records::ollama};

use crate::stage::{Begin, Stage};

#[test]
fn a_job_is_paused_moved_stopped_and_forgotten() {
    let script = Script::ndjson_open([ollama::chat_text("words")]).stall();
    let mut stage = Stage::new(Routes::new().path("/api/chat", script), Begin::default());
    stage.ask("a long story");
    stage.until_shown("words");
    stage.press(Modifiers::COMMAND, Key::J);
    let id = stage
        .window(|window| window.chat().and_then(|chat| chat.live.first()).map(|live| live.job.id()))
        .expect("a job");
    stage.click(&format!("Pause job {id}"));
    stage.until_shown("paused");
    stage.click(&format!("Unpause job {id}"));
    stage.until("streaming", |stage| stage.can_click(&format!("Pause job {id}")));
    let menu = format!("Deadline of job {id}");
    let deadline = |stage: &Stage| {
        stage
            .window(|window| window.engine.job(id).and_then(|job| job.info().deadline_in))
            .map(|time| time.as_secs())
    };
    stage.click(&menu);
    assert!(!stage.can_click("1 min more"), "without a deadline there is none to move");
    stage.click("5 min from now");
    stage.until_shown(" left");
    stage.click(&menu);
    stage.click("1 min more");
    stage.until("six minutes", |stage| deadline(stage).is_some_and(|left| left > 300));
    stage.click(&menu);
    stage.type_into("Another deadline", "1h30m");
    stage.press(Modifiers::NONE, Key::Enter);
    stage.until("ninety minutes", |stage| deadline(stage).is_some_and(|left| left > 5_000));
    stage.click(&menu);
    stage.click("No deadline");
    stage.until_shown("no deadline");
    stage.press(Modifiers::COMMAND, Key::N);
    stage.click(&format!("Show job {id}"));
    stage.until_shown("words");
    stage.click(&format!("Stop job {id}"));
    stage.until_shown("Stopped by you.");
    stage.click("Forget ended");
    stage.until("nothing", |stage| !stage.can_click(&format!("Show job {id}")));
    stage.click("Close the jobs");
    assert!(!stage.window(|window| window.state.shows_jobs));
}

#[test]
fn the_tokens_of_an_answer_are_those_that_the_server_counted() {
    let script = Script::ndjson([ollama::chat_text("So it is."), ollama::chat_done("stop", 21)]);
    let mut stage = Stage::new(Routes::new().path("/api/chat", script), Begin::default());
    stage.ask_to_end("is it?");
    stage.press(Modifiers::COMMAND, Key::J);
    stage.until("the foot and the list", |stage| {
        let labels = stage.labels();
        labels.iter().any(|label| label.starts_with("21 tokens, "))
            && labels.iter().any(|label| label == "21 tokens")
    });
    assert!(!stage.shows("1 token,") && !stage.labels().contains(&"1 token".to_owned()));
}

#[test]
fn an_answer_is_paused_where_it_stands() {
    let script = Script::ndjson_open([ollama::chat_text("words")]).stall();
    let mut stage = Stage::new(Routes::new().path("/api/chat", script), Begin::default());
    stage.ask("a long story");
    stage.until_shown("words");
    stage.click("Pause answer");
    stage.until_shown("nothing is read");
    stage.click("Unpause answer");
    stage.until("streaming", |stage| stage.can_click("Pause answer"));
    stage.click("Stop");
    stage.until_shown("cancelled");
}
