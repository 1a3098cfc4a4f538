//! Proxies: what they see, and that their credentials stay with them.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::thread;

use super::authority::{Authority, tls_server};
use super::server::{Peer, Server, refusing_address, response};
use super::*;

fn through(url: impl Into<String>) -> TransportConfig {
    let proxy = ProxyConfig { url: Some(url.into()), ..ProxyConfig::default() };
    TransportConfig { proxy, ..TransportConfig::default() }
}

fn url(scheme: &str, server: &Server) -> String {
    format!("{scheme}://user:pa%20ss@{}", server.address)
}

/// Copies both ways until one side closes.
fn splice(client: TcpStream, to: std::net::SocketAddr) {
    let server = TcpStream::connect(to).unwrap();
    let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let up = thread::spawn(move || io::copy(&mut from_client, &mut to_server));
    let (mut from_server, mut to_client) = (server, client);
    drop(io::copy(&mut from_server, &mut to_client));
    drop(to_client.shutdown(std::net::Shutdown::Both));
    drop(up.join());
}

#[tokio::test]
async fn plain_http_is_forwarded_with_the_full_address() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    let proxy = Server::start(move |_, mut peer| {
        while let Some(request) = peer.request() {
            seen.lock().unwrap().push(request.head);
            peer.send(response(200, "", "forwarded"));
        }
    });
    let transport = Transport::new(through(url("http", &proxy)));
    let endpoint = Endpoint::http("models.invalid", 11434);
    for _ in 0..2 {
        assert_eq!(fetch(&transport, &endpoint, get()).await.unwrap().1, b"forwarded");
    }
    assert_eq!(proxy.connections(), 1);
    for head in heads.lock().unwrap().iter() {
        assert!(head.starts_with("GET http://models.invalid:11434/api/version HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("Host: models.invalid:11434\r\n"), "{head}");
        assert!(head.contains("Proxy-Authorization: Basic dXNlcjpwYSBzcw==\r\n"), "{head}");
    }
}

#[tokio::test]
async fn tls_goes_through_a_tunnel_and_only_the_proxy_sees_its_credentials() {
    let authority = Authority::new();
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    let server = tls_server(authority.server_config("models.invalid", &[]), move |_, mut peer| {
        let request = peer.request().unwrap();
        seen.lock().unwrap().push(request.head);
        peer.send(response(200, "", "tunnelled"));
    });
    let to = server.address;
    let seen = Arc::clone(&heads);
    let proxy = Server::start(move |_, mut peer| {
        seen.lock().unwrap().push(peer.request_head().unwrap());
        peer.send("HTTP/1.1 200 Connection established\r\n\r\n");
        splice(peer.stream, to);
    });
    let config = TransportConfig { tls: authority.trusted(), ..through(url("http", &proxy)) };
    let answer = fetch(&Transport::new(config), &Endpoint::https("models.invalid", 443), get()).await;
    assert_eq!(answer.unwrap().1, b"tunnelled");
    let heads = heads.lock().unwrap();
    assert!(
        heads[0].starts_with("CONNECT models.invalid:443 HTTP/1.1\r\nHost: models.invalid:443\r\n"),
        "{heads:?}"
    );
    assert!(heads[0].contains("Proxy-Authorization: Basic dXNlcjpwYSBzcw==\r\n"));
    assert!(
        heads[1].starts_with("GET /api/version HTTP/1.1\r\n") && !heads[1].contains("Proxy"),
        "{heads:?}"
    );
}

#[tokio::test]
async fn a_socks_proxy_resolves_the_name_and_takes_the_credentials() {
    let server = Server::answering(response(200, "", "by socks"));
    let to = server.address;
    let proxy = Server::start(move |_, Peer { mut stream }| {
        let mut greeting = [0; 3];
        stream.read_exact(&mut greeting).unwrap();
        assert_eq!(greeting, [5, 1, 2]);
        stream.write_all(&[5, 2]).unwrap();
        let mut login = [0; 12];
        stream.read_exact(&mut login).unwrap();
        assert_eq!(&login, b"\x01\x04user\x05pa ss");
        stream.write_all(&[1, 0]).unwrap();
        let mut request = [0; 21];
        stream.read_exact(&mut request).unwrap();
        assert_eq!(&request[..19], b"\x05\x01\x00\x03\x0emodels.invalid");
        stream.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 1]).unwrap();
        splice(stream, to);
    });
    let transport = Transport::new(through(url("socks5", &proxy)));
    let answer = fetch(&transport, &Endpoint::http("models.invalid", 11434), get()).await;
    assert_eq!(answer.unwrap().1, b"by socks");
}

#[tokio::test]
async fn loopback_and_excepted_targets_are_reached_directly() {
    let server = Server::answering(response(200, "", "direct"));
    let proxy = Server::start(|_, _| {});
    let config = through(url("http", &proxy));
    let transport = Transport::new(config.clone());
    assert_eq!(fetch(&transport, &server.endpoint(), get()).await.unwrap().1, b"direct");

    for entry in ["127.0.0.1", "127.0.0.0/8", "*"] {
        let mut config = config.clone();
        config.proxy.loopback_through_proxy = true;
        config.proxy.no_proxy = vec!["example.com".into(), entry.into()];
        let transport = Transport::new(config);
        assert_eq!(fetch(&transport, &server.endpoint(), get()).await.unwrap().1, b"direct");
    }
    assert_eq!(proxy.connections(), 0);

    let proxy = Server::answering(response(200, "", "asked for"));
    let mut config = through(url("http", &proxy));
    config.proxy.loopback_through_proxy = true;
    let transport = Transport::new(config);
    assert_eq!(fetch(&transport, &server.endpoint(), get()).await.unwrap().1, b"asked for");
}

/// Says this whatever it is asked.
fn socks_saying(words: &'static [u8]) -> Server {
    Server::start(move |_, Peer { mut stream }| {
        stream.write_all(words).unwrap();
        drop(io::copy(&mut stream, &mut io::sink()));
    })
}

#[tokio::test]
async fn a_proxy_that_fails_is_named_and_its_credentials_are_not() {
    let refusing =
        Server::answering("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
    let closing = Server::start(|_, _| {});
    let not_socks = socks_saying(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    let without_login = socks_saying(&[5, 0xff]);
    let with_login = socks_saying(&[5, 0xff]);
    let ruled = socks_saying(&[5, 0, 5, 2, 0, 1, 0, 0, 0, 0, 0, 0]);
    let (_held, gone) = refusing_address();
    for (proxy, what) in [
        (url("http", &refusing), "requires valid credentials (status 407)"),
        (url("http", &closing), "closed the connection"),
        (format!("http://user:pa%20ss@{gone}"), "refused the connection"),
        (url("socks5", &closing), "socks5://127.0.0.1"),
        (url("socks5h", &not_socks), "does not speak SOCKS 5"),
        (url("socks", &without_login), "accepts no user and password"),
        (format!("socks5://{}", with_login.address), "requires a user and a password"),
        (format!("socks5://{}", ruled.address), "its rules do not allow it"),
    ] {
        let config = through(proxy);
        assert!(!format!("{config:?}").contains("pa%20ss"));
        let transport = Transport::new(config);
        assert!(!format!("{transport:?}").contains("pa%20ss"));
        let error = open(&transport, &Endpoint::https("models.invalid", 443), get()).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Proxy(_)), "{error}");
        assert_eq!(error.sent(), Sent::Nothing);
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(what) && shown.contains("127.0.0.1:"), "{shown}");
        assert!(!shown.contains("pa ss") && !shown.contains("pa%20ss"), "{shown}");
    }
}

#[tokio::test]
async fn a_proxy_that_cannot_be_used_fails_only_what_needs_it() {
    let server = Server::answering(response(200, "", "direct"));
    for url in [
        "https://u:secret@h:1",
        "http://u:secret@h:99999",
        "",
        "http://",
        "http://u:sec/ret@h",
        "u:secret@http://h",
    ] {
        let mut config = through(url);
        config.proxy.no_proxy = vec!["*.corp:1".into()];
        let transport = Transport::new(config);
        assert!(
            transport.check(&Endpoint::unix("/s")).is_ok()
                && transport.check(&Endpoint::http("a.corp", 1)).is_ok()
        );
        assert_eq!(fetch(&transport, &server.endpoint(), get()).await.unwrap().1, b"direct");
        let elsewhere = Endpoint::http("models.invalid", 1);
        let error = transport.check(&elsewhere).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Config(_)), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("sec"), "{error:?}");
        let error = open(&transport, &elsewhere, get()).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Config(_)) && error.sent() == Sent::Nothing, "{error:?}");
    }
}
