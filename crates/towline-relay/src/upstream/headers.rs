//! Which headers are passed from a client to a model server and back.

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use towline_core::http1::Headers;

/// Headers about one connection, or that the next request has of its own.
pub(crate) const NOT_PASSED: [&str; 14] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "host",
    "content-length",
    "accept-encoding",
    "cookie",
    "expect",
];

/// What a client is told of a model server's headers: not those about one connection, which `Connection` may name more of, nor
/// who may read it across. The bytes are unpacked on the way, so their packing says nothing.
pub(crate) fn for_client(headers: &Headers) -> HeaderMap {
    let named = headers.get("connection").unwrap_or_default().to_ascii_lowercase();
    let is_named = |name: &str| named.split(',').any(|option| option.trim() == name);
    let mut passed = HeaderMap::new();
    for (name, value) in headers.iter() {
        let name = name.to_ascii_lowercase();
        let is_kept_here = name == "content-encoding"
            || name.starts_with("access-control-")
            || NOT_PASSED.contains(&name.as_str())
            || is_named(&name);
        if is_kept_here {
            continue;
        }
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value))
        {
            passed.append(name, value);
        }
    }
    passed
}
