//! The template of a record and the general parser read every frame the same way.

#![no_main]

use std::collections::VecDeque;

use libfuzzer_sys::fuzz_target;
use towline_core::dialect::Dialect;
use towline_core::dialect::testing::Reader;

fuzz_target!(|data: &[u8]| {
    for dialect in [Dialect::Ollama, Dialect::OpenAi, Dialect::OllamaProgress] {
        let (mut fast, mut general) = (Reader::new(dialect), Reader::new(dialect));
        let frames = data
            .split(|byte| *byte == b'\n')
            .map(|line| line.strip_prefix(b"data: ").unwrap_or(line))
            .filter(|frame| !frame.trim_ascii().is_empty());
        // Twice, so that a template may be made of the last frame before the first is read.
        for frame in frames.clone().chain(frames) {
            let (mut fast_events, mut general_events) = (VecDeque::new(), VecDeque::new());
            let fast_meaning = fast.decode(frame, &mut fast_events);
            let general_meaning = general.decode_by_parser(frame, &mut general_events);
            assert_eq!((fast_meaning, &fast_events), (general_meaning, &general_events), "{dialect:?}");
            assert_eq!(fast.knows(), general.knows(), "{dialect:?}");
        }
    }
});
