//! One request, up to the head of its response.
//!
//! These futures are written by hand, because an async function holds its arguments twice, and thousands of streams that
//! begin together hold one each.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use towline_core::endpoint::Endpoint;

use super::body::{ResponseBody, Wire};
use super::config::{MAX_REDIRECTS, RedirectPolicy};
use super::error::{ErrorKind, Sent, TransportError};
use super::http1::Http1Exchange;
use super::http2::Http2Exchange;
use super::inflate::Coding;
use super::pool::Origin;
use super::redirect;
use super::request::{Request, Response};
use super::{Connection, Exclusive, Transport};

/// RFC 9110, section 15.5.9.
const REQUEST_TIMEOUT: u16 = 408;

/// Sends a request and waits for its response: see [`Connection::send`].
pub(crate) struct Sending(Stage);

#[expect(clippy::large_enum_variant, reason = "the large one is the common one")]
enum Stage {
    /// Waiting for the first response.
    First { exchange: Exchange, asked: Option<ResendableRequest> },
    /// Boxed, so that the rare case does not enlarge the common one.
    Following(Pin<Box<dyn Future<Output = Result<Response, TransportError>> + Send>>),
}

impl Sending {
    pub(super) fn new(connection: Connection, request: Request) -> Self {
        let Connection { endpoint, origin, reused, link, transport } = connection;
        let again = request.without_stream();
        let exchange = Exchange::new(&transport, &endpoint, Arc::clone(&origin), link, request);
        let asked = Some(ResendableRequest { endpoint, origin, reused, transport, request: again });
        Self(Stage::First { exchange, asked })
    }
}

impl Future for Sending {
    type Output = Result<Response, TransportError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Stage::First { exchange, asked } = &mut self.0 {
            let (response, closes) = ready!(Pin::new(exchange).poll(cx))?;
            let is_final = response.status != REQUEST_TIMEOUT && !redirect::is_redirect(response.status);
            match asked.take().filter(|_| !is_final) {
                Some(asked) => self.0 = Stage::Following(Box::pin(asked.follow(response, closes))),
                None => return Poll::Ready(Ok(response)),
            }
        }
        match &mut self.0 {
            Stage::Following(following) => following.as_mut().poll(cx),
            Stage::First { .. } => Poll::Pending,
        }
    }
}

/// The request, for sending it again or elsewhere.
#[derive(Debug)]
struct ResendableRequest {
    endpoint: Arc<Endpoint>,
    origin: Arc<Origin>,
    reused: bool,
    transport: Transport,
    request: Request,
}

impl ResendableRequest {
    /// The response; after a redirect, that of the new target; and if the server was closing this connection,
    /// that of a new one.
    async fn follow(mut self, mut response: Response, mut closes: bool) -> Result<Response, TransportError> {
        let policy = self.transport.shared.config.redirects;
        let mut hops = 0;
        loop {
            if response.status == REQUEST_TIMEOUT && self.reused && closes && self.request.is_whole() {
                drop(response);
                self.reused = false;
                let link = self.transport.open(&self.endpoint, &self.origin).await?;
                (response, closes) = self.exchange(link).await?;
                continue;
            }
            if policy == RedirectPolicy::Never || !redirect::is_redirect(response.status) {
                return Ok(response);
            }
            let Some(location) = response.headers.get("location") else { return Ok(response) };
            if hops == MAX_REDIRECTS {
                let why = format!("more than {MAX_REDIRECTS} times");
                return Err(TransportError::new(ErrorKind::Redirect(why), Sent::Maybe, &self.endpoint));
            }
            hops += 1;
            let (path, status) = (self.endpoint.target(&self.request.path), response.status);
            let hop = redirect::follow(policy, &self.endpoint, &path, &self.request, status, location)
                .map_err(|why| TransportError::new(ErrorKind::Redirect(why), Sent::Maybe, &self.endpoint))?;
            drop(response);
            self.request = hop.request(self.request);
            let connection = self.transport.connect(&Arc::new(hop.endpoint)).await?;
            (self.endpoint, self.origin) = (connection.endpoint, connection.origin);
            self.reused = connection.reused;
            (response, closes) = self.exchange(connection.link).await?;
        }
    }

    fn exchange(&self, link: Exclusive) -> Exchange {
        let (origin, request) = (Arc::clone(&self.origin), self.request.without_stream());
        Exchange::new(&self.transport, &self.endpoint, origin, link, request)
    }
}

/// One request on one connection. The result is the response, and whether the server closes the connection after it.
#[expect(clippy::large_enum_variant, reason = "the large one is the common one")]
enum Exchange {
    Http1(Http1Exchange),
    Http2(Http2Exchange),
    /// The request cannot be sent.
    Refused(Option<TransportError>),
}

impl Exchange {
    fn new(
        transport: &Transport,
        endpoint: &Endpoint,
        origin: Arc<Origin>,
        link: Exclusive,
        request: Request,
    ) -> Self {
        if request.headers.contains("host") {
            let kind = ErrorKind::InvalidRequest(
                "the Host header is taken from the address and cannot be set".into(),
            );
            return Self::Refused(Some(TransportError::new(kind, Sent::Nothing, endpoint)));
        }
        let limits = transport.shared.config.limits;
        let begun = match link {
            Exclusive::Http1(link) => {
                let pool = Arc::clone(&transport.shared.pool);
                Http1Exchange::new(link, origin, pool, endpoint, request, limits).map(Self::Http1)
            }
            Exclusive::Http2(connection, slot) => {
                Http2Exchange::new(connection, slot, origin, endpoint, request, limits).map(Self::Http2)
            }
        };
        begun.unwrap_or_else(|error| Self::Refused(Some(error)))
    }
}

impl Future for Exchange {
    type Output = Result<(Response, bool), TransportError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (status, headers, wire, closes) = match &mut *self {
            Self::Http1(exchange) => {
                let (head, body) = ready!(exchange.poll(cx))?;
                (head.status, head.headers, Wire::Http1(body), !head.keep_alive)
            }
            Self::Http2(exchange) => {
                let (status, headers, body) = ready!(exchange.poll(cx))?;
                (status, headers, Wire::Http2(body), false)
            }
            Self::Refused(error) => {
                return error.take().map_or(Poll::Pending, |error| Poll::Ready(Err(error)));
            }
        };
        let inflate = match Coding::of(headers.get("content-encoding")) {
            Coding::Identity => None,
            Coding::Compressed(inflate) => Some(inflate),
            // For a refusal, the status is enough.
            Coding::Unknown if !(200..300).contains(&status) => None,
            Coding::Unknown => {
                let kind =
                    ErrorKind::Protocol("the body has a content encoding that was not requested".into());
                return Poll::Ready(Err(TransportError::new(kind, Sent::Maybe, &wire.origin().endpoint)));
            }
        };
        Poll::Ready(Ok((Response { status, headers, body: ResponseBody::new(wire, inflate) }, closes)))
    }
}
