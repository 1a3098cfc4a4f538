//! Tools and answer formats from Rust types.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_json::Value;
use towline_core::api::{Format, Tool};
use towline_core::event::ToolCall;
use towline_core::outcome::Reply;

/// The answer format for a Rust type: JSON that matches its schema.
///
/// ```
/// # use schemars::JsonSchema;
/// #[derive(JsonSchema, serde::Deserialize)]
/// struct River {
///     name: String,
///     length_km: u32,
/// }
///
/// let mut request = towline::ChatRequest::new("llama3.2").user("Name a river.");
/// request.format = Some(towline::api::json_schema::<River>());
/// ```
pub fn json_schema<T: JsonSchema>() -> Format {
    Format::Schema(schema_of::<T>())
}

/// A tool whose arguments are the fields of a Rust type. Doc comments of the type become descriptions.
pub fn tool<Arguments: JsonSchema>(name: &str, description: &str) -> Tool {
    Tool::function(name, description, schema_of::<Arguments>())
}

/// The arguments of a tool call as a Rust type.
///
/// # Errors
/// The mismatch. Models do send wrong arguments: return the error to the model as the tool's result.
pub fn arguments_as<Arguments: DeserializeOwned>(call: &ToolCall) -> Result<Arguments, serde_json::Error> {
    serde_json::from_value(call.arguments.clone())
}

/// A structured answer as a Rust type.
///
/// # Errors
/// The mismatch; for an incomplete answer, the position at which it ends.
pub fn reply_as<T: DeserializeOwned>(reply: &Reply) -> Result<T, serde_json::Error> {
    serde_json::from_str(&reply.text)
}

/// Servers turn the schema into a grammar, and not all of them follow references, so all subschemas are
/// inlined.
fn schema_of<T: JsonSchema>() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    settings.into_generator().into_root_schema_for::<T>().to_value()
}
