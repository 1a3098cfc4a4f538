//! TLS, for addresses that other machines can reach.

use towline::Client;
use towline::client::{Endpoint, TlsConfig, TransportConfig};
use towline_core::http1::Method;
use towline_relay::{Config, Listen, TlsFiles, Token};

use crate::support::{Relay, ask, config};

#[tokio::test(flavor = "multi_thread")]
async fn an_open_address_speaks_tls_and_takes_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let files = TlsFiles { certificate: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
    std::fs::write(&files.certificate, own.cert.pem()).unwrap();
    std::fs::write(&files.key, own.signing_key.serialize_pem()).unwrap();
    let config = Config {
        listen: vec![Listen::Tcp(([0, 0, 0, 0], 0).into())],
        tls: Some(files),
        tokens: vec![Token::new("ann", "0123456789abcdef")],
        ..config("http://127.0.0.1:9")
    };
    let relay = Relay::start(config).await;
    let extra_roots_pem = vec![own.cert.pem().into_bytes()];
    let tls = TlsConfig { extra_roots_pem, only_extra_roots: true, ..TlsConfig::default() };
    let transport = TransportConfig { tls, ..TransportConfig::default() };
    let endpoint = Endpoint::https("localhost", relay.endpoint.port);
    let client = Client::with_config(endpoint, towline::Config { transport, ..Default::default() }).unwrap();
    let token = ("authorization", "Bearer 0123456789abcdef");
    assert_eq!(ask(&client, Method::Get, "/towline/v1/jobs", &[token], "").await.status, 200);
    assert_eq!(ask(&client, Method::Get, "/towline/v1/jobs", &[], "").await.status, 401);
    // A client that speaks plain HTTP there gets nothing.
    let plain = Client::with_config(relay.endpoint.clone(), towline::Config::default()).unwrap();
    let request = towline::forward::Request {
        method: Method::Get,
        target: "/healthz".into(),
        headers: towline_core::http1::Headers::new(),
        body: towline::forward::Body::Bytes(bytes::Bytes::new()),
    };
    assert!(plain.ready().await.unwrap().send(request).await.is_err());
    relay.stop().await;
}

#[tokio::test]
async fn a_certificate_that_is_none_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.pem");
    std::fs::write(&file, "nothing").unwrap();
    let mut config = config("http://127.0.0.1:9");
    config.tls = Some(TlsFiles { certificate: file.clone(), key: file.clone() });
    let error = towline_relay::Server::bind(config).await.unwrap_err().to_string();
    assert!(error.contains("x.pem") && error.contains("no certificate"), "{error}");
}
