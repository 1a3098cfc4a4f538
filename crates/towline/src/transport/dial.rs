//! Opens a socket: names, addresses, TCP and Unix sockets.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};
use towline_core::endpoint::{Endpoint, names_this_machine};

use super::config::TcpConfig;
use super::error::{ErrorKind, Sent, TransportError};
use super::socket::Socket;

/// Connects over TCP, trying every address of a name.
#[derive(Debug, Clone)]
pub(super) struct Dialer {
    config: TcpConfig,
}

/// The reason why there is no TCP connection.
#[derive(Debug)]
pub(super) struct DialError {
    pub(super) failure: DialFailure,
    pub(super) source: io::Error,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DialFailure {
    NoAddress,
    Refused,
    Other,
}

impl From<DialFailure> for ErrorKind {
    fn from(failure: DialFailure) -> Self {
        match failure {
            DialFailure::NoAddress => Self::Resolve,
            DialFailure::Refused => Self::Refused,
            DialFailure::Other => Self::ConnectFailed,
        }
    }
}

impl From<io::Error> for DialError {
    fn from(source: io::Error) -> Self {
        Self { failure: failure(&source), source }
    }
}

fn failure(error: &io::Error) -> DialFailure {
    if error.kind() == io::ErrorKind::ConnectionRefused { DialFailure::Refused } else { DialFailure::Other }
}

impl Dialer {
    pub(super) fn new(config: &TcpConfig) -> Self {
        Self { config: config.clone() }
    }

    /// # Cancel safety
    ///
    /// Dropping the future abandons the attempt; a running name lookup ends on its own.
    ///
    /// # Errors
    ///
    /// [`DialError`].
    pub(super) async fn tcp(&self, host: &str, port: u16) -> Result<TcpStream, DialError> {
        let addresses = addresses(host, port)
            .await
            .map_err(|source| DialError { failure: DialFailure::NoAddress, source })?;
        let stream = first_of(addresses, self.config.fallback_after).await?;
        stream.set_nodelay(self.config.nodelay)?;
        if let Some(idle) = self.config.keepalive {
            SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(idle))?;
        }
        Ok(stream)
    }
}

/// The addresses of a host, in the order in which they are tried.
async fn addresses(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let is_one_address = host.parse::<IpAddr>().is_ok_and(|address| !address.is_unspecified());
    if names_this_machine(host) && !is_one_address {
        // RFC 6761, section 6.3: `localhost` means the loopback addresses, whatever a name server says. So do
        // the unspecified addresses.
        let both = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
        return Ok(both.map(|address| SocketAddr::new(address, port)).into());
    }
    let found = tokio::net::lookup_host((host, port)).await?;
    Ok(alternating(found.collect()))
}

/// Alternates between the address families, beginning with the one that the system prefers (RFC 8305, section
/// 4).
fn alternating(found: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let mut preferred = found.iter().filter(|address| address.is_ipv6() == found[0].is_ipv6());
    let mut other = found.iter().filter(|address| address.is_ipv6() != found[0].is_ipv6());
    let mut all = Vec::with_capacity(found.len());
    while all.len() < found.len() {
        all.extend(preferred.next().into_iter().chain(other.next()));
    }
    all
}

/// The first connection that succeeds. Each address is tried when the previous one has failed, or has not
/// answered for `patience` (RFC 8305, section 5).
///
/// # Errors
///
/// The refusal of an address, if one refused, else the error of the first.
async fn first_of(addresses: Vec<SocketAddr>, patience: Duration) -> io::Result<TcpStream> {
    let mut waiting = addresses.into_iter();
    let mut tried: Vec<Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>> = Vec::new();
    let mut failed: Option<io::Error> = None;
    let mut timer = pin!(sleep(patience));
    poll_fn(|cx| {
        loop {
            let mut at = 0;
            while let Some(connecting) = tried.get_mut(at) {
                match connecting.as_mut().poll(cx) {
                    Poll::Pending => at += 1,
                    Poll::Ready(Ok(stream)) => return Poll::Ready(Ok(stream)),
                    Poll::Ready(Err(error)) => {
                        drop(tried.swap_remove(at));
                        if failed.is_none() || failure(&error) == DialFailure::Refused {
                            failed = Some(error);
                        }
                    }
                }
            }
            if !tried.is_empty() && (waiting.len() == 0 || timer.as_mut().poll(cx).is_pending()) {
                return Poll::Pending;
            }
            let Some(address) = waiting.next() else {
                return Poll::Ready(Err(failed.take().unwrap_or_else(|| io::ErrorKind::NotFound.into())));
            };
            tried.push(Box::pin(TcpStream::connect(address)));
            timer.as_mut().reset(Instant::now() + patience);
        }
    })
    .await
}

/// # Cancel safety
///
/// Dropping the future gives up.
///
/// # Errors
///
/// [`TransportError`] of the kinds Refused and ConnectFailed.
pub(super) async fn unix(path: &Path, endpoint: &Endpoint) -> Result<Socket, TransportError> {
    match tokio::net::UnixStream::connect(path).await {
        Ok(stream) => Ok(Socket::Unix(stream)),
        Err(error) => {
            let kind = failure(&error).into();
            Err(TransportError::new(kind, Sent::Nothing, endpoint).because(error))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// An address that does not answer, because its accept queue is full.
    fn silent() -> (impl Sized, SocketAddr) {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        socket.listen(0).unwrap();
        let listener = TcpListener::from(socket);
        let address = listener.local_addr().unwrap();
        let mut held = Vec::new();
        while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
            held.push(stream);
        }
        ((listener, held), address)
    }

    fn refusing() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
    }

    #[tokio::test]
    async fn an_address_that_does_not_answer_costs_its_patience_and_not_the_connection() {
        let (_held, silent) = silent();
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let there = server.local_addr().unwrap();
        let patience = Duration::from_millis(250);
        for (addresses, waits) in [
            (vec![silent, there], 1),
            (vec![silent, silent, there], 2),
            (vec![silent, refusing(), there], 1),
            (vec![refusing(), there, silent], 0),
        ] {
            let before = Instant::now();
            let connecting = tokio::time::timeout(Duration::from_secs(20), first_of(addresses, patience));
            assert_eq!(connecting.await.unwrap().unwrap().peer_addr().unwrap(), there);
            assert!(before.elapsed() >= patience * waits);
        }
    }

    #[tokio::test]
    async fn when_all_addresses_fail_a_refusal_is_reported() {
        let patience = Duration::from_secs(20);
        let everybody = SocketAddr::from((Ipv4Addr::BROADCAST, 1));
        assert_ne!(
            first_of(vec![everybody], patience).await.unwrap_err().kind(),
            io::ErrorKind::ConnectionRefused
        );
        let error = first_of(vec![everybody, refusing()], patience).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert!(first_of(Vec::new(), Duration::ZERO).await.is_err());
    }

    #[test]
    fn families_take_turns() {
        let [a, b, c] = [1, 2, 3].map(|last| SocketAddr::from(([192, 0, 2, last], 1)));
        let [x, y] = [1, 2].map(|last| SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, last], 1)));
        assert_eq!(alternating(vec![x, y, a, b, c]), [x, a, y, b, c]);
        assert_eq!(alternating(vec![a, x, b]), [a, x, b]);
        assert_eq!(alternating(Vec::new()), []);
    }

    #[tokio::test]
    async fn every_name_of_this_machine_leads_to_either_family() {
        for host in ["localhost", "LOCALHOST.", "model.localhost", "0.0.0.0", "::"] {
            let found = addresses(host, 7).await.unwrap();
            assert_eq!(found, ["127.0.0.1:7".parse().unwrap(), "[::1]:7".parse().unwrap()], "{host}");
        }
        for host in ["127.0.0.2", "::1"] {
            assert_eq!(addresses(host, 7).await.unwrap(), [SocketAddr::new(host.parse().unwrap(), 7)]);
        }
    }

    #[tokio::test]
    async fn a_zone_is_an_interface() {
        let found = addresses("fe80::1%lo", 7).await.unwrap();
        let zones = found.iter().map(|address| match address {
            SocketAddr::V6(address) => address.scope_id(),
            SocketAddr::V4(_) => 0,
        });
        assert_eq!(zones.collect::<Vec<_>>(), [1], "the loopback interface is the first one");
    }
}
