//! Streams over HTTP/2, frame by frame.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::RecvStream;
use h2::client::SendRequest;
use tokio::net::TcpStream;

use crate::Failure;
use crate::latency::body;

/// What one stream may send and is not read yet, in bytes.
const STREAM_WINDOW_BYTES: u32 = 64 << 10;
/// What all may: never the bound.
const CONNECTION_WINDOW_BYTES: u32 = (1 << 31) - 1;

/// A connection. It lives as long as its requests.
#[derive(Clone)]
pub(crate) struct Connection {
    requests: SendRequest<Bytes>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self, Failure> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        let mut builder = h2::client::Builder::new();
        builder
            .initial_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
        let (requests, connection) = builder.handshake(socket).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                eprintln!("a connection broke: {error}");
            }
        });
        Ok(Self { requests })
    }

    /// A chat's body.
    pub(crate) async fn chat(&self, model: &str) -> Result<RecvStream, Failure> {
        let uri = "http://localhost/api/chat";
        let request = http::Request::post(uri).header("content-type", "application/json").body(())?;
        let mut requests = self.requests.clone().ready().await?;
        let (response, mut send) = requests.send_request(request, false)?;
        send.send_data(body(model).into(), true)?;
        let response = response.await?;
        if response.status() != 200 {
            return Err(format!("status {}", response.status()).into());
        }
        Ok(response.into_body())
    }
}
