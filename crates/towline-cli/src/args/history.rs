//! `towline history`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// How many conversations a list has.
const LISTED: usize = 20;

/// Find, show, export and delete what was asked and answered
///
/// Every conversation of `towline run` on a terminal, of the prompt and of the window.
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

/// What a list shows.
#[derive(Debug, Args)]
pub struct ListingArgs {
    /// The most conversations to list
    #[arg(short = 'n', long, value_name = "N", default_value_t = LISTED, help_heading = "Output")]
    pub limit: usize,
    /// Print one JSON object a line
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// Only conversations with this tag; several tags: with all of them
    #[arg(long = "tag", value_name = "TAG", help_heading = "Output")]
    pub tags: Vec<String>,
}

/// The verbs of the history.
#[derive(Debug, Subcommand)]
pub enum HistoryVerb {
    /// List the conversations, the most recent first [default]
    #[command(visible_alias = "ls", help_template = super::TEMPLATE)]
    List(ListingArgs),
    /// Find a text in questions, answers and titles; case does not matter, and `tag:rust` is a tag
    #[command(help_template = super::TEMPLATE)]
    Search {
        /// The text; a part of a word is enough
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
        /// The shown answers, as Markdown
        #[arg(long)]
        markdown: bool,
        /// Everything, as JSON lines that `import` reads [default]
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
        /// The new name, without blanks
        #[arg(value_name = "NEW-NAME")]
        to: String,
    },
    /// File a conversation under tags, beside those that it has
    #[command(help_template = super::TEMPLATE)]
    Tag {
        /// Its name or number
        #[arg(value_name = "NAME")]
        name: String,
        /// Words; case does not matter
        #[arg(value_name = "TAG", required = true)]
        tags: Vec<String>,
        /// Remove these tags
        #[arg(long)]
        off: bool,
    },
    /// Pin a conversation: it is listed first and never deleted for its age
    #[command(help_template = super::TEMPLATE)]
    Pin {
        /// Its name or number
        #[arg(value_name = "NAME")]
        name: String,
        /// Unpin it
        #[arg(long)]
        off: bool,
    },
}
