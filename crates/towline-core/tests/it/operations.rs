//! Any sequence of operations on a stream: compared with the model, and with arbitrary bytes.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use towline_core::dialect::Dialect;
use towline_core::event::Event;
use towline_core::stream::{Lifecycle, Opened, Phase};
use towline_core::timeouts::{Limits, Timeouts};

use crate::model::{Model, Summary};
use crate::support::{End, cases};

#[derive(Debug, Clone)]
enum Op {
    Sent,
    Opened(u16, &'static str),
    Bytes(Vec<u8>),
    End(End),
    /// Milliseconds during which the stream is not given the time.
    Wait(u64),
    Tick,
    /// Wait until the deadline, then tell it the time.
    TickWhenDue,
    SetTimeouts(Timeouts),
    Expire(Duration),
    Unpaused,
    PollOnce,
    Poll,
}

/// Lines and parts of lines that make sense, so that streams get somewhere.
fn chat_bytes() -> impl Strategy<Value = Vec<u8>> {
    let lines: Vec<&[u8]> = vec![
        b"{\"message\":{\"content\":\"a\"},\"done\":false}\n",
        b"{\"message\":{\"content\":\"b\"},\"done\":false}\r\n",
        b"{\"message\":{\"content\":\"\"},\"done\":false}\n",
        b"{\"message\":{\"content\":\"c\"},\"done\":false}\n{\"message\":{\"content\":\"d\"},\"done\":false}\n",
        b"{\"message\":{\"con",
        b"tent\":\"e\"}}\n",
        b"{}\n",
        b"\n",
        b" \r\n",
        b"{\"done\":true,\"done_reason\":\"stop\"}\n",
        b"{\"message\":{\"content\":\"z\"},\"done\":true}",
        b"{\"error\":\"no\"}\n",
        b"{\"error\":null}\n",
        b"garbage\n",
        b"[]",
        b"{\"message\":{\"content\":\"\xff\"}}\n",
        &[b' '; 150],
        &[b'x'; 250],
        b"",
    ];
    let weights = [12, 6, 4, 6, 4, 4, 2, 2, 1, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1];
    let lines: Vec<_> =
        weights.into_iter().zip(lines).map(|(weight, line)| (weight, Just(line.to_vec()))).collect();
    prop::strategy::Union::new_weighted(lines)
}

fn timeouts() -> impl Strategy<Value = Timeouts> {
    let time = || prop::option::weighted(0.8, (1..5000_u64).prop_map(Duration::from_millis));
    (time(), time(), time(), time(), time()).prop_map(|(connect, first_event, idle, record, total)| {
        Timeouts { connect, first_event, idle, record, total }
    })
}

fn op(bytes: impl Strategy<Value = Vec<u8>> + 'static) -> impl Strategy<Value = Op> {
    let status = prop_oneof![
        8 => Just(200_u16), 1 => Just(204), 1 => Just(404), 1 => Just(503), 1 => Just(500), 1 => any::<u16>(),
    ];
    let content_type =
        prop::sample::select(vec!["", "application/x-ndjson", "Application/JSON; charset=utf-8"]);
    prop_oneof![
        3 => Just(Op::Sent),
        3 => (status, content_type).prop_map(|(status, content_type)| Op::Opened(status, content_type)),
        14 => bytes.prop_map(Op::Bytes),
        1 => prop::sample::select(End::ALL.to_vec()).prop_map(Op::End),
        3 => (0..3000_u64).prop_map(Op::Wait),
        3 => Just(Op::Tick),
        1 => Just(Op::TickWhenDue),
        1 => timeouts().prop_map(Op::SetTimeouts),
        1 => (0..9_u64).prop_map(|seconds| Op::Expire(Duration::from_secs(seconds))),
        1 => Just(Op::Unpaused),
        3 => Just(Op::PollOnce),
        4 => Just(Op::Poll),
    ]
}

/// A stream, with its invariants.
struct Watched {
    life: Lifecycle,
    now: Instant,
    rank: u8,
    outcomes: usize,
    text: String,
}

fn rank(phase: Phase) -> u8 {
    match phase {
        Phase::Connecting => 0,
        Phase::Opening => 1,
        Phase::Waiting => 2,
        Phase::Streaming => 3,
        Phase::Finishing => 4,
        Phase::Ended => 5,
    }
}

impl Watched {
    fn new(dialect: Dialect, timeouts: Timeouts, limits: Limits) -> Self {
        let now = Instant::now();
        let life = Lifecycle::new(dialect, timeouts, limits, now);
        Self { life, now, rank: 0, outcomes: 0, text: String::new() }
    }

    fn apply(&mut self, op: &Op) {
        let (life, now) = (&mut self.life, self.now);
        match op {
            Op::Sent => life.sent(now),
            Op::Opened(status, content_type) => {
                let content_type = (*content_type).to_owned();
                life.opened(&Opened { status: *status, content_type, retry_after: None }, now);
            }
            Op::Bytes(bytes) => life.bytes(bytes, now),
            Op::End(end) => end.apply(life, now),
            Op::Wait(milliseconds) => self.now += Duration::from_millis(*milliseconds),
            Op::Tick => life.tick(now),
            Op::TickWhenDue => {
                if let Some(due) = life.deadline() {
                    self.now = now.max(due);
                    life.tick(self.now);
                }
            }
            Op::SetTimeouts(timeouts) => life.set_timeouts(*timeouts),
            Op::Expire(limit) => life.expire(*limit, now),
            Op::Unpaused => life.unpaused(now),
            Op::PollOnce | Op::Poll => {}
        }
    }

    /// Takes an event, or the outcome if there is none.
    fn poll(&mut self) -> (Option<Event>, Option<Summary>) {
        if let Some(event) = self.life.next_event() {
            assert_eq!(self.outcomes, 0, "{event:?} after the outcome");
            if let Event::Text(text) = &event {
                self.text += text;
            }
            return (Some(event), None);
        }
        let outcome = self.life.take_outcome();
        if let Some(outcome) = &outcome {
            self.outcomes += 1;
            assert_eq!(self.outcomes, 1, "a second outcome");
            assert_eq!(outcome.reply.text, self.text, "the reply is the sum of the events");
        }
        (None, outcome.as_ref().map(Summary::of))
    }

    fn check(&mut self) {
        let phase = self.life.phase();
        assert!(rank(phase) >= self.rank, "{phase:?} after a later phase");
        self.rank = rank(phase);
        let Timeouts { connect, first_event, idle, .. } = self.life.timeouts();
        let deadline = self.life.deadline();
        if phase == Phase::Ended {
            assert_eq!(deadline, None);
        } else if connect.is_some() && first_event.is_some() && idle.is_some() {
            assert!(deadline.is_some(), "nothing would ever end {phase:?}");
        }
    }

    /// Ticks at every deadline until there is an outcome.
    fn run_out(&mut self) {
        let mut turns = 0;
        while self.outcomes == 0 {
            while self.poll().0.is_some() {}
            if self.outcomes == 0 {
                assert!(self.life.deadline().is_some(), "{:?} has no end", self.life.phase());
                self.apply(&Op::TickWhenDue);
            }
            turns += 1;
            assert!(turns < 5, "it does not end");
        }
    }
}

const LIMITS: Limits = Limits {
    line_bytes: 200,
    reply_bytes: 1 << 20,
    error_body_bytes: 300,
    error_body_time: Duration::from_millis(1500),
    finish_time: Duration::from_millis(250),
    usage_time: Duration::from_millis(700),
};

const CLOCKS: Timeouts = Timeouts {
    connect: Some(Duration::from_secs(3)),
    first_event: Some(Duration::from_secs(20)),
    idle: Some(Duration::from_secs(7)),
    record: Some(Duration::from_secs(20)),
    total: None,
};

proptest! {
    #![proptest_config(cases(6000))]

    #[test]
    fn a_chat_does_what_the_model_does(begin in 0..4_u8, ops in prop::collection::vec(op(chat_bytes()), 1..40)) {
        let mut watched = Watched::new(Dialect::Ollama, CLOCKS, LIMITS);
        let mut model = Model::new(CLOCKS, LIMITS, watched.now);
        // Most streams begin well.
        let begin = [Op::Sent, Op::Opened(200, "")].into_iter().take(usize::from(begin));
        for op in begin.chain(ops).chain([Op::Poll, Op::TickWhenDue, Op::Poll, Op::TickWhenDue, Op::Poll]) {
            watched.apply(&op);
            let now = watched.now;
            match &op {
                Op::Sent => model.sent(now),
                Op::Opened(status, _) => model.opened(*status, now),
                Op::Bytes(bytes) => model.bytes(bytes, now),
                Op::End(end) => model.end(*end, now),
                Op::Tick => model.tick(now),
                Op::TickWhenDue if model.deadline().is_some() => model.tick(now),
                Op::SetTimeouts(timeouts) => model.timeouts = *timeouts,
                Op::Expire(limit) => model.expire(*limit, now),
                Op::Unpaused => model.unpaused(now),
                Op::Wait(_) | Op::TickWhenDue | Op::PollOnce | Op::Poll => {}
            }
            if matches!(op, Op::PollOnce | Op::Poll) {
                loop {
                    let (event, outcome) = watched.poll();
                    let (model_event, model_outcome) = match model.next_event() {
                        Some(event) => (Some(Event::Text(event)), None),
                        None => (None, model.take_outcome()),
                    };
                    prop_assert_eq!((&event, &outcome), (&model_event, &model_outcome), "{:?}", op);
                    if event.is_none() || matches!(op, Op::PollOnce) {
                        break;
                    }
                }
            }
            watched.check();
            prop_assert_eq!(watched.life.phase(), model.phase(), "{:?}", op);
            prop_assert_eq!(watched.life.deadline(), model.deadline(), "{:?}", op);
            if let Some(due) = model.deadline() {
                prop_assert!(watched.life.wake_at().is_some_and(|wake| wake <= due), "{:?}", op);
            }
        }
    }

    #[test]
    fn no_bytes_and_no_order_of_events_break_the_rules(
        dialect in prop::sample::select(vec![Dialect::Ollama, Dialect::OllamaProgress, Dialect::OpenAi]),
        ops in prop::collection::vec(op(any_bytes()), 0..40),
    ) {
        let mut watched = Watched::new(dialect, CLOCKS, LIMITS);
        for op in ops {
            watched.apply(&op);
            match op {
                Op::Poll => while watched.poll().0.is_some() {},
                Op::PollOnce => drop(watched.poll()),
                Op::Sent | Op::Opened(..) | Op::Bytes(_) | Op::End(_) | Op::Wait(_) | Op::Tick | Op::TickWhenDue
                | Op::SetTimeouts(_)
                | Op::Expire(_)
                | Op::Unpaused => {}
            }
            watched.check();
        }
        watched.life.set_timeouts(CLOCKS);
        watched.run_out();
        watched.check();
        prop_assert_eq!(watched.poll(), (None, None));
    }
}

fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let pieces: Vec<&[u8]> = vec![
        b"\n",
        b"\r",
        b"data: ",
        b"data:",
        b": ",
        b"[DONE]",
        b"{",
        b"}",
        b"\"",
        b"\\",
        b"\\ud83d",
        b"\xf0\x9f",
        b"\xef\xbb\xbf",
        b"{\"message\":{\"content\":\"a\"}}",
        b"{\"response\":\"a\"}",
        b"{\"done\":true}",
        b"{\"error\":1}",
        b"{\"status\":\"success\"}",
        b"{\"status\":\"x\",\"total\":1}",
        b"{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}",
        b"{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":3,\"function\":{\"arguments\":\"{\"}}]}}]}",
        b"{\"choices\":[{\"finish_reason\":\"stop\"}]}",
        b"{\"choices\":[{\"finish_reason\":\"error\"}]}",
        b"{\"choices\":[],\"usage\":{\"prompt_tokens\":1}}",
    ];
    let joined = prop::collection::vec(prop::sample::select(pieces), 0..8).prop_map(|pieces| pieces.concat());
    prop_oneof![3 => joined, 1 => any::<Vec<u8>>()]
}
