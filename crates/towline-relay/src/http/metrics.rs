//! The metrics, in Prometheus' text format.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use towline::relay::AnswerState;

use crate::metrics::label;
use crate::relay::Relay;
use crate::store::Room;

/// All of it, as text.
pub(super) fn render(relay: &Relay) -> String {
    let mut text = String::new();
    let mut say = |name: &str, kind: &str, help: &str, values: &[(&str, f64)]| {
        let _never_fails =
            writeln!(text, "# HELP towline_relay_{name} {help}\n# TYPE towline_relay_{name} {kind}");
        for (labels, value) in values {
            let _never_fails = writeln!(text, "towline_relay_{name}{labels} {value}");
        }
    };
    let metrics = &relay.metrics;
    let count = |count: &AtomicU64| count.load(Ordering::Relaxed) as f64;
    say("requests_total", "counter", "Requests accepted.", &[("", count(&metrics.requests))]);
    say("refused_total", "counter", "Requests refused at the listener.", &[("", count(&metrics.refused))]);
    say("answers_begun_total", "counter", "Answers started.", &[("", count(&metrics.begun))]);
    let answers = &metrics.answers;
    let ended = |states: &[AnswerState]| states.iter().map(|state| answers.count(state)).sum::<u64>() as f64;
    let ended = [
        ("{outcome=\"completed\"}", ended(&[AnswerState::Completed])),
        ("{outcome=\"truncated\"}", ended(&[AnswerState::Truncated])),
        ("{outcome=\"cancelled\"}", ended(&[AnswerState::Cancelled])),
        ("{outcome=\"timed_out\"}", ended(&[AnswerState::TimedOut])),
        ("{outcome=\"failed\"}", ended(&[AnswerState::Failed, AnswerState::Interrupted])),
    ];
    say("answers_ended_total", "counter", "Answers ended, by outcome.", &ended);
    say("recorded_bytes_total", "counter", "Bytes of ended answers.", &[("", answers.bytes())]);
    let gauge = |value: usize| value as f64;
    let version = concat!("{version=\"", env!("CARGO_PKG_VERSION"), "\"}");
    say("build_info", "gauge", "The version, as a label.", &[(version, 1.0)]);
    say("uptime_seconds", "gauge", "Time since the start.", &[("", relay.began.elapsed().as_secs_f64())]);
    let (running, queued) = relay.admission.count();
    say("running", "gauge", "Answers running.", &[("", gauge(running))]);
    say("queued", "gauge", "Answers that wait for their turn.", &[("", gauge(queued))]);
    say("connections", "gauge", "Connections.", &[("", gauge(relay.connections.load(Ordering::Relaxed)))]);
    say("streams", "gauge", "Streams in the store.", &[("", gauge(relay.registry.count()))]);
    let writer = &relay.writer;
    say("store_bytes", "gauge", "Size of the store.", &[("", writer.store().size_bytes() as f64)]);
    let is_full = f64::from(u8::from(writer.store().room() != Room::Enough));
    say(
        "store_full",
        "gauge",
        "Whether the store refuses writes: its disk is full, or it failed.",
        &[("", is_full)],
    );
    say("store_writes_total", "counter", "Changes written.", &[("", count(&writer.writes))]);
    say(
        "store_failures_total",
        "counter",
        "Batches and syncs that failed.",
        &[("", writer.failures() as f64)],
    );
    if let Some(shared) = &relay.shared {
        let living = shared.living.load(Ordering::Relaxed);
        say(
            "relays",
            "gauge",
            "Live relays of the shared store, including this one.",
            &[("", gauge(living))],
        );
        let ended = count(&shared.ended_for_others);
        say(
            "ended_for_others_total",
            "counter",
            "Answers of dead relays that this relay has ended.",
            &[("", ended)],
        );
        let lost = count(&shared.lost_to_others);
        say(
            "lost_to_others_total",
            "counter",
            "Answers of this relay that others have ended.",
            &[("", lost)],
        );
    }
    let upstreams = relay.upstreams.all();
    let labels: Vec<String> =
        upstreams.iter().map(|upstream| format!("{{upstream=\"{}\"}}", label(upstream.name()))).collect();
    let mut each = |name: &str, kind: &str, help: &str, value: &dyn Fn(usize) -> f64| {
        let values: Vec<(&str, f64)> =
            labels.iter().enumerate().map(|(at, label)| (label.as_str(), value(at))).collect();
        say(name, kind, help, &values);
    };
    each("upstream_up", "gauge", "Whether a model server answers.", &|at| {
        f64::from(u8::from(upstreams[at].is_healthy()))
    });
    each("upstream_running", "gauge", "Requests that run at a model server.", &|at| {
        gauge(upstreams[at].running())
    });
    each("upstream_requests_total", "counter", "Requests sent to a model server.", &|at| {
        count(&upstreams[at].served)
    });
    each("upstream_failures_total", "counter", "Connections that a model server refused.", &|at| {
        count(&upstreams[at].failures)
    });
    let name = "towline_relay_store_batch_seconds";
    let _never_fails = writeln!(
        text,
        "# HELP {name} Time that the store took for a batch of writes.\n# TYPE {name} histogram"
    );
    writer.batch_times().write(&mut text, name, "");
    answers.write(&mut text);
    text
}
