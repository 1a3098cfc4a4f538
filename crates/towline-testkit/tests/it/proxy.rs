use towline_testkit::{Script, Server, ports::Refusing};

use crate::client::{Client, End, SOON};

#[test]
fn a_tunnel_carries_bytes_both_ways() {
    let origin = Server::start(Script::respond(200, "text/plain", "inside"));
    let proxy = Server::start(Script::request().tunnel(origin.addr()));
    let mut client = Client::connect(&proxy);
    client.send("CONNECT model.test:443 HTTP/1.1\r\nHost: model.test:443\r\n\r\n");
    assert_eq!(client.head(), "HTTP/1.1 200 Connection Established\r\n\r\n");
    for _ in 0..2 {
        client.get("/").head();
        client.expect("inside");
    }
    assert_eq!(proxy.requests()[0].target, "model.test:443");
    assert_eq!(origin.requests_per_connection(), [2]);
    drop(client);
    assert!(proxy.wait_for_close(0, SOON).is_some());
    assert!(origin.wait_for_close(0, SOON).is_some());
}

#[test]
fn a_forward_proxy_rewrites_the_target() {
    let origin = Server::start(Script::respond(200, "text/plain", "inside").close());
    let proxy = Server::start(Script::request().forward(origin.addr()));
    let mut client = Client::connect(&proxy);
    client.post("http://model.test/api/chat?x=1", "{}").head();
    assert_eq!(client.rest(), ("inside".to_owned(), End::Fin));
    let seen = &origin.requests()[0];
    assert_eq!((seen.target.as_str(), &seen.body[..]), ("/api/chat?x=1", &b"{}"[..]));
    assert_eq!(proxy.requests()[0].target, "http://model.test/api/chat?x=1");
}

#[test]
fn an_origin_that_resets_resets_the_peer() {
    let origin = Server::start(Script::request().send("part").wait("read").reset());
    let proxy = Server::start(Script::request().forward(origin.addr()));
    let mut client = Client::connect(&proxy);
    client.get("http://model.test/").expect("part");
    origin.open("read");
    assert_eq!(client.rest(), (String::new(), End::Reset));
}

#[test]
fn an_origin_that_refuses_is_a_bad_gateway() {
    let nobody = Refusing::new().unwrap();
    let proxy = Server::start(Script::request().tunnel(nobody.addr()));
    let mut client = Client::connect(&proxy);
    client.send("CONNECT model.test:443 HTTP/1.1\r\n\r\n");
    assert!(client.head().starts_with("HTTP/1.1 502 "));
}
