//! The proxy steps: copy bytes between the peer and another address.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use crate::{
    connection::{Over, Player},
    http::Request,
};

/// Answers a CONNECT and becomes a pipe.
pub(crate) fn tunnel(player: &mut Player, to: SocketAddr) -> Over {
    let Ok(upstream) = TcpStream::connect(to) else {
        return bad_gateway(player);
    };
    match player.writer().write(b"HTTP/1.1 200 Connection Established\r\n\r\n") {
        Ok(()) => pipe(player, &upstream),
        Err(over) => over,
    }
}

/// Forwards a request in absolute form in origin form, then becomes a pipe.
pub(crate) fn forward(player: &mut Player, to: SocketAddr) -> Over {
    let Ok(upstream) = TcpStream::connect(to) else {
        return bad_gateway(player);
    };
    let Some(request) = player.last.take() else {
        return Over::Close;
    };
    match (&upstream).write_all(&origin_form(&request)) {
        Ok(()) => pipe(player, &upstream),
        Err(_) => bad_gateway(player),
    }
}

fn bad_gateway(player: &Player) -> Over {
    match player.writer().write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n") {
        Ok(()) => Over::Close,
        Err(over) => over,
    }
}

/// The request with only a path as its target, and a body with a length.
fn origin_form(request: &Request) -> Vec<u8> {
    let target = request
        .target
        .split_once("://")
        .map_or(request.target.as_str(), |(_, rest)| rest.find('/').map_or("/", |slash| &rest[slash..]));
    let mut bytes = format!("{} {target} HTTP/1.1\r\n", request.method).into_bytes();
    for (name, value) in &request.headers {
        if !matches!(name.as_str(), "transfer-encoding" | "content-length" | "proxy-authorization") {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
    }
    bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", request.body.len()).as_bytes());
    bytes.extend_from_slice(&request.body);
    bytes
}

/// Copies both ways until either side ends. An upstream that breaks resets the peer.
fn pipe(player: &mut Player, upstream: &TcpStream) -> Over {
    let broken = AtomicBool::new(false);
    let writer = player.writer().clone();
    thread::scope(|scope| {
        scope.spawn(|| {
            if copy_down(upstream, |bytes| writer.write(bytes).is_ok()).is_err() {
                broken.store(true, Ordering::Relaxed);
            }
            writer.end();
        });
        while let Ok(bytes) = player.receive() {
            if { upstream }.write_all(&bytes).is_err() {
                break;
            }
        }
        // The peer is gone, or the server stops: release the other direction.
        let _already_gone = upstream.shutdown(Shutdown::Both);
    });
    if broken.load(Ordering::Relaxed) { Over::Reset } else { Over::Close }
}

fn copy_down(mut upstream: &TcpStream, write: impl Fn(&[u8]) -> bool) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match upstream.read(&mut buffer)? {
            0 => return Ok(()),
            length if write(&buffer[..length]) => {}
            _ => return Ok(()),
        }
    }
}
