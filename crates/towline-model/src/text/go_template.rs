//! The plain part of Ollama's template language (Go's `text/template`), turned into Jinja.
//!
//! Clients may send such a template with a request. What this covers: `.System`, `.Prompt`, `.Response`, `if`, `else`
//! and `end`. Everything else is refused by name.

/// Whether a template is written in Go's language rather than in Jinja.
pub(crate) fn looks_like(source: &str) -> bool {
    source.split("{{").skip(1).any(|rest| {
        let action = rest.trim_start_matches('-').trim_start();
        action.starts_with('.')
            || ["if .", "range ", "end", "with ", "else"].iter().any(|word| action.starts_with(word))
    })
}

/// # Errors
/// The action that has no counterpart here.
pub(crate) fn to_jinja(source: &str) -> Result<String, String> {
    let mut jinja = String::new();
    let mut parts = source.split("{{");
    let mut text = parts.next().unwrap_or_default();
    for part in parts {
        let Some((action, after)) = part.split_once("}}") else {
            return Err("the template has an action without an end".to_owned());
        };
        push_text(&mut jinja, if action.starts_with('-') { text.trim_end() } else { text });
        text = if action.ends_with('-') { after.trim_start() } else { after };
        let action = action.trim_matches('-').trim();
        let words: Vec<&str> = action.split_whitespace().collect();
        match words.as_slice() {
            ["if", field] => jinja.push_str(&format!("{{% if {} %}}", variable(field, action)?)),
            ["else"] => jinja.push_str("{% else %}"),
            ["end"] => jinja.push_str("{% endif %}"),
            [field] => jinja.push_str(&format!("{{{{ {} }}}}", variable(field, action)?)),
            _ => return Err(unknown(action)),
        }
        // What follows the answer belongs to the next turn.
        if words == [".Response"] {
            return Ok(jinja);
        }
    }
    push_text(&mut jinja, text);
    Ok(jinja)
}

fn variable<'a>(field: &'a str, action: &str) -> Result<&'a str, String> {
    match field {
        ".System" | ".Prompt" | ".Response" => Ok(&field[1..]),
        _ => Err(unknown(action)),
    }
}

fn unknown(action: &str) -> String {
    format!(
        "the template action {{{{ {action} }}}} is not supported (.System, .Prompt, .Response, if, else, end are)"
    )
}

/// Text that must not be read as Jinja, and whose line ends must survive Jinja's trimming of blocks.
fn push_text(jinja: &mut String, text: &str) {
    if text.is_empty() {
        return;
    }
    jinja.push_str("{{ ");
    jinja.push_str(&serde_json::Value::from(text).to_string());
    jinja.push_str(" }}");
}
