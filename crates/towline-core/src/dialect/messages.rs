//! Anthropic's messages: typed events about numbered content blocks.

use std::collections::VecDeque;

use super::{Decoder, Verdict, content, count, text, token_usage};
use crate::error::Error;
use crate::event::Event;
use crate::json::Json;
use crate::outcome::FinishReason;

impl Decoder {
    pub(super) fn messages_record(
        &mut self,
        record: &Json<'_>,
        events: &mut VecDeque<Event>,
    ) -> Result<Verdict, Error> {
        let index = record.get("index").and_then(count).unwrap_or_default();
        let delta = record.get("delta");
        match text(record, "type") {
            Some("message_start") => {
                let message = record.get("message");
                events.extend(token_usage(message.and_then(|message| message.get("usage")), cached));
            }
            Some("content_block_start") => match record.get("content_block") {
                Some(block) if is_call(block) => {
                    self.tool_calls.start(index, text(block, "id"), text(block, "name").unwrap_or_default());
                }
                Some(block) => read_block(block, events)?,
                None => return Ok(Verdict::NotUnderstood),
            },
            Some("content_block_delta") => match delta.and_then(|delta| text(delta, "type")) {
                Some("text_delta") => piece(delta, "text", Event::Text, events),
                Some("thinking_delta") => piece(delta, "thinking", Event::Thinking, events),
                Some("input_json_delta") => {
                    let arguments = delta.and_then(|delta| text(delta, "partial_json"));
                    self.tool_calls.append(index, arguments.unwrap_or_default());
                }
                Some("signature_delta" | "citations_delta") => {}
                Some(_) | None => return Ok(Verdict::NotUnderstood),
            },
            Some("content_block_stop") => self.tool_calls.complete(index, None, events),
            Some("message_delta") => {
                self.reason = delta.and_then(reason);
                events.extend(token_usage(record.get("usage"), cached));
            }
            Some("message_stop") if !self.understood => return Err(self.nothing_before("message_stop")),
            Some("message_stop") => {
                self.tool_calls.finish(events);
                return Ok(Verdict::Closed(self.reason.take()));
            }
            Some("ping") => return Ok(Verdict::Nothing),
            // An answer that was not streamed.
            Some("message") => {
                for block in record.get("content").and_then(Json::as_array).into_iter().flatten() {
                    if is_call(block) {
                        self.tool_calls.whole(block, events);
                    } else {
                        read_block(block, events)?;
                    }
                }
                events.extend(token_usage(record.get("usage"), cached));
                return Ok(match reason(record) {
                    None => Verdict::More,
                    reason => Verdict::Closed(reason),
                });
            }
            Some(_) | None => return Ok(Verdict::NotUnderstood),
        }
        Ok(Verdict::More)
    }
}

fn is_call(block: &Json<'_>) -> bool {
    matches!(text(block, "type"), Some("tool_use" | "server_tool_use" | "mcp_tool_use"))
}

fn read_block(block: &Json<'_>, events: &mut VecDeque<Event>) -> Result<(), Error> {
    match text(block, "type") {
        // These are not meant for display, and the results of the server's own tools are not part of the
        // answer.
        Some("redacted_thinking") => Ok(()),
        Some(kind) if kind.ends_with("_tool_result") => Ok(()),
        Some(_) | None => content::read(block, events),
    }
}

fn piece(delta: Option<&Json<'_>>, key: &str, kind: fn(String) -> Event, events: &mut VecDeque<Event>) {
    events.extend(delta.and_then(|delta| text(delta, key)).map(|text| kind(text.to_owned())));
}

fn reason(of: &Json<'_>) -> Option<FinishReason> {
    text(of, "stop_reason").map(|word| match word {
        "end_turn" | "stop_sequence" => FinishReason::Stop,
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "tool_use" => FinishReason::ToolCalls,
        "refusal" => FinishReason::ContentFilter,
        other => FinishReason::parse(other),
    })
}

fn cached(usage: &Json<'_>) -> Option<u64> {
    usage.get("cache_read_input_tokens").and_then(count)
}
