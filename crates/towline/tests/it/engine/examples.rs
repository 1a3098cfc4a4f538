//! Each example runs, ends by itself and prints the expected output.

use std::path::PathBuf;
use std::process::Command;

use towline_testkit::{Server, fakemodel};

/// Cargo builds the examples before it runs the tests, beside them.
fn example(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    let profile: PathBuf = test.ancestors().nth(2).unwrap().to_owned();
    let mut command = Command::new(profile.join("examples").join(name));
    command.env_remove("OLLAMA_HOST");
    command
}

fn output(mut command: Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    text
}

fn check(name: &str, said: &[&str]) {
    let text = output(example(name));
    for part in said {
        assert!(text.contains(part), "{name} did not say {part:?}:\n{text}");
    }
}

/// The guide shows code that runs: each of its blocks is in the example with the same name.
#[test]
fn the_guide_shows_what_the_examples_do() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    for name in
        ["repl_control", "gather", "window_loop", "compare_models", "pull_with_progress", "custom_future"]
    {
        let example = std::fs::read_to_string(root.join(format!("examples/{name}.rs"))).unwrap();
        let page = root.join(format!("../../docs/guide/{}.md", name.replace('_', "-")));
        let page =
            std::fs::read_to_string(&page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
        assert!(page.contains(&format!("crates/towline/examples/{name}.rs")), "{name}: no link");
        let code = lines(&example);
        let mut blocks =
            page.split("```rust\n").skip(1).map(|rest| rest.split("```").next().unwrap()).peekable();
        assert!(blocks.peek().is_some(), "{name}: no code");
        for block in blocks {
            assert!(code.contains(&lines(block)), "{name}: this stands only in the guide:\n{block}");
        }
    }
}

/// Code without its indentation.
fn lines(code: &str) -> String {
    code.lines().map(str::trim).collect::<Vec<_>>().join("\n")
}

#[test]
fn repl_control() {
    check("repl_control", &["meanwhile", "timed_out", "cancelled", "completed", "0 jobs were cut"]);
}

#[test]
fn gather() {
    check("gather", &["1. ", "2. ", "3. ", "first to answer"]);
}

#[test]
fn window_loop() {
    check("window_loop", &["64 streams ended", "frames"]);
}

#[test]
fn compare_models() {
    check("compare_models", &["words:40", "thinking", "error-after:3", "failed"]);
}

#[test]
fn pull_with_progress() {
    check("pull_with_progress", &["pulling", "100%", "completed"]);
}

#[test]
fn custom_future() {
    check("custom_future", &["cleaned up", "panicked", "the sum is 5050"]);
}

#[test]
fn a_host_can_be_given() {
    let server = Server::start(fakemodel::plan());
    let mut command = example("gather");
    command.arg(server.url());
    assert!(output(command).contains("first to answer"));
    assert!(!server.requests().is_empty());
    let mut command = example("gather");
    let before = server.requests().len();
    command.env("OLLAMA_HOST", server.url());
    output(command);
    assert!(server.requests().len() > before);
}
