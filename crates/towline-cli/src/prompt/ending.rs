//! Explains how a foreground answer ended, and what to do next.

use towline::error::ErrorKind;
use towline::outcome::Clock;
use towline::{Ending, Error, Outcome};

use super::following::is_cut_by_length;
use super::item::Kind;
use super::notice;
use super::state::Prompt;
use crate::exit::{self, Exit};
use crate::output::stats;
use crate::server::hint;
use crate::term::screen::Tone;

/// The outcome of a job that was cancelled before its turn came.
pub fn never_began() -> Outcome {
    let ending =
        Ending::Cancelled { reason: "cancelled before it began".to_owned(), may_have_had_effect: false };
    Outcome::new(ending)
}

impl Prompt<'_> {
    /// Explains how the foreground job ended.
    pub fn explain(&mut self, number: u32, outcome: &Outcome) {
        self.exit = self.exit.or(exit::of_ending(&outcome.ending, None));
        let Some(item) = self.item(number) else { return };
        let is_answer = item.is_answer();
        let was_cancelled = matches!(outcome.ending, Ending::Cancelled { .. });
        if let Some(Ok(status)) = item.exit_status().cloned().filter(|status| *status != Ok(0)) {
            self.exit = self.exit.or(Exit::Failed);
            return self.print(Tone::Bad, &format!("Exit {status}"));
        }
        if let Some(Err(error)) = item.exit_status().cloned().filter(|_| !was_cancelled) {
            return self.print_error(&error);
        }
        match &outcome.ending {
            Ending::Completed(reason) if is_answer => {
                self.learn_context();
                if is_cut_by_length(reason.as_ref()) {
                    self.print(
                        Tone::Dim,
                        "the answer stops at the length limit; set num_predict or num_ctx raises it",
                    );
                } else if outcome.reply.text.is_empty() && outcome.reply.tool_calls.is_empty() {
                    self.print(Tone::Dim, "the answer is complete, and empty");
                }
                if self.config.stats {
                    self.print(Tone::Dim, &stats::summary(outcome));
                }
            }
            Ending::Completed(_) => self.completed(number),
            Ending::Cancelled { .. } if is_answer => {
                self.print(Tone::Dim, &format!("Cancelled; {}", notice::received_text(outcome)));
            }
            Ending::Cancelled { .. } => self.print(Tone::Dim, "Cancelled"),
            Ending::TimedOut { clock, .. } => {
                self.print(
                    Tone::Bad,
                    &format!("Timed out: {}; {}", outcome.ending, notice::received_text(outcome)),
                );
                if let Some(advice) = for_clock(*clock) {
                    self.print(Tone::Dim, advice);
                }
                self.offer(outcome, is_answer);
            }
            Ending::Truncated(error) => {
                let why = match error.message.strip_prefix("interrupted: ") {
                    Some(why) => format!("Interrupted: {why}"),
                    None => format!("Truncated: {}", error.message),
                };
                self.print(Tone::Bad, &format!("{why}; {}", notice::received_text(outcome)));
                self.offer(outcome, is_answer);
            }
            Ending::Failed(error) => {
                let kept = if outcome.reply.text.is_empty() {
                    String::new()
                } else {
                    format!("; {}", notice::received_text(outcome))
                };
                self.print(Tone::Bad, &format!("Failed: {}{kept}", error.message));
                self.advise(number, error);
                self.offer(outcome, is_answer && error.kind != ErrorKind::NotFound);
            }
        }
    }

    fn completed(&mut self, number: u32) {
        let Some(entry) = self.jobs.get(number) else { return };
        match &entry.item.kind {
            Kind::Pull => {
                let text = format!("Done: {}", entry.text);
                self.print(Tone::Good, &text);
                if self.missing.take().is_some() {
                    self.print(Tone::Dim, "retry asks the question again");
                }
                self.learn_models();
            }
            Kind::Answer(_) | Kind::Elsewhere | Kind::Sink { .. } => {}
        }
    }

    fn offer(&mut self, outcome: &Outcome, is_answer: bool) {
        if !is_answer {
            return;
        }
        if outcome.reply.text.is_empty() {
            self.print(Tone::Dim, "retry asks again");
        } else {
            self.print(Tone::Dim, ":continue asks for the rest, retry asks again");
        }
    }

    fn advise(&mut self, number: u32, error: &Error) {
        let Some(item) = self.item(number) else { return };
        let model = item.model.clone();
        let is_pull = matches!(item.kind, Kind::Pull);
        let advice = match error.kind {
            ErrorKind::NotFound if !is_pull && !self.asked.server.is_builtin() => {
                let alike: Vec<String> =
                    self.known().models.iter().filter(|name| is_alike(name, &model)).cloned().collect();
                if !alike.is_empty() {
                    self.print(Tone::Dim, &format!("installed with a similar name: {}", alike.join(", ")));
                }
                if self.asked.server.client.is_openai() {
                    Some(":models shows the models that the server was started with".to_owned())
                } else {
                    let advice = format!(":pull fetches {model}, as a job; retry then asks again");
                    self.missing = Some(model);
                    Some(advice)
                }
            }
            ErrorKind::Rejected if error.message.contains("does not support thinking") => {
                Some(":think auto leaves it to the model".to_owned())
            }
            ErrorKind::Unauthorized => {
                hint::for_error(error, &self.asked.server, &self.asked.environment, None)
                    .map(|advice| format!("{advice}; towline reads the configuration when it starts"))
            }
            ErrorKind::NotFound
            | ErrorKind::Rejected
            | ErrorKind::Connect
            | ErrorKind::Tls
            | ErrorKind::Busy
            | ErrorKind::Truncated
            | ErrorKind::ConnectionLost
            | ErrorKind::Protocol
            | ErrorKind::InvalidRequest
            | ErrorKind::Server
            | ErrorKind::Limit
            | ErrorKind::Redirect
            | ErrorKind::TimedOut
            | ErrorKind::Cancelled
            | ErrorKind::Task => {
                let model = Some(model.as_str()).filter(|_| !is_pull);
                hint::for_error(error, &self.asked.server, &self.asked.environment, model)
            }
        };
        if let Some(advice) = advice {
            self.print(Tone::Dim, &advice);
        }
    }
}

fn for_clock(clock: Clock) -> Option<&'static str> {
    match clock {
        Clock::Connect => Some("check the address"),
        Clock::FirstEvent => Some("a big model may still be loading, or other requests may be ahead"),
        Clock::Idle => Some("the server has stopped sending"),
        Clock::Record => Some("the server sends bytes but no whole record"),
        Clock::Total => None,
    }
}

fn is_alike(installed: &str, missing: &str) -> bool {
    let base = |name: &str| name.split(':').next().unwrap_or_default().to_lowercase();
    let (installed, missing) = (base(installed), base(missing));
    installed.starts_with(&missing) || strsim::jaro_winkler(&installed, &missing) >= 0.75
}
