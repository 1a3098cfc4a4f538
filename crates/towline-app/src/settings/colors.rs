//! `theme` and `[colors]`: the colours of the terminal.

use toml::de::DeValue;

use crate::text::nearest::nearest;

/// `theme`: the background for which colours are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// Asks the terminal, or reads `COLORFGBG`; dark if neither answers.
    #[default]
    Auto,
    /// A dark background.
    Dark,
    /// A light one.
    Light,
    /// No colours.
    None,
}

/// A colour of a part of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// One of the terminal's 256; the first 16 are its own palette.
    Index(u8),
    /// Red, green, blue.
    Rgb(u8, u8, u8),
}

/// The names of a theme's colours; `[colors]` can change each.
pub const SLOTS: [&str; 7] = ["red", "green", "yellow", "blue", "magenta", "cyan", "grey"];

/// Replacements for a theme's colours, in the order of [`SLOTS`]; `None` means the theme's own.
pub type Shades = [Option<Color>; SLOTS.len()];

pub(super) fn theme(value: &DeValue<'_>) -> Result<Theme, String> {
    match value.as_str() {
        Some("auto") => Ok(Theme::Auto),
        Some("dark") => Ok(Theme::Dark),
        Some("light") => Ok(Theme::Light),
        Some("none") => Ok(Theme::None),
        Some(_) | None => Err("theme must be \"auto\", \"dark\", \"light\" or \"none\"".to_owned()),
    }
}

/// Replaces a colour.
pub(super) fn shade(shades: &mut Shades, name: &str, value: &DeValue<'_>) -> Result<(), String> {
    let Some(slot) = SLOTS.iter().position(|slot| *slot == name) else {
        return Err(match nearest(SLOTS.into_iter(), name) {
            Some(known) => format!("there is no colour {name}; did you mean {known}?"),
            None => format!("there is no colour {name}; the colours are {}", SLOTS.join(", ")),
        });
    };
    let index = value.as_integer().and_then(|number| number.to_string().parse().ok()).map(Color::Index);
    let color = index.or_else(|| value.as_str().and_then(named));
    let wrong = || {
        format!(
            "the colour {name} must be a name such as \"blue\" or \"bright-blue\", a number to 255, or \"#rrggbb\""
        )
    };
    shades[slot] = Some(color.ok_or_else(wrong)?);
    Ok(())
}

fn named(text: &str) -> Option<Color> {
    const NAMES: [&str; 8] = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];
    if let Some(hex) = text
        .strip_prefix('#')
        .filter(|hex| hex.len() == 6 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
    {
        let part = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).ok();
        return Some(Color::Rgb(part(0)?, part(2)?, part(4)?));
    }
    let (name, bright) = text.strip_prefix("bright-").map_or((text, 0), |name| (name, 8));
    let at = NAMES.iter().position(|known| *known == name)?;
    u8::try_from(at).ok().map(|at| Color::Index(at + bright))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_named_numbered_and_mixed() {
        for (text, color) in [
            ("blue", Some(Color::Index(4))),
            ("bright-blue", Some(Color::Index(12))),
            ("#ff8000", Some(Color::Rgb(255, 128, 0))),
            ("#ff80", None),
            ("#+f+8+0", None),
            ("#fé8000", None),
            ("bluish", None),
        ] {
            assert_eq!(named(text), color, "{text}");
        }
    }
}
