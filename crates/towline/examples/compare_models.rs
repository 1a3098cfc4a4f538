//! One prompt for several models at once, and a table of how each did.
//!
//! `cargo run --example compare_models [HOST [MODEL…]]`
#![expect(clippy::print_stdout, reason = "an example talks to people")]

mod shared;

use std::time::Duration;

use towline::engine::{EngineConfig, JobInfo, StreamSpec};
use towline::{ChatRequest, Engine};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let setting = shared::setting(&["words:40", "thinking", "slow:200:20", "error-after:3"])?;
    let engine = Engine::start(EngineConfig::default())?;

    let prompt = |model: &String| ChatRequest::new(model).user("What is a river?");
    let streams = setting.models.iter().map(|model| StreamSpec::chat(&setting.client, prompt(model)));
    let group = engine.submit_group("comparison", streams);

    // Draws the table again while a job runs.
    while group.wait_all_timeout(Duration::from_millis(100))?.is_none() {
        let states = group.jobs().iter().map(|job| format!("{}: {}", job.name(), job.state()));
        println!("{}", states.collect::<Vec<_>>().join("   "));
    }

    println!("\n{:<16} {:<10} {:>12} {:>8}  text", "model", "ending", "first token", "tokens");
    for (job, outcome) in group.jobs().iter().zip(group.wait_all()?) {
        let JobInfo { name, state, tokens, .. } = job.info();
        let first = outcome.stats.first_event.map_or("none".to_owned(), |time| format!("{time:.1?}"));
        let beginning: String = outcome.reply.text.chars().take(40).collect();
        println!("{name:<16} {:<10} {first:>12} {tokens:>8}  {beginning}…", state.as_str());
    }
    Ok(())
}
