//! Bind, accept, and shut down.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::api::Model;
use crate::config::Config;
use crate::error::Error;

/// How long to wait after a failed accept (mostly out of file descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Size of a connection's read buffer, in bytes; a longer head is refused.
const READ_BUFFER_BYTES: usize = 64 * 1024;

/// A server that listens but does not answer yet. Dropping it frees the address.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    local_addr: SocketAddr,
    model: Arc<Model>,
}

impl Server {
    /// Binds the address. The first request loads the model.
    ///
    /// Cancel safety: cancellation safe; nothing is left behind.
    ///
    /// # Errors
    /// A rate that is not a number above zero, or an address that cannot be used.
    pub async fn bind(config: Config) -> Result<Self, Error> {
        let model = Arc::new(Model::new(&config)?);
        let failed = |source| Error::Bind { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        let local_addr = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, local_addr, model })
    }

    /// The bound address, with the actual port if 0 was configured.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves requests until `shutdown` is ready. Then it accepts no more, lets running answers finish for
    /// [`Limits::shutdown_grace`](crate::Limits::shutdown_grace), and cuts the rest. Returns the number of
    /// connections that were cut.
    ///
    /// Cancel safety: dropping the future cuts every connection, which cancels every answer.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> usize {
        self.run_until(Box::pin(shutdown)).await
    }

    /// The body of [`run`](Self::run), compiled once here and not in every program that serves the model.
    fn run_until<'a>(
        self,
        mut shutdown: Pin<Box<dyn Future<Output = ()> + Send + 'a>>,
    ) -> Pin<Box<dyn Future<Output = usize> + Send + 'a>> {
        Box::pin(async move {
            let Self { listener, local_addr, model } = self;
            let limits = &model.limits;
            let (stop, stopped) = watch::channel(false);
            let mut connections = JoinSet::new();
            loop {
                let has_room = connections.len() < limits.connections.max(1);
                tokio::select! {
                    () = &mut shutdown => break,
                    Some(_) = connections.join_next() => {}
                    accepted = listener.accept(), if has_room => match accepted {
                        Ok((stream, _)) => {
                            connections.spawn(connection(stream, local_addr, Arc::clone(&model), stopped.clone()));
                        }
                        Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                    },
                }
            }
            drop(listener);
            stop.send_replace(true);
            let all_closed = async { while connections.join_next().await.is_some() {} };
            // Connections that remain after the grace time are counted and cut below.
            drop(tokio::time::timeout(limits.shutdown_grace, all_closed).await);
            let cut = connections.len();
            connections.shutdown().await;
            cut
        })
    }
}

/// Serves one connection, with only HTTP/1.1, like Ollama.
async fn connection(
    stream: TcpStream,
    listen: SocketAddr,
    model: Arc<Model>,
    mut stopped: watch::Receiver<bool>,
) {
    // Records are small and urgent; if this fails, they arrive a little later.
    drop(stream.set_nodelay(true));
    let handler = service_fn(move |request| {
        let model = Arc::clone(&model);
        async move { Ok::<_, Infallible>(model.respond(listen, request).await) }
    });
    let mut builder = http1::Builder::new();
    builder.max_buf_size(READ_BUFFER_BYTES);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), handler));
    tokio::select! {
        // A client that disconnects or does not speak HTTP ends only its own connection.
        _ = connection.as_mut() => return,
        _ = stopped.wait_for(|stopped| *stopped) => {}
    }
    connection.as_mut().graceful_shutdown();
    drop(connection.await);
}
