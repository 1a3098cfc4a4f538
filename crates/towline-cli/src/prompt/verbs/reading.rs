//! `log`, `tail`, `:unfold`, `:copy`.

use towline::Event;
use towline::engine::StartAt;

use towline_app::document::Document;

use super::control::{following, last_lines};
use crate::prompt::command::{Copying, Reading};
use crate::prompt::notice;
use crate::prompt::spec::Spec;
use crate::prompt::state::{Foreground, Prompt};
use crate::term::screen::Tone;

impl Prompt<'_> {
    pub(super) fn log(&mut self, reading: &Reading) {
        if let Some(handle) = reading.job.as_ref().and_then(|spec| self.named_elsewhere(spec)) {
            return self.attach_named(&handle);
        }
        let Some(key) = self.any("log", reading.job.as_ref()) else { return };
        let Some(entry) = self.jobs.of_key(key) else { return };
        let (number, is_answer) = (entry.number, entry.item.is_answer());
        let Some(job) = entry.item.job().cloned() else {
            return self.print(Tone::Dim, "it has not begun");
        };
        if reading.follow
            && let Foreground::Job(followed) = &self.front
        {
            let front = followed.number;
            return self
                .print_error(&format!("log: %{front} is in front; Ctrl-Z sends it to the background"));
        }
        let mut reader = job.reader(StartAt::Beginning);
        let (mut text, mut progress, mut ended) = (String::new(), Vec::new(), false);
        while let Some(batch) = reader.try_read() {
            ended |= batch.outcome.is_some();
            for event in batch.events {
                match event {
                    Event::Text(piece) => text.push_str(&piece),
                    Event::Progress(step) => progress.push(notice::progress_text(&step)),
                    Event::Thinking(_)
                    | Event::ToolCall(_)
                    | Event::Image(_)
                    | Event::Logprobs(_)
                    | Event::Usage(_) => {}
                }
            }
        }
        if !progress.is_empty() {
            text = progress.join("\n");
        }
        let (before, shown) = reading.lines.map_or((0, text.as_str()), |lines| last_lines(&text, lines));
        if before > 0 {
            self.print(Tone::Dim, &format!("… {before} lines before"));
        }
        let mut followed = following(key, number, reader);
        if is_answer {
            if !shown.is_empty() {
                self.record();
                self.show_event(&mut followed, &Event::Text(shown.to_owned()));
            }
        } else if !shown.is_empty() {
            self.print(Tone::Plain, shown.trim_end_matches('\n'));
        }
        if reading.follow && !ended {
            self.front = Foreground::Log(followed);
        } else {
            self.unfollow(&followed);
        }
    }

    pub(super) fn unfold(&mut self, spec: Option<&Spec>) {
        let thinking = match (spec, self.last) {
            (None, None) => self.chat.last().map(|turn| turn.answer().answer.thinking.clone()),
            (spec, _) => {
                let Some(key) = self.any("unfold", spec) else { return };
                self.thinking_of(key)
            }
        };
        match thinking.filter(|thinking| !thinking.is_empty()) {
            Some(thinking) => self.print(Tone::Dim, thinking.trim_end()),
            None => self.print(Tone::Dim, "there was no thinking"),
        }
    }

    fn thinking_of(&self, key: u64) -> Option<String> {
        let item = &self.jobs.of_key(key)?.item;
        match item.job().and_then(towline::Job::outcome) {
            Some(outcome) => Some(outcome.reply.thinking.clone()),
            None => {
                let answer = self.answer_of(item)?;
                Some(self.chat.answer(answer)?.answer.thinking.clone())
            }
        }
    }

    pub(super) fn copy_answer(&mut self, copying: &Copying) {
        let text = match (&copying.job, self.last) {
            (None, None) => self.chat.last().map(|turn| turn.answer().answer.content.clone()),
            (spec, _) => {
                let Some(key) = self.any("copy", spec.as_ref()) else { return };
                self.jobs.of_key(key).and_then(|entry| entry.item.job()).map(towline::Job::text_so_far)
            }
        };
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            let message =
                if self.last.is_none() { "there is no answer yet" } else { "that answer has no text" };
            return self.print_error(&format!("copy: {message}"));
        };
        let text = match copying.code {
            None => text,
            Some(number) => match code_of(&text, number) {
                Ok(code) => code,
                Err(wrong) => return self.print_error(&format!("copy: {wrong}")),
            },
        };
        self.screen.copy(&text);
        let count = text.chars().count();
        self.print(Tone::Dim, &format!("{count} characters copied, if the terminal allows it"));
    }
}

/// The code in an answer: all blocks, or one.
fn code_of(answer: &str, number: Option<usize>) -> Result<String, String> {
    let document = Document::of(answer);
    match (document.fences(), number) {
        (0, _) => Err("there is no code block in the answer".to_owned()),
        (_, None) => Ok((0..document.fences()).map(|at| document.code(at)).collect()),
        (count, Some(number)) if number > count => Err(format!("the answer has {count} of them")),
        (_, Some(number)) => Ok(document.code(number - 1)),
    }
}
