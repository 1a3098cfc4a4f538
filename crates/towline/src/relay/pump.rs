//! The task that fetches a log into its reader's queue, with as many reconnects as needed.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use towline_core::error::{Error, ErrorKind, Fault};
use towline_core::http1::Method;
use towline_core::span::Span;

use super::backoff::Backoff;
use super::tail::{Follow, Queue};
use super::wire::{CLOSED, LAGGED, NEXT_OFFSET, Position, StreamId, UP_TO_DATE, odd};
use crate::failure;
use crate::handle::Client;
use crate::transport::{Read, RequestBody, Response};
use crate::via::Reconnect;

/// How long the relay may take to connect, and to respond, if the client's timeouts have no limit.
const HEAD_TIME: Duration = Duration::from_secs(10);

pub(super) struct Pump {
    client: Client,
    id: StreamId,
    /// The next byte to fetch.
    at: Position,
    follow: Follow,
    queue: Arc<Queue>,
    backoff: Backoff,
}

/// How a connection, or an attempt to connect, ended.
enum Ended {
    /// The log was read to its end.
    Closed,
    /// The response ended properly, with more to come.
    More,
    /// The reader does not keep up.
    Full,
    /// The connection was cut, refused or silent.
    Lost(Error),
    /// A retry would not help.
    Refused(Error),
}

impl Pump {
    pub(super) fn new(
        client: Client,
        reconnect: Reconnect,
        id: StreamId,
        at: Position,
        follow: Follow,
        queue: Arc<Queue>,
    ) -> Self {
        Self { client, id, at, follow, queue, backoff: Backoff::new(reconnect) }
    }

    pub(super) async fn run(mut self) {
        let end = self.fetch_all().await;
        self.queue.end(end);
    }

    async fn fetch_all(&mut self) -> Result<(), Error> {
        loop {
            let error = match self.fetch().await {
                Ended::Closed => return Ok(()),
                Ended::Refused(error) => return Err(error),
                Ended::More => continue,
                Ended::Full => {
                    self.queue.until_read().await;
                    self.backoff.reached();
                    continue;
                }
                Ended::Lost(error) => error,
            };
            self.queue.lost();
            self.backoff.wait(error).await?;
        }
    }

    /// Fetches the bytes that one connection delivers.
    async fn fetch(&mut self) -> Ended {
        // Boxed, because a stream spends most of its life in the read and not here.
        let response = match Box::pin(self.ask()).await {
            Ok(response) => response,
            Err(ended) => return ended,
        };
        self.backoff.reached();
        self.queue.connected();
        self.read(response).await
    }

    async fn ask(&mut self) -> Result<Response, Ended> {
        let limit = self.client.config().timeouts.connect.unwrap_or(HEAD_TIME);
        let asking = async {
            let connection = self.client.connect().await?;
            let live = match self.follow {
                Follow::Live => "&live=raw",
                Follow::Snapshot => "",
            };
            let path = format!("/streams/{}?offset={}{live}", self.id.as_str(), self.at.offset());
            let request = self.client.request(Method::Get, &path, RequestBody::Empty, &[]);
            connection.send(request).await
        };
        let mut response = match tokio::time::timeout(limit, asking).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(self.no_answer(failure::error(&error))),
            Err(_) => {
                let message = format!("the relay did not answer within {}", Span(limit));
                let error = Error::new(ErrorKind::ConnectionLost, Fault::Transport, message);
                return Err(Ended::Lost(error.with_effect(true)));
            }
        };
        if response.status != 200 {
            let body = self.client.read_error_body(&mut response.body).await;
            let error = Error::from_status(response.status, &body, failure::retry_after(&response.headers));
            let passing = matches!(response.status, 408 | 429 | 500..=599);
            return Err(if passing { Ended::Lost(error) } else { Ended::Refused(error) });
        }
        self.check_place(&response).map_err(Ended::Refused)?;
        Ok(response)
    }

    /// While a relay restarts, connections may break in any way, and a new one may succeed; only errors of
    /// the caller are final.
    fn no_answer(&self, error: Error) -> Ended {
        match error.fault {
            Fault::Caller => Ended::Refused(error),
            Fault::Server | Fault::Transport | Fault::Protocol => Ended::Lost(error),
        }
    }

    /// The body must begin exactly at the requested byte: anything else would be a silent gap or repetition.
    fn check_place(&mut self, response: &Response) -> Result<(), Error> {
        if self.follow == Follow::Snapshot {
            return Ok(());
        }
        let offset = response.headers.get(NEXT_OFFSET).unwrap_or_default();
        let Some(begins) = Position::parse(offset) else {
            return Err(odd(
                "this server is not a Towline relay: it does not say at which byte its answer begins",
            ));
        };
        if begins.byte != self.at.byte {
            let (wanted, got) = (self.at.byte, begins.byte);
            return Err(odd(format!(
                "the relay was asked for the stream from byte {wanted} and sent it from byte {got}"
            )));
        }
        self.at = begins;
        Ok(())
    }

    async fn read(&mut self, mut response: Response) -> Ended {
        let says = |name: &str| response.headers.get(name) == Some("true");
        let closed = says(CLOSED);
        let up_to_date = says(UP_TO_DATE);
        let next = response.headers.get(NEXT_OFFSET).and_then(Position::parse);
        let body = &mut response.body;
        let mut came = false;
        loop {
            let (count, read) = poll_fn(|cx| self.queue.poll_fill(cx, body)).await;
            self.at.byte += count as u64;
            if count > 0 {
                came = true;
                self.backoff.succeeded();
            }
            match read {
                Ok(Read::Bytes(_)) if self.queue.is_full() => return Ended::Full,
                Ok(Read::Bytes(_)) => {}
                Err(error) => return Ended::Lost(failure::error(&error)),
                Ok(Read::End) => break,
            }
        }
        let in_trailer = |name: &str| body.trailer(name) == Some("true");
        match self.follow {
            Follow::Snapshot if closed || up_to_date => Ended::Closed,
            Follow::Snapshot => match next.filter(|next| next.byte == self.at.byte && came) {
                Some(next) => {
                    self.at = next;
                    Ended::More
                }
                None => Ended::Refused(odd("the relay sent a part of the stream that does not fit")),
            },
            Follow::Live if closed || in_trailer(CLOSED) => Ended::Closed,
            Follow::Live if came || in_trailer(LAGGED) => Ended::More,
            Follow::Live => {
                let message = "the relay ended the connection without saying why";
                let error = Error::new(ErrorKind::ConnectionLost, Fault::Server, message).with_effect(true);
                Ended::Lost(error)
            }
        }
    }
}
