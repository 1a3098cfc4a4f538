//! Thousands of paced or flat-out streams from one thread, for benches.
//!
//! A POST with one of these values of `model` gets an Ollama chat stream, one HTTP chunk per record:
//!
//! - `paced:RATE:N`: N records at RATE a second, then the terminal record.
//! - `stamped:RATE:N`: the same; each text is the moment of its write, in nanoseconds since the Unix epoch
//!   (19 digits and a space), so that a reader in another process can tell how long it took.
//! - `flat:N`: N records as fast as the socket takes them, from prebuilt buffers.
//! - `blocks:N`: the same in HTTP chunks of [`BLOCK_RECORDS`] records, about 60 KB.
//!
//! The first record is written at once. The second one follows after a part of the interval that differs from stream to
//! stream, because the models that answer at the same time do not write at the same moments.
//!
//! If the socket is full, a record is written when there is room; later ones follow at once.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use mio::{
    Events, Interest, Poll, Token, Waker,
    net::{TcpListener, TcpStream},
};

use crate::{
    http::{self, Request},
    records::ollama,
    script::Body,
};

const LISTENER: Token = Token(usize::MAX);
const STOP: Token = Token(usize::MAX - 1);
/// Records in one prebuilt buffer of a flat-out stream.
const FLAT_BATCH: usize = 256;
/// Records in one chunk of a stream in blocks.
pub const BLOCK_RECORDS: usize = 450;
const STAMP_DIGITS: usize = 19;

/// A server for benches. Dropping it closes everything.
#[derive(Debug)]
pub struct PacedServer {
    addr: SocketAddr,
    stop: Arc<Waker>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl PacedServer {
    /// Listens on a free loopback port.
    ///
    /// # Panics
    /// If no port is free.
    pub fn start() -> PacedServer {
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        PacedServer::listen(addr).unwrap_or_else(|error| panic!("cannot listen on {addr}: {error}"))
    }

    /// Listens on an address of the caller's choice.
    pub fn listen(addr: SocketAddr) -> io::Result<PacedServer> {
        let mut listener = TcpListener::from_std(listener_with_backlog(addr)?);
        let addr = listener.local_addr()?;
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let stop = Arc::new(Waker::new(poll.registry(), STOP)?);
        let serving = Serving {
            poll,
            listener,
            connections: Vec::new(),
            free: Vec::new(),
            accepted: 0,
            due: BinaryHeap::new(),
            buffers: Buffers::new(),
        };
        let thread = thread::spawn(move || serving.run());
        Ok(PacedServer { addr, stop, thread: Some(thread) })
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }
}

impl Drop for PacedServer {
    fn drop(&mut self) {
        let _already_over = self.stop.wake();
        if let Some(thread) = self.thread.take() {
            let _broken = thread.join();
        }
    }
}

/// With std's backlog of 128, thousands of connections would wait for a resent SYN.
fn listener_with_backlog(addr: SocketAddr) -> io::Result<std::net::TcpListener> {
    let domain = socket2::Domain::for_address(addr);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    socket.listen(4096)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// The one thread's state.
struct Serving {
    poll: Poll,
    listener: TcpListener,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    accepted: u64,
    /// The next write of each paced stream whose socket has room.
    due: BinaryHeap<Reverse<(Instant, usize, u64)>>,
    buffers: Buffers,
}

struct Connection {
    socket: TcpStream,
    /// Part of a request.
    received: Vec<u8>,
    /// Bytes that the socket has not accepted yet.
    unsent: Vec<u8>,
    stream: Option<Stream>,
    /// Distinguishes a connection from an earlier one in the same slot.
    serial: u64,
    /// Whether it is in the queue of due writes.
    queued: bool,
}

struct Stream {
    kind: Kind,
    left: usize,
    total: usize,
}

#[derive(Clone, Copy)]
enum Kind {
    Paced { interval: Duration, phase: Duration, next: Instant, stamped: bool },
    Flat,
    Blocks,
}

/// Prebuilt buffers for repeated writes.
struct Buffers {
    head: Vec<u8>,
    line: Vec<u8>,
    record: Vec<u8>,
    batch: Vec<u8>,
    block: Vec<u8>,
    stamped: Vec<u8>,
    stamp_at: usize,
}

impl Buffers {
    fn new() -> Buffers {
        let line = http::line(ollama::chat_text(" river"));
        let record = http::chunk(&line);
        let blank = "0".repeat(STAMP_DIGITS);
        let stamped = http::chunk(http::line(ollama::chat_text(&format!("{blank} "))));
        let stamp_at = stamped.windows(STAMP_DIGITS).position(|window| window == blank.as_bytes());
        Buffers {
            head: http::response_head(200, &[("Content-Type", http::NDJSON)], Body::Chunked),
            batch: record.repeat(FLAT_BATCH),
            block: http::chunk(line.repeat(BLOCK_RECORDS)),
            line,
            record,
            stamped,
            stamp_at: stamp_at.unwrap_or_default(),
        }
    }

    fn stamp(&mut self) -> &[u8] {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let digits = format!("{now:0STAMP_DIGITS$}");
        self.stamped[self.stamp_at..][..STAMP_DIGITS].copy_from_slice(&digits.as_bytes()[..STAMP_DIGITS]);
        &self.stamped
    }

    /// The terminal record and the end of the body.
    fn end(tokens: usize) -> Vec<u8> {
        let done = http::chunk(http::line(ollama::chat_done("stop", tokens as u64)));
        [&done, http::LAST_CHUNK].concat()
    }
}

impl Serving {
    fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(4096);
        loop {
            let wait = self.due.peek().map(|Reverse((at, ..))| at.saturating_duration_since(Instant::now()));
            match self.poll.poll(&mut events, wait) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                Err(_) | Ok(()) => {}
            }
            for event in &events {
                match event.token() {
                    STOP => return Ok(()),
                    LISTENER => self.accept(),
                    Token(place) => {
                        if event.is_readable() {
                            self.read(place);
                        }
                        if event.is_writable() {
                            self.advance(place);
                        }
                    }
                }
            }
            self.write_due();
        }
    }

    fn accept(&mut self) {
        while let Ok((mut socket, _)) = self.listener.accept() {
            let place = self.free.pop().unwrap_or_else(|| {
                self.connections.push(None);
                self.connections.len() - 1
            });
            let interest = Interest::READABLE | Interest::WRITABLE;
            let ready = socket.set_nodelay(true);
            if ready
                .and_then(|()| self.poll.registry().register(&mut socket, Token(place), interest))
                .is_err()
            {
                self.free.push(place);
                continue;
            }
            self.accepted += 1;
            let (received, unsent, serial) = (Vec::new(), Vec::new(), self.accepted);
            self.connections[place] =
                Some(Connection { socket, received, unsent, stream: None, serial, queued: false });
        }
    }

    fn close(&mut self, place: usize) {
        self.connections[place] = None;
        self.free.push(place);
    }

    /// Reads the available bytes; a complete request starts a stream.
    fn read(&mut self, place: usize) {
        let Some(connection) = &mut self.connections[place] else { return };
        let open = connection.read();
        let begun = open && self.begin(place).is_some();
        if !begun && self.connections[place].as_ref().is_some_and(|connection| !open || connection.is_lost())
        {
            self.close(place);
        }
    }

    /// Starts the requested stream, once the received bytes are a complete request.
    fn begin(&mut self, place: usize) -> Option<()> {
        let connection = self.connections[place].as_mut().filter(|connection| connection.stream.is_none())?;
        let end = connection.received.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let mut request = Request::from_head(connection.received[..end].to_vec())?;
        let body_end = end + request.content_length();
        request.body = connection.received.get(end..body_end)?.to_vec();
        connection.received.drain(..body_end);
        match stream_for(&request.model().unwrap_or_default(), connection.serial) {
            Some(stream) => {
                connection.unsent.extend_from_slice(&self.buffers.head);
                connection.stream = Some(stream);
            }
            None => {
                let head = http::response_head(404, &[], Body::Length(0));
                connection.unsent.extend_from_slice(&head);
            }
        }
        self.advance(place);
        Some(())
    }

    fn write_due(&mut self) {
        let now = Instant::now();
        while self.due.peek().is_some_and(|Reverse((at, ..))| *at <= now) {
            let Some(Reverse((_, place, serial))) = self.due.pop() else { return };
            if let Some(connection) = self.connections[place].as_mut().filter(|found| found.serial == serial)
            {
                connection.queued = false;
                self.advance(place);
            }
        }
    }

    /// Writes everything that is due. The next write is queued, once.
    fn advance(&mut self, place: usize) {
        let Some(connection) = &mut self.connections[place] else { return };
        match connection.advance(&mut self.buffers) {
            Ok(Some(next)) if !connection.queued => {
                connection.queued = true;
                self.due.push(Reverse((next, place, connection.serial)));
            }
            Ok(_) => {}
            Err(_) => self.close(place),
        }
    }
}

impl Connection {
    /// Reads the socket; false if the peer is gone.
    fn read(&mut self) -> bool {
        let mut buffer = [0; 4096];
        loop {
            match self.socket.read(&mut buffer) {
                Ok(0) => return false,
                Ok(length) => self.received.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
    }

    /// A longer request is not from our tests.
    fn is_lost(&self) -> bool {
        self.received.len() > 1 << 20
    }

    /// The time of the next write, unless the stream is over or its socket is full.
    fn advance(&mut self, buffers: &mut Buffers) -> io::Result<Option<Instant>> {
        loop {
            if !self.flush()? {
                return Ok(None);
            }
            let Some(stream) = &mut self.stream else { return Ok(None) };
            if stream.left == 0 {
                self.unsent = Buffers::end(stream.total);
                self.stream = None;
                continue;
            }
            match &mut stream.kind {
                Kind::Flat => {
                    let records = stream.left.min(FLAT_BATCH);
                    stream.left -= records;
                    let bytes = &buffers.batch[..records * buffers.record.len()];
                    write_or_keep(&mut self.socket, &mut self.unsent, bytes)?;
                }
                Kind::Blocks => {
                    let records = stream.left.min(BLOCK_RECORDS);
                    stream.left -= records;
                    if records == BLOCK_RECORDS {
                        write_or_keep(&mut self.socket, &mut self.unsent, &buffers.block)?;
                    } else {
                        let last = http::chunk(buffers.line.repeat(records));
                        write_or_keep(&mut self.socket, &mut self.unsent, &last)?;
                    }
                }
                Kind::Paced { interval, phase, next, stamped } => {
                    if *next > Instant::now() {
                        return Ok(Some(*next));
                    }
                    *next += if stream.left == stream.total { *phase } else { *interval };
                    stream.left -= 1;
                    let bytes = if *stamped { buffers.stamp() } else { &buffers.record };
                    write_or_keep(&mut self.socket, &mut self.unsent, bytes)?;
                }
            }
        }
    }

    /// Whether nothing is left unsent.
    fn flush(&mut self) -> io::Result<bool> {
        if !self.unsent.is_empty() {
            let bytes = std::mem::take(&mut self.unsent);
            write_or_keep(&mut self.socket, &mut self.unsent, &bytes)?;
        }
        Ok(self.unsent.is_empty())
    }
}

/// Writes bytes, and keeps those that the socket does not accept now.
fn write_or_keep(socket: &mut TcpStream, unsent: &mut Vec<u8>, bytes: &[u8]) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match socket.write(rest) {
            Ok(length) => rest = &rest[length..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                unsent.extend_from_slice(rest);
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn stream_for(model: &str, serial: u64) -> Option<Stream> {
    // Multiples of this number, modulo 1, are spread evenly, however many there are.
    const GOLDEN_RATIO: f64 = 0.618_034;

    let mut parts = model.split(':');
    let kind = match parts.next()? {
        "flat" => Kind::Flat,
        "blocks" => Kind::Blocks,
        name @ ("paced" | "stamped") => {
            let rate: f64 = parts.next()?.parse().ok()?;
            let interval = Duration::try_from_secs_f64(1.0 / rate).ok()?;
            let phase = interval.mul_f64((serial as f64 * GOLDEN_RATIO).fract());
            Kind::Paced { interval, phase, next: Instant::now(), stamped: name == "stamped" }
        }
        _ => return None,
    };
    let total = parts.next()?.parse().ok()?;
    Some(Stream { kind, left: total, total })
}
