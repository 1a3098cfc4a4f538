//! Redirects: which are followed, and that the key stays at home.

use std::sync::{Arc, Mutex};

use super::authority::{Authority, https, tls_server};
use super::server::{Received, Server, response};
use super::*;

type ReceivedLog = Arc<Mutex<Vec<Received>>>;

/// Redirects what is asked of `/api/chat` and `/api/version`, answers the rest, and notes everything.
fn redirecting(status: u16, location: impl Fn(&Server) -> String) -> (Server, ReceivedLog) {
    let target = Arc::new(Mutex::new(String::new()));
    let log: ReceivedLog = Arc::default();
    let (to, seen) = (Arc::clone(&target), Arc::clone(&log));
    let server = Server::start(move |_, mut peer| {
        while let Some(request) = peer.request() {
            let asked = request.request_line().contains(" /api/");
            seen.lock().unwrap().push(request);
            if asked {
                peer.send(response(status, &format!("Location: {}\r\n", to.lock().unwrap()), "moved"));
            } else {
                peer.send(response(200, "", "here"));
            }
        }
    });
    *target.lock().unwrap() = location(&server);
    (server, log)
}

fn recording() -> (Server, ReceivedLog) {
    let log: ReceivedLog = Arc::default();
    let seen = Arc::clone(&log);
    let server = Server::start(move |_, mut peer| {
        while let Some(request) = peer.request() {
            seen.lock().unwrap().push(request);
            peer.send(response(200, "", "elsewhere"));
        }
    });
    (server, log)
}

fn keyed(mut request: Request) -> Request {
    request.headers.push("Authorization", "Bearer sk-secret");
    request.headers.push("Cookie", "session=secret");
    request.headers.push("X-Custom-Key", "secret");
    request.headers.push("Accept", "application/x-ndjson");
    request
}

fn following(redirects: RedirectPolicy) -> Transport {
    Transport::new(TransportConfig { redirects, ..TransportConfig::default() })
}

#[tokio::test]
async fn the_same_host_is_followed_with_method_body_and_key() {
    for status in [307, 308] {
        let (server, log) = redirecting(status, |_| "/moved/chat?x=1".into());
        let answer = fetch(&transport(), &server.endpoint(), keyed(post("the body"))).await;
        assert_eq!(answer.unwrap(), (200, b"here".to_vec()));
        let log = log.lock().unwrap();
        assert_eq!(log[1].request_line(), "POST /moved/chat?x=1 HTTP/1.1");
        assert_eq!(log[1].body, b"the body");
        assert_eq!(log[1].header("authorization"), Some("Bearer sk-secret"));
    }
}

#[tokio::test]
async fn a_get_follows_every_kind_of_redirect() {
    for status in [301, 302, 303, 307, 308] {
        let (server, log) = redirecting(status, |server| format!("http://{}/moved", server.address));
        assert_eq!(fetch(&transport(), &server.endpoint(), get()).await.unwrap().1, b"here");
        assert_eq!(log.lock().unwrap()[1].request_line(), "GET /moved HTTP/1.1");
    }
}

#[tokio::test]
async fn a_post_that_would_become_a_get_is_an_error_that_names_the_location() {
    for status in [301, 302, 303] {
        let (server, log) = redirecting(status, |_| "/login?token=secret".into());
        let error = open(&transport(), &server.endpoint(), keyed(post("{}"))).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Redirect(_)));
        let address = server.address;
        assert_eq!(
            error.to_string(),
            format!(
                "http://{address} redirects, which is not followed: POST was answered with {status} to \
                 http://{address}/login"
            )
        );
        assert_eq!(log.lock().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn another_host_is_an_error_that_names_both_and_nothing_is_sent_there() {
    let (other, seen) = recording();
    let to = other.address;
    let (server, _) = redirecting(307, |_| format!("http://{to}/api/chat"));
    let error = open(&transport(), &server.endpoint(), keyed(post("{}"))).await.unwrap_err();
    let shown = error.to_string();
    assert!(shown.contains(&server.address.to_string()) && shown.contains(&to.to_string()), "{shown}");
    assert_eq!(other.connections(), 0);
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn any_host_is_followed_where_that_is_asked_for_but_the_key_stays() {
    let (other, seen) = recording();
    let to = other.address;
    let (server, _) = redirecting(307, |_| format!("http://{to}/moved"));
    let transport = following(RedirectPolicy::Any);
    let answer = fetch(&transport, &server.endpoint(), keyed(post("the body"))).await;
    assert_eq!(answer.unwrap().1, b"elsewhere");
    let seen = seen.lock().unwrap();
    assert_eq!(seen[0].body, b"the body");
    assert!(!seen[0].head.contains("secret"), "{}", seen[0].head);
    assert_eq!(seen[0].header("accept"), Some("application/x-ndjson"));
}

#[tokio::test]
async fn an_upgrade_to_tls_of_the_same_host_is_followed_with_the_key() {
    let authority = Authority::new();
    let secure = tls_server(authority.server_config("127.0.0.1", &[]), |_, mut peer| {
        let request = peer.request().unwrap();
        assert_eq!(request.header("authorization"), Some("Bearer sk-secret"));
        peer.send(response(200, "", "secure"));
    });
    let to = secure.address;
    let (server, _) = redirecting(308, |_| format!("https://{to}/api/chat"));
    let answer = fetch(&authority.transport(), &server.endpoint(), keyed(post("{}"))).await;
    assert_eq!(answer.unwrap().1, b"secure");
}

#[tokio::test]
async fn a_downgrade_from_tls_is_another_host() {
    let (plain, seen) = recording();
    let to = plain.address;
    let authority = Authority::new();
    let secure = tls_server(authority.server_config("127.0.0.1", &[]), move |_, mut peer| {
        peer.request().unwrap();
        peer.send(response(307, &format!("Location: http://{to}/\r\n"), ""));
    });
    let request = keyed(post("{}"));
    let error = open(&authority.transport(), &https(&secure, "127.0.0.1"), request).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Redirect(_)));
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn never_gives_the_redirect_itself_and_so_does_one_without_location() {
    let (server, _) = redirecting(307, |_| "/moved".into());
    let answer = fetch(&following(RedirectPolicy::Never), &server.endpoint(), post("{}")).await;
    assert_eq!(answer.unwrap(), (307, b"moved".to_vec()));
    let lost = Server::answering(response(302, "", "nowhere"));
    assert_eq!(fetch(&transport(), &lost.endpoint(), get()).await.unwrap().0, 302);
}

#[tokio::test]
async fn a_loop_ends_after_ten_and_a_streamed_body_is_not_sent_twice() {
    let (server, log) = redirecting(307, |_| "/api/again".into());
    let error = open(&transport(), &server.endpoint(), get()).await.unwrap_err();
    assert!(error.to_string().contains("more than 10 times"), "{error}");
    assert_eq!(log.lock().unwrap().len(), 11);

    let body = RequestBody::Stream { len_bytes: 3, reader: Box::pin(std::io::Cursor::new(b"abc")) };
    let request = Request { body, ..Request::new(Method::Post, "/api/blobs/x") };
    let error = open(&transport(), &server.endpoint(), request).await.unwrap_err();
    assert!(error.to_string().contains("the body cannot be sent again"), "{error}");
}
