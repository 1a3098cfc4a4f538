//! Modelfiles: how a model is made, as Ollama writes it down.
//!
//! A command stands at the beginning of a line, in any case. Its value ends with the line, or is between `"` and `"`, or
//! between `"""` and `"""` over several lines. `#` at the beginning of a line begins a comment.

use std::path::{Path, PathBuf};

use towline::{CreateRequest, Message};

/// What a Modelfile asks for.
#[derive(Debug, Default, PartialEq)]
pub struct Modelfile {
    /// The request, but for the new model's name and for files.
    pub request: CreateRequest,
    /// Model files on this machine, to be sent.
    pub files: Vec<PathBuf>,
    /// Adapter files on this machine, to be sent.
    pub adapters: Vec<PathBuf>,
}

/// What is wrong with a Modelfile, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadModelfile {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

const COMMANDS: [&str; 10] = [
    "FROM",
    "PARAMETER",
    "TEMPLATE",
    "SYSTEM",
    "LICENSE",
    "MESSAGE",
    "ADAPTER",
    "RENDERER",
    "PARSER",
    "REQUIRES",
];

/// Reads a Modelfile. Files are looked for from `folder` on.
pub fn parse(text: &str, folder: &Path) -> Result<Modelfile, BadModelfile> {
    let mut modelfile = Modelfile::default();
    let mut lines = Lines { rest: text.trim_start_matches('\u{feff}'), number: 0 };
    while let Some(line) = lines.next() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let number = lines.number;
        let (command, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let command = command.to_ascii_uppercase();
        if !COMMANDS.contains(&command.as_str()) {
            let known = COMMANDS.join(", ");
            let message = format!("{command:?} is not a command; they are {known}");
            return Err(BadModelfile { line: number, message });
        }
        let result = match command.as_str() {
            "PARAMETER" => modelfile.parameter(value, &mut lines),
            "MESSAGE" => modelfile.message(value, &mut lines),
            other => lines.value(value).and_then(|value| modelfile.command(other, value, folder)),
        };
        result.map_err(|message| BadModelfile { line: number, message })?;
    }
    if modelfile.request.from.is_none() && modelfile.files.is_empty() {
        let message = "there is no FROM line, which names a model or a GGUF file to start from".to_owned();
        return Err(BadModelfile { line: lines.number.max(1), message });
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
            "FROM" => match file(&value, folder)? {
                Some(path) => self.files.push(path),
                None if request.from.is_some() => {
                    return Err("there is a FROM with a model already".to_owned());
                }
                None => request.from = Some(value),
            },
            "ADAPTER" => match file(&value, folder)? {
                Some(path) => self.adapters.push(path),
                None => return Err(format!("there is no file {value}")),
            },
            "TEMPLATE" => request.template = Some(value),
            "SYSTEM" => request.system = Some(value),
            "LICENSE" => request.license.push(value),
            "RENDERER" => request.renderer = Some(value),
            "PARSER" => request.parser = Some(value),
            _ => request.requires = Some(value),
        }
        Ok(())
    }

    fn parameter(&mut self, rest: &str, lines: &mut Lines<'_>) -> Result<(), String> {
        let (name, value) =
            two_words(rest, "PARAMETER takes a name and a value, as in PARAMETER temperature 0.2")?;
        let value = lines.value(value)?;
        self.request
            .parameters
            .set_text(&name.to_ascii_lowercase(), &value)
            .map_err(|error| error.to_string())
    }

    fn message(&mut self, rest: &str, lines: &mut Lines<'_>) -> Result<(), String> {
        let (role, value) = two_words(rest, "MESSAGE takes a role and a text, as in MESSAGE user Hello")?;
        let value = lines.value(value)?;
        self.request.messages.push(match role.to_ascii_lowercase().as_str() {
            "system" => Message::system(value),
            "user" => Message::user(value),
            "assistant" => Message::assistant(value),
            _ => return Err(format!("{role:?} is not a role; they are system, user and assistant")),
        });
        Ok(())
    }
}

fn two_words<'a>(text: &'a str, message: &str) -> Result<(&'a str, &'a str), String> {
    let (first, rest) = text.trim_start().split_once(char::is_whitespace).ok_or(message)?;
    if rest.trim().is_empty() { Err(message.to_owned()) } else { Ok((first, rest)) }
}

/// The file a text names, or `None` when it names a model.
fn file(text: &str, folder: &Path) -> Result<Option<PathBuf>, String> {
    let home = || std::env::var_os("HOME").map(PathBuf::from);
    let path = match (text.strip_prefix("~/"), home()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => folder.join(text),
    };
    if path.is_file() {
        return Ok(Some(path));
    }
    if path.is_dir() && is_path(text) {
        return Err(format!("{text} is a folder; name a GGUF file in it"));
    }
    if is_path(text) { Err(format!("there is no file {}", path.display())) } else { Ok(None) }
}

/// Whether a text can only be meant as a file.
fn is_path(text: &str) -> bool {
    let is_file_name = Path::new(text).extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gguf"));
    is_file_name || ["./", "../", "/", "~/"].iter().any(|start| text.starts_with(start)) || text == "."
}

/// The lines that are left, with the number of the last one taken.
struct Lines<'a> {
    rest: &'a str,
    number: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
        self.rest = rest;
        self.number += 1;
        Some(line.strip_suffix('\r').unwrap_or(line))
    }

    /// The value that begins with `text`, on this line and perhaps the next ones.
    fn value(&mut self, text: &str) -> Result<String, String> {
        let text = text.trim();
        if let Some(first) = text.strip_prefix("\"\"\"") {
            return self.long_value(first);
        }
        match text.strip_prefix('"') {
            Some(inner) => {
                match inner.strip_suffix('"') {
                    Some(value) => Ok(value.to_owned()),
                    None => Err("the text has no closing quote; over several lines it stands between \"\"\""
                        .to_owned()),
                }
            }
            None => Ok(text.to_owned()),
        }
    }

    fn long_value(&mut self, first: &str) -> Result<String, String> {
        let mut value = String::new();
        let mut line = first;
        loop {
            if let Some((last, after)) = line.split_once("\"\"\"") {
                if !after.trim().is_empty() {
                    return Err(format!("after the closing \"\"\" there is {:?}", after.trim()));
                }
                value.push_str(last);
                return Ok(value);
            }
            value.push_str(line);
            value.push('\n');
            line = self.next().ok_or("the text that begins with \"\"\" has no end")?;
        }
    }
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
                    LICENSE \"MIT\"\nMESSAGE user Hello there\nMESSAGE assistant \"\"\"Hi.\"\"\"\nREQUIRES 0.14.0";
        let request = parsed(text).unwrap().request;
        assert_eq!(
            serde_json::to_value(request).unwrap(),
            json!({
                "model": "", "from": "llama3.2", "template": "{{ .Prompt }}", "license": ["MIT"],
                "system": "You are\nterse.\n",
                "parameters": { "temperature": 0.2, "stop": ["<|end|>", "user:"] },
                "messages": [
                    { "role": "user", "content": "Hello there" }, { "role": "assistant", "content": "Hi." },
                ],
                "requires": "0.14.0",
            })
        );
    }

    #[test]
    fn errors_name_their_line() {
        for (text, line, part) in [
            ("", 1, "no FROM"),
            ("FROM a\nFORM b", 2, "\"FORM\" is not a command"),
            ("FROM a\n\nPARAMETER temperature hot", 3, "takes a number"),
            ("FROM a\nPARAMETER heat 1", 2, "no option \"heat\""),
            ("FROM a\nPARAMETER seed", 2, "a name and a value"),
            ("FROM a\nSYSTEM \"\"\"open\nand on", 2, "has no end"),
            ("FROM a\nSYSTEM \"open", 2, "closing quote"),
            ("FROM a\nSYSTEM \"\"\"x\"\"\" y", 2, "after the closing"),
            ("FROM a\nMESSAGE robot Hi", 2, "not a role"),
            ("FROM ./missing.gguf", 1, "no file"),
            ("FROM a\nADAPTER lora.bin", 2, "no file"),
            ("FROM a\nFROM b", 2, "already"),
            ("FROM", 1, "needs a value"),
        ] {
            let (at, message) = parsed(text).unwrap_err();
            assert!(at == line && message.contains(part), "{text:?}: line {at}: {message}");
        }
    }

    #[test]
    fn a_file_beside_the_modelfile_is_a_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("m.gguf"), "x").unwrap();
        let modelfile = parse("FROM m.gguf", folder.path()).unwrap();
        assert_eq!(modelfile.files, [folder.path().join("m.gguf")]);
        assert_eq!(modelfile.request.from, None);
    }
}
