//! `:help`.

use crate::repl::command::Topic;
use crate::repl::screen::Tone;
use crate::repl::state::Prompt;
use crate::repl::verb::{VERBS, Verb};

const START: &str = "\
Type a question and press Enter. While the answer streams, type the next one: Enter queues it,
with & at its end it is asked beside. @model TEXT asks another model, @a,@b TEXT several.
Ctrl-Z sends the stream behind, where it keeps running; Ctrl-C cancels it.
";

const KEYS: &str = "\
Enter          ask, or run a command; while a stream is in front, queue it
Alt-Enter      a new line; \"\"\" begins and ends a text of several lines
Ctrl-C         cancel the front stream, else clear the line; never leaves
Ctrl-Z         send the front stream behind; it keeps running
Ctrl-D         on an empty line: leave
Ctrl-R         search in what was typed
Tab            complete; the right arrow takes the hint";

const JOBS: &str = "\
text &         ask behind; [1] is its number
%1 %+ %- %name %?text    which job: by number, current, previous, by beginning, by part
jobs, fg, bg, kill, stop, cont, wait, timeout, log, tail    as in a shell; :help VERB says more
A verb counts as a command without its colon when nothing else stands on the line but
arguments it takes. A line that begins with a blank or a backslash is always text.";

const FILES: &str = "\
~/.config/towline/config.toml        the configuration; TOWLINE_CONFIG names another
~/.local/share/towline/sessions      conversations, one file each, written as text arrives
~/.local/share/towline/history       what was typed";

impl Prompt<'_> {
    pub(super) fn help(&mut self, topic: Option<Topic>) {
        let text = match topic {
            None => overview(),
            Some(Topic::Keys) => KEYS.to_owned(),
            Some(Topic::Jobs) => JOBS.to_owned(),
            Some(Topic::Files) => FILES.to_owned(),
            Some(Topic::Verb(verb)) => about(verb),
        };
        self.say(Tone::Plain, &text);
    }
}

fn overview() -> String {
    let width = VERBS.iter().map(|about| about.name.len()).max().unwrap_or(0) + 1;
    let mut text = START.to_owned();
    for about in VERBS {
        let colon = if about.bare { "" } else { ":" };
        let name = format!("{colon}{}", about.name);
        text.push_str(&format!("\n{name:<width$}  {}", about.does));
    }
    text.push_str("\n\n:help VERB, :help keys, :help jobs and :help files say more");
    text
}

fn about(verb: Verb) -> String {
    let about = verb.about();
    let colon = if about.bare { "" } else { ":" };
    let mut text = format!("{colon}{} {}", about.name, about.usage).trim_end().to_owned();
    text.push_str(&format!("\n{}", about.does));
    if !about.also.is_empty() {
        text.push_str(&format!("\nalso: {}", about.also.join(", ")));
    }
    text
}
