//! Single values of the relay's settings, as people write them.

use std::path::PathBuf;

use towline::{Endpoint, host};
use towline_relay::{Fsync, Listen, UpstreamApi};

use super::place;
use crate::duration::TimeLimit;

/// Where to listen: `unix:/path`, `address:port`, or `own`.
pub fn listen(text: &str) -> Result<Listen, String> {
    if text == "own" {
        return own_socket();
    }
    if let Some(path) = text.strip_prefix("unix:") {
        return Ok(Listen::Unix(PathBuf::from(path)));
    }
    let text = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")).unwrap_or(text);
    let address = text.replace("localhost:", "127.0.0.1:").parse();
    address.map(Listen::Tcp).map_err(|_| {
        format!("{text:?} is no place to listen; write unix:/path, 127.0.0.1:11435, [::1]:11435, or own for your own socket")
    })
}

/// A model server: its name if given, its API, its address. `env:NAME` is what the variable says: others can read a
/// program's arguments, but not its environment.
pub fn upstream(text: &str) -> Result<(Option<String>, UpstreamApi, Endpoint), String> {
    let is_name = |name: &&str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    let named = text.split_once('=').filter(|(name, _)| is_name(name));
    let (name, url) = named.map_or((None, text), |(name, url)| (Some(name.to_owned()), url));
    let (api, url) = match url.strip_prefix("openai+") {
        Some(url) => (UpstreamApi::OpenAi, url),
        None => (UpstreamApi::Ollama, url),
    };
    let of_variable = url.strip_prefix("env:").map(|name| {
        std::env::var(name)
            .map_err(|_| format!("the variable {name}, which is to name a model server, is not set"))
    });
    let url = of_variable.transpose()?.unwrap_or_else(|| url.to_owned());
    // The text may hold a password, so the message does not repeat it.
    let endpoint =
        host::parse(&url).map_err(|error| format!("this is no address of a model server: {error}"))?;
    Ok((name, api, endpoint))
}

/// When to make what is written survive.
pub fn fsync(text: &str) -> Result<Fsync, String> {
    match text {
        "always" => Ok(Fsync::Always),
        "never" => Ok(Fsync::Never),
        _ => match text.parse::<TimeLimit>() {
            Ok(TimeLimit(Some(time))) if !time.is_zero() => Ok(Fsync::Every(time)),
            Ok(_) | Err(_) => {
                Err(format!("{text:?} is no time to sync; write always, never, or a time as 1s"))
            }
        },
    }
}

/// A number of bytes: `1073741824`, `512M`, `2G`, `2GiB`.
pub fn bytes(text: &str) -> Result<u64, String> {
    let trimmed = text.trim().trim_end_matches("iB").trim_end_matches('B');
    let (digits, unit) = match trimmed.char_indices().last() {
        Some((at, 'K' | 'k')) => (&trimmed[..at], 10),
        Some((at, 'M' | 'm')) => (&trimmed[..at], 20),
        Some((at, 'G' | 'g')) => (&trimmed[..at], 30),
        Some((at, 'T' | 't')) => (&trimmed[..at], 40),
        _ => (trimmed, 0),
    };
    let number: Option<u64> = digits.trim().parse().ok();
    number
        .and_then(|number| number.checked_mul(1 << unit))
        .ok_or_else(|| format!("{text:?} is no number of bytes; write it as 512M or 2G"))
}

/// This user's own socket.
pub fn own_socket() -> Result<Listen, String> {
    let own = place::own().map_err(|error| format!("there is no place for the socket: {error}"))?;
    Ok(Listen::Unix(own.socket()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_as_written() {
        for (text, expected) in
            [("0", 0), ("17", 17), ("1K", 1024), ("512M", 512 << 20), ("2GiB", 2 << 30), ("1 TB", 1 << 40)]
        {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for wrong in ["", "G", "1.5G", "-1", "99999999999T", "1X"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_model_server_has_a_name_and_an_api() {
        let (name, api, endpoint) = upstream("gpu1=openai+https://llm.example/x").unwrap();
        assert_eq!((name.as_deref(), api), (Some("gpu1"), UpstreamApi::OpenAi));
        assert_eq!(endpoint.to_string(), "https://llm.example:443");
        let (name, api, endpoint) = upstream("10.0.0.5").unwrap();
        assert_eq!((name, api), (None, UpstreamApi::Ollama));
        assert_eq!(endpoint.to_string(), "http://10.0.0.5:11434");
        assert!(upstream("http://exa mple").is_err());
    }

    #[test]
    fn places_to_listen() {
        assert_eq!(listen("unix:/run/x.sock"), Ok(Listen::Unix("/run/x.sock".into())));
        assert_eq!(listen("localhost:1"), Ok(Listen::Tcp(([127, 0, 0, 1], 1).into())));
        assert!(listen("nowhere").is_err());
    }
}
