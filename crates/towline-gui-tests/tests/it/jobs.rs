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
    stage.click(&format!("Move the deadline of job {id}"));
    stage.until_shown(" left");
    stage.click(&format!("No deadline for job {id}"));
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
