//! The transport against real sockets.

mod authority;
mod body;
mod gzip;
mod http2;
mod proxy;
mod redirect;
mod reuse;
mod server;
mod tls;
mod upload;

use std::time::Duration;

use bytes::Bytes;
use towline_core::endpoint::Endpoint;
use towline_core::http1::Method;

use super::read_buffer::READ_BYTES;
use super::*;

/// A test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

fn transport() -> Transport {
    Transport::new(TransportConfig::default())
}

fn get() -> Request {
    Request::new(Method::Get, "/api/version")
}

fn post(body: impl Into<Bytes>) -> Request {
    Request { body: RequestBody::Bytes(body.into()), ..Request::new(Method::Post, "/api/chat") }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("the test hangs")
}

async fn connect(transport: &Transport, endpoint: &Endpoint) -> Result<Connection, TransportError> {
    transport.connect(&Arc::new(endpoint.clone())).await
}

async fn open(
    transport: &Transport,
    endpoint: &Endpoint,
    request: Request,
) -> Result<Response, TransportError> {
    within(async { connect(transport, endpoint).await?.send(request).await }).await
}

/// Reads to the end or to the error.
async fn read_all(body: &mut ResponseBody) -> (Vec<u8>, Result<(), TransportError>) {
    let mut out = Vec::new();
    loop {
        let before = out.len();
        match within(body.read(&mut out)).await {
            Ok(Read::Bytes(bytes)) => {
                assert!(bytes > 0 && bytes <= READ_BYTES && out.len() == before + bytes)
            }
            Ok(Read::End) => return (out, Ok(())),
            Err(error) => return (out, Err(error)),
        }
    }
}

/// Status and whole body.
async fn fetch(
    transport: &Transport,
    endpoint: &Endpoint,
    request: Request,
) -> Result<(u16, Vec<u8>), TransportError> {
    let mut response = open(transport, endpoint, request).await?;
    let (body, end) = read_all(&mut response.body).await;
    end.map(|()| (response.status, body))
}

/// For thousands of streams that begin together, these futures and the stream itself are most of the memory.
#[tokio::test]
async fn a_stream_and_what_it_waits_for_are_small() {
    let server = server::Server::answering(server::response(200, "", "x"));
    let (transport, endpoint) = (transport(), Arc::new(server.endpoint()));
    let origin = Arc::new(Origin::of(&endpoint));
    let at_most = |bytes: usize, limit: usize| assert!(bytes <= limit, "{bytes} bytes");
    at_most(size_of_val(&transport.open(&endpoint, &origin)), 640);
    let connecting = transport.connect(&endpoint);
    at_most(size_of_val(&connecting), 384);
    let connection = within(connecting).await.unwrap();
    at_most(size_of_val(&connection.send(post("{}"))), 512);
    at_most(size_of::<crate::Stream>(), 1536);
}
