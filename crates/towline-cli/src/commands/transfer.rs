//! The common part of pull, push and create: a stream of progress, shown to its end.

use towline::client::Api;
use towline::event::Progress;
use towline::{Ending, Error, Event, Outcome, Stream};

use super::Context;
use crate::args::TransferArgs;
use crate::commands::drive::drive;
use crate::exit::failure::Failure;
use crate::exit::{self, Exit};
use crate::output;
use crate::output::view::{ProgressView, View};
use crate::server::{Need, Server, hint, models};

/// The operation on a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Pull,
    Push,
    Create,
}

/// A transfer of a model.
#[derive(Debug)]
pub struct Transfer<'a> {
    verb: Verb,
    server: &'a Server,
    model: &'a str,
    json: bool,
    view: View,
}

/// The server that keeps the model.
pub async fn keeper(args: &TransferArgs, context: &Context) -> Result<Server, Failure> {
    let timeouts = args.timeouts.timeouts();
    Server::find(&args.server, &context.environment, timeouts, Api::Ollama, Need::Keeper).await
}

impl<'a> Transfer<'a> {
    /// Shows the start.
    pub fn begin(verb: Verb, server: &'a Server, model: &'a str, json: bool) -> Result<Self, Failure> {
        let view = if json {
            View::json(Some(model), &server.shown())?
        } else {
            View::Progress(ProgressView::new(model, &server.shown()))
        };
        Ok(Self { verb, server, model, json, view })
    }

    /// Shows a local step.
    pub fn progress(&mut self, progress: Progress) -> Result<(), Failure> {
        Ok(self.view.event(&Event::Progress(Box::new(progress)))?)
    }

    /// Shows a stream to its end.
    pub async fn follow(&mut self, stream: Stream, context: &mut Context) -> Result<Exit, Failure> {
        let outcome = drive(stream, &mut self.view, &mut context.stopper, &mut |_| {}).await?;
        Ok(self.explain(&outcome, context).await)
    }

    /// Ends before there is a stream.
    pub async fn end(&mut self, ending: Ending, context: &mut Context) -> Result<Exit, Failure> {
        let outcome = Outcome::new(ending);
        self.view.end(&outcome)?;
        Ok(self.explain(&outcome, context).await)
    }

    async fn explain(&self, outcome: &Outcome, context: &mut Context) -> Exit {
        let exit = exit::of_ending(&outcome.ending, context.stopper.stop());
        if self.json {
            return exit;
        }
        match &outcome.ending {
            Ending::Completed(_) => {}
            Ending::Cancelled { reason, .. } => {
                output::stderr_break();
                output::note(&format!("{reason}; {}", self.left()));
            }
            Ending::TimedOut { clock, .. } => {
                output::error(&format!("{}: {}", self.model, outcome.ending));
                output::hint(hint::for_clock(*clock));
            }
            Ending::Truncated(error) => {
                output::error(&format!("{}: {error}", self.model));
                output::hint(self.left());
            }
            Ending::Failed(error) => self.explain_error(error, context).await,
        }
        exit
    }

    async fn explain_error(&self, error: &Error, context: &mut Context) {
        output::error(&format!("{}: {error}", self.model));
        let advice = match self.verb {
            Verb::Pull if missing_manifest(error) => {
                Some("check the name: https://ollama.com/library lists the models".to_owned())
            }
            // A missing model cannot be pulled here, because this machine should have it.
            Verb::Pull | Verb::Push | Verb::Create => {
                hint::for_error(error, self.server, &context.environment, None)
            }
        };
        if let Some(advice) = advice {
            output::hint(&advice);
        }
        if self.verb != Verb::Pull
            && let Some(similar) =
                models::similar(error, self.server, Some(self.model), &mut context.stopper).await
        {
            output::hint(&similar);
        }
    }

    /// What remains after a cancelled transfer.
    fn left(&self) -> &'static str {
        match self.verb {
            Verb::Pull => "the server keeps what it has received; the same pull continues there",
            Verb::Push => "the same push continues there",
            Verb::Create => "the model was not made",
        }
    }
}

/// Whether a registry has no such model.
fn missing_manifest(error: &Error) -> bool {
    error.message.contains("file does not exist") || error.message.contains("manifest unknown")
}
