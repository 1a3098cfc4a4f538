//! `towline create`.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use tokio::sync::mpsc;
use towline::api::CreateRequest;
use towline::client::{Timeouts, Upload};
use towline::event::Progress;
use towline::outcome::Clock;
use towline::{Ending, Error};

use super::Context;
use super::transfer::{Transfer, Verb, keeper};
use crate::args::CreateArgs;
use crate::commands::modelfile::{self, Modelfile, Part, PartSource};
use crate::exit::Exit;
use crate::exit::failure::Failure;
use crate::exit::failure::unless_stopped;
use crate::input;
use crate::output;
use crate::server::Server;

/// Maximum number of upload steps that wait to be shown; more are skipped.
const STEPS: usize = 16;
/// Maximum size of a Modelfile, in bytes; it can contain licences.
const MODELFILE_BYTES: u64 = 16 << 20;

/// Creates a model.
pub async fn run(args: &CreateArgs, mut context: Context) -> Result<Exit, Failure> {
    let Modelfile { mut request, files, adapters, drafts, notes } = recipe(args)?;
    for note in &notes {
        output::note(note);
    }
    request.model.clone_from(&args.name);
    request.quantize.clone_from(&args.quantize);
    let timeouts = args.transfer.timeouts.timeouts();
    let server = keeper(&args.transfer, &context).await?;
    let mut transfer = Transfer::begin(Verb::Create, &server, &args.name, args.transfer.json)?;
    for (parts, digests) in
        [(files, &mut request.files), (adapters, &mut request.adapters), (drafts, &mut request.draft_files)]
    {
        match send_all(&parts, &server, timeouts, &mut transfer, &mut context).await? {
            Ok(sent) => *digests = sent,
            Err(ending) => return transfer.end(ending, &mut context).await,
        }
    }
    transfer.follow(server.client.create(request), &mut context).await
}

/// The source of the new model.
fn recipe(args: &CreateArgs) -> Result<Modelfile, Failure> {
    if let Some(from) = &args.from {
        let request = CreateRequest { from: Some(from.clone()), ..CreateRequest::default() };
        return Ok(Modelfile { request, ..Modelfile::default() });
    }
    let path = args.file.clone().unwrap_or_else(|| PathBuf::from("Modelfile"));
    let (bytes, folder) = if path.as_os_str() == "-" {
        let mut bytes = Vec::new();
        let read = std::io::stdin().take(MODELFILE_BYTES).read_to_end(&mut bytes);
        read.map_err(|error| Failure::usage(format!("standard input cannot be read: {error}")))?;
        (bytes, PathBuf::new())
    } else {
        let bytes = input::bytes(&path, MODELFILE_BYTES).map_err(|error| match &args.file {
            Some(_) => Failure::usage(error),
            None => Failure::usage_with(error, "-f names another Modelfile, --from a model to start from"),
        })?;
        (bytes, path.parent().unwrap_or(Path::new("")).to_owned())
    };
    let text = input::text(&bytes, None).filter(|text| text.replaced == 0);
    let text = text.ok_or_else(|| Failure::usage(format!("{} is not UTF-8 text", path.display())))?.text;
    modelfile::parse(&text, &folder).map_err(|error| {
        Failure::usage(format!("{}, line {}: {}", path.display(), error.line, error.message))
    })
}

/// Uploads the files that the server does not have. The outer error is local, the inner one ends the
/// transfer.
async fn send_all(
    parts: &[Part],
    server: &Server,
    timeouts: Timeouts,
    transfer: &mut Transfer<'_>,
    context: &mut Context,
) -> Result<Result<BTreeMap<String, String>, Ending>, Failure> {
    let mut digests = BTreeMap::new();
    for Part { name, source } in parts {
        let sent = match source {
            PartSource::File(path) => send(path, name, server, timeouts, transfer, context).await?,
            PartSource::Blob(digest) => check_blob(digest, server, context).await?,
        };
        match sent {
            Ok(digest) => digests.insert(name.clone(), digest),
            Err(ending) => return Ok(Err(ending)),
        };
    }
    Ok(Ok(digests))
}

/// Checks a blob that the server must already have.
async fn check_blob(
    digest: &str,
    server: &Server,
    context: &mut Context,
) -> Result<Result<String, Ending>, Failure> {
    match unless_stopped(server.client.blob_exists(digest), &mut context.stopper).await? {
        Ok(true) => Ok(Ok(digest.to_owned())),
        Ok(false) => Err(Failure::usage_with(
            format!("neither this machine nor the server has the file {digest}, which FROM names"),
            "copy the model's file here, or name the model: FROM llama3.2",
        )),
        Err(error) => Ok(Err(Ending::Failed(error))),
    }
}

/// Uploads one file. The time limit of the first event counts from the last step of the upload, whose
/// duration is unknown.
async fn send(
    path: &Path,
    name: &str,
    server: &Server,
    timeouts: Timeouts,
    transfer: &mut Transfer<'_>,
    context: &mut Context,
) -> Result<Result<String, Ending>, Failure> {
    let client = server.client.with_request_config(|config| config.timeouts.first_event = None);
    let (steps, mut step) = mpsc::channel(STEPS);
    // The queue is bounded so that steps can be skipped.
    let watch = move |upload| {
        let _skipped = steps.try_send(upload);
    };
    let mut sending = std::pin::pin!(client.upload_file_watched(path.to_owned(), watch));
    loop {
        let patience = async {
            match timeouts.first_event {
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
                let limit = timeouts.first_event.unwrap_or_default();
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
