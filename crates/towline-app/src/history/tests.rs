//! The history, in memory and in files with several writers.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use towline::outcome::FinishReason;
use towline::{Ending, Event, Message, Outcome};

use super::*;
use crate::chat::{AnswerId, Answered, Conversation, Reading, Settings, session};

fn outcome(ending: Ending) -> Outcome {
    Outcome::new(ending)
}

/// A conversation with these questions and answers.
fn conversation(turns: &[(&str, &str)]) -> Conversation {
    let mut chat = Conversation::new(Settings {
        model: "m".into(),
        system: Some("be brief".into()),
        ..Settings::default()
    });
    for (question, answer) in turns {
        let id = chat.ask("m", Message::user(*question));
        chat.receive(id, &Event::Thinking("hm".into()));
        chat.receive(id, &Event::Text((*answer).into()));
        chat.end(id, &outcome(Ending::Completed(Some(FinishReason::Stop))));
    }
    chat
}

fn lines(turns: &[(&str, &str)]) -> String {
    session::write(&conversation(turns), "2026-01-02T03:04:05Z")
}

fn names(found: &[SearchHit]) -> Vec<&str> {
    found.iter().map(|found| found.chat.name.as_str()).collect()
}

#[test]
fn what_is_imported_is_exported() {
    let mut history = History::in_memory().unwrap();
    let usage =
        serde_json::to_string(&towline::event::Usage { prompt_tokens: Some(1), ..Default::default() })
            .unwrap();
    let text = concat!(
        "{\"record\":\"session\",\"version\":1,\"created\":\"2026-01-02T03:04:05Z\",\"later\":1}\n",
        "{\"record\":\"settings\",\"model\":\"m\",\"system\":\"s\",\"options\":{\"seed\":1},\"format\":\"json\"}\n",
        "{\"record\":\"title\",\"title\":\"Hello there\"}\n",
        "{\"record\":\"tags\",\"tags\":[\"rust\",\"work\"]}\n",
        "{\"record\":\"unheard\",\"of\":[1,2]}\n",
        "{\"record\":\"question\",\"turn\":3,\"model\":\"m\",\"content\":\"Hello there\",\"images\":[\"aGk=\"],\"x\":null}\n",
        "{\"record\":\"thinking\",\"turn\":3,\"text\":\"hm\"}\n",
        "{\"record\":\"text\",\"turn\":3,\"text\":\"one 你好\"}\n",
        "{\"record\":\"end\",\"turn\":3,\"ending\":\"truncated\",\"usage\":USAGE,\"y\":2}\n",
        "{\"record\":\"retry\",\"turn\":3,\"model\":\"n\"}\n",
        "{\"record\":\"text\",\"turn\":3,\"text\":\"be\"}\n",
        "{\"record\":\"image\",\"turn\":3,\"image\":\"Zmlyc3Q=\"}\n",
        "{\"record\":\"relay\",\"turn\":3,\"id\":\"r1\"}\n",
        "{\"record\":\"text\",\"turn\":3,\"text\":\"fore\"}\n",
        "{\"record\":\"tool_call\",\"turn\":3,\"id\":null,\"name\":\"f\",\"arguments\":{\"a\":1}}\n",
        "{\"record\":\"image\",\"turn\":3,\"image\":\"c2Vjb25k\"}\n",
        "{\"record\":\"image\",\"turn\":3,\"image\":\"bm90IGJhc2U2NA\\n\"}\n",
        "{\"record\":\"shown\",\"turn\":3,\"variant\":1}\n",
    );
    let text = &text.replace("USAGE", &usage);
    let chat = history.import(text, None).unwrap();
    assert_eq!(&history.export(chat).unwrap(), text);
    let shown = history.load(chat).unwrap();
    assert_eq!(shown.turns()[0].answer().answer.content, "one 你好");
    assert_eq!(shown.turns()[0].answer().answered, Answered::Truncated);
    let cut = shown.turns()[0].variant(2).unwrap();
    assert_eq!(cut.answer.images, ["Zmlyc3Q=", "c2Vjb25k", "bm90IGJhc2U2NA\n"]);
    assert_eq!(cut.detached_at_relay().unwrap().before.images, 1);
    let exported = history.export(chat).unwrap();
    let again = history.import(&exported, None).unwrap();
    assert_eq!(&history.export(again).unwrap(), text);
    assert_eq!(history.summary(again).unwrap().name, "hello-there-2");
    assert_eq!(shown.tags, ["rust", "work"]);
    assert_eq!(history.summary(again).unwrap().tags, shown.tags);
}

#[test]
fn tags_are_words_that_lists_and_searches_take() {
    let mut history = History::in_memory().unwrap();
    for (name, tags) in [("a", "#Rust, work"), ("b", "rust"), ("c", ""), ("d", "rusty 100%")] {
        let chat = history.import(&lines(&[("a river", "bends")]), Some(name)).unwrap();
        history.tag(chat, &tags_of(tags)).unwrap();
    }
    let tags = |history: &History, name| history.summary(history.find(name).unwrap()).unwrap().tags;
    assert_eq!(tags(&history, "a"), ["rust", "work"]);
    for (text, expected) in [
        ("tag:rust", &["b", "a"][..]),
        ("tag:RUST tag:#work", &["a"]),
        ("tag:rus", &[]),
        ("river tag:rust", &["b", "a"]),
        ("tag:100% bend", &["d"]),
        ("a tag:rusty", &["d"]),
        ("ocean tag:rust", &[]),
        ("tag:", &[]),
    ] {
        assert_eq!(names(&history.search(text, 9).unwrap()), expected, "{text}");
    }
    assert_eq!(history.search("bends tag:work", 1).unwrap().len(), 1, "the last written have none");
    let chat = history.find("a").unwrap();
    history.tag(chat, &[]).unwrap();
    assert_eq!(tags(&history, "a"), [""; 0]);
    assert!(history.tag(ChatId(99), &[]).is_err());
}

#[test]
fn what_is_no_session_changes_nothing() {
    let mut history = History::in_memory().unwrap();
    for text in [
        "",
        "hello\n",
        "{\"record\":\"session\",\"version\":9}\n",
        &(lines(&[("a", "b")]) + "{\"record\":\n"),
    ] {
        assert!(history.import(text, None).is_err(), "{text}");
    }
    assert_eq!(history.list(9).unwrap(), []);
}

#[test]
fn words_are_found_in_part_and_in_any_script() {
    let mut history = History::in_memory().unwrap();
    history
        .import(&lines(&[("Tell a long story about rivers, please, and hurry", "Once upon a time")]), None)
        .unwrap();
    history.import(&lines(&[("翻译", "长江是一条河流")]), None).unwrap();
    history.import(&lines(&[("50% of \"what\"?", "ein Donaudampfschiff")]), Some("ship")).unwrap();
    for (text, expected) in [
        ("UPON a", &["tell-a-long-story-about-rivers"][..]),
        ("dampf", &["ship"]),
        ("一条河", &["翻译"]),
        ("河流", &["翻译"]),
        ("0% of \"w", &["ship"]),
        ("hip", &["ship"]),
        ("absent", &[]),
        (" ", &[]),
    ] {
        assert_eq!(names(&history.search(text, 9).unwrap()), expected, "{text}");
    }
    let found = history.search("story", 9).unwrap();
    assert_eq!(found[0].around, "Tell a long story about rivers, please, and hurry");
    assert_eq!(found[0].chat.title, "Tell a long story about rivers, please, and hurry");
}

#[test]
fn what_is_removed_is_found_no_more() {
    let mut history = History::in_memory().unwrap();
    let chat = history.import(&lines(&[("secret question", "secret answer")]), None).unwrap();
    history.remove(chat).unwrap();
    assert_eq!(history.search("secret", 9).unwrap(), []);
    assert!(matches!(history.remove(chat), Err(HistoryError::Missing(_))));
}

#[test]
fn names_are_found_by_their_beginning() {
    let mut history = History::in_memory().unwrap();
    let one = history.import(&lines(&[("what is a river?", "w")]), None).unwrap();
    let two = history.import(&lines(&[("what is a lake", "w")]), None).unwrap();
    assert_eq!(history.find("what-is-a-r").unwrap(), one);
    assert_eq!(history.find(&two.0.to_string()).unwrap(), two);
    assert!(matches!(history.find("what"), Err(HistoryError::Ambiguous(_, names)) if names.len() == 2));
    assert!(matches!(history.find("who"), Err(HistoryError::Missing(_))));
    assert!(matches!(history.rename(one, "what-is-a-lake"), Err(HistoryError::Taken(_))));
    for bad in ["", "12", "a b", "-x", &"x".repeat(61)] {
        assert!(matches!(history.rename(one, bad), Err(HistoryError::BadName(_))), "{bad}");
    }
    history.rename(one, "river").unwrap();
    history.set_title(one, "Rivers").unwrap();
    assert_eq!(history.find("river").unwrap(), one);
    assert_eq!(history.summary(one).unwrap().title, "Rivers");
}

#[test]
fn limits_spare_what_is_pinned() {
    let mut history = History::in_memory().unwrap();
    let old = history.import(&lines(&[("old", "x")]), None).unwrap();
    let new = history.import(&lines(&[("new", &"y".repeat(1_000))]), None).unwrap();
    history.database.execute("UPDATE chat SET updated = 1 WHERE id = ?1", [old.0]).unwrap();
    history.pin(old, true).unwrap();
    assert_eq!(history.prune(Limits { age: Some(Duration::from_secs(60)), bytes: 100 }).unwrap(), 1);
    assert!(history.summary(new).is_err() && history.summary(old).is_ok());
    history.pin(old, false).unwrap();
    assert_eq!(history.prune(Limits { age: Some(Duration::from_secs(60)), bytes: 1 << 20 }).unwrap(), 1);
    assert_eq!(history.list(9).unwrap(), []);
}

#[test]
fn session_files_are_imported_and_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("2026-01-02T03-04-05.jsonl");
    std::fs::write(&path, lines(&[("first", "a")])).unwrap();
    std::fs::write(folder.path().join("named.jsonl"), lines(&[("second", "b")])).unwrap();
    std::fs::write(folder.path().join("bad.jsonl"), "no session").unwrap();
    let mut history = History::in_memory().unwrap();
    let imported = history.import_folder(folder.path()).unwrap();
    assert_eq!((imported.files, imported.failed.len(), imported.failed[0].0.as_str()), (2, 1, "bad"));
    assert_eq!(history.import_folder(folder.path()).unwrap().files, 0);
    let first = history.find("first").unwrap();
    history.rename(first, "mine").unwrap();
    history.remove(history.find("named").unwrap()).unwrap();
    std::fs::write(&path, lines(&[("first", "a"), ("more", "c")])).unwrap();
    assert_eq!(
        history.import_folder(folder.path()).unwrap().files,
        1,
        "what changed, and not what was removed"
    );
    assert_eq!(history.find("mine").unwrap(), first);
    assert_eq!(history.load(first).unwrap().turns().len(), 2);
    assert_eq!(names(&history.search("more", 9).unwrap()), ["mine"]);
    assert!(path.exists());
}

#[test]
fn several_write_to_one_conversation() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new").join("history.db");
    let mut one = Writer::start(&path, Limits::default()).unwrap();
    let chat = one.begin(None);
    let mut said = conversation(&[("hello there", "first")]);
    one.append(chat, session::write(&said, "2026-01-02T03:04:05Z"));
    one.finish(Duration::from_secs(60)).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);

    // Both have read one turn, and both ask a second.
    let mut history = History::open(&path).unwrap();
    let id = history.find("hello-there").unwrap();
    let mut both = vec![];
    for question in ["from one", "from two"] {
        let mut writer = Writer::start(&path, Limits::default()).unwrap();
        let chat = writer.resume(id);
        let mut said = said.clone();
        let turn = said.ask("m", Message::user(question));
        writer.append(chat, session::question(said.turn(turn.turn).unwrap()));
        both.push((writer, chat, turn, said));
    }
    for (number, (writer, chat, turn, _)) in both.iter().enumerate() {
        for word in ["a", "b", "c"] {
            let event = Event::Text(format!("{word}{number}"));
            writer.append(*chat, session::piece(*turn, &event).unwrap());
        }
    }
    for (writer, ..) in both {
        writer.finish(Duration::from_secs(60)).unwrap();
    }
    let found = history.load(id).unwrap();
    let mut answers: Vec<_> = found.turns()[1..]
        .iter()
        .map(|turn| (turn.question.content.as_str(), turn.answer().answer.content.as_str()))
        .collect();
    answers.sort_unstable();
    assert_eq!(answers, [("from one", "a0b0c0"), ("from two", "a1b1c1")]);
    assert_eq!(
        names(&history.search("b1c1", 9).unwrap()),
        ["hello-there"],
        "an answer without its end is found"
    );
    said.clear();
}

#[test]
fn what_waits_is_written_when_it_can_be() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    let history = History::open(&path).unwrap();
    history.database.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut writer = Writer::start(&path, Limits::default()).unwrap();
    let chat = writer.begin(Some("kept"));
    writer.append(chat, lines(&[("q", "a")]));
    assert!(writer.lag().is_some());
    history.database.execute_batch("COMMIT").unwrap();
    writer.finish(Duration::from_secs(60)).unwrap();
    assert_eq!(history.list(9).unwrap()[0].name, "kept");
}

/// An answer that a relay runs, as far as one program has written it.
fn at_relay(path: &Path, text: &str) -> (Writer, Chat, AnswerId) {
    let mut writer = Writer::start(path, Limits::default()).unwrap();
    let chat = writer.begin(Some("river"));
    let mut said = conversation(&[]);
    let id = said.ask("m", Message::user("what is a river?"));
    let mut lines = session::settings(&said.settings) + &session::question(said.turn(id.turn).unwrap());
    let mut reading = Reading::new(id);
    reading.runs_at(&mut said, "r1", &mut lines);
    reading.receive(&mut said, &Event::Text(text.into()), &mut lines);
    writer.append(chat, lines);
    writer.when_written(chat).wait(Duration::from_secs(60)).unwrap();
    (writer, chat, id)
}

const WHOLE: &str = "water, \u{6cb3}, that runs";

fn events() -> Vec<Event> {
    WHOLE.split_inclusive(' ').map(|word| Event::Text(word.into())).collect()
}

fn whole() -> Outcome {
    outcome(Ending::Completed(Some(FinishReason::Stop)))
}

fn said(history: &mut History) -> (String, Answered) {
    let chat = history.find("river").unwrap();
    let found = history.load(chat).unwrap();
    let answer = found.last().unwrap().answer();
    (answer.answer.content.clone(), answer.answered)
}

#[test]
fn the_rest_of_an_answer_is_written_once_its_writer_is_gone() {
    for held in (0..=WHOLE.len()).filter(|held| WHOLE.is_char_boundary(*held)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.db");
        let (writer, ..) = at_relay(&path, &WHOLE[..held]);
        let mut history = History::open(&path).unwrap();
        assert_eq!(history.without_writer().unwrap(), []);
        assert_eq!(
            history.complete("r1", &events(), &whole()).unwrap(),
            RestOutcome::Held,
            "its writer lives"
        );
        writer.finish(Duration::from_secs(60)).unwrap();
        assert_eq!(history.without_writer().unwrap().len(), 1);
        assert_eq!(history.complete("r1", &events(), &whole()).unwrap(), RestOutcome::Written);
        assert_eq!(said(&mut history), (WHOLE.to_owned(), Answered::Whole), "{held}");
        assert_eq!(history.complete("r1", &events(), &whole()).unwrap(), RestOutcome::Unknown, "once");
        assert_eq!(said(&mut history).0, WHOLE);
    }
}

#[test]
fn an_answer_has_one_writer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    let (first, chat, id) = at_relay(&path, "water");
    let mut history = History::open(&path).unwrap();
    let of = history.find("river").unwrap();
    let second = Writer::start(&path, Limits::default()).unwrap();
    let third = Writer::start(&path, Limits::default()).unwrap();
    let none = Vec::<String>::new();
    assert_eq!(history.take_over(of, second.writer_id(), |_| true).unwrap(), none, "the first lives");
    first.detach(chat, id);
    first.finish(Duration::from_secs(60)).unwrap();
    assert_eq!(
        history.take_over(of, second.writer_id(), |relay| relay != "r1").unwrap(),
        none,
        "nobody wants it"
    );
    assert_eq!(history.take_over(of, second.writer_id(), |_| true).unwrap(), ["r1"]);
    assert_eq!(history.take_over(of, third.writer_id(), |_| true).unwrap(), none, "the second lives");
    assert_eq!(history.complete("r1", &events(), &whole()).unwrap(), RestOutcome::Held);
    second.finish(Duration::from_secs(60)).unwrap();
    assert_eq!(
        history.take_over(of, third.writer_id(), |_| true).unwrap(),
        ["r1"],
        "though it never said so"
    );
}

#[test]
fn an_answer_that_is_left_has_no_writer_though_the_program_lives() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    let (mut writer, chat, id) = at_relay(&path, "water");
    writer.detach(chat, id);
    let mut history = History::open(&path).unwrap();
    // The writer writes in order, so a later write shows that this one is done.
    let later = writer.begin(Some("later"));
    writer.append(later, lines(&[("q", "a")]));
    writer.when_written(later).wait(Duration::from_secs(60)).unwrap();
    assert_eq!(history.complete("r1", &events(), &whole()).unwrap(), RestOutcome::Written);
    assert_eq!(said(&mut history), (WHOLE.to_owned(), Answered::Whole));
    writer.finish(Duration::from_secs(60)).unwrap();
}

#[test]
fn an_answer_whose_program_was_gone_before_it_could_say_which_is_found_by_its_place() {
    use towline::relay::{AnswerState, Job};

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    let mut writer = Writer::start(&path, Limits::default()).unwrap();
    let id = writer.writer_id();
    let chat = writer.begin(Some("river"));
    let mut asked = conversation(&[]);
    let turn = asked.ask("m", Message::user("what is a river?")).turn;
    writer.append(chat, session::question(asked.turn(turn).unwrap()));
    writer.when_written(chat).wait(Duration::from_secs(60)).unwrap();
    let mut history = History::open(&path).unwrap();
    let job = |conversation: String, question: &str| {
        let mut job = Job::new("r1", AnswerState::Completed);
        (job.conversation, job.turn) = (Some(conversation), Some("0".into()));
        job.question = Some(question.into());
        job
    };
    let its = job(format!("w{}", id.number()), "what is a river?");
    assert!(!history.link(&its).unwrap(), "its writer lives, and will say so itself");
    writer.finish(Duration::from_secs(60)).unwrap();
    assert!(!history.link(&job(format!("w{}", id.number()), "another question")).unwrap());
    assert!(!history.link(&job("w1".into(), "what is a river?")).unwrap());
    assert!(history.link(&its).unwrap());
    assert!(!history.link(&its).unwrap(), "once");
    assert_eq!(history.complete("r1", &events(), &whole()).unwrap(), RestOutcome::Written);
    assert_eq!(said(&mut history), (WHOLE.to_owned(), Answered::Whole));
    // A question to a conversation that has a number.
    let number = history.find("river").unwrap();
    let mut again = Writer::start(&path, Limits::default()).unwrap();
    let chat = again.resume(number);
    let next = asked.ask("m", Message::user("and a lake?"));
    again.append(chat, session::question(asked.turn(next.turn).unwrap()));
    again.finish(Duration::from_secs(60)).unwrap();
    let mut lake = job(number.0.to_string(), "and a lake?");
    lake.turn = Some(next.turn.0.to_string());
    assert!(history.link(&lake).unwrap());
}

#[test]
fn a_question_of_a_program_that_does_not_write_is_there_before_its_answer() {
    use towline::ChatRequest;
    use towline::relay::{AnswerState, Job};

    let folder = tempfile::tempdir().unwrap();
    let mut history = History::open(&folder.path().join("history.db")).unwrap();
    let mut request = ChatRequest::new("m").message(Message::system("Be short.")).user(" what is a river?\n");
    assert_eq!(history.ask(None, &ChatRequest::new("m")).unwrap(), None, "nothing is asked");
    let (chat, turn) = history.ask(None, &request).unwrap().unwrap();
    let summary = history.summary(chat).unwrap();
    assert_eq!((summary.title.as_str(), summary.turns), ("what is a river?", 1));
    let mut job = Job::new("r1", AnswerState::Streaming);
    (job.conversation, job.turn) = (Some(chat.0.to_string()), Some(turn.turn.0.to_string()));
    job.question = Some("what is a river?".into());
    assert!(history.link(&job).unwrap());
    assert_eq!(history.complete("r1", &events(), &whole()).unwrap(), RestOutcome::Written);
    // The same conversation is continued.
    request = request.message(Message::assistant(WHOLE)).user("and a lake?");
    let (same, next) = history.ask(Some(chat), &request).unwrap().unwrap();
    assert_eq!(same, chat);
    assert!(next.turn > turn.turn);
    let found = history.load(chat).unwrap();
    assert_eq!(found.settings.system.as_deref(), Some("Be short."));
    assert_eq!(found.turns()[0].answer().answer.content, WHOLE);
    // A question that was not sent leaves nothing.
    history.withdraw(chat, next, None).unwrap();
    assert_eq!(history.load(chat).unwrap().turns().len(), 1);
    // A retry is another answer to the same question.
    let again = history.record_retry(chat, turn).unwrap().unwrap();
    assert_eq!((again.turn, again.variant), (turn.turn, 2));
    (job.id, job.turn) = ("r2".into(), Some(turn_of(again)));
    assert!(history.link(&job).unwrap());
    assert_eq!(history.complete("r2", &events(), &whole()).unwrap(), RestOutcome::Written);
    let found = history.load(chat).unwrap();
    let answers: Vec<_> = found.turns()[0].variants().iter().map(|one| one.answer.content.as_str()).collect();
    assert_eq!(answers, [WHOLE, WHOLE]);
    let lost = history.record_retry(chat, turn).unwrap().unwrap();
    history.withdraw(chat, lost, None).unwrap();
    assert_eq!(history.load(chat).unwrap(), found);
    assert_eq!(history.record_retry(chat, next).unwrap(), None, "it was withdrawn");
    assert_eq!(history.record_retry(ChatId(99), turn).unwrap(), None);
    // A different or unknown conversation becomes a new one with all its turns.
    let other =
        ChatRequest::new("m").user("hello").message(Message::assistant("Hello.")).user("hm").user("who?");
    for continued in [Some(chat), Some(ChatId(99)), None] {
        let (new, turn) = history.ask(continued, &other).unwrap().unwrap();
        assert_ne!(new, chat);
        let said = history.export(new).unwrap();
        assert!(["hello", "Hello.", "hm", "who?"].iter().all(|text| said.contains(text)), "{said}");
        history.withdraw(new, turn, None).unwrap();
        assert_eq!(history.summary(new).unwrap().turns, 2);
    }
    let (alone, turn) = history.ask(None, &ChatRequest::new("m").user("x")).unwrap().unwrap();
    history.withdraw(alone, turn, None).unwrap();
    assert!(matches!(history.summary(alone), Err(HistoryError::Missing(_))), "a conversation of nothing");
}

#[test]
fn a_conversation_whose_only_answer_said_nothing_is_in_no_list() {
    let mut history = History::in_memory().unwrap();
    let said = history
        .import(&session::write(&conversation(&[("a river?", "water")]), "2026-01-01T00:00:00Z"), None)
        .unwrap();
    let mut failed = conversation(&[]);
    let id = failed.ask("m", Message::user("what is lost?"));
    let lines = session::write(&failed, "2026-01-01T00:00:00Z") + &session::remove_answer(id);
    let nothing = history.import(&lines, None).unwrap();
    let listed: Vec<_> = history.list(10).unwrap().into_iter().map(|chat| chat.id).collect();
    assert_eq!((listed, history.last().unwrap()), (vec![said], Some(said)));
    assert_eq!(history.search("what is lost", 10).unwrap(), []);
    assert_eq!(history.find("what-is-lost").unwrap(), nothing, "its name finds it");
}
