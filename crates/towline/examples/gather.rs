//! Several prompts at once: the first answer, then all answers in the order of the questions.
//!
//! `cargo run --example gather [HOST [MODEL]]`
#![expect(clippy::print_stdout, reason = "an example talks to people")]

mod shared;

use towline::engine::{EngineConfig, StreamSpec};
use towline::{ChatRequest, Engine};

const QUESTIONS: [&str; 3] = ["What is a river?", "What is a lake?", "What is the sea?"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let setting = shared::setting(&["echo"])?;
    let model = &setting.models[0];
    let engine = Engine::start(EngineConfig::default())?;

    let chats = QUESTIONS.map(|question| ChatRequest::new(model).user(question));
    let group = engine
        .submit_group("questions", chats.into_iter().map(|chat| StreamSpec::chat(&setting.client, chat)));

    if let Some((job, _)) = group.wait_first()? {
        println!("first to answer: job {}", job.id());
    }
    // One failure can end them all; each job can still be controlled on its own.
    if let Some((job, outcome)) = group.wait_failure()? {
        group.cancel(&format!("job {} failed: {outcome}", job.id()));
    }
    for (number, outcome) in group.wait_all()?.iter().enumerate() {
        println!("{}. {} ({outcome})", number + 1, outcome.reply.text.trim());
    }
    Ok(())
}
