//! Health and metrics.

use hyper::StatusCode;

use super::answer::{Answer, typed};
use super::body::Body;
use crate::relay::Relay;

const TEXT: &str = "text/plain; charset=utf-8";

pub(super) fn answer(relay: &Relay, path: &str) -> Answer {
    match path {
        "/healthz" => typed(StatusCode::OK, TEXT, Body::whole("ok\n")),
        "/metrics" => {
            let text = super::metrics::render(relay);
            typed(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", Body::whole(text))
        }
        // The last of the three.
        _ => match relay.not_ready() {
            None => typed(StatusCode::OK, TEXT, Body::whole("ready\n")),
            Some(why) => {
                typed(StatusCode::SERVICE_UNAVAILABLE, TEXT, Body::whole(format!("not ready: {why}\n")))
            }
        },
    }
}
