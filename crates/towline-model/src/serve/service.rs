//! From a request to its response: routing and limits on bodies.

use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue,
    VARY,
};
use hyper::{Method, Request, Response, StatusCode};

use super::guard::{Caller, caller};
use crate::api::error::ApiError;
use crate::api::request::{Named, parse};
use crate::api::response::{Body, whole};
use crate::api::{Model, answer, embed, is_brook, listing};
use crate::config::Config;
use crate::error::Error;

/// Everything that requests share.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) model: Model,
    body_bytes: usize,
}

impl Service {
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        if let Some(rate) = config.rate.filter(|rate| rate.is_nan() || *rate <= 0.0) {
            return Err(Error::Rate(rate));
        }
        Ok(Self { model: Model::new(config), body_bytes: config.limits.body_bytes })
    }

    /// Answers a request that came to `listen`.
    ///
    /// Cancel safety: dropping the future, or the body of the response, cancels the request.
    pub(crate) async fn answer(&self, listen: SocketAddr, request: Request<Incoming>) -> Response<Body> {
        let origin = match caller(listen, request.uri(), request.headers()) {
            Caller::Refused => {
                return whole(StatusCode::FORBIDDEN, "text/plain; charset=utf-8", Bytes::new());
            }
            Caller::Program => None,
            Caller::Page(origin) => HeaderValue::from_str(&origin).ok(),
        };
        let mut response = if request.method() == Method::OPTIONS {
            preflight()
        } else {
            self.route(request).await.unwrap_or_else(|error| error.response())
        };
        if let Some(origin) = origin {
            let headers = response.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(VARY, HeaderValue::from_static("Origin"));
        }
        response
    }

    async fn route(&self, request: Request<Incoming>) -> Result<Response<Body>, ApiError> {
        let path = request.uri().path().to_owned();
        let endpoint = Endpoint::find(&path)?;
        let method = request.method();
        if endpoint.reads() {
            if *method != Method::GET && *method != Method::HEAD {
                return Err(ApiError::MethodNotAllowed("GET"));
            }
        } else if *method != Method::POST {
            return Err(ApiError::MethodNotAllowed("POST"));
        }
        match endpoint {
            Endpoint::Root => {
                let text = "Towline's built-in model is running (Ollama API)";
                return Ok(whole(StatusCode::OK, "text/plain; charset=utf-8", text));
            }
            Endpoint::Version => return Ok(listing::version()),
            Endpoint::Tags => return Ok(listing::tags(&self.model)),
            Endpoint::Ps => return Ok(listing::ps(&self.model)),
            Endpoint::Show | Endpoint::Chat | Endpoint::Generate | Endpoint::Embed | Endpoint::Embeddings => {
            }
        }
        let body = self.body(request.into_body()).await?;
        let named: Named = parse(&body)?;
        let old_name = endpoint == Endpoint::Show && named.model.is_empty();
        let name = if old_name { &named.name } else { &named.model };
        if name.is_empty() {
            return Err(ApiError::ModelRequired);
        }
        if !is_brook(name) {
            return Err(ApiError::ModelNotFound(name.clone()));
        }
        match endpoint {
            Endpoint::Show => Ok(listing::show(&self.model, &named)),
            Endpoint::Chat => answer::chat(&self.model, &body).await,
            Endpoint::Generate => answer::generate(&self.model, &body).await,
            Endpoint::Embed => embed::embed(&self.model, &body).await,
            Endpoint::Embeddings => embed::embeddings(&self.model, &body).await,
            Endpoint::Root | Endpoint::Version | Endpoint::Tags | Endpoint::Ps => {
                Err(ApiError::NoSuchPath(path))
            }
        }
    }

    async fn body(&self, mut incoming: Incoming) -> Result<Bytes, ApiError> {
        let mut body = BytesMut::new();
        while let Some(frame) = incoming.frame().await {
            let frame = frame.map_err(|error| ApiError::Invalid(format!("the body broke off: {error}")))?;
            let Ok(data) = frame.into_data() else { continue };
            if body.len() + data.len() > self.body_bytes {
                return Err(ApiError::BodyTooLarge(self.body_bytes));
            }
            body.extend_from_slice(&data);
        }
        Ok(body.freeze())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Endpoint {
    Root,
    Version,
    Tags,
    Ps,
    Show,
    Chat,
    Generate,
    Embed,
    Embeddings,
}

impl Endpoint {
    fn find(path: &str) -> Result<Self, ApiError> {
        match path {
            "/" => Ok(Self::Root),
            "/api/version" => Ok(Self::Version),
            "/api/tags" => Ok(Self::Tags),
            "/api/ps" => Ok(Self::Ps),
            "/api/show" => Ok(Self::Show),
            "/api/chat" => Ok(Self::Chat),
            "/api/generate" => Ok(Self::Generate),
            "/api/embed" => Ok(Self::Embed),
            "/api/embeddings" => Ok(Self::Embeddings),
            "/api/pull" => Err(ApiError::NotOffered(
                "this server pulls no models: it has brook alone; Ollama and llama.cpp serve others".into(),
            )),
            "/api/push" | "/api/create" | "/api/copy" | "/api/delete" | "/api/me" | "/api/signout" => {
                Err(ApiError::NotOffered(format!(
                    "{path} is not offered: this server has one model, brook, which is built in"
                )))
            }
            other => Err(ApiError::NoSuchPath(other.to_owned())),
        }
    }

    /// Whether the endpoint only tells something.
    fn reads(self) -> bool {
        match self {
            Self::Root | Self::Version | Self::Tags | Self::Ps => true,
            Self::Show | Self::Chat | Self::Generate | Self::Embed | Self::Embeddings => false,
        }
    }
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
