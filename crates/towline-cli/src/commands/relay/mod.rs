//! `towline relay`: a relay in this process, and the verbs for a running one.

mod logs;
mod own;
mod pair;
mod past;
mod rest;
mod settings;
mod signals;
mod systemd;

use std::pin::pin;
use std::sync::Arc;

use towline::relay::OwnRelay;
use towline_relay::{
    Config, Error, Listen, Reloader, Report, Server, StoreError, UpstreamApi, UpstreamConfig, UserHistory,
};

use settings::Settings;
use signals::SignalRequest;

use super::Context;
use crate::args::{LogFormat, RelayArgs};
use crate::exit::Exit;
use crate::exit::failure::{Complaint, Failure, with_causes};
use crate::output::Out;
use crate::server::builtin::Builtin;
use crate::server::places;
use towline_app::servers::{BUILTIN, OLLAMA};

/// Runs the relay until a signal or a client shuts it down.
pub async fn run(args: &RelayArgs, mut context: Context) -> Result<Exit, Failure> {
    if let Some(verb) = &args.verb {
        return own::run(verb, context).await;
    }
    let Settings { mut config, level, format } = Settings::read(args, context.environment.api_key.as_deref())
        .map_err(|message| Failure::Usage(Complaint::new(message)))?;
    logs::start(level, format);
    let mut signals =
        signals::Signals::new().map_err(|error| Failure::Local(Complaint::new(error.to_string())))?;
    // The built-in model runs while this exists.
    let _builtin = if config.upstreams.is_empty() { default_servers(&mut config).await? } else { None };
    // The rest of its owner's answers enters the history; answers of a relay that serves others do not.
    let is_own =
        |own: &OwnRelay| config.tokens.is_empty() && config.listen.contains(&Listen::Unix(own.socket()));
    let own = places::own().ok().filter(is_own).zip(places::history());
    config.history = own.as_ref().map(|(_, path)| Arc::new(past::Past(path.clone())) as Arc<dyn UserHistory>);
    let keeper = own.and_then(|(own, path)| rest::keeper(own.endpoint(), path));
    let (on_answer, keeping) = keeper.unzip();
    config.on_answer = on_answer;
    let (over_tls, drain) = (config.tls.is_some(), config.times.drain);
    let upstreams: Vec<String> = config
        .upstreams
        .iter()
        .map(|upstream| match upstream.endpoint.to_string() {
            // A server without a name is listed by its address.
            address if address == upstream.name => address,
            address => format!("{} at {address}", upstream.name),
        })
        .collect();
    // The worker threads run the streams; this thread handles only signals.
    let (started, listening) = tokio::sync::oneshot::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let relaying = std::thread::Builder::new().name("towline-relay".into()).spawn(move || {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Error::Thread)?;
        runtime.block_on(async move {
            let server = Server::bind(config).await?;
            drop(started.send((server.listening(), server.reloader())));
            let ended = async {
                // The other end was dropped, or closed explicitly.
                drop(stopped.await);
            };
            tokio::select! {
                report = server.run(ended) => Ok(report),
                () = systemd::watchdog() => unreachable!("this future does not end"),
            }
        })
    });
    let relaying = relaying.map_err(|error| refused(&Error::Thread(error)))?;
    if let Ok((listening, reloader)) = listening.await {
        for listen in listening {
            let shown = match listen {
                Listen::Tcp(address) if over_tls => format!("https://{address}"),
                Listen::Tcp(address) => format!("http://{address}"),
                Listen::Unix(_) | Listen::Own => listen.to_string(),
            };
            Out::new().line(&format!("listening on {shown}"))?;
        }
        logs::message(format, &format!("relaying to {}", upstreams.join(", ")));
        systemd::is_ready();
        let mut ended = tokio::task::spawn_blocking(move || relaying.join());
        let mut keeping = pin!(async {
            match keeping {
                Some(keeping) => keeping.await,
                None => std::future::pending().await,
            }
        });
        let result = loop {
            tokio::select! {
                () = &mut keeping => unreachable!("this future does not end"),
                result = &mut ended => break result,
                _signal = context.stopper.stopped() => {}
                asked = signals.next() => if asked == SignalRequest::Reload {
                    systemd::reloads();
                    let read = Settings::read(args, context.environment.api_key.as_deref());
                    if let Err(message) = read.and_then(|settings| reload(&reloader, &settings.config)) {
                        logs::message(format, &format!("SIGHUP changed nothing: {message}"));
                    }
                    systemd::is_ready();
                    continue;
                }
            }
            drop(stop);
            systemd::is_stopping(drain);
            // Answers that end within the drain time are written too.
            break tokio::select! {
                () = &mut keeping => unreachable!("this future does not end"),
                result = &mut ended => result,
            };
        };
        return match result {
            Ok(Ok(result)) => report(format, result),
            Ok(Err(_)) | Err(_) => Err(Failure::Local(Complaint::new("the relay has panicked"))),
        };
    }
    match relaying.join() {
        Ok(result) => report(format, result),
        Err(_) => Err(Failure::Local(Complaint::new("the relay has panicked"))),
    }
}

/// The Ollama on this machine, whether it runs yet or not, and the built-in model while it does not.
async fn default_servers(config: &mut Config) -> Result<Option<Builtin>, Failure> {
    let named = |name: &str, endpoint, is_spare| UpstreamConfig {
        name: name.to_owned(),
        is_spare,
        ..UpstreamConfig::new(endpoint, UpstreamApi::Ollama)
    };
    config.upstreams.push(named(OLLAMA, towline::client::host::local(), false));
    if !cfg!(feature = "model") {
        return Ok(None);
    }
    let builtin = Builtin::start_silently().await?;
    config.upstreams.push(named(BUILTIN, builtin.endpoint(), true));
    Ok(Some(builtin))
}

fn reload(reloader: &Reloader, config: &Config) -> Result<(), String> {
    reloader.reload(config).map_err(|error| error.to_string())
}

fn report(format: LogFormat, result: Result<Report, Error>) -> Result<Exit, Failure> {
    let Report { running, cut } = result.map_err(|error| refused(&error))?;
    if running > 0 {
        logs::message(format, &format!("{running} answers were running; {cut} of them were cut"));
    }
    Ok(Exit::Completed)
}

fn refused(error: &Error) -> Failure {
    let complaint = Complaint::new(with_causes(error));
    match error {
        Error::Config(_) | Error::Upstream(_) | Error::Tls { .. } | Error::File { .. } => Failure::Usage(complaint),
        Error::Bind { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse => Failure::Local(
            complaint.hint_free_port(),
        ),
        Error::Store { source: StoreError::InUse { .. }, .. } => Failure::Local(complaint.hint(
            "only one relay uses a store: --relay or TOWLINE_RELAY names the one that runs, --store another folder, or memory",
        )),
        Error::Store { .. } => Failure::Local(
            complaint.hint("towline relay check reports damage, and --repair keeps the rest; --store names another folder"),
        ),
        Error::Running(_) => {
            Failure::Local(complaint.hint("--listen unix:/another/path starts a second one"))
        }
        Error::Shared { .. } => Failure::Local(complaint.hint(
            "--store redis://host:6379 names a Redis or Valkey server or cluster; user and password go into the address, --store env:NAME \
             reads it from a variable",
        )),
        Error::Bind { .. } | Error::Socket { .. } | Error::Thread(_) => Failure::Local(complaint),
    }
}
