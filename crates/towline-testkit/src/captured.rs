//! The exchanges with real servers under `/corpus/captured`, with their expectations. `/corpus/README.md` has
//! the rules.

use std::{collections::BTreeMap, fs, ops::Range, path::Path, time::Duration};

use serde::Deserialize;

use crate::corpus::{Ending, Event, Progress, Usage, folder};

/// One request and a server's response.
#[derive(Debug, Clone)]
pub struct Capture {
    /// `ollama/chat-stream`.
    pub name: String,
    pub method: String,
    pub path: String,
    /// The whole response as it arrived: head, body, chunk framing.
    pub response: Vec<u8>,
    /// When each piece of the response arrived, since the request was sent, and its position.
    pub pieces: Vec<(Duration, Range<usize>)>,
    pub closed: Duration,
    pub meaning: Meaning,
}

/// The expectation of an exchange. The parts of a stream are joined.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Meaning {
    pub status: u16,
    /// A server's error message; empty if the error has none.
    pub error: Option<String>,
    /// Only for a stream, like all fields below.
    pub ending: Option<Ending>,
    pub reason: Option<String>,
    #[serde(default)]
    pub records: u64,
    /// The number of bytes of the body after which the answer is complete.
    pub complete_at: Option<usize>,
    #[serde(default)]
    pub text: String,
    #[serde(default)]
    pub thinking: String,
    /// The last one.
    pub tool_call: Option<ToolCall>,
    /// The last one.
    pub usage: Option<Usage>,
    /// The first one and the last one.
    pub progress: Option<(Progress, Progress)>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    pub id: Option<String>,
    pub name: String,
    pub arguments: serde_json::Value,
}

impl From<ToolCall> for Event {
    fn from(call: ToolCall) -> Event {
        Event::ToolCall { id: call.id, name: call.name, arguments: call.arguments }
    }
}

/// All exchanges, sorted by name.
///
/// # Panics
/// With the name of a missing or invalid file, because a test cannot continue then.
pub fn load() -> Vec<Capture> {
    let folder = folder().join("captured");
    let meanings: BTreeMap<String, Meaning> =
        serde_json::from_slice(&read(&folder.join("meaning.json"))).expect("meaning.json");
    meanings.into_iter().map(|(name, meaning)| capture(&folder, name, meaning)).collect()
}

fn capture(folder: &Path, name: String, meaning: Meaning) -> Capture {
    let file = |suffix: &str| read(&folder.join(format!("{name}.{suffix}")));
    let request = String::from_utf8_lossy(&file("request")).into_owned();
    let mut words = request.split(' ');
    let mut word = || words.next().unwrap_or_else(|| panic!("{name}: no request line")).to_owned();
    let (method, path) = (word(), word());
    let times = String::from_utf8(file("times")).unwrap_or_else(|error| panic!("{name}: {error}"));
    let pieces = times.lines().filter(|line| !line.starts_with('#')).map(|line| piece(&name, line)).collect();
    let closed = times.rsplit_once("closed at ").map_or("", |(_, ms)| ms);
    Capture { method, path, response: file("response"), pieces, closed: time(&name, closed), name, meaning }
}

fn piece(name: &str, line: &str) -> (Duration, Range<usize>) {
    let fields: Vec<&str> = line.split('\t').collect();
    let [ms, start, length] = fields[..] else { panic!("{name}.times: {line}") };
    let number = |text: &str| text.parse::<usize>().unwrap_or_else(|error| panic!("{name}.times: {error}"));
    (time(name, ms), number(start)..number(start) + number(length))
}

fn time(name: &str, ms: &str) -> Duration {
    let ms: f64 = ms.trim().parse().unwrap_or_else(|error| panic!("{name}.times: {ms:?}: {error}"));
    Duration::from_secs_f64(ms / 1000.0)
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
