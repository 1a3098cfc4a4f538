//! Compressed bodies.

use std::io::Write;
use std::sync::mpsc;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

use super::server::{CHUNKED, LAST_CHUNK, Server, chunk, response};
use super::*;

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn compressed(coding: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// As `read_all`, without its bound on one read.
async fn drain(body: &mut ResponseBody, mut on_read: impl FnMut(usize)) -> Result<Vec<u8>, TransportError> {
    let mut out = Vec::new();
    while let Read::Bytes(bytes) = within(body.read(&mut out)).await? {
        on_read(bytes);
    }
    Ok(out)
}

#[tokio::test]
async fn records_of_a_compressed_stream_are_seen_as_they_arrive() {
    let (seen, wait) = mpsc::sync_channel::<()>(1);
    let wait = std::sync::Mutex::new(wait);
    let server = Server::start(move |_, mut peer| {
        let request = peer.request().unwrap();
        assert_eq!(request.header("accept-encoding"), Some("gzip"));
        peer.send(CHUNKED.replace("\r\n\r\n", "\r\nContent-Encoding: gzip\r\n\r\n"));
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        for record in 0..10 {
            writeln!(encoder, "{{\"response\":\"token {record}\",\"done\":false}}").unwrap();
            encoder.flush().unwrap();
            peer.send_chunk(std::mem::take(encoder.get_mut()));
            wait.lock().unwrap().recv().unwrap();
        }
        peer.send_chunk(encoder.finish().unwrap());
        peer.send(LAST_CHUNK);
        drop(peer.wait_for_close());
    });
    let request = Request { accept_gzip: true, ..get() };
    let mut response = open(&transport(), &server.endpoint(), request).await.unwrap();
    for record in 0..10 {
        let mut out = Vec::new();
        while !out.ends_with(b"\n") {
            assert!(matches!(within(response.body.read(&mut out)).await.unwrap(), Read::Bytes(_)));
        }
        let expected = format!("{{\"response\":\"token {record}\",\"done\":false}}\n");
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        seen.send(()).unwrap();
    }
    assert_eq!(within(response.body.read(&mut Vec::new())).await.unwrap(), Read::End);
}

#[tokio::test]
async fn gzip_is_not_asked_for_by_default() {
    let server = Server::start(|_, mut peer| {
        assert_eq!(peer.request().unwrap().header("accept-encoding"), None);
        peer.send(response(200, "Content-Encoding: identity\r\n", "plain"));
    });
    assert_eq!(fetch(&transport(), &server.endpoint(), get()).await.unwrap().1, b"plain");
}

#[tokio::test]
async fn every_spelling_of_deflate_is_understood() {
    let body = b"a body, a body, a body".repeat(100);
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(&body).unwrap();
    let mut bare = DeflateEncoder::new(Vec::new(), Compression::default());
    bare.write_all(&body).unwrap();
    for (coding, wire) in [
        ("gzip", gzip(&body)),
        ("X-GZIP", gzip(&body)),
        ("deflate", zlib.finish().unwrap()),
        ("deflate", bare.finish().unwrap()),
    ] {
        let server = Server::answering(compressed(coding, &wire));
        let transport = transport();
        assert!(fetch(&transport, &server.endpoint(), get()).await.unwrap().1 == body, "{coding}");
        assert!(fetch(&transport, &server.endpoint(), get()).await.is_ok());
        assert_eq!(server.connections(), 1, "{coding}: the connection is used again");

        // The same, cut inside and so complete only as HTTP.
        let server = Server::answering(compressed(coding, &wire[..wire.len() - 9]));
        let mut response = open(&transport, &server.endpoint(), get()).await.unwrap();
        let error = drain(&mut response.body, |_| ()).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Protocol(_)), "{coding}: {error}");
        assert!(drain(&mut response.body, |_| ()).await.is_err(), "and stays so");
    }
}

#[tokio::test]
async fn an_empty_body_may_be_called_compressed() {
    for coding in ["gzip", "deflate"] {
        let server = Server::answering(compressed(coding, b""));
        assert_eq!(fetch(&transport(), &server.endpoint(), get()).await.unwrap().1, b"");
    }
}

#[tokio::test]
async fn a_body_that_expands_without_end_is_given_in_bounded_pieces() {
    const BOMB_BYTES: usize = 50 << 20;
    let bomb = gzip(&vec![0; BOMB_BYTES]);
    assert!(bomb.len() < 64 * 1024, "fits one read, so only the decoder can bound it");
    let server = Server::answering(compressed("gzip", &bomb));
    let mut response = open(&transport(), &server.endpoint(), get()).await.unwrap();
    let mut most = 0;
    let body = drain(&mut response.body, |bytes| most = most.max(bytes)).await.unwrap();
    assert_eq!(body.len(), BOMB_BYTES);
    assert!(most <= 2 * READ_BYTES, "{most}");
}

#[tokio::test]
async fn corrupt_and_unknown_encodings_are_errors() {
    let mut wire = gzip(b"a body");
    let middle = wire.len() / 2;
    wire[middle] ^= 0xff;
    for wire in [
        compressed("gzip", &wire),
        compressed("gzip", b"not gzip at all"),
        compressed("gzip", &[gzip(b"one"), b"more".to_vec()].concat()),
    ] {
        let server = Server::answering(wire);
        let mut response = open(&transport(), &server.endpoint(), get()).await.unwrap();
        let error = drain(&mut response.body, |_| ()).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Protocol(_)), "{error}");
    }
    let server = Server::answering(compressed("br", b"?"));
    let error = open(&transport(), &server.endpoint(), get()).await.unwrap_err();
    assert!(error.to_string().contains("content encoding"), "{error}");
}

#[tokio::test]
async fn a_cut_connection_is_incomplete_and_what_came_is_kept() {
    let server = Server::start(|_, mut peer| {
        peer.request().unwrap();
        peer.send(CHUNKED.replace("\r\n\r\n", "\r\nContent-Encoding: gzip\r\n\r\n"));
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(b"part\n").unwrap();
        encoder.flush().unwrap();
        peer.send(chunk(encoder.get_ref()));
    });
    let mut response = open(&transport(), &server.endpoint(), get()).await.unwrap();
    let (body, end) = read_all(&mut response.body).await;
    assert_eq!(body, b"part\n");
    assert_eq!(end.unwrap_err().kind(), &ErrorKind::Incomplete);
}

#[tokio::test]
async fn a_body_of_several_members_is_one() {
    let members = [gzip(b"one\n"), gzip(b""), gzip(&b"two\n".repeat(10_000)), gzip(b"three\n")];
    let wire = compressed("gzip", &members.concat());
    let expected = [b"one\n".to_vec(), b"two\n".repeat(10_000), b"three\n".to_vec()].concat();
    // In one piece, and cut where members meet and elsewhere.
    let cuts = [0, 1, 9, members[0].len(), members[0].len() + 5, members[0].len() + members[1].len()];
    for cut in cuts {
        let (head, body) = wire.split_at(wire.len() - members.concat().len() + cut);
        let pieces = Arc::new([head.to_vec(), body.to_vec()]);
        let server = Server::start(move |_, mut peer| {
            peer.request().unwrap();
            for piece in pieces.iter() {
                peer.send(piece);
            }
            drop(peer.wait_for_close());
        });
        let mut response = open(&transport(), &server.endpoint(), get()).await.unwrap();
        assert!(drain(&mut response.body, |_| ()).await.unwrap() == expected, "cut at {cut}");
    }
    for broken in [
        [gzip(b"one\n"), b"no member".to_vec()].concat(),
        [gzip(b"one"), gzip(b"two")[..9].to_vec()].concat(),
    ] {
        let server = Server::answering(compressed("gzip", &broken));
        let mut response = open(&transport(), &server.endpoint(), get()).await.unwrap();
        let error = drain(&mut response.body, |_| ()).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Protocol(_)), "{error:?}");
    }
}
