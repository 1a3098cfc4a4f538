//! The built-in model inside other commands, for a machine without a model server.

#[cfg(not(feature = "model"))]
pub use absent::Builtin;
#[cfg(feature = "model")]
pub use served::{Builtin, MODEL};

#[cfg(feature = "model")]
mod served {
    use std::net::{Ipv4Addr, SocketAddr};

    use tokio::sync::oneshot;
    use towline::client::Endpoint;
    use towline_model::Config;

    use crate::exit::failure::{Complaint, Failure, with_causes};
    use crate::output;

    /// The name of the built-in model.
    pub const MODEL: &str = "brook";

    /// The built-in model, served inside this process until it ends.
    #[derive(Debug)]
    pub struct Builtin {
        address: SocketAddr,
    }

    impl Builtin {
        /// Starts the built-in model on a free port of the loopback interface, and reports that.
        pub async fn start() -> Result<Self, Failure> {
            let builtin = Self::start_silently().await?;
            output::note(&format!(
                "no server at {}; using the built-in toy model {MODEL}",
                towline::client::host::local().host_port()
            ));
            Ok(builtin)
        }

        /// Starts the built-in model on a free port of the loopback interface.
        pub async fn start_silently() -> Result<Self, Failure> {
            let failed = |message: String| Failure::Local(Complaint::new(message));
            let (sender, receiver) = oneshot::channel();
            let serve = move || {
                let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                    Ok(runtime) => runtime,
                    Err(error) => return drop(sender.send(Err(error.to_string()))),
                };
                runtime.block_on(async move {
                    let config = Config { listen: (Ipv4Addr::LOCALHOST, 0).into(), ..Config::default() };
                    match towline_model::Server::bind(config).await {
                        Ok(server) => {
                            drop(sender.send(Ok(server.local_addr())));
                            server.run(std::future::pending()).await;
                        }
                        Err(error) => drop(sender.send(Err(with_causes(&error)))),
                    }
                });
            };
            let thread = std::thread::Builder::new().name("towline-model".into()).spawn(serve);
            thread.map_err(|error| failed(format!("a thread cannot be started: {error}")))?;
            let address = match receiver.await {
                Ok(Ok(address)) => address,
                Ok(Err(error)) => {
                    return Err(failed(format!("the built-in model cannot be started: {error}")));
                }
                Err(_) => return Err(failed("the built-in model cannot be started".to_owned())),
            };
            Ok(Self { address })
        }

        /// Where it listens.
        pub fn endpoint(&self) -> Endpoint {
            Endpoint::http(self.address.ip().to_string(), self.address.port())
        }

        /// Its model's name.
        pub fn model(&self) -> &'static str {
            MODEL
        }
    }
}

/// A program built without the feature `model` has no built-in model.
#[cfg(not(feature = "model"))]
mod absent {
    use towline::client::Endpoint;

    use crate::exit::Exit;
    use crate::exit::failure::{Complaint, Failure};

    /// It has no values.
    #[derive(Debug)]
    pub enum Builtin {}

    impl Builtin {
        /// Reports that there is no model server, and what to do.
        pub async fn start() -> Result<Self, Failure> {
            let address = towline::client::host::local().host_port();
            let complaint = Complaint::new(format!(
                "no server answers at {address}, and this program was built without the built-in model"
            ));
            let hint = "start Ollama (ollama serve), or name another server with --host";
            Err(Failure::Request(complaint.hint(hint), Exit::Failed))
        }

        /// As [`start`](Self::start).
        #[cfg(feature = "relay")]
        pub async fn start_silently() -> Result<Self, Failure> {
            Self::start().await
        }

        /// Where it listens.
        pub fn endpoint(&self) -> Endpoint {
            match *self {}
        }

        /// Its model's name.
        pub fn model(&self) -> &'static str {
            match *self {}
        }
    }
}
