//! Dispatches a request to its handler.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hyper::body::Incoming;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, AUTHORIZATION, CONTENT_LENGTH, HeaderValue, VARY,
};
use hyper::{HeaderMap, Method, Request, StatusCode};

use super::answer::{Answer, Code, Refusal, Words, empty, set};
use super::body::Body;
use super::guard::{self, Authorized, Listener};
use super::route::Route;
use super::trail::{Trail, WRONG_TOKEN_PAUSE};
use super::{ask, control, devices, front, jobs, ops, page, pass, streams};
use crate::config::Role;
use crate::devices::Entered;
use crate::job::Recorded;
use crate::relay::Relay;

/// A handler.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Handler<'a> {
    Recorded(Recorded),
    Passed(Route),
    Stream(&'a str),
    Control(&'a str),
    /// Exchanges a token for a device's cookie.
    Session,
    Page(&'static page::File),
    Ops(&'a str),
    Nowhere,
}

impl<'a> Handler<'a> {
    fn of(method: &Method, path: &'a str, headers: &HeaderMap) -> Self {
        if let Some(file) = page::File::of(method, path, headers) {
            return Self::Page(file);
        }
        if path == "/towline/v1/session" {
            return Self::Session;
        }
        if let Some(id) = path.strip_prefix("/streams/") {
            return Self::Stream(id);
        }
        if let Some(rest) = path.strip_prefix("/towline/v1/") {
            return Self::Control(rest);
        }
        if matches!(path, "/healthz" | "/readyz" | "/metrics") {
            return Self::Ops(path);
        }
        let Some(route) = Route::of(path) else { return Self::Nowhere };
        if let Some(recorded) = Recorded::of_path(&route.name).filter(|_| method == Method::POST) {
            return Self::Recorded(recorded);
        }
        let name = route.name.as_str();
        if name == "/" || name.starts_with("/api/") || name.starts_with("/v1/") {
            return Self::Passed(route);
        }
        Self::Nowhere
    }

    /// Whether everybody who can reach the address may use it.
    fn is_open(&self) -> bool {
        match self {
            Self::Ops(path) => *path != "/metrics",
            Self::Page(_) | Self::Session => true,
            Self::Recorded(_) | Self::Passed(_) | Self::Stream(_) | Self::Control(_) | Self::Nowhere => false,
        }
    }

    /// The role that a token needs.
    fn role(&self, method: &Method) -> Option<Role> {
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        match self {
            Self::Recorded(kind) if kind.keeps_models() => Some(Role::Models),
            Self::Recorded(_) => Some(Role::Ask),
            Self::Passed(route) if is_read || route.name == "/api/show" => Some(Role::Read),
            Self::Passed(route) if keeps_models(&route.name) => Some(Role::Models),
            Self::Passed(_) => Some(Role::Ask),
            Self::Stream(_) | Self::Control(_) => Some(if is_read { Role::Read } else { Role::Ask }),
            Self::Ops("/metrics") => Some(Role::Metrics),
            Self::Session | Self::Page(_) | Self::Ops(_) | Self::Nowhere => None,
        }
    }

    /// The error format of its refusals.
    fn words(&self) -> Words {
        match self {
            Self::Recorded(recorded) => Words::of_path(recorded.path()),
            Self::Passed(route) => Words::of_path(&route.name),
            Self::Stream(_)
            | Self::Control(_)
            | Self::Session
            | Self::Page(_)
            | Self::Ops(_)
            | Self::Nowhere => Words::Relay,
        }
    }
}

/// Handles one request that arrived through `listener`.
///
/// # Cancel safety
/// Dropping the future, or the body of the response, means that the client has disconnected.
///
/// # Errors
/// Never.
pub(crate) async fn serve(
    relay: Arc<Relay>,
    listener: Listener,
    peer: Option<IpAddr>,
    request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    relay.metrics.requests.fetch_add(1, Ordering::Relaxed);
    let mut trail = Trail::of(&request, peer);
    let answer = answered(&relay, listener, request, &mut trail).await;
    trail.log(&answer);
    Ok(answer)
}

async fn answered(
    relay: &Arc<Relay>,
    listener: Listener,
    request: Request<Incoming>,
    trail: &mut Trail,
) -> Answer {
    let uri = request.uri().clone();
    let handler = Handler::of(request.method(), uri.path(), request.headers());
    if request.method() == Method::OPTIONS {
        return preflight(relay, listener, &request);
    }
    let words = handler.words();
    let authorized =
        match guard::enter(&relay.access.rules(), listener, &request, handler.is_open(), &relay.devices) {
            Ok(authorized) => authorized,
            Err(refusal) => {
                relay.metrics.refused.fetch_add(1, Ordering::Relaxed);
                if refusal.code == Code::Unauthorized && request.headers().contains_key(AUTHORIZATION) {
                    trail.has_wrong_token();
                    tokio::time::sleep(WRONG_TOKEN_PAUSE).await;
                }
                return secured(refusal.answer_in(words));
            }
        };
    let Authorized { caller, origin, device } = authorized;
    trail.belongs_to(&caller.owner, relay);
    let role = handler.role(request.method());
    if let Some(role) = role.filter(|role| !caller.roles.allow(*role)) {
        let message = format!("this token may not do that: it lacks the role {role}");
        return secured(Refusal::new(Code::Forbidden, message).answer_in(words));
    }
    let is_fresh = !matches!(handler, Handler::Stream(_) | Handler::Control(_)) || relay.fresh().await;
    let answered = match handler {
        Handler::Recorded(_) | Handler::Passed(_) if relay.hop.has_sent(request.headers()) => {
            let message = "this relay sent the request itself, and one of its model servers sent it back: remove that server";
            Err(Refusal::new(Code::Loop, message))
        }
        Handler::Recorded(kind) => front::recorded(relay, kind, &caller, request).await,
        Handler::Passed(_) if role != Some(Role::Read) && relay.is_draining() => Err(ask::draining()),
        Handler::Passed(route) => pass::passed(relay, &caller, &route, request).await,
        Handler::Stream(id) => streams::answer(relay, &caller, id, request).await,
        Handler::Control(rest) => control::answer(relay, &caller, rest, request).await,
        Handler::Session => devices::session(relay, listener, request).await,
        // The page has its own headers.
        Handler::Page(file) => return page_answer(relay, listener, file, &request),
        Handler::Ops(path) => Ok(ops::answer(relay, path)),
        Handler::Nowhere => Err(Refusal::no_such_path(uri.path())),
    };
    let answered = match answered {
        Err(Refusal { code: Code::NotFound, .. }) if !is_fresh => {
            let message =
                "the store does not answer, so the relay does not know whether that exists; try again";
            Err(Refusal::new(Code::Unavailable, message).with("retry-after", "5"))
        }
        answered => answered,
    };
    let mut answer = secured(answered.unwrap_or_else(|refusal| refusal.answer_in(words)));
    if is_stream(&answer) {
        // Otherwise nginx would buffer it.
        set(&mut answer, "x-accel-buffering", "no");
    }
    if let Some(origin) = origin {
        allow(&mut answer, &origin);
    }
    if let Some((entered, secret)) = device {
        renew(&mut answer, listener, &entered, &secret);
        answer = answer.map(|body| body.until(entered.revoked));
    }
    answer
}

/// A file of the page; the document contains the newest answers for callers who may read them.
fn page_answer(
    relay: &Arc<Relay>,
    listener: Listener,
    file: &page::File,
    request: &Request<Incoming>,
) -> Answer {
    let entered = file
        .is_document()
        .then(|| guard::enter(&relay.access.rules(), listener, request, false, &relay.devices));
    let Some(Ok(Authorized { caller, device, .. })) = entered else { return file.answer(request.headers()) };
    if !caller.roles.allow(Role::Read) {
        return file.answer(request.headers());
    }
    let mut answer = file.answer_with(&jobs::newest(relay, &caller));
    if let Some((entered, secret)) = device {
        renew(&mut answer, listener, &entered, &secret);
    }
    answer
}

/// Renews a device's cookie if it is time.
fn renew(answer: &mut Answer, listener: Listener, entered: &Entered, secret: &str) {
    if let Some(cookie) = listener.set_cookie(secret).filter(|_| entered.is_renewed) {
        set(answer, "set-cookie", &cookie);
    }
}

/// Whether a route that is passed through manages a server's models.
fn keeps_models(route: &str) -> bool {
    matches!(route, "/api/delete" | "/api/copy") || route.starts_with("/api/blobs/")
}

/// Whether the body is streamed.
fn is_stream(answer: &Answer) -> bool {
    match answer.body() {
        Body::Live(_) | Body::Pieces(_) | Body::Revocable(_) => true,
        Body::Passed(_) => !answer.headers().contains_key(CONTENT_LENGTH),
        Body::Whole(_) | Body::Part(_) => false,
    }
}

/// Makes sure that no browser runs the response as a page, for any content type that a model server or a client
/// gave it.
fn secured(mut answer: Answer) -> Answer {
    set(&mut answer, "content-security-policy", "default-src 'none'; sandbox");
    set(&mut answer, "x-content-type-options", "nosniff");
    set(&mut answer, "cross-origin-resource-policy", "cross-origin");
    answer
}

fn allow(answer: &mut Answer, origin: &str) {
    let headers = answer.headers_mut();
    if let Ok(origin) = HeaderValue::from_str(origin) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.append(VARY, HeaderValue::from_static("Origin"));
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("*"));
    }
}

/// The headers that Ollama allows (`GenerateRoutes` in its source), and those of the streams and of this
/// relay.
const ALLOWED_HEADERS: &str = "authorization, content-type, user-agent, accept, x-requested-with, openai-beta, \
     x-stainless-arch, x-stainless-async, x-stainless-custom-poll-interval, x-stainless-helper-method, x-stainless-lang, \
     x-stainless-os, x-stainless-package-version, x-stainless-poll-helper, x-stainless-retry-count, x-stainless-runtime, \
     x-stainless-runtime-version, x-stainless-timeout, anthropic-beta, anthropic-dangerous-direct-browser-access, \
     anthropic-version, x-api-key, if-none-match, last-event-id, producer-epoch, producer-id, producer-seq, stream-closed, \
     stream-expires-at, stream-seq, stream-ttl, te, towline-asked-by, towline-conversation, towline-deadline, towline-detach, \
     towline-keep, towline-name, towline-request-id, towline-server, towline-turn";
/// How long a browser may cache it, in seconds: 12 hours, as in Ollama.
const ALLOWED_FOR: &str = "43200";

/// Answers a CORS preflight; for a page that is not allowed, `Access-Control-Allow-Origin` is missing.
fn preflight(relay: &Relay, listener: Listener, request: &Request<Incoming>) -> Answer {
    let mut answer = secured(empty(StatusCode::NO_CONTENT));
    let headers = answer.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ALLOWED_HEADERS));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(ALLOWED_FOR));
    headers.insert(
        ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS"),
    );
    // A preflight never carries a token.
    if let Ok(Authorized { origin: Some(origin), .. }) =
        guard::enter(&relay.access.rules(), listener, request, true, &relay.devices)
    {
        allow(&mut answer, &origin);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_has_its_place() {
        let handler = |method: Method, path| Handler::of(&method, path, &HeaderMap::new());
        let passed = |path| Handler::Passed(Route::of(path).unwrap());
        for path in ["/api/chat", "/api/%63hat", "/api/chat/", "//api/chat"] {
            assert_eq!(handler(Method::POST, path), Handler::Recorded(Recorded::Chat), "{path}");
        }
        assert_eq!(handler(Method::GET, "/api/chat"), passed("/api/chat"));
        assert_eq!(handler(Method::POST, "/v1/chat/completions"), Handler::Recorded(Recorded::OpenAiChat));
        assert_eq!(handler(Method::POST, "/v1/messages"), Handler::Recorded(Recorded::Messages));
        assert_eq!(handler(Method::GET, "/api/tags"), passed("/api/tags"));
        assert_eq!(handler(Method::GET, "/streams/a/b"), Handler::Stream("a/b"));
        assert_eq!(handler(Method::GET, "/towline/v1/jobs"), Handler::Control("jobs"));
        assert_eq!(handler(Method::GET, "/metrics"), Handler::Ops("/metrics"));
        for path in ["/streams", "/apix", "/api/../metrics", "/api/%2e%2e/%2e%2e/x"] {
            assert_eq!(handler(Method::GET, path), Handler::Nowhere, "{path}");
        }
    }
}
