//! Any future as a job: one that computes, one that cleans up when it is cancelled, one that panics.
//!
//! `cargo run --example custom_future`
#![expect(clippy::print_stdout, reason = "an example talks to people")]

use std::time::Duration;

use towline::engine::{EngineConfig, JobOptions, OnShutdown, StartAt};
use towline::{Engine, Event};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = Engine::start(EngineConfig::default())?;

    let sum = engine.spawn("sum", async {
        let mut sum = 0;
        for n in 1..=100 {
            sum += n;
            // Others have their turn, and the job can be cancelled here.
            tokio::task::yield_now().await;
        }
        sum
    });

    // This one knows about its cancellation, and has a log that readers see like that of a stream.
    let options = JobOptions { name: Some("watch".to_owned()), ..JobOptions::default() };
    let watch = engine.spawn_with(options, |control| async move {
        let mut looks = 0;
        while !control.is_cancelled() {
            looks += 1;
            control.emit(Event::Text(format!("look {looks}\n"))).await;
            let pause = tokio::time::sleep(Duration::from_millis(10));
            tokio::select! { () = pause => {}, () = control.cancelled() => {} }
        }
        control.emit(Event::Text("cleaned up\n".to_owned())).await;
        looks
    });

    let broken =
        engine.spawn("broken", async { assert!(std::env::args().count() > 99, "nothing was there") });

    match sum.wait()? {
        Ok(sum) => println!("the sum is {sum}"),
        Err(outcome) => println!("no sum: {outcome}"),
    }
    if let Err(outcome) = broken.wait()? {
        println!("{}: {outcome}", broken.job.state());
    }

    let mut reader = watch.job.reader(StartAt::Beginning);
    while watch.job.text_so_far().lines().count() < 3 {
        reader.read()?;
    }
    watch.job.cancel("seen enough");
    // It is cancelling until it has cleaned up, and what it returns is kept.
    if let Ok(looks) = watch.wait()? {
        println!("{}after {looks} looks, {}", watch.job.text_so_far(), watch.job.state());
    }

    engine.shutdown(OnShutdown::Cancel, Duration::from_secs(1))?;
    Ok(())
}
