//! The verbs for models.

use std::path::PathBuf;

use crate::output::description::ShowPart;
use clap::{ArgGroup, Args};

use super::run::OptionArg;
use super::shared::{InputArgs, ServerArgs, TimeoutArgs};

/// List the installed models
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  towline list
  towline list llama                    models whose name begins with llama
  towline list --json | jq -r .name
", help_template = super::TEMPLATE)]
pub struct ListArgs {
    /// Only models whose name begins with this
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Print the server's own JSON, one object a line
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    #[command(flatten)]
    pub server: ServerArgs,
}

/// List the models in memory
#[derive(Debug, Args)]
#[command(help_template = super::TEMPLATE)]
pub struct PsArgs {
    /// Print the server's own JSON, one object a line
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    #[command(flatten)]
    pub server: ServerArgs,
}

/// Describe a model
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  towline show llama3.2
  towline show --modelfile llama3.2 > Modelfile
", help_template = super::TEMPLATE)]
#[command(group(ArgGroup::new("part").args(["modelfile", "parameters", "template", "system", "license"])))]
pub struct ShowArgs {
    /// The model
    #[arg(value_name = "MODEL")]
    pub model: String,
    /// Also every key of the model file
    #[arg(short, long, help_heading = "Output")]
    pub verbose: bool,
    /// Only the Modelfile
    #[arg(long, help_heading = "Output")]
    pub modelfile: bool,
    /// Only the default options
    #[arg(long, help_heading = "Output")]
    pub parameters: bool,
    /// Only the prompt template
    #[arg(long, help_heading = "Output")]
    pub template: bool,
    /// Only the default instructions
    #[arg(long, help_heading = "Output")]
    pub system: bool,
    /// Only the licence
    #[arg(long, help_heading = "Output")]
    pub license: bool,
    /// Print the server's own JSON object
    #[arg(long, conflicts_with = "part", help_heading = "Output")]
    pub json: bool,
    #[command(flatten)]
    pub server: ServerArgs,
}

impl ShowArgs {
    /// The part to show.
    pub fn part(&self) -> ShowPart {
        [
            (self.modelfile, ShowPart::Modelfile),
            (self.parameters, ShowPart::Parameters),
            (self.template, ShowPart::Template),
            (self.system, ShowPart::System),
            (self.license, ShowPart::License),
        ]
        .into_iter()
        .find_map(|(wanted, part)| wanted.then_some(part))
        .unwrap_or(ShowPart::Info)
    }
}

/// The server that transfers or creates a model, and how the progress is shown.
#[derive(Debug, Args)]
pub struct TransferArgs {
    /// Print one JSON object a line for each record
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    #[command(flatten)]
    pub server: ServerArgs,
    #[command(flatten)]
    pub timeouts: TimeoutArgs,
}

/// How models go to and from a registry.
#[derive(Debug, Args)]
pub struct RegistryArgs {
    /// Let the server connect to the registry without TLS
    #[arg(long, help_heading = "Request")]
    pub insecure: bool,
    #[command(flatten)]
    pub transfer: TransferArgs,
}

/// Fetch models from a registry
///
/// A repeated pull resumes where the last one stopped.
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  towline pull llama3.2
  towline pull qwen3 nomic-embed-text
", help_template = super::TEMPLATE)]
pub struct PullArgs {
    /// The models
    #[arg(value_name = "MODEL", required = true)]
    pub models: Vec<String>,
    #[command(flatten)]
    pub registry: RegistryArgs,
}

/// Send models to a registry
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  towline push me/mymodel
", help_template = super::TEMPLATE)]
pub struct PushArgs {
    /// The models, with the namespace to push to
    #[arg(value_name = "MODEL", required = true)]
    pub models: Vec<String>,
    #[command(flatten)]
    pub registry: RegistryArgs,
}

/// Create a model from a Modelfile or from another model
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  towline create terse -f Modelfile
  towline create small --from llama3.2 --quantize q4_K_M
", help_template = super::TEMPLATE)]
#[command(group(ArgGroup::new("source").args(["file", "from"])))]
pub struct CreateArgs {
    /// The new model's name
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The Modelfile; - reads standard input [default: Modelfile]
    #[arg(short, long, value_name = "FILE", help_heading = "Request")]
    pub file: Option<PathBuf>,
    /// The model to start from, instead of a Modelfile
    #[arg(long, value_name = "MODEL", help_heading = "Request")]
    pub from: Option<String>,
    /// The quantization of the weights, for example q4_K_M
    #[arg(short, long, value_name = "KIND", help_heading = "Request")]
    pub quantize: Option<String>,
    #[command(flatten)]
    pub transfer: TransferArgs,
}

/// Take models out of memory
///
/// The next request to a model loads it again.
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  towline unload llama3.2
  towline stop llama3.2                  Ollama's name for this command
", help_template = super::TEMPLATE)]
pub struct UnloadArgs {
    /// The models
    #[arg(value_name = "MODEL", required = true)]
    pub models: Vec<String>,
    #[command(flatten)]
    pub server: ServerArgs,
}

/// Turn texts into vectors
///
/// Prints a line of JSON for each text: its vector. Compare only vectors of the same model.
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  towline embed -m nomic-embed-text \"a river\" \"a lake\"
  towline embed -m nomic-embed-text --lines < sentences.txt > vectors.ndjson
", help_template = super::TEMPLATE)]
pub struct EmbedArgs {
    /// The texts; without any, standard input is the text
    #[arg(value_name = "TEXT")]
    pub texts: Vec<String>,
    /// The model [default: $TOWLINE_MODEL, else the only installed one]
    #[arg(short, long, value_name = "MODEL", help_heading = "Request")]
    pub model: Option<String>,
    /// Each line of standard input is a text
    #[arg(long, conflicts_with = "texts", help_heading = "Request")]
    pub lines: bool,
    /// The length of a vector, for models that support several
    #[arg(long, value_name = "COUNT", help_heading = "Request")]
    pub dimensions: Option<u32>,
    /// Refuse a text that is too long for the model instead of cutting it
    #[arg(long, help_heading = "Request")]
    pub no_truncate: bool,
    /// An option by Ollama's name, for example num_ctx=8192
    #[arg(short, long = "option", value_name = "KEY=VALUE", help_heading = "Request")]
    pub options: Vec<OptionArg>,
    #[command(flatten)]
    pub more: InputArgs,
    /// Print the server's own JSON object
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    #[command(flatten)]
    pub server: ServerArgs,
    #[command(flatten)]
    pub timeouts: TimeoutArgs,
}

/// Copy a model to another name
#[derive(Debug, Args)]
#[command(help_template = super::TEMPLATE)]
pub struct CopyArgs {
    /// The model to copy
    #[arg(value_name = "SOURCE")]
    pub source: String,
    /// The name of the copy
    #[arg(value_name = "DESTINATION")]
    pub destination: String,
    #[command(flatten)]
    pub server: ServerArgs,
}

/// Delete models
///
/// To delete answers on the relay, use towline forget.
#[derive(Debug, Args)]
#[command(help_template = super::TEMPLATE)]
pub struct RemoveArgs {
    /// The models
    #[arg(value_name = "MODEL", required = true)]
    pub names: Vec<String>,
    #[command(flatten)]
    pub server: ServerArgs,
}
