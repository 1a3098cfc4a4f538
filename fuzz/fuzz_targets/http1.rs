//! A response has the same head and the same body however it is split, and no more body than there are bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use towline_core::http1::{BodyDecoder, BodyError, HeadError, HeadLimits, HeadParser, Method, ResponseHead};

#[derive(Debug, PartialEq)]
struct Read {
    head: ResponseHead,
    body: Vec<u8>,
    /// The number of input bytes that belong to head and body, and whether the body is complete.
    end: Result<(usize, bool), BodyError>,
}

fn read<'a>(method: Method, pieces: impl Iterator<Item = &'a [u8]>) -> Result<Option<Read>, HeadError> {
    let limits = HeadLimits { head_bytes: 200, headers: 5, interim_heads: 2 };
    let mut parser = HeadParser::new(method, limits);
    let mut found: Option<(ResponseHead, BodyDecoder)> = None;
    let (mut body, mut used) = (Vec::new(), 0);
    for mut piece in pieces {
        if found.is_none() {
            // How much of non-HTTP input is shown depends on how much has arrived.
            let not_http = |error| match error {
                HeadError::NotHttp { .. } => HeadError::NotHttp { start: String::new() },
                other => other,
            };
            match parser.push(piece).map_err(not_http)? {
                Some((head, taken)) => {
                    assert!(taken <= piece.len());
                    found = Some((head.clone(), BodyDecoder::new(head.framing)));
                    used += taken;
                    piece = &piece[taken..];
                }
                None => {
                    used += piece.len();
                    continue;
                }
            }
        }
        let Some((head, decoder)) = &mut found else { unreachable!("the head was found above") };
        let before = body.len();
        match decoder.push(piece, &mut body) {
            Ok(decoded) => {
                assert!(decoded.consumed <= piece.len() && body.len() - before <= decoded.consumed);
                used += decoded.consumed;
                if decoded.complete {
                    return Ok(Some(Read { head: head.clone(), body, end: Ok((used, true)) }));
                }
                assert_eq!(decoded.consumed, piece.len());
            }
            Err(error) => return Ok(Some(Read { head: head.clone(), body, end: Err(error) })),
        }
    }
    Ok(found.map(|(head, decoder)| Read { head, body, end: Ok((used, decoder.is_complete())) }))
}

fuzz_target!(|data: &[u8]| {
    let Some((&[method, first, next], input)) = data.split_first_chunk::<3>() else { return };
    let method = [Method::Get, Method::Post, Method::Head, Method::Connect][usize::from(method % 4)];
    let whole = read(method, [input].into_iter());
    assert_eq!(read(method, input.chunks(1)), whole, "byte by byte");
    assert_eq!(read(method, input.chunks(usize::from(next).max(1))), whole, "in pieces of {next}");
    let (head, tail) = input.split_at(usize::from(first).min(input.len()));
    assert_eq!(read(method, [head, tail].into_iter()), whole, "cut at {first}");
});
