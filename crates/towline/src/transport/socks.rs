//! The client side of SOCKS 5 (RFC 1928, and RFC 1929 for user and password). The proxy resolves names.

use std::io;
use std::net::IpAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use towline_core::endpoint::{Credentials, Endpoint};

const VERSION: u8 = 5;
const NO_LOGIN: u8 = 0;
const PASSWORD: u8 = 2;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// Asks the proxy to connect. The error text follows the proxy's address in a message.
///
/// # Cancel safety
///
/// If the future is dropped, the stream is unusable.
pub(super) async fn connect(
    stream: &mut TcpStream,
    endpoint: &Endpoint,
    credentials: Option<&Credentials>,
) -> Result<(), String> {
    let lost = |error: io::Error| format!("closed the connection: {error}");
    let method = if credentials.is_some() { PASSWORD } else { NO_LOGIN };
    stream.write_all(&[VERSION, 1, method]).await.map_err(lost)?;
    let mut answer = [0; 2];
    stream.read_exact(&mut answer).await.map_err(lost)?;
    match (answer, credentials) {
        ([VERSION, NO_LOGIN], None) => {}
        ([VERSION, PASSWORD], Some(credentials)) => {
            let mut login = vec![1];
            push(&mut login, credentials.user()).ok_or("accepts no user name longer than 255 bytes")?;
            push(&mut login, credentials.password()).ok_or("accepts no password longer than 255 bytes")?;
            stream.write_all(&login).await.map_err(lost)?;
            stream.read_exact(&mut answer).await.map_err(lost)?;
            if answer[1] != 0 {
                return Err("rejected the user or the password".into());
            }
        }
        ([VERSION, _], None) => return Err("requires a user and a password".into()),
        ([VERSION, _], Some(_)) => return Err("accepts no user and password".into()),
        _ => return Err("does not speak SOCKS 5".into()),
    }

    let mut request = vec![VERSION, CONNECT, 0];
    match endpoint.address().parse() {
        Ok(IpAddr::V4(address)) => request.extend([&[IPV4][..], &address.octets()].concat()),
        Ok(IpAddr::V6(address)) => request.extend([&[IPV6][..], &address.octets()].concat()),
        Err(_) => {
            request.push(NAME);
            push(&mut request, &endpoint.host).ok_or("accepts no host name longer than 255 bytes")?;
        }
    }
    request.extend(endpoint.port.to_be_bytes());
    stream.write_all(&request).await.map_err(lost)?;
    let mut head = [0; 4];
    stream.read_exact(&mut head).await.map_err(lost)?;
    let [version, reply, _, kind] = head;
    if version != VERSION {
        return Err("does not speak SOCKS 5".into());
    }
    if reply != 0 {
        return Err(format!("did not connect: {}", refusal(reply)));
    }
    // The address and port from which the proxy connects, which are not needed.
    let address_bytes = match kind {
        IPV4 => 4,
        IPV6 => 16,
        NAME => usize::from(stream.read_u8().await.map_err(lost)?),
        _ => return Err("does not speak SOCKS 5".into()),
    };
    stream.read_exact(&mut vec![0; address_bytes + 2]).await.map_err(lost)?;
    Ok(())
}

/// Appends a text, preceded by its length.
fn push(message: &mut Vec<u8>, text: &str) -> Option<()> {
    message.push(u8::try_from(text.len()).ok()?);
    message.extend_from_slice(text.as_bytes());
    Some(())
}

/// RFC 1928, section 6.
fn refusal(reply: u8) -> &'static str {
    match reply {
        1 => "it failed",
        2 => "its rules do not allow it",
        3 => "the network cannot be reached",
        4 => "the host cannot be reached",
        5 => "the connection was refused",
        6 => "it timed out",
        7 => "it does not know the command",
        8 => "it does not know this kind of address",
        _ => "for a reason that it does not give",
    }
}
