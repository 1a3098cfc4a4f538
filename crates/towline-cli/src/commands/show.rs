//! `towline show`.

use serde_json::Value;
use towline::api::{ShowRequest, ShowResponse};
use towline::client::Api;

use super::{Context, answered};
use crate::args::ShowArgs;
use crate::exit::Exit;
use crate::exit::failure::Failure;
use crate::output::description::ShowPart;
use crate::output::json;
use crate::output::{Out, description};
use crate::server::UNARY_TIMEOUTS;
use crate::server::{Need, Server};

/// Describes a model.
pub async fn run(args: &ShowArgs, mut context: Context) -> Result<Exit, Failure> {
    let server =
        Server::find(&args.server, &context.environment, UNARY_TIMEOUTS, Api::Auto, Need::Any).await?;
    let request = ShowRequest { model: args.model.clone(), verbose: args.verbose };
    let asking = server.client.post_json("/api/show", &request);
    let answer: Value = answered(asking, &server, &mut context, Some(&args.model)).await?;
    let mut out = Out::new();
    if args.json {
        out.write(&json::line(&answer))?;
        return Ok(Exit::Completed);
    }
    let shown: ShowResponse = serde_json::from_value(answer).unwrap_or_default();
    if args.part() == ShowPart::Info {
        description::lines(&shown, args.verbose).iter().try_for_each(|line| out.line(line))?;
    } else {
        out.text(&description::part(&shown, args.part()))?;
        out.finish_text()?;
        out.end_line()?;
    }
    Ok(Exit::Completed)
}
