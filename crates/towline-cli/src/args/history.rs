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
  towline history                       the last conversations
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
    /// How many conversations at most
    #[arg(short = 'n', long, value_name = "N", default_value_t = LISTED, help_heading = "Output")]
    pub limit: usize,
    /// Print one JSON object a line
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// The verbs of the history.
#[derive(Debug, Subcommand)]
pub enum HistoryVerb {
    /// List the conversations, the last written first [default]
    #[command(visible_alias = "ls", help_template = super::TEMPLATE)]
    List(ListingArgs),
    /// Find a text in questions, answers and titles, whatever its case
    #[command(help_template = super::TEMPLATE)]
    Search {
        /// The text, also a part of a word
        #[arg(value_name = "TEXT", required = true)]
        text: Vec<String>,
        #[command(flatten)]
        listing: ListingArgs,
    },
    /// Show a conversation as Markdown
    #[command(help_template = super::TEMPLATE)]
    Show {
        /// Its name, the beginning of it, or its number; the last one where there is none
        #[arg(value_name = "NAME")]
        name: Option<String>,
    },
    /// Write a conversation to standard output
    #[command(help_template = super::TEMPLATE)]
    Export {
        /// Its name, the beginning of it, or its number
        #[arg(value_name = "NAME")]
        name: String,
        /// The shown answers, as Markdown
        #[arg(long)]
        markdown: bool,
        /// Everything, as JSON lines that `import` reads [default]
        #[arg(long, conflicts_with = "markdown")]
        json: bool,
    },
    /// Take in conversations that `export` or the prompt wrote
    #[command(help_template = super::TEMPLATE)]
    Import {
        /// Files of JSON lines; they are left as they are
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
    /// Call a conversation by another name
    #[command(help_template = super::TEMPLATE)]
    Rename {
        /// Its name or number
        #[arg(value_name = "NAME")]
        name: String,
        /// The new name, without blanks
        #[arg(value_name = "NEW-NAME")]
        to: String,
    },
    /// Keep a conversation at the head of the list, whatever its age
    #[command(help_template = super::TEMPLATE)]
    Pin {
        /// Its name or number
        #[arg(value_name = "NAME")]
        name: String,
        /// No longer
        #[arg(long)]
        off: bool,
    },
}
