//! A server of paced and flat-out streams over HTTP/2 without TLS, in a process of its own: what
//! `towline_testkit::paced` is over HTTP/1.1, one DATA frame a record.

use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{RecvStream, SendStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use towline_testkit::http::line;
use towline_testkit::records::ollama;

use crate::measure::runtime;
use crate::peer;

/// The argument that starts it.
pub(crate) const ROLE: &str = "serve-http2";

/// The peer's own process: serves until its input ends.
pub(crate) fn serve() {
    let runtime = runtime();
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listener = runtime.block_on(TcpListener::bind(any)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || runtime.block_on(accept(listener)));
    peer::stay(address);
}

async fn accept(listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        socket.set_nodelay(true).unwrap();
        connections.spawn(connection(socket));
    }
}

async fn connection(socket: TcpStream) {
    let mut connection = Builder::new().max_concurrent_streams(u32::MAX).handshake(socket).await.unwrap();
    let mut streams = JoinSet::new();
    while let Some(Ok((request, reply))) = connection.accept().await {
        streams.spawn(answer(request, reply));
    }
}

/// `None` if the client is gone.
async fn answer(request: http::Request<RecvStream>, mut reply: SendResponse<Bytes>) -> Option<()> {
    let mut body = request.into_body();
    let mut received = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.ok()?;
        body.flow_control().release_capacity(data.len()).ok()?;
        received.extend_from_slice(&data);
    }
    let request: serde_json::Value = serde_json::from_slice(&received).unwrap();
    let model: Vec<&str> = request["model"].as_str().unwrap().split(':').collect();
    let (rate, records) = match model[..] {
        ["flat", records] => (None, records),
        ["paced" | "stamped", rate, records] => (Some(rate), records),
        _ => panic!("{model:?} is not known"),
    };
    let interval = rate.map(|rate| Duration::from_secs_f64(1.0 / rate.parse::<f64>().unwrap()));
    let records: u64 = records.parse().unwrap();
    let mut stream = reply.send_response(http::Response::new(()), false).ok()?;
    let record = Bytes::from(line(ollama::chat_text(" river")));
    let mut next = Instant::now();
    for _ in 0..records {
        if let Some(interval) = interval {
            sleep_until(next).await;
            next += interval;
        }
        let record = if model[0] == "stamped" { stamped() } else { record.clone() };
        send(&mut stream, record).await?;
    }
    send(&mut stream, line(ollama::chat_done("stop", records)).into()).await?;
    stream.send_data(Bytes::new(), true).ok()
}

/// A record whose text is this moment, in nanoseconds since 1970.
fn stamped() -> Bytes {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    line(ollama::chat_text(&format!("{now} "))).into()
}

/// One DATA frame, or two where the window ends.
async fn send(stream: &mut SendStream<Bytes>, mut bytes: Bytes) -> Option<()> {
    while !bytes.is_empty() {
        stream.reserve_capacity(bytes.len());
        while stream.capacity() == 0 {
            std::future::poll_fn(|cx| stream.poll_capacity(cx)).await?.ok()?;
        }
        let part = bytes.split_to(bytes.len().min(stream.capacity()));
        stream.send_data(part, false).ok()?;
    }
    Some(())
}
