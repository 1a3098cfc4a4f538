//! A window on the real engine and a scripted server, worked by what a screen reader sees.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use egui::accesskit::{Role, Toggled};
use egui::epaint::text::{FontInsert, FontPriority, InsertFontFamily};
use egui::{FontData, FontFamily, Key, Modifiers, Theme};
use egui_kittest::kittest::{AccessKitNode, NodeT as _, Queryable as _, by};
use egui_kittest::{Harness, SnapshotOptions};
use towline::{Client, Engine, EngineConfig};
use towline_app::history::Limits;
use towline_app::servers::{Environment, RunTarget, ServerSpec};
use towline_app::settings::{NamedServer, RelaySetting};
use towline_gui::server::ServerSearch;
use towline_gui::store::State;
use towline_gui::window::{Desktop, FileDialog, Setup, Target, Window};
use towline_testkit::{Plan, Server};

use crate::paint::Painter;

/// How long anything may take; results are exact, times are not.
const PATIENCE: Duration = Duration::from_secs(60);
/// A repaint that is further off than this is a clock, not news.
const SOON: Duration = Duration::from_millis(100);

type Shared = Arc<Mutex<Option<Window>>>;

pub(crate) struct Stage {
    pub(crate) harness: Harness<'static, Shared>,
    pub(crate) server: Arc<Server>,
    pub(crate) notified: Arc<Mutex<Vec<(String, String)>>>,
    news: Receiver<()>,
}

/// What a window begins with.
pub(crate) struct Begin {
    pub(crate) folder: Option<PathBuf>,
    pub(crate) model: &'static str,
    pub(crate) theme: Theme,
    pub(crate) size: [f32; 2],
    /// Whether somebody clicks each notification.
    pub(crate) clicks_notices: bool,
    /// Pixels per point.
    pub(crate) scale: f32,
    /// What file dialogs answer.
    pub(crate) files: Vec<PathBuf>,
    /// Whether the desktop shows any.
    pub(crate) has_dialogs: bool,
    /// The folder that the socket of a relay may be in.
    pub(crate) relay: Option<PathBuf>,
    /// The program that is started as the relay.
    pub(crate) program: PathBuf,
    /// What `TOWLINE_RELAY` says.
    pub(crate) relay_variable: Option<String>,
    /// What `relay` in the configuration says.
    pub(crate) relay_configured: RelaySetting,
    /// Whether answers run on it.
    pub(crate) on_relay: bool,
    /// Where the templates are.
    pub(crate) templates: Option<PathBuf>,
    /// What the configuration calls servers; a window that looks for its server, in `relay`, knows them.
    pub(crate) servers: BTreeMap<String, NamedServer>,
    /// A server of the test's own, in place of the scripted one.
    pub(crate) url: Option<String>,
}

impl Default for Begin {
    fn default() -> Self {
        Self {
            folder: None,
            model: "echo",
            theme: Theme::Dark,
            size: [1_000.0, 640.0],
            clicks_notices: false,
            scale: 1.0,
            files: Vec::new(),
            has_dialogs: true,
            relay: None,
            program: "no-such-program".into(),
            relay_variable: None,
            relay_configured: RelaySetting::Own,
            on_relay: false,
            templates: None,
            servers: BTreeMap::new(),
            url: None,
        }
    }
}

impl Stage {
    pub(crate) fn new(plan: impl Into<Plan>, begin: Begin) -> Self {
        Self::on(Arc::new(Server::start(plan)), begin)
    }

    /// On a server that is there already.
    pub(crate) fn on(server: Arc<Server>, begin: Begin) -> Self {
        let url = begin.url.unwrap_or_else(|| server.url());
        let target = match begin.relay {
            Some(runtime) => Target::Find(Box::new(ServerSearch {
                spec: ServerSpec { host: Some(url), server: None },
                environment: Environment {
                    runtime: Some(runtime),
                    program: Some(begin.program),
                    relay: begin.relay_variable,
                    servers: begin.servers,
                    ..Environment::default()
                },
                wanted: match (begin.on_relay, &begin.relay_configured) {
                    (false, _) => RunTarget::Here,
                    (true, RelaySetting::At(named)) => RunTarget::At(named.clone()),
                    (true, RelaySetting::Own | RelaySetting::Off) => RunTarget::Own { is_named: false },
                },
                configured: begin.relay_configured,
            })),
            None => Target::Client(Client::new(&url).expect("an address")),
        };
        let notified = Arc::new(Mutex::new(Vec::new()));
        let (recorded, files, has_dialogs) = (Arc::clone(&notified), begin.files, begin.has_dialogs);
        let desktop = Desktop {
            files: Arc::new(
                move |_: FileDialog| if has_dialogs { Ok(files.clone()) } else { Err("no dialogs".into()) },
            ),
            notify: Arc::new(move |title: &str, text: &str| {
                recorded.lock().expect("no panic").push((title.to_owned(), text.to_owned()));
                begin.clicks_notices
            }),
        };
        let kept =
            begin.folder.as_deref().map(|folder| State::read(&State::path(folder))).unwrap_or_default();
        let theme = match begin.theme {
            Theme::Dark => towline_gui::store::Theme::Dark,
            Theme::Light => towline_gui::store::Theme::Light,
        };
        let state = State { model: begin.model.into(), theme, ..kept };
        let engine = Engine::start(EngineConfig::default()).expect("threads");
        let (folder, history, templates) = (begin.folder, Some(Limits::default()), begin.templates);
        let setup = Setup { engine, target, folder, history, state, desktop, templates };
        let (ring, news) = sync_channel(1);
        // The harness makes the context, and the window is made in it before its first frame.
        let shared: Shared = Shared::default();
        let made = Arc::clone(&shared);
        let prepare = move |context: &egui::Context| {
            context.set_request_repaint_callback(move |info| {
                if info.delay < SOON {
                    // News that waits already is enough, and a stage that is gone waits for none.
                    ring.try_send(()).ok();
                }
            });
            *made.lock().expect("no panic") = Some(Window::new(context, setup).expect("threads"));
            fonts(context);
        };
        let harness = Harness::builder()
            .with_size(begin.size)
            .with_pixels_per_point(begin.scale)
            .with_theme(begin.theme)
            .with_render_cursor(false)
            .with_options(SnapshotOptions::new().threshold(1.5).max_failed_pixels(60))
            .renderer(Painter::default())
            .with_context_setup(prepare)
            .build_ui_state(frame, shared);
        Self { harness, server, notified, news }
    }

    /// Does something with the window between two frames.
    pub(crate) fn window<R>(&self, work: impl FnOnce(&mut Window) -> R) -> R {
        let mut window = self.harness.state().lock().expect("no panic");
        work(window.as_mut().expect("a window"))
    }

    /// Draws frames as news comes, until something is so.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        loop {
            self.harness.step();
            if is_so(self) {
                return;
            }
            assert!(Instant::now() < end, "timed out waiting for {what}; on screen: {:#?}", self.labels());
            // One frame for all the news there is; some news, such as an end of waiting, has no bell.
            self.news.recv_timeout(Duration::from_millis(20)).ok();
            self.news.try_iter().for_each(drop);
        }
    }

    /// Waits until a label or value that holds this is on screen.
    #[track_caller]
    pub(crate) fn until_shown(&mut self, text: &str) {
        self.until(text, |stage| stage.shows(text));
    }

    /// Whether a label or value that holds this is on screen.
    pub(crate) fn shows(&self, text: &str) -> bool {
        self.labels().iter().any(|label| label.contains(text))
    }

    /// Every label and value on screen.
    pub(crate) fn labels(&self) -> Vec<String> {
        let all = self.harness.query_all(by().predicate(|_| true));
        all.flat_map(|node| {
            let node = node.accesskit_node();
            [node.label(), node.value()].into_iter().flatten().collect::<Vec<_>>()
        })
        .filter(|label| !label.is_empty())
        .collect()
    }

    /// Waits for a button (or whatever can be clicked) and clicks it.
    #[track_caller]
    pub(crate) fn click(&mut self, label: &str) {
        self.until(label, |stage| stage.clickable(label) > 0);
        let found = self.harness.query_all(by().predicate(matching(label))).next();
        found.expect("it was there").click();
        // The press, the release, and what they cause.
        self.harness.run_steps(3);
    }

    /// Clicks a button, and looks at what each frame puts out.
    #[track_caller]
    pub(crate) fn click_and(&mut self, label: &str, look: impl Fn(&egui::FullOutput)) {
        self.until(label, |stage| stage.clickable(label) > 0);
        let found = self.harness.query_all(by().predicate(matching(label))).next();
        found.expect("it was there").click();
        for _ in 0..4 {
            self.harness.step();
            look(self.harness.output());
        }
    }

    /// Gives the focus to a link.
    #[track_caller]
    pub(crate) fn focus_link(&mut self, words: &str) {
        let words = words.to_owned();
        let is_it = by().predicate(move |node| {
            node.role() == Role::Link && node.label().is_some_and(|label| label.contains(&words))
        });
        self.harness.query_all(is_it).next().expect("a text with links").focus();
        self.harness.run_steps(2);
    }

    /// When the last frame wanted the next one; `None` when it did not.
    pub(crate) fn wanted_next(&self) -> Option<Duration> {
        let root = self.harness.output().viewport_output.get(&egui::ViewportId::ROOT).expect("a window");
        (root.repaint_delay < Duration::MAX).then_some(root.repaint_delay)
    }

    /// Where a label is on screen.
    pub(crate) fn label_rect(&self, label: &str) -> egui::Rect {
        let label = label.to_owned();
        let is_it = by().predicate(move |node| node.value().as_deref() == Some(label.as_str()));
        self.harness.query_all(is_it).next().map_or(egui::Rect::ZERO, |node| node.rect())
    }

    /// Where something that can be clicked is on screen.
    pub(crate) fn button_rect(&self, label: &str) -> egui::Rect {
        self.harness
            .query_all(by().predicate(matching(label)))
            .next()
            .map_or(egui::Rect::ZERO, |node| node.rect())
    }

    fn clickable(&self, label: &str) -> usize {
        self.harness.query_all(by().predicate(matching(label))).count()
    }

    /// Whether something with this label can be clicked.
    pub(crate) fn can_click(&self, label: &str) -> bool {
        self.clickable(label) > 0
    }

    /// Whether the box with this label is ticked.
    pub(crate) fn is_on(&self, label: &str) -> bool {
        let found = self.harness.query_all(by().predicate(matching(label))).next().expect("a box");
        found.accesskit_node().toggled() == Some(Toggled::True)
    }

    /// Types into the field with this label.
    #[track_caller]
    pub(crate) fn type_into(&mut self, label: &str, text: &str) {
        self.until(label, |stage| stage.field(label).is_some());
        self.field(label).expect("it was there").focus();
        self.harness.run_steps(2);
        self.field(label).expect("it was there").type_text(text);
        self.harness.run_steps(2);
    }

    fn field(&self, label: &str) -> Option<egui_kittest::Node<'_>> {
        let is_field = |role| matches!(role, Role::TextInput | Role::MultilineTextInput | Role::SearchInput);
        let label = label.to_owned();
        let wanted = by()
            .predicate(move |node| is_field(node.role()) && node.label().as_deref() == Some(label.as_str()));
        self.harness.query_all(wanted).next()
    }

    /// What the parts with this role say to a screen reader, in their order.
    pub(crate) fn labels_of(&self, role: Role) -> Vec<String> {
        let found = self.harness.query_all(by().predicate(move |node| node.role() == role));
        found.filter_map(|node| node.accesskit_node().label()).collect()
    }

    /// What the field with this label holds.
    pub(crate) fn typed(&self, label: &str) -> String {
        self.field(label).and_then(|field| field.value()).unwrap_or_default()
    }

    /// Asks something.
    #[track_caller]
    pub(crate) fn ask(&mut self, question: &str) {
        self.type_into("Question", question);
        self.click("Send");
    }

    /// Asks something, and waits until it is answered.
    #[track_caller]
    pub(crate) fn ask_to_end(&mut self, question: &str) {
        self.ask(question);
        self.until("the end", |stage| stage.can_click("Regenerate answer"));
    }

    /// Waits until the history has the chat.
    #[track_caller]
    pub(crate) fn until_filed(&mut self) {
        self.until("its number", |stage| {
            stage.window(|window| window.chat().is_some_and(|chat| chat.id.is_some()))
        });
    }

    /// Presses a key.
    pub(crate) fn press(&mut self, modifiers: Modifiers, key: Key) {
        self.harness.key_press_modifiers(modifiers, key);
        self.harness.run_steps(2);
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // The window writes what it has before the folder goes.
        drop(self.harness.state().lock().map(|mut window| window.take()));
    }
}

fn matching(label: &str) -> impl Fn(&AccessKitNode<'_>) -> bool + 'static {
    let label = label.to_owned();
    move |node| {
        let is_text = matches!(node.role(), Role::Label | Role::TextRun | Role::Heading);
        let is_part = matches!(node.role(), Role::GenericContainer | Role::Dialog | Role::Region);
        !is_text && !is_part && !node.is_disabled() && node.label().as_deref() == Some(label.as_str())
    }
}

fn frame(ui: &mut egui::Ui, window: &mut Shared) {
    if let Some(window) = window.lock().expect("no panic").as_mut() {
        window.update();
        window.draw(ui);
    }
}

/// Letters of East Asia that every machine has.
pub(crate) fn fonts(context: &egui::Context) {
    let data = FontData::from_static(include_bytes!("../fonts/cjk-subset.otf"));
    let faces = ["Inter Medium", "Inter SemiBold", "Inter Italic", "JetBrains Mono Bold"];
    let named = faces.map(|face| FontFamily::Name(face.into()));
    let families = named.into_iter().chain([FontFamily::Proportional, FontFamily::Monospace]);
    let families = families.map(|family| InsertFontFamily { family, priority: FontPriority::Lowest });
    context.add_font(FontInsert::new("cjk", data, families.collect()));
}
