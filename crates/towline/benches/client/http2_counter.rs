//! The least that a program on the h2 crate could do: read the body, count newlines.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use towline::client::Http2Config;

use crate::counter;

pub(crate) const H2_ALONE: &str = "h2 alone, counts newlines";

/// A connection with the windows of the client's, and a task that drives it.
pub(crate) async fn connect(address: SocketAddr) -> SendRequest<Bytes> {
    let config = Http2Config::default();
    let socket = counter::connect(address).await;
    let (requests, connection) = Builder::new()
        .initial_window_size(config.stream_window_bytes)
        .initial_connection_window_size(config.connection_window_bytes)
        .enable_push(false)
        .handshake(socket)
        .await
        .unwrap();
    #[expect(clippy::disallowed_methods, reason = "h2 needs a task a connection")]
    drop(tokio::spawn(async { connection.await.unwrap() }));
    requests
}

/// As many connections as the client opens for so many streams.
pub(crate) async fn connect_for(address: SocketAddr, streams: usize) -> Vec<SendRequest<Bytes>> {
    let config = Http2Config::default();
    let number = streams.div_ceil(config.max_streams_per_connection).min(config.max_connections);
    let mut connections = Vec::with_capacity(number);
    for _ in 0..number {
        connections.push(connect(address).await);
    }
    connections
}

/// Asks and reads to the end of the answer; its lines. Tells the caller what each DATA frame brought.
pub(crate) async fn count_with(
    connection: SendRequest<Bytes>,
    model: &str,
    mut read: impl FnMut(&[u8]),
) -> u64 {
    let head = http::Request::post("http://localhost/api/chat").body(()).unwrap();
    let (response, mut request) = connection.ready().await.unwrap().send_request(head, false).unwrap();
    request.send_data(counter::body(model).into(), true).unwrap();
    let mut body = response.await.unwrap().into_body();
    let mut newlines = 0;
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        read(&data);
        newlines += memchr::memchr_iter(b'\n', &data).count() as u64;
        body.flow_control().release_capacity(data.len()).unwrap();
    }
    newlines
}
