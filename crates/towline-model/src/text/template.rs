//! Chat templates: the Jinja of `tokenizer.chat_template`, with what published templates expect around it.

use jiff::Timestamp;
use minijinja::value::{Kwargs, Value};
use minijinja::{Environment, Error, ErrorKind, context};
use serde::Serialize;

use super::go_template;

/// Steps one rendering may take; a chat of a thousand turns takes some ten thousand.
const MAX_STEPS: u64 = 5_000_000;
const NAME: &str = "chat";

/// One turn of a chat, as templates see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Turn {
    pub(crate) role: String,
    pub(crate) content: String,
}

impl Turn {
    pub(crate) fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: content.into() }
    }
}

/// A parsed template and the special tokens it may write.
#[derive(Debug)]
pub(crate) struct ChatTemplate {
    environment: Environment<'static>,
    source: String,
    begin: String,
    end: String,
}

impl ChatTemplate {
    /// # Errors
    /// What is wrong with the template, in words.
    pub(crate) fn new(source: &str, begin: String, end: String) -> Result<Self, String> {
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_fuel(Some(MAX_STEPS));
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", raise_exception);
        environment.add_function("strftime_now", strftime_now);
        environment.add_filter("tojson", to_json);
        environment
            .add_template_owned(NAME, source.to_owned())
            .map_err(|error| format!("the chat template is malformed: {error:#}"))?;
        Ok(Self { environment, source: source.to_owned(), begin, end })
    }

    /// A template given with a request: Jinja, or the plain part of Ollama's own template language.
    pub(crate) fn from_request(source: &str, begin: String, end: String) -> Result<Self, String> {
        if go_template::looks_like(source) {
            Self::new(&go_template::to_jinja(source)?, begin, end)
        } else {
            Self::new(source, begin, end)
        }
    }

    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// The prompt for these turns. A last turn of the assistant is left open, so that the model continues it.
    ///
    /// # Errors
    /// What the template refused, in words.
    pub(crate) fn render(&self, turns: &[Turn]) -> Result<String, String> {
        let (turns, begun) = match turns.split_last() {
            Some((last, before)) if last.role == "assistant" => (before, last.content.as_str()),
            _ => (turns, ""),
        };
        let of = |role| turns.iter().rev().find(|turn| turn.role == role).map_or("", |turn| &turn.content);
        let template = self.environment.get_template(NAME).map_err(|error| error.to_string())?;
        let mut prompt = template
            .render(context! {
                messages => turns,
                add_generation_prompt => true,
                bos_token => self.begin,
                eos_token => self.end,
                // What templates in Ollama's own language use.
                System => of("system"),
                Prompt => of("user"),
                Response => "",
            })
            .map_err(|error| format!("the chat template failed: {error}"))?;
        prompt.push_str(begun);
        Ok(prompt)
    }
}

fn raise_exception(message: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message))
}

/// The current time in UTC: this library does not read the host's time zone.
fn strftime_now(format: String) -> Result<String, Error> {
    let now = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    jiff::fmt::strtime::format(&format, &now)
        .map_err(|error| Error::new(ErrorKind::InvalidOperation, error.to_string()))
}

/// As Python's `json.dumps` with `ensure_ascii=False`, which templates are written for.
fn to_json(value: Value, arguments: Kwargs) -> Result<String, Error> {
    let indent: Option<usize> = arguments.get("indent")?;
    arguments.get::<Option<Value>>("ensure_ascii")?;
    arguments.assert_all_used()?;
    let mut output = Vec::new();
    let written = match indent {
        None => value.serialize(&mut serde_json::Serializer::with_formatter(&mut output, Spaced)),
        Some(width) => {
            let indent = " ".repeat(width.min(16));
            let formatter = serde_json::ser::PrettyFormatter::with_indent(indent.as_bytes());
            value.serialize(&mut serde_json::Serializer::with_formatter(&mut output, formatter))
        }
    };
    written.map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))?;
    Ok(String::from_utf8_lossy(&output).into_owned())
}

/// Python's default separators.
struct Spaced;

impl serde_json::ser::Formatter for Spaced {
    fn begin_array_value<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W) -> std::io::Result<()> {
        writer.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(template: &str, turns: &[(&str, &str)], expected: Result<&str, &str>) {
        let turns: Vec<Turn> = turns.iter().map(|(role, content)| Turn::new(*role, *content)).collect();
        let rendered = ChatTemplate::from_request(template, "<s>".into(), "</s>".into())
            .and_then(|template| template.render(&turns));
        match (rendered, expected) {
            (Ok(rendered), Ok(expected)) => assert_eq!(rendered, expected),
            (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
            (rendered, expected) => panic!("{template}: {rendered:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn templates_render_as_published_ones_expect() {
        let simple = "{% for m in messages %}[{{ m['role'] }}]{{ m.content }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}";
        check(simple, &[("user", "a")], Ok("[user]a[assistant]"));
        check(simple, &[("user", "a"), ("assistant", "b")], Ok("[user]a[assistant]b"));
        check(simple, &[("assistant", "b"), ("user", "c")], Ok("[assistant]b[user]c[assistant]"));
        check("{{ bos_token }}{{ messages[0].content.strip().upper() }}", &[("user", " a ")], Ok("<s>A"));
        check(
            "{% for i in range(9) %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}",
            &[],
            Ok("01"),
        );
        check("{{ {'a': [1, '<']} | tojson }}", &[], Ok(r#"{"a": [1, "<"]}"#));
        check("{{ raise_exception('no ' + 'system turn') }}", &[], Err("no system turn"));
        check("{{ strftime_now('%Y') | length }}", &[], Ok("4"));
        check(
            "{% for i in range(10000) %}{% for j in range(10000) %}x{% endfor %}{% endfor %}",
            &[],
            Err("fuel"),
        );
        check("{% if %}", &[], Err("malformed"));
    }

    #[test]
    fn the_plain_part_of_ollamas_templates_works() {
        let template = "{{- if .System }}S:{{ .System }} {{ end }}U:{{ .Prompt }} A:{{ .Response }}";
        check(template, &[("user", "q")], Ok("U:q A:"));
        check(template, &[("system", "s"), ("user", "q")], Ok("S:s U:q A:"));
        check("{{ range .Messages }}{{ .Role }}{{ end }}", &[], Err("range"));
    }
}
