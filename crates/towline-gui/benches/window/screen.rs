//! A window without a display: it is drawn and tessellated, and can be clicked by the names in its accessibility tree.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use egui::accesskit::{Node, TreeUpdate};
use egui::{Context, Event, Modifiers, PointerButton, Pos2, RawInput, Rect, Vec2};
use towline::{Client, Engine, EngineConfig};
use towline_gui::chats::Chat;
use towline_gui::command::Command;
use towline_gui::store::State;
use towline_gui::window::{Desktop, Setup, Target, Window};

/// A window, and what its last frame showed.
pub(crate) struct Screen {
    pub(crate) context: Context,
    pub(crate) window: Window,
    size: Vec2,
    frames: u64,
    shown: Option<TreeUpdate>,
    /// Letters and triangles' corners of the last frame.
    pub(crate) drawn: Drawn,
    _folder: tempfile::TempDir,
}

/// How much a frame had to draw.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Drawn {
    /// Rows of text that were handed on to be painted.
    pub(crate) rows: usize,
    /// Corners of triangles.
    pub(crate) vertices: usize,
}

impl Screen {
    /// A window of a server's, of this size in points. Its chats are kept in a folder of its own.
    pub(crate) fn new(url: &str, size: Vec2) -> Self {
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        let setup = setup(url, folder.path());
        let context = Context::default();
        context.enable_accesskit();
        let window = Window::new(&context, setup).expect("threads");
        Self { context, window, size, frames: 0, shown: None, drawn: Drawn::default(), _folder: folder }
    }

    /// Looks, draws, tessellates.
    pub(crate) fn frame(&mut self, events: Vec<Event>) {
        let input = RawInput {
            screen_rect: Some(Rect::from_min_size(Pos2::ZERO, self.size)),
            time: Some(Duration::from_micros(self.frames * 16_667).as_secs_f64()),
            max_texture_side: Some(8192),
            focused: true,
            events,
            ..RawInput::default()
        };
        self.frames += 1;
        // Looks inside of the pass, as the desktop does: a wish for a frame that comes before a pass begins is forgotten.
        let mut output = self.context.run_ui(input, |ui| {
            self.window.update();
            self.window.draw(ui);
        });
        output.textures_delta.clear();
        self.drawn.rows = output.shapes.iter().map(|shape| rows(&shape.shape)).sum();
        let meshes = self.context.tessellate(std::mem::take(&mut output.shapes), output.pixels_per_point);
        self.drawn.vertices = meshes
            .iter()
            .map(|mesh| match &mesh.primitive {
                egui::epaint::Primitive::Mesh(mesh) => mesh.vertices.len(),
                egui::epaint::Primitive::Callback(_) => 0,
            })
            .sum();
        self.shown = output.platform_output.accesskit_update.take();
    }

    /// What the last frame showed whose name or words `is_wanted`, and where.
    pub(crate) fn find(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<Rect> {
        let nodes = self.shown.iter().flat_map(|update| &update.nodes);
        nodes.filter(|(_, node)| is_wanted(words(node))).filter_map(|(_, node)| place(node)).collect()
    }

    /// As [`ask`].
    pub(crate) fn ask(&mut self, models: &[String], question: &str) {
        ask(&mut self.window, models, question);
    }

    /// The chat that is shown.
    pub(crate) fn chat(&mut self) -> &mut Chat {
        let current = self.window.current;
        let chat = self.window.chats.iter_mut().find(|chat| chat.key == current);
        chat.expect("one chat is always shown")
    }
}

/// What a window on this server begins with.
pub(crate) fn setup(url: &str, folder: &Path) -> Setup {
    let nothing = Desktop { files: Arc::new(|_| Ok(Vec::new())), notify: Arc::new(|_, _| false) };
    Setup {
        engine: Engine::start(EngineConfig::default()).expect("threads"),
        target: Target::Client(Client::new(url).expect("the server's own address")),
        folder: Some(folder.to_owned()),
        history: Some(towline_app::history::Limits::default()),
        state: State::default(),
        desktop: nothing,
        templates: None,
    }
}

/// Begins a chat in which `models` answer side by side, and asks them.
pub(crate) fn ask(window: &mut Window, models: &[String], question: &str) {
    window.act(Command::NewChat);
    window.act(Command::Model(models[0].clone()));
    for model in &models[1..] {
        window.act(Command::Compare(model.clone(), true));
    }
    window.act(Command::Draft(question.to_owned()));
    window.act(Command::Send);
    let live = window.chat().map_or(0, |chat| chat.live.len());
    assert_eq!(live, models.len(), "every model was asked");
}

/// Pressing and letting go of the first button.
pub(crate) fn click(at: Pos2) -> [Vec<Event>; 2] {
    let button = |pressed| Event::PointerButton {
        pos: at,
        button: PointerButton::Primary,
        pressed,
        modifiers: Modifiers::NONE,
    };
    [vec![Event::PointerMoved(at), button(true)], vec![button(false)]]
}

fn words(node: &Node) -> &str {
    node.label().or(node.value()).unwrap_or_default()
}

#[expect(clippy::cast_possible_truncation, reason = "a place on a screen")]
fn place(node: &Node) -> Option<Rect> {
    let bounds = node.bounds()?;
    let corner = |x: f64, y: f64| Pos2::new(x as f32, y as f32);
    Some(Rect::from_min_max(corner(bounds.x0, bounds.y0), corner(bounds.x1, bounds.y1)))
}

fn rows(shape: &egui::Shape) -> usize {
    match shape {
        egui::Shape::Text(text) => text.galley.rows.len(),
        egui::Shape::Vec(shapes) => shapes.iter().map(rows).sum(),
        egui::Shape::Noop
        | egui::Shape::Circle(_)
        | egui::Shape::Ellipse(_)
        | egui::Shape::LineSegment { .. }
        | egui::Shape::Path(_)
        | egui::Shape::Rect(_)
        | egui::Shape::Mesh(_)
        | egui::Shape::QuadraticBezier(_)
        | egui::Shape::CubicBezier(_)
        | egui::Shape::Band(_)
        | egui::Shape::Callback(_) => 0,
    }
}
