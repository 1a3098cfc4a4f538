//! Serves the built-in model until it is interrupted.
//!
//! `cargo run --example serve -- [--listen ADDRESS] [--rate TOKENS_PER_SECOND]`

use std::io::Write;

use towline_model::{Config, Server};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut config = Config::default();
    while let Some(argument) = arguments.next() {
        let value = arguments.next().ok_or(format!("{argument} needs a value"))?;
        match argument.as_str() {
            "--listen" => config.listen = value.parse()?,
            "--rate" => config.rate = Some(value.parse()?),
            other => return Err(format!("unknown argument {other}").into()),
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let server = Server::bind(config).await?;
        let mut output = std::io::stdout();
        writeln!(output, "listening on http://{}", server.local_addr())?;
        output.flush()?;
        server
            .run(async {
                // If signals cannot be awaited, only the end of the process stops the server.
                if tokio::signal::ctrl_c().await.is_err() {
                    std::future::pending::<()>().await;
                }
            })
            .await;
        Ok(())
    })
}
