//! Records, unchanged from the server.

use std::time::Instant;

use towline_core::dialect::Dialect;
use towline_core::records::{Record, RecordKind, Records};
use towline_core::stream::BodyEnd;
use towline_core::timeouts::Limits;

use crate::support::open;

const BODY: &[u8] = b"{\"model\":\"m\",\"created_at\":\"1\",\"response\":\"a\",\"done\":false,\"odd\":[1]}\n\
    {\"model\":\"m\",\"created_at\":\"2\",\"response\":\"b\\n\",\"done\":false,\"odd\":[1]}\n\n\
    {\"model\":\"m\",\"created_at\":\"3\",\"response\":\"\",\"done\":false}\n\
    {\"model\":\"m\",\"created_at\":\"4\",\"response\":\"c\xff\",\"done\":false,\"odd\":[1]}\n\
    {\"model\":\"m\",\"created_at\":\"5\",\"response\":\"d\",\"done\":false,\"odd\":[1]}\n\
    {\"model\":\"m\",\"response\":\"\",\"done\":true}\n\
    {\"model\":\"m\",\"response\":\"after the end\",\"done\":false}\n";

/// All records of a body in pieces of `piece` bytes.
fn records(body: &[u8], piece: usize) -> Records {
    let now = Instant::now();
    let mut life = open(Dialect::Ollama, Limits::default(), now);
    life.keep_records();
    let mut all = Records::default();
    for bytes in body.chunks(piece) {
        life.bytes(bytes, now);
        while life.next_event().is_some() {}
        all.append(&life.take_records());
    }
    life.ended(BodyEnd::Clean, now);
    while life.next_event().is_some() {}
    all.append(&life.take_records());
    all
}

fn lines(body: &[u8]) -> Vec<&[u8]> {
    body.split(|b| *b == b'\n').map(<[u8]>::trim_ascii_start).filter(|line| !line.is_empty()).collect()
}

#[test]
fn every_record_up_to_the_last_is_kept_as_it_came() {
    for piece in [1, 7, BODY.len()] {
        let records = records(BODY, piece);
        let lines = lines(BODY);
        let expected = [
            (lines[0], "a", RecordKind::Pattern),
            (lines[1], "b\n", RecordKind::Text),
            (lines[2], "", RecordKind::None),
            ("{\"model\":\"m\",\"created_at\":\"4\",\"response\":\"c\u{fffd}\",\"done\":false,\"odd\":[1]}".as_bytes(), "c\u{fffd}", RecordKind::None),
            (lines[4], "d", RecordKind::Text),
            (lines[5], "", RecordKind::None),
        ];
        assert_eq!(records.len(), expected.len(), "in pieces of {piece}");
        for (index, (json, text, kind)) in expected.into_iter().enumerate() {
            assert_eq!(records.get(index), Some(Record { json, text, kind }), "{index} in pieces of {piece}");
        }
        assert_eq!(records.get(expected.len()), None);
    }
}

#[test]
fn an_error_of_the_server_is_no_record() {
    let records = records(b"{\"response\":\"a\",\"done\":false}\n{\"error\":\"no\"}\n", 9);
    assert_eq!(records.len(), 1);
}

#[test]
fn nothing_is_kept_unless_asked_for() {
    let now = Instant::now();
    let mut life = open(Dialect::Ollama, Limits::default(), now);
    life.bytes(BODY, now);
    while life.next_event().is_some() {}
    assert!(life.take_records().is_empty());
}
