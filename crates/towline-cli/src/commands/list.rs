//! `towline list`.

use jiff::Timestamp;
use serde_json::Value;
use towline::api::InstalledModel;
use towline::client::Api;

use super::{Context, answered};
use crate::server::UNARY_TIMEOUTS;
use towline_app::text::units;

use crate::args::ListArgs;
use crate::exit::Exit;
use crate::exit::failure::Failure;
use crate::output::json;
use crate::output::table::Table;
use crate::output::{self, Out};
use crate::server::models;
use crate::server::{Need, Server};

/// Number of shown digits of a digest.
const ID_DIGITS: usize = 12;

/// Lists the installed models.
pub async fn run(args: &ListArgs, mut context: Context) -> Result<Exit, Failure> {
    let server =
        Server::find(&args.server, &context.environment, UNARY_TIMEOUTS, Api::Auto, Need::Any).await?;
    let all = answered(models::installed(&server, UNARY_TIMEOUTS), &server, &mut context, None).await?;
    let wanted = |model: &&Value| match &args.name {
        Some(name) => models::typed(model).name.to_lowercase().starts_with(&name.to_lowercase()),
        None => true,
    };
    let mut out = Out::new();
    let mut table = Table::new(&["NAME", "ID", "SIZE", "MODIFIED"]);
    let mut is_empty = true;
    for model in all.iter().filter(wanted) {
        is_empty = false;
        if args.json {
            out.write(&json::line(model))?;
        } else {
            table.row(cells(&models::typed(model)));
        }
    }
    if !args.json {
        table.print(&mut out)?;
    }
    if is_empty && !args.json {
        output::note(&match &args.name {
            Some(name) => format!("{} has no model whose name begins with {name:?}", server.shown()),
            None => format!("{} has no models; towline pull llama3.2 fetches one", server.shown()),
        });
    }
    Ok(Exit::Completed)
}

fn cells(model: &InstalledModel) -> [String; 4] {
    let unknown = || "-".to_owned();
    let size = if model.size == 0 { unknown() } else { units::bytes(model.size) };
    let modified = match model.modified_at.as_str() {
        "" => unknown(),
        time => units::when(time, Timestamp::now()),
    };
    [model.name.clone(), short(&model.digest), size, modified]
}

/// The beginning of a digest.
pub fn short(digest: &str) -> String {
    let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
    if hex.is_empty() { "-".to_owned() } else { hex.chars().take(ID_DIGITS).collect() }
}
