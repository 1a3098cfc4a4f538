//! Handles a request: access control, routing, and limits for bodies.

use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, HOST,
    HeaderValue, ORIGIN, VARY,
};
use hyper::{Method, Request, Response, StatusCode};
use towline_core::guard::{is_local_origin, is_own_host};

use crate::api::error::Refusal;
use crate::api::memory::{Memory, PER_BODY_BYTE};
use crate::api::records::Shape;
use crate::api::request::Fields;
use crate::api::response::{Body, whole};
use crate::api::{Model, chat, embed, listing};
use crate::brook;

/// The endpoints with a request body.
const ASKED: &str = "/api/chat /api/generate /api/embed /api/embeddings /api/show /v1/chat/completions";
/// The other endpoints of Ollama.
const NOT_OFFERED: &str = "/api/pull /api/push /api/create /api/copy /api/delete /api/me /api/signout";

impl Model {
    /// Answers a request that arrived on `listen`.
    ///
    /// Cancel safety: dropping the future, or the body of the response, cancels the request.
    pub(crate) async fn respond(&self, listen: SocketAddr, request: Request<Incoming>) -> Response<Body> {
        let Ok(origin) = origin(listen, &request) else {
            return whole(StatusCode::FORBIDDEN, "text/plain; charset=utf-8", "");
        };
        let openai = request.uri().path().starts_with("/v1/");
        let mut response = if request.method() == Method::OPTIONS {
            preflight()
        } else {
            self.route(request).await.unwrap_or_else(|refusal| refusal.response(openai))
        };
        if let Some(origin) = origin {
            let headers = response.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(VARY, HeaderValue::from_static("Origin"));
        }
        response
    }

    async fn route(&self, request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
        let path = request.uri().path().to_owned();
        let is_read = *request.method() == Method::GET || *request.method() == Method::HEAD;
        let answer = match path.as_str() {
            "/" => Some(listing::root()),
            "/api/version" => Some(listing::version()),
            "/api/status" => Some(listing::status()),
            "/api/tags" => Some(listing::tags(self)),
            "/api/ps" => Some(listing::ps(self)),
            "/v1/models" => Some(listing::models(self)),
            _ => None,
        };
        match answer {
            Some(answer) if is_read => return Ok(answer),
            Some(_) => return Err(wrong_method("GET")),
            None if ASKED.split(' ').all(|name| name != path) => {
                let is_known = NOT_OFFERED.split(' ').any(|name| name == path);
                let status = if is_known { StatusCode::NOT_IMPLEMENTED } else { StatusCode::NOT_FOUND };
                let offered = ASKED.replace(' ', ", ");
                let text =
                    format!("{path} is not offered: this server has one model, brook, behind {offered}");
                return Err(Refusal::new(status, text));
            }
            None if *request.method() != Method::POST => return Err(wrong_method("POST")),
            None => {}
        }
        let mut memory = Memory::new(&self.memory, 0)?;
        let request = Fields::parse(&self.body(request.into_body(), &mut memory).await?)?;
        let old_name = if path == "/api/show" { request.text("name")? } else { None };
        let name = request.text("model")?.or(old_name);
        let name = name.ok_or_else(|| Refusal::bad("model is required"))?;
        if !brook::is_name(&name) {
            return Err(Refusal::new(StatusCode::NOT_FOUND, format!("model '{name}' not found")));
        }
        let shape = match path.as_str() {
            "/api/show" => return listing::show(self, &request),
            "/api/embed" => return embed::embeddings(self, true, request, memory).await,
            "/api/embeddings" => return embed::embeddings(self, false, request, memory).await,
            "/api/generate" => Shape::Generate,
            "/api/chat" => Shape::Chat,
            _ => Shape::Completions(fastrand::u64(..)),
        };
        chat::answer(self, shape, request, memory).await
    }

    async fn body(&self, mut incoming: Incoming, memory: &mut Memory) -> Result<Bytes, Refusal> {
        let mut body = BytesMut::new();
        while let Some(frame) = incoming.frame().await {
            let frame = frame.map_err(|error| Refusal::bad(format!("the body was cut: {error}")))?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            if body.len() + data.len() > self.limits.body_bytes {
                let text = format!("the request body is larger than {} bytes", self.limits.body_bytes);
                return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, text));
            }
            memory.take(data.len() * PER_BODY_BYTE)?;
            body.extend_from_slice(&data);
        }
        Ok(body.freeze())
    }
}

/// The origin of the requesting page, which the response must name; `None` for a program.
///
/// # Errors
/// A `Host` that is not this machine on a loopback listener, or a foreign page.
fn origin<B>(listen: SocketAddr, request: &Request<B>) -> Result<Option<HeaderValue>, ()> {
    let machine = rustix::system::uname();
    let machine = machine.nodename().to_str().ok();
    let authority = request.uri().authority().map_or("", |authority| authority.as_str());
    let host = request.headers().get(HOST).map_or(Ok(authority), |host| host.to_str());
    if listen.ip().is_loopback() && !host.is_ok_and(|host| is_own_host(host, machine)) {
        return Err(());
    }
    let Some(origin) = request.headers().get(ORIGIN) else {
        return Ok(None);
    };
    let is_local = origin.to_str().is_ok_and(is_local_origin);
    if is_local { Ok(Some(origin.clone())) } else { Err(()) }
}

fn wrong_method(allowed: &str) -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, format!("method not allowed; use {allowed}"))
}

fn preflight() -> Response<Body> {
    let mut response = whole(StatusCode::NO_CONTENT, "text/plain; charset=utf-8", Bytes::new());
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD, POST"));
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("Authorization, Content-Type, User-Agent, Accept, X-Requested-With"),
    );
    response
}
