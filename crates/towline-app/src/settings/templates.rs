//! Templates of questions: Markdown files in a folder, each with front matter that has the settings of the
//! question.
//!
//! ```text
//! ---
//! model = "qwen3"
//! system = "You review code."
//! options = { temperature = 0.2 }
//! ---
//! Review this as of {{date}}, with an eye on {{topic}}:
//!
//! {{input}}
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use toml::de::DeTable;
use towline::api::{Format, Options, Think};

use super::{Reading, folders, text, think};
use crate::chat::Settings;
use crate::text::nearest::nearest;

/// The largest template, in bytes.
const MAX_BYTES: u64 = 1 << 20;
/// The largest schema, in bytes.
const SCHEMA_BYTES: u64 = 16 << 20;
/// The extension of the files.
const ENDING: &str = "md";
const KEYS: [&str; 5] = ["model", "system", "think", "format", "options"];

/// A question with fields to fill in.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Template {
    /// `model`: the model to ask.
    pub model: Option<String>,
    /// `system`: instructions to the model.
    pub system: Option<String>,
    /// `think`: whether, and how much, to think.
    pub think: Option<Think>,
    /// `format`: `json`, or a schema file.
    pub format: Option<String>,
    /// `options`: model options.
    pub options: Options,
    /// The question.
    pub text: String,
}

/// The folder of this user's templates; `None` if there is no home folder.
pub fn folder() -> Option<PathBuf> {
    Some(folders::config()?.join("templates"))
}

/// The path of the template of this name, whether it exists or not.
///
/// # Errors
/// If the name would lead out of the folder.
pub fn path(folder: &Path, name: &str) -> Result<PathBuf, String> {
    let name = name.strip_suffix(".md").unwrap_or(name);
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0', '\n']) {
        return Err(format!("{name:?} cannot be a template's name"));
    }
    Ok(folder.join(format!("{name}.{ENDING}")))
}

/// The names of the templates, sorted. Empty if there is no folder.
pub fn names(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut names: Vec<String> = files
        .filter(|path| path.extension().is_some_and(|ending| ending == ENDING))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    names
}

/// Reads a template.
///
/// # Errors
/// If there is none, or if it is invalid; names the error and its line.
pub fn read(folder: &Path, name: &str) -> Result<Template, String> {
    let path = path(folder, name)?;
    let shown = path.display();
    match std::fs::metadata(&path) {
        Ok(metadata) if metadata.len() <= MAX_BYTES => {}
        Ok(_) => return Err(format!("{shown} is larger than 1 MiB")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let names = names(folder);
            return Err(match nearest(names.iter().map(String::as_str), name) {
                Some(known) => format!("there is no template {name}; did you mean {known}?"),
                None => format!("there is no template {name}; they are in {}", folder.display()),
            });
        }
        Err(error) => return Err(format!("{shown} cannot be read: {error}")),
    }
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{shown} cannot be read: {error}"))?;
    Template::parse(&text).map_err(|what| format!("{shown}, {what}"))
}

/// Reads the schema that a template or the user names.
///
/// # Errors
/// If it cannot be read, or is not a JSON schema.
pub fn schema(path: &Path) -> Result<Value, String> {
    let shown = path.display();
    match std::fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => return Err(format!("{shown} is not a file")),
        Ok(metadata) if metadata.len() > SCHEMA_BYTES => {
            return Err(format!("{shown} is larger than {} MiB", SCHEMA_BYTES >> 20));
        }
        // Errors of the file are reported when it is read.
        Ok(_) | Err(_) => {}
    }
    let bytes = std::fs::read(path).map_err(|error| format!("{shown} cannot be read: {error}"))?;
    let schema: Value =
        serde_json::from_slice(&bytes).map_err(|error| format!("{shown} is not JSON: {error}"))?;
    match schema.is_object() {
        true => Ok(schema),
        false => Err(format!("{shown} is not a JSON schema: it is not an object")),
    }
}

impl Template {
    /// Applies its settings to a conversation, except a schema, which is a separate file. Returns its
    /// question, with today's date and the typed text.
    pub fn begin(&self, settings: &mut Settings, input: &str) -> String {
        settings.options.0.extend(self.options.0.clone());
        settings.system = self.system.clone().or(settings.system.take());
        settings.think = self.think.clone().or(settings.think.take());
        if let Some(model) = &self.model {
            settings.model.clone_from(model);
        }
        if self.format.as_deref() == Some("json") {
            settings.format = Some(Format::Json);
        }
        let mut known = BTreeMap::from([("date".to_owned(), jiff::Zoned::now().date().to_string())]);
        if !input.is_empty() {
            known.insert("input".to_owned(), input.to_owned());
        }
        self.fill(&known)
    }

    /// The schema file for the answers, if it names one.
    pub fn schema_file(&self) -> Option<PathBuf> {
        self.format.as_ref().filter(|format| *format != "json").map(PathBuf::from)
    }

    /// Whether a question has fields that are not filled in yet.
    pub fn has_fields(question: &str) -> bool {
        parts(question).any(|part| matches!(part, Part::Field(_)))
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// What is wrong with its front matter.
    pub fn parse(file: &str) -> Result<Self, String> {
        let Some((head, question)) = head(file) else {
            return Ok(Self { text: file.trim().to_owned(), ..Self::default() });
        };
        let table = DeTable::parse(head).map_err(|error| {
            let at = error.span().unwrap_or_default();
            format!("line {}: {}", line(head, at.start), error.message())
        })?;
        let mut template = Self { text: question.trim().to_owned(), ..Self::default() };
        for (key, value) in table.get_ref() {
            let at = line(head, key.span().start);
            template.entry(head, key.get_ref(), value).map_err(|what| format!("line {at}: {what}"))?;
        }
        Ok(template)
    }

    fn entry(
        &mut self,
        head: &str,
        key: &str,
        value: &toml::Spanned<toml::de::DeValue<'_>>,
    ) -> Result<(), String> {
        let value = value.get_ref();
        match key {
            "model" => self.model = Some(text(key, value)?),
            "system" => self.system = Some(text(key, value)?),
            "think" => self.think = Some(think(key, value)?),
            "format" => self.format = Some(text(key, value)?),
            "options" => {
                let mut reading = Reading::of(head);
                reading.options(value)?;
                if let Some(warning) = reading.warnings.first() {
                    return Err(warning.clone());
                }
                self.options = reading.config.options;
            }
            _ => {
                return Err(match nearest(KEYS.into_iter(), key) {
                    Some(known) => format!("a template has no key {key}; did you mean {known}?"),
                    None => format!("a template has no key {key}; the keys are {}", KEYS.join(", ")),
                });
            }
        }
        Ok(())
    }

    /// The fields of its question, each once.
    pub fn fields(&self) -> Vec<&str> {
        let mut fields = vec![];
        for part in parts(&self.text) {
            if let Part::Field(name) = part
                && !fields.contains(&name)
            {
                fields.push(name);
            }
        }
        fields
    }

    /// The question with its fields filled in; unknown fields stay as they are, and inserted text is not
    /// expanded again. If there is no `input` field, the input is appended.
    pub fn fill(&self, known: &BTreeMap<String, String>) -> String {
        let mut filled = String::new();
        for part in parts(&self.text) {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Field(name) => match known.get(name) {
                    Some(value) => filled.push_str(value),
                    None => filled.push_str(&format!("{{{{{name}}}}}")),
                },
            }
        }
        if !self.fields().contains(&"input")
            && let Some(input) = known.get("input").filter(|input| !input.is_empty())
        {
            filled.push_str(&format!("\n\n{input}"));
        }
        filled
    }
}

/// The front matter of a file, and the rest.
fn head(file: &str) -> Option<(&str, &str)> {
    let file = file.strip_prefix('\u{feff}').unwrap_or(file);
    let (mark, rest) = file.split_once('\n')?;
    let mark = mark.trim_end();
    if !matches!(mark, "---" | "+++") {
        return None;
    }
    let mut at = 0;
    for line in rest.split_inclusive('\n') {
        if line.trim_end() == mark {
            return Some((&rest[..at], &rest[at + line.len()..]));
        }
        at += line.len();
    }
    None
}

/// The line in the file of a position in its front matter.
fn line(head: &str, at: usize) -> usize {
    2 + head.get(..at).map_or(0, |before| before.matches('\n').count())
}

enum Part<'a> {
    Text(&'a str),
    Field(&'a str),
}

fn parts(text: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        if let Some((name, after)) = field(rest) {
            rest = after;
            return Some(Part::Field(name));
        }
        let next = (1..rest.len()).find(|at| rest.is_char_boundary(*at) && field(&rest[*at..]).is_some());
        let (text, after) = rest.split_at(next.unwrap_or(rest.len()));
        rest = after;
        Some(Part::Text(text))
    })
}

/// The field at the beginning of a text.
fn field(text: &str) -> Option<(&str, &str)> {
    let (name, after) = text.strip_prefix("{{")?.split_once("}}")?;
    let name = name.trim();
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    (!name.is_empty() && name.chars().all(is_name)).then_some((name, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(fields: &[(&str, &str)]) -> BTreeMap<String, String> {
        fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_head_says_what_a_question_is_asked_with() {
        let file = "---\nmodel = \"qwen3\"\nsystem = \"Be brief.\"\nthink = \"low\"\nformat = \"json\"\n\
                    options = { temperature = 0.2, stop = [\"END\"] }\n---\n\nReview {{ input }}.\n";
        let template = Template::parse(file).unwrap();
        assert_eq!(template.model.as_deref(), Some("qwen3"));
        assert_eq!(template.think, Some(Think::Level("low".into())));
        assert_eq!(template.format.as_deref(), Some("json"));
        assert_eq!(template.options.0.len(), 2);
        assert_eq!((template.text.as_str(), template.fields()), ("Review {{ input }}.", vec!["input"]));
        assert_eq!(Template::parse("Only text.").unwrap().text, "Only text.");
        assert_eq!(Template::parse("---\nno head").unwrap().text, "---\nno head");
    }

    #[test]
    fn fields_are_filled_once() {
        for (text, fields, filled) in [
            ("a {{input}} b {{input}}", &[("input", "{{date}}")][..], "a {{date}} b {{date}}"),
            ("on {{date}}", &[("date", "today"), ("input", "x")], "on today\n\nx"),
            ("{{topic}} {{ {{}} {{a b}} }}", &[], "{{topic}} {{ {{}} {{a b}} }}"),
            ("{{{input}}}", &[("input", "x")], "{x}"),
        ] {
            let template = Template { text: text.to_owned(), ..Template::default() };
            assert_eq!(template.fill(&known(fields)), filled, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_head_is_said_with_its_line() {
        for (file, what) in [
            ("---\nmodle = \"x\"\n---\n", "line 2: a template has no key modle; did you mean model?"),
            ("---\nmodel = \"x\"\nsystem = 3\n---\n", "line 3: system takes a text"),
            ("---\nmodel: x\n---\n", "line 2: "),
            ("+++\noptions = { num_ctx = \"big\" }\n+++\n", "line 2: "),
        ] {
            let wrong = Template::parse(file).unwrap_err();
            assert!(wrong.starts_with(what), "{file}: {wrong}");
        }
    }

    #[test]
    fn templates_are_files_of_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["review.md", "notes.txt", "commit.md"] {
            std::fs::write(folder.path().join(name), "Do it.").unwrap();
        }
        assert_eq!(names(folder.path()), ["commit", "review"]);
        assert_eq!(read(folder.path(), "review").unwrap().text, "Do it.");
        assert_eq!(
            read(folder.path(), "reviwe").unwrap_err(),
            "there is no template reviwe; did you mean review?"
        );
        assert!(read(folder.path(), "../review").unwrap_err().contains("cannot be a template's name"));
    }
}
