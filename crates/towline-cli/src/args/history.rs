//! `towline history`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// The default length of a list of conversations.
const LISTED: usize = 20;

/// Find, show, export and delete conversations
///
/// The history has every conversation of `towline run` on a terminal, of the prompt and of the window.
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  towline history                       the most recent conversations
  towline history search \"tokio select\"
  towline history show tell-a-long-story
  towline history export river > river.jsonl; towline history import river.jsonl
  towline run -c \"And in winter?\"       continues the last conversation
", help_template = super::TEMPLATE, args_conflicts_with_subcommands = true)]
pub struct HistoryArgs {
    #[command(subcommand)]
    pub verb: Option<HistoryVerb>,
    #[command(flatten)]
    pub list: ListingArgs,
}

/// The options of a list.
#[derive(Debug, Args)]
pub struct ListingArgs {
    /// The maximum number of conversations to list
    #[arg(short = 'n', long, value_name = "N", default_value_t = LISTED, help_heading = "Output")]
    pub limit: usize,
    /// Print one JSON object a line
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// Only conversations with this tag; if given several times, with all the tags
    #[arg(long = "tag", value_name = "TAG", help_heading = "Output")]
    pub tags: Vec<String>,
}

/// The verbs of the history.
#[derive(Debug, Subcommand)]
pub enum HistoryVerb {
    /// List the conversations, the most recent first [default]
    #[command(visible_alias = "ls", help_template = super::TEMPLATE)]
    List(ListingArgs),
    /// Find a text in questions, answers and titles; case does not matter, and `tag:rust` finds a tag
    #[command(help_template = super::TEMPLATE)]
    Search {
        /// The text, which may be a part of a word
        #[arg(value_name = "TEXT", required = true)]
        text: Vec<String>,
        #[command(flatten)]
        listing: ListingArgs,
    },
    /// Show a conversation as Markdown
    #[command(help_template = super::TEMPLATE)]
    Show {
        /// Its name, the start of its name, or its number [default: the last conversation]
        #[arg(value_name = "NAME")]
        name: Option<String>,
    },
    /// Write a conversation to standard output
    #[command(help_template = super::TEMPLATE)]
    Export {
        /// Its name, the start of its name, or its number
        #[arg(value_name = "NAME")]
        name: String,
        /// Write the shown answers, as Markdown
        #[arg(long)]
        markdown: bool,
        /// Write everything, as JSON lines that `import` reads [default]
        #[arg(long, conflicts_with = "markdown")]
        json: bool,
    },
    /// Import conversations that `export` or the prompt wrote
    #[command(help_template = super::TEMPLATE)]
    Import {
        /// Files of JSON lines; they are not changed
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },
    /// Delete conversations
    #[command(visible_alias = "remove", help_template = super::TEMPLATE)]
    Rm {
        /// Their names or numbers
        #[arg(value_name = "NAME", required = true)]
        names: Vec<String>,
    },
    /// Rename a conversation
    #[command(help_template = super::TEMPLATE)]
    Rename {
        /// Its name or number
        #[arg(value_name = "NAME")]
        name: String,
        /// The new name, without spaces
        #[arg(value_name = "NEW-NAME")]
        to: String,
    },
    /// Add tags to a conversation
    #[command(help_template = super::TEMPLATE)]
    Tag {
        /// Its name or number
        #[arg(value_name = "NAME")]
        name: String,
        /// Words; case does not matter
        #[arg(value_name = "TAG", required = true)]
        tags: Vec<String>,
        /// Remove these tags instead
        #[arg(long)]
        off: bool,
    },
    /// Pin a conversation: it is listed first and never deleted automatically
    #[command(help_template = super::TEMPLATE)]
    Pin {
        /// Its name or number
        #[arg(value_name = "NAME")]
        name: String,
        /// Unpin the conversation
        #[arg(long)]
        off: bool,
    },
}
