//! The parts of a conversation.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::null_as_default;
use crate::event::ToolCall;

/// Who speaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions to the model.
    System,
    /// The person.
    #[default]
    User,
    /// The model.
    Assistant,
    /// The result of a tool call.
    Tool,
}

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// The text.
    #[serde(default, deserialize_with = "null_as_default")]
    pub content: String,
    /// The model's reasoning in an earlier turn.
    #[serde(default, skip_serializing_if = "String::is_empty", deserialize_with = "null_as_default")]
    pub thinking: String,
    /// Images (for some models audio), in base64. See [`Message::with_image`].
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub images: Vec<String>,
    /// The calls that the model made in an earlier turn.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "tool_calls")]
    pub tool_calls: Vec<ToolCall>,
    /// The tool to which a result belongs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_name: Option<String>,
    /// The call to which a result belongs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
}

impl Message {
    fn new(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: content.into(), ..Self::default() }
    }

    /// Instructions to the model.
    pub fn system(content: impl Into<String>) -> Self {
        Self::new(Role::System, content)
    }

    /// A message from the user.
    pub fn user(content: impl Into<String>) -> Self {
        Self::new(Role::User, content)
    }

    /// A message from the model. If it is the last message, the model continues it.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self::new(Role::Assistant, content)
    }

    /// The result of a tool call.
    pub fn tool_result(call: &ToolCall, result: impl Into<String>) -> Self {
        Self {
            tool_name: Some(call.name.clone()),
            tool_call_id: call.id.clone(),
            ..Self::new(Role::Tool, result)
        }
    }

    /// The same message with an image, from the bytes of its file.
    #[must_use]
    pub fn with_image(mut self, file: &[u8]) -> Self {
        use base64::Engine as _;
        self.images.push(base64::engine::general_purpose::STANDARD.encode(file));
        self
    }
}

/// A function that the model may call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    #[serde(rename = "type")]
    kind: String,
    function: Value,
}

impl Tool {
    /// A function with its name, what it does, and the JSON schema of its arguments (an object's).
    pub fn function(name: &str, description: &str, parameters: Value) -> Self {
        let function = json!({ "name": name, "description": description, "parameters": parameters });
        Self { kind: "function".to_owned(), function }
    }
}

/// Tool calls inside a message are nested one level deeper than in events.
mod tool_calls {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::Value;

    use crate::event::ToolCall;

    #[derive(Serialize, Deserialize)]
    struct Wire {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        function: Function,
    }

    #[derive(Serialize, Deserialize)]
    struct Function {
        name: String,
        #[serde(default)]
        arguments: Value,
    }

    pub(super) fn serialize<S: Serializer>(calls: &[ToolCall], to: S) -> Result<S::Ok, S::Error> {
        let wire = calls.iter().map(|call| Wire {
            id: call.id.clone(),
            function: Function { name: call.name.clone(), arguments: call.arguments.clone() },
        });
        to.collect_seq(wire)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<ToolCall>, D::Error> {
        let wire = Option::<Vec<Wire>>::deserialize(from)?.unwrap_or_default();
        let call = |w: Wire| ToolCall { id: w.id, name: w.function.name, arguments: w.function.arguments };
        Ok(wire.into_iter().map(call).collect())
    }
}
