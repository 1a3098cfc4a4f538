//! The prompt and its parts: words, standard input, images, the answer's format.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Read as _};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::oneshot;
use towline::api::Format;
use towline::{ChatRequest, Message};
use towline_app::document;
use towline_app::settings::Config;
use towline_app::settings::templates::{self, Template};

use crate::args::{KeepAliveArg, RunArgs};
use crate::commands::Context;
use crate::exit::Exit;
use crate::exit::failure::{Complaint, Failure};
use crate::exit::stop::Stopper;
use crate::input::fetch;
use crate::input::{self, Encoding, FileContent, FileInput};
use crate::output;
use crate::server::models::Chosen;

/// Maximum size of standard input, in bytes.
const STDIN_BYTES: u64 = 32 << 20;
/// Maximum size of a schema, in bytes.
const SCHEMA_BYTES: u64 = 16 << 20;
/// The time after which the user is told that the command waits for the end of standard input.
const STDIN_NOTICE: Duration = Duration::from_secs(2);

/// The question without the model, which depends on the server.
#[derive(Debug)]
pub struct QuestionRequest {
    request: ChatRequest,
    words: Vec<String>,
    piped: Option<String>,
    images: Vec<Vec<u8>>,
    /// The texts of files before the question.
    attached: String,
    template: Option<Template>,
    fields: BTreeMap<String, String>,
}

impl QuestionRequest {
    /// Reads the arguments and standard input.
    ///
    /// The configuration supplies missing settings, except in a continued conversation, which has its own
    /// settings.
    pub async fn read(args: &RunArgs, context: &mut Context) -> Result<Self, Failure> {
        let config = if args.resume.is_none() { context.config.clone() } else { Config::default() };
        let template = args.template.as_deref().map(template).transpose()?;
        let defaults = template.clone().unwrap_or_default();
        let mut request = ChatRequest { options: config.options, ..ChatRequest::default() };
        request.options.0.extend(defaults.options.0);
        for option in &args.options {
            if let Some(note) = option.note() {
                output::note(&note);
            }
            option.add_to(&mut request.options).map_err(|error| Failure::usage(error.to_string()))?;
        }
        request.format = args.format.as_deref().or(defaults.format.as_deref()).map(format).transpose()?;
        request.think = args.think.as_ref().map(|think| think.0.clone()).or(defaults.think).or(config.think);
        request.keep_alive = args.more.keep_alive.clone().map(|KeepAliveArg(keep_alive)| keep_alive);
        if let Some(system) = args.system.clone().or(defaults.system).or(config.system) {
            request = request.system(system);
        }
        let images = args.images.iter().map(|named| input::image(named)).collect::<Result<Vec<_>, _>>();
        let mut images = images.map_err(Failure::usage)?;
        let attached = files(args, &mut images, context).await?;
        let piped = stdin(args.more.encoding, &mut context.stopper).await?;
        let fields = args.fields.iter().map(|field| (field.name.clone(), field.value.clone())).collect();
        let asked = Self { request, words: args.prompt.clone(), piped, images, attached, template, fields };
        asked.check_fields(args.template.as_deref().unwrap_or_default())?;
        if asked.prompt().is_empty() && asked.images.is_empty() && asked.template.is_none() {
            return Err(Failure::usage_with(
                "there is no prompt",
                "towline run \"What is a river?\", or pipe it in: echo \"What is a river?\" | towline run",
            ));
        }
        Ok(asked)
    }

    /// The model that the template names.
    pub fn model(&self) -> Option<&str> {
        self.template.as_ref()?.model.as_deref()
    }

    /// Checks that every field of the template has a value, and that every given field exists in the
    /// template.
    fn check_fields(&self, name: &str) -> Result<(), Failure> {
        let Some(template) = &self.template else { return Ok(()) };
        let lacks_input = self.prompt().is_empty() && self.images.is_empty();
        let is_known = |field: &&str| match *field {
            "input" => !lacks_input,
            "date" => true,
            field => self.fields.contains_key(field),
        };
        let fields = template.fields();
        if let Some(unknown) = self.fields.keys().find(|given| !fields.contains(&given.as_str())) {
            return Err(Failure::usage_with(
                format!("the template {name} has no field {unknown}"),
                "towline template lists the fields of each template",
            ));
        }
        match fields.iter().find(|field| !is_known(field)) {
            None => Ok(()),
            Some(&"input") => Err(Failure::usage_with(
                format!("the template {name} needs a prompt"),
                format!("git diff | towline run -t {name}, or towline run -t {name} \"…\""),
            )),
            Some(field) => Err(Failure::usage_with(
                format!("the template {name} has a field {field}"),
                format!("give its value: --field {field}=…"),
            )),
        }
    }

    /// The words of the prompt as they were typed.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// The request to this model. If the first word named the model, it is not part of the prompt.
    pub fn request(mut self, chosen: &Chosen) -> ChatRequest {
        if chosen.by_first_word {
            output::note(&format!(
                "{:?} is an installed model; the other words are the prompt",
                self.words[0]
            ));
            self.words.remove(0);
        }
        let question = Message::user(self.question());
        let question = self.images.iter().fold(question, |question, image| question.with_image(image));
        ChatRequest { model: chosen.model.clone(), ..self.request }.message(question)
    }

    /// The question: the prompt, in the template, after the files.
    fn question(&self) -> String {
        let Some(template) = &self.template else { return self.prompt() };
        let mut known = self.fields.clone();
        known.insert("input".to_owned(), self.prompt());
        known.entry("date".to_owned()).or_insert_with(|| jiff::Zoned::now().date().to_string());
        template.fill(&known)
    }

    fn prompt(&self) -> String {
        format!("{}{}", self.attached, joined(&self.words.join(" "), self.piped.as_deref()))
    }
}

fn template(name: &str) -> Result<Template, Failure> {
    let folder = crate::commands::template::folder()?;
    templates::read(&folder, name).map_err(|wrong| Failure::usage_with(wrong, "towline template lists them"))
}

/// The texts of files for the question; images are added to `images`.
async fn files(args: &RunArgs, images: &mut Vec<Vec<u8>>, context: &mut Context) -> Result<String, Failure> {
    let mut attached = String::new();
    for path in &args.files {
        let shown = path.display().to_string();
        let (name, content) = if fetch::is_url(&shown) {
            let fetching = fetch::page(&shown, &context.environment.network);
            let page = tokio::select! {
                page = fetching => page.map_err(|why| Failure::Request(Complaint::new(why), Exit::Failed))?,
                stop = context.stopper.stopped() => return Err(Failure::Stopped(stop)),
            };
            (page.name, input::content(&page.shown, page.bytes, &page.content_type, args.more.encoding))
        } else {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (name, input::file(path, args.more.encoding))
        };
        let FileContent { input, note } = content.map_err(Failure::usage)?;
        if let Some(note) = note {
            output::note(&note);
        }
        match input {
            FileInput::Image(bytes) => images.push(bytes),
            FileInput::Text(text) => {
                if let Some(warning) = text.warning(&shown) {
                    output::warning(&warning);
                }
                attached.push_str(&document::attached(&name, &text.text));
            }
        }
    }
    Ok(attached)
}

/// Words and standard input, separated by an empty line; the final newline of the input is dropped.
fn joined(words: &str, stdin: Option<&str>) -> String {
    let piped = stdin.unwrap_or_default();
    let piped = piped.strip_suffix('\n').map_or(piped, |text| text.strip_suffix('\r').unwrap_or(text));
    match (words.is_empty(), piped.is_empty()) {
        (_, true) => words.to_owned(),
        (true, false) => piped.to_owned(),
        (false, false) => format!("{words}\n\n{piped}"),
    }
}

/// The piped input; `None` on a terminal.
pub async fn stdin(encoding: Option<Encoding>, stopper: &mut Stopper) -> Result<Option<String>, Failure> {
    if std::io::stdin().is_terminal() {
        return Ok(None);
    }
    let notice = async {
        tokio::time::sleep(STDIN_NOTICE).await;
        if output::stderr_is_terminal() {
            output::note("waiting for the end of standard input; to use none, run it with </dev/null");
        }
        std::future::pending::<()>().await;
    };
    let read = on_a_thread(stopper, || {
        let mut bytes = Vec::new();
        std::io::stdin().lock().take(STDIN_BYTES + 1).read_to_end(&mut bytes).map(|_| bytes)
    });
    let bytes = tokio::select! {
        read = read => read?,
        () = notice => unreachable!("this future never ends"),
    };
    if bytes.len() as u64 > STDIN_BYTES {
        return Err(Failure::usage(format!("standard input is longer than {} MiB", STDIN_BYTES >> 20)));
    }
    let text = input::text(&bytes, encoding).ok_or_else(|| {
        Failure::usage_with(
            "standard input is not text: it has NUL bytes, and bytes that are not UTF-8",
            "give an image with --image; --encoding sets the encoding of other text",
        )
    })?;
    if let Some(warning) = text.warning("standard input") {
        output::warning(&warning);
        output::hint("--encoding latin-1 reads old Western text, --encoding utf-16 what Windows writes");
    }
    Ok(Some(text.text))
}

/// A line that the user types.
pub async fn typed_line(stopper: &mut Stopper) -> Result<String, Failure> {
    on_a_thread(stopper, || {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    })
    .await
}

/// Reads standard input on a detached thread, because a pipe that stays open must not keep the process alive.
async fn on_a_thread<T: Send + 'static>(
    stopper: &mut Stopper,
    read: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, Failure> {
    let (sender, receiver) = oneshot::channel();
    let read = move || {
        let _nobody_waits = sender.send(read());
    };
    let spawned = std::thread::Builder::new().name("towline-stdin".into()).spawn(read);
    spawned.map_err(|error| local(&format!("a thread cannot be started: {error}")))?;
    tokio::select! {
        stop = stopper.stopped() => Err(Failure::Stopped(stop)),
        read = receiver => match read {
            Ok(Ok(read)) => Ok(read),
            Ok(Err(error)) => Err(local(&format!("standard input cannot be read: {error}"))),
            Err(_) => Err(local("standard input cannot be read")),
        },
    }
}

/// `json`, a schema, or a schema file.
pub fn format(text: &str) -> Result<Format, Failure> {
    if text == "json" {
        return Ok(Format::Json);
    }
    let (name, bytes) = if text.trim_start().starts_with('{') {
        ("the schema".to_owned(), text.as_bytes().to_vec())
    } else {
        (text.to_owned(), input::bytes(Path::new(text), SCHEMA_BYTES).map_err(Failure::usage)?)
    };
    let schema = input::text(&bytes, None).map_or_else(String::new, |text| text.text);
    let schema: Value = serde_json::from_str(&schema)
        .map_err(|error| Failure::usage(format!("{name} is not JSON: {error}")))?;
    if !schema.is_object() {
        return Err(Failure::usage_with(
            format!("{name} is not a JSON schema: it is not an object"),
            "--format json allows any JSON",
        ));
    }
    Ok(Format::Schema(schema))
}

fn local(message: &str) -> Failure {
    Failure::Local(Complaint::new(message))
}

#[cfg(test)]
mod tests {
    use super::joined;

    #[test]
    fn words_and_input_are_joined_with_an_empty_line() {
        for (words, stdin, prompt) in [
            ("a b", None, "a b"),
            ("", Some("x\n"), "x"),
            ("", Some("x\r\n"), "x"),
            ("a", Some("x\n\n"), "a\n\nx\n"),
            ("a", Some("\n"), "a"),
            ("", Some(""), ""),
        ] {
            assert_eq!(joined(words, stdin), prompt);
        }
    }
}
