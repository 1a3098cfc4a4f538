//! `towline template`.

use clap::{Args, Subcommand};

/// List, show and edit templates of questions, for run -t
///
/// Each template is a Markdown file in ~/.config/towline/templates. Its head, TOML between two lines of ---, may set model,
/// system, think, format and options. In the text {{input}} stands for the prompt, {{date}} for the date, and any other name for
/// the value that --field gives.
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  towline template edit review
  git diff | towline run -t review --field topic=safety
", help_template = super::TEMPLATE)]
pub struct TemplateArgs {
    #[command(subcommand)]
    pub verb: Option<TemplateVerb>,
}

/// The commands for templates.
#[derive(Debug, Subcommand)]
pub enum TemplateVerb {
    /// List the templates with their fields [default]
    #[command(visible_alias = "ls", help_template = super::TEMPLATE)]
    List,
    /// Print a template
    #[command(help_template = super::TEMPLATE)]
    Show {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Open a template in $VISUAL or $EDITOR, or create one
    #[command(help_template = super::TEMPLATE)]
    Edit {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
    },
}
