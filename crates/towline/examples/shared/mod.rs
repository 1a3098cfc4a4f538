//! Where an example finds its server: the first argument, else `OLLAMA_HOST`, else a fake one in this process, whose
//! models are named after what they do. Further arguments name models.

use towline::Client;
use towline_testkit::{Server, fakemodel};

pub(crate) struct Setting {
    pub(crate) client: Client,
    pub(crate) models: Vec<String>,
    /// Ends with the example.
    _fake: Option<Server>,
}

/// The server and the models to use, `models` where a fake server is used or none is named.
pub(crate) fn setting(models: &[&str]) -> Result<Setting, towline::Error> {
    let mut arguments = std::env::args().skip(1);
    let host = arguments.next().or_else(|| std::env::var("OLLAMA_HOST").ok());
    let named: Vec<String> = arguments.collect();
    let models = if named.is_empty() { models.iter().map(ToString::to_string).collect() } else { named };
    let fake = host.is_none().then(|| Server::start(fakemodel::plan()));
    let host = host.or_else(|| fake.as_ref().map(Server::url)).unwrap_or_default();
    Ok(Setting { client: Client::new(&host)?, models, _fake: fake })
}
