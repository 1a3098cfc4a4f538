//! A conversation at the terminal.

use serde_json::{Value, json};
use towline_testkit::records::ollama;
use towline_testkit::{Routes, Script, Server};

use super::{chats, command, ended, prompt, stalled};
use crate::pty::Pty;

fn says(text: &str) -> Script {
    Script::ndjson(ollama::chat(&[text]))
}

#[test]
fn what_is_typed_meanwhile_is_asked_after_or_beside() {
    let server = stalled();
    let (mut pty, _home) = prompt(&server);
    pty.press("first\r");
    pty.expect("m streaming");
    pty.press("second\r");
    pty.expect("1 line waits");
    pty.press("third &\r");
    pty.expect("[2] m  \"third\"");
    server.open("go");
    pty.expect("m> second\nsome text\nmore\n");
    // Its end is reported before a prompt, whichever comes first.
    pty.until("the end of the third", |pty| pty.text().contains("1 done") || pty.text().contains("Done"));
    pty.press("\r");
    pty.expect("[2]+  Done                    m  \"third\"");
    pty.press("exit\r");
    assert_eq!(ended(&mut pty), Some(0));
    let contents = |sent: &Value| -> Vec<String> {
        let messages = sent["messages"].as_array().unwrap();
        messages.iter().map(|message| message["content"].as_str().unwrap().to_owned()).collect()
    };
    let sent: Vec<_> = chats(&server).iter().map(contents).collect();
    assert_eq!(sent[0], ["first"]);
    assert_eq!(sent[1], ["third"], "beside: it does not wait for the first");
    assert_eq!(sent[2][..2], ["first", "some text\nmore\n"], "after: it carries the first's answer");
    assert_eq!(sent[2].last().unwrap(), "second");
}

#[test]
fn a_missing_model_is_fetched_and_asked_again() {
    let missing = Script::error(404, "model 'm' not found");
    let pulled = [ollama::status("pulling manifest"), ollama::status("success")];
    let server = Server::start(
        Routes::new()
            .path_each("/api/chat", [missing, says("Here I am.")])
            .path("/api/pull", Script::ndjson(pulled)),
    );
    let (mut pty, _home) = prompt(&server);
    pty.press("who is there?\r");
    pty.expect(":pull fetches m, as a job; retry then asks again");
    pty.press(":pull\r");
    pty.expect("Done: pull m");
    pty.press("retry\r");
    pty.expect("Here I am.");
    pty.press("exit\r");
    assert_eq!(ended(&mut pty), Some(0));
}

#[test]
fn a_refused_key_and_a_cut_answer_say_what_to_do() {
    let cut = Script::ndjson([ollama::chat_text("One half, ")]);
    let server = Server::start(
        Routes::new()
            .path_each("/api/chat", [Script::error(401, "unauthorized"), cut, says("and the other.")]),
    );
    let (mut pty, _home) = prompt(&server);
    pty.press("ask\r");
    pty.expect("put the server's key into OLLAMA_API_KEY; towline reads the configuration when");
    pty.press("retry\r");
    pty.expect(":continue asks for the rest, retry asks again");
    pty.press(":continue\r");
    pty.expect("and the other.");
    pty.press(":export json\r");
    pty.expect("\"content\": \"One half, and the other.\"");
    pty.press("exit\r");
    assert_eq!(ended(&mut pty), Some(0));
}

#[test]
fn an_answer_is_copied_and_a_question_edited() {
    let server = Server::start(Routes::new().path("/api/chat", says("copied text")));
    let home = tempfile::tempdir().unwrap();
    let mut pty =
        Pty::start(command(&server, home.path()).env("EDITOR", "f() { echo 'the end' > \"$1\"; }; f"));
    pty.expect_row("m>");
    pty.press("teh end\r");
    pty.expect("copied text");
    pty.press(":copy\r");
    pty.expect("11 characters copied");
    assert_eq!(pty.screen.callbacks().clipboard, 1);
    pty.press("edit\r");
    pty.expect("m> the end\ncopied text\n");
    pty.press("half\x18\x05");
    pty.expect_row("m> the end");
    pty.press("\x15exit\r");
    assert_eq!(ended(&mut pty), Some(0));
    let sent = chats(&server).pop().unwrap();
    assert_eq!(
        sent["messages"],
        json!([{ "role": "user", "content": "the end" }]),
        "the last turn is replaced"
    );
}

#[test]
fn without_colours() {
    let text = "# Head\n\n**bold** `code`\n\n```rust\nfn main() {}\n```\n";
    let server = Server::start(Routes::new().path("/api/chat", says(text)));
    for (value, is_coloured) in [("1", false), ("", true)] {
        let home = tempfile::tempdir().unwrap();
        let mut pty = Pty::start(command(&server, home.path()).env("NO_COLOR", value));
        pty.expect_row("m>");
        pty.press("ask\r");
        pty.expect("fn main");
        let screen = pty.screen.screen();
        let cells = (0..24).flat_map(|row| (0..80).filter_map(move |column| screen.cell(row, column)));
        let coloured = cells.filter(|cell| cell.fgcolor() != vt100::Color::Default).count();
        assert_eq!(coloured > 0, is_coloured, "NO_COLOR={value:?}");
    }
}
