//! For any data from a server, the text equals that of a simple reader, or the answer does not complete.

use proptest::prelude::*;
use towline_core::dialect::Dialect;
use towline_core::outcome::Ending;
use towline_testkit::plain::{self, Kind};

use crate::support::{End, cases, run};

fn check(kind: Kind, body: &[u8], pieces: usize) -> Result<bool, TestCaseError> {
    let dialect = match kind {
        Kind::Ollama => Dialect::Ollama,
        Kind::OpenAi => Dialect::OpenAi,
    };
    let plain = plain::text(kind, body);
    let outcome = run(dialect, body.chunks(pieces), End::Clean).outcome;
    let text = matches!(outcome.ending, Ending::Completed(_)).then_some(&outcome.reply.text);
    prop_assert_eq!(text, plain.as_ref(), "{}\n{:?}", String::from_utf8_lossy(body), outcome.ending);
    Ok(plain.is_some())
}

proptest! {
    #![proptest_config(cases(6000))]

    #[test]
    fn a_random_stream_is_read_as_a_plain_reader_reads_it(
        choices in prop::collection::vec(any::<u8>(), 0..40), is_openai: bool, pieces in 1_usize..300,
    ) {
        let kind = if is_openai { Kind::OpenAi } else { Kind::Ollama };
        check(kind, &plain::stream(kind, &choices), pieces)?;
    }

    /// Only valid records, then an end: such streams must complete.
    #[test]
    fn a_good_stream_completes(
        texts in prop::collection::vec(any::<u8>(), 0..20), content in 0_u8..8, is_openai: bool, pieces in 1_usize..300,
    ) {
        let (kind, ends) = if is_openai { (Kind::OpenAi, [17, 16]) } else { (Kind::Ollama, [16, 17]) };
        let records = texts.iter().map(|text| [text % 5, content, *text, text % 5]);
        let choices: Vec<u8> = records.chain([[ends[0], content, 0, 0], [ends[1], 0, 0, 0]]).flatten().collect();
        let is_whole = check(kind, &plain::stream(kind, &choices), pieces)?;
        prop_assert!(is_whole);
    }
}
