//! The input of a request: its bounded body, its query, its headers.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::{Body as _, Incoming};
use tokio::sync::OwnedSemaphorePermit;
use towline_core::span::Span;

use super::answer::{Code, Refusal};
use crate::relay::Relay;

/// The body of a request, and its part of the memory for all bodies.
#[derive(Debug)]
pub(crate) struct ReceivedBody {
    pub(crate) bytes: Bytes,
    pub(crate) room: Option<OwnedSemaphorePermit>,
}

/// Reads a body of at most `most` bytes, within the limits for time and memory.
///
/// # Cancel safety
/// Dropping the future drops the bytes that have arrived.
pub(crate) async fn read(relay: &Relay, mut body: Incoming, most: usize) -> Result<ReceivedBody, Refusal> {
    let too_large = || {
        let message = format!("the request's body is longer than the limit of {most} bytes");
        Refusal::new(Code::TooLarge, message)
    };
    if body.size_hint().lower() > most as u64 {
        return Err(too_large());
    }
    let reading = async {
        let (mut first, mut whole, mut room): (Option<Bytes>, _, Option<OwnedSemaphorePermit>) =
            (None, BytesMut::new(), None);
        while let Some(frame) = body.frame().await {
            let cut = |_| Refusal::bad("the request's body was cut");
            let Ok(data) = frame.map_err(cut)?.into_data() else { continue };
            if whole.len() + first.as_ref().map_or(0, Bytes::len) + data.len() > most {
                return Err(too_large());
            }
            let more = u32::try_from(data.len()).ok();
            let more = more.and_then(|more| Arc::clone(&relay.bodies).try_acquire_many_owned(more).ok());
            let more = more.ok_or_else(|| {
                let message =
                    "the bodies of all requests together have reached limits.bodies; try again later";
                Refusal::new(Code::Unavailable, message).with("retry-after", "1")
            })?;
            match &mut room {
                None => room = Some(more),
                Some(room) => room.merge(more),
            }
            match (&first, whole.is_empty()) {
                (None, true) => first = Some(data),
                (Some(_), _) | (None, false) => {
                    if let Some(first) = first.take() {
                        whole.extend_from_slice(&first);
                    }
                    whole.extend_from_slice(&data);
                }
            }
        }
        Ok(ReceivedBody { bytes: first.unwrap_or_else(|| whole.freeze()), room })
    };
    let time = relay.config.limits.body_time;
    match tokio::time::timeout(time, reading).await {
        Ok(read) => read,
        Err(_) => Err(Refusal::new(
            Code::Timeout,
            format!("the request's body took longer than {} (limits.body_time)", Span(time)),
        )),
    }
}

/// The values of a query's key, decoded as HTML form data.
pub(crate) fn query_all(query: Option<&str>, key: &str) -> Vec<String> {
    form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .filter(|(name, _)| name == key)
        .map(|(_, value)| value.into_owned())
        .collect()
}

/// The single value of a query's key.
pub(crate) fn query(query: Option<&str>, key: &str) -> Result<Option<String>, Refusal> {
    let mut values = query_all(query, key);
    match values.len() {
        0 | 1 => Ok(values.pop()),
        _ => Err(Refusal::bad(format!("{key} is given more than once"))),
    }
}

/// A header's text; non-ASCII values are refused.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Refusal> {
    match headers.get(name) {
        None => Ok(None),
        Some(value) => match value.to_str() {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(Refusal::bad(format!("the header {name} has characters outside ASCII"))),
        },
    }
}

/// Whether a header says `true`.
pub(crate) fn is_true(headers: &HeaderMap, name: &str) -> bool {
    headers.get(name).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"))
}

/// A number of only digits, without leading zeros, up to 2^53 - 1.
pub(crate) fn digits(text: &str) -> Option<u64> {
    const MOST: u64 = (1 << 53) - 1;
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let leading_zero = text.len() > 1 && text.starts_with('0');
    let number = (plain && !leading_zero).then(|| u64::from_str(text).ok())??;
    (number <= MOST).then_some(number)
}

/// Seconds as a decimal number, not negative, up to 10 years.
pub(crate) fn seconds(text: &str) -> Option<Duration> {
    const MOST: f64 = 10.0 * 365.0 * 86_400.0;
    let seconds: f64 = text.trim().parse().ok()?;
    (seconds.is_finite() && (0.0..=MOST).contains(&seconds)).then(|| Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded_and_must_be_single() {
        assert_eq!(query(Some("a=1&b=x%20y+z"), "b").unwrap().as_deref(), Some("x y z"));
        assert_eq!(query(Some("a"), "a").unwrap().as_deref(), Some(""));
        assert!(query(Some("a=1&a=2"), "a").is_err());
        assert_eq!(query(Some("%61=%zz%C3%A9"), "a").unwrap().as_deref(), Some("%zzé"));
    }

    #[test]
    fn numbers_are_plain() {
        assert_eq!(digits("0"), Some(0));
        assert_eq!(digits("9007199254740991"), Some((1 << 53) - 1));
        for wrong in ["", "01", "+1", "-1", "1.0", "1e3", " 1", "9007199254740992"] {
            assert_eq!(digits(wrong), None, "{wrong}");
        }
        assert_eq!(seconds("0.5"), Some(Duration::from_millis(500)));
        for wrong in ["", "-1", "NaN", "inf", "1e99"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }
}
