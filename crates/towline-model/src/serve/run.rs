//! Binding, accepting, and an orderly end.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::service::Service;
use crate::config::{Config, Limits};
use crate::error::Error;

/// How long to wait before accepting again after the system refused to (out of file descriptors, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// What a connection may hold of what a client sends, in bytes; a longer head is refused.
const READ_BUFFER_BYTES: usize = 64 * 1024;

/// A server that listens but does not answer yet. Dropping it frees the address.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    local_addr: SocketAddr,
    service: Arc<Service>,
    limits: Limits,
}

impl Server {
    /// Takes the address. The model is loaded by the first request.
    ///
    /// Cancel safety: cancellation safe; nothing is left behind.
    ///
    /// # Errors
    /// A rate that is no number above zero, or an address that cannot be taken.
    pub async fn bind(config: Config) -> Result<Self, Error> {
        let service = Arc::new(Service::new(&config)?);
        let failed = |source| Error::Bind { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        let local_addr = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, local_addr, service, limits: config.limits })
    }

    /// The address that was taken; with the real port where 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Answers requests until `shutdown` is ready; then takes no more, lets running answers go on for
    /// [`Limits::shutdown_grace`], and cuts what is left. Returns how many connections were cut.
    ///
    /// Cancel safety: dropping the future cuts every connection, which cancels every answer.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> usize {
        let Self { listener, local_addr, service, limits } = self;
        let (stop, stopped) = watch::channel(false);
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            let has_room = connections.len() < limits.connections.max(1);
            tokio::select! {
                () = &mut shutdown => break,
                Some(_) = connections.join_next() => {}
                accepted = listener.accept(), if has_room => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(connection(stream, local_addr, Arc::clone(&service), stopped.clone()));
                    }
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                },
            }
        }
        drop(listener);
        stop.send_replace(true);
        let all_closed = async { while connections.join_next().await.is_some() {} };
        // What is left after the grace is counted and cut below.
        drop(tokio::time::timeout(limits.shutdown_grace, all_closed).await);
        let cut = connections.len();
        connections.shutdown().await;
        cut
    }
}

/// One connection's life. HTTP/1.1 alone, as Ollama.
async fn connection(
    stream: TcpStream,
    listen: SocketAddr,
    service: Arc<Service>,
    mut stopped: watch::Receiver<bool>,
) {
    // Each record is small and wanted now; where this fails they come a little later.
    drop(stream.set_nodelay(true));
    let handler = service_fn(move |request| {
        let service = Arc::clone(&service);
        async move { Ok::<_, Infallible>(service.answer(listen, request).await) }
    });
    let mut builder = http1::Builder::new();
    builder.max_buf_size(READ_BUFFER_BYTES);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), handler));
    tokio::select! {
        // A client that breaks off or speaks no HTTP ends its own connection only.
        _ = connection.as_mut() => return,
        _ = stopped.wait_for(|stopped| *stopped) => {}
    }
    connection.as_mut().graceful_shutdown();
    drop(connection.await);
}
