//! Runs scripts on one connection.
//!
//! There are two threads: this one plays the script and is the only writer; a second one only reads, so that
//! a close by the peer is seen at once, whatever the script is doing.

use std::{
    io,
    net::Shutdown,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use crate::{
    http::{self, Request},
    ledger::{CloseKind, Interrupted, Ledger},
    proxy,
    script::{Framing, Pace, Script, Step},
    server::Choice,
    socket::Socket,
};

/// Maximum size of one read from the socket, in bytes.
const READ_BYTES: usize = 64 * 1024;

/// The script is over, and its connection should end this way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    Close,
    Reset,
}

impl From<Interrupted> for Over {
    fn from(_: Interrupted) -> Over {
        Over::Close
    }
}

/// The playing side of one connection.
pub(crate) struct Player {
    id: usize,
    ledger: Arc<Ledger>,
    writer: Writer,
    /// Received and not yet parsed.
    unread: Vec<u8>,
    /// A request that was read to choose a script, and that no script has taken yet.
    chosen_by: Option<Request>,
    /// The request the script read last.
    pub(crate) last: Option<Request>,
}

/// The sending side of one connection.
#[derive(Clone)]
pub(crate) struct Writer {
    id: usize,
    ledger: Arc<Ledger>,
    socket: Arc<Socket>,
    sent: Arc<AtomicU64>,
}

/// Plays a connection from its first step to its close.
pub(crate) fn play(id: usize, socket: Arc<Socket>, ledger: Arc<Ledger>, choice: Choice) {
    let deaf = choice.is_deaf();
    let sent = Arc::clone(&ledger.lock().connections[id].sent);
    let reader = (!deaf).then(|| spawn_reader(id, Arc::clone(&socket), Arc::clone(&ledger)));
    let writer = Writer { id, ledger: Arc::clone(&ledger), socket: Arc::clone(&socket), sent };
    let (unread, chosen_by, last) = (Vec::new(), None, None);
    let over = Player { id, ledger: Arc::clone(&ledger), writer, unread, chosen_by, last }.play(&choice);

    ledger.ending(id);
    match over {
        // Stops the reader without sending a packet, so that the close below sends the RST.
        Over::Reset => {
            socket.reset_on_close();
            socket.shutdown(Shutdown::Read);
        }
        Over::Close => socket.shutdown(Shutdown::Both),
    }
    if let Some(reader) = reader {
        let _panicked = reader.join();
    }
    drop(socket);
    ledger.over(id);
}

fn spawn_reader(id: usize, socket: Arc<Socket>, ledger: Arc<Ledger>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut buffer = vec![0; READ_BYTES];
        let kind = loop {
            match socket.read(&mut buffer) {
                Ok(0) => break CloseKind::Fin,
                Ok(length) => ledger.received(id, &buffer[..length]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break CloseKind::Reset,
            }
        };
        ledger.peer_closed(id, kind);
    })
}

impl Player {
    fn play(mut self, choice: &Choice) -> Over {
        loop {
            let played = match choice {
                Choice::Script(script) => self.run(script),
                Choice::ByRequest(choose) => self.choose(choose.as_ref()),
            };
            match played {
                Err(over) => return over,
                Ok(()) if choice.repeats() => {}
                Ok(()) => return Over::Close,
            }
        }
    }

    fn choose(&mut self, choose: &(dyn Fn(&Request) -> Script + Send + Sync)) -> Result<(), Over> {
        let request = self.read_request(true)?;
        let script = choose(&request);
        self.chosen_by = Some(request);
        self.run(&script)?;
        // A script that did not read its request still answered it.
        self.chosen_by = None;
        Ok(())
    }

    fn run(&mut self, script: &Script) -> Result<(), Over> {
        script.steps.iter().try_for_each(|step| self.step(step))
    }

    fn step(&mut self, step: &Step) -> Result<(), Over> {
        match step {
            Step::ReadRequest | Step::ReadHead => {
                let request = match self.chosen_by.take() {
                    Some(request) => request,
                    None => self.read_request(matches!(step, Step::ReadRequest))?,
                };
                self.last = Some(request);
                Ok(())
            }
            Step::Send(bytes) => self.writer.write(bytes),
            Step::Chunk(bytes) => self.writer.write(&http::chunk(bytes)),
            Step::EndChunks => self.writer.write(http::LAST_CHUNK),
            Step::Wait(gate) => Ok(self.ledger.pass(self.id, gate)?),
            Step::Stall => Err(self.ledger.pause(self.id, None).into()),
            Step::Pieces { pieces, framing, pace } => self.pieces(pieces, *framing, pace),
            Step::Flood { piece, total_bytes } => {
                let end = self.writer.sent.load(Ordering::Relaxed) + total_bytes;
                while self.writer.sent.load(Ordering::Relaxed) < end {
                    self.writer.write(piece)?;
                }
                Ok(())
            }
            Step::Forever(piece) => loop {
                self.writer.write(piece)?;
            },
            Step::HalfClose => {
                self.writer.socket.shutdown(Shutdown::Write);
                Ok(())
            }
            Step::Close => Err(Over::Close),
            Step::Reset => Err(Over::Reset),
            Step::Tunnel(to) => Err(proxy::tunnel(self, *to)),
            Step::Forward(to) => Err(proxy::forward(self, *to)),
        }
    }

    fn pieces(&mut self, pieces: &[Vec<u8>], framing: Framing, pace: &Pace) -> Result<(), Over> {
        let first_at = Instant::now();
        for (nth, piece) in (0..).zip(pieces) {
            match pace {
                Pace::FlatOut => {}
                Pace::Gate(gate) => self.ledger.pass(self.id, gate)?,
                Pace::Every(interval) => match self.ledger.pause(self.id, Some(first_at + *interval * nth)) {
                    Interrupted::Elapsed => {}
                    gone @ (Interrupted::PeerClosed | Interrupted::Stopping) => return Err(gone.into()),
                },
            }
            match framing {
                Framing::Raw => self.writer.write(piece)?,
                Framing::Chunked => self.writer.write(&http::chunk(piece))?,
            }
        }
        Ok(())
    }

    pub(crate) fn writer(&self) -> &Writer {
        &self.writer
    }

    /// Bytes from the peer after the parsed ones.
    pub(crate) fn receive(&mut self) -> Result<Vec<u8>, Over> {
        if self.unread.is_empty() {
            return Ok(self.ledger.take_received(self.id)?);
        }
        Ok(std::mem::take(&mut self.unread))
    }

    fn read_request(&mut self, with_body: bool) -> Result<Request, Over> {
        let head = self.read_until(b"\r\n\r\n")?;
        let mut request = Request::from_head(head).ok_or(Over::Close)?;
        if with_body {
            request.body = match request.is_chunked() {
                true => self.read_chunks()?,
                false => self.read_exactly(request.content_length())?,
            };
        }
        request.connection = self.id;
        request.at = Instant::now();
        Ok(self.ledger.record(request))
    }

    fn read_chunks(&mut self) -> Result<Vec<u8>, Over> {
        let mut body = Vec::new();
        loop {
            let line = self.read_until(b"\r\n")?;
            let digits = String::from_utf8_lossy(&line);
            let digits = digits.split(';').next().unwrap_or_default().trim();
            let length = usize::from_str_radix(digits, 16).map_err(|_| Over::Close)?;
            if length == 0 {
                break;
            }
            body.append(&mut self.read_exactly(length)?);
            self.read_until(b"\r\n")?;
        }
        // Trailers, up to the empty line.
        while self.read_until(b"\r\n")?.len() > 2 {}
        Ok(body)
    }

    fn read_exactly(&mut self, length: usize) -> Result<Vec<u8>, Over> {
        while self.unread.len() < length {
            let more = self.ledger.take_received(self.id)?;
            self.unread.extend_from_slice(&more);
        }
        let after = self.unread.split_off(length);
        Ok(std::mem::replace(&mut self.unread, after))
    }

    /// Reads up to and including `end`.
    fn read_until(&mut self, end: &[u8]) -> Result<Vec<u8>, Over> {
        loop {
            if let Some(at) = self.unread.windows(end.len()).position(|window| window == end) {
                return self.read_exactly(at + end.len());
            }
            let more = self.ledger.take_received(self.id)?;
            self.unread.extend_from_slice(&more);
        }
    }
}

impl Writer {
    /// Writes all bytes, counting those that the kernel accepted; an error means that the peer is gone.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<(), Over> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.socket.write(rest) {
                Ok(length) => {
                    self.sent.fetch_add(length as u64, Ordering::Relaxed);
                    rest = &rest[length..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    // The reader may see it later than this thread closes.
                    self.ledger.peer_closed(self.id, CloseKind::Reset);
                    return Err(Over::Close);
                }
            }
        }
        Ok(())
    }

    /// Ends every wait of the script: the connection is about to be closed from this side.
    pub(crate) fn end(&self) {
        self.ledger.ending(self.id);
    }
}
