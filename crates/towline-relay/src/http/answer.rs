//! Short responses, and errors in the format of the client's API.

use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;
use serde_json::json;

use super::body::Body;

pub(crate) type Answer = Response<Body>;

/// The kind of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    NotFound,
    BadRequest,
    Conflict,
    Gone,
    Unauthorized,
    Forbidden,
    TooLarge,
    Limit,
    Unsupported,
    /// The method is not allowed.
    Method,
    Unavailable,
    BadGateway,
    /// The request came back to the relay that sent it.
    Loop,
    Timeout,
    /// There is no room to record the answer.
    Full,
    /// The request id belongs to another request.
    RequestIdTaken,
}

impl Code {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::BadRequest => "bad_request",
            Self::Conflict => "conflict",
            Self::Gone => "gone",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::TooLarge => "too_large",
            Self::Limit => "limit",
            Self::Unsupported | Self::Method => "unsupported",
            Self::Unavailable => "unavailable",
            Self::BadGateway => "bad_gateway",
            Self::Loop => "loop",
            Self::Timeout => "timeout",
            Self::Full => "full",
            Self::RequestIdTaken => "request_id_taken",
        }
    }

    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::Conflict => StatusCode::CONFLICT,
            Self::Gone => StatusCode::GONE,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Limit => StatusCode::TOO_MANY_REQUESTS,
            Self::Unsupported => StatusCode::NOT_IMPLEMENTED,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::BadGateway => StatusCode::BAD_GATEWAY,
            Self::Loop => StatusCode::LOOP_DETECTED,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::Full => StatusCode::INSUFFICIENT_STORAGE,
            Self::RequestIdTaken => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }
}

/// The error format of the requested API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Words {
    Relay,
    Ollama,
    OpenAi,
    Anthropic,
}

impl Words {
    /// `path` must be one of the front's.
    pub(crate) fn of_path(path: &str) -> Self {
        match path {
            "/v1/messages" | "/v1/messages/count_tokens" => Self::Anthropic,
            _ if path.starts_with("/v1/") => Self::OpenAi,
            _ => Self::Ollama,
        }
    }
}

/// The refusal of a request: which input is wrong, why, and what to do.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Refusal {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), headers: Vec::new() }
    }

    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(Code::BadRequest, message)
    }

    pub(crate) fn no_such_stream() -> Self {
        Self::new(Code::NotFound, "there is no such stream here")
    }

    pub(crate) fn no_such_path(path: &str) -> Self {
        // Quotes are short and printable.
        let shown: String = path.chars().filter(|c| c.is_ascii_graphic()).take(100).collect();
        Self::new(
            Code::NotFound,
            format!("there is nothing at {shown}; the paths are /api, /v1, /streams and /towline/v1"),
        )
    }

    pub(crate) fn wrong_method(allowed: &'static str) -> Self {
        Self::new(Code::Method, format!("this method is not allowed; use {allowed}")).with("allow", allowed)
    }

    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn answer_in(self, words: Words) -> Answer {
        let (code, message) = (self.code.as_str(), &self.message);
        let body = match words {
            Words::Relay => json!({"error": {"code": code, "message": message}}),
            Words::Ollama => json!({"error": message}),
            Words::OpenAi => json!({"error": {"message": message, "type": "towline", "code": code}}),
            Words::Anthropic => {
                json!({"type": "error", "error": {"type": "towline", "message": message, "code": code}})
            }
        };
        let mut answer = json_answer(self.code.status(), &body);
        for (name, value) in self.headers {
            set(&mut answer, name, &value);
        }
        answer
    }
}

pub(crate) fn json_answer(status: StatusCode, body: &impl Serialize) -> Answer {
    // Plain data can always be written as JSON.
    let bytes = serde_json::to_vec(body).unwrap_or_default();
    typed(status, "application/json", Body::whole(bytes))
}

pub(crate) fn typed(status: StatusCode, content_type: &str, body: Body) -> Answer {
    let mut answer = plain(status, body);
    if let Ok(value) = HeaderValue::from_str(content_type) {
        answer.headers_mut().insert(CONTENT_TYPE, value);
    }
    answer
}

pub(crate) fn plain(status: StatusCode, body: Body) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer
}

pub(crate) fn empty(status: StatusCode) -> Answer {
    plain(status, Body::empty())
}

/// Sets a header; an invalid value is skipped.
pub(crate) fn set(answer: &mut Answer, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(HeaderName::from_static(name), value);
    }
}
