//! The listening side: accepts connections, chooses scripts, and reports to the test.

use std::{
    collections::HashMap,
    fmt, io,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::{
    connection,
    http::Request,
    ledger::{Close, Ledger},
    script::Script,
    socket::Listener,
};

/// The choice of a script for a connection or a request.
#[derive(Clone)]
pub enum Plan {
    /// Every connection plays the same script.
    Same(Script),
    /// The first connection plays the first script, and so on; the last script serves all further ones.
    PerConnection(Vec<Script>),
    /// Each request is read first and chooses its script, also on a reused connection.
    ByRequest(Arc<dyn Fn(&Request) -> Script + Send + Sync>),
}

impl Plan {
    /// A plan that calls a function.
    pub fn by_request(choose: impl Fn(&Request) -> Script + Send + Sync + 'static) -> Plan {
        Plan::ByRequest(Arc::new(choose))
    }

    fn for_connection(&self, id: usize) -> Choice {
        match self {
            Plan::Same(script) => Choice::Script(script.clone()),
            Plan::PerConnection(scripts) => {
                let script = scripts.get(id).or(scripts.last());
                Choice::Script(script.cloned().unwrap_or_default())
            }
            Plan::ByRequest(choose) => Choice::ByRequest(Arc::clone(choose)),
        }
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Plan::Same(script) => f.debug_tuple("Same").field(script).finish(),
            Plan::PerConnection(scripts) => f.debug_tuple("PerConnection").field(scripts).finish(),
            Plan::ByRequest(_) => f.write_str("ByRequest(..)"),
        }
    }
}

impl From<Script> for Plan {
    fn from(script: Script) -> Plan {
        Plan::Same(script)
    }
}

impl From<Vec<Script>> for Plan {
    fn from(scripts: Vec<Script>) -> Plan {
        Plan::PerConnection(scripts)
    }
}

impl<const N: usize> From<[Script; N]> for Plan {
    fn from(scripts: [Script; N]) -> Plan {
        Plan::PerConnection(scripts.into())
    }
}

impl From<Routes> for Plan {
    fn from(routes: Routes) -> Plan {
        Plan::by_request(move |request| routes.choose(request))
    }
}

/// Scripts by path or by the model a request names. The first match in order of adding wins; a request
/// that matches nothing gets 404.
#[derive(Debug, Default)]
pub struct Routes {
    routes: Vec<Route>,
    /// Number of requests of each route.
    counts: Mutex<HashMap<usize, usize>>,
}

#[derive(Debug)]
struct Route {
    when: Match,
    scripts: Vec<Script>,
}

#[derive(Debug)]
enum Match {
    Path(String),
    Model(String),
    Any,
}

impl Routes {
    pub fn new() -> Routes {
        Routes::default()
    }

    /// Every request for this path (query aside).
    pub fn path(self, path: &str, script: Script) -> Routes {
        self.path_each(path, [script])
    }

    /// The first request for this path, the second, …; the last script serves all further ones.
    pub fn path_each(self, path: &str, scripts: impl IntoIterator<Item = Script>) -> Routes {
        self.add(Match::Path(path.to_owned()), scripts)
    }

    /// Every request whose body names this model.
    pub fn model(self, model: &str, script: Script) -> Routes {
        self.model_each(model, [script])
    }

    /// The first request for this model, the second, …; the last script serves all further ones.
    pub fn model_each(self, model: &str, scripts: impl IntoIterator<Item = Script>) -> Routes {
        self.add(Match::Model(model.to_owned()), scripts)
    }

    /// Every request that matched nothing before.
    pub fn otherwise(self, script: Script) -> Routes {
        self.add(Match::Any, [script])
    }

    fn add(mut self, when: Match, scripts: impl IntoIterator<Item = Script>) -> Routes {
        self.routes.push(Route { when, scripts: scripts.into_iter().collect() });
        self
    }

    fn choose(&self, request: &Request) -> Script {
        let model = request.model();
        let matched = self.routes.iter().position(|route| match &route.when {
            Match::Path(path) => request.path() == path,
            Match::Model(wanted) => model.as_ref() == Some(wanted),
            Match::Any => true,
        });
        let Some(route) = matched else {
            return Script::error(404, "the test scripted nothing for this request");
        };
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(route).or_default();
        let nth = *count;
        *count += 1;
        let scripts = &self.routes[route].scripts;
        scripts.get(nth).or(scripts.last()).cloned().unwrap_or_default()
    }
}

/// The script of one connection.
pub(crate) enum Choice {
    Script(Script),
    ByRequest(Arc<dyn Fn(&Request) -> Script + Send + Sync>),
}

impl Choice {
    pub(crate) fn is_deaf(&self) -> bool {
        match self {
            Choice::Script(script) => script.deaf,
            Choice::ByRequest(_) => false,
        }
    }

    pub(crate) fn repeats(&self) -> bool {
        match self {
            Choice::Script(script) => script.begins_with_request(),
            Choice::ByRequest(_) => true,
        }
    }
}

/// A server on a real socket that plays scripts.
///
/// Dropping it closes the listener and every connection, and joins all its threads.
///
/// The waiting methods return `None` (or `false`) if the event did not happen in time.
#[derive(Debug)]
pub struct Server {
    ledger: Arc<Ledger>,
    listener: Arc<Listener>,
    accepting: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on a free loopback port.
    ///
    /// # Panics
    /// If no port is free.
    pub fn start(plan: impl Into<Plan>) -> Server {
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Server::listen(addr, plan).unwrap_or_else(|error| panic!("cannot listen on {addr}: {error}"))
    }

    /// Listens on an address of the caller's choice.
    pub fn listen(addr: SocketAddr, plan: impl Into<Plan>) -> io::Result<Server> {
        Ok(Server::serve(Listener::tcp(addr)?, plan.into()))
    }

    /// Listens on a Unix socket; the file is removed on drop.
    pub fn listen_unix(path: impl AsRef<Path>, plan: impl Into<Plan>) -> io::Result<Server> {
        Ok(Server::serve(Listener::unix(path.as_ref().to_owned())?, plan.into()))
    }

    fn serve(listener: Listener, plan: Plan) -> Server {
        let (ledger, listener) = (Arc::new(Ledger::default()), Arc::new(listener));
        let accepting = thread::spawn({
            let (ledger, listener) = (Arc::clone(&ledger), Arc::clone(&listener));
            move || accept(&listener, &ledger, &plan)
        });
        Server { ledger, listener, accepting: Some(accepting) }
    }

    /// The address.
    ///
    /// # Panics
    /// On a Unix socket, which has none.
    pub fn addr(&self) -> SocketAddr {
        match &*self.listener {
            Listener::Tcp(_, addr) => *addr,
            Listener::Unix(..) => panic!("a Unix socket has no IP address"),
        }
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// Lets everything through a gate from now on.
    pub fn open(&self, gate: &str) {
        self.ledger.open(gate);
    }

    /// Lets scripts through a gate `times` times more.
    pub fn pass(&self, gate: &str, times: u64) {
        self.ledger.allow(gate, times);
    }

    /// Waits until scripts have reached a gate `times` times in total, passed or not: then all steps before
    /// it are done.
    #[must_use]
    pub fn wait_until_at(&self, gate: &str, times: u64, within: Duration) -> bool {
        self.ledger.wait(within, |state| (state.arrivals(gate) >= times).then_some(())).is_some()
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.ledger.lock().connections.len()
    }

    /// Connections that are open on both sides.
    pub fn open_connections(&self) -> usize {
        let state = self.ledger.lock();
        state.connections.iter().filter(|connection| !connection.over && connection.closed.is_none()).count()
    }

    /// All requests in the order they were complete.
    pub fn requests(&self) -> Vec<Request> {
        self.ledger.lock().requests.clone()
    }

    /// Requests that came on each connection, in the order of accepting. Above 1: reused.
    pub fn requests_per_connection(&self) -> Vec<usize> {
        self.ledger.lock().connections.iter().map(|connection| connection.requests).collect()
    }

    /// Number of bytes of a connection that the kernel has accepted so far.
    pub fn sent_bytes(&self, connection: usize) -> u64 {
        self.ledger.lock().sent(connection).unwrap_or(0)
    }

    /// How and when the peer closed, if it has.
    pub fn closed(&self, connection: usize) -> Option<Close> {
        self.ledger.lock().connections.get(connection)?.closed
    }

    /// Waits until `count` connections were accepted in total.
    #[must_use]
    pub fn wait_for_connections(&self, count: usize, within: Duration) -> bool {
        self.ledger.wait(within, |state| (state.connections.len() >= count).then_some(())).is_some()
    }

    /// Waits until `count` requests were complete in total, and returns the last of them.
    #[must_use]
    pub fn wait_for_request(&self, count: usize, within: Duration) -> Option<Request> {
        self.ledger.wait(within, |state| state.requests.get(count.checked_sub(1)?).cloned())
    }

    /// Waits until the peer has closed a connection. Never true for one that the script closed first.
    #[must_use]
    pub fn wait_for_close(&self, connection: usize, within: Duration) -> Option<Close> {
        self.ledger.wait(within, |state| state.connections.get(connection)?.closed)
    }

    /// Waits until a connection's script is over and its socket closed, by either side.
    #[must_use]
    pub fn wait_until_over(&self, connection: usize, within: Duration) -> bool {
        self.ledger.wait(within, |state| state.connections.get(connection)?.over.then_some(())).is_some()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ledger.stop();
        // Wakes the accepting thread, which then sees that the server stops.
        match &*self.listener {
            Listener::Tcp(_, addr) => drop(TcpStream::connect(addr)),
            Listener::Unix(_, path) => {
                drop(std::os::unix::net::UnixStream::connect(path));
                drop(std::fs::remove_file(path));
            }
        }
        if let Some(accepting) = self.accepting.take() {
            let _panicked = accepting.join();
        }
    }
}

/// Accepts until the server stops, then joins the connections' threads.
fn accept(listener: &Listener, ledger: &Arc<Ledger>, plan: &Plan) {
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    loop {
        // A connection that broke in the queue is not reported.
        let Ok(socket) = listener.accept() else { continue };
        let socket = Arc::new(socket);
        let Some(id) = ledger.accepted(&socket) else { break };
        let (ledger, choice) = (Arc::clone(ledger), plan.for_connection(id));
        threads.retain(|thread| !thread.is_finished());
        threads.push(thread::spawn(move || connection::play(id, socket, ledger, choice)));
    }
    for thread in threads {
        let _panicked = thread.join();
    }
}
