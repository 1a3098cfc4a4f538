//! From a request to who answers it.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hyper::body::Incoming;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue, VARY,
};
use hyper::{Method, Request, StatusCode};

use super::answer::{Answer, Refusal, empty, set};
use super::guard::{Door, Welcome};
use super::{control, front, ops, pass, streams};
use crate::job::Recorded;
use crate::relay::Relay;

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place<'a> {
    Recorded(Recorded),
    Passed,
    Stream(&'a str),
    Control(&'a str),
    Ops(&'a str),
    Nowhere,
}

impl<'a> Place<'a> {
    fn of(method: &Method, path: &'a str) -> Self {
        if let Some(recorded) = Recorded::of_path(path).filter(|_| method == Method::POST) {
            return Self::Recorded(recorded);
        }
        if let Some(id) = path.strip_prefix("/streams/") {
            return Self::Stream(id);
        }
        if let Some(rest) = path.strip_prefix("/towline/v1/") {
            return Self::Control(rest);
        }
        match path {
            "/healthz" | "/readyz" | "/metrics" => Self::Ops(path),
            "/" => Self::Passed,
            _ if path.starts_with("/api/") || path.starts_with("/v1/") => Self::Passed,
            _ => Self::Nowhere,
        }
    }

    /// Whether anybody may see it who reaches the address.
    fn is_open(self) -> bool {
        match self {
            Self::Ops(path) => path != "/metrics",
            Self::Recorded(_) | Self::Passed | Self::Stream(_) | Self::Control(_) | Self::Nowhere => false,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Recorded(_) => "recorded",
            Self::Passed => "passed",
            Self::Stream(_) => "streams",
            Self::Control(_) => "control",
            Self::Ops(_) => "ops",
            Self::Nowhere => "nowhere",
        }
    }
}

/// Answers one request that came in through `door`.
///
/// # Cancel safety
/// Dropping the future, or the body of the response, says that the client has left.
///
/// # Errors
/// Never.
pub(crate) async fn serve(
    relay: Arc<Relay>,
    door: Door,
    request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    relay.metrics.requests.fetch_add(1, Ordering::Relaxed);
    let uri = request.uri().clone();
    let place = Place::of(request.method(), uri.path());
    let is_openai = uri.path().starts_with("/v1/");
    tracing::debug!(method = request.method().as_str(), place = place.name(), "a request");
    if request.method() == Method::OPTIONS {
        return Ok(preflight(&relay, door, &request));
    }
    let welcome = match relay.doors.enter(door, &request, place.is_open()) {
        Ok(welcome) => welcome,
        Err(refusal) => {
            relay.metrics.refused.fetch_add(1, Ordering::Relaxed);
            return Ok(secured(refusal.answer()));
        }
    };
    let Welcome { caller, origin } = welcome;
    let answer = match place {
        Place::Recorded(kind) => front::recorded(&relay, kind, &caller, request)
            .await
            .unwrap_or_else(|refusal| refusal.answer_in(is_openai)),
        Place::Passed => {
            pass::passed(&relay, request).await.unwrap_or_else(|refusal| refusal.answer_in(is_openai))
        }
        Place::Stream(id) => {
            streams::answer(&relay, &caller, id, request).await.unwrap_or_else(Refusal::answer)
        }
        Place::Control(rest) => {
            control::answer(&relay, &caller, rest, request).await.unwrap_or_else(Refusal::answer)
        }
        Place::Ops(path) => ops::answer(&relay, path),
        Place::Nowhere => Refusal::no_such_path(uri.path()).answer(),
    };
    let mut answer = secured(answer);
    if let Some(origin) = origin {
        allow(&mut answer, &origin);
    }
    Ok(answer)
}

/// Nothing here is a page.
fn secured(mut answer: Answer) -> Answer {
    set(&mut answer, "x-content-type-options", "nosniff");
    set(&mut answer, "cross-origin-resource-policy", "cross-origin");
    answer
}

fn allow(answer: &mut Answer, origin: &str) {
    let headers = answer.headers_mut();
    if let Ok(origin) = HeaderValue::from_str(origin) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(VARY, HeaderValue::from_static("Origin"));
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("*"));
    }
}

/// Says what may be sent across; a page that is not welcome is told so by the missing `Access-Control-Allow-Origin`.
fn preflight(relay: &Relay, door: Door, request: &Request<Incoming>) -> Answer {
    const HEADERS: &str = "accept, authorization, content-type, if-none-match, producer-epoch, producer-id, producer-seq, \
                           stream-closed, stream-expires-at, stream-seq, stream-ttl, te, towline-deadline, towline-detach, \
                           towline-name, towline-request-id";
    let mut answer = secured(empty(StatusCode::NO_CONTENT));
    let headers = answer.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(HEADERS));
    headers.insert(
        ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, HEAD, POST, PUT, DELETE, OPTIONS"),
    );
    // A preflight never carries a token.
    if let Ok(Welcome { origin: Some(origin), .. }) = relay.doors.enter(door, request, true) {
        allow(&mut answer, &origin);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_has_its_place() {
        let place = |method: Method, path| Place::of(&method, path);
        assert_eq!(place(Method::POST, "/api/chat"), Place::Recorded(Recorded::Chat));
        assert_eq!(place(Method::GET, "/api/chat"), Place::Passed);
        assert_eq!(place(Method::POST, "/v1/chat/completions"), Place::Recorded(Recorded::OpenAiChat));
        assert_eq!(place(Method::GET, "/api/tags"), Place::Passed);
        assert_eq!(place(Method::GET, "/streams/a/b"), Place::Stream("a/b"));
        assert_eq!(place(Method::GET, "/towline/v1/jobs"), Place::Control("jobs"));
        assert_eq!(place(Method::GET, "/metrics"), Place::Ops("/metrics"));
        assert_eq!(place(Method::GET, "/streams"), Place::Nowhere);
        assert_eq!(place(Method::GET, "/apix"), Place::Nowhere);
    }
}
