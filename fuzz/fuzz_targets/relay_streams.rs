//! Any sequence of operations on a stream, over HTTP, does what it would do to a list of bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use towline_relay::testing::play_on_a_stream;

fuzz_target!(|script: &[u8]| play_on_a_stream(script));
