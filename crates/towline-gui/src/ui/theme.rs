//! Fonts, colours and sizes.

use std::sync::{Arc, LazyLock};

use egui::{
    Color32, FontData, FontDefinitions, FontFamily, FontId, Response, Stroke, TextEdit, TextStyle, Theme, Ui,
};

use towline_app::document::code::Kind;

/// The size of answers and questions, in points.
pub const TEXT: f32 = 16.0;
/// The size of code, in points.
pub const CODE: f32 = 14.0;
/// The line height, relative to the font size.
pub const ROW: f32 = 1.5;
/// The maximum width of the transcript and the composer, in points: longer lines are hard to read.
pub const COLUMN: f32 = 760.0;
/// The font size of buttons and lists, in points.
const WORDS: f32 = 14.0;
/// The corner radius of buttons and fields, in points.
pub const ROUND: u8 = 8;

/// A face of the bundled family that is not the regular one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// Between regular and bold: names.
    Medium,
    /// Bold: headings and strong text.
    SemiBold,
    /// Emphasised text.
    Italic,
    /// Strong code.
    MonoBold,
}

/// The names and the data of the faces, in order.
const FACES: [(&str, &[u8]); 4] = [
    ("Inter Medium", include_bytes!("../../fonts/Inter-Medium.otf")),
    ("Inter SemiBold", include_bytes!("../../fonts/Inter-SemiBold.otf")),
    ("Inter Italic", include_bytes!("../../fonts/Inter-Italic.otf")),
    ("JetBrains Mono Bold", include_bytes!("../../fonts/JetBrainsMono-Bold.ttf")),
];
static FAMILIES: LazyLock<[FontFamily; 4]> =
    LazyLock::new(|| FACES.map(|(name, _)| FontFamily::Name(name.into())));

impl Face {
    /// A font of this face.
    pub fn font(self, size: f32) -> FontId {
        FontId::new(size, FAMILIES[self as usize].clone())
    }
}

/// The bundled family, with egui's fonts as a fallback.
fn fonts() -> FontDefinitions {
    let mut fonts = FontDefinitions::default();
    let mut add = |name: &str, bytes: &'static [u8], family: FontFamily, like: FontFamily| {
        fonts.font_data.insert(name.to_owned(), Arc::new(FontData::from_static(bytes)));
        let mut names = fonts.families.get(&like).cloned().unwrap_or_default();
        names.insert(0, name.to_owned());
        fonts.families.insert(family, names);
    };
    let (inter, mono) = (FontFamily::Proportional, FontFamily::Monospace);
    for ((name, bytes), family) in FACES.iter().zip(&*FAMILIES) {
        add(
            name,
            bytes,
            family.clone(),
            if name.starts_with("Inter") { inter.clone() } else { mono.clone() },
        );
    }
    add("Inter", include_bytes!("../../fonts/Inter-Regular.otf"), inter.clone(), inter);
    add("JetBrains Mono", include_bytes!("../../fonts/JetBrainsMono-Regular.ttf"), mono.clone(), mono);
    fonts
}

/// Colours by purpose. Text has a contrast of at least 4.5 : 1 on each background.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Palette {
    /// Background of the transcript.
    pub ground: Color32,
    /// Background of the list of chats.
    pub side: Color32,
    /// Background of raised elements: questions, the composer, dialogs.
    pub raised: Color32,
    /// Behind dialogs.
    dialog: Color32,
    /// Behind buttons.
    button: Color32,
    /// Behind what is selected.
    selected: Color32,
    /// Border of raised elements.
    pub edge: Color32,
    /// Text.
    pub text: Color32,
    /// Secondary text.
    pub weak: Color32,
    /// Bold text and headings.
    pub strong: Color32,
    /// Links and primary buttons.
    pub link: Color32,
    /// Text on the colours of links and errors.
    pub on_color: Color32,
    /// Background of matches.
    pub found: Color32,
    /// Behind code.
    pub code_ground: Color32,
    /// What went well.
    pub good: Color32,
    /// Warnings.
    pub warning: Color32,
    /// What went wrong.
    pub bad: Color32,
    /// Border of an unfocused field, with a contrast of 3 : 1 to its surroundings.
    field_edge: Color32,
    is_dark: bool,
}

fn pick(is_dark: bool, dark: [u8; 3], light: [u8; 3]) -> Color32 {
    let [red, green, blue] = if is_dark { dark } else { light };
    Color32::from_rgb(red, green, blue)
}

impl Palette {
    /// The colours of a theme.
    pub fn of(is_dark: bool) -> Self {
        let pick = |dark, light| pick(is_dark, dark, light);
        Self {
            ground: pick([25, 26, 30], [255; 3]),
            side: pick([19, 20, 23], [245, 246, 248]),
            raised: pick([40, 42, 48], [238, 240, 244]),
            dialog: pick([33, 35, 40], [255; 3]),
            button: pick([52, 55, 62], [226, 229, 235]),
            selected: pick([48, 62, 88], [214, 228, 250]),
            edge: pick([62, 65, 73], [212, 216, 223]),
            text: pick([222, 225, 230], [32, 35, 41]),
            weak: pick([160, 165, 175], [90, 96, 106]),
            strong: pick([250; 3], [5; 3]),
            link: pick([122, 178, 255], [10, 88, 190]),
            on_color: pick([16, 18, 22], [255; 3]),
            found: pick([92, 74, 22], [255, 230, 140]),
            code_ground: pick([17, 18, 21], [246, 247, 249]),
            good: pick([120, 200, 130], [20, 112, 46]),
            warning: pick([232, 184, 90], [138, 84, 0]),
            bad: pick([244, 128, 120], [184, 30, 30]),
            field_edge: pick([112; 3], [140; 3]),
            is_dark,
        }
    }

    /// The colours that a part of the window has.
    pub fn at(ui: &Ui) -> &'static Self {
        static BOTH: LazyLock<[Palette; 2]> = LazyLock::new(|| [false, true].map(Palette::of));
        &BOTH[usize::from(ui.visuals().dark_mode)]
    }

    /// The colour of a part of code; `None` means the colour of plain text.
    pub fn code(&self, kind: Kind) -> Option<Color32> {
        let pick = |dark, light| Some(pick(self.is_dark, dark, light));
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

/// Draws a field, with an edge while nothing is typed in it.
pub fn field(ui: &mut Ui, field: TextEdit<'_>) -> Response {
    let edge = Stroke::new(1.0, Palette::at(ui).field_edge);
    ui.scope(|ui| {
        ui.visuals_mut().widgets.inactive.bg_stroke = edge;
        ui.add(field)
    })
    .inner
}

/// Sets fonts, sizes and colours. Call it once, before the first frame.
pub fn apply(context: &egui::Context) {
    context.set_fonts(fonts());
    context.all_styles_mut(|style| {
        style.text_styles.insert(TextStyle::Body, FontId::proportional(WORDS));
        style.text_styles.insert(TextStyle::Button, FontId::proportional(WORDS));
        style.text_styles.insert(TextStyle::Monospace, FontId::monospace(CODE));
        style.text_styles.insert(TextStyle::Small, FontId::proportional(12.0));
        style.text_styles.insert(TextStyle::Heading, Face::SemiBold.font(20.0));
        // A blinking cursor would repaint an idle window permanently.
        style.visuals.text_cursor.blink = false;
        style.spacing.button_padding = egui::vec2(10.0, 5.0);
        style.spacing.item_spacing = egui::vec2(8.0, 6.0);
        style.spacing.interact_size.y = 26.0;
        style.spacing.menu_margin = egui::Margin::same(8);
    });
    for (theme, is_dark) in [(Theme::Dark, true), (Theme::Light, false)] {
        let palette = Palette::of(is_dark);
        context.style_mut_of(theme, |style| colours(&mut style.visuals, &palette));
    }
}

fn colours(visuals: &mut egui::Visuals, palette: &Palette) {
    (visuals.panel_fill, visuals.extreme_bg_color) = (palette.ground, palette.code_ground);
    visuals.window_fill = palette.dialog;
    visuals.window_stroke = Stroke::new(1.0, palette.edge);
    visuals.override_text_color = Some(palette.text);
    visuals.weak_text_color = Some(palette.weak);
    visuals.hyperlink_color = palette.link;
    visuals.slider_trailing_fill = true;
    visuals.selection.bg_fill = palette.selected;
    visuals.selection.stroke = Stroke::new(1.0, palette.link);
    visuals.window_corner_radius = 14.into();
    visuals.menu_corner_radius = 10.into();
    let widgets = &mut visuals.widgets;
    widgets.noninteractive.bg_stroke = Stroke::new(1.0, palette.edge);
    for widget in [&mut widgets.inactive, &mut widgets.hovered, &mut widgets.active, &mut widgets.open] {
        widget.corner_radius = ROUND.into();
        widget.expansion = 0.0;
    }
    (widgets.inactive.weak_bg_fill, widgets.inactive.bg_fill) = (palette.button, palette.button);
    for widget in [&mut widgets.hovered, &mut widgets.open] {
        (widget.weak_bg_fill, widget.bg_fill) = (palette.edge, palette.edge);
        widget.bg_stroke = Stroke::NONE;
    }
}
