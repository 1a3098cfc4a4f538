//! Operations on a stream, over HTTP, against a reference: a list of bytes.

use super::Relay;

/// Maximum number of operations of one run.
const OPERATIONS: usize = 40;

/// An operation on the stream.
#[derive(Debug)]
enum Op {
    Create {
        closed: bool,
        body: Vec<u8>,
    },
    Append {
        closes: bool,
        body: Vec<u8>,
    },
    /// From a position, up to a little beyond the end.
    Read {
        from: usize,
    },
    ReadAll,
    /// From the end, without waiting.
    ReadEnd,
    /// At an offset of an incarnation that never existed.
    ReadOdd,
    Look,
    Delete,
}

impl Op {
    /// The next operation of `script`; `None` at its end.
    fn next(script: &mut &[u8]) -> Option<Self> {
        let (&[kind, argument], rest) = script.split_first_chunk::<2>()?;
        *script = rest;
        let flag = kind & 0x80 != 0;
        let mut body = || {
            let (body, rest) = script.split_at(usize::from(argument).min(script.len()));
            *script = rest;
            body.to_vec()
        };
        Some(match kind % 16 {
            0..3 => Self::Create { closed: flag, body: body() },
            3..8 => Self::Append { closes: flag && kind & 0x40 != 0, body: body() },
            8..11 => Self::Read { from: usize::from(argument) * (1 + usize::from(flag)) },
            11 => Self::ReadAll,
            12 => Self::ReadEnd,
            13 => Self::ReadOdd,
            14 => Self::Look,
            _ => Self::Delete,
        })
    }
}

/// The reference: the bytes, and whether the stream is closed.
type Model = Option<(Vec<u8>, bool)>;

struct Response {
    status: u16,
    /// The end that it reports, in bytes.
    next: Option<usize>,
    closed: bool,
    body: Vec<u8>,
}

fn ask(relay: &Relay, method: &str, query: &str, closes: bool, body: &[u8]) -> Response {
    let closed = if closes { "Stream-Closed: true\r\n" } else { "" };
    let mut request = format!(
        "{method} /streams/s{query} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: text/plain\r\n\
         {closed}Content-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    let answer = relay.ask(&request);
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let lines = std::str::from_utf8(&answer[..head]).expect("a head in ASCII");
    let header = |name: &str| {
        lines
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(is, _)| *is == name)
            .map(|(_, value)| value)
    };
    Response {
        status: lines[9..12].parse().expect("a status"),
        next: header("stream-next-offset").map(|offset| offset[17..].parse().expect("an offset")),
        closed: header("stream-closed") == Some("true"),
        body: answer[head + 4..].to_vec(),
    }
}

/// Runs `script` on a stream of a new relay.
///
/// # Panics
/// If the stream behaves differently from a list of bytes.
pub fn play_on_a_stream(mut script: &[u8]) {
    let relay = Relay::new();
    let mut model: Model = None;
    // A recreated stream has different offsets.
    let mut incarnation = 1;
    for _ in 0..OPERATIONS {
        let Some(op) = Op::next(&mut script) else { return };
        play(&relay, op, &mut model, &mut incarnation);
    }
}

fn play(relay: &Relay, op: Op, model: &mut Model, incarnation: &mut u64) {
    let shown = format!("{op:?}");
    let response = match op {
        Op::Create { closed, body } => {
            let response = ask(relay, "PUT", "", closed, &body);
            let status = match model {
                None => 201,
                Some((_, was)) if *was == closed => 200,
                Some(_) => 409,
            };
            assert_eq!(response.status, status, "{shown}");
            model.get_or_insert((body, closed));
            response
        }
        Op::Append { closes, body } => {
            let response = ask(relay, "POST", "", closes, &body);
            let status = match model {
                None => 404,
                Some(_) if body.is_empty() && !closes => 400,
                Some((_, true)) => {
                    if closes && body.is_empty() {
                        204
                    } else {
                        409
                    }
                }
                Some((bytes, closed)) => {
                    bytes.extend_from_slice(&body);
                    *closed = closes;
                    204
                }
            };
            assert_eq!(response.status, status, "{shown}");
            response
        }
        Op::Read { from } => {
            let response = ask(relay, "GET", &format!("?offset={incarnation:016}_{from:016}"), false, b"");
            read(response, model, Some(from), &shown)
        }
        Op::ReadAll => read(ask(relay, "GET", "?offset=-1", false, b""), model, Some(0), &shown),
        Op::ReadEnd => {
            let end = model.as_ref().map_or(0, |(bytes, _)| bytes.len());
            read(ask(relay, "GET", "?offset=now", false, b""), model, Some(end), &shown)
        }
        Op::ReadOdd => {
            let odd = *incarnation + 1;
            read(ask(relay, "GET", &format!("?offset={odd:016}_{:016}", 0), false, b""), model, None, &shown)
        }
        Op::Look => {
            let response = ask(relay, "HEAD", "", false, b"");
            assert_eq!(response.status, if model.is_some() { 200 } else { 404 }, "{shown}");
            response
        }
        Op::Delete => {
            let response = ask(relay, "DELETE", "", false, b"");
            let was_there = model.take().is_some();
            assert_eq!(response.status, if was_there { 204 } else { 404 }, "{shown}");
            *incarnation += u64::from(was_there);
            return;
        }
    };
    if let (Some((bytes, closed)), 200..300) = (&*model, response.status) {
        assert_eq!((response.next, response.closed), (Some(bytes.len()), *closed), "{shown}");
    }
}

/// Checks a read from a position; `None` means one that the stream does not have.
fn read(response: Response, model: &Model, from: Option<usize>, shown: &str) -> Response {
    match (model, from) {
        (None, _) => assert_eq!(response.status, 404, "{shown}"),
        (Some((bytes, _)), Some(from)) if from <= bytes.len() => {
            assert_eq!((response.status, response.body.as_slice()), (200, &bytes[from..]), "{shown}");
        }
        (Some(_), _) => assert_eq!(response.status, 410, "{shown}"),
    }
    response
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::play_on_a_stream;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn over_http_it_is_a_list_of_bytes(script in proptest::collection::vec(any::<u8>(), 0..1500)) {
            play_on_a_stream(&script);
        }
    }
}
