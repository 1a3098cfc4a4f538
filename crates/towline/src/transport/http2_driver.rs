//! The task of an HTTP/2 connection: it moves frames and checks that the peer is alive.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::client::Connection;
use h2::{Ping, PingPong};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep_until};

use super::config::Http2Config;
use super::socket::Socket;

/// Runs until the connection has closed or has not answered a PING in time. Ends once nothing holds the
/// connection and its last stream is done.
pub(super) struct Driver {
    connection: Connection<Socket, Bytes>,
    ping: Option<PingPong>,
    awaiting: Awaiting,
    timer: Option<Pin<Box<Sleep>>>,
    interval: Option<Duration>,
    timeout: Duration,
    has_settings: watch::Sender<bool>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Awaiting {
    /// The answer to a PING; until the timer ends.
    Pong,
    /// Time for the next PING; without a timer, never.
    NextPing,
}

impl Driver {
    /// `has_settings` turns true when the settings have arrived.
    pub(super) fn new(
        mut connection: Connection<Socket, Bytes>,
        has_settings: watch::Sender<bool>,
        config: &Http2Config,
    ) -> Self {
        // The server's settings arrive before its first PONG, so the first PING waits for both.
        let mut ping = connection.ping_pong();
        let sent = ping.as_mut().is_some_and(|ping| ping.send_ping(Ping::opaque()).is_ok());
        let mut driver = Self {
            connection,
            ping: ping.filter(|_| sent),
            awaiting: Awaiting::Pong,
            timer: None,
            interval: config.ping_interval,
            timeout: config.ping_timeout,
            has_settings,
        };
        if driver.interval.is_some() {
            driver.arm(driver.timeout);
        }
        driver
    }

    /// # Cancel safety
    ///
    /// Dropping the future closes the connection and all its streams.
    pub(super) async fn run(mut self) {
        poll_fn(|cx| self.poll(cx)).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            // Each stream reports the error, so it is ignored here.
            if Pin::new(&mut self.connection).poll(cx).is_ready() {
                return Poll::Ready(());
            }
            let Some(ping) = &mut self.ping else { return Poll::Pending };
            match self.awaiting {
                Awaiting::Pong => match ping.poll_pong(cx) {
                    Poll::Ready(Ok(_)) => {
                        self.has_settings.send_replace(true);
                        self.awaiting = Awaiting::NextPing;
                        match self.interval {
                            Some(interval) => self.arm(interval),
                            None => self.timer = None,
                        }
                    }
                    // The connection is closing and reports that itself.
                    Poll::Ready(Err(_)) => return Poll::Pending,
                    Poll::Pending if self.timer_ended(cx) => return Poll::Ready(()),
                    Poll::Pending => return Poll::Pending,
                },
                Awaiting::NextPing => {
                    if !self.timer_ended(cx) {
                        return Poll::Pending;
                    }
                    let sent = self.ping.as_mut().is_some_and(|ping| ping.send_ping(Ping::opaque()).is_ok());
                    if !sent {
                        self.ping = None;
                        return Poll::Pending;
                    }
                    self.awaiting = Awaiting::Pong;
                    self.arm(self.timeout);
                }
            }
        }
    }

    fn arm(&mut self, after: Duration) {
        let at = Instant::now() + after;
        match &mut self.timer {
            Some(timer) => timer.as_mut().reset(at),
            empty @ None => *empty = Some(Box::pin(sleep_until(at))),
        }
    }

    fn timer_ended(&mut self, cx: &mut Context<'_>) -> bool {
        self.timer.as_mut().is_some_and(|timer| timer.as_mut().poll(cx).is_ready())
    }
}
