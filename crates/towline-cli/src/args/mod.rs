//! The arguments of the command line.

mod batch;
mod bench;
mod history;
mod jobs;
mod models;
mod other;
mod prompt;
#[cfg(feature = "relay")]
mod relay;
mod run;
#[cfg(feature = "model")]
mod serve;
mod shared;
mod template;

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use clap::builder::styling::{AnsiColor, Effects, Styles};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

pub use batch::BatchArgs;
pub use bench::BenchArgs;
pub use history::{HistoryArgs, HistoryVerb, ListingArgs};
pub use jobs::{
    AnswerSelection, AtRelay, AttachArgs, CleanArgs, DeadlineArg, Form, JobsArgs, KillArgs, LogArgs,
    RenameArgs, SessionArgs, TimeoutArgs, VerbArgs, WaitArgs,
};
pub use models::{
    CopyArgs, CreateArgs, EmbedArgs, ListArgs, PsArgs, PullArgs, PushArgs, RemoveArgs, ShowArgs,
    TransferArgs, UnloadArgs,
};
#[cfg(feature = "man")]
pub use other::ManArgs;
pub use other::{CompletionsArgs, GuiArgs, PageArgs};
pub use prompt::PromptArgs;
#[cfg(feature = "relay")]
pub use relay::{
    BackupArgs, CheckArgs, LogFormat, LogLevel, PairArgs, RelayArgs, RelayVerb, StatusArgs, TokenNewArgs,
    TokenVerb,
};
pub use run::{CodeArg, RunArgs};
#[cfg(feature = "model")]
pub use serve::ServeArgs;
pub use shared::{KeepAliveArg, ServerArgs};
pub use template::{TemplateArgs, TemplateVerb};

use crate::exit::Exit;
use crate::output;

const TEMPLATE: &str = "{about}\n\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}";

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().effects(Effects::BOLD))
    .usage(AnsiColor::Green.on_default().effects(Effects::BOLD))
    .literal(AnsiColor::Cyan.on_default().effects(Effects::BOLD))
    .placeholder(AnsiColor::Cyan.on_default());

const EXAMPLES: &str = "\
Examples:
  towline                                   open a prompt with job control
  towline run \"What is a river?\"            stream an answer; without a server, from the toy model
  towline run -m llama3.2 \"Why is it so?\"   from the Ollama on this machine
  git diff | towline run \"Sum this up:\"     standard input is appended to the prompt
  id=$(towline run -d \"Tell me a story.\")   run it on the relay; towline attach $id reads it
  towline pull llama3.2                     fetch a model, with progress
  towline bench --streams 8                 measure a server";

const AFTER: &str = "\
Which server:
  --host or --server, else OLLAMA_HOST, else the configuration's host, else 127.0.0.1:11434
  if something answers there, else the built-in toy model

Environment:
  OLLAMA_HOST        the address of the server, written as for Ollama; also unix:/path
  TOWLINE_RELAY      the relay for run -d, jobs and so on, if it is not your own
  OLLAMA_API_KEY     sent only to the server that --host or OLLAMA_HOST names
  TOWLINE_MODEL      the model, if -m names none
  HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE, NO_COLOR    as usual

Exit status:
  0 completed   1 failed   2 usage error   3 truncated
  124 timed out   130 interrupted   143 terminated";

/// Run, watch and control language-model streams: every token as it arrives, and how each stream ended.
#[derive(Debug, Parser)]
#[command(
    name = "towline",
    version,
    help_template = TEMPLATE,
    before_help = EXAMPLES,
    after_help = AFTER,
    styles = STYLES,
    args_conflicts_with_subcommands = true,
    max_term_width = 100
)]
pub struct Cli {
    /// What to do; without it, the prompt.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The arguments of the prompt.
    #[command(flatten)]
    pub prompt: PromptArgs,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    Run(Box<RunArgs>),
    Batch(Box<BatchArgs>),
    History(HistoryArgs),
    Template(TemplateArgs),
    Jobs(JobsArgs),
    #[command(visible_alias = "fg")]
    Attach(AttachArgs),
    Log(LogArgs),
    /// Stop reading answers from their model servers, until unpause
    Pause(VerbArgs),
    /// Resume reading paused answers
    Unpause(VerbArgs),
    Timeout(TimeoutArgs),
    Kill(KillArgs),
    Wait(WaitArgs),
    /// Send the request of an answer again, and print the new id
    Retry(VerbArgs),
    Rename(RenameArgs),
    /// Delete ended answers and their records
    Forget(VerbArgs),
    Clean(CleanArgs),
    #[command(visible_alias = "ls")]
    List(ListArgs),
    Show(ShowArgs),
    Ps(PsArgs),
    #[command(visible_alias = "stop")]
    Unload(UnloadArgs),
    Embed(Box<EmbedArgs>),
    Pull(PullArgs),
    Push(PushArgs),
    Create(CreateArgs),
    #[command(visible_alias = "copy")]
    Cp(CopyArgs),
    #[command(visible_alias = "remove")]
    Rm(RemoveArgs),
    #[cfg(feature = "model")]
    Serve(ServeArgs),
    #[cfg(feature = "relay")]
    Relay(Box<RelayArgs>),
    Gui(GuiArgs),
    Page(PageArgs),
    Bench(Box<BenchArgs>),
    Completions(CompletionsArgs),
    #[cfg(feature = "man")]
    Man(ManArgs),
    /// Run this program again in its own session
    #[command(hide = true)]
    BeginSession(SessionArgs),
}

impl Command {
    /// How long the command may take to end after a signal.
    pub fn grace(&self) -> Duration {
        Duration::from_secs(match self {
            // There is nothing to wait for, unless nothing reads the output.
            Self::Run(_)
            | Self::Batch(_)
            | Self::Jobs(_)
            | Self::Attach(_)
            | Self::Log(_)
            | Self::Kill(_)
            | Self::Wait(_)
            | Self::Timeout(_)
            | Self::Pause(_)
            | Self::Unpause(_)
            | Self::Retry(_)
            | Self::Rename(_)
            | Self::Forget(_)
            | Self::Clean(_)
            | Self::BeginSession(_)
            | Self::History(_)
            | Self::Template(_)
            | Self::List(_)
            | Self::Show(_)
            | Self::Ps(_)
            | Self::Unload(_)
            | Self::Embed(_)
            | Self::Pull(_)
            | Self::Push(_)
            | Self::Create(_)
            | Self::Cp(_)
            | Self::Rm(_)
            | Self::Gui(_)
            | Self::Page(_)
            | Self::Bench(_)
            | Self::Completions(_) => 2,
            #[cfg(feature = "man")]
            Self::Man(_) => 2,
            // Running answers may end.
            #[cfg(feature = "model")]
            Self::Serve(_) => 10,
            // The relay bounds its own shutdown by the drain time.
            #[cfg(feature = "relay")]
            Self::Relay(_) => 24 * 3600,
        })
    }
}

/// The whole command line. `-s` names a server, except for the verbs that use `-s` for something else.
pub fn command() -> clap::Command {
    Cli::command().mut_arg("named", |arg| arg.short('s')).mut_subcommands(|verb| {
        let takes_server = verb.get_arguments().any(|arg| arg.get_id() == "named");
        let is_free = verb.get_arguments().all(|arg| arg.get_short() != Some('s'));
        if takes_server && is_free { verb.mut_arg("named", |arg| arg.short('s')) } else { verb }
    })
}

/// Parses the arguments.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    Cli::from_arg_matches(&command().try_get_matches_from(args)?)
}

impl Command {
    /// The configuration file that the arguments name.
    pub fn config(&self) -> Option<&Path> {
        if let Self::Run(args) = self {
            args.config.as_deref()
        } else if let Self::Batch(args) = self {
            args.config.as_deref()
        } else {
            None
        }
    }

    /// Whether the command uses the whole configuration, and not only its servers.
    pub fn is_configured(&self) -> bool {
        matches!(self, Self::Run(_) | Self::Batch(_))
    }
}

/// The arguments with `--think LEVEL` written as `--think=LEVEL`, and `--code N` as `--code=N`, so that a prompt after
/// them needs no `--`.
pub fn joined(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut joined: Vec<OsString> = Vec::new();
    let mut only_prompt = false;
    for arg in args {
        only_prompt |= arg == "--";
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        match (joined.last_mut().filter(|_| !only_prompt), arg.to_str()) {
            (Some(last), Some(level))
                if last == "--think" && towline_app::settings::is_think_level(level) =>
            {
                last.push(format!("={level}"));
            }
            (Some(last), Some(number)) if last == "--code" && !number.is_empty() && is_number(number) => {
                last.push(format!("={number}"));
            }
            _ => joined.push(arg),
        }
    }
    joined
}

/// Prints clap's message: help, the version, or what is wrong with the arguments.
pub fn explain(error: &clap::Error) -> Exit {
    // If standard error cannot be written, there is no way to say so.
    let _gone = error.print();
    if let Some(prompt) = unknown_command(error).filter(|text| text.contains(char::is_whitespace)) {
        output::hint(&format!("to ask a question, write run before it: towline run {prompt:?}"));
    }
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        Exit::Completed
    } else {
        Exit::Usage
    }
}

fn unknown_command(error: &clap::Error) -> Option<&str> {
    match (error.kind(), error.get(ContextKind::InvalidSubcommand)) {
        (ErrorKind::InvalidSubcommand, Some(ContextValue::String(text))) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn a_think_level_is_joined_and_a_prompt_is_not() {
        for (given, expected) in [
            (vec!["run", "--think", "high", "why"], vec!["run", "--think=high", "why"]),
            (vec!["run", "--think", "why"], vec!["run", "--think", "why"]),
            (vec!["run", "--think", "--", "high"], vec!["run", "--think", "--", "high"]),
            (vec!["run", "--", "--think", "high"], vec!["run", "--", "--think", "high"]),
            (vec!["run", "--code", "2", "why"], vec!["run", "--code=2", "why"]),
            (vec!["run", "--code", "2 + 2"], vec!["run", "--code", "2 + 2"]),
        ] {
            let given = given.into_iter().map(OsString::from);
            let expected: Vec<OsString> = expected.into_iter().map(OsString::from).collect();
            assert_eq!(joined(given), expected);
        }
    }
}
