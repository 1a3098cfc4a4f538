//! `towline ps`.

use jiff::Timestamp;
use serde_json::Value;
use towline::api::RunningModel;
use towline::client::Api;

use super::list::short;
use super::{Context, answered};
use crate::server::UNARY_TIMEOUTS;
use towline_app::text::units;

use crate::args::PsArgs;
use crate::exit::Exit;
use crate::exit::failure::Failure;
use crate::output::Out;
use crate::output::json;
use crate::output::table::Table;
use crate::server::{Need, Server};

/// A model that stays loaded longer than this counts as staying forever, in seconds: a hundred years.
const FOREVER_SECONDS: i64 = 100 * 365 * 86_400;

/// Lists the models in memory.
pub async fn run(args: &PsArgs, mut context: Context) -> Result<Exit, Failure> {
    let server =
        Server::find(&args.server, &context.environment, UNARY_TIMEOUTS, Api::Auto, Need::Any).await?;
    let mut answer: Value = answered(server.client.get_json("/api/ps"), &server, &mut context, None).await?;
    let models = match answer["models"].take() {
        Value::Array(models) => models,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => Vec::new(),
    };
    let mut out = Out::new();
    let mut table = Table::new(&["NAME", "ID", "SIZE", "PROCESSOR", "CONTEXT", "UNTIL"]);
    for model in models {
        if args.json {
            out.write(&json::line(&model))?;
        } else {
            let digest = model.get("digest").and_then(Value::as_str).unwrap_or_default().to_owned();
            let model: RunningModel = serde_json::from_value(model).unwrap_or_default();
            table.row(cells(&model, &digest, Timestamp::now()));
        }
    }
    if !args.json {
        table.print(&mut out)?;
    }
    Ok(Exit::Completed)
}

fn cells(model: &RunningModel, digest: &str, now: Timestamp) -> [String; 6] {
    let context = if model.context_length == 0 { "-".to_owned() } else { model.context_length.to_string() };
    [
        model.name.clone(),
        short(digest),
        units::bytes(model.size),
        processor(model.size, model.size_vram),
        context,
        until(&model.expires_at, now),
    ]
}

fn processor(size: u64, on_gpu: u64) -> String {
    match (size, on_gpu) {
        (0, _) => "unknown".to_owned(),
        (_, 0) => "100% CPU".to_owned(),
        (size, gpu) if gpu == size => "100% GPU".to_owned(),
        (size, gpu) if gpu > size => "unknown".to_owned(),
        (size, gpu) => {
            let cpu = ((size - gpu) as f64 / size as f64 * 100.0).round();
            format!("{cpu}%/{}% CPU/GPU", 100.0 - cpu)
        }
    }
}

fn until(expires_at: &str, now: Timestamp) -> String {
    let Ok(time) = expires_at.parse::<Timestamp>() else { return "-".to_owned() };
    // An expired model is unloaded once its last answer has ended.
    if time <= now {
        return "Stopping...".to_owned();
    }
    match time.as_second() - now.as_second() {
        FOREVER_SECONDS.. => "Forever".to_owned(),
        _ => units::when(expires_at, now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_model_is() {
        for (size, gpu, shown) in [
            (10, 0, "100% CPU"),
            (10, 10, "100% GPU"),
            (100, 75, "25%/75% CPU/GPU"),
            (10, 11, "unknown"),
            (0, 0, "unknown"),
        ] {
            assert_eq!(processor(size, gpu), shown);
        }
    }

    #[test]
    fn how_long_a_model_stays() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        for (expires_at, shown) in [
            ("2026-11-21T12:04:59Z", "4 minutes from now"),
            ("2026-11-21T11:59:59Z", "Stopping..."),
            ("2026-11-21T12:00:00Z", "Stopping..."),
            ("2318-01-01T00:00:00Z", "Forever"),
            ("", "-"),
        ] {
            assert_eq!(until(expires_at, now), shown);
        }
    }
}
