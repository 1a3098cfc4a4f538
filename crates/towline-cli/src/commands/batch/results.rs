//! The results, one JSON line each. From a results file, the next run knows which questions it need not ask.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};
use towline::outcome::FinishReason;
use towline::relay::Job;
use towline::{Ending, Outcome};

use super::questions::Ask;
use crate::exit::Exit;
use crate::exit::failure::{Complaint, Failure};
use crate::output::Out;
use crate::output::json;

/// How each line begins.
const LINE_START: &[u8] = b"{\"number\":";

/// The contents of an earlier line.
#[derive(Debug, Clone, Deserialize)]
struct Line {
    key: String,
    outcome: String,
    #[serde(default)]
    error: Option<LineError>,
}

#[derive(Debug, Clone, Deserialize)]
struct LineError {
    may_have_had_effect: bool,
}

/// The result of a question in an earlier run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EarlierResult {
    /// How it ended.
    pub exit: Exit,
    /// Whether it failed before it had an effect, so that it can be retried.
    pub is_missing: bool,
}

/// The target of results.
#[derive(Debug)]
pub struct Results {
    to: To,
}

#[derive(Debug)]
enum To {
    Out(Out),
    File { path: PathBuf, file: File },
}

impl Results {
    /// The file at `path`, else standard output; with the file's results of these questions.
    ///
    /// # Errors
    /// A file that cannot be written, that another batch is writing, or that has results of other questions.
    pub fn open(
        path: Option<&Path>,
        asks: &[Ask],
    ) -> Result<(Self, HashMap<String, EarlierResult>), Failure> {
        let Some(path) = path else { return Ok((Self { to: To::Out(Out::new()) }, HashMap::new())) };
        let failed = |error: std::io::Error| cannot(path, &error);
        let options = OpenOptions::new().read(true).append(true).create(true).open(path);
        let mut file = options.map_err(failed)?;
        if file.try_lock().is_err() {
            return Err(Failure::usage_with(
                format!("another batch is writing {}", path.display()),
                "wait for it, or name another file with --out",
            ));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        let known = known(&bytes, asks).map_err(|(line, wrong)| {
            Failure::usage_with(
                format!("{}: line {line} {wrong}", path.display()),
                "name another file with --out, or move this one away",
            )
        })?;
        // A cut line counts as not written.
        file.set_len(whole(&bytes) as u64).map_err(failed)?;
        Ok((Self { to: To::File { path: path.to_owned(), file } }, known))
    }

    /// Adds a result.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&mut self, line: &str) -> Result<(), Failure> {
        match &mut self.to {
            To::Out(out) => {
                out.text(line)?;
                Ok(out.flush()?)
            }
            To::File { path, file } => file.write_all(line.as_bytes()).map_err(|error| cannot(path, &error)),
        }
    }

    /// Sorts the results in the order of the questions, if retries have changed the order.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub fn finish(self, asks: &[Ask]) -> Result<(), Failure> {
        let To::File { path, mut file } = self.to else { return Ok(()) };
        let failed = |error: std::io::Error| cannot(&path, &error);
        let mut text = String::new();
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        file.read_to_string(&mut text).map_err(failed)?;
        let sorted = sorted(&text, asks);
        if sorted == text {
            return Ok(());
        }
        let beside = path.with_added_extension("new");
        std::fs::write(&beside, sorted).map_err(failed)?;
        std::fs::rename(&beside, &path).map_err(failed)
    }
}

fn cannot(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Local(Complaint::new(format!("{} cannot be written: {error}", path.display())))
}

/// The length of the complete lines of a file, in bytes.
fn whole(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1)
}

/// The results of these questions; the last line of each counts, and a cut line is ignored.
///
/// # Errors
/// The number of a line that is not a result of these questions, and why: the user may have named the wrong
/// file.
fn known(bytes: &[u8], asks: &[Ask]) -> Result<HashMap<String, EarlierResult>, (usize, &'static str)> {
    let asked: std::collections::HashSet<&str> = asks.iter().map(|ask| ask.key.as_str()).collect();
    let mut known = HashMap::new();
    let (lines, cut) = bytes.split_at(whole(bytes));
    let lines = lines.split_inclusive(|&byte| byte == b'\n');
    if !cut.starts_with(LINE_START) && !LINE_START.starts_with(cut) {
        return Err((lines.count() + 1, "is not a result of a batch"));
    }
    for (at, line) in lines.enumerate() {
        let line: Line = serde_json::from_slice(line).map_err(|_| (at + 1, "is not a result of a batch"))?;
        if !asked.contains(line.key.as_str()) {
            return Err((at + 1, "is the result of another question"));
        }
        let is_missing = line.error.is_some_and(|error| !error.may_have_had_effect);
        known.insert(line.key, EarlierResult { exit: exit_of(&line.outcome), is_missing });
    }
    Ok(known)
}

fn sorted(text: &str, asks: &[Ask]) -> String {
    let place: HashMap<&str, usize> =
        asks.iter().enumerate().map(|(at, ask)| (ask.key.as_str(), at)).collect();
    let mut lines: Vec<Option<&str>> = vec![None; asks.len()];
    for line in text.split_inclusive('\n') {
        let read: Option<Line> = serde_json::from_str(line).ok();
        if let Some(place) = read.and_then(|line| place.get(line.key.as_str()).copied()) {
            lines[place] = Some(line);
        }
    }
    lines.into_iter().flatten().collect()
}

fn exit_of(outcome: &str) -> Exit {
    match outcome {
        "completed" => Exit::Completed,
        "truncated" => Exit::Truncated,
        "cancelled" => Exit::Interrupted,
        "timed_out" => Exit::TimedOut,
        _ => Exit::Failed,
    }
}

/// The line of a result. `may_have_had_effect` comes from the relay.
pub fn line(ask: &Ask, job: &Job, outcome: &Outcome, may_have_had_effect: bool) -> String {
    let mut error = json::error(&outcome.ending);
    if let Some(error) = error.as_object_mut() {
        error.insert("may_have_had_effect".to_owned(), may_have_had_effect.into());
    }
    let reason = match &outcome.ending {
        Ending::Completed(reason) => reason.as_ref().map(FinishReason::as_str),
        Ending::Truncated(_) | Ending::Cancelled { .. } | Ending::TimedOut { .. } | Ending::Failed(_) => None,
    };
    let reply = &outcome.reply;
    let calls: Vec<Value> = reply
        .tool_calls
        .iter()
        .map(|call| json!({ "name": call.name, "arguments": call.arguments, "id": call.id }))
        .collect();
    json::line(&json!({
        "number": ask.number,
        "id": ask.id,
        "model": ask.request.model,
        "question": ask.question,
        "outcome": outcome.ending.as_str(),
        "reason": reason,
        "text": reply.text,
        "thinking": reply.thinking,
        "tool_calls": calls,
        "error": error,
        "usage": reply.usage,
        "ended_at": job.ended_at,
        "job": job.id,
        "key": ask.key,
    }))
}

#[cfg(test)]
mod tests {
    use towline::ChatRequest;

    use super::*;

    fn ask(key: &str) -> Ask {
        let request = ChatRequest::new("m");
        Ask { number: 1, id: None, question: "q".into(), request, key: key.into() }
    }

    fn done(key: &str) -> String {
        format!("{{\"key\":\"{key}\",\"outcome\":\"completed\",\"error\":null}}\n")
    }

    fn failed(key: &str, may_have_had_effect: bool) -> String {
        format!(
            "{{\"key\":\"{key}\",\"outcome\":\"failed\",\"error\":{{\"may_have_had_effect\":{may_have_had_effect}}}}}\n"
        )
    }

    #[test]
    fn a_file_says_what_is_missing_and_its_last_word_counts() {
        let asks = ["a", "b", "c", "d"].map(ask);
        let text = [failed("a", false), failed("b", false), failed("c", true), done("b")].concat();
        let known = known(text.as_bytes(), &asks).unwrap();
        assert!(known["a"].is_missing && !known["b"].is_missing && !known["c"].is_missing);
        assert_eq!((known["b"].exit, known["c"].exit, known.len()), (Exit::Completed, Exit::Failed, 3));
        assert_eq!(sorted(&text, &asks), [failed("a", false), done("b"), failed("c", true)].concat());
    }

    #[test]
    fn results_of_other_questions_are_left_alone() {
        assert_eq!(known(done("x").as_bytes(), &[ask("a")]).unwrap_err().0, 1);
        assert_eq!(known(b"hello\n", &[ask("a")]).unwrap_err().1, "is not a result of a batch");
    }

    #[test]
    fn a_file_that_was_named_by_mistake_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.json");
        for mine in [&b"{\"all\":\"mine\"}"[..], b"hello\nworld", b"\xff\xfe\n\xff", b"\n"] {
            std::fs::write(&path, mine).unwrap();
            assert!(Results::open(Some(&path), &[ask("a")]).is_err());
            assert_eq!(std::fs::read(&path).unwrap(), mine);
        }
    }

    #[test]
    fn a_line_that_was_cut_is_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let (path, asks) = (folder.path().join("r.jsonl"), ["a", "b"].map(ask));
        std::fs::write(&path, [done("b").as_bytes(), b"{\"number\":1,\"question\":\"\xe2\x82"].concat())
            .unwrap();
        let (mut results, known) = Results::open(Some(&path), &asks).unwrap();
        assert_eq!(known.keys().collect::<Vec<_>>(), ["b"]);
        assert!(Results::open(Some(&path), &asks).is_err(), "one writes it already");
        results.write(&done("a")).unwrap();
        results.finish(&asks).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), done("a") + &done("b"));
    }
}
