//! The relays that a request has passed: a request that comes back to a relay would loop until connections
//! run out.

use hyper::HeaderMap;

use crate::id::StreamId;

/// The header that names them.
pub(crate) const VIA: &str = "via";

/// A relay's random name in `Via` (RFC 9110, 7.6.3).
#[derive(Debug)]
pub(crate) struct Hop(String);

impl Hop {
    pub(crate) fn random() -> Self {
        Self(format!("1.1 towline-{}", StreamId::random()))
    }

    /// The value for the next server: the earlier proxies, and this relay.
    pub(crate) fn after(&self, headers: &HeaderMap) -> String {
        let mut hops: Vec<&str> = texts(headers).collect();
        hops.push(&self.0);
        hops.join(", ")
    }

    /// Whether this relay has already forwarded the request.
    pub(crate) fn has_sent(&self, headers: &HeaderMap) -> bool {
        texts(headers).flat_map(|text| text.split(',')).any(|hop| hop.trim() == self.0)
    }
}

fn texts(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers.get_all(VIA).iter().filter_map(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn a_relay_knows_its_own_requests_among_many_hops() {
        let (one, other) = (Hop::random(), Hop::random());
        let mut headers = HeaderMap::new();
        assert!(!one.has_sent(&headers));
        headers.insert(VIA, HeaderValue::from_static("1.1 proxy.example (nginx)"));
        let after_one = one.after(&headers);
        assert!(after_one.starts_with("1.1 proxy.example (nginx), 1.1 towline-"), "{after_one}");
        headers.insert(VIA, HeaderValue::from_str(&after_one).unwrap());
        // A proxy may add a separate header line.
        headers.append(VIA, HeaderValue::from_str(&other.after(&HeaderMap::new())).unwrap());
        assert!(one.has_sent(&headers) && other.has_sent(&headers) && !Hop::random().has_sent(&headers));
    }
}
