//! Which headers are passed from a client to a model server and back.

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use towline_core::http1::Headers;

/// Hop-by-hop headers, and headers that the next request sets itself.
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

/// The model server's headers for a client, without hop-by-hop headers (also those that `Connection` names)
/// and without CORS headers. The relay decompresses the body, so the content encoding is removed too.
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
