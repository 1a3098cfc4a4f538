//! TLS: who is trusted, and what an end without its closing record means.

use super::authority::{Authority, https, tls_server};
use super::server::{CHUNKED, LAST_CHUNK, Server, chunk, response};
use super::*;

#[tokio::test]
async fn a_server_of_a_trusted_authority_is_spoken_to_and_its_connection_used_again() {
    let authority = Authority::new();
    let server = tls_server(authority.server_config("localhost", &["http/1.1"]), |_, mut peer| {
        while peer.request().is_some() {
            peer.send(CHUNKED);
            peer.send_chunk("one\n");
            peer.send(LAST_CHUNK);
        }
    });
    let (transport, endpoint) = (authority.transport(), https(&server, "localhost"));
    for _ in 0..3 {
        assert_eq!(fetch(&transport, &endpoint, post("{}")).await.unwrap().1, b"one\n");
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_server_without_alpn_is_spoken_to_in_http1() {
    let authority = Authority::new();
    let server = tls_server(authority.server_config("127.0.0.1", &[]), |_, mut peer| {
        peer.request().unwrap();
        peer.send(response(200, "", "by address"));
    });
    let answer = fetch(&authority.transport(), &https(&server, "127.0.0.1"), get()).await;
    assert_eq!(answer.unwrap().1, b"by address");
}

#[tokio::test]
async fn an_untrusted_certificate_says_what_to_do_and_nothing_is_sent() {
    let authority = Authority::new();
    let server = tls_server(authority.server_config("localhost", &[]), |_, mut peer| {
        assert!(peer.request().is_none(), "nothing is sent to a server that is not trusted");
    });
    let error = open(&transport(), &https(&server, "localhost"), get()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Tls(_)));
    assert_eq!(error.sent(), Sent::Nothing);
    let port = server.address.port();
    assert_eq!(
        error.to_string(),
        format!(
            "TLS with https://localhost:{port} failed: its certificate comes from an authority that is not trusted \
             here; if you trust it, add the authority's certificate (PEM) to the extra root certificates"
        )
    );
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let authority = Authority::new();
    let server = tls_server(authority.server_config("elsewhere.example", &[]), |_, mut peer| {
        peer.request();
    });
    let error = open(&authority.transport(), &https(&server, "localhost"), get()).await.unwrap_err();
    assert!(error.to_string().contains("another name"), "{error}");
}

/// Why a transport with these certificates cannot be used for `https`, which is told before it connects as well.
async fn unusable(tls: TlsConfig) -> String {
    let transport = Transport::new(TransportConfig { tls, ..TransportConfig::default() });
    let plain = Server::answering(response(200, "", "without TLS"));
    assert_eq!(fetch(&transport, &plain.endpoint(), get()).await.unwrap().1, b"without TLS");
    assert!(transport.check(&plain.endpoint()).is_ok());
    let error = open(&transport, &https(&plain, "localhost"), get()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Config(_)), "{error:?}");
    assert_eq!(error.to_string(), transport.check(&https(&plain, "localhost")).unwrap_err().to_string());
    error.to_string()
}

#[tokio::test]
async fn the_public_authorities_can_be_left_out() {
    let authority = Authority::new();
    let only = TlsConfig { only_extra_roots: true, ..authority.trusted() };
    let transport = Transport::new(TransportConfig { tls: only, ..TransportConfig::default() });
    assert!(transport.check(&Endpoint::https("localhost", 1)).is_ok());
    let none = TlsConfig { only_extra_roots: true, ..TlsConfig::default() };
    assert!(unusable(none).await.contains("no certificate authority is trusted"));
}

#[tokio::test]
async fn a_root_that_is_no_certificate_fails_only_what_needs_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    for pem in ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let tls = TlsConfig { extra_roots_pem: vec![pem.into()], ..TlsConfig::default() };
        assert!(unusable(tls).await.contains("extra root certificate 1"));
        std::fs::write(&file, pem).unwrap();
        let tls = TlsConfig { extra_roots_file: Some(file.clone()), ..TlsConfig::default() };
        assert!(unusable(tls).await.contains("ca.pem"));
    }
    let gone = TlsConfig { extra_roots_file: Some(folder.path().join("gone.pem")), ..TlsConfig::default() };
    assert!(unusable(gone).await.contains("gone.pem: No such file"));
}

#[tokio::test]
async fn authorities_are_read_from_a_file() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, authority.trusted().extra_roots_pem.concat()).unwrap();
    let server = tls_server(authority.server_config("localhost", &[]), |_, mut peer| {
        peer.request();
        peer.send(response(200, "", "trusted"));
    });
    let tls = TlsConfig { extra_roots_file: Some(file), only_extra_roots: true, ..TlsConfig::default() };
    let transport = Transport::new(TransportConfig { tls, ..TransportConfig::default() });
    assert_eq!(fetch(&transport, &https(&server, "localhost"), get()).await.unwrap().1, b"trusted");
}

#[tokio::test]
async fn https_to_a_server_without_tls_and_http_to_one_with_it_say_so() {
    let plain = Server::start(|_, mut peer| peer.send("HTTP/1.1 400 Bad Request\r\n\r\n"));
    let error = open(&transport(), &https(&plain, "localhost"), get()).await.unwrap_err();
    assert!(error.to_string().contains("use an http address"), "{error}");

    let authority = Authority::new();
    let server = tls_server(authority.server_config("localhost", &[]), |_, mut peer| {
        peer.request();
    });
    let error = open(&transport(), &server.endpoint(), get()).await.unwrap_err();
    assert!(error.to_string().contains("use an https address"), "{error}");
}

#[tokio::test]
async fn an_end_without_the_closing_record_is_incomplete_even_where_the_end_is_the_close() {
    for head in [CHUNKED, "HTTP/1.1 200 OK\r\n\r\n"] {
        let authority = Authority::new();
        let server = tls_server(authority.server_config("localhost", &[]), move |_, mut peer| {
            peer.request().unwrap();
            peer.send([head.as_bytes(), &chunk("part\n")].concat());
        });
        let mut response = open(&authority.transport(), &https(&server, "localhost"), get()).await.unwrap();
        let (body, end) = read_all(&mut response.body).await;
        assert!(!body.is_empty());
        assert_eq!(end.unwrap_err().kind(), &ErrorKind::Incomplete);
    }
}
