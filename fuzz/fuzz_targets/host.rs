//! No host text panics; an accepted text is valid in a request and its display form means the same; no error repeats a password.

#![no_main]

use libfuzzer_sys::fuzz_target;
use towline_core::endpoint::{Endpoint, Scheme};
use towline_core::host::parse;

fuzz_target!(|text: &str| {
    match parse(text) {
        Ok(endpoint) => {
            if matches!(endpoint.scheme, Scheme::Unix(_)) {
                return;
            }
            let plain = |text: &str| !text.contains(|c: char| c.is_whitespace() || c.is_control());
            assert!(!endpoint.host.is_empty() && plain(&endpoint.authority()) && plain(&endpoint.base_path));
            assert!(endpoint.base_path.is_empty() || endpoint.base_path.starts_with('/'));
            let again = parse(&endpoint.to_string());
            assert_eq!(again, Ok(Endpoint { base_path: String::new(), credentials: None, ..endpoint }));
        }
        Err(error) => assert!(!error.to_string().contains(char::is_control)),
    }
});
