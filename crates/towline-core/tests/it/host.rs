//! Host texts, by the rules of Ollama's `envconfig.Host` and `ConnectableHost`, with our differences and their reasons.

use proptest::prelude::*;
use towline_core::endpoint::{Endpoint, Scheme};
use towline_core::host::{local, parse};

use crate::support::cases;

/// Case, text, and `scheme host port path` of the endpoint it means.
const UNDERSTOOD: &[(&str, &str, &str)] = &[
    // As Ollama.
    ("empty is this machine", "", "http 127.0.0.1 11434 "),
    ("blank is this machine", " \t\n", "http 127.0.0.1 11434 "),
    ("a name", "example.com", "http example.com 11434 "),
    ("an address", "10.1.2.3", "http 10.1.2.3 11434 "),
    ("a name with a port", "example.com:8080", "http example.com 8080 "),
    ("a port alone", ":8080", "http 127.0.0.1 8080 "),
    ("a colon alone", ":", "http 127.0.0.1 11434 "),
    ("http has its own port", "http://example.com", "http example.com 80 "),
    ("https has its own port", "https://example.com", "https example.com 443 "),
    ("scheme and port", "https://example.com:8443", "https example.com 8443 "),
    ("scheme and nothing else", "http://", "http 127.0.0.1 80 "),
    ("scheme and port alone", "https://:1234", "https 127.0.0.1 1234 "),
    ("a bare ollama.com is https", "ollama.com", "https ollama.com 443 "),
    ("ollama.com with http stays http", "http://ollama.com", "http ollama.com 80 "),
    ("ollama.com with a port is a name like others", "ollama.com:80", "http ollama.com 80 "),
    ("blanks around", "  example.com:1 \n", "http example.com 1 "),
    ("quotes around", "\"example.com\"", "http example.com 11434 "),
    ("single quotes around", "'http://example.com'", "http example.com 80 "),
    ("quotes around blanks", "\" example.com \"", "http example.com 11434 "),
    ("a trailing slash", "https://example.com/", "https example.com 443 "),
    ("a path", "https://example.com/ollama", "https example.com 443 /ollama"),
    ("a longer path", "example.com:56789/one/two", "http example.com 56789 /one/two"),
    ("a path with a trailing slash", "http://example.com:1/api/v2/", "http example.com 1 /api/v2"),
    ("IPv6", "::1", "http ::1 11434 "),
    ("IPv6 in brackets", "[::1]", "http ::1 11434 "),
    ("IPv6 with a port", "[::1]:1234", "http ::1 1234 "),
    ("IPv6 with a scheme", "http://[::1]", "http ::1 80 "),
    ("IPv6 with all of it", "https://[2001:db8::1]:56789/a", "https 2001:db8::1 56789 /a"),
    ("IPv6 without brackets, with a scheme", "http://2001:db8::1", "http 2001:db8::1 80 "),
    ("IPv6 of IPv4", "::ffff:10.0.0.1", "http ::ffff:10.0.0.1 11434 "),
    ("IPv6 is shortened", "[0:0:0:0:0:0:0:1]", "http ::1 11434 "),
    ("the largest port", "example.com:65535", "http example.com 65535 "),
    ("port 0 is kept, so that connecting fails and says so", "example.com:0", "http example.com 0 "),
    ("every interface is where to listen, not to connect: 0.0.0.0", "0.0.0.0", "http localhost 11434 "),
    ("0.0.0.0 with a port", "http://0.0.0.0:8080", "http localhost 8080 "),
    ("every interface, IPv6", "[::]:8080", "http localhost 8080 "),
    ("every interface, IPv6, without brackets", "::", "http localhost 11434 "),
    ("no port behind a colon", "example.com:", "http example.com 11434 "),
    ("no port behind a colon, https", "https://[::1]:/v1", "https ::1 443 "),
    ("OpenAI's base path", "http://example.com:1/v1/", "http example.com 1 "),
    ("OpenAI's base path behind another", "https://example.com/api/v1", "https example.com 443 /api"),
    ("not OpenAI's base path", "http://example.com:1/xv1", "http example.com 1 /xv1"),
    ("a name of this machine", "localhost", "http localhost 11434 "),
    // Unlike ollama-python: where it differs from Ollama, we follow Ollama.
    ("not as ollama-python: 0.0.0.0 cannot be connected to everywhere", "0.0.0.0:1", "http localhost 1 "),
    ("not as ollama-python: ::1 without brackets is no error", "::1", "http ::1 11434 "),
    ("not as ollama-python: leading blanks are dropped", " http://example.com", "http example.com 80 "),
    ("not as ollama-python: a bare ollama.com is https", "ollama.com", "https ollama.com 443 "),
    // As neither.
    ("not as Ollama: a scheme is known in any case of letters", "HTTP://example.com", "http example.com 80 "),
    (
        "not as Ollama: https in capitals too, which it would connect to without TLS",
        "HTTPS://x",
        "https x 443 ",
    ),
    ("ours: IPv6 with a zone", "[fe80::1%eth0]:1", "http fe80::1%eth0 1 "),
    ("ours: IPv6 with a zone as a URL has it", "http://[fe80::1%25eth0]", "http fe80::1%eth0 80 "),
    ("ours: IPv6 with a zone, without brackets", "fe80:0::1%2", "http fe80::1%2 11434 "),
    ("ours: an at sign in the path", "http://example.com/@me", "http example.com 80 /@me"),
    ("ours: a Unix socket", "unix:/run/towline.sock", "unix:/run/towline.sock localhost 0 "),
    ("ours: a Unix socket as a URL", "unix:///run/a b.sock", "unix:/run/a b.sock localhost 0 "),
    ("ours: a Unix socket may hold what no host may", "unix:/run/a@b?c", "unix:/run/a@b?c localhost 0 "),
];

fn show(endpoint: &Endpoint) -> String {
    let scheme = match &endpoint.scheme {
        Scheme::Http => "http".to_owned(),
        Scheme::Https => "https".to_owned(),
        Scheme::Unix(path) => format!("unix:{}", path.display()),
    };
    format!("{scheme} {} {} {}", endpoint.host, endpoint.port, endpoint.base_path)
}

#[test]
fn what_is_understood() {
    for (case, text, wanted) in UNDERSTOOD {
        let endpoint = parse(text).unwrap_or_else(|error| panic!("{case}: {text:?}: {error}"));
        assert_eq!(show(&endpoint), *wanted, "{case}: {text:?}");
        assert_eq!(endpoint.credentials, None, "{case}");
    }
    assert_eq!(parse("").unwrap(), local());
}

/// Case, text, and a part of the error.
const REFUSED: &[(&str, &str, &str)] = &[
    ("not as Ollama, which would speak plain HTTP", "ftp://example.com", "scheme \"ftp\""),
    ("an empty scheme", "://example.com", "scheme \"\""),
    ("no whole path for a Unix socket", "unix:run/x.sock", "whole path"),
    ("nothing for a Unix socket", "unix:", "whole path"),
    ("a blank in a name", "exam ple.com", "not a host"),
    ("a second port, which Ollama takes for a name", "example.com:1:2", "not a host"),
    ("text around brackets", "[::1]x:1", "not a host"),
    ("IPv6 that is none", "1::2::3", "not a host"),
    ("IPv4 with a zone", "10.0.0.1%eth0", "not a host"),
    ("an empty zone", "[fe80::1%]:1", "not a host"),
    ("a zone with what no interface has", "[fe80::1%et*h0]:1", "not a host"),
    ("not as Ollama: a port beyond the largest", "example.com:66000", "66000 is not a port"),
    (
        "not as Ollama: a port beyond all numbers",
        "http://example.com:99999999999/v1",
        "99999999999 is not a port",
    ),
    ("not as Ollama: a negative port", "example.com:-1", "\"-1\" is not a port"),
    ("not as Ollama: a port with a sign", "example.com:+1", "\"+1\" is not a port"),
    ("not as Ollama: a port that is a word", "https://example.com:x", "\"x\" is not a port"),
    ("not as Ollama: a port alone that is a word", ":x", "\"x\" is not a port"),
    ("a control character", "exam\u{7}ple.com", "not a host"),
    ("a line break", "example.com\r\nX-Evil: 1", "is not a port"),
    ("a line break in the name", "exam\r\nple.com:1", "not a host"),
    ("a query", "http://example.com?x=1", "not a host"),
    ("a query behind a path", "http://example.com/a?x=1", "path"),
    ("a fragment", "http://example.com/a#b", "path"),
    ("a blank in the path", "http://example.com/a b", "path"),
    ("a line break in the path", "http://example.com/a\r\nX-Evil: 1", "path"),
    ("text beyond ASCII in the path", "http://example.com/é", "path"),
];

#[test]
fn what_is_refused() {
    for (case, text, part) in REFUSED {
        match parse(text) {
            Ok(host) => panic!("{case}: {text:?} became {host:?}"),
            Err(error) => assert!(error.to_string().contains(part), "{case}: {text:?}: {error}"),
        }
    }
}

#[test]
fn a_user_and_a_password_belong_to_the_host() {
    for (text, wanted, user, password) in [
        ("http://user:hunter2@example.com", "http example.com 80 ", "user", "hunter2"),
        ("https://user:hunter2@example.com:1/path", "https example.com 1 /path", "user", "hunter2"),
        ("user:hunter2@[::1]:1", "http ::1 1 ", "user", "hunter2"),
        ("hunter2@example.com", "http example.com 11434 ", "hunter2", ""),
        ("\"http://user:hunter2@example.com\"", "http example.com 80 ", "user", "hunter2"),
        ("http://user:hun@ter2:@example.com", "http example.com 80 ", "user", "hun@ter2:"),
        ("http://us%20er:hunter%2F%252@example.com", "http example.com 80 ", "us er", "hunter/%2"),
    ] {
        let endpoint = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(show(&endpoint), wanted, "{text}");
        let credentials = endpoint.credentials.clone().unwrap();
        assert_eq!((credentials.user(), credentials.password()), (user, password), "{text}");
        let shown = format!(
            "{endpoint} {endpoint:?} {credentials:?} {} {}",
            endpoint.authority(),
            endpoint.target("/")
        );
        assert!(!shown.contains("hun") && !shown.contains("user"), "{shown}");
    }
    let credentials = parse("http://Aladdin:open%20sesame@h").unwrap().credentials.unwrap();
    assert_eq!(credentials.basic(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
}

/// No message repeats a password, wherever it is in the text.
#[test]
fn credentials_that_cannot_be_used_are_not_repeated() {
    for text in [
        "ftp://user:hunter2@example.com",
        "user:hunter2@http://example.com",
        "http://user:hunter2/slash@example.com",
        "http://user:hunter2?@example.com",
        "http://user:hunter2#@example.com",
        "http://user:hunter2@exa mple.com",
        "http://user:hunter2@example.com:99999",
        "http://us%3Aer:hunter2@example.com",
        "http://user:hunter2%ff@example.com",
        "http://user:hunter2\r\nX-Evil: 1@example.com",
    ] {
        let error = parse(text).expect_err(text).to_string();
        assert!(!error.contains("hunter2"), "{text}: {error}");
    }
}

fn any_host() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "http",
        "https",
        "unix",
        "HTTP",
        "://",
        ":",
        "/",
        "[",
        "]",
        "::1",
        "::",
        "127.0.0.1",
        "0.0.0.0",
        "@",
        "?",
        "#",
        "example.com",
        "ollama.com",
        "80",
        "99999",
        "-1",
        " ",
        "\"",
        "'",
        "\n",
        "é",
        "%",
        "fe80::1%eth0",
        ".",
    ]);
    prop_oneof![prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat()), any::<String>()]
}

proptest! {
    #![proptest_config(cases(5000))]

    #[test]
    fn no_text_panics_and_what_is_understood_is_fit_for_a_request(text in any_host()) {
        match parse(&text) {
            Ok(endpoint) => {
                let plain = |text: &str| !text.contains(|c: char| c.is_whitespace() || c.is_control());
                if !matches!(endpoint.scheme, Scheme::Unix(_)) {
                    prop_assert!(!endpoint.host.is_empty() && plain(&endpoint.host), "{:?}", endpoint.host);
                    prop_assert!(plain(&endpoint.base_path) && plain(&endpoint.authority()));
                    prop_assert!(endpoint.base_path.is_empty() || endpoint.base_path.starts_with('/'));
                    // The displayed text means the same server.
                    let again = parse(&endpoint.to_string());
                    let shown = Endpoint { base_path: String::new(), credentials: None, ..endpoint };
                    prop_assert_eq!(again, Ok(shown));
                }
            }
            Err(error) => prop_assert!(!error.to_string().contains(char::is_control), "{:?}", error),
        }
    }
}
