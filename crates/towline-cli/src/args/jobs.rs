//! The verbs for the relay's jobs.

use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use towline::Deadline;

use crate::duration::TimeLimit;

/// Which relay.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Relay")]
pub struct AtRelay {
    /// Where the relay is [default: $TOWLINE_RELAY, else one of your own, which is started]
    #[arg(long, value_name = "URL")]
    pub relay: Option<String>,
}

/// List the relay's jobs
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  towline jobs
  towline jobs -r --json | jq -r .id      those that run
  towline jobs --watch                    a line for each change
", help_template = super::TEMPLATE)]
pub struct JobsArgs {
    /// More of each: the whole id, deadline, readers, cause
    #[arg(short, long, help_heading = "Output")]
    pub long: bool,
    /// Only those that run
    #[arg(short, long, help_heading = "Output")]
    pub running: bool,
    /// Print the relay's own JSON, one object a line
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// Go on: a line for each change
    #[arg(long, help_heading = "Output")]
    pub watch: bool,
    #[command(flatten)]
    pub relay: AtRelay,
}

/// Read a job's answer from its beginning, and follow it to its end
///
/// Ctrl-C leaves it running. An id may be shortened to what no other begins with.
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  id=$(towline run -d \"Tell me a long story.\")
  towline attach $id
  towline attach --tail $id              only what is still to come
", help_template = super::TEMPLATE)]
pub struct AttachArgs {
    /// The job
    #[arg(value_name = "ID")]
    pub id: String,
    /// Only what is still to come
    #[arg(long, help_heading = "Output")]
    pub tail: bool,
    /// Print one JSON object a line for each record (docs/json-output.md)
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    #[command(flatten)]
    pub relay: AtRelay,
}

/// Print what a job has said so far
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  towline log 7k2m
  towline log -f 7k2m                    and what is still to come
  towline log --raw 7k2m > answer.ndjson
", help_template = super::TEMPLATE)]
pub struct LogArgs {
    /// The job
    #[arg(value_name = "ID")]
    pub id: String,
    /// Go on with what comes
    #[arg(short, long, help_heading = "Output")]
    pub follow: bool,
    /// The server's own bytes
    #[arg(long, help_heading = "Output", conflicts_with = "json")]
    pub raw: bool,
    /// Print one JSON object a line for each record (docs/json-output.md)
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    #[command(flatten)]
    pub relay: AtRelay,
}

/// Stop jobs, and say when they have ended
#[derive(Debug, Args)]
#[command(help_template = super::TEMPLATE)]
pub struct KillArgs {
    /// The jobs
    #[arg(value_name = "ID", required = true)]
    pub ids: Vec<String>,
    /// Why, for whoever reads the answer
    #[arg(long, value_name = "TEXT", default_value = "stopped by towline kill")]
    pub reason: String,
    #[command(flatten)]
    pub relay: AtRelay,
}

/// Wait until jobs have ended
///
/// The status is that of the first that did not complete.
#[derive(Debug, Args)]
#[command(help_template = super::TEMPLATE)]
pub struct WaitArgs {
    /// The jobs
    #[arg(value_name = "ID", required = true)]
    pub ids: Vec<String>,
    /// No longer than this
    #[arg(short, long, value_name = "TIME", default_value = "none")]
    pub timeout: TimeLimit,
    #[command(flatten)]
    pub relay: AtRelay,
}

/// Move a job's deadline
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  towline timeout 7k2m 30s               30 seconds from now
  towline timeout 7k2m +10s              10 seconds later than it stands
  towline timeout 7k2m none
", help_template = super::TEMPLATE)]
pub struct TimeoutArgs {
    /// The job
    #[arg(value_name = "ID")]
    pub id: String,
    /// From now, later than it stands (+10s), or none
    #[arg(value_name = "TIME")]
    pub deadline: DeadlineArg,
    #[command(flatten)]
    pub relay: AtRelay,
}

/// This program with other arguments.
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
        let extend = |limit: Option<Duration>| limit.ok_or("a deadline is not extended by none".to_owned());
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
