//! `towline embed`.

use serde_json::Value;
use towline::api::{EmbedRequest, Options};
use towline::client::Api;

use super::question;
use super::{Context, answered};
use crate::args::{EmbedArgs, KeepAliveArg};
use crate::exit::Exit;
use crate::exit::failure::Failure;
use crate::exit::failure::unless_stopped;
use crate::output::Out;
use crate::output::json;
use crate::server::models::{self, Choice};
use crate::server::{Need, Server};

/// Prints the vectors of texts.
pub async fn run(args: &EmbedArgs, mut context: Context) -> Result<Exit, Failure> {
    let input = texts(args, &mut context).await?;
    let timeouts = args.timeouts.timeouts();
    let server =
        Server::find(&args.server, &context.environment, timeouts, Api::Ollama, Need::Keeper).await?;
    let choosing = models::choose(args.model.as_deref(), &[], &context.environment, &server);
    let model = match unless_stopped(choosing, &mut context.stopper.clone()).await? {
        Ok(Choice::Model(chosen)) => chosen.model,
        Ok(Choice::Unclear(complaint)) => return Err(Failure::Usage(complaint)),
        Err(error) => answered(async { Err(error) }, &server, &mut context, None).await?,
    };
    let mut options = Options::default();
    for option in &args.options {
        option.add_to(&mut options).map_err(|error| Failure::usage(error.to_string()))?;
    }
    let request = EmbedRequest {
        model: model.clone(),
        input,
        truncate: args.no_truncate.then_some(false),
        dimensions: args.dimensions,
        options,
        keep_alive: args.more.keep_alive.clone().map(|KeepAliveArg(keep_alive)| keep_alive),
    };
    let asking = server.client.post_json("/api/embed", &request);
    let answer: Value = answered(asking, &server, &mut context, Some(&model)).await?;
    let mut out = Out::held();
    if args.json {
        out.write(&json::line(&answer))?;
    } else {
        for vector in answer["embeddings"].as_array().into_iter().flatten() {
            out.write(&json::line(vector))?;
        }
    }
    out.flush()?;
    Ok(Exit::Completed)
}

/// The arguments, else standard input as one text or as one text per line.
async fn texts(args: &EmbedArgs, context: &mut Context) -> Result<Vec<String>, Failure> {
    if !args.texts.is_empty() {
        return Ok(args.texts.clone());
    }
    let text = question::stdin(args.more.encoding, &mut context.stopper).await?.unwrap_or_default();
    let texts: Vec<String> = if args.lines {
        text.lines().map(str::to_owned).collect()
    } else {
        vec![text.strip_suffix('\n').unwrap_or(&text).to_owned()]
    };
    if texts.iter().all(String::is_empty) {
        return Err(Failure::usage_with(
            "there is no text",
            "towline embed -m nomic-embed-text \"a text\", or pipe it in",
        ));
    }
    Ok(texts)
}
