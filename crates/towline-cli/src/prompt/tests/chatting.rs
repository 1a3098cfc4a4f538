//! Questions, answers, history, errors, sessions.

use serde_json::{Value, json};
use towline_app::chat::Conversation;
use towline_app::history::History;
use towline_testkit::records::ollama;
use towline_testkit::{Routes, Script, Server};

use super::stage::{CTRL_C, CTRL_D, CTRL_Z, Played, Scene, Step, play};
use crate::exit::Exit;
use towline_app::settings::Config;

fn answers(texts: &[&str]) -> Server {
    let scripts: Vec<Script> = texts.iter().map(|text| Script::ndjson(ollama::chat(&[text]))).collect();
    Server::start(Routes::new().path_each("/api/chat", scripts))
}

/// The question of the nth request.
fn messages(server: &Server, nth: usize) -> Vec<String> {
    let request = server.requests()[nth].json().unwrap();
    let messages = request["messages"].as_array().cloned().unwrap_or_default();
    messages
        .iter()
        .map(|message| {
            format!("{}:{}", message["role"].as_str().unwrap(), message["content"].as_str().unwrap())
        })
        .collect()
}

/// The conversation of a history with the last write.
fn written(folder: &std::path::Path) -> Conversation {
    let mut history = History::open(&folder.join("history.db")).unwrap();
    let last = history.last().unwrap();
    last.map(|last| history.load(last).unwrap()).unwrap_or_default()
}

#[test]
fn the_history_goes_along() {
    let server = answers(&["one", "two"]);
    let played = play(
        &server,
        Scene::default(),
        [
            Step::Type("first"),
            Step::See("one\n</>"),
            Step::Type(":system be brief"),
            Step::Type("second"),
            Step::See("two\n</>"),
        ],
    );
    assert!(played.shown.starts_with("prompt m> \n$ m> first\n<>\none\n</>\n"), "{}", played.shown);
    assert_eq!(messages(&server, 0), ["user:first"]);
    assert_eq!(messages(&server, 1), ["system:be brief", "user:first", "assistant:one", "user:second"]);
}

#[test]
fn questions_typed_meanwhile_wait_in_order() {
    let slow = Script::request().head(200, "application/x-ndjson", towline_testkit::Body::Chunked);
    let slow =
        slow.line(ollama::chat_text("slow")).wait("go").line(ollama::chat_done("stop", 1)).end_chunks();
    let server = Server::start(Routes::new().path_each(
        "/api/chat",
        [slow, Script::ndjson(ollama::chat(&["two"])), Script::ndjson(ollama::chat(&["three"]))],
    ));
    let played = play(
        &server,
        Scene::default(),
        [
            Step::Type("a"),
            Step::See("slow"),
            Step::Type("b"),
            Step::Type("c"),
            Step::Status("2 lines wait"),
            Step::Do(Box::new(|| server.open("go"))),
            Step::See("$ m> b"),
            Step::See("two"),
            Step::See("$ m> c"),
            Step::See("three"),
            Step::See("</>"),
        ],
    );
    assert_eq!(messages(&server, 2).len(), 5, "{}", played.shown);
}

#[test]
fn a_cut_answer_is_kept_marked_and_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(Routes::new().path_each(
        "/api/chat",
        [Script::ndjson([ollama::chat_text("half")]), Script::ndjson(ollama::chat(&[" and half"]))],
    ));
    let played = play(
        &server,
        Scene { folder: Some(folder.path().to_owned()), ..Scene::default() },
        [
            Step::Type("ask"),
            Step::See("! Truncated: "),
            Step::See("4 characters are kept"),
            Step::See("~ :continue asks for the rest, retry asks again"),
            Step::Type(":continue"),
            Step::See(" and half\n</>"),
            Step::Type(":continue"),
            Step::See("! continue: the answer is complete"),
        ],
    );
    assert_eq!(messages(&server, 1), ["user:ask", "assistant:half"], "{}", played.shown);
    let chat = written(folder.path());
    assert_eq!(chat.last().unwrap().answer().answer.content, "half and half");
}

#[test]
fn what_is_shown_is_written_within_a_frame() {
    let folder = tempfile::tempdir().unwrap();
    let script = Script::ndjson_open([ollama::chat_thinking("hm"), ollama::chat_text("partial")]).stall();
    let server = Server::start(Routes::new().path("/api/chat", script));
    let path = folder.path().to_owned();
    play(
        &server,
        Scene { folder: Some(path.clone()), ..Scene::default() },
        [
            Step::Type("ask"),
            Step::See("partial"),
            Step::Do(Box::new(move || {
                let whole = |chat: &Conversation| {
                    let answer = &chat.last()?.answer().answer;
                    (answer.content == "partial" && answer.thinking == "hm").then_some(())
                };
                let chat =
                    std::iter::repeat_with(|| written(&path)).find(|chat| whole(chat).is_some()).unwrap();
                let answered = chat.last().unwrap().answer().answered;
                assert!(answered.is_partial(), "a crash now leaves a partial answer");
            })),
            CTRL_C,
            Step::See("Cancelled; 7 characters are kept"),
        ],
    );
}

#[test]
fn a_missing_model_is_pulled_and_asked_again() {
    let server = Server::start(
        Routes::new()
            .path_each(
                "/api/chat",
                [Script::error(404, "model \"m\" not found"), Script::ndjson(ollama::chat(&["yes"]))],
            )
            .path(
                "/api/pull",
                Script::ndjson([ollama::progress("sha256:abc", 5, 10), ollama::status("success")]),
            ),
    );
    let played = play(
        &server,
        Scene::default(),
        [
            Step::Type("ask"),
            Step::See("! Failed: model \"m\" not found"),
            Step::See("~ :pull fetches m, as a job; retry then asks again"),
            Step::Type(":pull"),
            Step::See("Done: pull m"),
            Step::Type("retry"),
            Step::See("yes\n</>"),
        ],
    );
    assert!(!played.shown.contains("Cancelled"), "{}", played.shown);
}

#[test]
fn errors_are_part_of_the_conversation() {
    let server = Server::start(Routes::new().path_each(
        "/api/chat",
        [
            Script::error(401, "invalid key"),
            Script::ndjson([ollama::error("it broke")]),
            Script::ndjson(ollama::chat(&["fine"])),
        ],
    ));
    play(
        &server,
        Scene::default(),
        [
            Step::Type("a"),
            Step::See("! Failed: invalid key (status 401)"),
            Step::See("~ put the server's key into OLLAMA_API_KEY"),
            Step::Type("b"),
            Step::See("! Failed: it broke"),
            Step::Type("retry"),
            Step::See("fine\n</>"),
        ],
    );
    assert_eq!(messages(&server, 2), ["user:b"], "what was not answered is no history");
}

#[test]
fn a_server_that_is_down_is_said_and_the_prompt_lives() {
    let server = answers(&["x"]);
    let gone = Server::start(Script::new());
    drop(server);
    play(
        &gone,
        Scene::default(),
        [Step::Type("a"), Step::See("! "), Step::Type("jobs"), Step::See("$ m> jobs")],
    );
}

#[test]
fn thinking_is_shown_apart_and_unfolded() {
    let server = Server::start(Routes::new().path(
        "/api/chat",
        Script::ndjson([ollama::chat_thinking("hm"), ollama::chat_text("yes"), ollama::chat_done("stop", 2)]),
    ));
    play(
        &server,
        Scene::default(),
        [Step::Type("ask"), Step::See("(hm)yes"), Step::See("</>"), Step::Type(":unfold"), Step::See("~ hm")],
    );
}

#[test]
fn several_models_answer_one_after_the_other_in_front() {
    let server = Server::start(
        Routes::new()
            .model("a", Script::ndjson(ollama::chat(&["from a"])))
            .model("b", Script::ndjson(ollama::chat(&["from b"])))
            .model("m", Script::ndjson(ollama::chat(&["from m"]))),
    );
    play(
        &server,
        Scene::default(),
        [
            Step::Type("@a,@b why?"),
            Step::See("<a>\nfrom a\n</>"),
            Step::See("<b>\nfrom b\n</>"),
            Step::Type("keep %b"),
            Step::See("~ the answer of b is part of the conversation"),
            Step::Type("and?"),
            Step::See("from m"),
            Step::See("</>"),
        ],
    );
    let all = server.requests();
    let last = all.iter().position(|request| request.model().as_deref() == Some("m")).unwrap();
    assert_eq!(messages(&server, last), ["user:why?", "assistant:from b", "user:and?"]);
}

#[test]
fn without_a_person_lines_follow_each_other_and_the_status_is_the_first_failure() {
    let server = Server::start(Routes::new().path_each(
        "/api/chat",
        [
            Script::ndjson(ollama::chat(&["one"])),
            Script::ndjson([ollama::chat_text("half")]),
            Script::ndjson(ollama::chat(&["three"])),
        ],
    ));
    let played = play(
        &server,
        Scene { interactive: false, leaves: true, ..Scene::default() },
        [Step::Type("a"), Step::Type("b"), Step::Type("c"), Step::Type(":export md"), CTRL_D],
    );
    assert!(played.shown.ends_with("## m\n\nthree\n"), "{}", played.shown);
    assert_eq!(played.exit, Exit::Truncated);
    assert_eq!(messages(&server, 2).len(), 5, "{}", played.shown);
}

#[test]
fn conversations_are_named_found_and_continued() {
    let folder = tempfile::tempdir().unwrap();
    let scene = || Scene { folder: Some(folder.path().to_owned()), ..Scene::default() };
    let server = answers(&["one", "two"]);
    play(
        &server,
        scene(),
        [
            Step::Type("first 長江"),
            Step::See("one\n</>"),
            Step::Type(":set temperature 0.5"),
            Step::Type(":save 12"),
            Step::See("! save: \"12\" cannot be"),
            Step::Type(":save mine"),
            Step::See("the history has everything as it arrives, under mine"),
            Step::Type(":history"),
            Step::See("* mine"),
        ],
    );
    play(
        &server,
        scene(),
        [
            Step::Type(":load other"),
            Step::See("! load: there is no conversation other"),
            Step::Type(":history absent"),
            Step::See("there is no such conversation"),
            Step::Type(":history 長江"),
            Step::See("mine"),
            Step::See("first 長江"),
            Step::See("~ Tab moves through them"),
            Step::Type(":load mine"),
            Step::See("one\n</>\n~ mine: 1 turn"),
            Step::Type("second"),
            Step::See("two\n</>"),
        ],
    );
    assert_eq!(messages(&server, 1), ["user:first 長江", "assistant:one", "user:second"]);
    assert_eq!(server.requests()[1].json().unwrap()["options"]["temperature"], Value::from(0.5));
    assert_eq!(written(folder.path()).turns().len(), 2);
}

#[test]
fn an_image_that_a_model_made_is_kept_and_announced() {
    let folder = tempfile::tempdir().unwrap();
    let scene = || Scene { folder: Some(folder.path().to_owned()), ..Scene::default() };
    let image = json!({ "model": "m", "done": false, "message": { "role": "assistant", "content": "", "images": ["cG5n"] } });
    let records = [image.to_string(), ollama::chat_text("a cat"), ollama::chat_done("stop", 1)];
    let server = Server::start(Routes::new().path("/api/chat", Script::ndjson(records)));
    let message = "an image of 3 bytes arrived, which cannot be shown here";
    play(
        &server,
        scene(),
        [
            Step::Type("draw"),
            Step::See(message),
            Step::See("a cat\n</>"),
            Step::Type(":save cat"),
            Step::See("under cat"),
        ],
    );
    play(
        &server,
        scene(),
        [
            Step::Type(":load cat"),
            Step::See("a cat\n</>"),
            Step::See(message),
            Step::Type("and a dog"),
            Step::See("a cat\n</>"),
        ],
    );
    assert_eq!(written(folder.path()).turns()[0].answer().answer.images, ["cG5n"]);
    assert_eq!(messages(&server, 1), ["user:draw", "assistant:a cat", "user:and a dog"]);
    assert!(!server.requests()[1].json().unwrap().to_string().contains("cG5n"), "no server takes it back");
}

#[test]
fn a_retry_adds_an_answer_and_models_stand_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(Routes::new().path_each(
        "/api/chat",
        ["one", "two", "of a", "of a"].map(|text| Script::ndjson(ollama::chat(&[text]))),
    ));
    play(
        &server,
        Scene { folder: Some(folder.path().to_owned()), ..Scene::default() },
        [
            Step::Type("first"),
            Step::See("one\n</>"),
            Step::Type("retry"),
            Step::See("two\n</>"),
            Step::Type("@a,@b second"),
            Step::See("<a>\nof a\n</>"),
            Step::See("<b>\nof a\n</>"),
        ],
    );
    let chat = written(folder.path());
    let answers = |turn: usize| -> Vec<(String, String)> {
        let answers = chat.turns()[turn].variants().iter();
        answers.map(|answer| (answer.model.clone(), answer.answer.content.clone())).collect()
    };
    let answer = |model: &str, text: &str| (model.to_owned(), text.to_owned());
    assert_eq!(answers(0), [answer("m", "one"), answer("m", "two")]);
    assert_eq!(chat.turns()[0].answer().answer.content, "two");
    assert_eq!(answers(1), [answer("a", "of a"), answer("b", "of a")]);
    assert_eq!(messages(&server, 1), ["user:first"]);
    assert_eq!(messages(&server, 2), ["user:first", "assistant:two", "user:second"]);
}

#[test]
fn files_and_images_go_with_the_next_question() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.txt"), "inside ``` it").unwrap();
    std::fs::write(folder.path().join("b.png"), b"\x89PNG\r\n\x1a\n").unwrap();
    let server = answers(&["one", "two"]);
    let file = format!(":file {}/a.txt", folder.path().display());
    let image = format!(":image {}/b.png", folder.path().display());
    play(
        &server,
        Scene::default(),
        [
            Step::Type(&file),
            Step::Type(&image),
            Step::Type("what?"),
            Step::See("one\n</>"),
            Step::Type(":image /dev/zero"),
            Step::See("! image: /dev/zero is not a file"),
            Step::Type("more"),
            Step::See("two\n</>"),
        ],
    );
    assert_eq!(messages(&server, 0), ["user:a.txt:\n````\ninside ``` it\n````\n\nwhat?"]);
    assert_eq!(server.requests()[0].json().unwrap()["messages"][0]["images"][0], "iVBORw0KGgo=");
    assert_eq!(messages(&server, 1).len(), 3);
}

#[test]
fn a_page_goes_with_the_next_question_as_text() {
    let server = answers(&["one"]);
    let page = Server::start(Script::respond(200, "text/html", "<p>Rivers &amp; lakes</p>"));
    let url = format!(":url {}/a/page?key=1", page.url());
    play(
        &server,
        Scene::default(),
        [
            Step::Type(&url),
            Step::See("of text from a page of 25 B; it goes with the next question"),
            Step::Type("what?"),
            Step::See("one\n</>"),
            Step::Type(":url example.org"),
            Step::See("! url: example.org is not the address of a page"),
        ],
    );
    let sent = messages(&server, 0);
    assert!(sent[0].starts_with("user:page:\n```\n") && sent[0].contains("Rivers & lakes"), "{sent:?}");
}

#[test]
fn a_deadline_of_the_configuration_ends_a_question() {
    let server =
        Server::start(Routes::new().path("/api/chat", Script::ndjson_open([ollama::chat_text("x")]).stall()));
    let config = Config { deadline: Some(std::time::Duration::from_millis(50)), ..Config::default() };
    play(&server, Scene { config, ..Scene::default() }, [Step::Type("ask"), Step::See("! Timed out: ")]);
}

#[test]
fn a_question_that_does_not_fit_is_said_before_it_is_sent() {
    let record = |text: &str, done: bool| {
        json!({
            "model": "m", "message": { "role": "assistant", "content": text }, "done": done,
            "done_reason": if done { json!("stop") } else { json!(null) },
            "prompt_eval_count": if done { json!(300) } else { json!(null) },
            "eval_count": if done { json!(100) } else { json!(null) },
        })
        .to_string()
    };
    let answer = |text: &str| Script::ndjson([record(text, false), record("", true)]);
    let first = answer("one");
    let second = Script::ndjson_open([record("two", false)]).wait("go").line(record("", true)).end_chunks();
    let ps = json!({ "models": [{ "name": "m:latest", "model": "m:latest", "context_length": 512 }] });
    let server = Server::start(
        Routes::new()
            .path_each("/api/chat", [first, second, answer("three"), answer("four")])
            .path("/api/ps", Script::respond(200, "application/json", ps.to_string())),
    );
    let long = "word ".repeat(200);
    let Played { shown, .. } = play(
        &server,
        Scene::default(),
        [
            Step::Type("first"),
            Step::See("one\n</>"),
            Step::Type("second"),
            Step::Status(", context 78 % of 512"),
            Step::Do(Box::new(|| server.open("go"))),
            Step::See("two\n</>"),
            Step::Type(&long),
            Step::See("~ about 649 tokens go to a context of 512: the model will not see the oldest"),
            Step::See("three\n</>"),
            Step::Type("set num_ctx 4096"),
            Step::Type(&long),
            Step::See("four\n</>"),
        ],
    );
    assert_eq!(shown.matches("go to a context").count(), 1);
}

#[test]
fn code_is_copied_alone() {
    let server = answers(&["Do:\n```sh\nls\n```\nor\n```sh\npwd\n```\n"]);
    for (typed, copied) in [(":copy code", "ls\npwd\n"), (":copy code 2", "pwd\n")] {
        let steps = [Step::Type("how?"), Step::See("</>"), Step::Type(typed), Step::See("characters copied")];
        assert_eq!(play(&server, Scene::default(), steps).copied.as_deref(), Some(copied));
    }
    let steps = [
        Step::Type("how?"),
        Step::See("</>"),
        Step::Type(":copy code 3"),
        Step::See("! copy: the answer has 2 of them"),
        Step::Type(":copy all"),
        Step::See("! copy: all: expected a job, then code and a number"),
    ];
    play(&server, Scene::default(), steps);
}

#[test]
fn clear_and_export_and_copy() {
    let server = answers(&["one", "two"]);
    let played = play(
        &server,
        Scene::default(),
        [
            Step::Type("first"),
            Step::See("one\n</>"),
            Step::Type(":copy"),
            Step::See("3 characters copied"),
            Step::Type(":export json"),
            Step::See("\"content\": \"one\""),
            Step::Type(":clear"),
            Step::Type("second"),
            Step::See("two\n</>"),
        ],
    );
    assert_eq!(played.copied.as_deref(), Some("one"));
    assert_eq!(messages(&server, 1), ["user:second"]);
}

#[test]
fn an_answer_without_text_is_not_copied() {
    let silent = Script::ndjson_open([ollama::chat_text("")]).stall();
    let server = Server::start(Routes::new().path("/api/chat", silent));
    let steps = [
        Step::Type(":copy"),
        Step::See("! copy: there is no answer yet"),
        Step::Type("ask"),
        Step::Status("m streaming"),
        CTRL_C,
        Step::See("Cancelled"),
        Step::Type(":copy"),
        Step::See("! copy: that answer has no text"),
    ];
    play(&server, Scene::default(), steps);
}

#[test]
fn a_front_stream_behind_answers_in_its_place() {
    let script = Script::ndjson_open([ollama::chat_text("slow")])
        .wait("go")
        .line(ollama::chat_done("stop", 1))
        .end_chunks();
    let server = Server::start(Routes::new().path_each(
        "/api/chat",
        [script, Script::ndjson(ollama::chat(&["two"])), Script::ndjson(ollama::chat(&["three"]))],
    ));
    play(
        &server,
        Scene::default(),
        [
            Step::Type("a"),
            Step::See("slow"),
            CTRL_Z,
            Step::See("[1]+  Running                 m  \"a\" &"),
            Step::Type("b"),
            Step::See("two"),
            Step::Do(Box::new(|| server.open("go"))),
            Step::Status("1 done"),
            Step::Type("c"),
            Step::See("[1]+  Done                    m  \"a\""),
            Step::See("three\n</>"),
        ],
    );
    assert_eq!(messages(&server, 1), ["user:b"]);
    assert_eq!(messages(&server, 2), ["user:a", "assistant:slow", "user:b", "assistant:two", "user:c"]);
}
