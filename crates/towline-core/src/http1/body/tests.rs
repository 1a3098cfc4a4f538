use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

#[derive(Debug, PartialEq, Eq)]
enum End {
    Complete { consumed: usize },
    Incomplete,
    Failed(BodyError),
}

/// Feeds the pieces, then end-of-file.
fn decode<'a>(framing: BodyFraming, pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, End) {
    let mut decoder = BodyDecoder::new(framing);
    let mut out = Vec::new();
    let mut before = 0;
    for piece in pieces {
        match decoder.push(piece, &mut out) {
            Ok(Decoded { consumed, complete: true }) => {
                return (out, End::Complete { consumed: before + consumed });
            }
            Ok(Decoded { consumed, complete: false }) => {
                assert_eq!(consumed, piece.len(), "all is consumed until the end");
                before += consumed;
            }
            Err(error) => return (out, End::Failed(error)),
        }
    }
    match decoder.finish() {
        Ok(()) => (out, End::Complete { consumed: before }),
        Err(_) => (out, End::Incomplete),
    }
}

fn chunked(input: &[u8]) -> (Vec<u8>, End) {
    decode(BodyFraming::Chunked, [input])
}

/// Cuts `input` at the given places, in any order.
fn cut<'a>(input: &'a [u8], at: &[usize]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = at.iter().map(|at| at % (input.len() + 1)).collect();
    at.sort_unstable();
    let mut pieces = Vec::new();
    let mut from = 0;
    for to in at.into_iter().chain([input.len()]) {
        pieces.push(&input[from..to]);
        from = to;
    }
    pieces
}

const SAMPLES: [&str; 6] = [
    "5\r\nhello\r\n0\r\n\r\n",
    "5\r\nhello\r\n1\r\n \r\n00005\r\nworld\r\n0\r\n\r\n",
    "5;ext=\"a b\"\r\nhello\r\n5 ; x\r\nworld\r\n0;last\r\n\r\n",
    "A\r\n0123456789\r\nf\r\n0123456789abcde\r\n000\r\nTrailer: x\r\nOther: y\r\n\r\n",
    "2\r\n\r\n\r\n3\r\n0\r\n\r\n0\r\n\r\n",
    "0\r\n\r\n",
];

#[test]
fn chunks_become_the_body() {
    let bodies = ["hello", "hello world", "helloworld", "01234567890123456789abcde", "\r\n0\r\n", ""];
    for (sample, body) in SAMPLES.iter().zip(bodies) {
        let (out, end) = chunked(sample.as_bytes());
        assert_eq!(String::from_utf8(out).unwrap(), body);
        assert_eq!(end, End::Complete { consumed: sample.len() });
    }
}

#[test]
fn every_cut_gives_the_same_body() {
    for sample in SAMPLES {
        let input = format!("{sample}HTTP/1.1 200 OK");
        let whole = chunked(input.as_bytes());
        assert_eq!(whole.1, End::Complete { consumed: sample.len() }, "what follows is left");
        for at in 0..=input.len() {
            assert_eq!(decode(BodyFraming::Chunked, cut(input.as_bytes(), &[at])), whole, "cut at {at}");
        }
        assert_eq!(decode(BodyFraming::Chunked, input.as_bytes().chunks(1)), whole);
    }
}

#[test]
fn a_truncated_body_is_incomplete_at_every_byte() {
    for sample in SAMPLES {
        for end in 0..sample.len() {
            assert_eq!(chunked(&sample.as_bytes()[..end]).1, End::Incomplete, "{sample:?} up to {end}");
        }
    }
    for end in 0..5 {
        assert_eq!(decode(BodyFraming::Length(5), [&b"hello"[..end]]).1, End::Incomplete);
    }
}

#[test]
fn length_stops_where_it_says() {
    let (out, end) = decode(BodyFraming::Length(5), [b"hel".as_slice(), b"lo there"]);
    assert_eq!((out.as_slice(), end), (b"hello".as_slice(), End::Complete { consumed: 5 }));
}

#[test]
fn until_eof_takes_everything_and_eof_is_its_end() {
    let (out, end) = decode(BodyFraming::UntilEof, [b"a".as_slice(), b"b"]);
    assert_eq!((out.as_slice(), end), (b"ab".as_slice(), End::Complete { consumed: 2 }));
}

#[test]
fn empty_bodies_are_complete_at_once() {
    for framing in [BodyFraming::Empty, BodyFraming::Length(0)] {
        assert!(BodyDecoder::new(framing).is_complete());
        assert_eq!(decode(framing, [b"x".as_slice()]), (vec![], End::Complete { consumed: 0 }));
    }
}

#[test]
fn malformed_chunks_are_refused_and_what_came_before_is_kept() {
    use BodyError::{ChunkSize, ChunkSizeOverflow, LineEnd};
    for (input, error) in [
        ("5\r\nhello\r\n\r\n", ChunkSize),
        ("5\r\nhello\r\nx\r\n", ChunkSize),
        ("5\r\nhello\r\n-1\r\n", ChunkSize),
        ("5\r\nhello\r\n+1\r\n", ChunkSize),
        ("5\r\nhello\r\n 1\r\n", ChunkSize),
        ("5\r\nhello\r\n0x1\r\n", ChunkSize),
        ("5\r\nhello\r\n1 1\r\n", ChunkSize),
        ("5\r\nhello\r\n1\n", ChunkSize),
        ("5\r\nhello\r\n1;a\n", LineEnd),
        ("5\r\nhello\r\n1\rx", LineEnd),
        ("5\r\nhello\r\n1\r\nab\r\n", LineEnd),
        ("5\r\nhello\n", LineEnd),
        ("5\r\nhello\r\r", LineEnd),
        ("5\r\nhello\r\n0\r\n\n", LineEnd),
        ("5\r\nhello\r\n0\r\nA: b\n", LineEnd),
        ("5\r\nhello\r\n0\r\n\rx", LineEnd),
        ("5\r\nhello\r\n10000000000000000\r\n", ChunkSizeOverflow),
    ] {
        let (out, end) = chunked(input.as_bytes());
        assert_eq!(end, End::Failed(error), "{input:?}");
        assert!(out.starts_with(b"hello"), "{input:?}");
        assert_eq!(decode(BodyFraming::Chunked, input.as_bytes().chunks(1)).1, end, "{input:?}");
    }
}

#[test]
fn the_largest_size_is_not_an_overflow() {
    assert_eq!(chunked(b"ffffffffffffffff\r\nabc"), (b"abc".to_vec(), End::Incomplete));
    assert_eq!(chunked(b"fffffff\r\nabc"), (b"abc".to_vec(), End::Incomplete));
    assert_eq!(chunked(b"0000000000000000000003\r\nabc\r\n0\r\n\r\n").0, b"abc");
}

#[test]
fn extensions_and_trailers_are_bounded() {
    let filler = "x".repeat(CHUNK_LINE_BYTES);
    assert_eq!(chunked(format!("1;{filler}").as_bytes()).1, End::Failed(BodyError::ChunkLine));
    assert_eq!(chunked(" ".repeat(2).as_bytes()).1, End::Failed(BodyError::ChunkSize));
    assert_eq!(chunked(format!("1{}", " ".repeat(20_000)).as_bytes()).1, End::Failed(BodyError::ChunkLine));
    assert_eq!(chunked("0".repeat(20_000).as_bytes()).1, End::Failed(BodyError::ChunkLine));
    assert_eq!(chunked(format!("0\r\nA: {filler}").as_bytes()).1, End::Failed(BodyError::Trailer));
    assert_eq!(
        chunked(format!("0\r\n{}", "A: b\r\n".repeat(5000)).as_bytes()).1,
        End::Failed(BodyError::Trailer)
    );
    // Many chunks may each have an extension: the bound is per line.
    let input = format!("{}0\r\n\r\n", "1;extension=0123456789\r\nx\r\n".repeat(2000));
    assert_eq!(chunked(input.as_bytes()).0.len(), 2000);
}

/// A chunk, written as some server might do it.
fn encode(data: &[u8], upper: bool, zeros: usize, extension: &str) -> Vec<u8> {
    let size = if upper { format!("{:X}", data.len()) } else { format!("{:x}", data.len()) };
    [format!("{}{size}{extension}\r\n", "0".repeat(zeros)).as_bytes(), data, b"\r\n"].concat()
}

proptest! {
    #[test]
    fn what_was_encoded_is_decoded(
        chunks in vec((vec(any::<u8>(), 1..400), any::<bool>(), 0_usize..3, "(;[a-z=\" ]{0,8})?"), 0..20),
        trailer in "(X: [a-z]{0,9}\r\n){0,2}",
        after in vec(any::<u8>(), 0..9),
        cuts in vec(any::<usize>(), 0..12),
    ) {
        let mut wire = Vec::new();
        for (data, upper, zeros, extension) in &chunks {
            wire.extend(encode(data, *upper, *zeros, extension));
        }
        wire.extend(format!("0\r\n{trailer}\r\n").as_bytes());
        let consumed = wire.len();
        wire.extend(after);
        let (out, end) = decode(BodyFraming::Chunked, cut(&wire, &cuts));
        prop_assert_eq!(end, End::Complete { consumed });
        prop_assert_eq!(out, chunks.into_iter().flat_map(|chunk| chunk.0).collect::<Vec<_>>());
    }

    #[test]
    fn any_bytes_in_any_cut_behave_the_same(
        input in prop_oneof![vec(any::<u8>(), 0..200), "[0-9a-f;\r\n x]{0,200}".prop_map(String::into_bytes)],
        cuts in vec(any::<usize>(), 0..12),
    ) {
        prop_assert_eq!(decode(BodyFraming::Chunked, cut(&input, &cuts)), chunked(&input));
    }
}
