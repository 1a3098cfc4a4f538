//! The child's side: one model, served over standard input and output.

use std::sync::Arc;

use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::Notify;

use super::Errand;
use crate::config::{Config, Limits, Source};
use crate::error::Error;
use crate::serve::service::Service;

/// Runs a user's model until the parent process is gone or the model's time is over. This is the whole life of the
/// process that a [`Runner`](crate::Runner) starts; `errand` is its last argument.
///
/// Standard input and output belong to this call: nothing else may read or write them. It blocks its thread, and runs on
/// one of its own, so it may be called from anywhere.
///
/// # Errors
/// When the errand is not one that a parent gave, or its model cannot be loaded.
pub fn run_child(errand: &str) -> Result<(), Error> {
    let errand: Errand = serde_json::from_str(errand)
        .map_err(|error| Error::Config(format!("not an errand for a model process: {error}")))?;
    let running = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::Config(format!("cannot start a runtime: {error}")))?;
        let result = runtime.block_on(serve(errand));
        // Standard input may still be read by a thread that cannot be interrupted.
        runtime.shutdown_background();
        result
    });
    running.join().unwrap_or_else(|_| Err(Error::Config("the model process failed".into())))
}

async fn serve(errand: Errand) -> Result<(), Error> {
    let source = Source::Gguf { path: errand.path, name: Some(errand.name), threads: errand.threads };
    let limits = Limits { connections: 1, ..errand.limits };
    let config =
        Config { models: vec![source], limits, rate: errand.rate, runner: None, ..Config::default() };
    let changed = Arc::new(Notify::new());
    let service = Service::new(&config, Arc::clone(&changed))?;

    let io = TokioIo::new(tokio::io::join(tokio::io::stdin(), tokio::io::stdout()));
    let handler = {
        let service = Arc::clone(&service);
        hyper::service::service_fn(move |request| {
            let service = Arc::clone(&service);
            async move { Ok::<_, std::convert::Infallible>(service.answer(request).await) }
        })
    };
    let connection =
        hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(io, handler);
    let mut connection = std::pin::pin!(connection);
    let unloaded = service.until_unloaded();
    tokio::select! {
        // The parent is gone, or closed the pipes: there is nobody left to tell.
        _ = connection.as_mut() => return Ok(()),
        () = unloaded => {}
    }
    connection.as_mut().graceful_shutdown();
    drop(connection.await);
    Ok(())
}
