use std::fs;

use towline_testkit::corpus::{self, Dialect, Ending, Event};

#[test]
fn every_case_loads_and_makes_sense() {
    for dialect in Dialect::ALL {
        assert!(corpus::load(dialect).len() >= 3, "{dialect:?}");
    }
    let cases = corpus::load_all();
    assert!(cases.len() >= 60);
    for case in cases {
        let (name, expected) = (&case.name, &case.expected);
        assert!(expected.error_contains.is_none() || expected.ending == Ending::Failed, "{name}");
        assert!(expected.reason.is_none() || expected.ending == Ending::Completed, "{name}");
        assert!(expected.events.iter().all(|event| *event != Event::Text(String::new())), "{name}");
        let progress = expected.events.iter().any(|event| matches!(event, Event::Progress(_)));
        let is_transfer =
            matches!(case.dialect, Dialect::OllamaPull | Dialect::OllamaPush | Dialect::OllamaCreate);
        assert!(!progress || is_transfer, "{name}");
    }
}

#[test]
fn a_generated_line_is_as_long_as_asked() {
    let case = corpus::long_line(100_001);
    let newline = case.stream.iter().position(|byte| *byte == b'\n').unwrap();
    assert!((100_001..100_100).contains(&newline));
    let [Event::Text(text)] = &case.expected.events[..] else { panic!("one text") };
    assert_eq!(text.len(), 100_001);
}

#[test]
fn an_error_names_its_file() {
    let folder = std::env::temp_dir().join(format!("towline-corpus-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let load = || corpus::try_load(&folder, Dialect::OllamaChat);

    fs::write(folder.join("lonely.expected.json"), "{}").unwrap();
    assert!(load().unwrap_err().to_string().contains("lonely.stream"));
    fs::write(folder.join("lonely.stream"), "").unwrap();
    let error = load().unwrap_err().to_string();
    assert!(error.contains("lonely.expected.json") && error.contains("missing field"), "{error}");

    fs::remove_dir_all(&folder).unwrap();
    assert!(load().is_err());
}
