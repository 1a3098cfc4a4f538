//! The life of one connection: HTTP/1.1 or HTTP/2, as the client chooses.

use std::future::Future;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use super::crowd::Crowd;
use super::watched::{Activity, WatchedSocket};
use crate::http::guard::Listener;
use crate::http::serve;
use crate::listen::Stream;
use crate::relay::{Relay, RelayPhase};

/// Maximum number of unsent bytes of one stream: beyond it, the log is not read for that stream.
const SEND_BUFFER_BYTES: usize = 64 << 10;
/// Maximum number of unread bytes from a client on one stream.
const STREAM_WINDOW_BYTES: u32 = 64 << 10;
/// Maximum number of unread bytes from a client on all streams: so large that it never stops them. Adaptive
/// windows start small, and small frames then exhaust the frame budget and end the connection.
const CONNECTION_WINDOW_BYTES: u32 = (1 << 31) - 1;
/// Time between two PINGs, and how long one may be unanswered.
const PING: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a client may take to close a connection after a goodbye.
const GOODBYE: Duration = Duration::from_secs(5);
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// While a listener is crowded, a connection without a request is closed after this time.
const CROWDED: Duration = Duration::from_secs(2);
/// How often a connection without a request is checked.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Serves a connection until it ends, or closes it gracefully once the relay closes.
///
/// # Cancel safety
/// Dropping the future closes the connection and detaches its readers.
pub(super) async fn connection(relay: Arc<Relay>, stream: Stream, tls: Option<TlsAcceptor>, crowd: Crowd) {
    match stream {
        Stream::Unix(stream, is_own) => talk(relay, Listener::Unix { is_own }, None, stream, crowd).await,
        Stream::Page(stream, address) => {
            talk(relay, Listener::Page(address), peer(&stream), stream, crowd).await
        }
        Stream::Tcp(stream, address) => match tls {
            None => talk(relay, Listener::Tcp(address), peer(&stream), stream, crowd).await,
            Some(tls) => encrypted(relay, Listener::Tls(address), stream, &tls, crowd).await,
        },
        Stream::Phone(stream, address) => {
            if let Some(tls) = tls {
                encrypted(relay, Listener::Phone(address), stream, &tls, crowd).await;
            }
        }
    }
}

async fn encrypted(
    relay: Arc<Relay>,
    listener: Listener,
    stream: TcpStream,
    tls: &TlsAcceptor,
    crowd: Crowd,
) {
    let peer = peer(&stream);
    let shaking = Activity::default();
    let accepted = tokio::select! {
        accepted = tls.accept(stream) => accepted.ok(),
        () = never_asked(&shaking, &crowd, HANDSHAKE) => None,
    };
    let Some(stream) = accepted else {
        tracing::debug!("a TLS handshake failed");
        return;
    };
    talk(relay, listener, peer, stream, crowd).await;
}

/// Serves HTTP over any byte stream.
///
/// # Cancel safety
/// As [`connection`].
pub(crate) async fn talk_over(
    relay: Arc<Relay>,
    listener: Listener,
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) {
    talk(relay, listener, None, io, Crowd::new(usize::MAX)).await;
}

/// The address of a client, for the log.
fn peer(stream: &TcpStream) -> Option<IpAddr> {
    stream.peer_addr().ok().map(|address| address.ip().to_canonical())
}

fn talk<I>(
    relay: Arc<Relay>,
    listener: Listener,
    peer: Option<IpAddr>,
    io: I,
    crowd: Crowd,
) -> impl Future<Output = ()>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = relay.config.limits;
    let activity = Arc::new(Activity::default());
    let io = TokioIo::new(WatchedSocket::new(io, Arc::clone(&activity)));
    let (asked, own) = (Arc::clone(&activity), Arc::clone(&relay));
    let handler = service_fn(move |request| {
        let (in_flight, answer) = (asked.begin(), serve(Arc::clone(&relay), listener, peer, request));
        async move { answer.await.map(|answer| in_flight.with(answer)) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // The time counts from the last response; before the first request, the time limit of a head applies.
        .header_read_timeout(limits.header_time.max(limits.idle_time))
        .max_buf_size(SEND_BUFFER_BYTES.max(limits.header_bytes as usize))
        .keep_alive(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams_per_connection)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .max_header_list_size(limits.header_bytes)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING_TIMEOUT);
    async move {
        let mut connection = pin!(builder.serve_connection(io, handler));
        tokio::select! {
            // A client that disconnects or does not speak HTTP ends only its own connection.
            _ = connection.as_mut() => return,
            // The client may be in the middle of a head, so a goodbye is impossible.
            () = never_asked(&activity, &crowd, limits.header_time) => {
                tracing::debug!("a connection without a request is closed");
                return;
            }
            () = activity.idle_for(limits.idle_time) => {}
            () = own.reaches(RelayPhase::Closing) => {}
        }
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            _ = connection.as_mut() => {}
            // A request that has arrived meanwhile is answered first.
            () = activity.idle_for(GOODBYE) => {}
        }
    }
}

/// Ready once a connection has sent no request for this time, or less in a crowd; never ready after a
/// request.
async fn never_asked(activity: &Activity, crowd: &Crowd, most: Duration) {
    let began = Instant::now();
    while !activity.has_begun() {
        let patience = if crowd.is_dense() { CROWDED.min(most) } else { most };
        let left = patience.saturating_sub(began.elapsed());
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(POLL_INTERVAL)).await;
    }
    std::future::pending().await
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::crypto::ring;
    use tokio_rustls::rustls::server::ResolvesServerCertUsingSni;

    use super::*;
    use crate::config::{Config, Listen};
    use crate::tasks::Tasks;

    fn relay() -> Arc<Relay> {
        let listen = vec![Listen::Tcp(([127, 0, 0, 1], 1).into())];
        Relay::open(Config { listen, ..Config::default() }, Tasks::new()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_may_pause_between_requests_for_longer_than_a_head_may_take() {
        let relay = relay();
        let limits = relay.config.limits;
        let pause = (limits.header_time + limits.idle_time) / 2;
        assert!(limits.header_time < pause && pause < limits.idle_time);
        let (mut client, server) = tokio::io::duplex(SEND_BUFFER_BYTES);
        let serving = talk_over(relay, Listener::Tcp(([127, 0, 0, 1], 1).into()), server);
        let asking = async {
            for _ in 0..2 {
                client.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
                let mut received = Vec::new();
                while !received.ends_with(b"ok\n") {
                    assert!(client.read_buf(&mut received).await.unwrap() > 0, "the connection was closed");
                }
                tokio::time::sleep(pause).await;
            }
        };
        tokio::select! {
            () = asking => {}
            () = serving => panic!("the connection was closed"),
        }
    }

    /// A handshake takes a slot like a connection without a request.
    #[tokio::test(start_paused = true)]
    async fn an_unfinished_handshake_makes_place_sooner_in_a_crowd() {
        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(ResolvesServerCertUsingSni::new()));
        let tls = TlsAcceptor::from(Arc::new(config));
        for (most, patience) in [(1, CROWDED), (100, HANDSHAKE)] {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let _client = TcpStream::connect(address).await.unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            let crowd = Crowd::new(most);
            let began = Instant::now();
            encrypted(relay(), Listener::Tls(address), stream, &tls, crowd.clone()).await;
            let took = began.elapsed();
            assert!((patience..patience + POLL_INTERVAL).contains(&took), "{took:?} in a crowd of {most}");
        }
    }
}
