//! Brook's chat format, ChatML: each turn is between `<|im_start|>` and `<|im_end|>`.

/// The format as a template, for `/api/show`.
pub(crate) const TEMPLATE: &str = "{{ range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n";

/// One turn of a chat.
pub(crate) struct Turn {
    pub(crate) role: String,
    pub(crate) content: String,
}

impl Turn {
    /// The turn in the chat format. A final turn of the assistant is left open, so that the model continues
    /// it.
    pub(crate) fn written(&self, is_last: bool) -> String {
        let Self { role, content } = self;
        match (is_last, role.as_str()) {
            (true, "assistant") => format!("<|im_start|>assistant\n{content}"),
            (true, _) => {
                format!("<|im_start|>{role}\n{content}<|im_end|>\n<|im_start|>assistant\n")
            }
            (false, _) => format!("<|im_start|>{role}\n{content}<|im_end|>\n"),
        }
    }
}
