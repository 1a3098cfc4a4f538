//! The parts of every line of code make up the line, in every language, and a line needs only the state at its start.

#![no_main]

use libfuzzer_sys::fuzz_target;
use towline_app::document::code::{Language, LineState};

fuzz_target!(|input: (&str, &str)| {
    let (info, text) = input;
    let language = Language::of(info);
    let mut state = LineState::default();
    for line in text.split('\n') {
        let mut again = state;
        let mut at = 0;
        language.scan(&mut state, line, |part, _| {
            assert!(!part.is_empty() && line[at..].starts_with(part));
            at += part.len();
        });
        assert_eq!(at, line.len());
        language.scan(&mut again, line, |_, _| {});
        assert_eq!(again, state);
    }
});
