//! The commands: every verb of the prompt with its arguments. Parsing, help and completion are derived from
//! here.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::OnceLock;
use std::time::Duration;

use clap::builder::{NonEmptyStringValueParser, PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand, ValueEnum};
use towline::api::{Options, Think};

use super::spec::Spec;
use crate::args::DeadlineArg;
use crate::output::description::ShowPart;
use towline_app::settings::folders::from_home;
use towline_app::text::duration::{self, BadDuration, TimeLimit};

/// A parsed line.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    /// Nothing was typed.
    Empty,
    /// A question.
    Ask(Ask),
    /// A command.
    Command(Command),
    /// An invalid command, and what is wrong with it.
    Wrong(String),
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The models to ask; if empty, the conversation's own.
    pub models: Vec<String>,
    /// The question.
    pub text: String,
    /// Whether to ask in the background.
    pub behind: bool,
}

/// All verbs.
pub fn grammar() -> clap::Command {
    let base = clap::Command::new("prompt")
        .no_binary_name(true)
        .disable_help_flag(true)
        .disable_help_subcommand(true)
        .subcommand_required(true);
    Command::augment_subcommands(base)
}

/// A command.
#[derive(Debug, Clone, PartialEq, Subcommand)]
pub enum Command {
    #[command(flatten)]
    Bare(Bare),
    #[command(flatten)]
    Colon(Colon),
}

/// The commands that also work without a colon, if nothing else is on the line.
#[derive(Debug, Clone, PartialEq, Subcommand)]
pub enum Bare {
    /// list the jobs
    #[command(override_usage = "jobs [-l] [-r] [-n] [--json]")]
    Jobs(Listing),
    /// show the last text of a job and follow it; %n alone does the same
    #[command(visible_alias = "attach")]
    Fg(OneJob),
    /// unpause a job, in the background
    #[command(override_usage = "bg [%n…]")]
    Bg(Jobs),
    /// cancel jobs, and say when they have ended
    #[command(override_usage = "kill [-9] %n… | %* | --all")]
    Kill {
        /// drop them without cleanup
        #[arg(short = '9')]
        hard: bool,
        #[arg(value_name = "%n", required = true)]
        targets: Vec<Target>,
    },
    /// stop reading a job's stream; its server may continue for a while
    #[command(visible_alias = "stop", override_usage = "pause %n…")]
    Pause(SomeJobs),
    /// resume reading a paused job's stream
    #[command(visible_alias = "cont", override_usage = "unpause %n…")]
    Unpause(SomeJobs),
    /// wait for jobs, or with -n for the first
    #[command(override_usage = "wait [-n] [-t 30s] [%n…]")]
    Wait(Waiting),
    /// change the deadline of a job
    #[command(override_usage = "timeout %n 30s | +10s | none")]
    Timeout {
        #[arg(value_name = "%n")]
        job: Spec,
        #[arg(value_name = "TIME")]
        deadline: DeadlineArg,
    },
    /// print the text of a job; -f follows it
    #[command(override_usage = "log [%n] [-f] [-n 20]")]
    Log(Reading),
    /// print the last text of a job, and follow it
    #[command(override_usage = "tail [%n] [-n 20]")]
    Tail(Reading),
    /// ask the same question again, as a new variant
    Retry(OneJob),
    /// change a question in $EDITOR, then ask it
    Edit(OneJob),
    /// add a job's answer to the conversation
    Keep(OneJob),
    /// rename a job
    #[command(visible_alias = "name", override_usage = "rename %n NAME")]
    Rename {
        #[arg(value_name = "%n")]
        job: Spec,
        #[arg(value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
        name: String,
    },
    /// set how many jobs run at once
    #[command(override_usage = "limit [N | none]")]
    Limit {
        #[arg(value_name = "N")]
        limit: Option<Limit>,
    },
    /// send an answer to a command or a file
    #[command(override_usage = "pipe [%n] | COMMAND [&], or [%n] > FILE")]
    Pipe {
        #[arg(value_name = "| COMMAND or > FILE", allow_hyphen_values = true)]
        piping: Piping,
    },
    /// set model options, and when notices appear; show the settings
    #[command(override_usage = "set -b | +b | stats on|off | [KEY VALUE]")]
    Set(SetArgs),
    /// leave a job running on the relay
    Disown(OneJob),
    /// suspend towline and return to the shell
    Suspend,
    /// leave; asks a second time while answers run; those on the relay continue
    #[command(visible_aliases = ["quit", "bye", "q"])]
    Exit,
    /// show this list, or more about keys, jobs, files or a command
    #[command(visible_alias = "?")]
    Help {
        #[arg(value_name = "TOPIC")]
        topic: Option<Topic>,
    },
}

impl Bare {
    /// The verbs' names.
    pub fn names() -> &'static [&'static str] {
        static NAMES: OnceLock<Vec<&'static str>> = OnceLock::new();
        NAMES.get_or_init(|| {
            let verbs = Self::augment_subcommands(clap::Command::new("bare"));
            let names = verbs.get_subcommands().map(|verb| &*verb.get_name().to_owned().leak());
            names.collect()
        })
    }
}

/// The commands that need a colon.
#[derive(Debug, Clone, PartialEq, Subcommand)]
pub enum Colon {
    /// let the model continue a partial answer
    Continue(OneJob),
    /// show or change the model
    Model {
        #[arg(value_name = "MODEL")]
        model: Option<String>,
    },
    /// list the models of the server
    Models,
    /// describe the model
    Show {
        #[arg(value_name = "PART")]
        part: Option<ShowPart>,
    },
    /// pull a model, as a job
    #[command(override_usage = "pull [MODEL] [&]")]
    Pull {
        #[arg(value_name = "MODEL")]
        model: Option<String>,
        #[arg(long, hide = true)]
        behind: bool,
    },
    /// set the system prompt
    System {
        #[arg(value_name = "TEXT | none", value_parser = system, allow_hyphen_values = true)]
        text: Option<Change<String>>,
    },
    /// set how much to think
    Think {
        #[arg(value_name = "LEVEL", value_parser = levels())]
        level: Option<Change<Think>>,
    },
    /// set the format of the answers
    #[command(override_usage = "format [json | SCHEMA.json | none]")]
    Format {
        #[arg(value_name = "FILE", value_parser = format)]
        format: Option<Change<FormatArg>>,
    },
    /// send images with the next question
    #[command(override_usage = "image FILE…")]
    Image(Files),
    /// send files with the next question: text, images, the text of a PDF
    #[command(override_usage = "file FILE…")]
    File(Files),
    /// send the text of web pages with the next question
    #[command(override_usage = "url URL…")]
    Url {
        #[arg(value_name = "URL", required = true)]
        urls: Vec<String>,
    },
    /// start a question from a template, or list the templates
    #[command(override_usage = "template [NAME [TEXT…]]")]
    Template {
        #[arg(value_name = "TEMPLATE")]
        name: Option<String>,
        #[arg(value_name = "TEXT", allow_hyphen_values = true)]
        text: Vec<String>,
    },
    /// show the thinking of an answer
    Unfold(OneJob),
    /// copy an answer, or its code, to the clipboard
    #[command(override_usage = "copy [%n] [code [N]]")]
    Copy {
        #[arg(value_name = "WHAT", default_value = "")]
        copying: Copying,
    },
    /// delete ended answers of the relay and their records
    #[command(override_usage = "forget NAME…")]
    Forget {
        #[arg(value_name = "NAME", required = true)]
        names: Vec<String>,
    },
    /// delete all ended answers of the relay
    Clean,
    /// forget the conversation and the ended jobs
    Clear,
    /// name this conversation
    Save {
        #[arg(value_name = "CONVERSATION")]
        name: Option<String>,
    },
    /// continue a conversation
    #[command(override_usage = "load CONVERSATION")]
    Load {
        #[arg(value_name = "CONVERSATION")]
        name: String,
    },
    /// find conversations that contain a text, or list the most recent ones
    #[command(visible_alias = "sessions")]
    History {
        #[arg(value_name = "TEXT", allow_hyphen_values = true)]
        text: Vec<String>,
    },
    /// export the conversation
    #[command(override_usage = "export md | json [FILE]")]
    Export {
        #[arg(value_name = "FORM")]
        kind: ExportKind,
        #[arg(value_name = "FILE", value_parser = path)]
        path: Option<PathBuf>,
    },
}

/// The given job, or the current one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
pub struct OneJob {
    #[arg(value_name = "%n")]
    pub job: Option<Spec>,
}

/// The given jobs, or the current one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
pub struct Jobs {
    #[arg(value_name = "%n")]
    pub jobs: Vec<Spec>,
}

/// The given jobs; at least one.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct SomeJobs {
    #[arg(value_name = "%n", required = true)]
    pub jobs: Vec<Spec>,
}

/// Files on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Files {
    #[arg(value_name = "FILE", required = true, value_parser = path)]
    pub paths: Vec<PathBuf>,
}

/// How `jobs` lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Args)]
pub struct Listing {
    /// show more about each job
    #[arg(short)]
    pub long: bool,
    /// only running jobs
    #[arg(short)]
    pub running: bool,
    /// only jobs that changed since they were last shown
    #[arg(short)]
    pub news: bool,
    /// print a JSON object for each job
    #[arg(long)]
    pub json: bool,
}

/// The target that means `--all`.
pub const EVERYWHERE: &str = "%**";

/// A job to cancel, or all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// This one.
    Job(Spec),
    /// `%*`.
    All,
    /// `--all`: all answers of the relay too.
    Everywhere,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "%*" => Ok(Self::All),
            EVERYWHERE => Ok(Self::Everywhere),
            text => text.parse().map(Self::Job),
        }
    }
}

/// What `wait` waits for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
pub struct Waiting {
    /// wait only for the first job to end
    #[arg(short = 'n')]
    pub first: bool,
    /// wait at most this long
    #[arg(short, value_name = "TIME", value_parser = time)]
    pub time: Option<Duration>,
    #[arg(value_name = "%n")]
    pub jobs: Vec<Spec>,
}

fn time(text: &str) -> Result<Duration, BadDuration> {
    match text.parse()? {
        TimeLimit(Some(time)) => Ok(time),
        TimeLimit(None) => duration::length(text),
    }
}

/// How `log` and `tail` read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
pub struct Reading {
    #[arg(value_name = "%n")]
    pub job: Option<Spec>,
    /// follow new text
    #[arg(short)]
    pub follow: bool,
    /// print only this many lines from the end
    #[arg(short = 'n', value_name = "LINES")]
    pub lines: Option<usize>,
}

/// How many jobs may run at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    To(usize),
    None,
}

impl FromStr for Limit {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match (text, text.parse()) {
            ("none", _) => Ok(Self::None),
            (_, Ok(0)) => Err("a limit of 0 would never run anything; none removes the limit"),
            (_, Ok(count)) => Ok(Self::To(count)),
            (_, Err(_)) => Err("this is not a number"),
        }
    }
}

/// An answer to send, and its destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piping {
    pub job: Option<Spec>,
    pub sink: Sink,
    /// `&` at the end: a command's output stays in its log.
    pub behind: bool,
}

/// The part of an answer to copy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Copying {
    pub job: Option<Spec>,
    /// Its code: all blocks, or the block with this number, counted from 1.
    pub code: Option<Option<usize>>,
}

impl FromStr for Copying {
    type Err = String;

    /// `[%n] [code [N]]`.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace().peekable();
        let job = words.next_if(|word| word.starts_with('%')).map(str::parse).transpose()?;
        let code = match (words.next(), words.next()) {
            (None, _) => None,
            (Some("code"), None) => Some(None),
            (Some("code"), Some(number)) => match number.parse() {
                Ok(0) | Err(_) => return Err("write the number of a code block, from 1 on".to_owned()),
                Ok(number) => Some(Some(number)),
            },
            (Some(_), _) => return Err("expected a job, then code and a number".to_owned()),
        };
        match words.next() {
            None => Ok(Self { job, code }),
            Some(_) => Err("too many arguments".to_owned()),
        }
    }
}

/// The destination of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sink {
    /// A shell command.
    Command(String),
    /// A file, replacing its content.
    File(PathBuf),
    /// The end of a file.
    Append(PathBuf),
}

impl FromStr for Piping {
    type Err = String;

    /// `[%n] | command [&]`, `[%n] > file`, `[%n] >> file`.
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim_end();
        let before = text.strip_suffix('&').filter(|before| !before.ends_with('&'));
        let (text, behind) = before.map_or((text, false), |before| (before, true));
        let usage = "where to? | command, > file or >> file";
        let (job, to) = text.split_at(text.find(['|', '>']).ok_or(usage)?);
        let job = Some(job.trim()).filter(|job| !job.is_empty()).map(str::parse).transpose()?;
        let sink = if let Some(command) = to.strip_prefix('|') {
            match command.trim() {
                "" => return Err(usage.to_owned()),
                command => Sink::Command(command.to_owned()),
            }
        } else {
            let (append, path) = to.strip_prefix(">>").map_or((false, &to[1..]), |path| (true, path));
            let words = shell_words::split(path).map_err(|_| "a quote is not closed")?;
            let [path] = words.as_slice() else { return Err("name one file".to_owned()) };
            if append { Sink::Append(from_home(path)) } else { Sink::File(from_home(path)) }
        };
        Ok(Self { job, sink, behind })
    }
}

/// The arguments of `set`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
pub struct SetArgs {
    /// show the notice of a job's end at once; +b shows it before the next prompt
    #[arg(short = 'b', conflicts_with = "key")]
    pub at_once: bool,
    #[arg(value_name = "KEY")]
    pub key: Option<String>,
    #[arg(value_name = "VALUE", allow_hyphen_values = true)]
    pub value: Option<String>,
}

/// A setting of `set`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting<'a> {
    /// No setting: shows all settings.
    Show,
    Notices(When),
    /// Whether statistics are shown after answers.
    Stats(bool),
    /// A model option; `None` removes it.
    Option {
        key: &'a str,
        value: Option<&'a str>,
    },
}

impl SetArgs {
    /// The setting.
    ///
    /// # Errors
    /// If a value is missing or invalid for the option.
    pub fn setting(&self) -> Result<Setting<'_>, String> {
        match (self.at_once, self.key.as_deref(), self.value.as_deref()) {
            (true, ..) => Ok(Setting::Notices(When::AtOnce)),
            (false, None, _) => Ok(Setting::Show),
            (false, Some("+b"), None) => Ok(Setting::Notices(When::NextPrompt)),
            (false, Some("stats"), value) => match value {
                Some("on") => Ok(Setting::Stats(true)),
                Some("off") => Ok(Setting::Stats(false)),
                Some(_) | None => Err("stats is on or off".to_owned()),
            },
            (false, Some(key), Some("none")) => Ok(Setting::Option { key, value: None }),
            (false, Some(key), Some(value)) => {
                Options::default().set_text(key, value).map_err(|error| error.to_string())?;
                Ok(Setting::Option { key, value: Some(value) })
            }
            (false, Some(_), None) => {
                Err("an option and its value: temperature 0.2, or temperature none".to_owned())
            }
        }
    }
}

/// When a job's end is announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// `set -b`: at once.
    AtOnce,
    /// `set +b`: before the next prompt.
    NextPrompt,
}

/// The new value of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<T> {
    To(T),
    Unset,
}

fn system(text: &str) -> Result<Change<String>, String> {
    let inside = |quote: &str| text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
    let text = match text {
        "none" => return Ok(Change::Unset),
        text => inside("\"\"\"").or_else(|| inside("\"")).or_else(|| inside("'")).unwrap_or(text),
    };
    Ok(Change::To(text.to_owned()))
}

fn levels() -> impl TypedValueParser<Value = Change<Think>> {
    let [on, off, auto] = [
        PossibleValue::new("on").aliases(["true", "yes"]),
        PossibleValue::new("off").aliases(["false", "no"]),
        PossibleValue::new("auto").alias("none"),
    ];
    let levels = ["low", "medium", "high", "max"].map(PossibleValue::new);
    let known: Vec<PossibleValue> = [on, off].into_iter().chain(levels).chain([auto]).collect();
    PossibleValuesParser::new(known).map(|text| match text.as_str() {
        "on" | "true" | "yes" => Change::To(Think::On),
        "off" | "false" | "no" => Change::To(Think::Off),
        "auto" | "none" => Change::Unset,
        _ => Change::To(Think::Level(text)),
    })
}

/// `json`, or a schema's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormatArg {
    Json,
    Schema(PathBuf),
}

fn format(text: &str) -> Result<Change<FormatArg>, String> {
    Ok(match text {
        "none" => Change::Unset,
        "json" => Change::To(FormatArg::Json),
        path => Change::To(FormatArg::Schema(from_home(path))),
    })
}

fn path(text: &str) -> Result<PathBuf, String> {
    Ok(from_home(text))
}

/// How a conversation is written out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportKind {
    #[value(name = "md", alias = "markdown")]
    Markdown,
    Json,
}

/// What help is wanted about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topic {
    Keys,
    Jobs,
    Files,
    /// The verb with this name.
    Verb(String),
}

impl FromStr for Topic {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "keys" => Ok(Self::Keys),
            "jobs" => Ok(Self::Jobs),
            "files" => Ok(Self::Files),
            _ => {
                let grammar = grammar();
                let verb = grammar.find_subcommand(text.strip_prefix(':').unwrap_or(text));
                verb.map(|verb| Self::Verb(verb.get_name().to_owned())).ok_or("there is no such topic")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::grammar;

    #[test]
    fn every_verb_has_names_of_its_own_and_says_what_it_does() {
        grammar().debug_assert();
        for verb in grammar().get_subcommands() {
            assert!(verb.get_about().is_some(), "{}", verb.get_name());
        }
    }
}
