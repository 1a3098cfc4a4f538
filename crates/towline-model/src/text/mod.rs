//! Text on its way in and out: the tokenizer, whole characters from single tokens, and chat templates.

pub(crate) mod decode;
pub(crate) mod go_template;
pub(crate) mod template;
pub(crate) mod tokenizer;
