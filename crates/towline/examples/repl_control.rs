//! A prompt that starts three streams, continues its own work, and stays in control of each of them.
//!
//! `cargo run --example repl_control [HOST [MODEL MODEL MODEL]]`
#![expect(clippy::print_stdout, reason = "an example talks to people")]

mod shared;

use std::time::Duration;

use towline::engine::{EngineConfig, OnShutdown};
use towline::{ChatRequest, Deadline, Engine};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let setting = shared::setting(&["slow:400:80", "stall-after:5", "slow:20:1000"])?;
    let engine = Engine::start(EngineConfig::default())?;

    // Submitting returns at once. Nothing below waits for a network unless its name says that it waits.
    let submit = |model: &String| {
        engine.chat(&setting.client, ChatRequest::new(model).user("Tell me about rivers, at length."))
    };
    let jobs: Vec<_> = setting.models.iter().map(submit).collect();
    let [answer, stuck, unwanted] = &jobs[..] else { return Err("this example needs three models".into()) };

    // Look at them while doing something else.
    let mut primes = 0;
    for n in 2_u32.. {
        primes += u32::from((2..n).take_while(|d| d * d <= n).all(|d| n % d != 0));
        let all_talk = jobs.iter().all(|job| job.info().tokens > 0 || job.state().is_ended());
        if primes % 100 == 0 && all_talk {
            break;
        }
    }
    println!("meanwhile, {primes} primes were found");
    for job in &jobs {
        let info = job.info();
        println!("[{}] {:<14} {:<10} {} tokens", info.id, info.name, info.state, info.tokens);
    }

    // Change one's mind about how long one of them may take, while it runs; and stop another.
    stuck.set_deadline(Deadline::In(Duration::from_millis(100)));
    unwanted.cancel("a better idea came up");

    // Waiting with a limit leaves the job alone when the limit is up.
    while answer.wait_timeout(Duration::from_millis(50))?.is_none() {
        println!("[{}] still {}: {} tokens", answer.id(), answer.state(), answer.info().tokens);
    }
    for job in &jobs {
        let outcome = job.wait()?;
        println!(
            "[{}] {}: {} characters came; {outcome}",
            job.id(),
            outcome.ending.as_str(),
            outcome.reply.text.len()
        );
    }

    let report = engine.shutdown(OnShutdown::Finish, Duration::from_secs(1))?;
    println!("{} jobs were cut by the shutdown", report.cut.len() + report.stuck.len());
    Ok(())
}
