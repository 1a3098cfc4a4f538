//! What the prompt has of a relay: `disown`, and the relay's other jobs in `jobs`.

use std::collections::HashSet;

use towline::relay::{Filter, Job};

use crate::cmd::UNARY_CLOCKS;
use crate::json;
use crate::repl::chore::Done;
use crate::repl::command::Listing;
use crate::repl::screen::Tone;
use crate::repl::spec::Spec;
use crate::repl::state::Prompt;
use crate::server::{Named, Place};
use towline_app::answers::said;

impl Prompt<'_> {
    /// Whether answers run on a relay.
    fn has_relay(&self) -> bool {
        match &self.server.place {
            Place::Named(Named::Relay) => true,
            Place::Named(Named::Argument | Named::Environment) | Place::Local | Place::Builtin(_) => false,
        }
    }

    /// Leaves a job to the relay, to survive the exit.
    pub(super) fn disown(&mut self, spec: Option<&Spec>) {
        let Some(number) = self.listed("disown", spec) else { return };
        if !self.has_relay() {
            return self.wrong(&format!(
                "disown: %{number} cannot be handed over: there is no relay to take it (towline --relay uses one); \
                 it ends with towline"
            ));
        }
        if !self.leave_behind(number) {
            self.wrong(&format!("disown: %{number} is not on the relay yet, or has ended"));
        }
    }

    /// Leaves a job to the relay that runs it; `false` where none does.
    pub fn leave_behind(&mut self, number: u32) -> bool {
        let Some(item) = self.item_mut(number) else { return false };
        let Some(id) = item.job().and_then(towline::Job::detach) else { return false };
        item.disowned = true;
        self.say(Tone::Plain, &format!("%{number} runs on without the prompt; towline attach {id} reads it"));
        true
    }

    /// Asks for the relay's jobs that are not the prompt's own.
    pub(super) fn list_relay_jobs(&mut self, listing: Listing) {
        if !self.has_relay() {
            return;
        }
        let own = self.jobs.listed().chain(self.jobs.reported());
        let own = own.filter(|entry| !entry.item.disowned);
        let own: HashSet<String> =
            own.filter_map(|entry| Some(entry.item.job()?.relay_id()?.to_string())).collect();
        let control = self.server.client.with_request_config(|config| config.clocks = UNARY_CLOCKS).relay();
        self.chore("jobs", true, async move {
            let filter = Filter { running: Some(true), ..Filter::default() };
            let jobs = control.list(&filter).await.map_err(|error| error.message)?;
            let others = jobs.into_iter().filter(|job| !own.contains(&job.id));
            Ok(Done::RelayJobs(others.map(|job| relay_line(&job, listing)).collect()))
        });
    }
}

fn relay_line(job: &Job, listing: Listing) -> String {
    if listing.json {
        return json::line(job).trim_end().to_owned();
    }
    let name = job.name.as_deref().filter(|name| !name.is_empty()).map(|name| format!("  {name}"));
    let model = job.model.as_deref().unwrap_or("-");
    format!("relay  {}  {}  {model}{}", job.id, said(job), name.unwrap_or_default())
}
