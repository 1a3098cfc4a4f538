//! Joins tool calls: Ollama sends them whole, OpenAI's dialect in fragments of argument text.

use std::collections::VecDeque;

use serde_json::{Map, Value};

use super::{count, text};
use crate::event::{Event, PartialToolCall, ToolCall};
use crate::json::Json;

/// The most tool calls one answer may have open at a time; fragments beyond are joined to the last.
const MAX_OPEN_CALLS: usize = 256;

/// Tool calls that are not complete yet, with the index each was sent with, in the order in which they began.
#[derive(Debug, Default)]
pub(super) struct ToolCalls {
    open: Vec<(u64, PartialToolCall)>,
    /// How much text they hold.
    bytes: usize,
}

impl ToolCalls {
    /// A call that comes in one piece.
    pub(super) fn whole(&mut self, call: &Json<'_>, events: &mut VecDeque<Event>) {
        let function = call.get("function").unwrap_or(call);
        let arguments = match function.get("arguments") {
            Some(Json::String(json)) => parse_arguments(json),
            Some(Json::Null) | None => Value::Object(Map::new()),
            Some(value @ (Json::Object(_) | Json::Array(_) | Json::Bool(_) | Json::Number(_))) => {
                value.to_value()
            }
        };
        events.push_back(Event::ToolCall(Box::new(ToolCall {
            id: text(call, "id").map(str::to_owned),
            name: text(function, "name").unwrap_or_default().to_owned(),
            arguments,
        })));
    }

    /// A piece of a call. Pieces belong together by their `index`; a new id or a new index begins a new call, and all
    /// are complete when the answer finishes.
    pub(super) fn fragment(&mut self, piece: &Json<'_>, place: usize, events: &mut VecDeque<Event>) {
        let function = piece.get("function").unwrap_or(&Json::Null);
        if function.get("arguments").is_some_and(Json::is_object) {
            return self.whole(piece, events);
        }
        let index = piece.get("index").and_then(count).unwrap_or(place as u64);
        let id = text(piece, "id");
        let name = text(function, "name");
        let known = self.open.iter().rposition(|(open, _)| *open == index).filter(|&at| {
            // Servers that send whole calls may give each the same index.
            let call = &self.open[at].1;
            !(id.is_some() && call.id.is_some() && id != call.id.as_deref() && name.is_some())
        });
        let at = match known {
            Some(at) => at,
            None if self.open.len() == MAX_OPEN_CALLS => MAX_OPEN_CALLS - 1,
            None => {
                self.open.push((index, PartialToolCall::default()));
                self.open.len() - 1
            }
        };
        let call = &mut self.open[at].1;
        if call.id.is_none() {
            call.id = id.map(str::to_owned);
            self.bytes += id.map_or(0, str::len);
        }
        // Some servers repeat the whole name with every piece, others send it in pieces.
        if let Some(name) = name.filter(|name| *name != call.name) {
            call.name.push_str(name);
            self.bytes += name.len();
        }
        if let Some(arguments) = function.get("arguments").and_then(Json::as_str) {
            call.arguments.push_str(arguments);
            self.bytes += arguments.len();
        }
    }

    /// How much text the calls hold that are not complete yet.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The answer is finished: every open call is complete.
    pub(super) fn finish(&mut self, events: &mut VecDeque<Event>) {
        self.open.sort_by_key(|(index, _)| *index);
        self.bytes = 0;
        for (_, call) in self.open.drain(..) {
            events.push_back(Event::ToolCall(Box::new(ToolCall {
                id: call.id,
                name: call.name,
                arguments: parse_arguments(&call.arguments),
            })));
        }
    }

    pub(super) fn take_partial(&mut self) -> Vec<PartialToolCall> {
        self.open.drain(..).map(|(_, call)| call).collect()
    }
}

/// Arguments as JSON; a call without any has an empty object, and what is not JSON stays as it was written.
fn parse_arguments(json: &str) -> Value {
    if json.trim().is_empty() {
        return Value::Object(Map::new());
    }
    serde_json::from_str(json).unwrap_or_else(|_| Value::String(json.to_owned()))
}
