//! `towline serve`, and the built-in model inside of other commands.

use std::error::Error as _;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::sync::oneshot;
use towline::Endpoint;
use towline_model::{Config, Server};

use super::Context;
use crate::args::ServeArgs;
use crate::exit::Exit;
use crate::failure::{Complaint, Failure};
use crate::out::{self, Out};

/// The name of the built-in model.
const BUILTIN_MODEL: &str = "brook";

/// Serves until a signal comes.
pub async fn run(args: &ServeArgs, mut context: Context) -> Result<Exit, Failure> {
    let config = Config { listen: args.listen, rate: args.rate, ..Config::default() };
    let server = Server::bind(config).await.map_err(|error| refused(&error))?;
    let address = server.local_addr();
    Out::new().line(&format!("listening on http://{address}"))?;
    out::stderr_line(&format!("serving {BUILTIN_MODEL}, a toy model"));
    let stopped = async {
        if args.until_input_ends {
            tokio::select! {
                _by_any_signal = context.stopper.stopped() => {}
                () = input_ended() => {}
            }
        } else {
            let _by_any_signal = context.stopper.stopped().await;
        }
    };
    server.run(stopped).await;
    Ok(Exit::Completed)
}

/// Waits until nothing more can come by standard input.
async fn input_ended() {
    use tokio::io::AsyncReadExt as _;
    let (mut input, mut ignored) = (tokio::io::stdin(), [0; 256]);
    while input.read(&mut ignored).await.is_ok_and(|count| count > 0) {}
}

fn refused(error: &towline_model::Error) -> Failure {
    let complaint = Complaint::new(chain(error));
    match error {
        towline_model::Error::Bind { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse => {
            Failure::Local(
                complaint.hint("something listens there already; --listen 127.0.0.1:0 takes any free port"),
            )
        }
        towline_model::Error::Rate(_) => Failure::Usage(complaint),
        towline_model::Error::Bind { .. } => Failure::Local(complaint),
    }
}

/// An error with its causes.
fn chain(error: &towline_model::Error) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        message.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    message
}

/// The built-in model, served inside this process until it ends.
#[derive(Debug)]
pub struct Builtin {
    address: SocketAddr,
}

impl Builtin {
    /// Starts it on a free port of the loopback interface, and says so.
    pub async fn start() -> Result<Self, Failure> {
        let failed = |message: String| Failure::Local(Complaint::new(message));
        let (sender, receiver) = oneshot::channel();
        let serve = move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(sender.send(Err(error.to_string()))),
            };
            runtime.block_on(async move {
                let config = Config { listen: (Ipv4Addr::LOCALHOST, 0).into(), ..Config::default() };
                match Server::bind(config).await {
                    Ok(server) => {
                        drop(sender.send(Ok(server.local_addr())));
                        server.run(std::future::pending()).await;
                    }
                    Err(error) => drop(sender.send(Err(chain(&error)))),
                }
            });
        };
        let thread = std::thread::Builder::new().name("towline-model".into()).spawn(serve);
        thread.map_err(|error| failed(format!("a thread cannot be started: {error}")))?;
        let address = match receiver.await {
            Ok(Ok(address)) => address,
            Ok(Err(error)) => return Err(failed(format!("the built-in model cannot be started: {error}"))),
            Err(_) => return Err(failed("the built-in model cannot be started".to_owned())),
        };
        out::note(&format!(
            "no server at {}; using the built-in toy model {BUILTIN_MODEL}",
            towline::host::local().host_port()
        ));
        Ok(Self { address })
    }

    /// Where it listens.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::http(self.address.ip().to_string(), self.address.port())
    }

    /// Its model's name.
    pub fn model(&self) -> &'static str {
        BUILTIN_MODEL
    }
}
