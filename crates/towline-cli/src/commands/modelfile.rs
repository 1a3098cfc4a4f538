//! Modelfiles, which describe how to create a model, parsed as in Ollama (its `parser/parser.go`).
//!
//! A command is at the beginning of a line, in any case. Its value ends with the line that completes it: a
//! value that begins with `"` or `"""` ends with the same quotes, possibly lines later. `#` at the beginning
//! of a line starts a comment.

use std::path::{Path, PathBuf};

use towline::Message;
use towline::api::CreateRequest;

use towline_app::settings::folders::from_home;
use towline_app::settings::options;

/// The contents of a Modelfile.
#[derive(Debug, Default, PartialEq)]
pub struct Modelfile {
    /// The request, without the new model's name and the files.
    pub request: CreateRequest,
    /// The model's files.
    pub files: Vec<Part>,
    /// Files of adapters.
    pub adapters: Vec<Part>,
    /// Files of a draft model.
    pub drafts: Vec<Part>,
    /// Notes for the user.
    pub notes: Vec<String>,
}

/// A file for the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name in the request.
    pub name: String,
    /// Where it is.
    pub source: PartSource,
}

/// Where a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartSource {
    /// On this machine.
    File(PathBuf),
    /// On the server: the digest of one of its blobs, in the notation of `show --modelfile`.
    Blob(String),
}

/// An error in a Modelfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadModelfile {
    /// The line, from 1.
    pub line: usize,
    /// The error, and the expected form.
    pub message: String,
}

const COMMANDS: [&str; 11] = [
    "FROM",
    "PARAMETER",
    "TEMPLATE",
    "SYSTEM",
    "LICENSE",
    "MESSAGE",
    "ADAPTER",
    "DRAFT",
    "RENDERER",
    "PARSER",
    "REQUIRES",
];

/// Parses a Modelfile. Paths of files are relative to `folder`.
pub fn parse(text: &str, folder: &Path) -> Result<Modelfile, BadModelfile> {
    let mut modelfile = Modelfile::default();
    let mut rest = RemainingText { text, line: 1 };
    while let Some((line, command)) = rest.command() {
        let command = command.to_ascii_uppercase();
        let result = match command.as_str() {
            "PARAMETER" => modelfile.parameter(&mut rest),
            "MESSAGE" => modelfile.message(&mut rest),
            known if COMMANDS.contains(&known) => {
                rest.value().and_then(|value| modelfile.command(known, value, folder))
            }
            unknown => Err(format!("{unknown:?} is not a command; they are {}", COMMANDS.join(", "))),
        };
        result.map_err(|message| BadModelfile { line, message })?;
    }
    if modelfile.request.from.is_none() && modelfile.files.is_empty() {
        let message = "there is no FROM line, which names a model or files to start from".to_owned();
        return Err(BadModelfile { line: rest.line, message });
    }
    Ok(modelfile)
}

impl Modelfile {
    fn command(&mut self, command: &str, value: String, folder: &Path) -> Result<(), String> {
        if value.is_empty() && !matches!(command, "SYSTEM" | "TEMPLATE") {
            return Err(format!("{command} needs a value"));
        }
        let request = &mut self.request;
        match command {
            "FROM" => match parts(&value, folder)? {
                Some(parts) => self.files.extend(parts),
                None if request.from.is_some() => {
                    return Err("an earlier FROM already names a model".to_owned());
                }
                None => request.from = Some(value),
            },
            "ADAPTER" => self.adapters.extend(parts(&value, folder)?.ok_or_else(|| missing(&value))?),
            "DRAFT" => self.drafts.extend(parts(&value, folder)?.ok_or_else(|| missing(&value))?),
            "TEMPLATE" => request.template = Some(value),
            "SYSTEM" => request.system = Some(value),
            "LICENSE" => request.license.push(value),
            "RENDERER" => request.renderer = Some(value),
            "PARSER" => request.parser = Some(value),
            _ => request.requires = Some(value),
        }
        Ok(())
    }

    fn parameter(&mut self, rest: &mut RemainingText<'_>) -> Result<(), String> {
        let (name, value) =
            rest.named("PARAMETER takes a name and a value, as in PARAMETER temperature 0.2")?;
        let name = name.to_ascii_lowercase();
        self.notes.extend(options::unknown(&name).map(|unknown| format!("{unknown}; it is sent as it is")));
        self.request.parameters.set_text(&name, &value).map_err(|error| error.to_string())
    }

    fn message(&mut self, rest: &mut RemainingText<'_>) -> Result<(), String> {
        let (role, value) = rest.named("MESSAGE takes a role and a text, as in MESSAGE user Hello")?;
        self.request.messages.push(match role.to_ascii_lowercase().as_str() {
            "system" => Message::system(value),
            "user" => Message::user(value),
            "assistant" => Message::assistant(value),
            _ => return Err(format!("{role:?} is not a role; they are system, user and assistant")),
        });
        Ok(())
    }
}

fn missing(text: &str) -> String {
    format!("there is no file {text}")
}

/// The files that a text names, or `None` if it names a model.
fn parts(text: &str, folder: &Path) -> Result<Option<Vec<Part>>, String> {
    let path = folder.join(from_home(text));
    let name = || path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    if path.is_file() {
        return Ok(Some(vec![Part { name: name(), source: PartSource::File(path) }]));
    }
    if path.is_dir() {
        let parts = folder_parts(&path).map_err(|error| format!("{text} cannot be read: {error}"))?;
        if !parts.is_empty() {
            return Ok(Some(parts));
        }
        if is_path(text) {
            return Err(format!(
                "{text} is a folder without model files (*.safetensors, *.gguf and the like)"
            ));
        }
    }
    if let Some(hex) = name().strip_prefix("sha256-").filter(|hex| is_digest(hex)) {
        return Ok(Some(vec![Part { name: name(), source: PartSource::Blob(format!("sha256:{hex}")) }]));
    }
    if is_path(text) { Err(missing(&path.display().to_string())) } else { Ok(None) }
}

/// The files of a model in a folder: its weights in the first of these formats that exists, their
/// descriptions, and the tokenizer. Names are relative to the folder; subfolders are searched one level deep.
fn folder_parts(folder: &Path) -> std::io::Result<Vec<Part>> {
    type Fits = fn(&str) -> bool;
    const WEIGHTS: [Fits; 5] = [
        |name| name.ends_with(".safetensors"),
        |name| name.starts_with("pytorch_model") && name.ends_with(".bin"),
        |name| name.starts_with("consolidated") && name.ends_with(".pth"),
        |name| name.ends_with(".gguf"),
        |name| name.ends_with(".bin"),
    ];
    let top = names(folder)?;
    let Some(is_weight) = WEIGHTS.iter().find(|fits| top.iter().any(|name| fits(name))) else {
        return Ok(Vec::new());
    };
    let describes = |name: &str| name.ends_with(".json") || name == "tokenizer.model";
    let mut found: Vec<String> =
        top.iter().filter(|name| is_weight(name) || describes(name)).cloned().collect();
    for inner in top.iter().filter(|name| folder.join(name).is_dir()) {
        let names = names(&folder.join(inner))?;
        found.extend(names.iter().filter(|name| describes(name)).map(|name| format!("{inner}/{name}")));
    }
    found.retain(|name| folder.join(name).is_file());
    Ok(found.into_iter().map(|name| Part { source: PartSource::File(folder.join(&name)), name }).collect())
}

fn names(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        names.extend(entry?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

fn is_digest(hex: &str) -> bool {
    hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether a text can only be a path.
fn is_path(text: &str) -> bool {
    let is_file_name = Path::new(text).extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gguf"));
    is_file_name || ["./", "../", "/", "~/"].iter().any(|start| text.starts_with(start)) || text == "."
}

/// The rest of the text, and the number of its first line.
struct RemainingText<'a> {
    text: &'a str,
    line: usize,
}

impl<'a> RemainingText<'a> {
    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.text.split_at(bytes);
        self.text = rest;
        self.line += taken.matches('\n').count();
        taken
    }

    /// The next command, and its line.
    fn command(&mut self) -> Option<(usize, &'a str)> {
        loop {
            let blank = self.text.len() - self.text.trim_start().len();
            self.take(blank);
            if !self.text.starts_with('#') {
                break;
            }
            self.take(self.text.find('\n').unwrap_or(self.text.len()));
        }
        let line = self.line;
        Some(self.word()).filter(|word| !word.is_empty()).map(|word| (line, word))
    }

    fn word(&mut self) -> &'a str {
        self.take(self.text.find(char::is_whitespace).unwrap_or(self.text.len()))
    }

    /// The value that begins here.
    fn value(&mut self) -> Result<String, String> {
        let ends = self.text.match_indices(['\n', '\r']).map(|(at, _)| at).chain([self.text.len()]);
        let begins = self.text.len() - self.text.trim_start_matches([' ', '\t']).len();
        let mut wholes =
            ends.map(|at| (at, unquoted(self.text[begins.min(at)..at].trim_end_matches([' ', '\t']))));
        let Some((at, value)) = wholes.find_map(|(at, value)| Some((at, value?.to_owned()))) else {
            let quote = if self.text.trim_start().starts_with("\"\"\"") { "\"\"\"" } else { "\"" };
            return Err(format!("the text that begins with {quote} has no end: end a line with {quote}"));
        };
        self.take(at);
        Ok(value)
    }

    /// A name and the value after it.
    fn named(&mut self, usage: &str) -> Result<(&'a str, String), String> {
        let blank = self.text.len() - self.text.trim_start_matches([' ', '\t']).len();
        self.take(blank);
        let name = self.word();
        match self.value()? {
            value if name.is_empty() || value.is_empty() => Err(usage.to_owned()),
            value => Ok((name, value)),
        }
    }
}

/// A complete value without its quotes; `None` if it continues.
fn unquoted(text: &str) -> Option<&str> {
    ["\"\"\"", "\""]
        .iter()
        .find(|quote| text.starts_with(**quote))
        .map_or(Some(text), |quote| text.strip_prefix(quote)?.strip_suffix(quote))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(text: &str) -> Result<Modelfile, (usize, String)> {
        parse(text, Path::new("")).map_err(|error| (error.line, error.message))
    }

    #[test]
    fn every_command_finds_its_place() {
        let text = "# a comment\nfrom llama3.2\r\n\nPARAMETER temperature 0.2\nPARAMETER stop \"<|end|>\"\n\
                    PARAMETER stop user:\nSYSTEM \"\"\"You are\nterse.\n\"\"\"\nTEMPLATE {{ .Prompt }}\n\
                    LICENSE \"MIT\"\nMESSAGE user Hello there\nMESSAGE assistant \"\"\"Hi.\"\"\"\nREQUIRES 0.14.0\n\
                    PARAMETER use_mmap True\nPARAMETER top_a 0.5\nrenderer qwen3\nPARSER qwen3\n   SYSTEM   ";
        let modelfile = parsed(text).unwrap();
        assert_eq!(
            modelfile.notes,
            ["Ollama has no option \"top_a\" (did you mean top_p?); it is sent as it is"]
        );
        assert_eq!(
            serde_json::to_value(modelfile.request).unwrap(),
            json!({
                "model": "", "from": "llama3.2", "template": "{{ .Prompt }}", "license": ["MIT"], "system": "",
                "parameters": { "temperature": 0.2, "stop": ["<|end|>", "user:"], "use_mmap": true, "top_a": 0.5 },
                "messages": [
                    { "role": "user", "content": "Hello there" }, { "role": "assistant", "content": "Hi." },
                ],
                "requires": "0.14.0", "renderer": "qwen3", "parser": "qwen3",
            })
        );
    }

    #[test]
    fn a_value_ends_where_its_quotes_do() {
        for (text, value) in [
            ("\"one\ntwo\"", "one\ntwo"),
            ("\"{{- if .System }}a\n{{ end }}b\n\"\nPARAMETER seed 1", "{{- if .System }}a\n{{ end }}b\n"),
            ("\"say \"hi\" to\nme\" \t\n", "say \"hi\" to\nme"),
            ("\"\"\"one \"two\"\nthree\"\"\"", "one \"two\"\nthree"),
            ("\"\"\"a\"\"\" b\nc\"\"\"", "a\"\"\" b\nc"),
            ("a \"b\" c \n", "a \"b\" c"),
            ("\"a\r\nb\"\r\n", "a\r\nb"),
        ] {
            let modelfile = parsed(&format!("FROM m\nTEMPLATE {text}")).unwrap();
            assert_eq!(modelfile.request.template.as_deref(), Some(value), "{text:?}");
        }
        let blank = format!("FROM m\nSYSTEM \"{}\"", "\n".repeat(1 << 20));
        assert_eq!(parsed(&blank).unwrap().request.system.map(|text| text.len()), Some(1 << 20));
    }

    /// Ollama 0.33's output for a model, byte for byte.
    #[test]
    fn what_a_server_shows_can_be_created() {
        let digest = "d6989976b8e8f97e03cf68da1f8012c26cb162801e3c33b9e9170a614990d751";
        let template = "{{- if .System }}<|im_start|>system\n{{ .System }}<|im_end|>\n{{ end }}{{- range .Messages }}\
                        <|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n";
        let text = format!(
            "# Modelfile generated by \"ollama show\"\n# To build a new Modelfile based on this, replace FROM with:\n\
             # FROM think:latest\n\nFROM /srv/none/blobs/sha256-{digest}\nTEMPLATE \"{template}\"\n\
             PARAMETER stop <|im_start|>\nPARAMETER stop <|im_end|>\n"
        );
        let modelfile = parsed(&text).unwrap();
        let blob =
            Part { name: format!("sha256-{digest}"), source: PartSource::Blob(format!("sha256:{digest}")) };
        assert_eq!((modelfile.files.as_slice(), modelfile.request.from), (&[blob][..], None));
        assert_eq!(modelfile.request.template.as_deref(), Some(template));
        assert_eq!(modelfile.request.parameters.0["stop"], json!(["<|im_start|>", "<|im_end|>"]));
    }

    #[test]
    fn errors_name_their_line() {
        for (text, line, part) in [
            ("", 1, "no FROM"),
            ("FROM a\nFORM b", 2, "\"FORM\" is not a command"),
            ("FROM a\n\nPARAMETER temperature hot", 3, "takes a number"),
            ("FROM a\nPARAMETER seed", 2, "a name and a value"),
            ("FROM a\nSYSTEM \"\"\"open\nand on", 2, "has no end"),
            ("FROM a\nSYSTEM \"open", 2, "has no end"),
            ("FROM a\nSYSTEM \"\"\"x\"\"\" y", 2, "has no end"),
            ("FROM a\nMESSAGE robot Hi", 2, "not a role"),
            ("FROM ./missing.gguf", 1, "no file"),
            ("FROM a\nADAPTER lora.bin", 2, "no file"),
            ("FROM a\nDRAFT small", 2, "no file"),
            ("FROM a\nFROM b", 2, "already"),
            ("FROM", 1, "needs a value"),
        ] {
            let (at, message) = parsed(text).unwrap_err();
            assert!(at == line && message.contains(part), "{text:?}: line {at}: {message}");
        }
    }

    #[test]
    fn files_beside_the_modelfile_are_files() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| std::fs::write(folder.path().join(name), "x").unwrap();
        write("m.gguf");
        let named = |parts: &[Part]| parts.iter().map(|part| part.name.clone()).collect::<Vec<_>>();
        let modelfile = parse("FROM m.gguf\nDRAFT ./m.gguf", folder.path()).unwrap();
        assert_eq!(
            (named(&modelfile.files), named(&modelfile.drafts)),
            (vec!["m.gguf".into()], vec!["m.gguf".into()])
        );
        assert_eq!(modelfile.request.from, None);
        std::fs::create_dir_all(folder.path().join("hf/1_Pooling")).unwrap();
        for name in [
            "model-2.safetensors",
            "model-1.safetensors",
            "config.json",
            "README.md",
            "1_Pooling/config.json",
        ] {
            write(&format!("hf/{name}"));
        }
        let modelfile = parse("FROM hf", folder.path()).unwrap();
        let expected = ["config.json", "model-1.safetensors", "model-2.safetensors", "1_Pooling/config.json"];
        assert_eq!(named(&modelfile.files), expected);
        std::fs::create_dir(folder.path().join("empty")).unwrap();
        assert_eq!(parse("FROM empty", folder.path()).unwrap().request.from.as_deref(), Some("empty"));
        assert!(parse("FROM ./empty", folder.path()).is_err());
    }
}
