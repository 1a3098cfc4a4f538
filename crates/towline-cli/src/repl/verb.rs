//! The verbs: their names, how they are used, and what help says about them.

/// A verb of the command language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    Jobs,
    Fg,
    Bg,
    Kill,
    Stop,
    Cont,
    Wait,
    Timeout,
    Log,
    Tail,
    Retry,
    Continue,
    Edit,
    Keep,
    Name,
    Limit,
    Pipe,
    Set,
    Disown,
    Suspend,
    Exit,
    Model,
    Models,
    Pull,
    System,
    Think,
    Format,
    Image,
    File,
    Unfold,
    Copy,
    Clear,
    Save,
    Load,
    Sessions,
    Export,
    Help,
}

/// What help says about a verb.
#[derive(Debug)]
pub struct About {
    /// The verb.
    pub verb: Verb,
    /// As it is typed.
    pub name: &'static str,
    /// Other names.
    pub also: &'static [&'static str],
    /// What follows it.
    pub usage: &'static str,
    /// What it does, in one line.
    pub does: &'static str,
    /// Whether it counts as a command without a colon.
    pub bare: bool,
}

const fn about(verb: Verb, name: &'static str, usage: &'static str, does: &'static str, bare: bool) -> About {
    About { verb, name, also: &[], usage, does, bare }
}

/// All verbs, in the order of help: jobs first, then the conversation.
pub const VERBS: &[About] = &[
    about(Verb::Jobs, "jobs", "[-l] [-r] [-n] [--json]", "list the jobs", true),
    about(Verb::Fg, "fg", "[%n]", "show a job's end so far and follow it; %n alone does the same", true),
    about(Verb::Bg, "bg", "[%n…]", "resume a stopped job, behind", true),
    about(Verb::Kill, "kill", "[-9] %n… | %*", "cancel jobs; says when they have ended", true),
    about(Verb::Stop, "stop", "%n…", "stop reading a job's stream; its server may go on for a while", true),
    about(Verb::Cont, "cont", "%n…", "read on", true),
    about(Verb::Wait, "wait", "[-n] [-t 30s] [%n…]", "wait for jobs, or with -n for the first", true),
    about(Verb::Timeout, "timeout", "%n 30s | +10s | none", "move a job's deadline", true),
    about(Verb::Log, "log", "[%n] [-f] [-n 20]", "print what a job has said, or with -f follow it", true),
    about(Verb::Tail, "tail", "[%n] [-n 20]", "print the end of what a job has said, and follow it", true),
    about(Verb::Retry, "retry", "[%n]", "ask the same again", true),
    about(Verb::Continue, "continue", "[%n]", "have a partial answer gone on with", false),
    about(Verb::Edit, "edit", "[%n]", "open a question in $EDITOR, then ask it", true),
    about(Verb::Keep, "keep", "[%n]", "take a job's answer into the conversation", true),
    about(Verb::Name, "name", "%n NAME", "name a job", true),
    about(Verb::Limit, "limit", "[N | none]", "how many jobs may run at once", true),
    about(Verb::Pipe, "pipe", "[%n] | COMMAND, or [%n] > FILE", "an answer into a command or file", true),
    about(
        Verb::Set,
        "set",
        "-b | +b | [KEY VALUE]",
        "notices at once or before the prompt; model options",
        true,
    ),
    about(Verb::Disown, "disown", "[%n]", "refused: a job ends with towline", true),
    about(Verb::Suspend, "suspend", "", "give the terminal back to the shell", true),
    About {
        verb: Verb::Exit,
        name: "exit",
        also: &["quit", "bye", "q"],
        usage: "",
        does: "leave; with jobs running it takes two",
        bare: true,
    },
    about(Verb::Model, "model", "[NAME]", "the model that is asked", false),
    about(Verb::Models, "models", "", "the models the server has", false),
    about(Verb::Pull, "pull", "[MODEL] [&]", "fetch a model, as a job", false),
    about(Verb::System, "system", "[TEXT | none]", "instructions to the model", false),
    about(Verb::Think, "think", "[on | off | low | medium | high | max | auto]", "how hard to think", false),
    about(Verb::Format, "format", "[json | SCHEMA.json | none]", "the answers' form", false),
    about(Verb::Image, "image", "FILE…", "images to go with the next question", false),
    about(Verb::File, "file", "FILE…", "text files to go with the next question", false),
    about(Verb::Unfold, "unfold", "[%n]", "show the thinking behind an answer", false),
    about(Verb::Copy, "copy", "[%n]", "copy an answer to the clipboard", false),
    about(Verb::Clear, "clear", "", "forget the conversation and the ended jobs", false),
    about(Verb::Save, "save", "[NAME]", "name this session", false),
    about(Verb::Load, "load", "NAME", "go on with a session", false),
    about(Verb::Sessions, "sessions", "", "list the sessions", false),
    about(Verb::Export, "export", "md | json [FILE]", "write the conversation out", false),
    About {
        verb: Verb::Help,
        name: "help",
        also: &["?"],
        usage: "[TOPIC]",
        does: "this list, or more about keys, jobs, files or a command",
        bare: true,
    },
];

impl Verb {
    /// The verb with this name.
    pub fn parse(name: &str) -> Option<Self> {
        VERBS.iter().find(|about| about.name == name || about.also.contains(&name)).map(|about| about.verb)
    }

    /// What help says about it.
    pub fn about(self) -> &'static About {
        VERBS.iter().find(|about| about.verb == self).unwrap_or(&VERBS[0])
    }

    /// As it is typed.
    pub fn name(self) -> &'static str {
        self.about().name
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_verb_is_listed_once_under_names_of_its_own() {
        let names: Vec<&str> = VERBS
            .iter()
            .flat_map(|about| [about.name].into_iter().chain(about.also.iter().copied()))
            .collect();
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
        for about in VERBS {
            assert_eq!(about.verb.name(), about.name);
            assert_eq!(Verb::parse(about.name), Some(about.verb));
        }
    }
}
