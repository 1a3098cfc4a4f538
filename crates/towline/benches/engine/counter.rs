//! What the streams cost a program that only reads their sockets and counts newlines.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Failure;
use crate::figures::{cpu_time, resident_bytes};
use crate::streams::{CONNECT_AT_ONCE, SETTLE, Side, WINDOW};

/// `URL MODEL COUNT`: prints its side of the comparison.
pub(crate) fn child_counter(words: &[String]) -> Result<(), Failure> {
    let [url, model, count] = words else { return Err("URL MODEL COUNT".into()) };
    let (addr, count) = (url.trim_start_matches("http://").to_owned(), count.parse::<usize>()?);
    let body = format!(r#"{{"model":"{model}","messages":[],"stream":true}}"#);
    let request = format!(
        "POST /api/chat HTTP/1.1\r\nHost: {addr}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (lines, receiving) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicUsize::new(0)));
    let before = resident_bytes();
    for begun in 0..count {
        while begun >= receiving.load(Ordering::Relaxed) + CONNECT_AT_ONCE {
            std::thread::sleep(Duration::from_millis(1));
        }
        let (addr, request) = (addr.clone(), request.clone());
        let (lines, receiving) = (Arc::clone(&lines), Arc::clone(&receiving));
        runtime.spawn(async move {
            let mut socket = TcpStream::connect(addr).await?;
            socket.write_all(request.as_bytes()).await?;
            let mut buffer = [0; 4096];
            let mut first = true;
            loop {
                let length = socket.read(&mut buffer).await?;
                if length == 0 {
                    return std::io::Result::Ok(());
                }
                let newlines = buffer[..length].iter().filter(|byte| **byte == b'\n').count();
                lines.fetch_add(newlines as u64, Ordering::Relaxed);
                if std::mem::take(&mut first) {
                    receiving.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
    while receiving.load(Ordering::Relaxed) < count {
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(SETTLE);
    let (cpu, records) = (cpu_time(), lines.load(Ordering::Relaxed));
    std::thread::sleep(WINDOW);
    let side = Side {
        cpu: cpu_time() - cpu,
        // A record is three lines on the wire: its size, itself and the end of the chunk.
        records: (lines.load(Ordering::Relaxed) - records) / 3,
        bytes_each: resident_bytes().saturating_sub(before) / count,
    };
    println!("{side}");
    runtime.shutdown_background();
    Ok(())
}
