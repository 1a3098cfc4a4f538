//! What was typed, understood.
//!
//! - `:verb …` is always a command.
//! - A line that begins with a blank or a backslash is always text; the one character is dropped.
//! - A single line that is a verb with arguments it takes, and nothing else, is a command too: `jobs -l`, `kill %2`,
//!   `wait`. `kill the lights` is text: `kill` takes jobspecs.
//! - A verb with nothing but numbers, jobspecs and options that it does not take is wrong, rather than text: `kill 1`.
//! - `%2` alone is `fg %2`; `> file` alone is `pipe > file`.
//! - `@model text` and `@a,@b text` name models; a last word `&` asks behind.
//! - Everything else is a question.

use super::command::{Ask, Command, Line};
use super::complete::OPTIONS;
use super::verb::{VERBS, Verb};
use super::{arguments, spec::Spec};

/// How alike a verb must be to be named in a hint, 0 to 1.
const ALIKE: f64 = 0.8;

/// Understands a line.
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
    let trimmed = typed.trim_end();
    match bare(trimmed) {
        Some(command) => Line::Command(command),
        None => misspelt(trimmed).map_or_else(|| at_models(typed), Line::Wrong),
    }
}

/// `:verb …`.
fn forced(typed: &str) -> Line {
    let typed = typed.trim();
    let (name, rest) = typed.split_once(char::is_whitespace).unwrap_or((typed, ""));
    if let Some(spec) = Spec::parse(typed) {
        return Line::Command(Command::Fg(Some(spec)));
    }
    let Some(verb) = Verb::parse(name) else { return Line::Wrong(unknown(name)) };
    match arguments::parse(verb, rest.trim()) {
        Ok(command) => Line::Command(command),
        Err(what) => Line::Wrong(wrong(verb, &what)),
    }
}

fn wrong(verb: Verb, what: &str) -> String {
    let about = verb.about();
    let usage = format!(":{} {}", about.name, about.usage);
    format!("{}: {what}\nusage: {}", about.name, usage.trim_end())
}

fn unknown(name: &str) -> String {
    let alike = |about: &&super::verb::About| strsim::jaro_winkler(about.name, name) >= ALIKE;
    match VERBS.iter().find(alike) {
        Some(about) => format!(":{name}: command not found; is it :{}?", about.name),
        None => format!(":{name}: command not found; :help lists them"),
    }
}

/// A verb without its colon.
fn bare(typed: &str) -> Option<Command> {
    if typed.contains('\n') {
        return None;
    }
    if typed.starts_with('%') && !typed.contains(char::is_whitespace) {
        return Spec::parse(typed).map(|spec| Command::Fg(Some(spec)));
    }
    if typed.starts_with('>') {
        return arguments::parse(Verb::Pipe, typed).ok();
    }
    let (verb, rest) = bare_verb(typed)?;
    arguments::parse(verb, rest).ok()
}

fn bare_verb(typed: &str) -> Option<(Verb, &str)> {
    let (name, rest) = typed.split_once(' ').unwrap_or((typed, ""));
    // Other names than the first need the colon: `bye` may be meant for the model.
    let verb = Verb::parse(name).filter(|verb| verb.about().bare && verb.name() == name)?;
    Some((verb, rest.trim()))
}

/// What is wrong with a line that can hardly be meant for a model: a verb, then only numbers, jobspecs and options
/// (`kill 1`, `jobs -x`), or an option's name and a value (`set num_ctx big`).
fn misspelt(typed: &str) -> Option<String> {
    let (verb, rest) = bare_verb(typed).filter(|_| !typed.contains('\n'))?;
    let what = arguments::parse(verb, rest).err()?;
    let words: Vec<&str> = rest.split_whitespace().collect();
    let is_argument =
        |word: &&str| word.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '%' | '-' | '+'));
    let is_meant = match (verb, words.as_slice()) {
        (_, []) => false,
        (Verb::Set, [key, _]) => OPTIONS.iter().any(|option| strsim::jaro_winkler(option, key) >= ALIKE),
        (_, words) => words.iter().all(is_argument),
    };
    is_meant.then(|| format!("{}\na line that begins with a blank is a question", wrong(verb, &what)))
}

/// A question, perhaps to models it names.
fn at_models(typed: &str) -> Line {
    let Some(named) = typed.strip_prefix('@') else { return ask(typed) };
    let (names, text) = named.split_once(char::is_whitespace).unwrap_or((named, ""));
    let names: Vec<&str> = names.split(',').map(|name| name.strip_prefix('@').unwrap_or(name)).collect();
    if !names.iter().all(|name| is_model_name(name)) {
        return ask(typed);
    }
    match ask(text) {
        Line::Ask(ask) => Line::Ask(Ask { models: names.into_iter().map(str::to_owned).collect(), ..ask }),
        Line::Empty | Line::Command(_) | Line::Wrong(_) => {
            Line::Wrong(format!("{}: what should be asked?", typed.trim_end()))
        }
    }
}

fn is_model_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':' | '/');
    name.chars().all(allowed) && name.starts_with(|c: char| c.is_ascii_alphanumeric())
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

    use super::super::command::{Limit, Listing, Reading, Sink, Targets, Waiting, When};
    use super::*;

    fn asked(models: &[&str], text: &str, behind: bool) -> Line {
        let models = models.iter().map(|&model| model.to_owned()).collect();
        Line::Ask(Ask { models, text: text.to_owned(), behind })
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
            let expected = if typed == "%" {
                Line::Command(Command::Fg(Some(Spec::Current)))
            } else {
                asked(&[], typed, false)
            };
            assert_eq!(line(typed), expected, "{typed}");
        }
    }

    #[test]
    fn commands() {
        let one = || Spec::Number(1);
        for (typed, expected) in [
            ("jobs", Command::Jobs(Listing::default())),
            (
                "jobs -lr --json",
                Command::Jobs(Listing { long: true, running: true, news: false, json: true }),
            ),
            ("fg", Command::Fg(None)),
            ("fg %1", Command::Fg(Some(one()))),
            ("%1", Command::Fg(Some(one()))),
            ("%?riv", Command::Fg(Some(Spec::Contains("riv".into())))),
            ("bg", Command::Bg(vec![])),
            (
                "kill %1 %-",
                Command::Kill { hard: false, targets: Targets::Specs(vec![one(), Spec::Previous]) },
            ),
            ("kill -9 %*", Command::Kill { hard: true, targets: Targets::All }),
            ("stop %1", Command::Stop(vec![one()])),
            ("cont %1", Command::Cont(vec![one()])),
            ("wait", Command::Wait(Waiting::default())),
            (
                "wait -n -t 1m30s %1",
                Command::Wait(Waiting {
                    first: true,
                    time: Some(Duration::from_secs(90)),
                    specs: vec![one()],
                }),
            ),
            ("timeout %1 30s", Command::Timeout(one(), Deadline::In(Duration::from_secs(30)))),
            ("timeout %1 +10s", Command::Timeout(one(), Deadline::ExtendBy(Duration::from_secs(10)))),
            ("timeout %1 none", Command::Timeout(one(), Deadline::Never)),
            ("log %1 -f -n 5", Command::Log(Reading { spec: Some(one()), follow: true, lines: Some(5) })),
            ("tail", Command::Log(Reading { spec: None, follow: true, lines: Some(10) })),
            ("retry", Command::Retry(None)),
            ("name %1 'first draft'", Command::Name(one(), "first draft".into())),
            ("limit 2", Command::Limit(Limit::To(2))),
            ("pipe %1 | wc -l | cat", Command::Pipe(Some(one()), Sink::Command("wc -l | cat".into()))),
            ("pipe > out.md", Command::Pipe(None, Sink::File("out.md".into()))),
            ("> out.md", Command::Pipe(None, Sink::File("out.md".into()))),
            (">> 'a b'", Command::Pipe(None, Sink::Append("a b".into()))),
            ("set -b", Command::Notify(When::AtOnce)),
            ("set temperature 0.2", Command::Option { key: "temperature".into(), value: "0.2".into() }),
            ("exit", Command::Exit),
            ("suspend", Command::Suspend),
        ] {
            assert_eq!(line(typed), Line::Command(expected.clone()), "{typed}");
            let forced = if typed.starts_with('>') { format!(":pipe {typed}") } else { format!(":{typed}") };
            assert_eq!(line(&forced), Line::Command(expected), "{forced}");
        }
    }

    #[test]
    fn a_wrong_command_says_what_is_wrong() {
        for (typed, expected) in [
            (":kill 1", "kill: 1: this is no jobspec"),
            (":kill", "kill: which job?"),
            (":jobs -x", "jobs: -x: invalid option"),
            (":job", ":job: command not found; is it :jobs?"),
            (":frobnicate", ":frobnicate: command not found; :help lists them"),
            (":timeout %1 0", "timeout: 0: a limit of nothing"),
            (":limit 0", "limit: 0: nothing would ever run"),
            (":set temperature warm", "set: option temperature takes a number"),
            (":think hard", "think: hard: on, off"),
            (":name %1 'x", "name: the quote ' is not closed"),
            (":clear all", "clear: all: it takes no argument"),
            ("kill 1", "kill: 1: this is no jobspec"),
            ("fg 1", "fg: 1: this is no jobspec"),
            ("timeout 5", "timeout: a job and a time"),
            ("jobs -x", "jobs: -x: invalid option"),
            ("limit 0", "limit: 0: nothing would ever run"),
            ("set num_ctx big", "set: option num_ctx takes a whole number"),
            ("set temperatur 1", "set: there is no option \"temperatur\""),
        ] {
            match line(typed) {
                Line::Wrong(what) => assert!(what.starts_with(expected), "{typed}: {what}"),
                other @ (Line::Empty | Line::Ask(_) | Line::Command(_)) => unreachable!("{typed}: {other:?}"),
            }
        }
    }
}
