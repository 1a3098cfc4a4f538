//! What follows a verb.

use std::path::PathBuf;
use std::time::Duration;

use towline::{Deadline, Think};

use super::command::{
    Change, Command, ExportKind, FormatArg, Limit, Listing, Reading, Sink, Targets, Topic, Waiting, When,
};
use super::spec::Spec;
use super::verb::Verb;
use super::words;
use crate::duration::TimeLimit;

/// The command that a verb makes of what follows it.
///
/// # Errors
/// What is wrong with it.
pub fn parse(verb: Verb, rest: &str) -> Result<Command, String> {
    match verb {
        // These take the line as it is.
        Verb::Pipe => return pipe(rest),
        Verb::System => return Ok(Command::System(change(rest, |text| Ok(unquoted(text)))?)),
        Verb::Jobs
        | Verb::Fg
        | Verb::Bg
        | Verb::Kill
        | Verb::Stop
        | Verb::Cont
        | Verb::Wait
        | Verb::Timeout => {}
        Verb::Log | Verb::Tail | Verb::Retry | Verb::Continue | Verb::Edit | Verb::Keep | Verb::Name => {}
        Verb::Limit | Verb::Set | Verb::Disown | Verb::Suspend | Verb::Exit | Verb::Model | Verb::Models => {}
        Verb::Pull | Verb::Think | Verb::Format | Verb::Image | Verb::File | Verb::Unfold | Verb::Copy => {}
        Verb::Clear | Verb::Save | Verb::Load | Verb::Sessions | Verb::Export | Verb::Help => {}
    }
    let words = words::split(rest)?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Ok(match verb {
        Verb::Jobs => Command::Jobs(listing(&words)?),
        Verb::Fg => Command::Fg(one_spec(&words)?),
        Verb::Bg => Command::Bg(specs(&words)?),
        Verb::Kill => kill(&words)?,
        Verb::Stop => Command::Stop(some_specs(&words)?),
        Verb::Cont => Command::Cont(some_specs(&words)?),
        Verb::Wait => Command::Wait(waiting(&words)?),
        Verb::Timeout => timeout(&words)?,
        Verb::Log => Command::Log(reading(&words, None)?),
        Verb::Tail => Command::Log(Reading { follow: true, ..reading(&words, Some(10))? }),
        Verb::Retry => Command::Retry(one_spec(&words)?),
        Verb::Continue => Command::Continue(one_spec(&words)?),
        Verb::Edit => Command::Edit(one_spec(&words)?),
        Verb::Keep => Command::Keep(one_spec(&words)?),
        Verb::Name => name(&words)?,
        Verb::Limit => Command::Limit(limit(&words)?),
        Verb::Set => set(&words)?,
        Verb::Disown => Command::Disown(one_spec(&words)?),
        Verb::Suspend => nothing(&words, Command::Suspend)?,
        Verb::Exit => nothing(&words, Command::Exit)?,
        Verb::Model => Command::Model(at_most_one(&words)?.map(str::to_owned)),
        Verb::Models => nothing(&words, Command::Models)?,
        Verb::Pull => pull(&words)?,
        Verb::Think => Command::Think(change(rest, think)?),
        Verb::Format => Command::Format(change(rest, |text| Ok(format(text)))?),
        Verb::Image => Command::Image(paths(&words)?),
        Verb::File => Command::File(paths(&words)?),
        Verb::Unfold => Command::Unfold(one_spec(&words)?),
        Verb::Copy => Command::Copy(one_spec(&words)?),
        Verb::Clear => nothing(&words, Command::Clear)?,
        Verb::Save => Command::Save(at_most_one(&words)?.map(str::to_owned)),
        Verb::Load => Command::Load(at_most_one(&words)?.ok_or("which session?")?.to_owned()),
        Verb::Sessions => nothing(&words, Command::Sessions)?,
        Verb::Export => export(&words)?,
        Verb::Help => help(&words)?,
        Verb::Pipe | Verb::System => unreachable!("returned above"),
    })
}

fn nothing(words: &[&str], command: Command) -> Result<Command, String> {
    match words {
        [] => Ok(command),
        [first, ..] => Err(format!("{first}: it takes no argument")),
    }
}

fn at_most_one<'a>(words: &[&'a str]) -> Result<Option<&'a str>, String> {
    match words {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        [_, more, ..] => Err(format!("{more}: too many arguments")),
    }
}

fn spec(word: &str) -> Result<Spec, String> {
    Spec::parse(word).ok_or_else(|| format!("{word}: this is no jobspec; %1, %+, %-, %name and %?text are"))
}

fn one_spec(words: &[&str]) -> Result<Option<Spec>, String> {
    at_most_one(words)?.map(spec).transpose()
}

fn specs(words: &[&str]) -> Result<Vec<Spec>, String> {
    words.iter().map(|word| spec(word)).collect()
}

fn some_specs(words: &[&str]) -> Result<Vec<Spec>, String> {
    if words.is_empty() { Err("which job?".to_owned()) } else { specs(words) }
}

fn listing(words: &[&str]) -> Result<Listing, String> {
    let mut listing = Listing::default();
    for word in words {
        match *word {
            "--json" => listing.json = true,
            _ => {
                let letters = word.strip_prefix('-').filter(|letters| !letters.is_empty());
                for letter in letters.ok_or_else(|| format!("{word}: invalid option"))?.chars() {
                    match letter {
                        'l' => listing.long = true,
                        'r' => listing.running = true,
                        'n' => listing.news = true,
                        _ => return Err(format!("-{letter}: invalid option")),
                    }
                }
            }
        }
    }
    Ok(listing)
}

fn kill(words: &[&str]) -> Result<Command, String> {
    let (hard, words) = match words {
        ["-9" | "-KILL" | "-SIGKILL", rest @ ..] => (true, rest),
        ["-15" | "-TERM" | "-SIGTERM", rest @ ..] => (false, rest),
        _ => (false, words),
    };
    let targets = if words == ["%*"] { Targets::All } else { Targets::Specs(some_specs(words)?) };
    Ok(Command::Kill { hard, targets })
}

fn waiting(words: &[&str]) -> Result<Waiting, String> {
    let mut waiting = Waiting::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "-n" => waiting.first = true,
            "-t" => {
                let time = words.next().ok_or("-t: how long?")?;
                waiting.time = Some(duration(time)?);
            }
            _ => waiting.specs.push(spec(word)?),
        }
    }
    Ok(waiting)
}

fn duration(text: &str) -> Result<Duration, String> {
    match text.parse::<TimeLimit>() {
        Ok(TimeLimit(Some(time))) => Ok(time),
        Ok(TimeLimit(None)) => Err(format!("{text}: write it as 30s or 1m30s")),
        Err(error) => Err(format!("{text}: {error}")),
    }
}

fn timeout(words: &[&str]) -> Result<Command, String> {
    let [job, time] = words else { return Err("a job and a time: %1 30s, %1 +10s or %1 none".to_owned()) };
    let job = spec(job)?;
    let deadline = match (time.strip_prefix('+'), *time) {
        (Some(more), _) => Deadline::ExtendBy(duration(more)?),
        (None, "none") => Deadline::Never,
        (None, time) => Deadline::In(duration(time)?),
    };
    Ok(Command::Timeout(job, deadline))
}

fn reading(words: &[&str], lines: Option<usize>) -> Result<Reading, String> {
    let mut reading = Reading { lines, ..Reading::default() };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "-f" => reading.follow = true,
            "-n" => {
                let count = words.next().ok_or("-n: how many lines?")?;
                reading.lines = Some(number(count)?);
            }
            _ if reading.spec.is_some() => return Err(format!("{word}: too many arguments")),
            _ => reading.spec = Some(spec(word)?),
        }
    }
    Ok(reading)
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("{text}: this is no number"))
}

fn name(words: &[&str]) -> Result<Command, String> {
    match words {
        [job, name] if !name.is_empty() => Ok(Command::Name(spec(job)?, (*name).to_owned())),
        _ => Err("a job and its name: %1 draft".to_owned()),
    }
}

fn limit(words: &[&str]) -> Result<Limit, String> {
    match at_most_one(words)? {
        None => Ok(Limit::Show),
        Some("none") => Ok(Limit::None),
        Some(text) => match number(text)? {
            0 => Err("0: nothing would ever run; none takes the limit away".to_owned()),
            count => Ok(Limit::To(count)),
        },
    }
}

fn set(words: &[&str]) -> Result<Command, String> {
    match words {
        [] => Ok(Command::Settings),
        ["-b"] => Ok(Command::Notify(When::AtOnce)),
        ["+b"] => Ok(Command::Notify(When::NextPrompt)),
        [key, value] => {
            let value = (*value).to_owned();
            let known = towline::Options::default().set_text(key, &value);
            if value != "none" {
                known.map_err(|error| error.to_string())?;
            }
            Ok(Command::Option { key: (*key).to_owned(), value })
        }
        _ => Err("an option and its value: temperature 0.2, or temperature none".to_owned()),
    }
}

/// `[%n] | command`, `[%n] > file`, `[%n] >> file`.
fn pipe(rest: &str) -> Result<Command, String> {
    let usage = || "where to? | command, > file or >> file".to_owned();
    let at = rest.find(['|', '>']).ok_or_else(usage)?;
    let (job, to) = rest.split_at(at);
    let job = one_spec(&words::split(job)?.iter().map(String::as_str).collect::<Vec<_>>())?;
    let sink = if let Some(command) = to.strip_prefix('|') {
        let command = command.trim();
        if command.is_empty() {
            return Err(usage());
        }
        Sink::Command(command.to_owned())
    } else {
        let (append, path) = to.strip_prefix(">>").map_or((false, &to[1..]), |path| (true, path));
        let words = words::split(path)?;
        let [path] = words.as_slice() else { return Err("into one file".to_owned()) };
        let path = home(path);
        if append { Sink::Append(path) } else { Sink::File(path) }
    };
    Ok(Command::Pipe(job, sink))
}

/// A path with `~` for the home folder.
pub fn home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        (_, _) => PathBuf::from(path),
    }
}

fn paths(words: &[&str]) -> Result<Vec<PathBuf>, String> {
    if words.is_empty() {
        Err("which file?".to_owned())
    } else {
        Ok(words.iter().map(|word| home(word)).collect())
    }
}

fn pull(words: &[&str]) -> Result<Command, String> {
    let (behind, words) = match words {
        [rest @ .., "&"] => (true, rest),
        _ => (false, words),
    };
    Ok(Command::Pull { model: at_most_one(words)?.map(str::to_owned), behind })
}

fn change<T>(text: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<Change<T>, String> {
    match text {
        "" => Ok(Change::Show),
        "none" | "auto" => Ok(Change::Unset),
        text => Ok(Change::To(read(text)?)),
    }
}

fn unquoted(text: &str) -> String {
    let inside = |quote: &str| text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
    inside("\"\"\"").or_else(|| inside("\"")).or_else(|| inside("'")).unwrap_or(text).to_owned()
}

fn think(text: &str) -> Result<Think, String> {
    match text {
        "on" | "true" | "yes" => Ok(Think::On),
        "off" | "false" | "no" => Ok(Think::Off),
        "low" | "medium" | "high" | "max" => Ok(Think::Level(text.to_owned())),
        _ => {
            Err(format!("{text}: on, off, low, medium, high and max are known; auto leaves it to the model"))
        }
    }
}

fn format(text: &str) -> FormatArg {
    if text == "json" { FormatArg::Json } else { FormatArg::Schema(home(&unquoted(text))) }
}

fn export(words: &[&str]) -> Result<Command, String> {
    let (kind, rest) = match words {
        ["md" | "markdown", rest @ ..] => (ExportKind::Markdown, rest),
        ["json", rest @ ..] => (ExportKind::Json, rest),
        _ => return Err("as md or as json?".to_owned()),
    };
    Ok(Command::Export(kind, at_most_one(rest)?.map(home)))
}

fn help(words: &[&str]) -> Result<Command, String> {
    let topic = at_most_one(words)?.map(|word| match word {
        "keys" => Ok(Topic::Keys),
        "jobs" => Ok(Topic::Jobs),
        "files" => Ok(Topic::Files),
        _ => {
            let name = word.strip_prefix(':').unwrap_or(word);
            let verb = Verb::parse(name).ok_or_else(|| format!("{word}: there is no such topic"))?;
            Ok::<_, String>(Topic::Verb(verb))
        }
    });
    Ok(Command::Help(topic.transpose()?))
}
