//! The prompt and what goes with it: words, standard input, images, the answer's format.

use std::io::{IsTerminal as _, Read as _};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::oneshot;
use towline::{ChatRequest, Format, Message};

use crate::args::RunArgs;
use crate::failure::{Complaint, Failure};
use crate::out;
use crate::stop::Stopper;

/// The most that is read from standard input, in bytes.
const STDIN_BYTES: u64 = 32 << 20;
/// The largest image, in bytes.
const IMAGE_BYTES: u64 = 64 << 20;
/// After this long without the end of standard input a person is told what is waited for.
const STDIN_NOTICE: Duration = Duration::from_secs(2);

/// The request, but for its model, which takes the server to know.
pub async fn request(args: &RunArgs, stopper: &mut Stopper) -> Result<ChatRequest, Failure> {
    let mut request = ChatRequest::default();
    for option in &args.options {
        option.add_to(&mut request.options).map_err(|error| Failure::usage(error.to_string()))?;
    }
    request.format = args.format.as_deref().map(format).transpose()?;
    request.think = args.think.as_ref().map(|think| think.0.clone());
    let images = args.images.iter().map(|path| image(path)).collect::<Result<Vec<_>, _>>()?;
    let prompt = joined(&args.prompt.join(" "), stdin(stopper).await?.as_deref());
    if prompt.is_empty() && images.is_empty() {
        return Err(Failure::usage_with(
            "there is no prompt",
            "towline run \"What is a river?\", or pipe it in: echo \"What is a river?\" | towline run",
        ));
    }
    if let Some(system) = &args.system {
        request = request.system(system.clone());
    }
    let message = images.iter().fold(Message::user(prompt), |message, image| message.with_image(image));
    Ok(request.message(message))
}

/// Words and standard input with an empty line between them; the last line end of the input is not part of it.
fn joined(words: &str, stdin: Option<&str>) -> String {
    let piped = stdin.unwrap_or_default();
    let piped = piped.strip_suffix('\n').map_or(piped, |text| text.strip_suffix('\r').unwrap_or(text));
    match (words.is_empty(), piped.is_empty()) {
        (_, true) => words.to_owned(),
        (true, false) => piped.to_owned(),
        (false, false) => format!("{words}\n\n{piped}"),
    }
}

/// What is piped in; `None` on a terminal.
async fn stdin(stopper: &mut Stopper) -> Result<Option<String>, Failure> {
    if std::io::stdin().is_terminal() {
        return Ok(None);
    }
    // A thread that nobody waits for: a pipe that stays open must not keep the process.
    let (sender, mut receiver) = oneshot::channel();
    let read = move || {
        let mut bytes = Vec::new();
        let result = std::io::stdin().lock().take(STDIN_BYTES + 1).read_to_end(&mut bytes).map(|_| bytes);
        let _nobody_waits = sender.send(result);
    };
    let spawned = std::thread::Builder::new().name("towline-stdin".into()).spawn(read);
    spawned.map_err(|error| local(&format!("a thread cannot be started: {error}")))?;
    let notice = async {
        tokio::time::sleep(STDIN_NOTICE).await;
        if out::stderr_is_terminal() {
            out::note("waiting for the end of standard input; to use none, run it with </dev/null");
        }
        std::future::pending::<()>().await;
    };
    let bytes = tokio::select! {
        stop = stopper.stopped() => return Err(Failure::Stopped(stop)),
        read = &mut receiver => read,
        () = notice => unreachable!("it never ends"),
    };
    let bytes = match bytes {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) => return Err(local(&format!("standard input cannot be read: {error}"))),
        Err(_) => return Err(local("standard input cannot be read")),
    };
    if bytes.len() as u64 > STDIN_BYTES {
        return Err(Failure::usage(format!("standard input is longer than {} MiB", STDIN_BYTES >> 20)));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let place = error.utf8_error().valid_up_to();
        Failure::usage_with(
            format!("standard input is not UTF-8 text (byte {place})"),
            "an image goes behind --image",
        )
    })?;
    Ok(Some(text))
}

fn image(path: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = read_file(path, IMAGE_BYTES)?;
    if bytes.is_empty() {
        return Err(Failure::usage(format!("the image {} is empty", path.display())));
    }
    Ok(bytes)
}

/// `json`, a schema, or the file of one.
fn format(text: &str) -> Result<Format, Failure> {
    if text == "json" {
        return Ok(Format::Json);
    }
    let (name, bytes) = if text.trim_start().starts_with('{') {
        ("the schema".to_owned(), text.as_bytes().to_vec())
    } else {
        (text.to_owned(), read_file(Path::new(text), IMAGE_BYTES)?)
    };
    let schema: Value = serde_json::from_slice(&bytes)
        .map_err(|error| Failure::usage(format!("{name} is not JSON: {error}")))?;
    if !schema.is_object() {
        return Err(Failure::usage_with(
            format!("{name} is not a JSON schema: it is no object"),
            "--format json allows any JSON",
        ));
    }
    Ok(Format::Schema(schema))
}

fn read_file(path: &Path, limit_bytes: u64) -> Result<Vec<u8>, Failure> {
    let unreadable =
        |error: std::io::Error| Failure::usage(format!("{} cannot be read: {error}", path.display()));
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(limit_bytes + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > limit_bytes {
        return Err(Failure::usage(format!("{} is larger than {} MiB", path.display(), limit_bytes >> 20)));
    }
    Ok(bytes)
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
