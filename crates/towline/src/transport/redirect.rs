//! Determines the target of a redirect, and whether it is followed.

use towline_core::endpoint::{Endpoint, Scheme};
use towline_core::host::authority;
use towline_core::http1::{Headers, Method};

use super::config::RedirectPolicy;
use super::request::Request;

/// Headers that may go to another origin, because they contain no secrets.
const HARMLESS: [&str; 4] = ["accept", "content-type", "user-agent", "accept-language"];

/// The target of a redirect.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Hop {
    /// Without a base path, because the path is complete.
    pub(super) endpoint: Endpoint,
    pub(super) path: String,
    /// Whether it may receive the same secrets as the previous target.
    trusted: bool,
}

/// Whether the status is a redirect.
pub(super) fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// The target of `location`, relative to `endpoint` and the requested path.
///
/// # Errors
///
/// The reason why the redirect is not followed, in words that continue "redirects, which is not followed".
pub(super) fn follow(
    policy: RedirectPolicy,
    endpoint: &Endpoint,
    path: &str,
    request: &Request,
    status: u16,
    location: &str,
) -> Result<Hop, String> {
    let (mut to, path) = resolve(endpoint, path, location)?;
    if endpoint.same_origin(&to) {
        to.credentials.clone_from(&endpoint.credentials);
    }
    let shown = || format!("{to}{}", path.split('?').next().unwrap_or_default());
    // Browsers turn such a POST into a GET, which makes no sense for a model request.
    let keeps_request = matches!(status, 307 | 308) || matches!(request.method, Method::Get | Method::Head);
    if !keeps_request {
        return Err(format!("{} was answered with {status} to {}", request.method, shown()));
    }
    if !request.is_whole() {
        return Err(format!("the body cannot be sent again, to {}", shown()));
    }
    let upgrade = endpoint.scheme == Scheme::Http
        && to.scheme == Scheme::Https
        && endpoint.host.eq_ignore_ascii_case(&to.host);
    let trusted = endpoint.same_origin(&to) || upgrade;
    match policy {
        RedirectPolicy::SameHost if !trusted => Err(format!("from {endpoint} to another host, {to}")),
        RedirectPolicy::Never => Err(format!("to {}", shown())),
        RedirectPolicy::SameHost | RedirectPolicy::Any => Ok(Hop { endpoint: to, path, trusted }),
    }
}

impl Hop {
    /// The request for this target, without possible secrets if the target is not trusted.
    pub(super) fn request(&self, before: Request) -> Request {
        let headers = if self.trusted {
            before.headers
        } else {
            let harmless = |name: &str| HARMLESS.iter().any(|known| name.eq_ignore_ascii_case(known));
            before.headers.iter().filter(|(name, _)| harmless(name)).collect::<Headers>()
        };
        Request { path: self.path.clone(), headers, ..before }
    }
}

/// RFC 3986, section 5, for http and https.
fn resolve(base: &Endpoint, base_path: &str, location: &str) -> Result<(Endpoint, String), String> {
    let location = location.split('#').next().unwrap_or_default();
    let has_scheme = location.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    });
    if has_scheme {
        return absolute(location);
    }
    if location.starts_with("//") {
        let scheme = match &base.scheme {
            Scheme::Https => "https",
            Scheme::Http | Scheme::Unix(_) => "http",
        };
        return absolute(&format!("{scheme}:{location}"));
    }
    let endpoint = Endpoint { base_path: String::new(), ..base.clone() };
    let base_path = base_path.split('?').next().unwrap_or_default();
    let path = if location.starts_with('/') {
        location.to_owned()
    } else if location.is_empty() || location.starts_with('?') {
        format!("{base_path}{location}")
    } else {
        let folder = base_path.rfind('/').map_or("/", |slash| &base_path[..=slash]);
        format!("{folder}{location}")
    };
    Ok((endpoint, without_dots(&path)))
}

fn absolute(location: &str) -> Result<(Endpoint, String), String> {
    let bad = || "to an address that is neither http nor https".to_owned();
    let (scheme, rest) = location.split_once("://").ok_or_else(bad)?;
    let (authority_text, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    // A user name before the host is dropped: a server must not choose our credentials.
    let to = authority(authority_text).ok().filter(|to| !to.host.is_empty()).ok_or_else(bad)?;
    let endpoint = match scheme.to_ascii_lowercase().as_str() {
        "http" => Endpoint::http(to.host, to.port.unwrap_or(80)),
        "https" => Endpoint::https(to.host, to.port.unwrap_or(443)),
        _ => return Err(bad()),
    };
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Ok((endpoint, path))
}

/// Resolves `.` and `..` in a path.
fn without_dots(path: &str) -> String {
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let mut kept: Vec<&str> = Vec::new();
    let mut parts = path.split('/').skip(1).peekable();
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        match part {
            "." | ".." => {
                if part == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            _ => kept.push(part),
        }
    }
    let mut clean = format!("/{}", kept.join("/"));
    if let Some(query) = query {
        clean.push('?');
        clean.push_str(query);
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(location: &str) -> String {
        let base = Endpoint::https("models.example", 8443);
        match resolve(&base, "/v1/api/chat?x=1", location) {
            Ok((endpoint, path)) => format!("{endpoint}{path}"),
            Err(error) => error,
        }
    }

    #[test]
    fn locations_are_resolved_against_the_request() {
        for (location, whole) in [
            ("/login", "https://models.example:8443/login"),
            ("/a/../b/./c?d=/../e", "https://models.example:8443/b/c?d=/../e"),
            ("show", "https://models.example:8443/v1/api/show"),
            ("../tags", "https://models.example:8443/v1/tags"),
            ("../../../..", "https://models.example:8443/"),
            ("?page=2", "https://models.example:8443/v1/api/chat?page=2"),
            ("", "https://models.example:8443/v1/api/chat"),
            ("/a#part", "https://models.example:8443/a"),
            ("//other.example/a", "https://other.example:443/a"),
            ("http://other.example", "http://other.example:80/"),
            ("HTTPS://Other.example:1/a?b", "https://Other.example:1/a?b"),
            ("http://[::1]:11434/", "http://[::1]:11434/"),
            ("http://user:pw@other.example/", "http://other.example:80/"),
            ("/a:b", "https://models.example:8443/a:b"),
            ("ftp://other.example/", "to an address that is neither http nor https"),
            ("javascript:x", "to an address that is neither http nor https"),
            ("http://", "to an address that is neither http nor https"),
        ] {
            assert_eq!(to(location), whole, "{location:?}");
        }
    }
}
