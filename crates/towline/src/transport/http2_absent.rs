//! In the place of `http2.rs` where the feature `http2` is off: no value of these types exists.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::watch;
use towline_core::endpoint::Endpoint;
use towline_core::http1::{HeadLimits, Headers};

use super::body::Read;
use super::config::Http2Config;
use super::error::{ErrorKind, Sent, TransportError};
use super::pool::Origin;
use super::request::Request;
use super::socket::Socket;

#[derive(Debug, Clone)]
pub(super) struct Http2(Infallible);

#[derive(Debug)]
pub(super) struct StreamSlot(Infallible);

pub(super) struct Http2Exchange(Infallible);

#[derive(Debug)]
pub(super) struct Http2Body(Infallible);

impl Http2 {
    /// # Errors
    ///
    /// Always.
    pub(super) async fn open(
        _: Socket,
        _: &Http2Config,
        _: HeadLimits,
        endpoint: &Endpoint,
    ) -> Result<Self, TransportError> {
        let kind = ErrorKind::Config(
            "HTTP/2 was requested, but this build does not include it (feature http2)".into(),
        );
        Err(TransportError::new(kind, Sent::Nothing, endpoint))
    }

    pub(super) fn is_open(&mut self) -> bool {
        match self.0 {}
    }

    pub(super) fn is_idle(&self) -> bool {
        match self.0 {}
    }

    pub(super) fn streams(&self) -> usize {
        match self.0 {}
    }

    pub(super) fn slot(&self) -> Option<StreamSlot> {
        match self.0 {}
    }

    pub(super) fn slot_beyond_preferred(&self) -> Option<StreamSlot> {
        match self.0 {}
    }

    pub(super) fn awaiting_settings(&self) -> Option<watch::Receiver<bool>> {
        match self.0 {}
    }
}

impl Http2Exchange {
    pub(super) fn new(
        connection: Http2,
        _: StreamSlot,
        _: Arc<Origin>,
        _: &Endpoint,
        _: Request,
        _: HeadLimits,
    ) -> Result<Self, TransportError> {
        match connection.0 {}
    }

    pub(super) fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<Result<(u16, Headers, Http2Body), TransportError>> {
        match self.0 {}
    }
}

impl Http2Body {
    pub(super) fn trailers(&self) -> &Headers {
        match self.0 {}
    }

    pub(super) fn origin(&self) -> &Arc<Origin> {
        match self.0 {}
    }

    pub(super) fn poll_read(
        &mut self,
        _: &mut Context<'_>,
        _: &mut Vec<u8>,
    ) -> Poll<Result<Read, TransportError>> {
        match self.0 {}
    }
}
