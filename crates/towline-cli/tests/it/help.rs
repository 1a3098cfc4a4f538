//! Help, version, completions.

use crate::program::{ended, towline};

#[test]
fn help_has_examples_first() {
    let help = ended(&mut towline(["--help"]));
    assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
    let place =
        |text: &str| help.stdout.find(text).unwrap_or_else(|| panic!("{text:?} is not in {}", help.stdout));
    assert!(place("Examples:") < place("Usage:") && place("Usage:") < place("Commands:"));
    for text in ["OLLAMA_HOST", "OLLAMA_API_KEY", "TOWLINE_MODEL", "Exit status:", "124 timed out"] {
        place(text);
    }
    assert!(!help.stdout.contains("begin-session"), "hidden: {}", help.stdout);
    place("Prompt:");
}

#[test]
fn every_verb_has_help() {
    for verb in [
        "run",
        "history",
        "template",
        "list",
        "show",
        "ps",
        "pull",
        "push",
        "create",
        "cp",
        "rm",
        "serve",
        "gui",
        "bench",
        "completions",
    ] {
        let help = ended(&mut towline([verb, "--help"]));
        assert_eq!(help.code, Some(0), "{help:?}");
        assert!(help.stdout.contains("Usage: towline"), "{help:?}");
        assert!(help.stdout.lines().all(|line| line.chars().count() <= 100), "{}", help.stdout);
    }
}

#[test]
fn version() {
    assert_eq!(ended(&mut towline(["--version"])).stdout, format!("towline {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = ended(&mut towline(["completions", shell]));
        assert_eq!(script.code, Some(0));
        assert!(script.stdout.contains("first-timeout"), "{shell}");
    }
}
