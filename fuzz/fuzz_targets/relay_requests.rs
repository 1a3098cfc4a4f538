//! For any bytes from a client, the relay answers or closes the connection, and continues to serve.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use towline_relay::testing::{Relay, read_names, read_values};

static RELAY: LazyLock<Relay> = LazyLock::new(Relay::new);

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        read_names(text);
    }
    read_values(data);
    RELAY.talk(data);
    let answer = RELAY.ask(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with(b"HTTP/1.1 200 "));
});
