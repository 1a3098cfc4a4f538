//! The server's models: installed, loaded, and being pulled.

use serde_json::Value;
use towline::api::{DeleteRequest, InstalledModel, PullRequest, RunningModel};
use towline::engine::{Reader, StartAt, StreamSpec, Task};
use towline::event::Progress;
use towline::{Client, Engine, Error, Event, Job};

/// A model that is being pulled.
#[derive(Debug)]
pub struct Pull {
    /// The model.
    pub model: String,
    /// The job that pulls it.
    pub job: Job,
    /// Its progress.
    pub progress: Progress,
    /// The error, if it has failed.
    pub failed: Option<String>,
    reader: Reader,
}

#[derive(Debug)]
struct ModelLists {
    installed: Result<Vec<InstalledModel>, Error>,
    loaded: Result<Vec<RunningModel>, Error>,
}

/// The server's models.
#[derive(Debug, Default)]
pub struct Catalog {
    /// The installed models, newest first.
    pub installed: Vec<InstalledModel>,
    /// The models in memory. `None` if the server does not report them.
    pub loaded: Option<Vec<RunningModel>>,
    /// The reason why there is no list.
    pub error: Option<String>,
    /// The running and the failed pulls.
    pub pulls: Vec<Pull>,
    listing: Option<Task<ModelLists>>,
    deleting: Option<(String, Task<Result<(), Error>>)>,
}

/// Whether two names mean the same model.
fn is_same(one: &str, other: &str) -> bool {
    one.trim_end_matches(":latest") == other.trim_end_matches(":latest")
}

/// The abilities of a model besides text, if the server reports them: “vision, tools”.
pub fn abilities(model: &InstalledModel) -> String {
    let capabilities = model.extra.get("capabilities").and_then(Value::as_array);
    let can = |ability: &&str| capabilities.is_some_and(|all| all.iter().any(|one| one == ability));
    ["vision", "thinking", "tools"].into_iter().filter(can).collect::<Vec<_>>().join(", ")
}

impl Catalog {
    /// Asks the server for its lists.
    pub fn refresh(&mut self, engine: &Engine, client: &Client) {
        let client = client.clone();
        self.listing = Some(engine.spawn("list models", async move {
            let installed = client.list().await.map(|list| list.models);
            let loaded = client.ps().await.map(|list| list.models);
            ModelLists { installed, loaded }
        }));
    }

    /// Whether the lists are being requested.
    pub fn is_listing(&self) -> bool {
        self.listing.is_some()
    }

    /// Whether a model is in memory, according to the server.
    pub fn is_loaded(&self, model: &str) -> Option<bool> {
        let loaded = self.loaded.as_ref()?;
        Some(loaded.iter().any(|one| is_same(&one.name, model)))
    }

    /// The context size of a model in memory, in tokens, according to the server.
    pub fn context(&self, model: &str) -> Option<u64> {
        let loaded = self.loaded.as_ref()?.iter().find(|one| is_same(&one.name, model))?;
        Some(loaded.context_length)
    }

    /// Whether the server is known to have a model.
    pub fn has(&self, model: &str) -> bool {
        self.installed.iter().any(|one| is_same(&one.name, model))
    }

    /// Whether the server is known not to have a model.
    pub fn lacks(&self, model: &str) -> bool {
        !model.is_empty() && !self.installed.is_empty() && self.error.is_none() && !self.has(model)
    }

    /// Pulls a model.
    pub fn pull(&mut self, engine: &Engine, client: &Client, model: &str) {
        self.pulls.retain(|pull| pull.model != model || pull.job.outcome().is_none());
        if self.pulls.iter().any(|pull| pull.model == model) {
            return;
        }
        let request = PullRequest { model: model.to_owned(), insecure: false };
        let job = engine.submit(StreamSpec::pull(client, request), towline::engine::JobOptions::default());
        job.rename(&format!("pull {model}"));
        let reader = job.reader(StartAt::Beginning);
        let progress = Progress::default();
        self.pulls.push(Pull { model: model.to_owned(), job, progress, failed: None, reader });
    }

    /// Deletes a model from the server.
    pub fn delete(&mut self, engine: &Engine, client: &Client, model: &str) {
        let (client, request) = (client.clone(), DeleteRequest { model: model.to_owned() });
        let task = engine.spawn("delete a model", async move { client.delete(request).await });
        self.deleting = Some((model.to_owned(), task));
    }

    /// Takes the results that have arrived. Changes on the server trigger new lists; returns errors for
    /// display.
    pub fn poll(&mut self, engine: &Engine, client: &Client) -> Option<String> {
        let mut changed = false;
        let mut complaint = None;
        for pull in &mut self.pulls {
            while let Some(batch) = pull.reader.try_read() {
                for event in batch.events {
                    if let Event::Progress(progress) = event {
                        pull.progress = *progress;
                    }
                }
                if let Some(outcome) = batch.outcome {
                    changed = true;
                    pull.failed = outcome.ending.error().map(|error| error.message);
                }
            }
        }
        self.pulls.retain(|pull| !pull.reader.is_ended() || pull.failed.is_some());
        if let Some((model, task)) = &self.deleting
            && task.job.outcome().is_some()
        {
            if let Some(Err(error)) = task.take_value() {
                complaint = Some(format!("{model} was not deleted: {}", error.message));
            }
            self.deleting = None;
            changed = true;
        }
        if let Some(task) = &self.listing
            && task.job.outcome().is_some()
        {
            if let Some(answered) = task.take_value() {
                self.error = answered.installed.as_ref().err().map(|error| error.message.clone());
                if let Ok(installed) = answered.installed {
                    self.installed = installed;
                }
                self.loaded = answered.loaded.ok();
            }
            self.listing = None;
        }
        if changed {
            self.refresh(engine, client);
        }
        complaint
    }
}
