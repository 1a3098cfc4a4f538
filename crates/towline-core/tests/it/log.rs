//! A job's log against a list of the appended events: only dropped events are lost, and the log reports them.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use towline_core::event::{Event, Progress};
use towline_core::job::Deadline;
use towline_core::log::{Log, Offset};

use crate::support::cases;

#[derive(Debug, Clone)]
enum Op {
    Append(Event),
    /// A reader reads at most this many bytes from its position.
    Read(usize, usize),
    /// A new reader starts at a position of the log, given in thousandths.
    Seek(usize, u64),
    /// The part that all readers have read is dropped, up to this many bytes.
    Drop(usize),
}

const READERS: usize = 3;

fn event() -> impl Strategy<Value = Event> {
    let progress = |digest: &'static str| {
        (0..100_u64).prop_map(move |completed| {
            let progress =
                Progress { digest: Some(digest.into()), completed: Some(completed), ..Progress::default() };
            Event::Progress(Box::new(progress))
        })
    };
    prop_oneof![
        6 => "[aé€👩]{0,6}".prop_map(Event::Text),
        2 => "[xy]{1,3}".prop_map(Event::Thinking),
        1 => (1..3000_usize).prop_map(|length| Event::Text("z".repeat(length))),
        1 => Just(Event::Usage(Box::default())),
        1 => progress("one"),
        1 => progress("two"),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => event().prop_map(Op::Append),
        4 => (0..READERS, prop_oneof![Just(usize::MAX), 0..5000_usize]).prop_map(|(who, limit)| Op::Read(who, limit)),
        1 => (0..READERS, 0..=1000_u64).prop_map(|(who, place)| Op::Seek(who, place)),
        1 => (0..20_000_usize).prop_map(Op::Drop),
    ]
}

/// The events that a slow reader must get: text joined, and for each layer only the last progress.
fn joined(events: impl IntoIterator<Item = Event>) -> Vec<Event> {
    let mut all: Vec<Event> = Vec::new();
    for event in events {
        match (all.last_mut(), event) {
            (Some(Event::Text(last)), Event::Text(text)) => *last += &text,
            (Some(Event::Thinking(last)), Event::Thinking(text)) => *last += &text,
            (Some(Event::Progress(last)), Event::Progress(next)) if last.digest == next.digest => {
                *last = next
            }
            (_, Event::Text(text)) if text.is_empty() => {}
            (_, event) => all.push(event),
        }
    }
    all
}

/// The events from an offset on, from a list of all.
fn from(all: &[Event], offset: u64) -> Vec<Event> {
    let mut at = 0;
    let mut rest = Vec::new();
    for event in all {
        let length = match event {
            Event::Text(text) | Event::Thinking(text) => text.len() as u64,
            Event::ToolCall(_)
            | Event::Image(_)
            | Event::Logprobs(_)
            | Event::Progress(_)
            | Event::Usage(_) => 1,
        };
        if at + length > offset {
            let skip = usize::try_from(offset.saturating_sub(at)).unwrap();
            rest.push(match event {
                Event::Text(text) => Event::Text(text[text.ceil_char_boundary(skip)..].to_owned()),
                Event::Thinking(text) => Event::Thinking(text[skip..].to_owned()),
                Event::ToolCall(_)
                | Event::Image(_)
                | Event::Logprobs(_)
                | Event::Progress(_)
                | Event::Usage(_) => event.clone(),
            });
        }
        at += length;
    }
    rest
}

proptest! {
    #![proptest_config(cases(1500))]

    #[test]
    fn each_reader_gets_everything_once_and_in_order(ops in prop::collection::vec(op(), 1..80)) {
        let mut log = Log::default();
        let mut all: Vec<Event> = Vec::new();
        // The start of each reader, the events that it has read, and its position.
        let mut readers = vec![(0, Vec::<Event>::new(), Offset::START); READERS];
        let finish = (0..READERS).map(|who| Op::Read(who, usize::MAX));
        for op in ops.into_iter().chain(finish) {
            match op {
                Op::Append(event) => {
                    all.push(event.clone());
                    log.append(event);
                }
                Op::Seek(who, place) => {
                    let (start, end) = (log.start().to_u64(), log.end().to_u64());
                    let at = start + (end - start) * place / 1000;
                    readers[who] = (at, Vec::new(), Offset::from_u64(at));
                }
                Op::Read(who, limit) => {
                    let (began, got, at) = &mut readers[who];
                    let read = log.read(*at, limit);
                    prop_assert_eq!(read.missed, 0, "only what was read is dropped");
                    prop_assert!(read.next >= *at && read.next <= log.end());
                    prop_assert!(limit < usize::MAX || read.next == log.end());
                    prop_assert!(limit == 0 || *at == log.end() || read.next > *at, "reading continues");
                    got.extend(read.events);
                    *at = read.next;
                    if read.next == log.end() {
                        prop_assert_eq!(joined(got.clone()), joined(from(&all, *began)));
                    }
                }
                Op::Drop(bytes) => {
                    let oldest = readers.iter().map(|(.., at)| *at).min().unwrap();
                    let before = log.bytes();
                    let freed = log.drop_before(oldest, bytes);
                    prop_assert_eq!(before - log.bytes(), freed);
                    prop_assert!(log.start() <= oldest, "what is not read yet stays");
                    let gone = log.start();
                    prop_assert_eq!(log.read(Offset::START, usize::MAX).missed, gone.to_u64());
                }
            }
        }
    }
}

#[test]
fn a_moved_deadline() {
    let now = Instant::now();
    let at = |seconds| now + Duration::from_secs(seconds);
    for (how, current, wanted) in [
        (Deadline::In(Duration::from_secs(5)), None, Some(at(5))),
        (Deadline::In(Duration::from_secs(5)), Some(at(90)), Some(at(5))),
        (Deadline::ExtendBy(Duration::from_secs(5)), None, Some(at(5))),
        (Deadline::ExtendBy(Duration::from_secs(5)), Some(at(90)), Some(at(95))),
        (Deadline::Never, Some(at(90)), None),
        (Deadline::In(Duration::MAX), Some(at(90)), None),
        (Deadline::ExtendBy(Duration::MAX), Some(at(90)), None),
    ] {
        assert_eq!(how.apply(current, now), wanted, "{how:?} {current:?}");
    }
}
