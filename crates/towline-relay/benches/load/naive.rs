//! What the relay's buffering is compared with: a proxy that sends each read at once, or gathers for a fixed time.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::SendStream;
use h2::server::SendResponse;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::Failure;
use crate::latency::request;

/// Serves HTTP/2 in front of `server`. `window` is how long it gathers; `None` sends every record by itself.
pub(crate) async fn proxy(
    server: SocketAddr,
    model: String,
    window: Option<Duration>,
) -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let model = model.clone();
            tokio::spawn(async move {
                socket.set_nodelay(true)?;
                let mut connection = h2::server::handshake(socket).await?;
                while let Some(accepted) = connection.accept().await {
                    let (_, respond) = accepted?;
                    tokio::spawn(pass(server, model.clone(), respond, window));
                }
                Ok::<_, Failure>(())
            });
        }
    });
    Ok(address)
}

async fn pass(
    server: SocketAddr,
    model: String,
    mut respond: SendResponse<Bytes>,
    window: Option<Duration>,
) -> Result<(), Failure> {
    let mut socket = TcpStream::connect(server).await?;
    socket.write_all(request(&model, server).as_bytes()).await?;
    let mut to = respond.send_response(http::Response::new(()), false)?;
    let mut gathered = BytesMut::new();
    loop {
        let mut due = None;
        // Gathers until the window is over; without one each read goes by itself.
        loop {
            let read = socket.read_buf(&mut gathered);
            let read = match due {
                None => read.await?,
                Some(due) => match tokio::time::timeout_at(due, read).await {
                    Ok(read) => read?,
                    Err(_) => break,
                },
            };
            if read == 0 {
                to.send_data(gathered.freeze(), true)?;
                return Ok(());
            }
            let Some(window) = window else { break };
            due.get_or_insert_with(|| tokio::time::Instant::now() + window);
        }
        match window {
            Some(_) => send(&mut to, gathered.split().freeze()).await?,
            None => {
                for record in records(&mut gathered) {
                    send(&mut to, record).await?;
                }
            }
        }
    }
}

/// Takes the whole records out of the buffer, each with the chunk it came in.
fn records(gathered: &mut BytesMut) -> Vec<Bytes> {
    const END: &[u8] = b"\n\r\n";
    let mut records = Vec::new();
    while let Some(at) = gathered.windows(END.len()).position(|window| window == END) {
        records.push(gathered.split_to(at + END.len()).freeze());
    }
    records
}

/// Sends all of it, as the reader makes room.
async fn send(to: &mut SendStream<Bytes>, mut bytes: Bytes) -> Result<(), Failure> {
    while !bytes.is_empty() {
        to.reserve_capacity(bytes.len());
        while to.capacity() == 0 {
            std::future::poll_fn(|cx| to.poll_capacity(cx)).await.ok_or("the reader has left")??;
        }
        let length = to.capacity().min(bytes.len());
        to.send_data(bytes.split_to(length), false)?;
    }
    Ok(())
}
