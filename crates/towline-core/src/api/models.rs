//! Models: lists, descriptions, and requests that create, copy and delete them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Message, Options, null_as_default};

/// The models a server has.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub struct ListResponse {
    /// The models, newest first.
    #[serde(default, deserialize_with = "null_as_default")]
    pub models: Vec<InstalledModel>,
}

/// One installed model.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub struct InstalledModel {
    /// Name and tag.
    #[serde(default, deserialize_with = "null_as_default")]
    pub name: String,
    /// When it was last changed, in RFC 3339.
    #[serde(default, deserialize_with = "null_as_default")]
    pub modified_at: String,
    /// Size on disk, in bytes.
    #[serde(default, deserialize_with = "null_as_default")]
    pub size: u64,
    /// SHA-256 of its manifest, in hex.
    #[serde(default, deserialize_with = "null_as_default")]
    pub digest: String,
    /// Its details.
    #[serde(default, deserialize_with = "null_as_default")]
    pub details: ModelDetails,
    /// All other fields from the server.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The details of a model.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub struct ModelDetails {
    /// File format, usually `gguf`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub format: String,
    /// Architecture.
    #[serde(default, deserialize_with = "null_as_default")]
    pub family: String,
    /// Number of parameters, for people, for example `7B`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub parameter_size: String,
    /// How the weights are stored, for example `Q4_K_M`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub quantization_level: String,
    /// All other fields from the server.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The models that a server has in memory.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub struct PsResponse {
    /// The models.
    #[serde(default, deserialize_with = "null_as_default")]
    pub models: Vec<RunningModel>,
}

/// One loaded model.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub struct RunningModel {
    /// Name and tag.
    #[serde(default, deserialize_with = "null_as_default")]
    pub name: String,
    /// Total memory, in bytes.
    #[serde(default, deserialize_with = "null_as_default")]
    pub size: u64,
    /// The part of it on a GPU, in bytes.
    #[serde(default, deserialize_with = "null_as_default")]
    pub size_vram: u64,
    /// Context length, in tokens.
    #[serde(default, deserialize_with = "null_as_default")]
    pub context_length: u64,
    /// When it will be unloaded, in RFC 3339.
    #[serde(default, deserialize_with = "null_as_default")]
    pub expires_at: String,
    /// Its details.
    #[serde(default, deserialize_with = "null_as_default")]
    pub details: ModelDetails,
    /// All other fields from the server.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A request for the description of a model.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ShowRequest {
    /// The model's name.
    pub model: String,
    /// Whether to list tokens and tensors too.
    pub verbose: bool,
}

/// A model's description.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub struct ShowResponse {
    /// The licence text.
    #[serde(default, deserialize_with = "null_as_default")]
    pub license: String,
    /// The model as a Modelfile.
    #[serde(default, deserialize_with = "null_as_default")]
    pub modelfile: String,
    /// Default options, one per line.
    #[serde(default, deserialize_with = "null_as_default")]
    pub parameters: String,
    /// The prompt template.
    #[serde(default, deserialize_with = "null_as_default")]
    pub template: String,
    /// The default instructions.
    #[serde(default, deserialize_with = "null_as_default")]
    pub system: String,
    /// Its details.
    #[serde(default, deserialize_with = "null_as_default")]
    pub details: ModelDetails,
    /// The model file's own keys.
    #[serde(default, deserialize_with = "null_as_default")]
    pub model_info: Map<String, Value>,
    /// What it can do, for example `completion`, `tools`, `vision`, `thinking`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub capabilities: Vec<String>,
    /// When it was last changed, in RFC 3339.
    #[serde(default, deserialize_with = "null_as_default")]
    pub modified_at: String,
    /// All other fields from the server.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A request to pull a model from a registry.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PullRequest {
    /// The model's name.
    pub model: String,
    /// Whether the registry may be spoken to without TLS.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub insecure: bool,
}

/// A request to push a model to a registry.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PushRequest {
    /// The model's name, with the namespace to push to.
    pub model: String,
    /// Whether the registry may be spoken to without TLS.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub insecure: bool,
}

/// A request to create a model from another one or from uploaded files.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CreateRequest {
    /// The new model's name.
    pub model: String,
    /// The model to start from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Uploaded files: name and digest.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
    /// Uploaded adapters: name and digest.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub adapters: BTreeMap<String, String>,
    /// Uploaded files of a draft model for speculative decoding: name and digest.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub draft_files: BTreeMap<String, String>,
    /// The prompt template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// The licence texts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub license: Vec<String>,
    /// The default instructions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// The default options.
    #[serde(skip_serializing_if = "Options::is_empty")]
    pub parameters: Options,
    /// The conversation with which every chat starts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<Message>,
    /// The built-in prompt renderer that the model needs instead of a template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renderer: Option<String>,
    /// The built-in answer parser that the model needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parser: Option<String>,
    /// The oldest version of Ollama that can run the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requires: Option<String>,
    /// How to store the weights, for example `q4_K_M`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantize: Option<String>,
}

/// A request to copy a model.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct CopyRequest {
    /// The name of the existing model.
    pub source: String,
    /// The name of the copy.
    pub destination: String,
}

/// A request to delete a model.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct DeleteRequest {
    /// The model's name.
    pub model: String,
}

/// The status of a server.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub struct StatusResponse {
    /// Whether cloud models are disabled, and by what.
    #[serde(default, deserialize_with = "null_as_default")]
    pub cloud: CloudStatus,
    /// All other fields from the server.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Whether cloud models can be used.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct CloudStatus {
    /// Whether they are disabled.
    #[serde(default, deserialize_with = "null_as_default")]
    pub disabled: bool,
    /// What disabled them, for example `env`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub source: String,
}

/// The user who is signed in at the server.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub struct MeResponse {
    /// The account's id.
    #[serde(default, deserialize_with = "null_as_default")]
    pub id: String,
    /// The account's name.
    #[serde(default, deserialize_with = "null_as_default")]
    pub name: String,
    /// All other fields from the server.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The server's version.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct VersionResponse {
    /// The version.
    #[serde(default, deserialize_with = "null_as_default")]
    pub version: String,
}
