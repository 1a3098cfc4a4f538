//! A client that sees every byte: HTTP/1.1 over a plain socket, chunk by chunk.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

/// One connection.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self { stream: BufReader::new(TcpStream::connect(address).unwrap()) }
    }

    pub(crate) fn post(&mut self, path: &str, body: &str) -> Answer<'_> {
        self.send("POST", path, "Host: localhost\r\n", body)
    }

    pub(crate) fn get(&mut self, path: &str) -> Answer<'_> {
        self.send("GET", path, "Host: localhost\r\n", "")
    }

    /// Sends a request and reads the head of its answer.
    pub(crate) fn send(&mut self, method: &str, path: &str, headers: &str, body: &str) -> Answer<'_> {
        self.send_only(method, path, headers, body);
        Answer::read(&mut self.stream, method == "HEAD")
    }

    /// Sends a request and does not wait.
    pub(crate) fn send_only(&mut self, method: &str, path: &str, headers: &str, body: &str) {
        let length = body.len();
        let request = format!("{method} {path} HTTP/1.1\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
    }

    /// Sends bytes as they are.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).unwrap();
    }

    /// Whether any byte arrives within this time.
    pub(crate) fn has_answer_within(&mut self, time: std::time::Duration) -> bool {
        let stream = self.stream.get_ref();
        stream.set_read_timeout(Some(time)).unwrap();
        let came = stream.peek(&mut [0]).is_ok();
        stream.set_read_timeout(None).unwrap();
        came
    }

    pub(crate) fn answer(&mut self) -> Answer<'_> {
        Answer::read(&mut self.stream, false)
    }
}

/// An answer whose body is still to be read.
pub(crate) struct Answer<'a> {
    stream: &'a mut BufReader<TcpStream>,
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    body: Framing,
}

enum Framing {
    Chunked,
    Length(usize),
    Nothing,
}

impl<'a> Answer<'a> {
    fn read(stream: &'a mut BufReader<TcpStream>, headless: bool) -> Self {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).unwrap();
            let line = line.trim_end().to_owned();
            if line.is_empty() {
                break;
            }
            head.push(line);
        }
        let status = head.first().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
        let status = status.unwrap_or_else(|| panic!("not the head of an answer: {head:?}"));
        let headers: Vec<(String, String)> = head[1..]
            .iter()
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let mut answer = Self { stream, status, headers, body: Framing::Nothing };
        if !headless {
            answer.body = match (answer.header("transfer-encoding"), answer.header("content-length")) {
                (Some("chunked"), _) => Framing::Chunked,
                (_, Some(length)) => Framing::Length(length.parse().unwrap()),
                _ => Framing::Nothing,
            };
        }
        answer
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The next chunk; `None` at the end of the body.
    pub(crate) fn chunk(&mut self) -> Option<Vec<u8>> {
        self.try_chunk().unwrap()
    }

    fn try_chunk(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let length = match &mut self.body {
            Framing::Nothing => return Ok(None),
            Framing::Length(0) => return Ok(None),
            Framing::Length(length) => std::mem::take(length),
            Framing::Chunked => {
                let mut line = String::new();
                if self.stream.read_line(&mut line)? == 0 {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                usize::from_str_radix(line.trim_end(), 16).unwrap()
            }
        };
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes)?;
        if matches!(self.body, Framing::Chunked) {
            self.stream.read_exact(&mut [0; 2])?;
        }
        Ok((length > 0).then_some(bytes))
    }

    /// The next record, which must be one chunk.
    pub(crate) fn line(&mut self) -> Option<Value> {
        let chunk = self.chunk()?;
        assert_eq!(chunk.iter().position(|byte| *byte == b'\n'), Some(chunk.len() - 1));
        Some(serde_json::from_slice(&chunk).unwrap())
    }

    /// The whole body.
    pub(crate) fn text(mut self) -> String {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk() {
            body.extend(chunk);
        }
        String::from_utf8(body).unwrap()
    }

    pub(crate) fn json(self) -> Value {
        let text = self.text();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text:?}"))
    }

    /// Whether the connection is cut before the body ends.
    pub(crate) fn is_cut(&mut self) -> bool {
        loop {
            match self.try_chunk() {
                Ok(Some(_)) => {}
                Ok(None) => return false,
                Err(_) => return true,
            }
        }
    }
}

/// All records of an answer.
pub(crate) fn lines(mut answer: Answer<'_>) -> impl Iterator<Item = Value> {
    std::iter::from_fn(move || answer.line())
}
