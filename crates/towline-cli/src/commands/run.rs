//! `towline run`.

use std::io::IsTerminal as _;

use towline::client::ThinkTags;
use towline::error::ErrorKind;
use towline::outcome::FinishReason;
use towline::{ChatRequest, Client, Ending, Outcome};

use towline_app::document::Document;
use towline_app::settings::Config;

use super::Context;
use crate::args::{CodeArg, RunArgs};
use crate::commands::drive::drive;
use crate::commands::memory::Memory;
use crate::commands::question::{self, QuestionRequest};
use crate::exit::failure::Failure;
use crate::exit::failure::unless_stopped;
use crate::exit::{self, Exit};
use crate::output::view::{CodeView, View};
use crate::output::{self, stats};
use crate::server::hint;
use crate::server::models::{self, Choice};
use crate::server::{Need, Server};

/// Streams an answer.
pub async fn run(args: &RunArgs, mut context: Context) -> Result<Exit, Failure> {
    let asked = QuestionRequest::read(args, &mut context).await?;
    if args.detach {
        return super::detach::run(args, asked, context).await;
    }
    let mut memory = Memory::of(args, &context.config)?;
    let timeouts = args.timeouts.timeouts();
    let server =
        Server::find(&args.server, &context.environment, timeouts, args.api.into(), Need::Any).await?;

    let model = args.model.as_deref().or_else(|| asked.model()).or_else(|| memory.model()).map(str::to_owned);
    let choosing = models::choose(model.as_deref(), asked.words(), &context.environment, &server);
    let ending = match unless_stopped(choosing, &mut context.stopper.clone()).await {
        Ok(Ok(Choice::Model(chosen))) => {
            let request = asked.request(&chosen);
            let request = memory.ask(&request.model.clone(), request);
            return answer(args, request, memory, &server, &mut context).await;
        }
        Ok(Ok(Choice::Unclear(complaint))) => return Err(Failure::Usage(complaint)),
        Ok(Err(error)) => Ending::Failed(error),
        Err(Failure::Stopped(stop)) => {
            Ending::Cancelled { reason: stop.reason().to_owned(), may_have_had_effect: false }
        }
        Err(failure) => return Err(failure),
    };
    let outcome = before_the_request(ending);
    view(args, &context.config, None, &server)?.end(&outcome)?;
    finish(args, &outcome, None, &server, &context).await
}

/// Asks; if the model is missing and the user agrees, pulls it and asks again.
async fn answer(
    args: &RunArgs,
    request: ChatRequest,
    mut memory: Memory,
    server: &Server,
    context: &mut Context,
) -> Result<Exit, Failure> {
    let client = client(args, server);
    let mut may_offer = !args.json && is_person();
    loop {
        let mut view = view(args, &context.config, Some(&request.model), server)?;
        let stream = client.chat(request.clone());
        let on_event = &mut |event: &_| memory.receive(event);
        let outcome = drive(stream, &mut view, &mut context.stopper, on_event).await?;
        drop(view);
        // A server with OpenAI's dialect cannot pull.
        may_offer &= is_missing(&outcome, server) && !client.is_openai();
        if may_offer && offer(&request.model, server, context).await? {
            may_offer = false;
            let fetched = super::pull::fetch(&request.model, server, context).await?;
            if fetched != Exit::Completed {
                return Ok(fetched);
            }
            continue;
        }
        memory.end(&outcome);
        return finish(args, &outcome, Some(&request.model), server, context).await;
    }
}

fn client(args: &RunArgs, server: &Server) -> Client {
    server.client.with_request_config(|config| {
        if args.keep_think_tags {
            config.think_tags = ThinkTags::Keep;
        }
    })
}

fn view(args: &RunArgs, config: &Config, model: Option<&str>, server: &Server) -> Result<View, Failure> {
    if args.json {
        return Ok(View::json(model, &server.shown())?);
    }
    let model = model.unwrap_or("the model");
    Ok(match args.code {
        Some(only) => View::Code(CodeView::new(only.number(), model, &server.shown())),
        None => View::answer(args.plain, config, model, &server.shown()),
    })
}

async fn finish(
    args: &RunArgs,
    outcome: &Outcome,
    model: Option<&str>,
    server: &Server,
    context: &Context,
) -> Result<Exit, Failure> {
    if !args.json {
        explain(outcome, server, context, model).await;
    }
    if args.stats {
        stats::print(outcome);
    }
    let exit = exit::of_ending(&outcome.ending, context.stopper.stop());
    match args.code.and_then(|only| missing_code(&outcome.reply.text, only)) {
        Some(missing) if exit == Exit::Completed => {
            output::error(&missing);
            Ok(Exit::Failed)
        }
        Some(_) | None => Ok(exit),
    }
}

/// The message if the answer does not contain the requested code.
fn missing_code(answer: &str, only: CodeArg) -> Option<String> {
    let count = Document::of(answer).fences();
    match (count, only.number()) {
        (0, _) => Some("there is no code block in the answer".to_owned()),
        (1, Some(2..)) => Some("there is 1 code block in the answer".to_owned()),
        (_, Some(number)) if number > count => Some(format!("there are {count} code blocks in the answer")),
        (_, Some(_) | None) => None,
    }
}

/// Whether a user is present to answer a question.
pub(super) fn is_person() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Whether the server can pull the model that it lacks.
fn is_missing(outcome: &Outcome, server: &Server) -> bool {
    match &outcome.ending {
        Ending::Failed(error) => error.kind == ErrorKind::NotFound && !server.is_builtin(),
        Ending::Completed(_) | Ending::Truncated(_) | Ending::Cancelled { .. } | Ending::TimedOut { .. } => {
            false
        }
    }
}

/// Asks the user whether to pull a model that the server does not have.
pub(super) async fn offer(model: &str, server: &Server, context: &mut Context) -> Result<bool, Failure> {
    output::stderr(&format!("{} has no model {model}. Fetch it? [y/N] ", server.shown()));
    let line = question::typed_line(&mut context.stopper).await?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes" | "Yes"))
}

/// The outcome of a stream that was never started.
fn before_the_request(ending: Ending) -> Outcome {
    Outcome::new(ending)
}

/// Explains the ending to the user, on standard error.
async fn explain(outcome: &Outcome, server: &Server, context: &Context, model: Option<&str>) {
    match &outcome.ending {
        Ending::Completed(reason) => explain_completed(outcome, reason.as_ref()),
        Ending::Cancelled { reason, .. } => {
            output::stderr_break();
            output::note(&format!("{reason}; {}", received_text(outcome)));
        }
        Ending::TimedOut { clock, .. } => {
            output::error(&format!("{}; {}", outcome.ending, received_text(outcome)));
            output::hint(hint::for_clock(*clock));
        }
        Ending::Truncated(error) | Ending::Failed(error) => {
            if outcome.stats.records == 0 {
                output::error(&error.message);
            } else {
                output::error(&format!("{}; {}", error.message, received_text(outcome)));
            }
            if let Some(hint) = hint::for_error(error, server, &context.environment, model) {
                output::hint(&hint);
            }
            if let Some(similar) = models::similar(error, server, model, &mut context.stopper.clone()).await {
                output::hint(&similar);
            }
        }
    }
    if !outcome.retried.is_empty() {
        output::note(&format!("it was tried {} times", outcome.retried.len() + 1));
    }
}

fn explain_completed(outcome: &Outcome, reason: Option<&FinishReason>) {
    match reason {
        Some(FinishReason::Length) => {
            output::note("the answer stops at the length limit; -o num_predict=N or -o num_ctx=N sets it");
        }
        Some(FinishReason::ContentFilter) => output::note("the server withheld the rest of the answer"),
        Some(FinishReason::Load) => output::note("the model is loaded; there was nothing to answer"),
        Some(FinishReason::Unload) => output::note("the model is unloaded"),
        Some(FinishReason::Other(reason)) => {
            output::note(&format!("the model stopped with the reason {reason:?}"))
        }
        Some(FinishReason::Stop | FinishReason::ToolCalls | FinishReason::Success) | None => {
            let reply = &outcome.reply;
            if reply.text.is_empty() && reply.tool_calls.is_empty() && reply.images.is_empty() {
                output::note("the answer is complete, and empty");
            }
        }
    }
    if let Some(note) = outcome.reply.usage.as_ref().and_then(|usage| usage.note.as_ref()) {
        output::note(note);
    }
    if outcome.stats.replaced_text > 0 {
        let count = outcome.stats.replaced_text;
        output::warning(&format!("invalid text from the server was replaced in {count} places"));
    }
}

/// A description of the received data.
pub(super) fn received_text(outcome: &Outcome) -> String {
    let reply = &outcome.reply;
    let mut parts = Vec::new();
    for (text, what) in [(&reply.text, "of the answer"), (&reply.thinking, "of thinking")] {
        match text.chars().count() {
            0 => {}
            1 => parts.push(format!("1 character {what}")),
            count => parts.push(format!("{count} characters {what}")),
        }
    }
    match (parts.is_empty(), outcome.stats.records) {
        (true, _) => "no text was received".to_owned(),
        (false, 1) => format!("kept {} (1 record)", parts.join(" and ")),
        (false, records) => format!("kept {} ({records} records)", parts.join(" and ")),
    }
}
