//! `towline create`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tokio::sync::mpsc;
use towline::{Api, Clock, Clocks, CreateRequest, Ending, Error, Progress, Upload};

use super::Context;
use super::transfer::{Transfer, Verb};
use crate::args::CreateArgs;
use crate::exit::Exit;
use crate::failure::{Complaint, Failure};
use crate::modelfile::{self, Modelfile};
use crate::server::{Need, Server};

/// Steps of an upload that may wait to be shown; more are skipped.
const STEPS: usize = 16;

/// Makes a model.
pub async fn run(args: &CreateArgs, mut context: Context) -> Result<Exit, Failure> {
    let Modelfile { mut request, files, adapters } = recipe(args)?;
    request.model.clone_from(&args.name);
    request.quantize.clone_from(&args.quantize);
    let clocks = args.clocks.clocks();
    let server = Server::find(&args.server, &context.environment, clocks, Api::Ollama, Need::Keeper).await?;
    let mut transfer = Transfer::begin(Verb::Create, &server, &args.name, args.json)?;
    for (paths, digests) in [(files, &mut request.files), (adapters, &mut request.adapters)] {
        match send_all(&paths, &server, clocks, &mut transfer, &mut context).await? {
            Ok(sent) => *digests = sent,
            Err(ending) => return transfer.end(ending, &mut context).await,
        }
    }
    transfer.follow(server.client.create(request), &mut context).await
}

/// What to make the model of.
fn recipe(args: &CreateArgs) -> Result<Modelfile, Failure> {
    if let Some(from) = &args.from {
        let request = CreateRequest { from: Some(from.clone()), ..CreateRequest::default() };
        return Ok(Modelfile { request, ..Modelfile::default() });
    }
    let path = args.file.clone().unwrap_or_else(|| PathBuf::from("Modelfile"));
    let (text, folder) = if path.as_os_str() == "-" {
        let text = std::io::read_to_string(std::io::stdin())
            .map_err(|error| Failure::usage(format!("standard input cannot be read: {error}")))?;
        (text, PathBuf::new())
    } else {
        let text = std::fs::read_to_string(&path).map_err(|error| {
            let complaint = Complaint::new(format!("{} cannot be read: {error}", path.display()));
            Failure::Usage(match &args.file {
                Some(_) => complaint,
                None => complaint.hint("-f names another Modelfile, --from a model to start from"),
            })
        })?;
        (text, path.parent().unwrap_or(Path::new("")).to_owned())
    };
    modelfile::parse(&text, &folder).map_err(|error| {
        Failure::usage(format!("{}, line {}: {}", path.display(), error.line, error.message))
    })
}

/// Sends files that the server does not have. The outer error is one of ours, the inner one ends the transfer.
async fn send_all(
    paths: &[PathBuf],
    server: &Server,
    clocks: Clocks,
    transfer: &mut Transfer<'_>,
    context: &mut Context,
) -> Result<Result<BTreeMap<String, String>, Ending>, Failure> {
    let mut digests = BTreeMap::new();
    for path in paths {
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        match send(path, &name, server, clocks, transfer, context).await? {
            Ok(digest) => digests.insert(name, digest),
            Err(ending) => return Ok(Err(ending)),
        };
    }
    Ok(Ok(digests))
}

/// Sends one file. The clock for the first event runs from the last step of the upload, whose length nobody knows.
async fn send(
    path: &Path,
    name: &str,
    server: &Server,
    clocks: Clocks,
    transfer: &mut Transfer<'_>,
    context: &mut Context,
) -> Result<Result<String, Ending>, Failure> {
    let client = server.client.with_request_config(|config| config.clocks.first_event = None);
    let (steps, mut step) = mpsc::channel(STEPS);
    // Skipping steps that nobody has time for is the point of a bounded queue.
    let watch = move |upload| {
        let _skipped = steps.try_send(upload);
    };
    let mut sending = std::pin::pin!(client.upload_file_watched(path.to_owned(), watch));
    loop {
        let patience = async {
            match clocks.first_event {
                Some(limit) => tokio::time::sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            stop = context.stopper.stopped() => {
                let ending = Ending::Cancelled { reason: stop.reason().to_owned(), may_have_had_effect: false };
                return Ok(Err(ending));
            }
            Some(upload) = step.recv() => transfer.progress(progress(name, upload))?,
            sent = &mut sending => return Ok(sent.map_err(ending)),
            () = patience => {
                let limit = clocks.first_event.unwrap_or_default();
                return Ok(Err(Ending::TimedOut { clock: Clock::FirstEvent, limit, may_have_had_effect: false }));
            }
        }
    }
}

fn ending(error: Error) -> Ending {
    Ending::Failed(error)
}

fn progress(name: &str, upload: Upload) -> Progress {
    let (verb, completed, total) = match upload {
        Upload::Hashing { done_bytes, total_bytes } => ("reading", done_bytes, total_bytes),
        Upload::Sending { done_bytes, total_bytes } => ("sending", done_bytes, total_bytes),
    };
    Progress {
        status: format!("{verb} {name}"),
        digest: Some(format!("{verb}:{name}")),
        completed: Some(completed),
        total: Some(total),
    }
}
