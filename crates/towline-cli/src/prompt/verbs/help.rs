//! `:help`.

use clap::Subcommand as _;

use crate::prompt::command::{Bare, Topic, grammar};
use crate::prompt::state::Prompt;
use crate::term::screen::Tone;

const START: &str = "\
Type a question and press Enter. While the answer streams, type the next one: Enter queues it;
a final & asks it in the background. @model TEXT asks another model, @a,@b TEXT asks several.
Ctrl-Z sends the stream to the background, where it keeps running; Ctrl-C cancels it.
";

const KEYS: &str = "\
Enter          ask, or run a command; while a stream is in front, queue it
Alt-Enter      a new line; \"\"\" starts and ends a text of several lines
Ctrl-C         cancel the front stream, else clear the line; never leaves
Ctrl-Z         send the front stream to the background; it keeps running
Ctrl-D         on an empty line: leave
Ctrl-R         search earlier lines
Tab            complete; the right arrow takes the hint";

const JOBS: &str = "\
text &         ask in the background; [1] is the number of the job
%1 %+ %- %name %?text    a job by its number, the current, the previous, by its start, by a part
jobs, fg, bg, kill, stop, cont, wait, timeout, log, tail    as in a shell; :help VERB says more
A verb also works without its colon if nothing else is on the line but its
arguments. A line that begins with a space or a backslash is always text.";

const FILES: &str = "\
~/.config/towline/config.toml        the configuration; TOWLINE_CONFIG names another
~/.local/share/towline/history.db    conversations, written as text arrives
~/.local/share/towline/history       the lines that you typed";

impl Prompt<'_> {
    pub(super) fn help(&mut self, topic: Option<Topic>) {
        let text = match topic {
            None => overview(),
            Some(Topic::Keys) => KEYS.to_owned(),
            Some(Topic::Jobs) => JOBS.to_owned(),
            Some(Topic::Files) => FILES.to_owned(),
            Some(Topic::Verb(verb)) => about(&verb),
        };
        self.print(Tone::Plain, &text);
    }
}

fn overview() -> String {
    let mut text = START.to_owned();
    for verb in grammar().get_subcommands() {
        let does = verb.get_about().map(ToString::to_string).unwrap_or_default();
        text.push_str(&format!("\n{:<10}  {does}", typed(verb.get_name())));
    }
    text.push_str("\n\n:help VERB, :help keys, :help jobs and :help files say more");
    text
}

/// A verb as the user types it: with its colon if it needs one.
fn typed(name: &str) -> String {
    if Bare::has_subcommand(name) { name.to_owned() } else { format!(":{name}") }
}

fn about(name: &str) -> String {
    let mut grammar = grammar();
    let Some(verb) = grammar.find_subcommand_mut(name) else { return String::new() };
    let also: Vec<&str> = verb.get_visible_aliases().collect();
    let also = if also.is_empty() { String::new() } else { format!("\nalso: {}", also.join(", ")) };
    let help = verb
        .clone()
        .disable_help_flag(true)
        .help_template("{usage}\n{about}\n\n{options}")
        .render_help()
        .to_string();
    format!("{}{also}", help.trim_end().replacen(name, &typed(name), 1))
}
