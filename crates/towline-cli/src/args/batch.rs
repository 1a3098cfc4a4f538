//! `towline batch`.

use std::num::NonZeroU16;
use std::path::PathBuf;

use clap::Args;

use super::jobs::AtRelay;
use super::run::{OptionArg, ThinkArg};
use super::shared::{ApiChoice, InputArgs, ServerArgs, count};

const EXAMPLES: &str = "\
Examples:
  towline batch questions.txt -j 8 --out answers.jsonl
  towline batch questions.txt -m llama3.2 -m qwen3 --out both.jsonl     each question to two models
  towline batch tickets.jsonl --format schema.json --retry 2 --notify
  towline jobs --group questions; towline kill --group questions
";

const AFTER: &str = "\
FILE has one question on each line: text, or a JSON object with prompt and optionally id, model,
system, options, format, think and images. The answers run on the relay as one group, so
Ctrl-C, a closed terminal or kill -9 cancels none of them. Run the same command again to resume the
batch: it asks only what is missing.

The results are JSON lines in the order of the questions (docs/json-output.md).

Exit status: 0 if every answer completed, else that of the first that did not (towline run --help)";

/// Ask all questions of a file
///
/// The answers run on the relay, several at once, and continue without the terminal.
#[derive(Debug, Args)]
#[command(before_help = EXAMPLES, after_help = AFTER, help_template = super::TEMPLATE)]
pub struct BatchArgs {
    /// The questions, one on each line: text, or a JSON object
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// How many answers run at once
    #[arg(short, long, value_name = "N", default_value = "4", value_parser = count::<NonZeroU16>)]
    pub jobs: NonZeroU16,
    /// The file of the results; a question with a result in it is not asked again [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Retry a question up to N times if it failed before a model server started to answer it
    #[arg(long, value_name = "N", default_value = "0")]
    pub retry: u16,
    /// The name of the group [default: the name of FILE]
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,

    /// Run this shell command for each result: its line is on standard input, and TOWLINE_OUTCOME, TOWLINE_NUMBER,
    /// TOWLINE_MODEL, TOWLINE_QUESTION, TOWLINE_JOB and TOWLINE_GROUP in the environment
    #[arg(long, value_name = "COMMAND", help_heading = "At the end")]
    pub on_end: Option<String>,
    /// Show a notification and ring the terminal's bell when all answers have ended
    #[arg(long, help_heading = "At the end")]
    pub notify: bool,

    /// A model; if given several times, each question goes to each model [default: $TOWLINE_MODEL, else the only
    /// installed one]
    #[arg(short, long = "model", value_name = "MODEL", help_heading = "Request")]
    pub models: Vec<String>,
    /// Instructions for the model (system prompt)
    #[arg(long, value_name = "TEXT", help_heading = "Request")]
    pub system: Option<String>,
    /// An option by Ollama's name: temperature=0.2, num_ctx=8192, seed=1 …; others are sent too
    #[arg(short, long = "option", value_name = "KEY=VALUE", help_heading = "Request")]
    pub options: Vec<OptionArg>,
    /// The format of the answers: json, or a file with a JSON schema
    #[arg(long, value_name = "json|SCHEMA.json", help_heading = "Request")]
    pub format: Option<String>,
    /// Whether, and how much, to think: low, medium, high, max, on, off
    #[arg(
        long,
        value_name = "LEVEL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "on",
        help_heading = "Request"
    )]
    pub think: Option<ThinkArg>,
    #[command(flatten)]
    pub more: InputArgs,
    /// The configuration file with model, instructions and options [default: $TOWLINE_CONFIG, else
    /// ~/.config/towline/config.toml]
    #[arg(long, value_name = "FILE", help_heading = "Request")]
    pub config: Option<PathBuf>,

    #[command(flatten)]
    pub relay: AtRelay,
    #[command(flatten)]
    pub server: ServerArgs,
    /// Which dialect the server speaks
    #[arg(long, value_enum, default_value_t = ApiChoice::Auto, help_heading = "Server")]
    pub api: ApiChoice,
}
