//! The server that is meant, and where answers run.

use std::time::Duration;

use towline::{Client, Engine};
use towline_app::servers::{Environment, RelayPlace, RunTarget, ServerSpec};

use crate::relay::Relay;
use crate::server::{ConnectedServer, Server, ServerSearch};
use crate::ui::view_state::Servers;

/// Changes in the relay's list are drawn at most this often.
const FRAME: Duration = Duration::from_millis(50);

/// Which server the window uses.
#[derive(Debug, Clone)]
pub enum Target {
    /// This one.
    Client(Client),
    /// It is looked for.
    Find(Box<ServerSearch>),
}

/// The server that is meant, and where answers run.
#[derive(Debug)]
pub(super) struct ServerTarget {
    target: Target,
    /// The server that somebody named in the window; by default the one that is meant.
    named: ServerSpec,
    /// Answers are to run in the window, whatever was meant; where they do run, the server says.
    pub(super) is_direct: bool,
}

impl ServerTarget {
    pub(super) fn at(target: Target) -> Self {
        let is_direct = match &target {
            Target::Find(sought) => sought.wanted == RunTarget::Here,
            Target::Client(_) => true,
        };
        Self { target, named: ServerSpec::default(), is_direct }
    }

    /// Means another server from now on.
    pub(super) fn name(&mut self, spec: ServerSpec) {
        if let Target::Client(_) = self.target {
            self.target = Target::Find(Box::new(ServerSearch::direct(Environment::default())));
        }
        self.named = spec;
    }

    /// The server, which may have to be looked for.
    pub(super) fn find(&self, engine: &Engine) -> Server {
        let sought = match &self.target {
            Target::Client(client) => {
                return Server::Connected(Box::new(ConnectedServer::direct(client.clone())));
            }
            Target::Find(sought) => sought,
        };
        let mut sought = sought.as_ref().clone();
        if self.named != ServerSpec::default() {
            sought.spec = self.named.clone();
            // A key is for the server it was given for; another one does not get it.
            sought.environment.api_key = None;
        }
        sought.wanted = match self.is_direct {
            true => RunTarget::Here,
            false => sought.wanted.on_relay(&sought.configured, &sought.environment),
        };
        if let RunTarget::At(_) = sought.wanted {
            // Another relay chooses among its own servers, and refuses the address of any other.
            sought.spec = ServerSpec::default();
        }
        Server::find(sought, engine)
    }

    /// The relay, where there is a place for one. Where there should be one and is none, the search for the server says why.
    pub(super) fn relay(&self, context: &egui::Context) -> Option<Relay> {
        let Target::Find(sought) = &self.target else { return None };
        let ServerSearch { environment, wanted, configured, .. } = sought.as_ref();
        let place = RelayPlace::find(wanted.on_relay(configured, environment).relay(), environment).ok()?;
        let wake = context.clone();
        Relay::new(place, environment, move || wake.request_repaint_after(FRAME)).ok()
    }

    /// The servers that can be chosen in place of this one.
    pub(super) fn servers<'a>(&'a self, server: &'a Server, relay: Option<&Relay>) -> Servers<'a> {
        let named = match &self.target {
            Target::Find(sought) => Some(&sought.environment.servers),
            Target::Client(_) => None,
        };
        let is_others = server.is_on_relay() && !relay.is_some_and(Relay::is_own);
        Servers { server, named, chosen: &self.named, is_others }
    }
}
