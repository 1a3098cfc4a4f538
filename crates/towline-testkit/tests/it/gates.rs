use towline_testkit::{Framing, Pace, Script, Server};

use crate::client::{Client, End, SOON};

#[test]
fn a_gate_holds_until_it_is_opened() {
    let server = Server::start(Script::request().send("a").wait("go").send("b").wait("go").close());
    let mut client = Client::connect(&server);
    client.get("/").expect("a");
    assert!(server.wait_until_at("go", 1, SOON));
    assert!(client.is_silent());
    server.open("go");
    assert_eq!(client.rest(), ("b".to_owned(), End::Fin));
}

#[test]
fn a_pass_lets_through_once() {
    let server = Server::start(Script::request().wait("go").send("b").wait("go").send("c").close());
    let mut client = Client::connect(&server);
    server.pass("go", 1);
    client.get("/").expect("b");
    assert!(server.wait_until_at("go", 2, SOON));
    assert!(client.is_silent());
    server.pass("go", 1);
    assert_eq!(client.rest(), ("c".to_owned(), End::Fin));
}

#[test]
fn a_trickle_gives_one_byte_per_pass() {
    let trickle = Script::request().trickle("xyz", Framing::Raw, Pace::Gate("byte".to_owned()));
    let server = Server::start(trickle.close());
    let mut client = Client::connect(&server);
    client.get("/");
    for (nth, byte) in ["x", "y", "z"].into_iter().enumerate() {
        assert!(server.wait_until_at("byte", nth as u64 + 1, SOON));
        assert!(client.is_silent());
        server.pass("byte", 1);
        client.expect(byte);
    }
    assert_eq!(client.rest(), (String::new(), End::Fin));
}
