//! Joins tool calls: Ollama sends complete calls, the other dialects fragments of argument text.

use std::collections::VecDeque;

use serde_json::{Map, Value};

use super::text;
use crate::event::{Event, PartialToolCall, ToolCall};
use crate::json::Json;

/// The maximum number of incomplete tool calls of one answer; further fragments are joined to the last.
const MAX_OPEN_CALLS: usize = 256;

/// Tool calls that are not complete yet, in the order in which they began.
#[derive(Debug, Default)]
pub(super) struct ToolCalls {
    open: Vec<Open>,
    /// The length of their text, in bytes.
    bytes: usize,
}

#[derive(Debug, Default)]
struct Open {
    /// The server's index of the call, if it sends one.
    index: Option<u64>,
    call: PartialToolCall,
    arguments: Balance,
}

/// Tracks across pieces whether a JSON text is complete.
#[derive(Debug, Default)]
struct Balance {
    depth: usize,
    in_string: bool,
    after_backslash: bool,
}

impl Balance {
    fn follow(&mut self, text: &str) {
        for byte in text.bytes() {
            match byte {
                _ if std::mem::take(&mut self.after_backslash) => {}
                b'\\' if self.in_string => self.after_backslash = true,
                b'"' => self.in_string = !self.in_string,
                b'{' | b'[' if !self.in_string => self.depth += 1,
                b'}' | b']' if !self.in_string => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }

    fn is_even(&self) -> bool {
        self.depth == 0 && !self.in_string
    }
}

impl ToolCalls {
    /// A call that arrives in one piece.
    pub(super) fn whole(&mut self, call: &Json<'_>, events: &mut VecDeque<Event>) {
        let function = call.get("function").unwrap_or(call);
        give_out(
            text(call, "call_id").or_else(|| text(call, "id")).map(str::to_owned),
            text(function, "name").unwrap_or_default().to_owned(),
            arguments(function.get("arguments").or_else(|| function.get("input"))),
            events,
        );
    }

    /// A piece of a call, one of `count` in its record, at `place`. Pieces with the same index or id belong
    /// together. A piece with neither is assigned by its name, and by whether the arguments so far are
    /// complete. All calls are complete when the answer finishes.
    pub(super) fn fragment(
        &mut self,
        piece: &Json<'_>,
        place: usize,
        count: usize,
        events: &mut VecDeque<Event>,
    ) {
        let function = piece.get("function").unwrap_or(piece);
        let (id, name) = (text(piece, "id"), text(function, "name"));
        let index = piece.get("index").and_then(super::count);
        let value = function.get("arguments").filter(|value| !value.is_null());
        let is_text = value.is_none_or(|value| value.as_str().is_some());
        let written = match value {
            Some(Json::String(written)) => written.as_ref().to_owned(),
            Some(value) => value.to_value().to_string(),
            None => String::new(),
        };
        let known = match (index, id) {
            (Some(index), _) => self.open.iter().rposition(|open| open.index == Some(index)),
            (None, Some(id)) => {
                let same = self.open.iter().position(|open| open.call.id.as_deref() == Some(id));
                same.or_else(|| self.last().filter(|_| name.is_none()))
            }
            (None, None) if name.is_some() => self.last().filter(|_| place == 0),
            (None, None) if count == 1 => self.last(),
            (None, None) => Some(place).filter(|place| *place < self.open.len()),
        };
        let known = known.filter(|at| !self.open[*at].is_followed_by_another(index, id, name, &written));
        if !is_text && known.is_none_or(|at| !self.open[at].call.arguments.is_empty()) {
            return self.whole(piece, events);
        }
        let at = known.unwrap_or_else(|| self.begin(index));
        self.add_id(at, id);
        // Some servers repeat the whole name in every piece, others send it in pieces.
        if let Some(name) = name.filter(|name| *name != self.open[at].call.name) {
            self.open[at].call.name.push_str(name);
            self.bytes += name.len();
        }
        self.add_arguments(at, &written);
    }

    /// Starts a call whose pieces have its index.
    pub(super) fn start(&mut self, index: u64, id: Option<&str>, name: &str) {
        let at = self.begin(Some(index));
        self.add_id(at, id);
        name.clone_into(&mut self.open[at].call.name);
        self.bytes += name.len();
    }

    /// Appends arguments to the call with this index.
    pub(super) fn append(&mut self, index: u64, arguments: &str) {
        if let Some(at) = self.open.iter().rposition(|open| open.index == Some(index)) {
            self.add_arguments(at, arguments);
        }
    }

    /// Completes the call with this index: `whole` is the call as the server repeats it, if it does.
    pub(super) fn complete(&mut self, index: u64, whole: Option<&Json<'_>>, events: &mut VecDeque<Event>) {
        let open =
            self.open.iter().rposition(|open| open.index == Some(index)).map(|at| self.open.remove(at));
        if let Some(open) = &open {
            self.bytes = self.bytes.saturating_sub(open.bytes());
        }
        match (whole, open) {
            (Some(whole), _) => self.whole(whole, events),
            (None, Some(open)) => open.give_out(events),
            (None, None) => {}
        }
    }

    /// The length of the text of the incomplete calls, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The answer is finished: completes every open call.
    pub(super) fn finish(&mut self, events: &mut VecDeque<Event>) {
        self.open.sort_by_key(|open| open.index.unwrap_or(u64::MAX));
        self.bytes = 0;
        for open in self.open.drain(..) {
            open.give_out(events);
        }
    }

    pub(super) fn take_partial(&mut self) -> Vec<PartialToolCall> {
        self.open.drain(..).map(|open| open.call).collect()
    }

    fn last(&self) -> Option<usize> {
        self.open.len().checked_sub(1)
    }

    fn begin(&mut self, index: Option<u64>) -> usize {
        if self.open.len() < MAX_OPEN_CALLS {
            self.open.push(Open { index, ..Open::default() });
        }
        self.open.len() - 1
    }

    fn add_id(&mut self, at: usize, id: Option<&str>) {
        let call = &mut self.open[at].call;
        if call.id.is_none() {
            call.id = id.map(str::to_owned);
            self.bytes += id.map_or(0, str::len);
        }
    }

    fn add_arguments(&mut self, at: usize, arguments: &str) {
        let open = &mut self.open[at];
        open.call.arguments.push_str(arguments);
        open.arguments.follow(arguments);
        self.bytes += arguments.len();
    }
}

impl Open {
    fn bytes(&self) -> usize {
        let PartialToolCall { id, name, arguments } = &self.call;
        id.as_ref().map_or(0, String::len) + name.len() + arguments.len()
    }

    /// Whether a piece with a name, which has the index of this call, begins another call.
    fn is_followed_by_another(
        &self,
        index: Option<u64>,
        id: Option<&str>,
        name: Option<&str>,
        written: &str,
    ) -> bool {
        let (Some(name), call) = (name, &self.call) else { return false };
        if id.is_some() && call.id.is_some() {
            // Servers that send complete calls may give each the same index.
            return id != call.id.as_deref();
        }
        let is_whole = if call.arguments.is_empty() {
            // Two calls without arguments, one after the other.
            index.is_none() && written.is_empty() && !call.name.is_empty()
        } else {
            self.arguments.is_even() && !written.is_empty()
        };
        is_whole || index.is_none() && !call.name.is_empty() && name != call.name
    }

    fn give_out(self, events: &mut VecDeque<Event>) {
        let PartialToolCall { id, name, arguments } = self.call;
        give_out(id, name, parse_arguments(&arguments), events);
    }
}

fn give_out(id: Option<String>, name: String, arguments: Value, events: &mut VecDeque<Event>) {
    events.push_back(Event::ToolCall(Box::new(ToolCall { id, name, arguments })));
}

/// Arguments as a value or as JSON text.
fn arguments(value: Option<&Json<'_>>) -> Value {
    match value {
        Some(Json::String(json)) => parse_arguments(json),
        Some(Json::Null) | None => Value::Object(Map::new()),
        Some(
            value @ (Json::Object(_) | Json::Array(_) | Json::Bool(_) | Json::Integer(_) | Json::Number(_)),
        ) => value.to_value(),
    }
}

/// Arguments as JSON; a call without arguments has an empty object, and invalid JSON stays as it was written.
fn parse_arguments(json: &str) -> Value {
    if json.trim().is_empty() {
        return Value::Object(Map::new());
    }
    serde_json::from_str(json).unwrap_or_else(|_| Value::String(json.to_owned()))
}
