//! HTTP/2 against h2's own server.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use super::authority::{Authority, https, tls_server};
use super::server::response;
use super::*;

type Serving = Pin<Box<dyn Future<Output = ()> + Send>>;
type Serve = Arc<dyn Fn(http::Request<RecvStream>, SendResponse<Bytes>) -> Serving + Send + Sync>;

/// Runs on a thread of its own, so that a busy test does not stall it.
struct Http2Server {
    port: u16,
    connections: Arc<AtomicUsize>,
}

impl Http2Server {
    fn start<F>(
        tls: Option<Arc<ServerConfig>>,
        max_streams: u32,
        serve: impl Fn(http::Request<RecvStream>, SendResponse<Bytes>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let accepted = Arc::clone(&connections);
        let serve: Serve = Arc::new(move |request, reply| Box::pin(serve(request, reply)));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        std::thread::spawn(move || {
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                let mut tasks = JoinSet::new();
                loop {
                    let stream = listener.accept().await.unwrap().0;
                    accepted.fetch_add(1, Ordering::SeqCst);
                    let (tls, serve) = (tls.clone(), Arc::clone(&serve));
                    tasks.spawn(async move {
                        match tls {
                            Some(tls) => {
                                let stream = TlsAcceptor::from(tls).accept(stream).await.unwrap();
                                run(stream, max_streams, serve).await;
                            }
                            None => run(stream, max_streams, serve).await,
                        }
                    });
                }
            });
        });
        Self { port, connections }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    fn plain(&self) -> Endpoint {
        Endpoint::http("127.0.0.1", self.port)
    }
}

async fn run(stream: impl AsyncRead + AsyncWrite + Unpin, max_streams: u32, serve: Serve) {
    let mut connection =
        h2::server::Builder::new().max_concurrent_streams(max_streams).handshake(stream).await.unwrap();
    let mut tasks = JoinSet::new();
    while let Some(Ok((request, reply))) = connection.accept().await {
        if request.uri().path() == "/goodbye" {
            connection.graceful_shutdown();
        }
        if request.uri().path() == "/cut" {
            return;
        }
        tasks.spawn(serve(request, reply));
    }
}

fn prior_knowledge() -> Transport {
    let http2 = Http2Config { policy: Http2Policy::PriorKnowledge, ..Http2Config::default() };
    Transport::new(TransportConfig { http2, ..TransportConfig::default() })
}

fn ok(reply: &mut SendResponse<Bytes>) -> SendStream<Bytes> {
    reply.send_response(http::Response::new(()), false).unwrap()
}

/// Answers with what came, and the request's header `x-a`.
async fn echo(request: http::Request<RecvStream>, mut reply: SendResponse<Bytes>) {
    let mut answer = request.headers().get("x-a").map(|value| value.as_bytes().to_vec()).unwrap_or_default();
    let mut body = request.into_body();
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        answer.extend_from_slice(&data);
    }
    ok(&mut reply).send_data(answer.into(), true).unwrap();
}

#[tokio::test]
async fn tls_chooses_http2_by_alpn_and_a_crowd_shares_one_connection() {
    let authority = Authority::new();
    let config = authority.server_config("localhost", &["h2", "http/1.1"]);
    let server = Http2Server::start(Some(config), 1000, echo);
    let (transport, endpoint) = (authority.transport(), Endpoint::https("localhost", server.port));
    let mut requests = JoinSet::new();
    for number in 0..50 {
        let (transport, endpoint) = (transport.clone(), endpoint.clone());
        requests.spawn(async move {
            let mut request = post(format!("body {number}"));
            request.headers.push("X-A", "header ");
            let answer = fetch(&transport, &endpoint, request).await.unwrap();
            assert_eq!(String::from_utf8(answer.1).unwrap(), format!("header body {number}"));
        });
    }
    while let Some(done) = requests.join_next().await {
        done.unwrap();
    }
    assert_eq!(server.connections(), 1);
    let connection = within(connect(&transport, &endpoint)).await.unwrap();
    assert!(matches!(connection.link, Exclusive::Http2(..)));
}

#[tokio::test]
async fn never_means_http1_even_where_http2_is_offered() {
    let authority = Authority::new();
    let server = tls_server(authority.server_config("localhost", &["h2", "http/1.1"]), |_, mut peer| {
        peer.request().unwrap();
        peer.send(response(200, "", "one"));
    });
    let config = TransportConfig {
        tls: authority.trusted(),
        http2: Http2Config { policy: Http2Policy::Never, ..Http2Config::default() },
        ..TransportConfig::default()
    };
    let endpoint = https(&server, "localhost");
    let answer = fetch(&Transport::new(config), &endpoint, get()).await;
    assert_eq!(answer.unwrap().1, b"one");
}

#[tokio::test]
async fn prior_knowledge_needs_no_tls_and_refuses_http1_with_it() {
    let server = Http2Server::start(None, 1000, echo);
    let transport = prior_knowledge();
    for _ in 0..3 {
        assert_eq!(fetch(&transport, &server.plain(), post("hello")).await.unwrap().1, b"hello");
    }
    assert_eq!(server.connections(), 1);

    let authority = Authority::new();
    let old = tls_server(authority.server_config("localhost", &["http/1.1"]), |_, mut peer| {
        peer.request();
    });
    let config = TransportConfig {
        tls: authority.trusted(),
        http2: Http2Config { policy: Http2Policy::PriorKnowledge, ..Http2Config::default() },
        ..TransportConfig::default()
    };
    let endpoint = https(&old, "localhost");
    let error = open(&Transport::new(config), &endpoint, get()).await.unwrap_err();
    assert!(error.to_string().contains("does not speak HTTP/2"), "{error}");
    assert_eq!(error.sent(), Sent::Nothing);
}

#[tokio::test]
async fn a_full_connection_is_joined_by_another() {
    let go = Arc::new(Notify::new());
    let wait = Arc::clone(&go);
    let server = Http2Server::start(None, 2, move |_, mut reply| {
        let wait = Arc::clone(&wait);
        async move {
            let mut body = ok(&mut reply);
            wait.notified().await;
            body.send_data("x".into(), true).unwrap();
        }
    });
    let transport = prior_knowledge();
    let mut bodies = Vec::new();
    for _ in 0..6 {
        bodies.push(open(&transport, &server.plain(), get()).await.unwrap().body);
    }
    assert_eq!(server.connections(), 3);
    for body in &mut bodies {
        go.notify_one();
        go.notify_waiters();
        within(body.read(&mut Vec::new())).await.unwrap();
        assert_eq!(within(body.read(&mut Vec::new())).await.unwrap(), Read::End);
    }
    // There is room again, so no fourth connection.
    go.notify_one();
    open(&transport, &server.plain(), get()).await.unwrap();
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn dropping_a_body_resets_its_stream_and_no_other() {
    let (gone, mut wait) = mpsc::channel(1);
    let server = Http2Server::start(None, 1000, move |request, mut reply| {
        let gone = gone.clone();
        async move {
            let path = request.uri().path().to_owned();
            let mut body = ok(&mut reply);
            body.send_data("first".into(), false).unwrap();
            let reason = std::future::poll_fn(|cx| body.poll_reset(cx)).await.unwrap();
            gone.send((path, reason)).await.unwrap();
        }
    });
    let transport = prior_knowledge();
    let mut kept = open(&transport, &server.plain(), Request::new(Method::Get, "/kept")).await.unwrap();
    let mut left = open(&transport, &server.plain(), Request::new(Method::Get, "/left")).await.unwrap();
    let mut out = Vec::new();
    within(left.body.read(&mut out)).await.unwrap();
    drop(left);
    assert_eq!(within(wait.recv()).await.unwrap(), ("/left".to_owned(), Reason::CANCEL));
    within(kept.body.read(&mut out)).await.unwrap();
    assert_eq!(out, b"firstfirst");
    drop(kept);
    assert_eq!(within(wait.recv()).await.unwrap().0, "/kept");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn stalled_streams_do_not_block_another() {
    const FLOOD_BYTES: usize = 1 << 20;
    let server = Http2Server::start(None, 1000, |_, mut reply| async move {
        let mut body = ok(&mut reply);
        body.send_data(vec![b'x'; FLOOD_BYTES].into(), true).unwrap();
        // Until the client has it all or is gone.
        drop(std::future::poll_fn(|cx| body.poll_reset(cx)).await);
    });
    let transport = prior_knowledge();
    let mut stalled = Vec::new();
    for _ in 0..100 {
        stalled.push(open(&transport, &server.plain(), get()).await.unwrap());
    }
    let answer = fetch(&transport, &server.plain(), get()).await.unwrap();
    assert_eq!(answer.1.len(), FLOOD_BYTES);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_refused_stream_was_not_processed_and_a_reset_one_may_have_been() {
    let seen = Arc::new(Notify::new());
    let wait = Arc::clone(&seen);
    let server = Http2Server::start(None, 1000, move |request, mut reply| {
        let wait = Arc::clone(&wait);
        async move {
            match request.uri().path() {
                "/refused" => reply.send_reset(Reason::REFUSED_STREAM),
                "/failed" => reply.send_reset(Reason::INTERNAL_ERROR),
                _ => {
                    let mut body = ok(&mut reply);
                    body.send_data("part".into(), false).unwrap();
                    wait.notified().await;
                    body.send_reset(Reason::INTERNAL_ERROR);
                }
            }
        }
    });
    let transport = prior_knowledge();
    for (path, sent) in [("/refused", Sent::Nothing), ("/failed", Sent::Maybe)] {
        let error = open(&transport, &server.plain(), Request::new(Method::Post, path)).await.unwrap_err();
        assert_eq!((error.kind(), error.sent()), (&ErrorKind::Reset, sent), "{path}");
    }
    let mut response = open(&transport, &server.plain(), get()).await.unwrap();
    within(response.body.read(&mut Vec::new())).await.unwrap();
    seen.notify_one();
    let (_, end) = read_all(&mut response.body).await;
    assert_eq!(end.unwrap_err().kind(), &ErrorKind::Reset);
}

#[tokio::test]
async fn a_cut_connection_leaves_its_streams_incomplete_and_is_replaced() {
    let server = Http2Server::start(None, 1000, |_, mut reply| async move {
        let mut body = ok(&mut reply);
        body.send_data("part".into(), false).unwrap();
        drop(std::future::poll_fn(|cx| body.poll_reset(cx)).await);
    });
    let transport = prior_knowledge();
    let mut response = open(&transport, &server.plain(), get()).await.unwrap();
    let mut out = Vec::new();
    within(response.body.read(&mut out)).await.unwrap();
    let error = open(&transport, &server.plain(), Request::new(Method::Get, "/cut")).await.unwrap_err();
    assert_eq!(error.sent(), Sent::Maybe);
    let (rest, end) = read_all(&mut response.body).await;
    assert!(rest.is_empty());
    let kind = end.unwrap_err().kind().clone();
    assert!(matches!(kind, ErrorKind::Incomplete | ErrorKind::Reset), "{kind:?}");
    open(&transport, &server.plain(), get()).await.unwrap();
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_connection_that_says_goodbye_finishes_its_streams_and_takes_no_more() {
    let server = Http2Server::start(None, 1000, echo);
    let transport = prior_knowledge();
    let bye = Request { body: RequestBody::Bytes("last".into()), ..Request::new(Method::Post, "/goodbye") };
    assert_eq!(fetch(&transport, &server.plain(), bye).await.unwrap().1, b"last");
    let answer = fetch(&transport, &server.plain(), post("next")).await;
    // The goodbye may still be on its way: then the next request says that it can be repeated.
    match answer {
        Ok(answer) => assert_eq!(answer.1, b"next"),
        Err(error) => assert_eq!(error.sent(), Sent::Nothing, "{error}"),
    }
}

#[tokio::test]
async fn a_streamed_body_arrives_whole_and_a_short_one_is_an_error() {
    const BODY_BYTES: usize = 300_000;
    let server = Http2Server::start(None, 1000, echo);
    let transport = prior_knowledge();
    let body: Vec<u8> = (0..BODY_BYTES).map(|at| at as u8).collect();
    let stream = |len_bytes: usize, bytes: Vec<u8>| Request {
        body: RequestBody::Stream {
            len_bytes: len_bytes as u64,
            reader: Box::pin(std::io::Cursor::new(bytes)),
        },
        ..Request::new(Method::Post, "/api/blobs/x")
    };
    let answer = fetch(&transport, &server.plain(), stream(BODY_BYTES, body.clone())).await.unwrap();
    assert!(answer.1 == body);
    let answer = fetch(&transport, &server.plain(), stream(0, Vec::new())).await.unwrap();
    assert!(answer.1.is_empty());
    let error = open(&transport, &server.plain(), stream(BODY_BYTES + 1, body)).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::InvalidRequest(_)), "{error}");
}

#[tokio::test]
async fn an_early_refusal_of_an_upload_is_heard() {
    let server = Http2Server::start(None, 1000, |_, mut reply| async move {
        let head = http::Response::builder().status(413).body(()).unwrap();
        let mut body = reply.send_response(head, false).unwrap();
        body.send_data("too large".into(), true).unwrap();
        drop(std::future::poll_fn(|cx| body.poll_reset(cx)).await);
    });
    let reader = Box::pin(tokio::io::repeat(0));
    let body = RequestBody::Stream { len_bytes: 1 << 40, reader };
    let request = Request { body, ..Request::new(Method::Post, "/api/blobs/x") };
    let answer = fetch(&prior_knowledge(), &server.plain(), request).await.unwrap();
    assert_eq!(answer, (413, b"too large".to_vec()));
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_given_up_after_its_ping_timeout() {
    // Accepts and never says a word, so there are no settings and no PONG. Time is the test's.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = Endpoint::http("127.0.0.1", listener.local_addr().unwrap().port());
    let transport = prior_knowledge();
    let connection = connect(&transport, &endpoint).await.unwrap();
    let began = tokio::time::Instant::now();
    let error = connection.send(get()).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Closed);
    assert_eq!(began.elapsed().as_secs(), 20);
}

#[tokio::test]
async fn frames_without_bytes_are_bounded_and_few_are_harmless() {
    let server = Http2Server::start(None, 1000, |request, mut reply| async move {
        let empty: usize = request.uri().path()[1..].parse().unwrap();
        let mut body = ok(&mut reply);
        for _ in 0..empty {
            // Fails once the client has had enough.
            drop(body.send_data(Bytes::new(), false));
            tokio::task::yield_now().await;
        }
        drop(body.send_data("late".into(), true));
    });
    let few = Request::new(Method::Get, "/20");
    assert_eq!(fetch(&prior_knowledge(), &server.plain(), few).await.unwrap().1, b"late");
    let many = Request::new(Method::Get, "/100000");
    let error = fetch(&prior_knowledge(), &server.plain(), many).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Protocol(_)), "{error:?}");
}
