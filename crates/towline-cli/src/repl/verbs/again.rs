//! `retry`, `:continue`, `edit`, `keep`.

use towline::engine::Prepared;
use towline_app::chat::{TurnId, session};

use crate::repl::asking::Launch;
use crate::repl::command::Ask;
use crate::repl::item::Kind;
use crate::repl::screen::Tone;
use crate::repl::spec::Spec;
use crate::repl::state::Prompt;

/// What is asked again.
enum Again {
    /// A turn that is in the conversation.
    Turn(TurnId),
    /// A turn that left it, because nothing came of it.
    Lost,
    Other(Kind, Prepared),
}

impl Prompt<'_> {
    pub(super) fn retry(&mut self, spec: Option<&Spec>) {
        if spec.is_none() && self.last.is_none() {
            return self.retry_last_turn();
        }
        let Some(key) = self.any("retry", spec) else { return };
        let Some(entry) = self.entry(key) else { return };
        let (item, number) = (&entry.item, entry.number);
        if !item.is_over() {
            return self.wrong(&format!("retry: %{number} still runs; kill %{number} ends it"));
        }
        let again = match (&item.kind, &item.prepared) {
            (Kind::Turn(id), _) if self.chat.turn(*id).is_some() => Again::Turn(*id),
            (Kind::Turn(_), _) => Again::Lost,
            (Kind::Aside(question), Some(prepared)) => {
                Again::Other(Kind::Aside(question.clone()), prepared.clone())
            }
            (Kind::Pull, Some(prepared)) => Again::Other(Kind::Pull, prepared.clone()),
            (Kind::Aside(_) | Kind::Pull | Kind::Sink { .. }, _) => {
                return self.wrong("retry: only questions and pulls can be repeated");
            }
        };
        let (model, question, text) = (item.model.clone(), item.question.clone(), entry.text.clone());
        match again {
            Again::Turn(id) => self.retry_turn(id, &text),
            Again::Lost => {
                let turn = self.chat.ask(&model, question);
                self.ask_turn(turn, &text, false);
            }
            Again::Other(kind, prepared) => {
                self.launch(Launch { kind, model, question, text, prepared, behind: false, group: None });
            }
        }
    }

    fn retry_last_turn(&mut self) {
        match self.chat.last().map(|turn| (turn.id, turn.question.content.clone())) {
            Some((id, text)) => self.retry_turn(id, &text),
            None => self.wrong("retry: nothing was asked yet"),
        }
    }

    fn retry_turn(&mut self, id: TurnId, text: &str) {
        self.chat.retry(id);
        self.write(&session::retry(id));
        let (Some(request), Some(turn)) = (self.chat.request(id), self.chat.turn(id)) else { return };
        self.launch_turn(id, request, turn.model.clone(), turn.question.clone(), text);
    }

    fn launch_turn(
        &mut self,
        id: TurnId,
        request: towline::ChatRequest,
        model: String,
        question: towline::Message,
        text: &str,
    ) {
        let prepared = self.chat_stream(request);
        let kind = Kind::Turn(id);
        self.launch(Launch {
            kind,
            model,
            question,
            text: text.to_owned(),
            prepared,
            behind: false,
            group: None,
        });
    }

    /// `:continue`: the model is given its own words to go on from.
    pub(super) fn go_on(&mut self, spec: Option<&Spec>) {
        let id = match (spec, self.last) {
            (None, None) => self.chat.last().map(|turn| turn.id),
            (spec, _) => {
                let Some(key) = self.any("continue", spec) else { return };
                self.entry(key).and_then(|entry| self.turn_of(&entry.item))
            }
        };
        let Some(id) = id else { return self.wrong("continue: this is no answer of the conversation") };
        if !self.chat.resume(id) {
            return self.wrong("continue: the answer is whole, or there is nothing to go on from");
        }
        self.write(&session::resume(id));
        let (Some(request), Some(turn)) = (self.chat.request(id), self.chat.turn(id)) else { return };
        let (model, question) = (turn.model.clone(), turn.question.clone());
        let text = question.content.clone();
        self.launch_turn(id, request, model, question, &text);
    }

    pub(super) fn edit(&mut self, spec: Option<&Spec>) {
        let (text, old) = match (spec, self.last) {
            (None, None) => match self.chat.last() {
                Some(turn) => (turn.question.content.clone(), Some(turn.id)),
                None => return self.wrong("edit: nothing was asked yet"),
            },
            (spec, _) => {
                let Some(key) = self.any("edit", spec) else { return };
                let Some(entry) = self.entry(key) else { return };
                (entry.text.clone(), self.turn_of(&entry.item).filter(|_| entry.item.is_over()))
            }
        };
        let edited = match self.screen.edit_in_editor(&text) {
            Ok(edited) => edited.trim_end().to_owned(),
            Err(error) => return self.wrong(&format!("edit: the editor cannot be used: {error}")),
        };
        if edited.trim().is_empty() {
            return self.say(Tone::Dim, "edit: nothing is asked");
        }
        // The last turn is replaced; one further up stays.
        if let Some(old) = old.filter(|old| self.chat.last().is_some_and(|last| last.id == *old)) {
            self.chat.remove(old);
            self.write(&session::remove(old));
        }
        let echoed = format!("{}{edited}", self.shown_prompt);
        self.say(Tone::Echo, &echoed);
        self.ask(Ask { models: Vec::new(), text: edited, behind: false });
    }

    pub(super) fn keep(&mut self, spec: Option<&Spec>) {
        let Some(key) = self.any("keep", spec) else { return };
        let Some(entry) = self.entry(key) else { return };
        let (item, number) = (&entry.item, entry.number);
        if self.turn_of(item).is_some() {
            return self.say(Tone::Dim, "it is in the conversation already");
        }
        let Kind::Aside(question) = &item.kind else {
            return self.wrong(&format!("keep: %{number} is no answer"));
        };
        let (model, question) = (item.model.clone(), question.clone());
        match item.job().and_then(towline::Job::outcome) {
            None => self.wrong(&format!("keep: %{number} still runs")),
            Some(outcome) if outcome.reply.text.is_empty() => {
                self.wrong(&format!("keep: %{number} has no answer"))
            }
            Some(outcome) => {
                let id = self.chat.keep(&model, question, &outcome);
                if let Some(lines) = self.chat.turn(id).map(session::turn) {
                    self.write(&lines);
                }
                self.say(Tone::Dim, &format!("the answer of {model} is part of the conversation"));
            }
        }
    }
}
