//! Any sequence of operations on a stream, over HTTP, does what it would do to a list of bytes.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use towline_relay::testing::Relay;

#[derive(Debug, Arbitrary)]
enum Op {
    Create { closed: bool, body: Vec<u8> },
    Append { closes: bool, body: Vec<u8> },
    Read { from: u16 },
    Delete,
}

#[derive(Debug, Default)]
struct Model {
    stream: Option<(Vec<u8>, bool)>,
}

fn ask(relay: &Relay, method: &str, query: &str, closes: bool, body: &[u8]) -> (u16, Vec<u8>) {
    let closed = if closes { "Stream-Closed: true\r\n" } else { "" };
    let mut request = format!(
        "{method} /streams/s{query} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: text/plain\r\n\
         {closed}Content-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    let answer = relay.talk(&request);
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let status = std::str::from_utf8(&answer[9..12]).unwrap().parse().unwrap();
    (status, answer[head + 4..].to_vec())
}

fuzz_target!(|ops: Vec<Op>| {
    let relay = Relay::new();
    let mut model = Model::default();
    for op in ops.into_iter().take(40) {
        match op {
            Op::Create { closed, body } => {
                let (status, _) = ask(&relay, "PUT", "", closed, &body);
                match &model.stream {
                    None => {
                        assert_eq!(status, 201);
                        model.stream = Some((body, closed));
                    }
                    Some((_, was)) => assert_eq!(status, if *was == closed { 200 } else { 409 }),
                }
            }
            Op::Append { closes, body } => {
                let (status, _) = ask(&relay, "POST", "", closes, &body);
                match &mut model.stream {
                    None => assert_eq!(status, 404),
                    Some(_) if body.is_empty() && !closes => assert_eq!(status, 400),
                    Some((_, true)) => assert_eq!(status, if body.is_empty() { 204 } else { 409 }),
                    Some((bytes, closed)) => {
                        assert_eq!(status, 204);
                        bytes.extend_from_slice(&body);
                        *closed = closes;
                    }
                }
            }
            Op::Read { from } => {
                let query = format!("?offset={:016}_{from:016}", 1);
                let (status, body) = ask(&relay, "GET", &query, false, b"");
                match &model.stream {
                    None => assert_eq!(status, 404),
                    Some((bytes, _)) if usize::from(from) > bytes.len() => assert_eq!(status, 410),
                    Some((bytes, _)) => {
                        assert_eq!(status, 200);
                        assert_eq!(body, bytes[usize::from(from)..]);
                    }
                }
            }
            Op::Delete => {
                let (status, _) = ask(&relay, "DELETE", "", false, b"");
                assert_eq!(status, if model.stream.take().is_some() { 204 } else { 404 });
            }
        }
    }
});
