//! The verbs for the relay's jobs.

use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use towline::Deadline;

use towline_app::text::duration::TimeLimit;

/// Which relay.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Relay")]
pub struct AtRelay {
    /// The address of the relay [default: $TOWLINE_RELAY, else your own, which is started if needed]
    #[arg(long, value_name = "URL")]
    pub relay: Option<String>,
}

/// Answers: each by its name, its number (`%3`), its id, or a unique prefix of its id.
#[derive(Debug, Clone, Default, Args)]
#[group(id = "which", required = true, multiple = false)]
pub struct AnswerSelection {
    /// The answers, by name, number (%3) or id
    #[arg(value_name = "NAME")]
    pub handles: Vec<String>,
    /// All answers that the command can act on
    #[arg(short, long)]
    pub all: bool,
    /// All answers of this group (towline batch) that the command can act on
    #[arg(long, value_name = "GROUP")]
    pub group: Option<String>,
}

/// List answers on the relay
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  towline jobs
  towline jobs river                      answers with river in their name, question or model
  towline jobs -r --json | jq -r .id      the ids of running answers
  towline jobs --watch                    a line for each change
", help_template = super::TEMPLATE)]
pub struct JobsArgs {
    /// Only answers with this text in the name, question or model
    #[arg(value_name = "TEXT")]
    pub text: Option<String>,
    /// Show more: id, cause of the end, time of the last record, readers, client
    #[arg(short, long, help_heading = "Output")]
    pub long: bool,
    /// Only running answers
    #[arg(short, long, help_heading = "Output")]
    pub running: bool,
    /// Only answers of this group (towline batch)
    #[arg(long, value_name = "GROUP", help_heading = "Output")]
    pub group: Option<String>,
    /// Only answers to questions asked within this time
    #[arg(long, value_name = "TIME", help_heading = "Output")]
    pub since: Option<TimeLimit>,
    /// Print the relay's own JSON, one object a line
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// Follow: print a line for each change
    #[arg(long, help_heading = "Output")]
    pub watch: bool,
    #[command(flatten)]
    pub relay: AtRelay,
}

/// How an answer is printed.
#[derive(Debug, Clone, Copy, Args)]
pub struct Form {
    /// Print the answer as it arrived, without rendering Markdown
    #[arg(long, help_heading = "Output")]
    pub plain: bool,
    /// Print one JSON object a line for each record (docs/json-output.md)
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// Read an answer from the start and follow it to the end
///
/// Ctrl-C detaches: the answer continues.
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  towline run -d --name story \"Tell me a long story.\"
  towline attach story
  towline attach --tail story            only new text
", help_template = super::TEMPLATE)]
pub struct AttachArgs {
    /// The answer, by name, number (%3) or id
    #[arg(value_name = "NAME")]
    pub id: String,
    /// Only new text
    #[arg(long, help_heading = "Output")]
    pub tail: bool,
    #[command(flatten)]
    pub form: Form,
    #[command(flatten)]
    pub relay: AtRelay,
}

/// Print the text of an answer so far
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  towline log story
  towline log -f story                   print it and follow it
  towline log --raw story > answer.ndjson
", help_template = super::TEMPLATE)]
pub struct LogArgs {
    /// The answer, by name, number (%3) or id
    #[arg(value_name = "NAME")]
    pub id: String,
    /// Follow: print new text as it arrives
    #[arg(short, long, help_heading = "Output")]
    pub follow: bool,
    /// Print the bytes that the server sent
    #[arg(long, help_heading = "Output", conflicts_with = "json")]
    pub raw: bool,
    #[command(flatten)]
    pub form: Form,
    #[command(flatten)]
    pub relay: AtRelay,
}

/// Cancel answers and wait until they have ended
#[derive(Debug, Args)]
#[command(help_template = super::TEMPLATE)]
pub struct KillArgs {
    #[command(flatten)]
    pub which: AnswerSelection,
    /// The reason, which readers of the answer see
    #[arg(long, value_name = "TEXT", default_value = "towline kill")]
    pub reason: String,
    #[command(flatten)]
    pub relay: AtRelay,
}

/// Wait until answers have ended
///
/// With --group, wait until no answer of the group runs or is queued, including answers that are asked meanwhile. The exit
/// status is that of the first answer that did not complete.
#[derive(Debug, Args)]
#[command(help_template = super::TEMPLATE)]
pub struct WaitArgs {
    #[command(flatten)]
    pub which: AnswerSelection,
    /// Wait at most this long
    #[arg(short, long, value_name = "TIME", default_value = "none")]
    pub timeout: TimeLimit,
    #[command(flatten)]
    pub relay: AtRelay,
}

/// The arguments of a verb that only needs answers.
#[derive(Debug, Args)]
#[command(help_template = super::TEMPLATE)]
pub struct VerbArgs {
    #[command(flatten)]
    pub which: AnswerSelection,
    #[command(flatten)]
    pub relay: AtRelay,
}

/// Rename an answer
#[derive(Debug, Args)]
#[command(help_template = super::TEMPLATE)]
pub struct RenameArgs {
    /// The answer, by name, number (%3) or id
    #[arg(value_name = "NAME")]
    pub handle: String,
    /// The new name
    #[arg(value_name = "NEW")]
    pub name: String,
    #[command(flatten)]
    pub relay: AtRelay,
}

/// Delete all ended answers and their records
#[derive(Debug, Args)]
#[command(help_template = super::TEMPLATE)]
pub struct CleanArgs {
    #[command(flatten)]
    pub relay: AtRelay,
}

/// Change the deadline of an answer
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  towline timeout story 30s              30 seconds from now
  towline timeout story +10s             10 seconds later
  towline timeout --all none
", help_template = super::TEMPLATE, override_usage = "towline timeout <NAME>... <TIME>
       towline timeout --all <TIME>")]
pub struct TimeoutArgs {
    /// The answers, by name, number (%3) or id, and the time: from now, an extension (+10s), or none
    #[arg(value_names = ["NAME", "TIME"], required = true)]
    pub words: Vec<String>,
    /// All running answers; then give only the time
    #[arg(short, long)]
    pub all: bool,
    #[command(flatten)]
    pub relay: AtRelay,
}

impl TimeoutArgs {
    /// The answers, and their deadline.
    ///
    /// # Errors
    /// If the words are wrong; says what to write instead.
    pub fn read(&self) -> Result<(Vec<String>, Deadline), String> {
        let (time, handles) = self.words.split_last().ok_or("timeout takes a time")?;
        match (handles.is_empty(), self.all) {
            (true, false) => {
                return Err("timeout takes an answer's name and a time, or --all and a time".to_owned());
            }
            (false, true) => return Err("give either --all or names, not both".to_owned()),
            (true, true) | (false, false) => {}
        }
        let DeadlineArg(deadline) = time.parse().map_err(|error| format!("{time}: {error}"))?;
        Ok((handles.to_vec(), deadline))
    }
}

/// The arguments for this program in the new session.
#[derive(Debug, Args)]
pub struct SessionArgs {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    pub arguments: Vec<String>,
}

/// `30s`, `+10s`, `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeadlineArg(pub Deadline);

impl FromStr for DeadlineArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = |text: &str| text.parse::<TimeLimit>().map_err(|error| error.to_string());
        let extend = |limit: Option<Duration>| {
            limit.ok_or("none cannot extend a deadline; write none without +".to_owned())
        };
        Ok(Self(match text.strip_prefix('+') {
            Some(more) => Deadline::ExtendBy(extend(read(more)?.0)?),
            None => match read(text)?.0 {
                Some(time) => Deadline::In(time),
                None => Deadline::Never,
            },
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_for_named_answers_or_for_all() {
        let read = |words: &[&str], all| {
            let words = words.iter().map(|&word| word.to_owned()).collect();
            TimeoutArgs { words, all, relay: AtRelay::default() }.read()
        };
        assert_eq!(read(&["a", "b", "none"], false), Ok((vec!["a".into(), "b".into()], Deadline::Never)));
        assert_eq!(read(&["none"], true), Ok((Vec::new(), Deadline::Never)));
        for (words, all) in [(&["none"][..], false), (&["a", "none"], true), (&["a", "soon"], false)] {
            assert!(read(words, all).is_err(), "{words:?}");
        }
        // A name alone lacks its time: it is not a wrong time.
        let alone = read(&["slow"], false).unwrap_err();
        assert!(alone.starts_with("timeout takes an answer's name and a time"), "{alone}");
    }

    #[test]
    fn deadlines_are_read_as_they_are_typed() {
        let second = Duration::from_secs(1);
        for (text, deadline) in [
            ("30s", Deadline::In(30 * second)),
            ("+10s", Deadline::ExtendBy(10 * second)),
            ("none", Deadline::Never),
            ("90", Deadline::In(90 * second)),
        ] {
            assert_eq!(text.parse(), Ok(DeadlineArg(deadline)), "{text}");
        }
        for text in ["", "+", "+none", "soon", "-3s"] {
            assert!(text.parse::<DeadlineArg>().is_err(), "{text}");
        }
    }
}
