//! Parses the user's input.
//!
//! - `:verb …` is always a command.
//! - A line that begins with a space or a backslash is always text; that one character is dropped.
//! - A single line that is exactly a verb with arguments that it takes is a command too: `jobs -l`, `kill %2`, `wait`.
//!   `kill the lights` is text, since `kill` takes jobspecs.
//! - A verb with only numbers, jobspecs and options that it does not take is an error, not text: `kill 1`.
//! - `%2` alone is `fg %2`; `> file` alone is `pipe > file`.
//! - `@model text` and `@a,@b text` name models; `&` as the last word asks in the background.
//! - `/set …` and the like are commands of `ollama run` (see [`slash`]).
//! - Everything else is a question. If it is nearly a command, the prompt asks first (see [`near_miss`]).

use std::error::Error as _;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{FromArgMatches as _, Subcommand as _};
use towline::api::Options;

use super::command::{Ask, Bare, Command, EVERYWHERE, Line, OneJob, grammar};
use super::slash;
use super::spec::Spec;
use crate::server::models::may_be_name;
use towline_app::settings::options;
use towline_app::text::nearest::nearest;

const NO_SHELL: &str = "! runs nothing here: Ctrl-Z returns to the shell, where fg brings the prompt back; \
                        pipe | COMMAND sends an answer to a command\nto ask it as a question, type a space before it";
/// The minimum length of a word that may be a misspelt verb, and of that verb, in characters.
const MISSPELT_CHARS: (usize, usize) = (3, 4);

/// Parses the user's input: a lone `?`, `q` or `quit` is not a question.
pub fn of_person(typed: &str) -> Line {
    match typed.trim_end() {
        "?" => Line::Command(Command::Bare(Bare::Help { topic: None })),
        "quit" | "q" => Line::Command(Command::Bare(Bare::Exit)),
        _ => line(typed),
    }
}

/// The verbs' aliases that are commands before a jobspec.
const OTHERS: [&str; 4] = ["attach", "stop", "cont", "name"];

/// Parses a line.
pub fn line(typed: &str) -> Line {
    if typed.trim().is_empty() {
        return Line::Empty;
    }
    if let Some(text) = typed.strip_prefix([' ', '\t', '\\']) {
        return ask(text);
    }
    if let Some(command) = typed.strip_prefix(':') {
        return forced(command);
    }
    if let Some(line) = slash::line(typed) {
        return line;
    }
    let trimmed = typed.trim_end();
    if trimmed.starts_with('!') && trimmed[1..].starts_with(|c: char| c.is_ascii_lowercase()) {
        return Line::Wrong(NO_SHELL.to_owned());
    }
    match bare(trimmed) {
        Some(command) => Line::Command(command),
        None => misspelt(trimmed).map_or_else(|| at_models(typed), Line::Wrong),
    }
}

/// `:verb …`.
fn forced(typed: &str) -> Line {
    let typed = typed.trim();
    if let Ok(job) = typed.parse() {
        return Line::Command(followed(job));
    }
    let (name, rest) = typed.split_once(char::is_whitespace).unwrap_or((typed, ""));
    match read(name, &by_name(name, rest.trim())) {
        Ok(command) => Line::Command(command),
        Err(what) => Line::Wrong(what),
    }
}

/// The arguments of a verb for jobs, with names turned into jobspecs: `:kill story`.
fn by_name(verb: &str, rest: &str) -> String {
    let most = match verb {
        "kill" | "pause" | "stop" | "unpause" | "cont" | "wait" => usize::MAX,
        "fg" | "attach" | "timeout" | "rename" | "name" | "retry" | "log" => 1,
        _ => return rest.to_owned(),
    };
    let is_name = |word: &str| {
        word.starts_with(char::is_alphanumeric) && !word.bytes().all(|byte| byte.is_ascii_digit())
    };
    let words: Vec<&str> = rest.split_whitespace().collect();
    let is_time = |at: usize| at > 0 && words[at - 1] == "-t";
    let named = |(at, word): (usize, &&str)| match at < most && is_name(word) && !is_time(at) {
        true => format!("%={word}"),
        false => (*word).to_owned(),
    };
    words.iter().enumerate().map(named).collect::<Vec<_>>().join(" ")
}

fn followed(job: Spec) -> Command {
    Command::Bare(Bare::Fg(OneJob { job: Some(job) }))
}

/// Parses a verb with its arguments.
fn read(name: &str, rest: &str) -> Result<Command, String> {
    let wrong = |what: &str| {
        let usage = grammar().find_subcommand_mut(name).map(|verb| verb.render_usage().to_string());
        let usage = usage.unwrap_or_default().replacen("Usage: ", "usage: :", 1);
        format!("{name}: {what}\n{usage}")
    };
    let words = words(name, rest).map_err(wrong)?;
    let matches = grammar().try_get_matches_from(&words).map_err(|error| {
        if error.kind() == ErrorKind::InvalidSubcommand {
            unknown(name)
        } else {
            wrong(&usage_problem(&error))
        }
    })?;
    let command = Command::from_arg_matches(&matches).map_err(|error| wrong(&usage_problem(&error)))?;
    if let Command::Bare(Bare::Set(set)) = &command {
        set.setting().map_err(|what| wrong(&what))?;
    }
    Ok(command)
}

/// The words of a command, with a shell's notation turned into options.
fn words(name: &str, rest: &str) -> Result<Vec<String>, &'static str> {
    let mut words = vec![name.to_owned()];
    match name {
        // These take the line unchanged.
        "pipe" | "system" | "copy" => words.extend((!rest.is_empty()).then(|| rest.to_owned())),
        _ => words.extend(shell_words::split(rest).map_err(|_| "a quote is not closed")?),
    }
    match (name, words.get(1).map(String::as_str), words.last().map(String::as_str)) {
        ("kill", Some("-KILL" | "-SIGKILL"), _) => "-9".clone_into(&mut words[1]),
        ("kill", Some("-15" | "-TERM" | "-SIGTERM"), _) => drop(words.remove(1)),
        ("kill", Some("--all" | "-a"), _) if words.len() == 2 => EVERYWHERE.clone_into(&mut words[1]),
        ("pull", _, Some("&")) => *words.last_mut().unwrap_or(&mut String::new()) = "--behind".to_owned(),
        _ => {}
    }
    Ok(words)
}

fn unknown(name: &str) -> String {
    match nearest(grammar().get_subcommands().map(clap::Command::get_name), name) {
        Some(verb) => format!(":{name}: command not found; did you mean :{verb}?"),
        None => format!(":{name}: command not found; :help lists them"),
    }
}

/// What is wrong with the words after a verb.
fn usage_problem(error: &clap::Error) -> String {
    let value = context(error, ContextKind::InvalidValue).unwrap_or_default();
    let argument = context(error, ContextKind::InvalidArg)
        .unwrap_or_default()
        .replace(['<', '>'], "")
        .replace("...", "…");
    let known = context(error, ContextKind::ValidValue);
    match (error.kind(), error.source(), known) {
        (ErrorKind::ValueValidation, Some(why), _) => format!("{value}: {why}"),
        (ErrorKind::InvalidValue, _, Some(known)) if !value.is_empty() => {
            format!("{value}: write one of {known}")
        }
        (ErrorKind::InvalidValue, ..) => format!("{argument} needs a value"),
        (ErrorKind::UnknownArgument, ..) if argument.starts_with('-') => {
            format!("{argument}: invalid option")
        }
        (ErrorKind::UnknownArgument, ..) => format!("{argument}: too many arguments"),
        (ErrorKind::MissingRequiredArgument, ..) => format!("{argument} is missing"),
        (kind, ..) => kind.to_string(),
    }
}

fn context(error: &clap::Error, kind: ContextKind) -> Option<String> {
    let context = error.get(kind)?;
    if let ContextValue::String(text) = context {
        return Some(text.clone());
    }
    if let ContextValue::Strings(texts) = context {
        return Some(texts.join(", ")).filter(|text| !text.is_empty());
    }
    None
}

/// A verb without its colon.
fn bare(typed: &str) -> Option<Command> {
    if typed.contains('\n') {
        return None;
    }
    if typed.starts_with('%') && !typed.contains(char::is_whitespace) {
        return typed.parse().ok().map(followed);
    }
    if typed.starts_with('>') {
        return read("pipe", typed).ok();
    }
    let (verb, rest) = bare_verb(typed)?;
    read(verb, rest).ok().filter(|command| unknown_option(command).is_none())
}

fn bare_verb(typed: &str) -> Option<(&str, &str)> {
    let (name, rest) = typed.split_once(' ').unwrap_or((typed, ""));
    // Aliases need the colon or a jobspec: `bye` may be meant for the model.
    let is_other = || OTHERS.contains(&name) && rest.trim_start().starts_with('%');
    (Bare::has_subcommand(name) || is_other()).then(|| (name, rest.trim()))
}

/// The option that a command sets and that Ollama does not know. With a colon it is set anyway.
fn unknown_option(command: &Command) -> Option<&str> {
    match command {
        Command::Bare(Bare::Set(set)) => {
            set.key.as_deref().filter(|key| !matches!(*key, "+b" | "stats") && !Options::is_known(key))
        }
        Command::Bare(_) | Command::Colon(_) => None,
    }
}

/// What is wrong with a line that is hardly meant for a model: a verb with only numbers, jobspecs and options
/// (`kill 1`, `jobs -x`), or an option's name and a value (`set num_ctx big`).
fn misspelt(typed: &str) -> Option<String> {
    let (verb, rest) = bare_verb(typed).filter(|_| !typed.contains('\n'))?;
    let words: Vec<&str> = rest.split_whitespace().collect();
    let is_argument =
        |word: &&str| word.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '%' | '-' | '+'));
    let is_meant = match (verb, words.as_slice()) {
        (_, []) => false,
        ("set", [key, _]) => options::alike(key).is_some(),
        (_, words) => words.iter().all(is_argument),
    };
    let what = match read(verb, rest) {
        Err(what) => what,
        Ok(command) => {
            let what = unknown_option(&command).and_then(options::unknown)?;
            format!("set: {what}; :set {rest} sends it as it is")
        }
    };
    is_meant.then(|| format!("{what}\nto ask it as a question, type a space before it"))
}

/// The verb that a question nearly is: the line would be a command if one letter of its first word were
/// different.
pub fn near_miss(typed: &str) -> Option<&'static str> {
    let typed = typed.trim_end();
    let (word, rest) = typed.split_once(' ').unwrap_or((typed, ""));
    if typed.contains('\n') || word.chars().count() < MISSPELT_CHARS.0 {
        return None;
    }
    let verbs = Bare::names().iter().copied().chain(["quit"]).filter(|verb| verb.len() >= MISSPELT_CHARS.1);
    let mut near = verbs.filter(|verb| strsim::damerau_levenshtein(verb, word) == 1);
    near.find(|verb| matches!(of_person(&format!("{verb} {rest}")), Line::Command(_)))
}

/// A question, possibly to models that it names.
fn at_models(typed: &str) -> Line {
    let Some(named) = typed.strip_prefix('@') else { return ask(typed) };
    let (names, text) = named.split_once(char::is_whitespace).unwrap_or((named, ""));
    let names: Vec<&str> = names.split(',').map(|name| name.strip_prefix('@').unwrap_or(name)).collect();
    if !names.iter().all(|name| may_be_name(name)) {
        return ask(typed);
    }
    match ask(text) {
        Line::Ask(ask) => Line::Ask(Ask { models: names.into_iter().map(str::to_owned).collect(), ..ask }),
        Line::Empty | Line::Command(_) | Line::Wrong(_) => {
            Line::Wrong(format!("{}: what should be asked?", typed.trim_end()))
        }
    }
}

fn ask(text: &str) -> Line {
    let text = text.trim_matches('\n').trim_end();
    let behind =
        text.strip_suffix('&').filter(|before| before.is_empty() || before.ends_with(char::is_whitespace));
    let (text, behind) = match behind {
        Some(before) => (before.trim_end(), true),
        None => (text, false),
    };
    if text.trim().is_empty() {
        return Line::Empty;
    }
    Line::Ask(Ask { models: Vec::new(), text: text.to_owned(), behind })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use towline::Deadline;
    use towline::api::Think;

    use super::super::command::{Change, Colon, ExportKind, Jobs};
    use super::super::command::{Limit, Listing, Piping, Reading, SetArgs, Sink, SomeJobs, Target, Waiting};
    use super::*;
    use crate::args::DeadlineArg;

    fn asked(models: &[&str], text: &str, behind: bool) -> Line {
        let models = models.iter().map(|&model| model.to_owned()).collect();
        Line::Ask(Ask { models, text: text.to_owned(), behind })
    }

    #[test]
    fn behind_a_colon_a_name_stands_for_a_job() {
        let (one, story) = (|| Spec::Number(1), || Spec::Named("story".into()));
        let targets = vec![Target::Job(story()), Target::Job(one())];
        let time = Some(Duration::from_secs(30));
        for (typed, command) in [
            (":kill story %1", Bare::Kill { hard: false, targets }),
            (":attach story", Bare::Fg(OneJob { job: Some(story()) })),
            (":rename story tale", Bare::Rename { job: story(), name: "tale".into() }),
            (":wait -t 30s story %1", Bare::Wait(Waiting { first: false, time, jobs: vec![story(), one()] })),
            (":pause story %1", Bare::Pause(SomeJobs { jobs: vec![story(), one()] })),
        ] {
            assert_eq!(line(typed), Line::Command(Command::Bare(command)), "{typed}");
            assert_eq!(line(&typed[1..]), asked(&[], &typed[1..], false), "without it, it is text");
        }
    }

    #[test]
    fn text_goes_to_models() {
        for (typed, expected) in [
            ("what is a river?", asked(&[], "what is a river?", false)),
            ("what is a river? &", asked(&[], "what is a river?", true)),
            ("AT&T", asked(&[], "AT&T", false)),
            ("R&", asked(&[], "R&", false)),
            ("@a why?", asked(&["a"], "why?", false)),
            ("@a,@b why? &", asked(&["a", "b"], "why?", true)),
            ("@qwen3:8b,hf.co/x why?", asked(&["qwen3:8b", "hf.co/x"], "why?", false)),
            ("@!x why", asked(&[], "@!x why", false)),
            (" jobs", asked(&[], "jobs", false)),
            ("\\jobs", asked(&[], "jobs", false)),
            ("\\@a b", asked(&[], "@a b", false)),
            ("\\:set", asked(&[], ":set", false)),
            ("one\ntwo &", asked(&[], "one\ntwo", true)),
            ("jobs\nand more", asked(&[], "jobs\nand more", false)),
        ] {
            assert_eq!(line(typed), expected, "{typed:?}");
        }
        for typed in ["", "  ", "\n", "\t\n"] {
            assert_eq!(line(typed), Line::Empty, "{typed:?}");
        }
        assert_eq!(line("@a"), Line::Wrong("@a: what should be asked?".into()));
    }

    #[test]
    fn a_bare_verb_is_a_command_only_with_arguments_it_takes() {
        for typed in [
            "kill the lights",
            "kill",
            "wait for me",
            "jobs please",
            "log in to the server",
            "name a river",
            "stop",
            "stop it",
            "help me with rust",
            "set theory",
            "limit yourself",
            "continue",
            "clear",
            "model",
            "exit strategy",
            "bg music",
            "pipe dream",
            "retry it",
            "edit this",
            "| sort",
            "> a b",
            "100% sure",
            "q",
            "bye",
            "%",
            "tail of the dog",
            "keep going",
        ] {
            let expected =
                if typed == "%" { Line::Command(followed(Spec::Current)) } else { asked(&[], typed, false) };
            assert_eq!(line(typed), expected, "{typed}");
        }
    }

    #[test]
    fn what_is_nearly_a_command_is_noticed() {
        for (typed, verb) in [
            ("jbos", Some("jobs")),
            ("job", Some("jobs")),
            ("hlep", Some("help")),
            ("exti", Some("exit")),
            ("quitt", Some("quit")),
            ("quite so", None),
            ("kil %1", Some("kill")),
            ("timeuot %1 30s", Some("timeout")),
            ("kil the lights", None),
            ("hello", None),
            ("fog", None),
            ("a", None),
            ("nane\nof", None),
        ] {
            assert_eq!(near_miss(typed), verb, "{typed}");
        }
        assert!(matches!(line("!ls -l"), Line::Wrong(_)));
        assert_eq!(line("!!!"), asked(&[], "!!!", false));
        assert_eq!(of_person("q"), line(":exit"));
        assert_eq!(of_person("?"), line(":help"));
        assert_eq!(of_person("question"), asked(&[], "question", false));
    }

    #[test]
    fn commands() {
        let one = || Spec::Number(1);
        let pipe = |job, sink| Bare::Pipe { piping: Piping { job, sink, behind: false } };
        let set = |key: &str, value: &str| {
            Bare::Set(SetArgs { at_once: false, key: Some(key.into()), value: Some(value.into()) })
        };
        let timeout = |deadline| Bare::Timeout { job: one(), deadline: DeadlineArg(deadline) };
        for (typed, expected) in [
            ("jobs", Bare::Jobs(Listing::default())),
            ("jobs -lr --json", Bare::Jobs(Listing { long: true, running: true, news: false, json: true })),
            ("fg", Bare::Fg(OneJob::default())),
            ("fg %1", Bare::Fg(OneJob { job: Some(one()) })),
            ("%1", Bare::Fg(OneJob { job: Some(one()) })),
            ("%?riv", Bare::Fg(OneJob { job: Some(Spec::Contains("riv".into())) })),
            ("bg", Bare::Bg(Jobs::default())),
            (
                "kill %1 %-",
                Bare::Kill { hard: false, targets: vec![Target::Job(one()), Target::Job(Spec::Previous)] },
            ),
            ("kill -9 %*", Bare::Kill { hard: true, targets: vec![Target::All] }),
            ("kill -KILL %*", Bare::Kill { hard: true, targets: vec![Target::All] }),
            ("kill -TERM %*", Bare::Kill { hard: false, targets: vec![Target::All] }),
            ("pause %1", Bare::Pause(SomeJobs { jobs: vec![one()] })),
            ("unpause %1", Bare::Unpause(SomeJobs { jobs: vec![one()] })),
            ("stop %1", Bare::Pause(SomeJobs { jobs: vec![one()] })),
            ("cont %1", Bare::Unpause(SomeJobs { jobs: vec![one()] })),
            ("kill --all", Bare::Kill { hard: false, targets: vec![Target::Everywhere] }),
            ("attach %1", Bare::Fg(OneJob { job: Some(one()) })),
            ("wait", Bare::Wait(Waiting::default())),
            (
                "wait -n -t 1m30s %1",
                Bare::Wait(Waiting { first: true, time: Some(Duration::from_secs(90)), jobs: vec![one()] }),
            ),
            ("timeout %1 30s", timeout(Deadline::In(Duration::from_secs(30)))),
            ("timeout %1 +10s", timeout(Deadline::ExtendBy(Duration::from_secs(10)))),
            ("timeout %1 none", timeout(Deadline::Never)),
            ("log %1 -f -n 5", Bare::Log(Reading { job: Some(one()), follow: true, lines: Some(5) })),
            ("tail", Bare::Tail(Reading::default())),
            ("retry", Bare::Retry(OneJob::default())),
            ("name %1 'first draft'", Bare::Rename { job: one(), name: "first draft".into() }),
            ("limit 2", Bare::Limit { limit: Some(Limit::To(2)) }),
            ("pipe %1 | wc -l | cat", pipe(Some(one()), Sink::Command("wc -l | cat".into()))),
            (
                "pipe %1 | cat > f &",
                Bare::Pipe {
                    piping: Piping { job: Some(one()), sink: Sink::Command("cat > f".into()), behind: true },
                },
            ),
            ("pipe > out.md", pipe(None, Sink::File("out.md".into()))),
            ("> out.md", pipe(None, Sink::File("out.md".into()))),
            (">> 'a b'", pipe(None, Sink::Append("a b".into()))),
            ("set -b", Bare::Set(SetArgs { at_once: true, ..SetArgs::default() })),
            ("set +b", Bare::Set(SetArgs { key: Some("+b".into()), ..SetArgs::default() })),
            ("set temperature 0.2", set("temperature", "0.2")),
            ("set num_predict -1", set("num_predict", "-1")),
            ("exit", Bare::Exit),
            ("suspend", Bare::Suspend),
        ] {
            let expected = Line::Command(Command::Bare(expected));
            assert_eq!(line(typed), expected, "{typed}");
            let forced = if typed.starts_with('>') { format!(":pipe {typed}") } else { format!(":{typed}") };
            assert_eq!(line(&forced), expected, "{forced}");
        }
        let system = |text: &str| Colon::System { text: Some(Change::To(text.into())) };
        for (typed, expected) in [
            (":pull m &", Colon::Pull { model: Some("m".into()), behind: true }),
            (":pull", Colon::Pull { model: None, behind: false }),
            (":system \"it's brief\"", system("it's brief")),
            (":system - it's", system("- it's")),
            (":system none", Colon::System { text: Some(Change::Unset) }),
            (":think high", Colon::Think { level: Some(Change::To(Think::Level("high".into()))) }),
            (":think auto", Colon::Think { level: Some(Change::Unset) }),
            (":export markdown", Colon::Export { kind: ExportKind::Markdown, path: None }),
        ] {
            assert_eq!(line(typed), Line::Command(Command::Colon(expected)), "{typed}");
        }
        assert_eq!(line(":set top_a 1"), Line::Command(Command::Bare(set("top_a", "1"))));
    }

    #[test]
    fn a_wrong_command_says_what_is_wrong() {
        for (typed, expected) in [
            (":kill 1", "kill: 1: this is not a jobspec"),
            (":kill", "kill: %n… is missing\nusage: :kill [-9]"),
            (":rename %1", "rename: NAME is missing\nusage: :rename %n NAME"),
            (":jobs -x", "jobs: -x: invalid option"),
            (":job", ":job: command not found; did you mean :jobs?"),
            (":frobnicate", ":frobnicate: command not found; :help lists them"),
            (":timeout %1 0", "timeout: 0: a time limit of 0"),
            (":limit 0", "limit: 0: a limit of 0 would never run"),
            (":set temperature warm", "set: option temperature takes a number"),
            (":think hard", "think: hard: write one of on, off"),
            (":name %1 'x", "name: a quote is not closed"),
            (":clear all", "clear: all: too many arguments"),
            ("kill 1", "kill: 1: this is not a jobspec"),
            ("fg 1", "fg: 1: this is not a jobspec"),
            ("timeout 5", "timeout: "),
            ("jobs -x", "jobs: -x: invalid option"),
            ("limit 0", "limit: 0: a limit of 0 would never run"),
            ("set num_ctx big", "set: option num_ctx takes a whole number"),
            ("set temperatur 1", "set: Ollama has no option \"temperatur\" (did you mean temperature?)"),
        ] {
            match line(typed) {
                Line::Wrong(what) => assert!(what.starts_with(expected), "{typed}: {what}"),
                other @ (Line::Empty | Line::Ask(_) | Line::Command(_)) => unreachable!("{typed}: {other:?}"),
            }
        }
    }
}
