//! Host texts, rule by rule of Ollama's `envconfig.Host` and `ConnectableHost`, and where we differ and why.

use proptest::prelude::*;
use towline_core::endpoint::{Endpoint, Scheme};
use towline_core::host::{Host, local, parse};

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
    ("a path with a trailing slash", "http://example.com:1/api/v1/", "http example.com 1 /api/v1"),
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
    ("every interface is where to listen, not to connect: 0.0.0.0", "0.0.0.0", "http 127.0.0.1 11434 "),
    ("0.0.0.0 with a port", "http://0.0.0.0:8080", "http 127.0.0.1 8080 "),
    ("every interface, IPv6", "[::]:8080", "http ::1 8080 "),
    ("every interface, IPv6, without brackets", "::", "http ::1 11434 "),
    ("a name of this machine", "localhost", "http localhost 11434 "),
    // As ollama-python does not: where it differs from Ollama, we are with Ollama.
    ("not as ollama-python: 0.0.0.0 cannot be connected to everywhere", "0.0.0.0:1", "http 127.0.0.1 1 "),
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
        let Host { endpoint, warning } =
            parse(text).unwrap_or_else(|error| panic!("{case}: {text:?}: {error}"));
        assert_eq!(show(&endpoint), *wanted, "{case}: {text:?}");
        assert_eq!(warning.is_some(), *text == ":", "{case}: {warning:?}");
    }
    assert_eq!(parse("").unwrap().endpoint, local());
}

#[test]
fn a_port_that_is_none_gives_the_default_and_a_warning() {
    for (text, wanted) in [
        ("example.com:", "http example.com 11434 "),
        ("example.com:66000", "http example.com 11434 "),
        ("example.com:-1", "http example.com 11434 "),
        ("example.com:abc", "http example.com 11434 "),
        ("https://example.com:x", "https example.com 443 "),
        ("http://example.com:65536/v1", "http example.com 80 /v1"),
        ("[::1]:", "http ::1 11434 "),
        (":x", "http 127.0.0.1 11434 "),
    ] {
        let host = parse(text).unwrap();
        assert_eq!(show(&host.endpoint), wanted, "{text:?}");
        let warning = host.warning.expect("what was not understood is said");
        assert!(warning.contains(" is not a port; using "), "{warning}");
    }
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
    ("IPv6 with a zone, which needs a resolver that knows interfaces", "[fe80::1%eth0]:1", "not a host"),
    ("a control character", "exam\u{7}ple.com", "not a host"),
    ("a line break", "example.com\r\nX-Evil: 1", "not a host"),
    ("a query", "http://example.com?x=1", "not a host"),
    ("a query behind a path", "http://example.com/a?x=1", "path"),
    ("a fragment", "http://example.com/a#b", "path"),
    ("a blank in the path", "http://example.com/a b", "path"),
    ("a line break in the path", "http://example.com/a\r\nX-Evil: 1", "path"),
    ("text beyond ASCII in the path", "http://example.com/é", "path"),
    ("not as ollama-python, which drops it: a user", "http://user@example.com", "credentials"),
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

/// Wherever a password may stand, no message repeats it.
#[test]
fn credentials_are_refused_and_never_repeated() {
    for text in [
        "http://user:hunter2@example.com",
        "https://user:hunter2@example.com:1/path",
        "user:hunter2@example.com",
        "user:hunter2@[::1]:1",
        "hunter2@example.com",
        "ftp://user:hunter2@example.com",
        "\"http://user:hunter2@example.com\"",
        "user:hunter2@http://example.com",
        "http://user:hunter2/slash@example.com",
        "http://user:hun@ter2@example.com",
        "http://user:hunter2?@example.com",
        "http://user:hunter2#@example.com",
    ] {
        let error = parse(text).expect_err(text).to_string();
        assert!(error.contains("credentials") && !error.contains("hunter2"), "{text}: {error}");
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
        ".",
    ]);
    prop_oneof![prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat()), any::<String>()]
}

proptest! {
    #![proptest_config(cases(5000))]

    #[test]
    fn no_text_panics_and_what_is_understood_is_fit_for_a_request(text in any_host()) {
        match parse(&text) {
            Ok(Host { endpoint, .. }) => {
                let plain = |text: &str| !text.contains(|c: char| c.is_whitespace() || c.is_control());
                if !matches!(endpoint.scheme, Scheme::Unix(_)) {
                    prop_assert!(!endpoint.host.is_empty() && plain(&endpoint.host), "{:?}", endpoint.host);
                    prop_assert!(plain(&endpoint.base_path) && plain(&endpoint.authority()));
                    prop_assert!(endpoint.base_path.is_empty() || endpoint.base_path.starts_with('/'));
                    // What it is shown as means the same server.
                    let again = parse(&endpoint.to_string()).map(|host| host.endpoint);
                    prop_assert_eq!(again, Ok(Endpoint { base_path: String::new(), ..endpoint }));
                }
            }
            Err(error) => prop_assert!(!error.to_string().contains(char::is_control), "{:?}", error),
        }
    }
}
