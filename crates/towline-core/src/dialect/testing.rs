//! Both ways to decode, side by side, for tests, fuzz targets and benchmarks. Not part of the API.

use std::collections::VecDeque;

use super::{Decoder, Dialect, NotARecord, ThinkTags, Verdict};
use crate::event::Event;

/// The decoder of one stream.
#[derive(Debug)]
pub struct Reader(Decoder);

/// The meaning of a frame for its stream, for comparison and display.
#[derive(Debug, PartialEq)]
pub struct Meaning(Result<Verdict, NotARecord>);

impl Reader {
    /// A decoder that has seen nothing.
    pub fn new(dialect: Dialect) -> Self {
        Self(Decoder::new(dialect, ThinkTags::Split))
    }

    /// Decodes a frame as streams do: with the template if it matches.
    pub fn decode(&mut self, frame: &[u8], events: &mut VecDeque<Event>) -> Meaning {
        Meaning(match self.0.read_alike(frame) {
            Some((kind, text, length)) if length == frame.len() => {
                events.push_back(kind.event(text.into_owned()));
                Ok(Verdict::More)
            }
            Some(_) | None => self.0.decode(frame, events),
        })
    }

    /// Decodes a frame with the general parser.
    pub fn decode_by_parser(&mut self, frame: &[u8], events: &mut VecDeque<Event>) -> Meaning {
        Meaning(self.0.decode_any(frame, events))
    }

    /// Its state besides events, for comparison.
    pub fn knows(&self) -> (u64, Option<&str>, &[i64], usize) {
        let Decoder { replaced_text, model, context, .. } = &self.0;
        (*replaced_text, model.as_deref(), context, self.0.held_bytes())
    }
}
