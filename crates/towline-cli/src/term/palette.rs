//! The colours and attributes for the terminal: those of a theme, with the shades that the user chose.

use towline_app::settings::{Color as Shade, Shades, Theme};

use super::text::{Color, Style};

/// Shades that are readable on a dark background: the terminal's own, which its user has chosen for it.
const DARK: [Shade; 7] = [
    Shade::Index(1),
    Shade::Index(2),
    Shade::Index(3),
    Shade::Index(4),
    Shade::Index(5),
    Shade::Index(6),
    Shade::Index(8),
];
/// Shades that are readable on a light background; the terminal's own yellow and cyan are hardly readable
/// there.
const LIGHT: [Shade; 7] = [
    Shade::Index(124),
    Shade::Index(28),
    Shade::Index(94),
    Shade::Index(25),
    Shade::Index(90),
    Shade::Index(30),
    Shade::Index(241),
];

/// The colours and attributes that may be sent to the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Palette {
    /// Colours and attributes.
    Color([Shade; 7]),
    /// Attributes only, as `NO_COLOR` asks.
    Attributes,
}

impl Palette {
    /// The palette of a theme. `is_light` decides if the theme does not set the background.
    pub fn of(theme: Theme, is_light: bool, shades: &Shades) -> Self {
        let mut colors = match theme {
            Theme::None => return Self::Attributes,
            Theme::Auto if is_light => LIGHT,
            Theme::Light => LIGHT,
            Theme::Auto | Theme::Dark => DARK,
        };
        for (color, shade) in colors.iter_mut().zip(shades) {
            *color = shade.unwrap_or(*color);
        }
        Self::Color(colors)
    }

    /// Writes the change from one style to another.
    pub fn change(self, from: Style, to: Style, out: &mut Vec<u8>) {
        if from == to {
            return;
        }
        out.extend_from_slice(b"\x1b[0");
        for (on, code) in [
            (to.bold, "1"),
            (to.dim, "2"),
            (to.italic, "3"),
            (to.underline, "4"),
            (to.reverse, "7"),
            (to.strike, "9"),
        ] {
            if on {
                out.push(b';');
                out.extend_from_slice(code.as_bytes());
            }
        }
        match self.shade(to.color) {
            None => {}
            Some(Shade::Index(at @ 0..8)) => out.extend_from_slice(format!(";{}", 30 + at).as_bytes()),
            Some(Shade::Index(at @ 8..16)) => out.extend_from_slice(format!(";{}", 82 + at).as_bytes()),
            Some(Shade::Index(at)) => out.extend_from_slice(format!(";38;5;{at}").as_bytes()),
            Some(Shade::Rgb(red, green, blue)) => {
                out.extend_from_slice(format!(";38;2;{red};{green};{blue}").as_bytes());
            }
        }
        out.push(b'm');
    }

    fn shade(self, color: Color) -> Option<Shade> {
        let Self::Color(shades) = self else { return None };
        let slot = match color {
            Color::Default => return None,
            Color::Red => 0,
            Color::Green => 1,
            Color::Yellow => 2,
            Color::Blue => 3,
            Color::Magenta => 4,
            Color::Cyan => 5,
            Color::Grey => 6,
        };
        Some(shades[slot])
    }
}

/// Whether a background is light, from its components, each 0 to 1.
pub fn is_light([red, green, blue]: [f64; 3]) -> bool {
    0.299 * red + 0.587 * green + 0.114 * blue > 0.5
}

/// Whether the background is light according to `COLORFGBG`, which some terminals set:
/// `foreground;background` as numbers.
pub fn is_light_by(colorfgbg: &str) -> bool {
    matches!(colorfgbg.rsplit(';').next(), Some("7" | "9" | "10" | "11" | "12" | "13" | "14" | "15"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(palette: Palette, color: Color) -> String {
        let mut out = vec![];
        palette.change(Style::PLAIN, Style { bold: true, ..Style::color(color) }, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_theme_has_shades_and_people_have_others() {
        let own = &Shades::default();
        assert_eq!(bytes(Palette::of(Theme::Auto, false, own), Color::Cyan), "\x1b[0;1;36m");
        assert_eq!(bytes(Palette::of(Theme::Dark, true, own), Color::Grey), "\x1b[0;1;90m");
        assert_eq!(bytes(Palette::of(Theme::Auto, true, own), Color::Cyan), "\x1b[0;1;38;5;30m");
        assert_eq!(bytes(Palette::of(Theme::None, true, own), Color::Cyan), "\x1b[0;1m");
        let mut chosen = Shades::default();
        chosen[5] = Some(Shade::Rgb(1, 2, 3));
        assert_eq!(bytes(Palette::of(Theme::Light, false, &chosen), Color::Cyan), "\x1b[0;1;38;2;1;2;3m");
    }

    #[test]
    fn backgrounds_are_dark_or_light() {
        assert!(is_light([1.0, 1.0, 0.9]) && !is_light([0.1, 0.1, 0.4]));
        assert!(
            is_light_by("0;15") && is_light_by("0;default;7") && !is_light_by("15;0") && !is_light_by("")
        );
    }
}
