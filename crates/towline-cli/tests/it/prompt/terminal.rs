//! The prompt on a real pseudoterminal.

use rustix::process::Signal;
use serde_json::json;
use towline_testkit::records::ollama;
use towline_testkit::{Routes, Script, Server};

use super::{command, ended, prompt, stalled};
use crate::program::{SOON, towline};
use crate::pty::Pty;

#[test]
fn a_stream_goes_behind_and_comes_back_and_is_cancelled() {
    let server = stalled();
    let (mut pty, _home) = prompt(&server);
    pty.press("what is it?\r");
    pty.expect("some text");
    pty.expect("m streaming");
    pty.press("half typed");
    pty.expect("half typed");
    pty.press("\x1a");
    pty.expect("[1]+  Running                 m  \"what is it?\" &");
    pty.expect("1 running");
    pty.expect_row("m> half typed");
    pty.press("\x15fg\r");
    pty.expect("m> fg\nm  \"what is it?\"\n");
    pty.expect("m streaming");
    pty.press("\x03");
    pty.expect("Cancelled; 10 characters are kept");
    pty.press("exit\r");
    assert_eq!(ended(&mut pty), Some(0));
}

#[test]
fn a_template_is_completed_and_a_server_is_named_by_its_letter() {
    let (server, home) = (stalled(), tempfile::tempdir().unwrap());
    let folder = home.path().join(".config/towline");
    std::fs::create_dir_all(folder.join("templates")).unwrap();
    std::fs::write(folder.join("templates/review.md"), "Review {{input}}.").unwrap();
    std::fs::write(folder.join("config.toml"), format!("[servers]\ngpu = {:?}\n", server.url())).unwrap();
    let mut pty = Pty::start(towline(["--direct", "-s", "gpu", "-m", "m"]).env("HOME", home.path()));
    pty.expect(&server.url());
    pty.expect_row("m>");
    pty.press(":template re\t");
    pty.expect_row("m> :template review");
    pty.press("\x15exit\r");
    assert_eq!(ended(&mut pty), Some(0));
}

#[test]
fn the_first_start_says_hello_and_later_ones_do_not() {
    let server = stalled();
    let (mut pty, home) = prompt(&server);
    let text = pty.text();
    for said in
        ["answers come from http", "a final & asks", "Ctrl-Z sends it to the background", "help lists"]
    {
        assert!(text.contains(said), "{text}");
    }
    pty.press("\x04");
    assert_eq!(ended(&mut pty), Some(0));
    let mut again = Pty::start(&mut command(&server, home.path()));
    again.expect("; help lists the commands");
    assert!(!again.text().contains("a final & asks"), "{}", again.text());
}

#[test]
fn colours_are_for_the_background_there_is() {
    let answer = Script::ndjson(ollama::chat(&["# Title\n\nText.\n"]));
    let server = Server::start(Routes::new().path("/api/chat", answer));
    let heading = |pty: &mut Pty| {
        pty.press("what?\r");
        pty.expect("Text.\nm>");
        let row = pty.text().lines().position(|row| row == "Title").unwrap();
        pty.screen.screen().cell(u16::try_from(row).unwrap(), 0).unwrap().fgcolor()
    };
    let (mut pty, home) = prompt(&server);
    assert_eq!(heading(&mut pty), vt100::Color::Idx(6), "dark, where the terminal does not say");
    pty.press("\x1b]11;rgb:ffff/ffff/e0e0\x1b\\");
    pty.press("\x0c");
    pty.until("a clear screen", |pty| !pty.text().contains("Text.") && pty.cursor_row() == "m>");
    assert_eq!(heading(&mut pty), vt100::Color::Idx(30), "light, where it says so");
    let config = home.path().join("config.toml");
    for (text, color) in [
        ("theme = \"none\"", vt100::Color::Default),
        ("theme = \"dark\"\ncolors = { cyan = \"#010203\" }", vt100::Color::Rgb(1, 2, 3)),
    ] {
        std::fs::write(&config, text).unwrap();
        let mut pty = Pty::start(command(&server, home.path()).env("TOWLINE_CONFIG", &config));
        pty.expect_row("m>");
        assert_eq!(heading(&mut pty), color, "{text}");
    }
}

#[test]
fn notices_come_before_the_next_prompt_and_exit_takes_two() {
    let server = stalled();
    let (mut pty, _home) = prompt(&server);
    pty.press("one &\r");
    pty.expect("[1] m  \"one\"");
    server.open("go");
    pty.expect("1 done");
    pty.press("\r");
    pty.expect("[1]+  Done                    m  \"one\"");
    let silent =
        Server::start(Routes::new().path("/api/chat", Script::ndjson_open([ollama::chat_text("x")]).stall()));
    let (mut other, _home) = prompt(&silent);
    other.press("two &\r");
    other.expect("1 running");
    other.press("\x04");
    other.expect("There are running jobs.");
    other.press("\x04");
    assert_eq!(ended(&mut other), Some(0));
    assert!(silent.wait_for_close(0, SOON).is_some());
    pty.press("\x04");
    assert_eq!(ended(&mut pty), Some(0));
}

#[test]
fn an_interrupt_from_outside_is_as_the_key() {
    let server = stalled();
    let (mut pty, _home) = prompt(&server);
    pty.press("one\r");
    pty.expect("some text");
    pty.press("half typed");
    pty.expect_row("m> half typed");
    pty.signal(Signal::INT);
    pty.expect("Cancelled; 10 characters are kept");
    pty.expect_row("m> half typed");
    pty.signal(Signal::QUIT);
    assert_eq!(ended(&mut pty), Some(143));
}

#[test]
fn a_server_that_comes_later_is_found_and_the_question_is_at_hand() {
    let home = tempfile::tempdir().unwrap();
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut program = towline(["--direct", "--host", &format!("http://{address}")]);
    let mut pty = Pty::start(program.env("HOME", home.path()));
    pty.expect("check that the server runs");
    pty.expect_row(">");
    let tags = json!({ "models": [{ "name": "only:latest" }] }).to_string();
    let answer = Script::ndjson(ollama::chat(&["Found."]));
    let routes = Routes::new().path("/api/tags", Script::respond(200, "application/json", tags));
    let _server = Server::listen(address, routes.path("/api/chat", answer)).unwrap();
    pty.press("where?\r");
    pty.expect("no model is chosen");
    pty.expect_row("only:latest> where?");
    pty.press("\r");
    pty.expect("Found.");
    pty.press("exit\r");
    assert_eq!(ended(&mut pty), Some(0));
}
