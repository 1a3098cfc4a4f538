//! `towline run`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use towline::api::{Options, Think};

use super::jobs::AtRelay;
use super::shared::{ApiChoice, InputArgs, ServerArgs, TimeoutArgs};
use towline_app::settings::{self, options};

const EXAMPLES: &str = "\
Examples:
  towline run \"What is a river?\"
  towline run -m llama3.2 --system \"One sentence.\" -o temperature=0.2 Why is the sky blue
  towline run -f notes.md -f plan.png \"What is missing in them?\"
  git diff | towline run -t review
  git diff | towline run -m qwen3 --think \"Write a commit message for this:\"
  towline run -m llava --image photo.jpg \"What is on it?\"
  towline run -c \"And in winter?\"
  id=$(towline run -d \"Tell me a long story.\"); towline attach $id
  towline run --format schema.json --json \"Name a river.\" | jq -r 'select(.event==\"text\").text'
";

const AFTER: &str = "\
On a terminal the answer is rendered as it arrives and its thinking is folded. Ctrl-C cancels the
answer and keeps the text so far. A pipe receives only the text, exactly as it arrived; everything
else goes to standard error.

Exit status:
  0 completed   1 failed   2 usage error   3 truncated
  124 timed out   130 interrupted   143 terminated";

/// Stream an answer
///
/// The answer comes from an Ollama or OpenAI-compatible server, or from the built-in toy model if none is found.
#[derive(Debug, Args)]
#[command(before_help = EXAMPLES, after_help = AFTER, help_template = super::TEMPLATE)]
pub struct RunArgs {
    /// The prompt; piped standard input is the prompt or is appended to it. Without -m the first of several words may
    /// name an installed model
    #[arg(value_name = "PROMPT")]
    pub prompt: Vec<String>,

    /// The model [default: $TOWLINE_MODEL, else the only installed one]
    #[arg(short, long, value_name = "MODEL", help_heading = "Request")]
    pub model: Option<String>,
    /// Instructions for the model (system prompt)
    #[arg(long, value_name = "TEXT", help_heading = "Request")]
    pub system: Option<String>,
    /// An option by Ollama's name: temperature=0.2, num_ctx=8192, seed=1 …; others are sent too
    #[arg(short, long = "option", value_name = "KEY=VALUE", help_heading = "Request")]
    pub options: Vec<OptionArg>,
    /// A template for the prompt (towline template)
    #[arg(short = 't', long, value_name = "NAME", help_heading = "Request")]
    pub template: Option<String>,
    /// The value of a template field
    #[arg(long = "field", value_name = "NAME=VALUE", requires = "template", help_heading = "Request")]
    pub fields: Vec<FieldArg>,
    /// A file or page to send with the prompt: text, an image, a PDF's text, a page's text
    #[arg(short, long = "file", value_name = "FILE|URL", help_heading = "Request")]
    pub files: Vec<PathBuf>,
    /// An image to send with the prompt: a file or a data URL
    #[arg(long = "image", value_name = "FILE", help_heading = "Request")]
    pub images: Vec<PathBuf>,
    /// The format of the answer: json, or a file with a JSON schema
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
    /// Keep thinking between <think> and </think> in the text
    #[arg(long, help_heading = "Request", conflicts_with = "detach")]
    pub keep_think_tags: bool,

    #[command(flatten)]
    pub more: InputArgs,

    /// Print one JSON object a line for each record (docs/json-output.md)
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// Print the answer as it arrived, without rendering Markdown
    #[arg(long, help_heading = "Output")]
    pub plain: bool,
    /// Print only the code blocks of the answer, or block N; fails if there is none
    #[arg(
        long,
        value_name = "N",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "all",
        conflicts_with_all = ["json", "plain", "detach"],
        help_heading = "Output"
    )]
    pub code: Option<CodeArg>,
    /// Print token counts and times at the end, on standard error
    #[arg(long, help_heading = "Output")]
    pub stats: bool,

    /// Continue the last conversation, or the one that -c=NAME names (towline history)
    #[arg(
        short = 'c',
        long = "continue",
        value_name = "NAME",
        num_args = 0..=1,
        require_equals = true,
        help_heading = "History"
    )]
    pub resume: Option<Option<String>>,
    /// Do not write this answer to the history
    #[arg(long, help_heading = "History")]
    pub no_history: bool,

    /// Detach: run the answer on the relay and print its id; towline attach reads it
    #[arg(short, long, help_heading = "Relay", conflicts_with_all = ["json", "stats", "api"])]
    pub detach: bool,
    /// With -d: the name of the answer
    #[arg(long, value_name = "NAME", help_heading = "Relay", requires = "detach")]
    pub name: Option<String>,
    #[command(flatten)]
    pub relay: AtRelay,

    /// The configuration file with model, instructions and options [default: $TOWLINE_CONFIG, else
    /// ~/.config/towline/config.toml]
    #[arg(long, value_name = "FILE", help_heading = "Request")]
    pub config: Option<PathBuf>,

    #[command(flatten)]
    pub server: ServerArgs,
    /// Which dialect the server speaks
    #[arg(long, value_enum, default_value_t = ApiChoice::Auto, help_heading = "Server")]
    pub api: ApiChoice,

    #[command(flatten)]
    pub timeouts: TimeoutArgs,
}

/// Which of an answer's code blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeArg {
    All,
    /// Counted from 1.
    Only(usize),
}

impl CodeArg {
    /// The number of the block, unless all blocks are meant.
    pub fn number(self) -> Option<usize> {
        match self {
            Self::All => None,
            Self::Only(number) => Some(number),
        }
    }
}

impl FromStr for CodeArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.parse()) {
            ("all", _) => Ok(Self::All),
            (_, Ok(0)) | (_, Err(_)) => Err("write the number of a code block, from 1 on, or all".to_owned()),
            (_, Ok(number)) => Ok(Self::Only(number)),
        }
    }
}

/// `name=value`, for a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldArg {
    pub name: String,
    pub value: String,
}

impl FromStr for FieldArg {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once('=').ok_or("write it as name=value, for example topic=safety")?;
        Ok(Self { name: name.trim().to_owned(), value: value.to_owned() })
    }
}

/// `key=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionArg {
    name: String,
    value: String,
}

impl OptionArg {
    /// A note about the option, if Ollama does not know it.
    pub fn note(&self) -> Option<String> {
        options::unknown(&self.name).map(|unknown| format!("{unknown}; it is sent as it is"))
    }

    /// Adds the option to others; it was checked when it was parsed.
    pub fn add_to(&self, options: &mut Options) -> Result<(), towline::api::BadOption> {
        options.set_text(&self.name, &self.value)
    }
}

impl FromStr for OptionArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) =
            text.split_once('=').ok_or("write it as key=value, for example temperature=0.2")?;
        let option = Self { name: name.trim().to_owned(), value: value.to_owned() };
        if option.name.is_empty() {
            return Err("the name of the option is missing".to_owned());
        }
        option.add_to(&mut Options::default()).map_err(|error| error.to_string())?;
        Ok(option)
    }
}

/// Whether, and how much, to think.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThinkArg(pub Think);

impl FromStr for ThinkArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        settings::think_level(text).map(Self)
    }
}
