//! A model's description, as lines.

use std::borrow::Cow;

use clap::ValueEnum;
use serde_json::{Map, Value};
use towline::api::ShowResponse;
use unicode_width::UnicodeWidthStr as _;

use super::table::padded;

/// Maximum number of lines of a long text in the overview.
const LONG_TEXT_LINES: usize = 2;
/// Maximum number of shown elements of a list.
const LIST_ELEMENTS: usize = 3;

/// The part of a model's description to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ShowPart {
    // The overview.
    Info,
    Modelfile,
    Parameters,
    Template,
    System,
    License,
}

/// A part of a description; empty if the model has none.
pub fn part(shown: &ShowResponse, part: ShowPart) -> Cow<'_, str> {
    match part {
        ShowPart::Info => lines(shown, false).join("\n").into(),
        ShowPart::Modelfile => shown.modelfile.as_str().into(),
        ShowPart::Parameters => shown.parameters.as_str().into(),
        ShowPart::Template => shown.template.as_str().into(),
        ShowPart::System => shown.system.as_str().into(),
        ShowPart::License => shown.license.as_str().into(),
    }
}

/// The overview, with all metadata if `verbose`.
pub fn lines(shown: &ShowResponse, verbose: bool) -> Vec<String> {
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

/// The parameters are lines with a name, spaces and a value.
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

/// A value on one line; long lists are shortened.
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
