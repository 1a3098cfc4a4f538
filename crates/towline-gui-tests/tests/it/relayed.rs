//! Jobs of a relay in the window: seen, controlled, detached, resumed, adopted.

use std::sync::Arc;

use egui::{Key, Modifiers};
use tempfile::TempDir;
use towline::relay::AnswerState;
use towline::{ChatRequest, Message};
use towline_app::chat::Answered;
use towline_app::history::{History, InHistory, RestOutcome, place_of};
use towline_app::settings::RelaySetting;
use towline_gui::command::{Command, JobOrder};
use towline_gui::relay::{Control, RelayOrder, short};
use towline_gui::store::State;
use towline_gui::window::Window;
use towline_testkit::{Routes, Script, Server, records::ollama};

use crate::relay::Relay;
use crate::stage::{Begin, Stage};

const WHOLE: &str = "first half, second half";

/// A model whose answer stops in the middle until the test lets it go on.
fn gated() -> Routes {
    let answer = Script::ndjson_open([ollama::chat_text("first half")])
        .wait("rest")
        .lines([ollama::chat_text(", second half"), ollama::chat_done("stop", 3)])
        .end_chunks();
    let tags = r#"{"models":[{"name":"echo","size":700}]}"#;
    Routes::new()
        .path("/api/chat", answer)
        .path("/api/tags", Script::respond(200, "application/json", tags))
        .path("/api/ps", Script::respond(200, "application/json", r#"{"models":[]}"#))
}

/// A user with a model server and a relay before it.
struct User {
    folder: TempDir,
    server: Arc<Server>,
    relay: Relay,
}

impl User {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let server = Arc::new(Server::start(gated()));
        let relay = Relay::start(folder.path(), &server);
        Self { folder, server, relay }
    }

    /// Opens a window, with its panel of jobs.
    fn window(&self, on_relay: bool) -> Stage {
        let folder = Some(self.folder.path().join("towline"));
        let relay = Some(self.folder.path().to_owned());
        let size = [1_300.0, 700.0];
        let mut stage =
            Stage::on(Arc::clone(&self.server), Begin { folder, relay, on_relay, size, ..Begin::default() });
        if !stage.window(|window| window.state.shows_jobs) {
            stage.press(Modifiers::COMMAND, Key::J);
        }
        stage
    }

    /// A window with the first half of an answer that goes through the relay, and the relay's name for it.
    fn half_way(&self) -> (Stage, String) {
        let mut stage = self.window(true);
        ask(&mut stage);
        let job = self.relay.jobs().pop().expect("it runs there");
        stage.until("its name", |stage| {
            stage.window(|window| window.chat().is_some_and(|chat| chat.answer_at_relay(&job.id).is_some()))
        });
        (stage, job.id)
    }

    fn ended(&self, id: &str) -> bool {
        self.relay.job(id).state == AnswerState::Completed
    }
}

/// Asks at once, though the window may still be looking for its server.
fn ask(stage: &mut Stage) {
    stage.ask("what is a weir?");
    stage.until_shown("first half");
}

fn content(stage: &Stage) -> String {
    stage.window(|window| {
        let chat = window.chat().expect("a chat");
        chat.conversation.last().map(|turn| turn.answer().answer.content.clone()).unwrap_or_default()
    })
}

/// The number of the window's own job.
fn own_job(stage: &Stage) -> towline::engine::JobId {
    let job =
        stage.window(|window| window.chat().and_then(|chat| chat.live.first()).map(|live| live.job.id()));
    job.expect("an answer on its way")
}

#[test]
fn an_answer_keeps_what_it_belongs_to() {
    let user = User::new();
    let (mut stage, id) = user.half_way();
    let job = user.relay.job(&id);
    assert_eq!((job.asked_by.as_deref(), job.question.as_deref()), (Some("window"), Some("what is a weir?")));
    assert_eq!((job.turn.as_deref(), job.model.as_deref()), (Some("0"), Some("echo")));
    assert!(place_of(&job).is_some(), "{:?}", job.conversation);
    let server = user.server.url();
    assert!(job.upstream.is_some_and(|named| server.ends_with(named.as_str())), "it was named to the relay");
    user.server.open("rest");
    stage.until("the end", |stage| stage.can_click("Regenerate answer"));
    stage.until_filed();
    stage.click("Regenerate answer");
    stage.until("another", |_| user.relay.jobs().len() == 2);
    let again = user.relay.jobs().into_iter().find(|job| job.id != id).expect("it runs there");
    let history = History::open(&user.folder.path().join("towline/history.db")).expect("a history");
    let chat = history.last().expect("a history").expect("a chat");
    let (place, answer) = place_of(&again).expect("a place");
    assert_eq!((place, answer.turn.0, answer.variant), (InHistory::Chat(chat), 0, 2));
}

#[test]
fn where_no_relay_can_be_started_answers_run_in_the_window() {
    let folder = tempfile::tempdir().expect("a folder");
    let begin = Begin { relay: Some(folder.path().to_owned()), on_relay: true, ..Begin::default() };
    let mut stage = Stage::new(gated(), begin);
    stage.until_shown("Answers run in this window, and end with it: the relay cannot be started");
    ask(&mut stage);
    stage.server.open("rest");
    stage.until("the end", |stage| stage.can_click("Regenerate answer"));
    assert_eq!(content(&stage), WHOLE);
}

#[test]
fn a_window_without_its_relay_says_so_and_goes_over_to_it_once_it_is_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let begin = Begin { relay: Some(folder.path().to_owned()), on_relay: true, ..Begin::default() };
    let mut stage = Stage::new(gated(), begin);
    stage.until_shown("Answers run in this window");
    stage.press(Modifiers::COMMAND, Key::Comma);
    stage.until_shown("They run in this window, and end with it: the relay cannot be started");
    assert!(!stage.is_on("Answers run on the relay"));
    let relay = Relay::start(folder.path(), &stage.server);
    stage.until_shown("They run at the relay on this machine");
    assert!(stage.is_on("Answers run on the relay"));
    stage.click("Close");
    stage.until_shown("through the relay on this machine");
    ask(&mut stage);
    assert_eq!(relay.jobs().len(), 1);
}

#[test]
fn a_window_that_answers_run_in_asks_before_it_closes() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut stage = Stage::new(gated(), Begin { folder: Some(folder.path().to_owned()), ..Begin::default() });
    assert!(stage.window(Window::may_close), "nothing runs");
    ask(&mut stage);
    assert!(!stage.window(Window::may_close));
    stage.until_shown("1 answer runs in this window and would be stopped");
    stage.click("Keep it open");
    assert!(!stage.window(Window::may_close), "it asks again");
    assert!(stage.window(Window::may_close), "who closes it twice means it");
    drop(stage);
    let mut history = History::open(&folder.path().join("history.db")).expect("a history");
    let id = history.last().expect("a history").expect("a chat");
    let read = history.load(id).expect("the chat");
    let answer = read.last().expect("a turn").answer();
    assert_eq!((answer.answered, answer.answer.content.as_str()), (Answered::Cancelled, "first half"));
}

#[test]
fn what_runs_on_the_relay_keeps_no_window_open() {
    let user = User::new();
    let (stage, id) = user.half_way();
    assert!(stage.window(Window::may_close));
    drop(stage);
    assert_eq!(user.relay.job(&id).state, AnswerState::Streaming);
}

#[test]
fn an_answer_is_left_to_the_relay_and_comes_back_whole() {
    let user = User::new();
    let (mut stage, id) = user.half_way();
    let job = own_job(&stage);
    stage.click(&format!("Detach job {job}"));
    stage.until_shown("It continues on the relay");
    stage.until_shown("with the relay");
    assert_eq!(content(&stage), "first half");
    let label = format!("Reattach relay job {}", short(&id));
    stage.until("its row", |stage| stage.can_click(&label));
    assert!(!stage.can_click(&format!("Stop job {job}")), "it is the relay's now");
    assert_eq!(user.relay.job(&id).state, AnswerState::Streaming);
    user.server.open("rest");
    stage.until("its end there", |_| user.ended(&id));
    assert_eq!(content(&stage), "first half", "nobody reads it here");
    stage.click(&label);
    stage.until("the end", |stage| stage.can_click("Regenerate answer"));
    assert_eq!(content(&stage), WHOLE);
    assert!(!stage.shows("It continues on the relay"));
    assert_eq!(user.relay.jobs().len(), 1, "it was asked once");
}

#[test]
fn the_end_of_an_answer_that_was_left_gets_into_the_history() {
    let user = User::new();
    let (mut stage, id) = user.half_way();
    stage.until_filed();
    let job = own_job(&stage);
    stage.click(&format!("Detach job {job}"));
    stage.until_shown("It continues on the relay");
    let mut history = History::open(&user.folder.path().join("towline/history.db")).expect("a history");
    stage.until("nobody writes it", |_| {
        History::open(&user.folder.path().join("towline/history.db"))
            .and_then(|history| history.without_writer())
            .is_ok_and(|left| left.iter().any(|(_, relay)| *relay == id))
    });
    user.server.open("rest");
    stage.until("its end there", |_| user.ended(&id));
    // As the process of the own relay does when an answer ends.
    let (events, outcome) = user.relay.read(&id);
    assert_eq!(history.complete(&id, &events, &outcome).expect("a history"), RestOutcome::Written);
    stage.until("the window sees it", |stage| content(stage) == WHOLE);
    assert!(!stage.shows("It continues on the relay"));
    assert!(!stage.can_click(&format!("Reattach relay job {}", short(&id))), "there is nothing more to read");
}

#[test]
fn an_answer_that_is_taken_up_again_is_the_windows_to_write() {
    let user = User::new();
    let (mut stage, id) = user.half_way();
    stage.until_filed();
    let job = own_job(&stage);
    stage.click(&format!("Detach job {job}"));
    stage.click(&format!("Reattach relay job {}", short(&id)));
    stage.until("it is read", |stage| {
        stage.window(|window| window.chat().is_some_and(|chat| !chat.live.is_empty()))
    });
    user.server.open("rest");
    stage.until("the end", |stage| stage.can_click("Regenerate answer"));
    let mut history = History::open(&user.folder.path().join("towline/history.db")).expect("a history");
    let (events, outcome) = user.relay.read(&id);
    let rest = history.complete(&id, &events, &outcome).expect("a history");
    assert!(rest == RestOutcome::Held || rest == RestOutcome::Unknown, "{rest:?}");
    drop(stage);
    let chat = history.last().expect("a history").expect("a chat");
    let read = history.load(chat).expect("the chat");
    assert_eq!(read.last().map(|turn| turn.answer().answer.content.as_str()), Some(WHOLE));
}

#[test]
fn continue_reads_the_rest_from_the_relay() {
    let user = User::new();
    let (mut stage, _) = user.half_way();
    let job = own_job(&stage);
    stage.click(&format!("Detach job {job}"));
    stage.click("Continue answer");
    user.server.open("rest");
    stage.until("the end", |stage| stage.can_click("Regenerate answer"));
    assert_eq!(content(&stage), WHOLE);
    assert_eq!(user.relay.jobs().len(), 1, "no model was asked to go on");
}

#[test]
fn a_closed_window_finds_its_answer_again() {
    let user = User::new();
    let (mut stage, id) = user.half_way();
    stage.until_filed();
    let notified = Arc::clone(&stage.notified);
    drop(stage);
    let (title, text) = notified.lock().expect("no panic").pop().expect("the desktop was told");
    assert_eq!(title, "Answers run on");
    assert!(text.contains("what is a weir?"), "{text}");
    assert_eq!(user.relay.job(&id).state, AnswerState::Streaming);
    user.server.open("rest");
    let mut stage = user.window(true);
    stage.until("the end", |stage| stage.can_click("Regenerate answer"));
    assert_eq!(content(&stage), WHOLE);
    drop(stage);
    let mut history = History::open(&user.folder.path().join("towline/history.db")).expect("a history");
    let id = history.last().expect("a history").expect("a chat");
    let file = history.export(id).expect("the chat");
    assert_eq!(file.matches("first half").count(), 1, "{file}");
    let read = history.load(id).expect("the chat");
    assert_eq!(read.last().map(|turn| turn.answer().answer.content.as_str()), Some(WHOLE));
    assert_eq!(history.detached_at_relay().expect("a history"), []);
}

#[test]
fn what_somebody_else_asked_is_adopted() {
    let user = User::new();
    let id = user.relay.detached("echo");
    let mut stage = user.window(false);
    stage.click(&format!("Adopt relay job {}", short(&id)));
    stage.until_shown("first half");
    user.server.open("rest");
    stage.until("the end", |stage| stage.can_click("Regenerate answer"));
    assert_eq!(content(&stage), WHOLE);
    let title = stage.window(|window| window.chat().map(|chat| chat.title())).expect("a chat");
    assert_eq!(title, "asked elsewhere");
    assert!(!stage.can_click(&format!("Adopt relay job {}", short(&id))), "it has a chat");
    stage.click("Forget ended");
    stage.click("New chat");
    stage.click(&format!("Show relay job {}", short(&id)));
    assert_eq!(content(&stage), WHOLE);
}

#[test]
fn what_has_a_chat_that_is_not_open_is_not_adopted_into_another() {
    let user = User::new();
    let (mut stage, id) = user.half_way();
    user.server.open("rest");
    stage.until("the end", |stage| stage.can_click("Regenerate answer"));
    // A window begins with the chat that was written to last.
    stage.click("New chat");
    ask(&mut stage);
    stage.until("the end", |stage| stage.can_click("Regenerate answer"));
    stage.until_filed();
    drop(stage);
    let mut stage = user.window(false);
    let last = stage.window(|window| window.chat().and_then(|chat| chat.id));
    stage.click(&format!("Adopt relay job {}", short(&id)));
    stage.until("its chat", |stage| stage.window(|window| window.chat().and_then(|chat| chat.id)) != last);
    stage.until("the answer", |stage| stage.can_click("Regenerate answer"));
    assert_eq!(content(&stage), WHOLE);
    drop(stage);
    let history = History::open(&user.folder.path().join("towline/history.db")).expect("a history");
    assert_eq!(history.list(10).expect("a history").len(), 2);
}

#[test]
fn what_is_adopted_brings_its_conversation_and_its_images() {
    let user = User::new();
    let request = ChatRequest::new("echo")
        .message(Message::system("be brief"))
        .user("what is a weir?")
        .message(Message::assistant("a small dam"))
        .message(Message::user("and this?").with_image(b"png"));
    let sent = request.clone();
    let id = user.relay.asked(request);
    let mut stage = user.window(false);
    stage.click(&format!("Adopt relay job {}", short(&id)));
    user.server.open("rest");
    stage.until("the end", |stage| stage.can_click("Regenerate answer"));
    assert!(stage.shows("a small dam"));
    stage.until_filed();
    drop(stage);
    let mut history = History::open(&user.folder.path().join("towline/history.db")).expect("a history");
    let chat = history.last().expect("a history").expect("a chat");
    assert_eq!(history.summary(chat).expect("the chat").title, "what is a weir?");
    let chat = history.load(chat).expect("the chat");
    let last = chat.last().expect("a turn").answer();
    assert_eq!(last.answer.content, WHOLE);
    let again = chat.request(last.id).expect("a request");
    assert_eq!(again.messages[..4], sent.messages[..]);
}

#[test]
fn the_relays_jobs_obey_the_panel() {
    let user = User::new();
    let id = user.relay.detached("echo");
    let name = format!("relay job {}", short(&id));
    let mut stage = user.window(false);
    stage.click(&format!("Pause {name}"));
    stage.until("pausing", |_| user.relay.job(&id).state == AnswerState::Paused);
    stage.click(&format!("Unpause {name}"));
    stage.until("going on", |_| user.relay.job(&id).state == AnswerState::Streaming);
    stage.click(&format!("Deadline of {name}"));
    stage.click("5 min from now");
    stage.until("the deadline", |_| user.relay.job(&id).deadline_s.is_some_and(|left| left > 30.0));
    stage.click(&format!("Deadline of {name}"));
    stage.click("No deadline");
    stage.until("none", |_| user.relay.job(&id).deadline_s.is_none());
    stage.click(&format!("Stop {name}"));
    stage.until("its end", |_| user.relay.job(&id).state == AnswerState::Cancelled);
    stage.click(&format!("Forget {name}"));
    stage.until("nothing", |stage| !stage.shows(short(&id)) && user.relay.jobs().is_empty());
}

#[test]
fn an_answer_that_was_asked_elsewhere_is_named_and_asked_again() {
    let user = User::new();
    let id = user.relay.detached("echo");
    let name = format!("relay job {}", short(&id));
    let mut stage = user.window(false);
    stage.click(&format!("Rename {name}"));
    stage.type_into("Answer name", "tale");
    stage.click("Rename");
    stage.until("its name", |_| user.relay.job(&id).name.as_deref() == Some("tale"));
    stage.until_shown("tale");
    assert!(!stage.can_click(&format!("Retry {name}")), "it runs");
    stage.click(&format!("Stop {name}"));
    stage.click(&format!("Retry {name}"));
    stage.until("another", |_| {
        user.relay.jobs().iter().any(|job| job.id != id && job.question.as_deref() == Some("asked elsewhere"))
    });
}

#[test]
fn an_answer_of_this_window_is_paused_and_limited_here_and_elsewhere() {
    let user = User::new();
    let (mut stage, id) = user.half_way();
    let job = own_job(&stage);
    stage.click("Pause answer");
    stage.until("pausing", |_| user.relay.job(&id).state == AnswerState::Paused);
    stage.until_shown("paused: nothing is read");
    stage.until("the panel says the same", |stage| stage.can_click(&format!("Unpause job {job}")));
    user.relay.unpause(&id);
    stage.until("the window sees it", |stage| stage.can_click("Pause answer"));
    stage.until("the panel too", |stage| stage.can_click(&format!("Pause job {job}")));
    user.relay.pause(&id);
    stage.until_shown("paused: nothing is read");
    stage.click("Unpause answer");
    stage.until("going on", |_| user.relay.job(&id).state == AnswerState::Streaming);
    stage.click(&format!("Deadline of job {job}"));
    stage.click("5 min from now");
    stage.until("the deadline", |_| user.relay.job(&id).deadline_s.is_some());
    user.relay.without_deadline(&id);
    stage.until_shown("no deadline");
    user.server.open("rest");
    stage.until("the end", |stage| stage.can_click("Regenerate answer"));
    assert_eq!(content(&stage), WHOLE);
}

#[test]
fn only_what_goes_through_the_relay_can_be_left_to_it() {
    let user = User::new();
    let mut stage = user.window(false);
    ask(&mut stage);
    let direct = format!("Detach job {}", own_job(&stage));
    stage.until_shown(&direct);
    assert!(!stage.can_click(&direct));
    assert!(user.relay.jobs().is_empty());
    stage.press(Modifiers::COMMAND, Key::Comma);
    stage.click("Answers run on the relay");
    stage.click("Close");
    stage.until_shown("through the relay");
    stage.click("New chat");
    ask(&mut stage);
    let relayed = format!("Detach job {}", own_job(&stage));
    stage.until("it can be detached", |stage| stage.can_click(&relayed));
    assert!(!stage.can_click(&direct));
    user.server.open("rest");
    stage.until("both ends", |stage| {
        stage.window(|window| window.chats.iter().all(|chat| chat.live.is_empty()))
    });
    assert_eq!(user.relay.jobs().len(), 1);
}

#[test]
fn another_relay_does_not_learn_the_server_that_was_named_to_the_window() {
    let user = User::new();
    let (elsewhere, named) = (tempfile::tempdir().expect("a folder"), Server::start(gated()));
    let begin = Begin {
        relay: Some(elsewhere.path().to_owned()),
        relay_variable: Some(user.relay.address()),
        url: Some(named.url()),
        ..Begin::default()
    };
    let mut stage = Stage::on(Arc::clone(&user.server), begin);
    stage.press(Modifiers::COMMAND, Key::Comma);
    stage.click("Answers run on the relay");
    stage.click("Close");
    stage.until_shown("through the relay at");
    ask(&mut stage);
    let asked = user.relay.jobs().pop().and_then(|job| job.upstream).expect("a server");
    assert!(user.server.url().ends_with(asked.as_str()), "it asked {asked}");
}

#[test]
fn a_window_that_answers_run_in_finds_what_it_left_at_the_relay_of_the_configuration() {
    let user = User::new();
    let elsewhere = tempfile::tempdir().expect("a folder");
    let window = |on_relay| {
        let begin = Begin {
            folder: Some(user.folder.path().join("towline")),
            relay: Some(elsewhere.path().to_owned()),
            relay_configured: RelaySetting::At(user.relay.address()),
            on_relay,
            ..Begin::default()
        };
        Stage::on(Arc::clone(&user.server), begin)
    };
    let mut stage = window(true);
    ask(&mut stage);
    stage.until_filed();
    drop(stage);
    user.server.open("rest");
    let mut stage = window(false);
    stage.until("the end", |stage| stage.can_click("Regenerate answer"));
    assert_eq!(content(&stage), WHOLE);
}

#[test]
fn a_relay_that_dies_takes_nothing_with_it() {
    let mut user = User::new();
    let (mut stage, id) = user.half_way();
    let job = own_job(&stage);
    user.relay.die();
    stage.until_shown("The relay is gone");
    stage.until_shown("cannot be started");
    assert_eq!(content(&stage), "first half");
    // What can no longer be done is said.
    stage.window(|window| window.act(Command::RelayJob(id.clone(), RelayOrder::Read)));
    stage.until_shown(&format!("no longer has job {}", short(&id)));
    stage.window(|window| window.act(Command::RelayJob(id.clone(), Control::Stop.into())));
    stage.until_shown("cannot be stopped");
    stage.window(|window| window.act(Command::Job(job, JobOrder::Control(Control::Stop))));
    stage.until("the end", |stage| {
        stage.window(|window| window.chat().is_some_and(|chat| chat.live.is_empty()))
    });
    assert_eq!(content(&stage), "first half");
}

#[test]
fn a_killed_window_finds_its_answer_though_it_had_no_time_to_note_it() {
    let user = User::new();
    let (mut stage, id) = user.half_way();
    stage.until_filed();
    drop(stage);
    // As it was before the question.
    let state = user.folder.path().join("towline/window.json");
    std::fs::write(&state, State::default().text()).expect("written");
    user.server.open("rest");
    let mut stage = user.window(true);
    stage.until("the whole answer", |stage| {
        stage.window(|window| {
            let mut turns = window.chats.iter().filter_map(|chat| chat.conversation.last());
            turns.any(|turn| turn.answer().answer.content == WHOLE)
        })
    });
    assert!(user.ended(&id));
}

#[test]
fn an_answer_that_the_relay_has_forgotten_keeps_what_came() {
    let user = User::new();
    let (mut stage, id) = user.half_way();
    stage.until_filed();
    drop(stage);
    user.relay.forget(&id);
    let mut stage = user.window(true);
    stage.until_shown("the relay no longer has it");
    assert_eq!(content(&stage), "first half");
    assert!(stage.can_click("Continue answer"));
}

#[test]
fn without_a_relay_the_window_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let begin = Begin { relay: Some(folder.path().to_owned()), ..Begin::default() };
    let mut stage = Stage::new(gated(), begin);
    stage.press(Modifiers::COMMAND, Key::J);
    stage.until_shown("no relay runs");
    stage.click("Start the relay");
    stage.until_shown("the relay cannot be started: no-such-program");
    stage.until("a server", |stage| stage.window(|window| window.server.client().is_some()));
    ask(&mut stage);
    stage.server.open("rest");
    stage.until("the end", |stage| stage.can_click("Regenerate answer"));
}
