//! What can be commanded, as data.

use std::path::PathBuf;
use std::time::Duration;

use towline::{Deadline, Think};

use super::spec::Spec;
use super::verb::Verb;

/// A line, understood.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    /// Nothing was typed.
    Empty,
    /// A question.
    Ask(Ask),
    /// A command.
    Command(Command),
    /// A command that is wrong: what about it.
    Wrong(String),
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The models that are asked; none is the conversation's own.
    pub models: Vec<String>,
    /// The question.
    pub text: String,
    /// Asked behind.
    pub behind: bool,
}

/// A command.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    Jobs(Listing),
    Fg(Option<Spec>),
    Bg(Vec<Spec>),
    Kill { hard: bool, targets: Targets },
    Stop(Vec<Spec>),
    Cont(Vec<Spec>),
    Wait(Waiting),
    Timeout(Spec, Deadline),
    Log(Reading),
    Retry(Option<Spec>),
    Continue(Option<Spec>),
    Edit(Option<Spec>),
    Keep(Option<Spec>),
    Name(Spec, String),
    Limit(Limit),
    Pipe(Option<Spec>, Sink),
    Notify(When),
    Option { key: String, value: String },
    Settings,
    Disown(Option<Spec>),
    Suspend,
    Exit,
    Model(Option<String>),
    Models,
    Pull { model: Option<String>, behind: bool },
    System(Change<String>),
    Think(Change<Think>),
    Format(Change<FormatArg>),
    Image(Vec<PathBuf>),
    File(Vec<PathBuf>),
    Unfold(Option<Spec>),
    Copy(Option<Spec>),
    Clear,
    Save(Option<String>),
    Load(String),
    Sessions,
    Export(ExportKind, Option<PathBuf>),
    Help(Option<Topic>),
}

/// How `jobs` lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Listing {
    /// `-l`: more of each.
    pub long: bool,
    /// `-r`: only those that run.
    pub running: bool,
    /// `-n`: only those that changed since they were last shown.
    pub news: bool,
    /// `--json`: a line of JSON each.
    pub json: bool,
}

/// Which jobs are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Targets {
    /// These.
    Specs(Vec<Spec>),
    /// `%*`: all.
    All,
}

/// What `wait` waits for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Waiting {
    /// `-n`: the first of them.
    pub first: bool,
    /// `-t`: no longer than this.
    pub time: Option<Duration>,
    /// These jobs; none is all.
    pub specs: Vec<Spec>,
}

/// How `log` reads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reading {
    pub spec: Option<Spec>,
    /// Go on with what comes.
    pub follow: bool,
    /// Only so many lines from the end.
    pub lines: Option<usize>,
}

/// How many jobs may run at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    Show,
    To(usize),
    None,
}

/// Where an answer goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sink {
    /// Into a shell command.
    Command(String),
    /// Into a file, in place of what it held.
    File(PathBuf),
    /// To the end of a file.
    Append(PathBuf),
}

/// When a job's end is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// `set -b`: at once.
    AtOnce,
    /// `set +b`: before the next prompt.
    NextPrompt,
}

/// What a setting becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<T> {
    Show,
    To(T),
    Unset,
}

/// `json`, or a schema's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormatArg {
    Json,
    Schema(PathBuf),
}

/// How a conversation is written out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportKind {
    Markdown,
    Json,
}

/// What help is wanted about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    Keys,
    Jobs,
    Files,
    Verb(Verb),
}
