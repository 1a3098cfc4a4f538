//! The model servers behind a relay: selection for requests, and health.

mod headers;
pub(crate) mod health;
mod via;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use towline::client::{Api, ApiKey, Endpoint, TlsConfig, TransportConfig};
use towline::{Client, Config};

pub(crate) use headers::{NOT_PASSED, for_client};
pub(crate) use via::{Hop, VIA};

use crate::config::{NotAServer, UpstreamApi, UpstreamConfig, secret_in};
use crate::error::Error;

/// One model server.
#[derive(Debug)]
pub(crate) struct Upstream {
    name: String,
    api: UpstreamApi,
    client: Client,
    /// Whether it answered the last health check, or was not checked yet.
    is_healthy: AtomicBool,
    was_checked: AtomicBool,
    running: AtomicUsize,
    pub(crate) served: AtomicU64,
    pub(crate) failures: AtomicU64,
    models: Mutex<HashSet<String>>,
    /// Whether it is used only if a request chooses it or no other is healthy.
    is_spare: bool,
    /// The limit of running answers; `usize::MAX` means no limit.
    most: AtomicUsize,
    /// Number of admitted answers to which the limit applies.
    admitted: AtomicUsize,
    /// The text with which a request chooses it, without user and password.
    chosen_by: String,
}

/// The model servers that may answer a request.
#[derive(Debug, Clone)]
pub(crate) enum Choice {
    /// The best of the configured ones.
    Any,
    /// The one that the request chose.
    One(Arc<Upstream>),
}

impl Choice {
    /// The form in which it is stored, for a retry.
    pub(crate) fn stored(&self) -> Option<String> {
        match self {
            Self::Any => None,
            Self::One(upstream) => Some(upstream.chosen_by.clone()),
        }
    }
}

/// Maximum number of model servers that requests have named. Beyond it, idle ones are forgotten.
const NAMED: usize = 64;

/// A request that a server works on. Dropping it marks it as done.
#[derive(Debug)]
pub(crate) struct Lease(Arc<Upstream>);

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Lease {
    /// Records a failed connection: other servers are preferred until it answers again.
    pub(crate) fn failed(&self) {
        self.0.failures.fetch_add(1, Ordering::Relaxed);
        self.0.set_healthy(false);
    }
}

impl Upstream {
    /// # Errors
    /// If its key cannot be read or a certificate is unusable.
    pub(crate) fn new(config: &UpstreamConfig) -> Result<Arc<Self>, Error> {
        Self::with(config, config.name.clone())
    }

    fn with(config: &UpstreamConfig, chosen_by: String) -> Result<Arc<Self>, Error> {
        let roots = config
            .roots
            .iter()
            .map(|path| std::fs::read(path).map_err(|source| Error::File { path: path.clone(), source }));
        let tls = TlsConfig { extra_roots_pem: roots.collect::<Result<_, _>>()?, ..TlsConfig::default() };
        let own_key = config.key_file.as_deref().map(secret_in).transpose()?.map(ApiKey::new);
        let client_config = Config {
            api_key: own_key.or_else(|| config.api_key.clone()),
            api: match config.api {
                UpstreamApi::Ollama => Api::Ollama,
                UpstreamApi::OpenAi => Api::OpenAi,
            },
            transport: TransportConfig { tls, ..TransportConfig::default() },
            ..Config::default()
        };
        Ok(Arc::new(Self {
            name: config.name.clone(),
            api: config.api,
            client: Client::with_config(config.endpoint.clone(), client_config).map_err(Error::Upstream)?,
            is_healthy: AtomicBool::new(true),
            was_checked: AtomicBool::new(false),
            running: AtomicUsize::new(0),
            served: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            models: Mutex::default(),
            is_spare: config.is_spare,
            most: AtomicUsize::new(config.running.unwrap_or(usize::MAX)),
            admitted: AtomicUsize::new(0),
            chosen_by,
        }))
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Where it is.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        self.client.endpoint()
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn is_healthy(&self) -> bool {
        self.is_healthy.load(Ordering::Relaxed)
    }

    pub(crate) fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    pub(crate) fn lease(self: &Arc<Self>) -> Lease {
        self.running.fetch_add(1, Ordering::Relaxed);
        self.served.fetch_add(1, Ordering::Relaxed);
        Lease(Arc::clone(self))
    }

    /// Sets the limit of running answers.
    pub(crate) fn limit(&self, running: usize) {
        self.most.store(running, Ordering::Relaxed);
    }

    pub(crate) fn is_limited(&self) -> bool {
        self.most.load(Ordering::Relaxed) != usize::MAX
    }

    fn has_room(&self) -> bool {
        self.admitted.load(Ordering::Relaxed) < self.most.load(Ordering::Relaxed)
    }

    /// Records that an answer was admitted, or that an admitted one has ended. Only the queue calls this, and
    /// it never exceeds the limit.
    pub(crate) fn admitted(&self, is_in: bool) {
        if is_in {
            self.admitted.fetch_add(1, Ordering::Relaxed);
        } else {
            self.admitted.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn set_healthy(&self, healthy: bool) {
        self.was_checked.store(true, Ordering::Relaxed);
        if self.is_healthy.swap(healthy, Ordering::Relaxed) != healthy {
            tracing::info!(upstream = self.name, healthy, "a model server has changed");
        }
    }

    fn models(&self) -> MutexGuard<'_, HashSet<String>> {
        self.models.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, model: &str) -> bool {
        let models = self.models();
        models.contains(model) || (!model.contains(':') && models.contains(&format!("{model}:latest")))
    }
}

/// Sorts healthy servers first, and the least busy first among them; otherwise the order stays.
pub(crate) fn least_busy_first(upstreams: &mut [Arc<Upstream>]) {
    upstreams.sort_by_key(|upstream| (!upstream.is_healthy(), upstream.running()));
}

/// The server for an answer if limits apply: the least busy one with room among the healthy servers, else
/// among all. `None` if none has room.
pub(crate) fn with_room(upstreams: &[Arc<Upstream>]) -> Option<Arc<Upstream>> {
    let mut fit = upstreams.to_vec();
    least_busy_first(&mut fit);
    if fit.first().is_some_and(|first| first.is_healthy()) {
        fit.retain(|upstream| upstream.is_healthy());
    }
    fit.into_iter().find(|upstream| upstream.has_room())
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Upstreams {
    all: Vec<Arc<Upstream>>,
    /// The servers that requests have named, by their text.
    named: Mutex<HashMap<String, Arc<Upstream>>>,
}

impl Upstreams {
    pub(crate) fn new(all: Vec<Arc<Upstream>>) -> Self {
        Self { all, named: Mutex::default() }
    }

    pub(crate) fn all(&self) -> &[Arc<Upstream>] {
        &self.all
    }

    /// The configured server of this name.
    pub(crate) fn configured(&self, name: &str) -> Option<&Arc<Upstream>> {
        self.all.iter().find(|upstream| upstream.name == name)
    }

    /// The server at an address in a request, in the notation of the configuration. Connections to it are
    /// reused.
    ///
    /// # Errors
    /// If the text names no model server.
    pub(crate) fn at(&self, text: &str) -> Result<Arc<Upstream>, Error> {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = named.get(text) {
            return Ok(Arc::clone(known));
        }
        let wrong = |error: NotAServer| Error::Config(error.to_string());
        let config: UpstreamConfig = text.parse().map_err(wrong)?;
        let prefix = match config.api {
            UpstreamApi::Ollama => "",
            UpstreamApi::OpenAi => "openai+",
        };
        let chosen_by = format!("{prefix}{}{}", config.endpoint, config.endpoint.base_path);
        let upstream = Upstream::with(&config, chosen_by)?;
        if named.len() >= NAMED {
            named.retain(|_, upstream| upstream.running() > 0);
        }
        named.insert(text.to_owned(), Arc::clone(&upstream));
        Ok(upstream)
    }

    /// The servers that may answer a request to `path` for `model`, best first: those that have the API, are
    /// healthy, have the model, and are the least busy. The configured order decides between equals.
    pub(crate) fn for_request(&self, path: &str, model: &str, choice: &Choice) -> Vec<Arc<Upstream>> {
        let speaks = |upstream: &&Arc<Upstream>| match upstream.api {
            UpstreamApi::Ollama => true,
            UpstreamApi::OpenAi => path.starts_with("/v1/"),
        };
        if let Choice::One(upstream) = choice {
            return Some(upstream).into_iter().filter(speaks).cloned().collect();
        }
        let mut fit: Vec<Arc<Upstream>> = self.all.iter().filter(speaks).cloned().collect();
        if fit.iter().any(|upstream| upstream.is_healthy() && !upstream.is_spare) {
            fit.retain(|upstream| !upstream.is_spare);
        }
        let any_has = fit.iter().any(|upstream| upstream.has(model));
        if any_has {
            fit.retain(|upstream| upstream.has(model));
        }
        least_busy_first(&mut fit);
        fit
    }

    /// The servers for a request that manages models, best first: those that already have the model, then in
    /// the configured order.
    pub(crate) fn for_keeping(&self, model: &str, choice: &Choice) -> Vec<Arc<Upstream>> {
        let keeps = |upstream: &&Arc<Upstream>| upstream.api == UpstreamApi::Ollama;
        if let Choice::One(upstream) = choice {
            return Some(upstream).into_iter().filter(keeps).cloned().collect();
        }
        let keeps = |upstream: &&Arc<Upstream>| keeps(upstream) && !upstream.is_spare;
        let mut fit: Vec<Arc<Upstream>> = self.all.iter().filter(keeps).cloned().collect();
        fit.sort_by_key(|upstream| (!upstream.is_healthy(), !upstream.has(model)));
        fit
    }

    /// Checks each of them periodically. Never returns.
    ///
    /// # Cancel safety
    /// Dropping the future stops the checks.
    pub(crate) async fn check_periodically(&self, pause: std::time::Duration) {
        loop {
            tokio::time::sleep(pause).await;
            self.check_all().await;
        }
    }

    /// Checks each of them for the first time, for at most `time`: requests prefer the servers that have
    /// answered by then.
    ///
    /// # Cancel safety
    /// Like [`check_all`](Self::check_all).
    pub(crate) async fn check_first(&self, time: std::time::Duration) {
        let is_all = tokio::time::timeout(time, self.check_all()).await.is_ok();
        let was_checked = |upstream: &Arc<Upstream>| upstream.was_checked.load(Ordering::Relaxed);
        if !is_all && self.all.iter().any(|upstream| was_checked(upstream) && upstream.is_healthy()) {
            for upstream in self.all.iter().filter(|upstream| !was_checked(upstream)) {
                upstream.set_healthy(false);
            }
        }
    }

    /// Checks all of them once, concurrently.
    ///
    /// # Cancel safety
    /// If the future is dropped, the state of those that have not answered is unchanged.
    pub(crate) async fn check_all(&self) {
        all(self.all.iter().map(|upstream| health::check(upstream)).collect()).await;
    }
}

/// Waits for all of them concurrently; returns their results in the same order.
///
/// # Cancel safety
/// Dropping the future drops them all.
pub(crate) async fn all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.into_iter().map(|future| (Some(Box::pin(future)), None)).collect();
    std::future::poll_fn(|cx| {
        for (future, result) in &mut futures {
            if let Some(Poll::Ready(ready)) = future.as_mut().map(|future| future.as_mut().poll(cx)) {
                (*future, *result) = (None, Some(ready));
            }
        }
        if futures.iter().all(|(future, _)| future.is_none()) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    futures.into_iter().filter_map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use towline::client::Endpoint;

    use super::*;

    fn upstream(name: &str, api: UpstreamApi, models: &[&str]) -> Arc<Upstream> {
        let config =
            UpstreamConfig { name: name.into(), ..UpstreamConfig::new(Endpoint::http("127.0.0.1", 1), api) };
        let upstream = Upstream::new(&config).unwrap();
        *upstream.models() = models.iter().map(|&model| model.to_owned()).collect();
        upstream
    }

    fn order(upstreams: &Upstreams, path: &str, model: &str) -> Vec<String> {
        upstreams
            .for_request(path, model, &Choice::Any)
            .iter()
            .map(|upstream| upstream.name().to_owned())
            .collect()
    }

    #[test]
    fn a_spare_is_asked_where_nobody_else_is_healthy_or_it_is_chosen() {
        let config = |name: &str, is_spare| UpstreamConfig {
            name: name.into(),
            is_spare,
            ..UpstreamConfig::new(Endpoint::http("127.0.0.1", 1), UpstreamApi::Ollama)
        };
        let (own, spare) = (config("own", false), config("spare", true));
        let [own, spare] = [own, spare].map(|config| Upstream::new(&config).unwrap());
        let all = Upstreams::new(vec![Arc::clone(&own), Arc::clone(&spare)]);
        assert_eq!(order(&all, "/api/chat", ""), ["own"]);
        let chosen = Choice::One(Arc::clone(all.configured("spare").unwrap()));
        assert!(Arc::ptr_eq(&all.for_request("/api/chat", "", &chosen)[0], &spare));
        own.lease().failed();
        assert_eq!(order(&all, "/api/chat", ""), ["spare", "own"]);
    }

    #[test]
    fn a_server_that_is_named_is_known_again_and_its_password_is_not_kept() {
        let all = Upstreams::new(Vec::new());
        let text = "openai+https://ann:hush@llm.example/x/v1";
        let named = all.at(text).unwrap();
        assert!(Arc::ptr_eq(&named, &all.at(text).unwrap()));
        assert!(!named.name().contains("hush"), "{}", named.name());
        let stored = Choice::One(named).stored().unwrap();
        assert_eq!(stored, "openai+https://llm.example:443/x");
        assert!(all.at("exa mple").is_err());
        for port in 1..=200 {
            all.at(&format!("127.0.0.1:{port}")).unwrap();
        }
        assert!(all.named.lock().unwrap().len() <= NAMED);
    }

    #[test]
    fn a_request_goes_to_who_has_the_model_is_healthy_and_least_busy() {
        let a = upstream("a", UpstreamApi::Ollama, &["x:latest", "y:1b"]);
        let b = upstream("b", UpstreamApi::Ollama, &["y:1b"]);
        let c = upstream("c", UpstreamApi::OpenAi, &["z"]);
        let all = Upstreams::new(vec![Arc::clone(&a), Arc::clone(&b), c]);
        assert_eq!(order(&all, "/api/chat", "x"), ["a"]);
        assert_eq!(order(&all, "/api/chat", "y:1b"), ["a", "b"]);
        let lease = a.lease();
        assert_eq!(order(&all, "/api/chat", "y:1b"), ["b", "a"]);
        drop(lease);
        a.lease().failed();
        assert_eq!(order(&all, "/api/chat", "y:1b"), ["b", "a"]);
        assert_eq!(order(&all, "/v1/chat/completions", "z"), ["c"]);
        assert_eq!(order(&all, "/v1/chat/completions", "unknown"), ["b", "c", "a"]);
        assert_eq!(order(&all, "/api/chat", "z"), ["b", "a"]);
    }
}
