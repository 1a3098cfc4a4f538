//! From a request to its response: routing, limits on bodies, and the models behind it.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue,
    VARY,
};
use hyper::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use tokio::sync::Notify;

use super::guard::{Caller, caller};
use crate::api::catalog::{Catalog, Entry, Here, Place, qualified};
use crate::api::error::ApiError;
use crate::api::request::{Named, parse};
use crate::api::response::{Body, whole};
use crate::api::{answer, embed, listing};
use crate::builtin;
use crate::config::{Config, Runner, Source};
use crate::engine::sample::Sampling;
use crate::error::Error;
use crate::process::{ChildModel, Errand};
use crate::resident::{Resident, Weights};

const ABOUT_BROOK: &str = "Brook, Towline's built-in toy: 2.8 million parameters, made to stream real tokens. It knows \
                           rivers, gardens and small stories, and little else.";
const ABOUT_FILE: &str = "A GGUF file, run by Towline.";

/// Everything that requests share.
#[derive(Debug)]
pub(crate) struct Service {
    catalog: Catalog,
    body_bytes: usize,
    /// Told when a model was loaded, used or let go.
    changed: Arc<Notify>,
}

impl Service {
    /// Describes every model, so that a bad file is an error now and not at the first request.
    pub(crate) fn new(config: &Config, changed: Arc<Notify>) -> Result<Arc<Self>, Error> {
        if config.rate.is_some_and(|rate| rate.is_nan() || rate <= 0.0) {
            return Err(Error::Config("the rate must be above zero tokens per second".into()));
        }
        let mut names = HashSet::new();
        let mut entries = Vec::new();
        for source in &config.models {
            let entry = entry(source, config, &changed)?;
            if !names.insert(entry.name.to_ascii_lowercase()) {
                return Err(Error::DuplicateName(entry.name));
            }
            entries.push(entry);
        }
        Ok(Arc::new(Self { catalog: Catalog { entries }, body_bytes: config.limits.body_bytes, changed }))
    }

    /// Answers a request that came through a pair of pipes.
    ///
    /// Cancel safety: dropping the future, or the body of the response, cancels the request.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        self.route(request).await.unwrap_or_else(|error| error.response())
    }

    /// Answers a request that came to `listen`.
    ///
    /// Cancel safety: dropping the future, or the body of the response, cancels the request.
    pub(crate) async fn answer_guarded(
        &self,
        listen: SocketAddr,
        request: Request<Incoming>,
    ) -> Response<Body> {
        let origin = match caller(Some(listen), request.uri(), request.headers()) {
            Caller::Refused => {
                return whole(StatusCode::FORBIDDEN, "text/plain; charset=utf-8", Bytes::new());
            }
            Caller::Program => None,
            Caller::Page(origin) => HeaderValue::from_str(&origin).ok(),
        };
        let mut response =
            if request.method() == Method::OPTIONS { preflight() } else { self.answer(request).await };
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
            Endpoint::Tags => return Ok(listing::tags(&self.catalog)),
            Endpoint::Ps => return Ok(listing::ps(&self.catalog).await),
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
        let entry = self.catalog.find(name).ok_or_else(|| ApiError::ModelNotFound(name.clone()))?;
        if endpoint == Endpoint::Show {
            return Ok(listing::show(entry, &named));
        }
        let here = match &entry.place {
            Place::Here(here) => here,
            Place::Child(child) => return child.forward(&path, body).await,
        };
        match endpoint {
            Endpoint::Chat => answer::chat(entry, here, &body).await,
            Endpoint::Generate => answer::generate(entry, here, &body).await,
            Endpoint::Embed => embed::embed(here, &body).await,
            Endpoint::Embeddings => embed::embeddings(here, &body).await,
            Endpoint::Root | Endpoint::Version | Endpoint::Tags | Endpoint::Ps | Endpoint::Show => {
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

    /// Lets models go whose time is over; when the next one's will be.
    pub(crate) fn expire(&self) -> Option<Instant> {
        let now = Instant::now();
        let residents = self.catalog.entries.iter().filter_map(|entry| match &entry.place {
            Place::Here(here) => Some(&here.resident),
            Place::Child(_) => None,
        });
        residents.filter_map(|resident| resident.expire(now)).min()
    }

    /// Lets models go as their time is over, for ever.
    ///
    /// Cancel safety: cancellation safe.
    pub(crate) async fn keep_expiring(&self) {
        loop {
            self.wait_for_change().await;
        }
    }

    /// Waits until a model that was loaded has been let go.
    ///
    /// Cancel safety: cancellation safe.
    pub(crate) async fn until_unloaded(&self) {
        let mut was_loaded = false;
        loop {
            let is_loaded = self.catalog.entries.iter().any(|entry| match &entry.place {
                Place::Here(here) => here.resident.remaining().is_some(),
                Place::Child(_) => false,
            });
            if was_loaded && !is_loaded {
                return;
            }
            was_loaded |= is_loaded;
            self.wait_for_change().await;
        }
    }

    async fn wait_for_change(&self) {
        match self.expire() {
            Some(moment) => {
                tokio::select! {
                    () = self.changed.notified() => {}
                    () = tokio::time::sleep_until(moment.into()) => {}
                }
                self.expire();
            }
            None => self.changed.notified().await,
        }
    }

    /// Ends every child process.
    ///
    /// Cancel safety: cancellation safe.
    pub(crate) async fn stop_children(&self) {
        for entry in &self.catalog.entries {
            match &entry.place {
                Place::Here(_) => {}
                Place::Child(child) => child.stop().await,
            }
        }
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
                "this server pulls no models; brook is built in, and a GGUF file of your own is given at the start"
                    .into(),
            )),
            "/api/push" | "/api/create" | "/api/copy" | "/api/delete" | "/api/me" | "/api/signout" => Err(
                ApiError::NotOffered(format!("{path} is not offered: this server's models are fixed when it starts")),
            ),
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

fn entry(source: &Source, config: &Config, changed: &Arc<Notify>) -> Result<Entry, Error> {
    let limits = &config.limits;
    let (weights, name) = match source {
        Source::Builtin => (Weights::Builtin, builtin::NAME.to_owned()),
        Source::Gguf { path, name, threads } => {
            let name = name.clone().unwrap_or_else(|| name_of(path));
            (Weights::File { path: path.clone(), threads: *threads }, name)
        }
    };
    let name = qualified(&name);
    let (description, tokenizer) =
        weights.describe().map_err(|source| Error::Load { name: name.clone(), source })?;
    let description = Arc::new(description);
    let modified = weights.modified().and_then(|time| Timestamp::try_from(time).ok());
    let (sampling, parameters, about): (_, &[_], _) = match source {
        Source::Builtin => (
            Sampling {
                temperature: builtin::TEMPERATURE,
                repeat_penalty: builtin::REPEAT_PENALTY,
                ..Sampling::default()
            },
            &[("temperature", "0.6"), ("repeat_penalty", "1")],
            ABOUT_BROOK,
        ),
        Source::Gguf { .. } => (Sampling::default(), &[], ABOUT_FILE),
    };
    let place = match (source, &config.runner) {
        (Source::Gguf { path, threads, .. }, Some(runner)) => {
            check_program(runner)?;
            let errand = Errand {
                path: path.clone(),
                name: name.clone(),
                threads: *threads,
                rate: config.rate,
                limits: limits.clone(),
            };
            Place::Child(Arc::new(ChildModel::new(runner.clone(), errand)))
        }
        (Source::Builtin, _) | (Source::Gguf { .. }, None) => {
            let changed = Arc::clone(changed);
            let resident = Resident::new(weights, Arc::clone(&description), tokenizer, limits, changed);
            Place::Here(Here {
                resident: Arc::new(resident),
                sampling,
                keep_alive: limits.keep_alive,
                rate: config.rate,
            })
        }
    };
    Ok(Entry {
        name,
        description,
        modified_at: modified.unwrap_or_else(Timestamp::now).to_string(),
        about: about.into(),
        parameters,
        place,
    })
}

/// A program that is named by its path must be there; a bare name is looked up when it is started.
fn check_program(runner: &Runner) -> Result<(), Error> {
    if runner.program.components().count() == 1 {
        return Ok(());
    }
    match runner.program.metadata() {
        Ok(_) => Ok(()),
        Err(source) => Err(Error::Spawn { program: runner.program.clone(), source }),
    }
}

/// A file's name without its ending, as a model's name.
fn name_of(path: &Path) -> String {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().to_lowercase()).unwrap_or_default();
    let name: String = stem
        .chars()
        .map(
            |character| {
                if character.is_alphanumeric() || "._-".contains(character) { character } else { '-' }
            },
        )
        .collect();
    if name.is_empty() { "model".to_owned() } else { name }
}
