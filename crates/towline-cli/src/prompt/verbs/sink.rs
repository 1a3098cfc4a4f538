//! `pipe %1 | command`, `> file`: sends a job's text, live or complete, to a command or a file.

use std::process::Stdio;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use towline::engine::{JobOptions, Reader, StartAt, TaskControl};
use towline::{Event, Message};

use crate::prompt::command::{Piping, Sink};
use crate::prompt::item::{Item, Kind};
use crate::prompt::state::Prompt;

/// Maximum size of a read from a command's output.
const READ_BYTES: usize = 16 << 10;

impl Prompt<'_> {
    pub(super) fn pipe(&mut self, piping: &Piping) {
        let Piping { job: spec, sink, behind } = piping;
        let Some(key) = self.any("pipe", spec.as_ref()) else { return };
        let Some(entry) = self.jobs.of_key(key) else { return };
        let number = entry.number;
        let Some(job) = entry.item.job() else {
            return self.print_error(&format!("pipe: %{number} has not begun"));
        };
        let reader = job.reader(StartAt::Beginning);
        let text = match sink {
            Sink::Command(command) => format!("pipe %{number} | {command}"),
            Sink::File(path) => format!("pipe %{number} > {}", path.display()),
            Sink::Append(path) => format!("pipe %{number} >> {}", path.display()),
        };
        let options = JobOptions { name: Some("pipe".to_owned()), ..JobOptions::default() };
        let (is_command, sink) = (matches!(sink, Sink::Command(_)), sink.clone());
        let task = self.engine.spawn_with(options, |control| async move {
            match &sink {
                Sink::Command(command) => run(command, reader, &control).await,
                Sink::File(path) => write(path, false, reader).await,
                Sink::Append(path) => write(path, true, reader).await,
            }
        });
        let job = task.job.clone();
        let kind = Kind::Sink { task, status: None };
        let mut item = Item::started(kind, "pipe", Message::default(), job);
        let in_front = is_command && !behind;
        // A file needs no watching: its end is announced when it has been written.
        item.announce = !in_front;
        let number = self.launch_started(item, &text, in_front);
        if is_command && *behind {
            self.show_job(number);
        }
    }
}

/// Runs a shell command with the reader's text as its input.
async fn run(command: &str, mut reader: Reader, control: &TaskControl) -> Result<i32, String> {
    let mut child = tokio::process::Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("the command cannot be started: {error}"))?;
    let (mut stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async {
        while let Some(batch) = reader.next().await {
            let Some(pipe) = &mut stdin else { return };
            let wrote = pipe.write_all(text(&batch.events).as_bytes()).await;
            // A command that has read enough closes its input, as `head` does.
            if wrote.is_err() {
                break;
            }
        }
        drop(stdin.take());
    };
    let work = async {
        tokio::join!(shown(stdout, control), shown(stderr, control));
        child.wait().await
    };
    // When the command ends, the job ends, even if there is more to read.
    let fed_work = async {
        let (mut feed, mut work) = (std::pin::pin!(feed), std::pin::pin!(work));
        tokio::select! {
            status = &mut work => status,
            () = &mut feed => work.await,
        }
    };
    let status = tokio::select! {
        status = fed_work => status,
        () = control.cancelled() => return Err("cancelled".to_owned()),
    };
    let status = status.map_err(|error| format!("the status of the command is not known: {error}"))?;
    Ok(status.code().unwrap_or_else(|| {
        use std::os::unix::process::ExitStatusExt as _;
        128 + status.signal().unwrap_or_default()
    }))
}

/// Forwards the output of a command.
async fn shown(output: Option<impl tokio::io::AsyncRead + Unpin>, control: &TaskControl) {
    let Some(mut output) = output else { return };
    let (mut bytes, mut kept) = (vec![0; READ_BYTES], Vec::new());
    while let Ok(count @ 1..) = output.read(&mut bytes).await {
        kept.extend_from_slice(&bytes[..count]);
        // A split character waits for its remaining bytes.
        let whole = match str::from_utf8(&kept) {
            Ok(_) => kept.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => kept.len(),
        };
        let rest = kept.split_off(whole);
        let text = String::from_utf8_lossy(&std::mem::replace(&mut kept, rest)).into_owned();
        control.emit(Event::Text(text)).await;
    }
    if !kept.is_empty() {
        control.emit(Event::Text(String::from_utf8_lossy(&kept).into_owned())).await;
    }
}

async fn write(path: &std::path::Path, append: bool, mut reader: Reader) -> Result<i32, String> {
    let failed = |error: std::io::Error| format!("{} cannot be written: {error}", path.display());
    let mut options = tokio::fs::OpenOptions::new();
    let options = if append { options.append(true) } else { options.write(true).truncate(true) };
    let mut file = options.create(true).open(path).await.map_err(failed)?;
    let mut ends_line = true;
    while let Some(batch) = reader.next().await {
        let text = text(&batch.events);
        if !text.is_empty() {
            ends_line = text.ends_with('\n');
            file.write_all(text.as_bytes()).await.map_err(failed)?;
        }
    }
    if !ends_line {
        file.write_all(b"\n").await.map_err(failed)?;
    }
    file.flush().await.map_err(failed)?;
    Ok(0)
}

fn text(events: &[Event]) -> String {
    events.iter().filter_map(Event::text).collect()
}
