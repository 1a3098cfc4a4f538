//! OpenAI's responses: typed events.

use std::collections::VecDeque;

use super::{Decoder, Verdict, content, count, failure, text, token_usage};
use crate::error::Error;
use crate::event::Event;
use crate::json::Json;
use crate::outcome::FinishReason;

impl Decoder {
    pub(super) fn responses_record(
        &mut self,
        record: &Json<'_>,
        events: &mut VecDeque<Event>,
    ) -> Result<Verdict, Error> {
        let index = record.get("output_index").and_then(count).unwrap_or_default();
        let item = record.get("item").filter(|item| text(item, "type") == Some("function_call"));
        let response = record.get("response").unwrap_or(record);
        match text(record, "type") {
            Some("response.output_text.delta" | "response.refusal.delta") => {
                self.answered.any = true;
                content::read(record.get("delta").unwrap_or(&Json::Null), events)?;
            }
            Some(
                "response.reasoning_text.delta"
                | "response.reasoning_summary_text.delta"
                | "response.reasoning_summary.delta"
                | "response.reasoning.delta",
            ) => {
                self.answered.any = true;
                content::read_thinking(record.get("delta").unwrap_or(&Json::Null), events)?;
            }
            Some("response.output_item.added") => {
                if let Some(call) = item {
                    self.tool_calls.start(
                        index,
                        text(call, "call_id"),
                        text(call, "name").unwrap_or_default(),
                    );
                }
            }
            Some("response.function_call_arguments.delta") => {
                self.tool_calls.append(index, text(record, "delta").unwrap_or_default());
            }
            Some("response.output_item.done") => {
                if item.is_some() {
                    self.answered = super::Answered { any: true, calls: true };
                    self.tool_calls.complete(index, item, events);
                }
            }
            Some("response.completed" | "response.incomplete") => {
                return self.responses_end(response, events);
            }
            Some("response.failed" | "response.cancelled") => {
                let error = response.get("error").filter(|error| !error.is_null());
                return Ok(failure::of_event(error.unwrap_or(response)));
            }
            Some(
                "response.created"
                | "response.in_progress"
                | "response.queued"
                | "response.content_part.added"
                | "response.content_part.done"
                | "response.output_text.done"
                | "response.output_text.annotation.added"
                | "response.refusal.done"
                | "response.reasoning_text.done"
                | "response.reasoning_summary_part.added"
                | "response.reasoning_summary_part.done"
                | "response.reasoning_summary_text.done"
                | "response.function_call_arguments.done",
            ) => {}
            Some("ping" | "keepalive") => return Ok(Verdict::Nothing),
            Some(_) => return Ok(Verdict::NotUnderstood),
            // An unstreamed answer is the object that the last event of a stream would contain.
            None if text(record, "object") == Some("response") => match text(record, "status") {
                Some("queued" | "in_progress") => {}
                Some(_) | None => return self.responses_end(record, events),
            },
            None => return Ok(Verdict::NotUnderstood),
        }
        Ok(Verdict::More)
    }

    /// The final response; its output is used if no part of it has arrived before.
    fn responses_end(&mut self, response: &Json<'_>, events: &mut VecDeque<Event>) -> Result<Verdict, Error> {
        if !self.answered.any {
            for item in response.get("output").and_then(Json::as_array).into_iter().flatten() {
                match text(item, "type") {
                    Some("message") => content::read(item.get("content").unwrap_or(&Json::Null), events)?,
                    Some("reasoning") => content::read(item, events)?,
                    Some("function_call") => {
                        self.answered.calls = true;
                        self.tool_calls.whole(item, events);
                    }
                    Some(_) | None => {}
                }
            }
        }
        self.tool_calls.finish(events);
        let cached =
            |usage: &Json<'_>| usage.get("input_tokens_details")?.get("cached_tokens").and_then(count);
        events.extend(token_usage(response.get("usage"), cached));
        let cut = response.get("incomplete_details").and_then(|details| text(details, "reason"));
        Ok(Verdict::Closed(Some(match cut {
            Some("max_output_tokens" | "max_tokens") => FinishReason::Length,
            Some(other) => FinishReason::parse(other),
            None if self.answered.calls => FinishReason::ToolCalls,
            None => FinishReason::Stop,
        })))
    }
}
