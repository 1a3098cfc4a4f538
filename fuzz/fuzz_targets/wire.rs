//! A body has the same frames, or fails at the same one, however it is split.

#![no_main]

use libfuzzer_sys::fuzz_target;
use towline_core::wire::{Framer, Framing, LineTooLong};

fn frames<'a>(
    framing: Framing,
    limit: usize,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> (Vec<Vec<u8>>, Option<LineTooLong>) {
    let mut framer = Framer::new(framing, limit);
    let mut frames = Vec::new();
    let mut take = |framer: &mut Framer| {
        loop {
            match framer.next_frame() {
                Ok(Some(frame)) => {
                    assert!(frame.len() <= limit);
                    frames.push(frame.to_vec());
                }
                Ok(None) => return None,
                Err(error) => return Some(error),
            }
        }
    };
    for piece in pieces {
        framer.input().extend_from_slice(piece);
        if let Some(error) = take(&mut framer) {
            return (frames, Some(error));
        }
    }
    framer.finish();
    let error = take(&mut framer);
    (frames, error)
}

fuzz_target!(|data: &[u8]| {
    let Some((&[how, limit, first, next], body)) = data.split_first_chunk::<4>() else { return };
    let framing = [Framing::Ndjson, Framing::Sse, Framing::Whole][usize::from(how % 3)];
    let limit = if limit == 0 { usize::MAX } else { usize::from(limit) };
    let whole = frames(framing, limit, [body].into_iter());
    assert_eq!(frames(framing, limit, body.chunks(1)), whole, "byte by byte");
    assert_eq!(frames(framing, limit, body.chunks(usize::from(next).max(1))), whole, "in pieces of {next}");
    let (head, tail) = body.split_at(usize::from(first).min(body.len()));
    assert_eq!(frames(framing, limit, [head, tail].into_iter()), whole, "cut at {first}");
});
