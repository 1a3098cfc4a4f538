//! Template suggestions for a question that begins with a slash.

use egui::{Button, Key, Modifiers, RichText, Ui, vec2};

/// Maximum number of suggestions.
const MAX_OFFERED: usize = 8;

/// The typed part of a name, and the text after a complete name, which is the template's input.
pub(super) fn typed(draft: &str) -> Option<(&str, Option<&str>)> {
    let line = draft.strip_prefix('/')?;
    let whole = line.split_once(char::is_whitespace);
    Some(whole.map_or((line, None), |(name, input)| (name, Some(input.trim()))))
}

/// Draws the matching templates, and returns the chosen one. It consumes their keys before the focused field
/// sees them.
pub(super) fn show(ui: &mut Ui, draft: &str, names: &[String], has_focus: bool) -> Option<String> {
    let (typed, input) = typed(draft)?;
    let fits = |name: &&String| if input.is_some() { *name == typed } else { name.starts_with(typed) };
    let offered: Vec<&String> = names.iter().filter(fits).take(MAX_OFFERED).collect();
    let last = offered.len().checked_sub(1)?;
    let id = ui.scope_id().with("template");
    let mut chosen = ui.data(|data| data.get_temp::<usize>(id)).unwrap_or_default().min(last);
    let pressed = |key| has_focus && ui.input_mut(|input| input.consume_key(Modifiers::NONE, key));
    if pressed(Key::ArrowDown) {
        chosen = (chosen + 1).min(last);
    }
    if pressed(Key::ArrowUp) {
        chosen = chosen.saturating_sub(1);
    }
    let mut picked = pressed(Key::Enter).then_some(chosen);
    for (index, name) in offered.iter().enumerate() {
        let button = Button::selectable(index == chosen, format!("/{name}"))
            .right_text(RichText::new("template").weak())
            .min_size(vec2(ui.available_width(), 26.0));
        if ui.add(button).accessible_name(format!("Template {name}")).clicked() {
            picked = Some(index);
        }
    }
    ui.data_mut(|data| data.insert_temp(id, if picked.is_some() { 0 } else { chosen }));
    picked.and_then(|index| offered.get(index)).map(|name| (*name).clone())
}
