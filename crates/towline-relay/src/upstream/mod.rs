//! The model servers behind a relay: which one gets a request, and whether they are well.

pub(crate) mod look;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use towline::{Api, ApiKey, Client, Config, TlsConfig, TransportConfig};

use crate::config::{UpstreamApi, UpstreamConfig, secret_in};
use crate::error::Error;

/// One model server.
#[derive(Debug)]
pub(crate) struct Upstream {
    name: String,
    api: UpstreamApi,
    client: Client,
    /// It answered when it was last looked at, or has not been looked at yet.
    is_well: AtomicBool,
    running: AtomicUsize,
    pub(crate) served: AtomicU64,
    pub(crate) failures: AtomicU64,
    models: Mutex<HashSet<String>>,
}

/// A request that a server works on. Dropping it says that it is done.
#[derive(Debug)]
pub(crate) struct Lease(Arc<Upstream>);

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Lease {
    /// No connection could be made: others are asked first until it answers again.
    pub(crate) fn failed(&self) {
        self.0.failures.fetch_add(1, Ordering::Relaxed);
        self.0.set_well(false);
    }
}

impl Upstream {
    /// # Errors
    /// When its key cannot be read or a certificate cannot be used.
    pub(crate) fn new(config: &UpstreamConfig) -> Result<Arc<Self>, Error> {
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
            is_well: AtomicBool::new(true),
            running: AtomicUsize::new(0),
            served: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            models: Mutex::default(),
        }))
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn is_well(&self) -> bool {
        self.is_well.load(Ordering::Relaxed)
    }

    pub(crate) fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    pub(crate) fn lease(self: &Arc<Self>) -> Lease {
        self.running.fetch_add(1, Ordering::Relaxed);
        self.served.fetch_add(1, Ordering::Relaxed);
        Lease(Arc::clone(self))
    }

    fn set_well(&self, well: bool) {
        if self.is_well.swap(well, Ordering::Relaxed) != well {
            tracing::info!(upstream = self.name, well, "a model server has changed");
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

/// Puts those that are well first, and of these the least busy; otherwise the order stays.
pub(crate) fn least_busy_first(upstreams: &mut [Arc<Upstream>]) {
    upstreams.sort_by_key(|upstream| (!upstream.is_well(), upstream.running()));
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Upstreams {
    all: Vec<Arc<Upstream>>,
}

impl Upstreams {
    pub(crate) fn new(all: Vec<Arc<Upstream>>) -> Self {
        Self { all }
    }

    pub(crate) fn all(&self) -> &[Arc<Upstream>] {
        &self.all
    }

    /// Those that may answer a request to `path` for `model`, best first: that speak the API, are well, have the model, and
    /// are the least busy. The configured order decides between equals.
    pub(crate) fn for_request(&self, path: &str, model: &str) -> Vec<Arc<Upstream>> {
        let speaks = |upstream: &&Arc<Upstream>| match upstream.api {
            UpstreamApi::Ollama => true,
            UpstreamApi::OpenAi => path.starts_with("/v1/"),
        };
        let mut fit: Vec<Arc<Upstream>> = self.all.iter().filter(speaks).cloned().collect();
        let any_has = fit.iter().any(|upstream| upstream.has(model));
        if any_has {
            fit.retain(|upstream| upstream.has(model));
        }
        least_busy_first(&mut fit);
        fit
    }

    /// Those that may change the models they keep, best first: that have it already, else as configured.
    pub(crate) fn for_keeping(&self, model: &str) -> Vec<Arc<Upstream>> {
        let keeps = |upstream: &&Arc<Upstream>| upstream.api == UpstreamApi::Ollama;
        let mut fit: Vec<Arc<Upstream>> = self.all.iter().filter(keeps).cloned().collect();
        fit.sort_by_key(|upstream| (!upstream.is_well(), !upstream.has(model)));
        fit
    }

    /// Looks at each of them now and then, for ever.
    ///
    /// # Cancel safety
    /// Dropping the future stops looking.
    pub(crate) async fn keep_looking(&self, pause: std::time::Duration) {
        loop {
            tokio::time::sleep(pause).await;
            self.look().await;
        }
    }

    /// Looks at each of them once, at all at the same time.
    ///
    /// # Cancel safety
    /// Dropping the future leaves what is known of those that have not answered.
    pub(crate) async fn look(&self) {
        all(self.all.iter().map(|upstream| look::at(upstream)).collect()).await;
    }
}

/// Waits for all of them at once; their results in the same order.
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
    use towline::Endpoint;

    use super::*;

    fn upstream(name: &str, api: UpstreamApi, models: &[&str]) -> Arc<Upstream> {
        let config =
            UpstreamConfig { name: name.into(), ..UpstreamConfig::new(Endpoint::http("127.0.0.1", 1), api) };
        let upstream = Upstream::new(&config).unwrap();
        *upstream.models() = models.iter().map(|&model| model.to_owned()).collect();
        upstream
    }

    fn order(upstreams: &Upstreams, path: &str, model: &str) -> Vec<String> {
        upstreams.for_request(path, model).iter().map(|upstream| upstream.name().to_owned()).collect()
    }

    #[test]
    fn a_request_goes_to_who_has_the_model_is_well_and_least_busy() {
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
