//! `retry`, `:continue`, `edit`, `keep`.

use towline::engine::StreamSpec;
use towline_app::answers::Verb;
use towline_app::chat::{AnswerId, Selection, session};

use crate::prompt::asking::Launch;
use crate::prompt::command::Ask;
use crate::prompt::item::Kind;
use crate::prompt::spec::Spec;
use crate::prompt::state::Prompt;
use crate::term::screen::Tone;

/// The question to ask again.
enum Again {
    /// An answer that is in the conversation.
    Answer(AnswerId),
    /// An answer that left the conversation, because it stayed empty.
    Lost,
    Pull(StreamSpec),
}

impl Prompt<'_> {
    pub(super) fn retry(&mut self, spec: Option<&Spec>) {
        if spec.is_none() && self.last.is_none() {
            return match self.chat.last().map(|turn| turn.answer().id) {
                Some(id) => self.retry_answer(id, None),
                None => self.print_error("retry: nothing was asked yet"),
            };
        }
        if let Some(handle) = spec.and_then(|spec| self.named_elsewhere(spec)) {
            return self.elsewhere("retry", Verb::Retry, &handle);
        }
        let Some(key) = self.any("retry", spec) else { return };
        let Some(entry) = self.jobs.of_key(key) else { return };
        let (item, number) = (&entry.item, entry.number);
        if !item.is_over() {
            return self.print_error(&format!("retry: %{number} still runs; kill %{number} ends it"));
        }
        let again = match (&item.kind, &item.prepared) {
            (Kind::Answer(id), _) if self.chat.answer(*id).is_some() => Again::Answer(*id),
            (Kind::Answer(_), _) => Again::Lost,
            (Kind::Pull, Some(prepared)) => Again::Pull(prepared.clone()),
            (Kind::Elsewhere, _) => {
                let relay = item.job().and_then(towline::Job::relay_id);
                return match relay {
                    Some(relay) => self.elsewhere("retry", Verb::Retry, &relay),
                    None => self.print_error("retry: it is not on a relay"),
                };
            }
            (Kind::Pull | Kind::Sink { .. }, _) => {
                return self.print_error("retry: only questions and pulls can be repeated");
            }
        };
        let (model, question, text) = (item.model.clone(), item.question.clone(), entry.text.clone());
        match again {
            Again::Answer(id) => self.retry_answer(id, None),
            Again::Lost => {
                let id = self.chat.ask(&model, question);
                if let Some(lines) = self.chat.turn(id.turn).map(session::question) {
                    self.write(&lines);
                }
                self.ask_for(id, &text, false, None);
            }
            Again::Pull(prepared) => {
                let kind = Kind::Pull;
                self.launch(Launch { kind, model, question, text, prepared, behind: false, group: None });
            }
        }
    }

    /// Adds an answer to the turn of another one: from the same model to the same question, or from the
    /// chosen model to another question.
    fn retry_answer(&mut self, id: AnswerId, words: Option<String>) {
        let Some(answer) = self.chat.answer(id) else { return };
        let (model, words) = match words {
            Some(words) => (self.chat.settings.model.clone(), Some(words)),
            None => (answer.model.clone(), answer.words.clone()),
        };
        let Some(id) = self.chat.retry(id.turn, Some(&model), words) else { return };
        let (Some(turn), Some(answer)) = (self.chat.turn(id.turn), self.chat.answer(id)) else { return };
        let (line, text) = (session::retry(turn, answer), turn.question_of(answer).content);
        self.write(&line);
        self.ask_for(id, &text, false, None);
    }

    /// `:continue`: the model continues its partial answer.
    pub(super) fn continue_answer(&mut self, spec: Option<&Spec>) {
        let id = match (spec, self.last) {
            (None, None) => self.chat.last().map(|turn| turn.answer().id),
            (spec, _) => {
                let Some(key) = self.any("continue", spec) else { return };
                self.jobs.of_key(key).and_then(|entry| self.answer_of(&entry.item))
            }
        };
        let Some(id) = id else {
            return self.print_error("continue: this is not an answer of the conversation");
        };
        if !self.chat.resume(id) {
            return self.print_error("continue: the answer is complete, or has no text to continue from");
        }
        self.write(&session::resume(id));
        let text = self.chat.turn(id.turn).map(|turn| turn.question.content.clone()).unwrap_or_default();
        self.ask_for(id, &text, false, None);
    }

    pub(super) fn edit(&mut self, spec: Option<&Spec>) {
        let (text, old) = match (spec, self.last) {
            (None, None) => match self.chat.last() {
                Some(turn) => (turn.question_of(turn.answer()).content, Some(turn.answer().id)),
                None => return self.print_error("edit: nothing was asked yet"),
            },
            (spec, _) => {
                let Some(key) = self.any("edit", spec) else { return };
                let Some(entry) = self.jobs.of_key(key) else { return };
                (entry.text.clone(), self.answer_of(&entry.item).filter(|_| entry.item.is_over()))
            }
        };
        let edited = match self.screen.edit_in_editor(&text) {
            Ok(edited) => edited.trim_end().to_owned(),
            Err(error) => return self.print_error(&format!("edit: the editor cannot be used: {error}")),
        };
        if edited.trim().is_empty() {
            return self.print(Tone::Dim, "edit: no question was asked");
        }
        let echoed = format!("{}{edited}", self.shown_prompt);
        self.print(Tone::Echo, &echoed);
        // Only the last turn gets another answer, to the new question; earlier turns already have follow-ups.
        match old.filter(|old| self.chat.last().is_some_and(|last| last.id == old.turn)) {
            Some(old) => self.retry_answer(old, Some(edited)),
            None => self.ask(Ask { models: Vec::new(), text: edited, behind: false }),
        }
    }

    pub(super) fn keep_answer(&mut self, spec: Option<&Spec>) {
        let Some(key) = self.any("keep", spec) else { return };
        let Some(entry) = self.jobs.of_key(key) else { return };
        let (item, number) = (&entry.item, entry.number);
        let Kind::Answer(id) = item.kind else {
            return self.print_error(&format!("keep: %{number} is not an answer"));
        };
        let still_runs = item.outcome.is_none();
        let Some(answer) = self.chat.answer(id).filter(|answer| !answer.answer.content.is_empty()) else {
            return self.print_error(&format!("keep: %{number} has no answer"));
        };
        if still_runs {
            return self.print_error(&format!("keep: %{number} still runs"));
        }
        let (model, shown) = (answer.model.clone(), Selection::One(id.variant));
        if self.chat.turn(id.turn).is_some_and(|turn| turn.shown == shown) {
            return self.print(Tone::Dim, "it is already in the conversation");
        }
        self.chat.show(id.turn, shown);
        self.write(&session::shown(id.turn, shown));
        self.print(Tone::Dim, &format!("the answer of {model} is part of the conversation"));
    }
}
