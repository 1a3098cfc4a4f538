//! A pointer on an X11 display, by the few words of the protocol that it takes.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;

const MOTION: u8 = 6;
const PRESS: u8 = 4;
const RELEASE: u8 = 5;

/// A connection to a display that lets its pointer be moved (the extension XTEST).
#[derive(Debug)]
pub(crate) struct Pointer {
    stream: UnixStream,
    xtest: u8,
}

impl Pointer {
    /// The pointer of a display on this machine.
    pub(crate) fn connect(display: u32) -> io::Result<Self> {
        let mut stream = UnixStream::connect(format!("/tmp/.X11-unix/X{display}"))?;
        // Little-endian, protocol 11.0, nothing to prove who asks.
        stream.write_all(&[b'l', 0, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0])?;
        let mut head = [0; 8];
        stream.read_exact(&mut head)?;
        let mut rest = vec![0; 4 * usize::from(u16::from_le_bytes([head[6], head[7]]))];
        stream.read_exact(&mut rest)?;
        if head[0] != 1 {
            return Err(io::Error::other("the display refuses the connection"));
        }
        // QueryExtension.
        let mut query = vec![98, 0, 4, 0, 5, 0, 0, 0];
        query.extend(b"XTEST\0\0\0");
        stream.write_all(&query)?;
        let mut reply = [0; 32];
        stream.read_exact(&mut reply)?;
        if reply[0] != 1 || reply[8] != 1 {
            return Err(io::Error::other("the display has no XTEST"));
        }
        Ok(Self { stream, xtest: reply[9] })
    }

    /// Moves to a place and presses the first button.
    pub(crate) fn press(&mut self, x: i16, y: i16) -> io::Result<()> {
        self.fake(MOTION, 0, x, y)?;
        self.fake(PRESS, 1, 0, 0)
    }

    /// Releases the button.
    pub(crate) fn release(&mut self) -> io::Result<()> {
        self.fake(RELEASE, 1, 0, 0)
    }

    /// FakeInput.
    fn fake(&mut self, kind: u8, button: u8, x: i16, y: i16) -> io::Result<()> {
        let mut request = [0; 36];
        request[..4].copy_from_slice(&[self.xtest, 2, 9, 0]);
        (request[4], request[5]) = (kind, button);
        request[24..26].copy_from_slice(&x.to_le_bytes());
        request[26..28].copy_from_slice(&y.to_le_bytes());
        self.stream.write_all(&request)
    }
}
