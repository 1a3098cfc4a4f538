//! Questions without a program that writes to the history: those of a relay's page, and retries on a relay.

use jiff::Timestamp;
use rusqlite::{Connection, TransactionBehavior};
use towline::ChatRequest;

use super::record::Target;
use super::{ChatId, History, HistoryError, export};
use crate::chat::{AnswerId, Conversation, Settings, TurnId, session};

impl History {
    /// Records the question of a request before it is sent: in the conversation that it continues, if that
    /// matches the request, else in a new one with the whole content of the request. Returns the answer,
    /// which is [linked](Self::link) and [completed](Self::complete) later. `None` if the request does not
    /// end with a question.
    ///
    /// # Errors
    /// Those of the database. Then nothing is written.
    pub fn ask(
        &mut self,
        continued: Option<ChatId>,
        request: &ChatRequest,
    ) -> Result<Option<(ChatId, AnswerId)>, HistoryError> {
        let Some(asked) = Conversation::of_request(request) else { return Ok(None) };
        let [before @ .., question] = asked.turns() else { return Ok(None) };
        let change = self.database.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let chat = match continued {
            Some(chat) if !before.is_empty() && turns(&change, chat)? == before.len() as u64 => {
                Target::of(chat).lines(&change, &session::question(question))?;
                chat
            }
            Some(_) | None => {
                let lines = session::write(&asked, &Timestamp::now().to_string());
                export::import_lines(&change, &lines, Target::new(None))?
            }
        };
        let last = "SELECT max(number) FROM turn WHERE chat = ?1";
        let turn: i64 = change.query_row(last, [chat.0], |row| row.get(0))?;
        change.commit()?;
        Ok(Some((chat, AnswerId { turn: TurnId(turn.unsigned_abs()), variant: 1 })))
    }

    /// Records a retry of an answer before it is sent: adds a new answer to its turn and returns it. `None`
    /// if the history no longer has the answer.
    ///
    /// # Errors
    /// Those of the database. Then nothing is written.
    pub fn record_retry(&mut self, chat: ChatId, answer: AnswerId) -> Result<Option<AnswerId>, HistoryError> {
        let change = self.database.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut conversation = match export::lines(&change, chat, false) {
            Err(HistoryError::Missing(_)) => return Ok(None),
            lines => session::read(&lines?)?,
        };
        let Some(before) = conversation.answer(answer) else { return Ok(None) };
        let (model, words) = (before.model.clone(), before.words.clone());
        let Some(again) = conversation.retry(answer.turn, Some(&model), words) else { return Ok(None) };
        if let (Some(turn), Some(variant)) = (conversation.turn(again.turn), conversation.answer(again)) {
            Target::of(chat).lines(&change, &session::retry(turn, variant))?;
        }
        change.commit()?;
        Ok(Some(again))
    }

    /// Removes the question of an answer that was not requested after all, or only the answer if the question
    /// has others. A conversation that had settings before, `former`, gets them back; a new conversation
    /// without another question is removed too.
    ///
    /// # Errors
    /// Those of the database.
    pub fn withdraw(
        &mut self,
        chat: ChatId,
        answer: AnswerId,
        former: Option<&Settings>,
    ) -> Result<(), HistoryError> {
        let change = self.database.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let settings = former.map(session::settings).unwrap_or_default();
        let removed =
            if answer.variant > 1 { session::remove_answer(answer) } else { session::remove(answer.turn) };
        Target::of(chat).lines(&change, &(removed + &settings))?;
        if former.is_none() && turns(&change, chat)? == 0 {
            change.execute("DELETE FROM chat WHERE id = ?1", [chat.0])?;
        }
        change.commit()?;
        Ok(())
    }
}

fn turns(database: &Connection, chat: ChatId) -> Result<u64, rusqlite::Error> {
    let count = "SELECT count(*) FROM turn WHERE chat = ?1";
    database.query_row(count, [chat.0], |row| row.get(0).map(i64::unsigned_abs))
}
