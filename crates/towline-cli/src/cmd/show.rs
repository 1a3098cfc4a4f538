//! `towline show`.

use serde_json::{Map, Value};
use towline::api::{ShowRequest, ShowResponse};
use towline::client::Api;
use unicode_width::UnicodeWidthStr as _;

use super::{Context, UNARY_TIMEOUTS, answered};
use crate::args::{ShowArgs, ShowPart};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::json;
use crate::out::{Out, WriteError};
use crate::repl::command::Shown;
use crate::server::{Need, Server};
use crate::table::padded;

/// The lines of long texts that are shown in the overview.
const LONG_TEXT_LINES: usize = 2;
/// The elements of a list that are shown.
const LIST_ELEMENTS: usize = 3;

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
    match args.part() {
        Some(part) => print_part(&mut out, &shown, part)?,
        None => print(&mut out, &shown, args.verbose)?,
    }
    Ok(Exit::Completed)
}

/// A part of a description as the prompt shows it, or all of it.
pub fn text(shown: &ShowResponse, part: Option<Shown>) -> String {
    let of = |text: &str| if text.is_empty() { "the model has none".to_owned() } else { text.to_owned() };
    match part {
        None | Some(Shown::Info) => lines(shown, false).join("\n"),
        Some(Shown::Modelfile) => of(&shown.modelfile),
        Some(Shown::Parameters) => of(&shown.parameters),
        Some(Shown::Template) => of(&shown.template),
        Some(Shown::System) => of(&shown.system),
        Some(Shown::License) => of(&shown.license),
    }
}

fn print_part(out: &mut Out, shown: &ShowResponse, part: ShowPart) -> Result<(), WriteError> {
    let text = match part {
        ShowPart::Modelfile => &shown.modelfile,
        ShowPart::Parameters => &shown.parameters,
        ShowPart::Template => &shown.template,
        ShowPart::System => &shown.system,
        ShowPart::License => &shown.license,
    };
    out.text(text)?;
    out.finish_text()?;
    out.end_line()
}

fn print(out: &mut Out, shown: &ShowResponse, verbose: bool) -> Result<(), WriteError> {
    lines(shown, verbose).iter().try_for_each(|line| out.line(line))
}

fn lines(shown: &ShowResponse, verbose: bool) -> Vec<String> {
    let mut lines = vec![];
    for (title, rows) in sections(shown, verbose) {
        if rows.is_empty() {
            continue;
        }
        let width = rows.iter().map(|(name, _)| name.width()).max().unwrap_or(0);
        lines.push(format!("  {title}"));
        for (name, value) in rows {
            lines.push(format!("    {}    {value}", padded(&name, width)).trim_end().to_owned());
        }
        lines.push(String::new());
    }
    lines
}

type Rows = Vec<(String, String)>;

fn sections(shown: &ShowResponse, verbose: bool) -> Vec<(&'static str, Rows)> {
    let mut sections = vec![
        ("Model", model(shown)),
        ("Capabilities", shown.capabilities.iter().map(|name| (name.clone(), String::new())).collect()),
        ("Parameters", parameters(&shown.parameters)),
        ("System", long_text(&shown.system)),
        ("License", long_text(&shown.license)),
    ];
    if verbose {
        sections
            .push(("Metadata", shown.model_info.iter().map(|(key, v)| (key.clone(), value(v))).collect()));
    }
    sections
}

fn model(shown: &ShowResponse) -> Rows {
    let info = &shown.model_info;
    let family = if shown.details.family.is_empty() { None } else { Some(shown.details.family.clone()) };
    let architecture = field(info, "general.architecture").or(family);
    let own = |key: &str| architecture.as_deref().and_then(|name| field(info, &format!("{name}.{key}")));
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    [
        ("architecture", architecture.clone()),
        ("parameters", given(&shown.details.parameter_size)),
        ("context length", own("context_length")),
        ("embedding length", own("embedding_length")),
        ("quantization", given(&shown.details.quantization_level)),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name.to_owned(), value?)))
    .collect()
}

fn field(info: &Map<String, Value>, key: &str) -> Option<String> {
    info.get(key).map(value)
}

/// The parameters come as lines: a name, blanks, a value.
fn parameters(lines: &str) -> Rows {
    lines
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| match line.trim().split_once(char::is_whitespace) {
            Some((name, value)) => (name.to_owned(), value.trim().to_owned()),
            None => (line.trim().to_owned(), String::new()),
        })
        .collect()
}

fn long_text(text: &str) -> Rows {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut rows: Rows =
        lines.by_ref().take(LONG_TEXT_LINES).map(|line| (line.to_owned(), String::new())).collect();
    if lines.next().is_some() {
        rows.push(("…".to_owned(), String::new()));
    }
    rows
}

/// A value on one line; long lists are cut.
fn value(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) if list.len() > LIST_ELEMENTS => {
            let first: Vec<String> = list.iter().take(LIST_ELEMENTS).map(self::value).collect();
            format!("[{}, … {} in all]", first.join(", "), list.len())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            value.to_string()
        }
    }
}
