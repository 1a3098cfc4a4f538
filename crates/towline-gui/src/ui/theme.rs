//! Colours and sizes.

use egui::{Color32, FontId, Stroke, TextStyle, Theme, Ui};

use towline_app::document::code::Kind;

/// The size of text, in points.
pub const TEXT: f32 = 14.5;
/// The size of code, in points.
pub const CODE: f32 = 13.0;
/// The widest an answer is drawn, in points: longer lines are hard to read.
pub const MAX_TEXT_WIDTH: f32 = 860.0;

/// Colours beyond those of egui.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Palette {
    /// What stands out: bold text, headings.
    pub strong: Color32,
    /// Links.
    pub link: Color32,
    /// Behind code.
    pub code_ground: Color32,
    /// Behind questions.
    pub question_ground: Color32,
    /// What went well.
    pub good: Color32,
    /// What wants attention.
    pub warning: Color32,
    /// What went wrong.
    pub bad: Color32,
    /// Around a field that is not being typed in, so that it stands out from what is around it (3 : 1).
    field_edge: Color32,
    is_dark: bool,
}

impl Palette {
    /// The colours of a theme.
    pub fn of(is_dark: bool) -> Self {
        if is_dark {
            Self {
                strong: Color32::from_gray(250),
                link: Color32::from_rgb(122, 178, 255),
                code_ground: Color32::from_rgb(20, 22, 27),
                question_ground: Color32::from_rgb(42, 50, 64),
                good: Color32::from_rgb(120, 200, 130),
                warning: Color32::from_rgb(232, 184, 90),
                bad: Color32::from_rgb(244, 128, 120),
                field_edge: Color32::from_gray(112),
                is_dark,
            }
        } else {
            Self {
                strong: Color32::from_gray(5),
                link: Color32::from_rgb(10, 88, 190),
                code_ground: Color32::from_rgb(240, 241, 244),
                question_ground: Color32::from_rgb(226, 235, 248),
                good: Color32::from_rgb(20, 120, 50),
                warning: Color32::from_rgb(150, 95, 0),
                bad: Color32::from_rgb(184, 30, 30),
                field_edge: Color32::from_gray(140),
                is_dark,
            }
        }
    }

    /// Gives the fields that are drawn in this part of the window an edge.
    pub fn outline_fields(&self, ui: &mut Ui) {
        ui.visuals_mut().widgets.inactive.bg_stroke = Stroke::new(1.0, self.field_edge);
    }

    /// The colour of a part of code; `None` for that of the text around it.
    pub fn code(&self, kind: Kind) -> Option<Color32> {
        let pick = |dark: [u8; 3], light: [u8; 3]| {
            let [red, green, blue] = if self.is_dark { dark } else { light };
            Some(Color32::from_rgb(red, green, blue))
        };
        match kind {
            Kind::Plain => None,
            Kind::Comment => pick([140, 148, 160], [100, 105, 115]),
            Kind::Text | Kind::Added => pick([152, 205, 128], [28, 110, 40]),
            Kind::Number => pick([226, 178, 110], [150, 82, 0]),
            Kind::Keyword | Kind::Place => pick([204, 150, 240], [120, 40, 160]),
            Kind::Call => pick([112, 184, 250], [10, 80, 170]),
            Kind::Removed => pick([240, 130, 120], [176, 30, 30]),
        }
    }
}

/// Sets sizes and colours. Once, before the first frame.
pub fn apply(context: &egui::Context) {
    context.all_styles_mut(|style| {
        style.text_styles.insert(TextStyle::Body, FontId::proportional(TEXT));
        style.text_styles.insert(TextStyle::Button, FontId::proportional(13.5));
        style.text_styles.insert(TextStyle::Monospace, FontId::monospace(CODE));
        style.text_styles.insert(TextStyle::Small, FontId::proportional(11.5));
        style.text_styles.insert(TextStyle::Heading, FontId::proportional(20.0));
        // A cursor that blinks would draw an idle window again and again.
        style.visuals.text_cursor.blink = false;
        style.spacing.button_padding = egui::vec2(8.0, 4.0);
        style.spacing.item_spacing = egui::vec2(8.0, 6.0);
    });
    context.style_mut_of(Theme::Dark, |style| {
        style.visuals.panel_fill = Color32::from_rgb(27, 29, 34);
        style.visuals.window_fill = Color32::from_rgb(32, 35, 41);
        style.visuals.extreme_bg_color = Color32::from_rgb(18, 19, 23);
        style.visuals.override_text_color = Some(Color32::from_rgb(216, 219, 225));
    });
    context.style_mut_of(Theme::Light, |style| {
        style.visuals.panel_fill = Color32::from_rgb(250, 250, 251);
        style.visuals.window_fill = Color32::WHITE;
        style.visuals.override_text_color = Some(Color32::from_rgb(32, 35, 41));
    });
}
