//! The least that anyone could do: read the socket, count newlines.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use towline_testkit::paced::BLOCK_RECORDS;

const BUFFER_BYTES: usize = 64 * 1024;

/// How every chunked body ends.
pub(crate) const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";

/// Lines of the head of the servers here, the empty one included.
const HEAD_LINES: u64 = 4;

/// The body of a chat request for this model.
pub(crate) fn body(model: &str) -> String {
    format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"Hi"}}],"stream":true}}"#)
}

/// A chat request for this model, whole.
pub(crate) fn request(model: &str) -> Vec<u8> {
    let body = body(model);
    let length = body.len();
    format!("POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

pub(crate) async fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    socket
}

/// Asks and reads to the end of the answer; the lines of its chunks' data.
pub(crate) async fn count(socket: &mut TcpStream, model: &str) -> u64 {
    count_with(socket, model, &mut vec![0; BUFFER_BYTES], |_| ()).await
}

/// The same with a buffer of the caller's, telling it what each read brought.
pub(crate) async fn count_with(
    socket: &mut TcpStream,
    model: &str,
    buffer: &mut [u8],
    mut read: impl FnMut(&[u8]),
) -> u64 {
    socket.write_all(&request(model)).await.unwrap();
    let mut newlines = 0;
    let in_blocks = model.starts_with("blocks:");
    loop {
        let bytes = socket.read(buffer).await.unwrap();
        assert!(bytes > 0, "the answer ends with its last chunk");
        read(&buffer[..bytes]);
        newlines += memchr::memchr_iter(b'\n', &buffer[..bytes]).count() as u64;
        if buffer[..bytes].ends_with(LAST_CHUNK) {
            let body = newlines - HEAD_LINES - 2;
            // Two newlines a chunk besides its lines: behind its size, and behind its data.
            return if in_blocks { lines_in_blocks(body) } else { body / 3 };
        }
    }
}

/// The terminal record is a chunk of its own; the others are blocks.
fn lines_in_blocks(newlines: u64) -> u64 {
    let block = BLOCK_RECORDS as u64;
    let (whole, rest) = ((newlines - 3) / (block + 2), (newlines - 3) % (block + 2));
    whole * block + rest.saturating_sub(2) + 1
}
