//! Access control: tokens over TCP, and protection against web pages that send requests to local servers.
//!
//! [`towline_core::guard`] decides whether a `Host` or an `Origin` belongs to this machine; the configuration
//! can add more of both.

use std::net::SocketAddr;

use hyper::header::{AUTHORIZATION, COOKIE, HOST, HeaderMap, ORIGIN};
use hyper::{Method, Request, Version};

use super::answer::{Code, Refusal};
use super::input;
use crate::access::{Caller, NoKey, Rules};
use crate::config::Roles;
use crate::devices::{DEVICE_DAYS, Devices, Entered};
use crate::id::Owner;

/// Where a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listener {
    Unix {
        /// Whether the client is the user that the relay runs as.
        is_own: bool,
    },
    Tcp(SocketAddr),
    Tls(SocketAddr),
    /// On loopback, opened for the page: accepts only devices.
    Page(SocketAddr),
    /// With TLS, opened for phones: accepts only devices.
    Phone(SocketAddr),
}

impl Listener {
    /// The address for browsers.
    fn address(self) -> Option<SocketAddr> {
        match self {
            Self::Unix { .. } => None,
            Self::Tcp(address) | Self::Tls(address) | Self::Page(address) | Self::Phone(address) => {
                Some(address)
            }
        }
    }

    fn is_over_tls(self) -> bool {
        matches!(self, Self::Tls(_) | Self::Phone(_))
    }

    /// The name of a device's cookie. Cookies ignore ports, so the name contains the port; with TLS no other
    /// host can set it.
    fn cookie(self) -> Option<String> {
        let port = self.address()?.port();
        Some(match self {
            Self::Tls(_) | Self::Phone(_) => format!("__Host-towline-{port}"),
            Self::Unix { .. } | Self::Tcp(_) | Self::Page(_) => format!("towline-{port}"),
        })
    }

    /// The `Set-Cookie` value.
    pub(super) fn set_cookie(self, secret: &str) -> Option<String> {
        let seconds = DEVICE_DAYS * 24 * 3600;
        let secure = if self.is_over_tls() { "; Secure" } else { "" };
        let name = self.cookie()?;
        Some(format!("{name}={secret}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"))
    }
}

/// The client of a request.
#[derive(Debug)]
pub(crate) struct Authorized {
    pub(crate) caller: Caller,
    /// The origin of a foreign page whose script sends the request.
    pub(crate) origin: Option<String>,
    /// The device that sends the request, and its secret.
    pub(crate) device: Option<(Entered, String)>,
}

/// Authorizes a request, or returns the refusal. `open` means that everybody who can reach the address may
/// see the resource.
pub(crate) fn enter<B>(
    rules: &Rules,
    listener: Listener,
    request: &Request<B>,
    open: bool,
    devices: &Devices,
) -> Result<Authorized, Refusal> {
    let host = host_of(request)?;
    let headers = request.headers();
    let listen = match listener {
        Listener::Unix { is_own } => {
            let caller = Caller {
                owner: Owner::local(),
                over_unix: true,
                over_tls: false,
                names_servers: is_own && !rules.has_keys(),
                roles: Roles::ALL,
            };
            return Ok(Authorized { caller, origin: None, device: None });
        }
        Listener::Tcp(listen) | Listener::Tls(listen) | Listener::Page(listen) | Listener::Phone(listen) => {
            listen
        }
    };
    let over_tls = listener.is_over_tls();
    let roles = Roles::PLAIN;
    let caller = |owner| Caller { owner, over_unix: false, over_tls, names_servers: false, roles };
    if listen.ip().to_canonical().is_loopback() && !rules.is_own(host) {
        let message =
            "the Host of the request does not name this machine; add its names to hosts in the configuration";
        return Err(Refusal::new(Code::Forbidden, message));
    }
    let own = format!("{}://{host}", if over_tls { "https" } else { "http" });
    let origin = match headers.get(ORIGIN).map(|origin| origin.to_str()) {
        None => None,
        Some(Ok(origin)) if origin.eq_ignore_ascii_case(&own) => None,
        Some(Ok(origin)) if rules.is_welcome_page(origin) => Some(origin.to_owned()),
        Some(_) => {
            let message =
                "pages of this Origin may not use the relay; add it to origins in the configuration";
            return Err(Refusal::new(Code::Forbidden, message));
        }
    };
    let is_page = matches!(listener, Listener::Page(_) | Listener::Phone(_));
    if open || (!rules.has_keys() && !is_page) {
        return Ok(Authorized { caller: caller(Owner::local()), origin, device: None });
    }
    if let Some((entered, secret)) = device(listener, headers, devices) {
        if origin.is_some() || !is_from_its_page(request) {
            let message = "a device's cookie works only on the relay's own page; a program needs a token";
            return Err(Refusal::new(Code::Forbidden, message));
        }
        let grant = &entered.grant;
        let (names_servers, roles) = (grant.names_servers, grant.roles);
        let caller = Caller { names_servers, roles, ..caller(grant.owner.clone()) };
        return Ok(Authorized { caller, origin, device: Some((entered, secret)) });
    }
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let secret = given.and_then(|given| {
        let (scheme, secret) = given.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
    });
    let message = match secret.map(|secret| rules.key(secret)) {
        Some(Ok(key)) => {
            let caller = Caller { roles: key.roles, ..caller(key.owner.clone()) };
            return Ok(Authorized { caller, origin, device: None });
        }
        Some(Err(NoKey::Expired)) => "this token has expired: ask the operator of the relay for a new one",
        Some(Err(NoKey::Unknown)) | None => "a token of this relay is needed: Authorization: Bearer …",
    };
    Err(Refusal::new(Code::Unauthorized, message).with("www-authenticate", "Bearer"))
}

/// The device of a request's cookie.
fn device(listener: Listener, headers: &HeaderMap, devices: &Devices) -> Option<(Entered, String)> {
    let name = listener.cookie()?;
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies.flat_map(|value| value.split(';')).find_map(|cookie| {
        let (named, secret) = cookie.trim().split_once('=')?;
        let entered = (named == name).then(|| devices.enter(secret))??;
        Some((entered, secret.to_owned()))
    })
}

/// Whether only the page can have sent a request. A browser sends cookies for requests of any page, so a
/// change needs a header that other pages cannot send.
pub(super) fn is_from_its_page<B>(request: &Request<B>) -> bool {
    let site = request.headers().get("sec-fetch-site").map(|site| site.as_bytes());
    let changes_nothing = matches!(*request.method(), Method::GET | Method::HEAD);
    matches!(site, None | Some(b"same-origin" | b"none"))
        && (changes_nothing || input::is_true(request.headers(), "towline-page"))
}

/// The host of a request; empty if HTTP/1.0 names none.
///
/// # Errors
/// HTTP/1.1 without a `Host`, or any request with two (RFC 9112, section 3.2). The connection is then closed.
pub(crate) fn host_of<B>(request: &Request<B>) -> Result<&str, Refusal> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let authority = request.uri().authority().map(|authority| authority.as_str());
    match (hosts.next(), hosts.next(), authority) {
        (_, Some(_), _) => Err(malformed("the request has more than one Host")),
        (None, None, None) if request.version() == Version::HTTP_11 => {
            Err(malformed("the request has no Host, which HTTP/1.1 requires"))
        }
        (_, None, Some(authority)) => Ok(authority),
        (Some(host), None, None) => host
            .to_str()
            .map_err(|_| malformed("the Host of the request has characters that no host name has")),
        (None, None, None) => Ok(""),
    }
}

/// A sender that breaks HTTP may also frame its next request wrongly, so its connection is closed.
fn malformed(message: &str) -> Refusal {
    Refusal::bad(message).with("connection", "close")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Token};
    use crate::devices::Grant;

    fn access(tokens: &[(&str, &str)]) -> Rules {
        let config = Config {
            tokens: tokens.iter().map(|(owner, secret)| Token::new(owner, secret)).collect(),
            hosts: vec!["relay.example".into()],
            origins: vec!["https://chat.example".into()],
            ..Config::default()
        };
        let mut rules = Rules::new(&config).unwrap();
        rules.machine = "workshop".into();
        rules
    }

    fn entered(rules: &Rules, headers: &[(&str, &str)]) -> Result<String, u16> {
        let mut request = Request::builder().version(Version::HTTP_10);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let listener = Listener::Tcp(([127, 0, 0, 1], 11434).into());
        let devices = Devices::open(None).unwrap();
        let entered = enter(rules, listener, &request.body(()).unwrap(), false, &devices);
        entered
            .map(|entered| entered.caller.owner.as_str().to_owned())
            .map_err(|refusal| refusal.code.status().as_u16())
    }

    #[test]
    fn only_local_names_and_pages_get_through() {
        let access = access(&[]);
        for host in ["localhost:11434", "Workshop:11434", "", "a.local", "Relay.Example:1"] {
            assert_eq!(entered(&access, &[("host", host)]), Ok("local".into()), "{host}");
        }
        for host in ["evil.example", "8.8.8.8", "192.168.1.5", "chat.example"] {
            assert_eq!(entered(&access, &[("host", host)]), Err(403), "{host}");
        }
        for origin in ["http://localhost:3000", "app://obsidian.md", "https://Chat.example"] {
            assert_eq!(entered(&access, &[("origin", origin)]), Ok("local".into()), "{origin}");
        }
        for origin in ["https://evil.example", "http://x.local", "null", "http://chat.example"] {
            assert_eq!(entered(&access, &[("origin", origin)]), Err(403), "{origin}");
        }
    }

    #[test]
    fn a_device_comes_in_by_its_cookie_from_its_own_page_only() {
        let devices = Devices::open(None).unwrap();
        let owner = Owner::named("ann");
        let grant =
            Grant { name: "phone".into(), owner, names_servers: false, roles: Roles::PLAIN, is_kept: false };
        let cookie = format!("other=1; towline-11434={}", devices.add(grant));
        let listener = Listener::Page(([127, 0, 0, 1], 11434).into());
        let access = access(&[]);
        let enter = |method: Method, headers: &[(&str, &str)]| {
            let mut request = Request::builder().method(method).header("host", "towline.localhost:11434");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let entered = enter(&access, listener, &request.body(()).unwrap(), false, &devices);
            entered
                .map(|entered| entered.caller.owner.as_str().to_owned())
                .map_err(|refusal| refusal.code.status().as_u16())
        };
        let cookie = ("cookie", cookie.as_str());
        let page = ("towline-page", "true");
        let own = ("origin", "http://towline.localhost:11434");
        assert_eq!(enter(Method::GET, &[]), Err(401));
        assert_eq!(enter(Method::GET, &[("cookie", "towline-11434=guess")]), Err(401));
        assert_eq!(enter(Method::GET, &[cookie]), Ok("ann".into()));
        assert_eq!(enter(Method::POST, &[cookie, page, own]), Ok("ann".into()));
        // A form on another page, a page on another port, and one on another site.
        assert_eq!(enter(Method::POST, &[cookie, own]), Err(403));
        assert_eq!(enter(Method::GET, &[cookie, ("origin", "http://localhost:3000")]), Err(403));
        assert_eq!(enter(Method::POST, &[cookie, page, ("origin", "https://evil.example")]), Err(403));
        assert_eq!(enter(Method::GET, &[cookie, ("sec-fetch-site", "same-site")]), Err(403));
    }

    #[test]
    fn a_request_has_one_host() {
        let host = |version, hosts: &[&str]| {
            let request = hosts
                .iter()
                .fold(Request::builder().version(version), |request, host| request.header(HOST, *host));
            let request = request.body(()).unwrap();
            host_of(&request).map(str::to_owned).map_err(|refusal| refusal.code)
        };
        assert_eq!(host(Version::HTTP_11, &["a:1"]), Ok("a:1".into()));
        assert_eq!(host(Version::HTTP_10, &[]), Ok(String::new()));
        for wrong in [&[][..], &["a", "a"], &["a", "b"]] {
            assert_eq!(host(Version::HTTP_11, wrong), Err(Code::BadRequest), "{wrong:?}");
        }
    }

    #[test]
    fn a_token_names_its_owner_and_nothing_else_gets_in() {
        let access = access(&[("ann", "0123456789abcdef"), ("bob", "fedcba9876543210")]);
        let with = |value: &str| entered(&access, &[("authorization", value)]);
        assert_eq!(with("Bearer 0123456789abcdef"), Ok("ann".into()));
        assert_eq!(with("bearer fedcba9876543210"), Ok("bob".into()));
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer 0123456789abcde",
            "Bearer 0123456789abcdeff",
            "Basic 0123456789abcdef",
        ] {
            assert_eq!(with(wrong), Err(401), "{wrong}");
        }
        assert_eq!(entered(&access, &[]), Err(401));
    }
}
