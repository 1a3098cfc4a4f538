//! Reads a request as a conversation.

use towline::api::Role;
use towline::{ChatRequest, Ending, Event, Message, Outcome};

use super::{Conversation, Settings};

impl Conversation {
    /// The turns of a request, with the images of its questions. The last answer is pending. `None` if the
    /// last message is not a question.
    pub fn of_request(request: &ChatRequest) -> Option<Self> {
        let says = |role| request.messages.iter().filter(move |message| message.role == role);
        let mut chat = Self::new(Settings {
            model: request.model.clone(),
            system: says(Role::System).next().map(|message| message.content.clone()),
            options: request.options.clone(),
            think: request.think.clone(),
            format: request.format.clone(),
        });
        let mut asked = None;
        for message in &request.messages {
            match (&message.role, asked) {
                (Role::User, before) => {
                    // The first of two questions in a row has no answer.
                    if let Some(before) = before {
                        chat.end(before, &Outcome::new(Ending::Completed(None)));
                    }
                    // As in the relay's record of the answer.
                    let content = message.content.trim().to_owned();
                    asked = Some(chat.ask(&request.model, Message { content, ..message.clone() }));
                }
                (Role::Assistant, Some(answer)) => {
                    chat.receive(answer, &Event::Text(message.content.clone()));
                    chat.end(answer, &Outcome::new(Ending::Completed(None)));
                }
                (Role::Assistant, None) | (Role::System | Role::Tool, _) => {}
            }
        }
        let last = request.messages.last()?;
        (last.role == Role::User).then_some(chat)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Answered;

    #[test]
    fn only_the_last_answer_is_pending() {
        let mut request = ChatRequest::new("m");
        request.messages = ["a", "b"].map(Message::user).into();
        request.messages.extend([Message::assistant("yes"), Message::user("c")]);
        let chat = Conversation::of_request(&request).unwrap();
        let answered: Vec<Answered> = chat.answers().map(|answer| answer.answered).collect();
        assert_eq!(answered, [Answered::Whole, Answered::Whole, Answered::Pending]);
        assert_eq!(chat.turns()[2].answer().model, "m");
    }
}
