//! The work of framing, as a count of the bytes that are read or moved.

use super::*;

/// The work for a body in pieces of one size, with a poll after each.
fn work(framing: Framing, body: &[u8], piece_bytes: usize) -> usize {
    let mut framer = Framer::new(framing, DEFAULT_LINE_LIMIT_BYTES);
    for piece in body.chunks(piece_bytes) {
        framer.input().extend_from_slice(piece);
        while framer.next_frame().unwrap().is_some() {}
    }
    framer.work
}

#[test]
fn the_work_is_linear_whatever_the_pieces() {
    let line = "0123456789abcdef".repeat(1 << 16);
    let long = format!("data: {line}\n\n");
    let many = format!("data: {}\n\n", &line[..130]).repeat(1 << 13);
    let parts = format!("data: {}\r\n", &line[..130]).repeat(1 << 13) + "\r\n";
    for framing in [Framing::Ndjson, Framing::Sse, Framing::Whole] {
        for body in [&long, &many, &parts] {
            for piece_bytes in [1, 7, 130, 137, 4 << 10, 16 << 10, 1 << 20, usize::MAX] {
                let work = work(framing, body.as_bytes(), piece_bytes);
                let most = 2 * body.len();
                assert!(work <= most, "{framing:?} in pieces of {piece_bytes}: {work} > {most}");
            }
        }
    }
}

#[test]
fn a_line_of_32_megabytes_in_small_pieces() {
    let body = [&vec![b'x'; (32 << 20) - 1][..], b"\n"].concat();
    for framing in [Framing::Ndjson, Framing::Sse] {
        let work = work(framing, &body, 16 << 10);
        assert_eq!(work, body.len(), "{framing:?}: each byte is looked at once");
    }
}

#[test]
fn the_memory_of_a_long_line_is_released_once_it_was_taken() {
    let long = [vec![b'x'; 4 * KEEP_CAPACITY_BYTES], b"\n".to_vec()].concat();
    let mut framer = Framer::new(Framing::Ndjson, DEFAULT_LINE_LIMIT_BYTES);
    framer.input().extend_from_slice(&long);
    assert_eq!(framer.next_frame().unwrap().map(<[u8]>::len), Some(4 * KEEP_CAPACITY_BYTES));
    framer.release();
    assert_eq!(framer.buffer.capacity(), 0);
    // Unread bytes stay.
    framer.input().extend_from_slice(&[&long[..], b"next\n"].concat());
    assert!(framer.next_frame().unwrap().is_some());
    framer.release();
    assert_eq!(framer.next_frame().unwrap(), Some(&b"next"[..]));
    framer.release();
    assert_eq!((framer.buffer.capacity(), framer.next_frame().unwrap()), (0, None));
}
