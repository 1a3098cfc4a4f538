//! Help, version, completions.

use serde_json::json;
use towline_testkit::{Script, Server};

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
        "batch",
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
        "page",
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
fn who_names_no_answer_hears_of_all_and_group() {
    for verb in ["kill", "wait", "pause", "unpause", "retry", "forget"] {
        let refused = ended(&mut towline([verb]));
        let said = refused.stderr.contains("<NAME|--all|--group <GROUP>>");
        assert!(refused.code == Some(2) && said, "{verb}: {refused:?}");
        assert_eq!(ended(&mut towline([verb, "x", "--all"])).code, Some(2), "{verb}: one or the other");
    }
    let refused = ended(&mut towline(["timeout"]));
    assert!(refused.stderr.contains("towline timeout --all <TIME>"), "{refused:?}");
}

#[test]
fn only_commands_that_start_a_relay_say_so() {
    let says = |arguments: &[&str]| {
        let help = ended(&mut towline(arguments.iter().chain(&["--help"])));
        // Long lines are wrapped.
        help.stdout.split_whitespace().collect::<Vec<_>>().join(" ").contains("which is started if needed")
    };
    assert!(says(&["jobs"]) && says(&["relay", "pair"]));
    assert!(!says(&["relay", "status"]) && !says(&["relay", "backup"]));
}

#[test]
fn version() {
    assert_eq!(ended(&mut towline(["--version"])).stdout, format!("towline {}\n", env!("CARGO_PKG_VERSION")));
}

/// The shell's completions of the last of these words.
fn proposed(home: &std::path::Path, words: &[&str]) -> Vec<String> {
    let mut command = towline(["--"].into_iter().chain(words.iter().copied()));
    let at = words.len() - 1;
    let command = command.env("HOME", home).env("TOWLINE_COMPLETE", "bash");
    let ended = ended(command.env("_CLAP_COMPLETE_INDEX", at.to_string()).env("_CLAP_IFS", "\n"));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn the_shell_completes_what_servers_and_folders_know() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".config/towline");
    std::fs::create_dir_all(folder.join("templates")).unwrap();
    std::fs::write(folder.join("templates/review.md"), "Review.").unwrap();
    let tags = json!({ "models": [{ "name": "gemma3:4b" }, { "name": "qwen3:8b" }] }).to_string();
    let server = Server::start(Script::respond(200, "application/json", tags));
    let config = format!("host = {:?}\n[servers]\ngpu1 = \"x\"\n", server.url());
    std::fs::write(folder.join("config.toml"), config).unwrap();
    for (words, expected) in [
        (&["towline", "run", "-m", "qw"][..], "qwen3:8b"),
        (&["towline", "show", "g"], "gemma3:4b"),
        (&["towline", "run", "-t", "re"], "review"),
        (&["towline", "template", "show", "r"], "review"),
        (&["towline", "run", "-s", "g"], "gpu1"),
        (&["towline", "-s", "g"], "gpu1"),
        (&["towline", "atta"], "attach"),
    ] {
        assert_eq!(proposed(home.path(), words), [expected], "{words:?}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = ended(towline([""; 0]).env("TOWLINE_COMPLETE", shell));
        assert!(script.stdout.contains("TOWLINE_COMPLETE"), "{shell}: {}", script.stdout);
    }
}

#[test]
fn completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = ended(&mut towline(["completions", shell]));
        assert_eq!(script.code, Some(0));
        assert!(script.stdout.contains("first-timeout"), "{shell}");
    }
}
