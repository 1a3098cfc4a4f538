//! Refusals, as clients of Ollama expect them: a status and `{"error": "..."}`.

use hyper::{Response, StatusCode};

use super::response::{Body, json};

/// Why a request was refused. Closed; [`ApiError::status`] is the table.
#[derive(Debug)]
pub(crate) enum ApiError {
    MissingBody,
    BodyTooLarge(usize),
    /// The body does not fit; in words.
    Invalid(String),
    ModelRequired,
    ModelNotFound(String),
    /// The model cannot do this: tools, thinking, vision, format, insert, template.
    Unable {
        model: String,
        what: &'static str,
    },
    /// Lengths in tokens.
    TooLong {
        length: usize,
        context: usize,
    },
    QueueFull,
    /// The engine failed; in words.
    Engine(String),
    NoSuchPath(String),
    MethodNotAllowed(&'static str),
    /// A part of Ollama that has no meaning here; in words.
    NotOffered(String),
}

impl ApiError {
    fn status(&self) -> StatusCode {
        match self {
            Self::MissingBody
            | Self::Invalid(_)
            | Self::ModelRequired
            | Self::Unable { .. }
            | Self::TooLong { .. } => StatusCode::BAD_REQUEST,
            Self::BodyTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::ModelNotFound(_) | Self::NoSuchPath(_) => StatusCode::NOT_FOUND,
            Self::QueueFull => StatusCode::SERVICE_UNAVAILABLE,
            Self::Engine(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotOffered(_) => StatusCode::NOT_IMPLEMENTED,
        }
    }

    /// The text under `error`.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::MissingBody => "missing request body".into(),
            Self::BodyTooLarge(limit) => format!("the request body is larger than {limit} bytes"),
            Self::Invalid(text) | Self::Engine(text) | Self::NotOffered(text) => text.clone(),
            Self::ModelRequired => "model is required".into(),
            Self::ModelNotFound(model) => format!("model '{model}' not found"),
            Self::Unable { model, what } => format!("{model:?} does not support {what}"),
            Self::TooLong { length, context } => format!(
                "the input length exceeds the context length: {length} tokens, but the context holds {context}"
            ),
            Self::QueueFull => "server busy, please try again.  maximum pending requests exceeded".into(),
            Self::NoSuchPath(path) => format!(
                "there is no {path} here; this server offers /api/chat, /api/generate, /api/embed, \
                 /api/embeddings, /api/tags, /api/ps, /api/show and /api/version"
            ),
            Self::MethodNotAllowed(allowed) => format!("method not allowed; use {allowed}"),
        }
    }

    pub(crate) fn response(&self) -> Response<Body> {
        json(self.status(), &serde_json::json!({"error": self.text()}))
    }
}
