//! Any sequence of operations on a stream: one outcome, nothing after it, the phases in order, a deadline
//! at every moment, and an answer that is the sum of the events.

#![no_main]

use std::time::{Duration, Instant};

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use towline_core::timeouts::{Timeouts, Limits};
use towline_core::dialect::Dialect;
use towline_core::error::{Error, ErrorKind, Fault};
use towline_core::event::Event;
use towline_core::stream::{BodyEnd, Lifecycle, Opened, Phase};

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    dialect: u8,
    line_bytes: u8,
    ops: Vec<Op<'a>>,
}

#[derive(Debug, Arbitrary)]
enum Op<'a> {
    Sent,
    Accepted,
    AcceptedAsJson,
    Opened(u16),
    Bytes(&'a [u8]),
    Record(Record<'a>),
    Clean,
    Cut,
    Broken,
    Cancel,
    Wait(u16),
    Tick,
    TickWhenDue,
    SetTimeouts([Option<u16>; 5]),
    PollOnce,
    Poll,
}

/// Sequences that a fuzzer would take long to find.
#[derive(Debug, Arbitrary)]
enum Record<'a> {
    Chat(&'a str),
    ChatDone,
    Progress(&'a str),
    OpenAi(&'a str),
    OpenAiCall(u8, &'a str),
    OpenAiFinish(&'a str),
    OpenAiUsage,
    OpenAiDone,
    Error(&'a str),
}

impl Record<'_> {
    fn text(&self) -> String {
        match self {
            Self::Chat(text) => format!("{{\"message\":{{\"content\":\"{text}\"}}}}\n"),
            Self::ChatDone => "{\"done\":true,\"done_reason\":\"stop\",\"eval_count\":3}\n".into(),
            Self::Progress(status) => format!("{{\"status\":\"{status}\"}}\n"),
            Self::OpenAi(text) => {
                format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")
            }
            Self::OpenAiCall(index, arguments) => format!(
                "data: {{\"choices\":[{{\"delta\":{{\"tool_calls\":[{{\"index\":{index},\"function\":{{\"arguments\":\"{arguments}\"}}}}]}}}}]}}\n\n"
            ),
            Self::OpenAiFinish(reason) => {
                format!("data: {{\"choices\":[{{\"delta\":{{}},\"finish_reason\":\"{reason}\"}}]}}\n\n")
            }
            Self::OpenAiUsage => "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\n".into(),
            Self::OpenAiDone => "data: [DONE]\n\n".into(),
            Self::Error(text) => format!("data: {{\"error\":\"{text}\"}}\n\n{{\"error\":\"{text}\"}}\n"),
        }
    }
}

const CLOCKS: Timeouts = Timeouts {
    connect: Some(Duration::from_secs(3)),
    first_event: Some(Duration::from_secs(20)),
    idle: Some(Duration::from_secs(7)),
    record: Some(Duration::from_secs(11)),
    total: None,
};

struct Watched {
    life: Lifecycle,
    now: Instant,
    rank: u8,
    ended: bool,
    text: String,
    thinking: String,
    calls: usize,
}

impl Watched {
    fn apply(&mut self, op: &Op<'_>) {
        let (life, now) = (&mut self.life, self.now);
        let opened = |status, content_type: &str| Opened {
            status,
            content_type: content_type.into(),
            retry_after: None,
        };
        match op {
            Op::Sent => life.sent(now),
            Op::Accepted => life.opened(&opened(200, ""), now),
            Op::AcceptedAsJson => life.opened(&opened(200, "application/json"), now),
            Op::Opened(status) => life.opened(&opened(*status, ""), now),
            Op::Bytes(bytes) => life.bytes(bytes, now),
            Op::Record(record) => life.bytes(record.text().as_bytes(), now),
            Op::Clean => life.ended(BodyEnd::Clean, now),
            Op::Cut => life.ended(BodyEnd::Cut, now),
            Op::Broken => life.failed(Error::new(ErrorKind::ConnectionLost, Fault::Transport, "reset"), now),
            Op::Cancel => life.cancel("enough", now),
            Op::Wait(milliseconds) => self.now += Duration::from_millis((*milliseconds).into()),
            Op::Tick => life.tick(now),
            Op::TickWhenDue => {
                if let Some(due) = life.deadline() {
                    self.now = now.max(due);
                    life.tick(self.now);
                }
            }
            Op::SetTimeouts(times) => {
                let [connect, first_event, idle, record, total] =
                    times.map(|time| time.map(|time| Duration::from_millis(time.into())));
                life.set_timeouts(Timeouts { connect, first_event, idle, record, total });
            }
            Op::PollOnce => drop(self.poll()),
            Op::Poll => while self.poll() {},
        }
    }

    /// `true` when there was an event.
    fn poll(&mut self) -> bool {
        if let Some(event) = self.life.next_event() {
            assert!(!self.ended, "{event:?} after the outcome");
            match event {
                Event::Text(text) => self.text += &text,
                Event::Thinking(text) => self.thinking += &text,
                Event::ToolCall(_) => self.calls += 1,
                Event::Image(_) | Event::Logprobs(_) | Event::Progress(_) | Event::Usage(_) => {}
            }
            return true;
        }
        if let Some(outcome) = self.life.take_outcome() {
            assert!(!self.ended, "a second outcome: {outcome:?}");
            self.ended = true;
            let reply = &outcome.reply;
            assert_eq!(
                (&reply.text, &reply.thinking, reply.tool_calls.len()),
                (&self.text, &self.thinking, self.calls)
            );
            assert!(outcome.ending.error().is_none_or(|error| !error.message.contains(char::is_control)));
        }
        false
    }

    fn check(&mut self) {
        let rank = match self.life.phase() {
            Phase::Connecting => 0,
            Phase::Opening => 1,
            Phase::Waiting => 2,
            Phase::Streaming => 3,
            Phase::Finishing => 4,
            Phase::Ended => 5,
        };
        assert!(rank >= self.rank);
        self.rank = rank;
        let Timeouts { connect, first_event, idle, .. } = self.life.timeouts();
        if rank == 5 {
            assert_eq!(self.life.deadline(), None);
        } else if connect.is_some() && first_event.is_some() && idle.is_some() {
            assert!(self.life.deadline().is_some());
        }
    }
}

fuzz_target!(|input: Input<'_>| {
    let dialect = [Dialect::Ollama, Dialect::OllamaProgress, Dialect::OpenAi][usize::from(input.dialect % 3)];
    let limits =
        Limits { line_bytes: usize::from(input.line_bytes) * 8, reply_bytes: 400, ..Limits::default() };
    let now = Instant::now();
    let life = Lifecycle::new(dialect, CLOCKS, limits, now);
    let (text, thinking) = (String::new(), String::new());
    let mut watched = Watched { life, now, rank: 0, ended: false, text, thinking, calls: 0 };
    for op in &input.ops {
        watched.apply(op);
        watched.check();
    }
    watched.life.set_timeouts(CLOCKS);
    for _ in 0..5 {
        watched.apply(&Op::Poll);
        watched.apply(&Op::TickWhenDue);
        watched.check();
    }
    assert!(watched.ended, "it has no end: {:?}", watched.life);
});
