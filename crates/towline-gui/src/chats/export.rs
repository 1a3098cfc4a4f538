//! Exports a chat as a file.

use towline_app::chat::export;

use super::Chat;

/// The form of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportForm {
    /// For people.
    Markdown,
    /// For programs.
    Json,
}

impl Chat {
    /// The text of the chat in this form.
    pub fn export(&self, form: ExportForm) -> String {
        match form {
            ExportForm::Markdown => export::markdown(&self.title(), &self.conversation),
            ExportForm::Json => export::json(&self.title(), &self.conversation),
        }
    }

    /// The name of the export file.
    pub fn file_name(&self, form: ExportForm) -> String {
        let title = self.title();
        let known = |c: char| if c.is_alphanumeric() || c == ' ' || c == '-' { c } else { '_' };
        let name: String = title.chars().map(known).collect();
        let ending = match form {
            ExportForm::Markdown => "md",
            ExportForm::Json => "json",
        };
        format!("{}.{ending}", name.trim())
    }
}
