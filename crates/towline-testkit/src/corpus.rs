//! The streams under `/corpus`, with the expectations of a correct reader. `/corpus/README.md` has the rules.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::Value;

/// A folder of the corpus: one kind of request to one kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    OllamaChat,
    OllamaGenerate,
    OllamaPull,
    OllamaPush,
    OllamaCreate,
    OpenAiChat,
}

impl Dialect {
    pub const ALL: [Dialect; 6] = [
        Dialect::OllamaChat,
        Dialect::OllamaGenerate,
        Dialect::OllamaPull,
        Dialect::OllamaPush,
        Dialect::OllamaCreate,
        Dialect::OpenAiChat,
    ];

    /// The folder's name.
    pub fn name(self) -> &'static str {
        match self {
            Dialect::OllamaChat => "ollama-chat",
            Dialect::OllamaGenerate => "ollama-generate",
            Dialect::OllamaPull => "ollama-pull",
            Dialect::OllamaPush => "ollama-push",
            Dialect::OllamaCreate => "ollama-create",
            Dialect::OpenAiChat => "openai-chat",
        }
    }
}

/// One stream and its expected reading.
#[derive(Debug, Clone)]
pub struct Case {
    /// `ollama-chat/normal`.
    pub name: String,
    pub dialect: Dialect,
    /// The body, without HTTP framing.
    pub stream: Vec<u8>,
    pub expected: Expected,
}

/// The expectation for a stream.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// In order, nothing merged.
    pub events: Vec<Event>,
    pub ending: Ending,
    /// Why the model stopped, if the stream says so.
    pub reason: Option<String>,
    /// A part of the error text, if the stream has one.
    pub error_contains: Option<String>,
    /// Number of readable records, including the terminal one and an error.
    pub records: usize,
    /// Number of frames that the dialect does not understand.
    #[serde(default)]
    pub not_understood: u64,
    /// Number of invalid UTF-8 sequences that U+FFFD replaces.
    #[serde(default)]
    pub replaced_utf8: usize,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    Text(String),
    Thinking(String),
    ToolCall { id: Option<String>, name: String, arguments: Value },
    Progress(Progress),
    Usage(Usage),
    Logprobs(Vec<Logprob>),
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    pub status: Option<String>,
    pub digest: Option<String>,
    pub completed: Option<u64>,
    pub total: Option<u64>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    pub prompt_tokens: Option<u64>,
    pub completion_tokens: Option<u64>,
    pub cached_tokens: Option<u64>,
    pub total_ns: Option<u64>,
    pub load_ns: Option<u64>,
    pub prompt_ns: Option<u64>,
    pub completion_ns: Option<u64>,
}

/// Compare `logprob` with a tolerance of 1e-9: parsers of decimal text differ in the last bit.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logprob {
    pub token: String,
    pub logprob: f64,
    #[serde(default)]
    pub top: Vec<Logprob>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    Completed,
    Truncated,
    Failed,
}

/// The corpus folder.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus")
}

/// All cases of a dialect, sorted by name.
///
/// # Panics
/// With the name of a missing or invalid file, because a test cannot continue then.
pub fn load(dialect: Dialect) -> Vec<Case> {
    try_load(&folder().join(dialect.name()), dialect).unwrap_or_else(|error| panic!("{error}"))
}

/// All cases of all dialects.
///
/// # Panics
/// As [`load`].
pub fn load_all() -> Vec<Case> {
    Dialect::ALL.into_iter().flat_map(load).collect()
}

/// The cases in a folder.
///
/// # Errors
/// The first file that cannot be read or parsed, or that lacks its counterpart.
pub fn try_load(folder: &Path, dialect: Dialect) -> Result<Vec<Case>, CorpusError> {
    let mut names = Vec::new();
    let entries = fs::read_dir(folder).map_err(|error| CorpusError::read(folder, error))?;
    for entry in entries {
        let path = entry.map_err(|error| CorpusError::read(folder, error))?.path();
        let file_name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(name) = file_name.strip_suffix(".stream") {
            names.push(name.to_owned());
        } else if let Some(name) = file_name.strip_suffix(".expected.json") {
            let stream = folder.join(format!("{name}.stream"));
            fs::metadata(&stream).map_err(|error| CorpusError::read(&stream, error))?;
        }
    }
    names.sort();
    names.iter().map(|name| read_case(folder, name, dialect)).collect()
}

fn read_case(folder: &Path, name: &str, dialect: Dialect) -> Result<Case, CorpusError> {
    let read = |suffix: &str| {
        let path = folder.join(format!("{name}.{suffix}"));
        let bytes = fs::read(&path).map_err(|error| CorpusError::read(&path, error))?;
        Ok((path, bytes))
    };
    let (_, stream) = read("stream")?;
    let (path, json) = read("expected.json")?;
    let expected = serde_json::from_slice(&json).map_err(|error| CorpusError::read(&path, error.into()))?;
    Ok(Case { name: format!("{}/{name}", dialect.name()), dialect, stream, expected })
}

/// A complete chat whose first record is one line with `text_bytes` bytes of text.
pub fn long_line(text_bytes: usize) -> Case {
    let text = "0123456789abcde ".repeat(text_bytes.div_ceil(16))[..text_bytes].to_owned();
    let mut stream = Vec::with_capacity(text_bytes + 200);
    stream.extend_from_slice(br#"{"model":"m","message":{"role":"assistant","content":""#);
    stream.extend_from_slice(text.as_bytes());
    stream.extend_from_slice(b"\"},\"done\":false}\n");
    stream.extend_from_slice(b"{\"model\":\"m\",\"done\":true,\"done_reason\":\"stop\"}\n");
    let expected = Expected {
        events: vec![Event::Text(text)],
        ending: Ending::Completed,
        reason: Some("stop".to_owned()),
        error_contains: None,
        records: 2,
        not_understood: 0,
        replaced_utf8: 0,
    };
    Case {
        name: format!("ollama-chat/long-line-{text_bytes}"),
        dialect: Dialect::OllamaChat,
        stream,
        expected,
    }
}

/// The error for an invalid file of the corpus.
#[derive(Debug)]
pub struct CorpusError {
    pub path: PathBuf,
    pub error: io::Error,
}

impl CorpusError {
    fn read(path: &Path, error: io::Error) -> CorpusError {
        CorpusError { path: path.to_owned(), error }
    }
}

impl fmt::Display for CorpusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.error)
    }
}

impl std::error::Error for CorpusError {}
