//! Fetches web pages and files. Contacts only the host that the user named.

use std::future::poll_fn;
use std::time::Duration;

use towline::client::{Endpoint, Method, NetworkVariables, host};
use towline::forward::{Body, BodyEnd, Headers, Request, Response};
use towline::{Client, Config};

use crate::input::IMAGE_BYTES;

/// The total time limit of a page.
const PAGE_TIME: Duration = Duration::from_secs(60);

/// The content of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Its address, without a password and a query.
    pub shown: String,
    /// The last part of its path, else its host.
    pub name: String,
    /// Its `Content-Type`.
    pub content_type: String,
    pub bytes: Vec<u8>,
}

/// Whether a text is the address of a page.
pub fn is_url(text: &str) -> bool {
    let is = |scheme: &str| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    is("http://") || is("https://")
}

/// Fetches a page. Redirects are followed on the same host, as the client does by default.
///
/// # Cancel safety
/// Dropping the future closes the connection.
///
/// # Errors
/// What is wrong with the address, the server or the page.
pub async fn page(url: &str, network: &NetworkVariables) -> Result<Page, String> {
    let at = Address::read(url)?;
    let fetching = async {
        let mut response = at.get(network).await?;
        if !(200..300).contains(&response.status) {
            return Err(format!("{} answered with status {}", at.shown(), response.status));
        }
        let content_type = response.headers.get("content-type").unwrap_or_default().to_owned();
        let bytes = read(&mut response, &at).await?;
        Ok(Page { shown: at.shown(), name: at.name(), content_type, bytes })
    };
    match tokio::time::timeout(PAGE_TIME, fetching).await {
        Ok(fetched) => fetched,
        Err(_) => Err(format!("{} took longer than {} s", at.shown(), PAGE_TIME.as_secs())),
    }
}

async fn read(response: &mut Response, at: &Address) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    loop {
        match poll_fn(|cx| response.body.poll_read(cx, &mut bytes)).await {
            Ok(0) => return Ok(bytes),
            Ok(_) if bytes.len() as u64 > IMAGE_BYTES => {
                return Err(format!("{} is larger than {} MiB", at.shown(), IMAGE_BYTES >> 20));
            }
            Ok(_) => {}
            Err(BodyEnd::Broken(error)) => return Err(format!("{}: {}", at.shown(), error.message)),
            Err(BodyEnd::Clean | BodyEnd::Cut) => return Err(format!("{} was cut", at.shown())),
        }
    }
}

/// Where a page is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Address {
    endpoint: Endpoint,
    /// Path and query.
    target: String,
}

impl Address {
    fn read(url: &str) -> Result<Self, String> {
        let url = url.split('#').next().unwrap_or_default();
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(format!("{url} is not the address of a page; write https:// or http:// before it"));
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.is_empty() {
            return Err(format!("{url} names no host"));
        }
        // The invalid part may be a password, so it is not shown.
        let endpoint = host::parse(&format!("{scheme}://{authority}"))
            .map_err(|error| format!("the address of the page is wrong: {error}"))?;
        let slash = if path.starts_with('/') { "" } else { "/" };
        // Copied addresses can have characters that HTTP does not allow.
        let plain = |byte: u8| match byte {
            b'!'..=b'~' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        };
        let target = path.bytes().fold(slash.to_owned(), |target, byte| target + &plain(byte));
        Ok(Self { endpoint, target })
    }

    fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    fn shown(&self) -> String {
        format!("{}{}", self.endpoint, self.path())
    }

    fn name(&self) -> String {
        let last = self.path().rsplit('/').find(|part| !part.is_empty());
        last.unwrap_or(&self.endpoint.host).to_owned()
    }

    async fn get(&self, network: &NetworkVariables) -> Result<Response, String> {
        let transport = network.transport(&self.endpoint);
        let failed = |error: towline::Error| format!("{}: {}", self.shown(), error.message);
        let client = Client::with_config(self.endpoint.clone(), Config { transport, ..Config::default() });
        let ready = client.map_err(failed)?.ready().await.map_err(failed)?;
        let accept = "text/*, application/json, application/pdf, image/*;q=0.9, */*;q=0.5";
        let headers: Headers = [("accept", accept)].into_iter().collect();
        let request = Request {
            method: Method::Get,
            target: self.target.clone(),
            headers,
            body: Body::Bytes(Default::default()),
        };
        ready.send(request).await.map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(url: &str) -> Address {
        Address::read(url).unwrap()
    }

    #[test]
    fn an_address_has_a_server_and_a_target() {
        for (url, server, target, name) in [
            ("https://a.example", "https://a.example:443", "/", "a.example"),
            ("HTTP://a.example:81/x/y.txt?q=1#z", "http://a.example:81", "/x/y.txt?q=1", "y.txt"),
            ("https://a.example?q", "https://a.example:443", "/?q", "a.example"),
            ("https://a.example/Fluß und/", "https://a.example:443", "/Flu%C3%9F%20und/", "Flu%C3%9F%20und"),
        ] {
            let at = at(url);
            assert_eq!(
                (at.endpoint.to_string().as_str(), at.target.as_str(), at.name().as_str()),
                (server, target, name)
            );
        }
        assert_eq!(at("https://ann:hush@a.example/x?key=1").shown(), "https://a.example:443/x");
        assert!(Address::read("https://").is_err() && Address::read("ftp://a.example").is_err());
        assert!(is_url("https://a") && is_url("HTTP://a") && !is_url("a/https://") && !is_url("é"));
    }
}
