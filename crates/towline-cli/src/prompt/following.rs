//! The output of jobs: first recorded, then shown.

use std::sync::Arc;

use towline::engine::{Batch, StartAt};
use towline::outcome::FinishReason;
use towline::{Event, Outcome};
use towline_app::chat::{AnswerId, Ended, Reading};

use super::ending;
use super::item::{Item, Kind};
use super::state::{Followed, Foreground, Prompt};
use crate::term::screen::Tone;

/// Maximum amount of text that the screen has not shown yet; more waits in the job's log.
const BACKLOG_BYTES: usize = 64 << 10;
/// Beyond this amount at once, only the end is shown; the log has all of it.
const SKIP_BYTES: usize = 4 << 20;
/// How much is shown then.
const SKIPPED_TO_BYTES: usize = 64 << 10;

impl Prompt<'_> {
    /// Records the output of turns, sums up the progress of pulls, and notices jobs that ended.
    pub fn record(&mut self) {
        let numbers: Vec<u32> = self
            .jobs
            .listed()
            .filter(|entry| entry.item.outcome.is_none() && entry.item.job().is_some())
            .map(|entry| entry.number)
            .collect();
        for number in numbers {
            self.note_relay(number);
            while let Some(batch) = self.item_mut(number).and_then(|item| item.reader.as_mut()?.try_read()) {
                self.take_batch(number, &batch);
            }
            let Some(item) = self.item_mut(number) else { continue };
            if let Some(outcome) = item.job().and_then(towline::Job::outcome)
                && item.reader.as_ref().is_none_or(towline::engine::Reader::is_ended)
            {
                item.ended(outcome);
            }
        }
    }

    fn take_batch(&mut self, number: u32, batch: &Batch) {
        if let Some(progress) = batch.events.iter().rev().find_map(|event| match event {
            Event::Progress(progress) => Some(progress),
            Event::Text(_)
            | Event::Thinking(_)
            | Event::ToolCall(_)
            | Event::Image(_)
            | Event::Logprobs(_)
            | Event::Usage(_) => None,
        }) && let Some(item) = self.item_mut(number)
        {
            item.progress = Some((**progress).clone());
        }
        // Before the text from there.
        self.note_relay(number);
        let Some((mut reading, id)) = self.reading(number) else { return };
        let mut lines = String::new();
        for event in &batch.events {
            reading.receive(&mut self.chat, event, &mut lines);
        }
        let ended = batch.outcome.as_ref().map(|outcome| reading.end(&mut self.chat, outcome, &mut lines));
        self.write(&lines);
        match ended {
            Some(Ended::Detached) => self.session.detach(id),
            Some(Ended::Nothing) => self.chat.remove_answer(id),
            Some(Ended::Kept) | None => {}
        }
        if let Some(item) = self.item_mut(number) {
            item.reading = Some(reading);
        }
    }

    /// Records which relay runs a job, once it is known.
    pub fn note_relay(&mut self, number: u32) {
        let Some(relay) = self.item(number).and_then(|item| item.job()?.relay_id()) else { return };
        if self.item_mut(number).is_some_and(Item::asks_pace) {
            self.learn_handle(&relay);
        }
        let Some((mut reading, _)) = self.reading(number) else { return };
        let mut lines = String::new();
        reading.runs_at(&mut self.chat, &relay, &mut lines);
        if let Some(item) = self.item_mut(number).filter(|_| !lines.is_empty()) {
            item.reading = Some(reading);
            self.write(&lines);
            // From here on the answer can be found again, even if the prompt exits.
            self.session.hurry();
            self.learn_handle(&relay);
        }
    }

    /// How a job's answer gets into the conversation, if it belongs to it.
    fn reading(&self, number: u32) -> Option<(Reading, AnswerId)> {
        let item = self.item(number)?;
        Some((item.reading.clone()?, self.answer_of(item)?))
    }

    /// Shows the new output of the foreground job, or of the followed log.
    pub fn show_front(&mut self) {
        let (mut followed, owned) = match std::mem::replace(&mut self.front, Foreground::Idle) {
            Foreground::Job(followed) => (followed, true),
            Foreground::Log(followed) => (followed, false),
            other @ (Foreground::Idle | Foreground::Wait(_)) => return self.front = other,
        };
        let outcome = self.show(&mut followed);
        match outcome {
            Some(outcome) => {
                self.unfollow(&followed);
                if owned {
                    self.front_ended(followed.number, &outcome);
                }
            }
            None if owned => self.front = Foreground::Job(followed),
            None => self.front = Foreground::Log(followed),
        }
    }

    /// Shows new output; returns the outcome once everything was shown.
    fn show(&mut self, followed: &mut Followed) -> Option<Arc<Outcome>> {
        loop {
            if self.screen.backlog_bytes() > BACKLOG_BYTES {
                return None;
            }
            let item = self
                .jobs
                .get(followed.number)
                .filter(|entry| entry.key == followed.key)
                .map(|entry| &entry.item)?;
            let Some(job) = item.job() else {
                // It was cancelled before it started.
                return if item.is_over() { Some(Arc::new(ending::never_began())) } else { None };
            };
            let reader = followed.reader.get_or_insert_with(|| job.reader(StartAt::Beginning));
            let mut batch = reader.try_read()?;
            // Written down before it is shown.
            self.record();
            if batch.missed > 0 {
                self.print(Tone::Dim, &format!("{} bytes are no longer in the log", batch.missed));
            }
            self.shorten(followed, &mut batch.events);
            for event in &batch.events {
                self.show_event(followed, event);
            }
            if batch.outcome.is_some() {
                return batch.outcome;
            }
        }
    }

    /// Leaves out text that is far too long to show.
    fn shorten(&mut self, followed: &mut Followed, events: &mut [Event]) {
        for event in events {
            if let Event::Text(text) = event
                && text.len() > SKIP_BYTES
            {
                let from = text.ceil_char_boundary(text.len() - SKIPPED_TO_BYTES);
                let lines = text[..from].matches('\n').count();
                let rest = text.split_off(from);
                *text = rest;
                self.end_shown(followed);
                self.print(
                    Tone::Dim,
                    &format!("… {lines} lines left out; log %{} has them", followed.number),
                );
            }
        }
    }

    pub fn show_event(&mut self, followed: &mut Followed, event: &Event) {
        match event {
            Event::Text(text) if self.is_plain(followed.key) => self.show_output(followed, text),
            Event::Text(text) => {
                self.begin_shown(followed);
                self.screen.answer(text);
            }
            Event::Thinking(text) => {
                self.begin_shown(followed);
                self.screen.thinking(text);
            }
            Event::ToolCall(call) => {
                self.end_shown(followed);
                self.print(Tone::Plain, &format!("the model asks for {}({})", call.name, call.arguments));
            }
            Event::Image(image) => {
                self.end_shown(followed);
                self.say_image(&image.base64);
            }
            Event::Logprobs(_) | Event::Progress(_) | Event::Usage(_) => {}
        }
    }

    pub fn say_image(&mut self, base64: &str) {
        let bytes = base64.len() * 3 / 4;
        self.print(Tone::Plain, &format!("an image of {bytes} bytes arrived, which cannot be shown here"));
    }

    /// Whether a job's text is a command's output, which is shown unchanged.
    fn is_plain(&self, key: u64) -> bool {
        self.jobs.of_key(key).is_some_and(|entry| match entry.item.kind {
            Kind::Sink { .. } => true,
            Kind::Answer(_) | Kind::Elsewhere | Kind::Pull => false,
        })
    }

    fn show_output(&mut self, followed: &mut Followed, text: &str) {
        followed.partial.push_str(text);
        if let Some(end) = followed.partial.rfind('\n') {
            let rest = followed.partial.split_off(end + 1);
            let whole = std::mem::replace(&mut followed.partial, rest);
            self.print(Tone::Plain, whole.trim_end_matches('\n'));
        }
    }

    fn begin_shown(&mut self, followed: &mut Followed) {
        if !std::mem::replace(&mut followed.begun, true) {
            self.screen.begin_answer(followed.label.as_deref());
        }
    }

    fn end_shown(&mut self, followed: &mut Followed) {
        if std::mem::replace(&mut followed.begun, false) {
            self.screen.end_answer();
        }
    }

    /// Stops showing a job.
    pub fn unfollow(&mut self, followed: &Followed) {
        if followed.begun {
            self.screen.end_answer();
        }
        if !followed.partial.is_empty() {
            let partial = followed.partial.clone();
            self.print(Tone::Plain, &partial);
        }
    }

    /// Moves the foreground job to the background, where it keeps running.
    pub fn front_behind(&mut self) {
        let Foreground::Job(followed) = std::mem::replace(&mut self.front, Foreground::Idle) else { return };
        self.unfollow(&followed);
        // The rest of its group goes with it.
        let group: Vec<u64> = self.next_fronts.drain(..).collect();
        let group = group.into_iter().filter_map(|key| self.jobs.number_of(key)).collect::<Vec<_>>();
        for number in group.into_iter().rev().chain([followed.number]) {
            if let Some(item) = self.item_mut(number) {
                item.in_front = false;
            }
            self.jobs.touch(number);
            self.show_job(number);
        }
    }

    /// Called when the foreground job has ended and all of it was shown.
    fn front_ended(&mut self, number: u32, outcome: &Outcome) {
        let announced = if let Some(item) = self.item_mut(number) {
            item.in_front = false;
            item.announce
        } else {
            false
        };
        if announced && !outcome.is_completed() {
            self.show_job(number);
        } else {
            self.explain(number, outcome);
        }
        self.report(number);
        if !outcome.is_completed() {
            self.restore_queue();
        }
        self.before_prompt();
    }

    /// Brings the next job of a group to the foreground; `false` if there is none.
    pub fn bring_next(&mut self) -> bool {
        if !matches!(self.front, Foreground::Idle) {
            return false;
        }
        while let Some(key) = self.next_fronts.pop_front() {
            if let Some(number) = self.jobs.number_of(key) {
                let label = self.jobs.get(number).map(|entry| entry.name.clone());
                self.follow(number, label);
                return true;
            }
        }
        false
    }
}

/// Whether an answer ended because it reached its maximum length.
pub fn is_cut_by_length(reason: Option<&FinishReason>) -> bool {
    match reason {
        Some(FinishReason::Length) => true,
        Some(
            FinishReason::Stop
            | FinishReason::ToolCalls
            | FinishReason::ContentFilter
            | FinishReason::Load
            | FinishReason::Unload
            | FinishReason::Success
            | FinishReason::Other(_),
        )
        | None => false,
    }
}
