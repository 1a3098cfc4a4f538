//! Translates what users of `ollama run` type (`/set …`, `/show …`, `/bye` and the like) to this prompt's
//! commands.

use super::command::Line;
use super::parse;

/// The command of a line that begins with a slash, if it is one; a path is a question.
pub fn line(typed: &str) -> Option<Line> {
    let typed = typed.trim_end().strip_prefix('/')?;
    let (verb, rest) = typed.split_once(char::is_whitespace).unwrap_or((typed, ""));
    let rest = rest.trim();
    let is_word = verb == "?" || (!verb.is_empty() && verb.bytes().all(|byte| byte.is_ascii_lowercase()));
    is_word.then(|| match (verb, rest) {
        ("?" | "help", "shortcuts") => command("help", "keys"),
        ("?" | "help", "set" | "show") => command("help", rest),
        ("?" | "help", rest) => command("help", rest.strip_prefix('/').unwrap_or(rest)),
        ("set", rest) => set(rest),
        ("show", rest) => command("show", rest),
        (verb, rest) => command(verb, rest),
    })
}

fn command(verb: &str, rest: &str) -> Line {
    match parse::line(&format!(":{verb} {rest}")) {
        Line::Wrong(what) => Line::Wrong(format!("{what}\nto ask it as a question, type a space before it")),
        line @ (Line::Empty | Line::Ask(_) | Line::Command(_)) => line,
    }
}

/// `/set …`.
fn set(rest: &str) -> Line {
    let (what, value) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let value = value.trim();
    match (what, value) {
        ("parameter", value) => command("set", value),
        ("system", value) => command("system", value),
        ("format", value) => command("format", value),
        ("noformat", _) => command("format", "none"),
        ("verbose", _) => command("set", "stats on"),
        ("quiet", _) => command("set", "stats off"),
        ("think", "") => command("think", "on"),
        ("think", level) => command("think", level),
        ("nothink", _) => command("think", "off"),
        ("history" | "nohistory", _) => Line::Wrong(
            "the configuration turns the history off: history = false (:help files shows where it is)".into(),
        ),
        ("wordwrap" | "nowordwrap", _) => Line::Wrong(
            "answers are wrapped between words at the width of the terminal; code is not wrapped".into(),
        ),
        _ => command("set", rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_ollama_are_our_commands() {
        for (typed, ours) in [
            ("/bye", ":exit"),
            ("/exit", ":exit"),
            ("/?", ":help"),
            ("/help", ":help"),
            ("/? shortcuts", ":help keys"),
            ("/? /set", ":help set"),
            ("/clear", ":clear"),
            ("/save trip", ":save trip"),
            ("/load trip", ":load trip"),
            ("/set", ":set"),
            ("/set parameter num_ctx 8192", ":set num_ctx 8192"),
            ("/set system \"Be brief.\"", ":system Be brief."),
            ("/set system \"\"\"two\nlines\"\"\"", ":system two\nlines"),
            ("/set format json", ":format json"),
            ("/set noformat", ":format none"),
            ("/set verbose", ":set stats on"),
            ("/set quiet", ":set stats off"),
            ("/set think", ":think on"),
            ("/set think high", ":think high"),
            ("/set nothink", ":think off"),
            ("/show", ":show"),
            ("/show info", ":show info"),
            ("/show license", ":show license"),
            ("/model m", ":model m"),
        ] {
            assert_eq!(parse::line(typed), parse::line(ours), "{typed}");
            assert!(matches!(parse::line(typed), Line::Command(_)), "{typed}");
        }
    }

    #[test]
    fn a_path_is_a_question_and_an_unknown_command_is_none() {
        for typed in ["/etc/passwd: what is this?", "/ or \\?", "/"] {
            assert!(matches!(parse::line(typed), Line::Ask(_)), "{typed}");
        }
        for typed in ["/foo", "/set nohistory", "/set parameter temperature warm", "/load"] {
            assert!(matches!(parse::line(typed), Line::Wrong(_)), "{typed}");
        }
    }
}
