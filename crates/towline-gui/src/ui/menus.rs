//! The composer's menus: model, server, compared models.

use egui::containers::menu::{MenuButton, MenuConfig};
use egui::{Button, PopupCloseBehavior, RichText, ScrollArea, TextEdit, Ui, vec2};
use towline::client::host;
use towline_app::servers::ServerSpec;
use towline_app::text::units;

use super::view_state::Servers;
use crate::catalog::{Catalog, abilities};
use crate::chats::{Chat, MAX_COMPARED};
use crate::command::{Command, Commands, Dialog};
use crate::server::Server;

/// In a composer narrower than this, in points, the names are shortened.
const NARROW: f32 = 520.0;

/// The menu of models.
pub(super) fn model(ui: &mut Ui, chat: &Chat, catalog: &Catalog, out: &mut Commands) {
    let own = &chat.conversation.settings.model;
    let shown = if own.is_empty() { "no model" } else { own.as_str() };
    menu(ui, "Model", shown, shown, |ui| {
        let id = ui.scope_id().with("wanted");
        let mut wanted: String = ui.data(|data| data.get_temp(id)).unwrap_or_default();
        let field = TextEdit::singleline(&mut wanted).hint_text("Find a model").desired_width(f32::INFINITY);
        drop(ui.add(field).accessible_name("Find a model"));
        ui.data_mut(|data| data.insert_temp(id, wanted.clone()));
        let wanted = wanted.to_lowercase();
        ScrollArea::vertical().max_height(320.0).show(ui, |ui| {
            let models = catalog.installed.iter().filter(|model| model.name.to_lowercase().contains(&wanted));
            for model in models {
                let is_loaded = catalog.is_loaded(&model.name) == Some(true);
                let size = format!("{} {}", model.details.parameter_size, units::bytes(model.size));
                let details =
                    [abilities(model), if is_loaded { "in memory".to_owned() } else { String::new() }, size];
                let details: Vec<String> = details.into_iter().filter(|words| !words.is_empty()).collect();
                let button = Button::selectable(*own == model.name, &model.name)
                    .right_text(RichText::new(details.join(", ")).weak());
                if ui
                    .add(button.min_size(vec2(ui.available_width(), 28.0)))
                    .accessible_name(&model.name)
                    .clicked()
                {
                    out.push(Command::Model(model.name.clone()));
                    ui.close();
                }
            }
        });
        ui.separator();
        if ui.button("More models…").clicked() {
            out.push(Command::Show(Dialog::Models));
            ui.close();
        }
    });
}

/// The menu of servers.
pub(super) fn server(ui: &mut Ui, servers: Servers<'_>, out: &mut Commands) {
    let Servers { server, named, chosen, is_others } = servers;
    let whole = server.shown();
    let shown = match (&chosen.server, server) {
        (Some(name), _) => name.as_str(),
        (None, Server::Connected(found)) if found.is_builtin => "built-in model",
        (None, Server::Connected(_)) => {
            let address = whole.split_once(',').map_or(whole, |(address, _)| address);
            address.strip_prefix("http://").unwrap_or(address)
        }
        (None, Server::Searching(_)) => "looking…",
        (None, Server::NotFound(_)) => "no server",
    };
    menu(ui, "Server", shown, whole, |ui| {
        if is_others {
            ui.weak("The relay has model servers of its own.");
        } else {
            let usual = ("The usual server", String::new(), ServerSpec::default());
            let named = named.into_iter().flatten().map(|(name, server)| {
                let address = host::parse(&server.host).map(|endpoint| endpoint.to_string());
                let spec = ServerSpec { host: None, server: Some(name.clone()) };
                (name.as_str(), address.unwrap_or_default(), spec)
            });
            for (words, address, spec) in std::iter::once(usual).chain(named) {
                let button =
                    Button::selectable(*chosen == spec, words).right_text(RichText::new(address).weak());
                let button = ui.add(button.min_size(vec2(ui.available_width(), 28.0)));
                if button.accessible_name(words).clicked() {
                    out.push(Command::Connect(spec));
                    ui.close();
                }
            }
        }
        ui.separator();
        if ui.button("Another server…").clicked() {
            out.push(Command::Show(Dialog::Settings));
            ui.close();
        }
    });
}

/// A menu that shows the choice, shortened, and in full on hover.
fn menu(ui: &mut Ui, name: &str, shown: &str, whole: &str, add: impl FnOnce(&mut Ui)) {
    let most = if ui.max_rect().width() < NARROW { 9 } else { 28 };
    let short: String = shown.chars().take(most).collect();
    let cut = if short.len() < shown.len() { "…" } else { "" };
    let config = MenuConfig::new().close_behavior(PopupCloseBehavior::CloseOnClickOutside);
    let button = Button::new(format!("{short}{cut} ⏷")).frame_when_inactive(false);
    let (response, _) = MenuButton::from_button(button).config(config).ui(ui, |ui| {
        ui.set_width_range(280.0..=440.0);
        ui.spacing_mut().button_padding.x = 10.0;
        add(ui);
    });
    drop(response.accessible_name(name).on_hover_text(whole));
}

/// The menu of models that are asked in addition to the chat's own.
pub(super) fn compare(ui: &mut Ui, chat: &Chat, catalog: &Catalog, out: &mut Commands) {
    let words = match chat.compared.len() {
        0 => "Compare".to_owned(),
        more => format!("+{more}"),
    };
    // The user can tick several at once.
    let config = MenuConfig::new().close_behavior(PopupCloseBehavior::CloseOnClickOutside);
    let (response, _) =
        MenuButton::from_button(Button::new(words).frame_when_inactive(false)).config(config).ui(ui, |ui| {
            ui.weak("Ask these too, side by side:");
            for model in
                catalog.installed.iter().filter(|model| model.name != chat.conversation.settings.model)
            {
                let mut is_asked = chat.compared.contains(&model.name);
                let may = is_asked || chat.compared.len() + 1 < MAX_COMPARED;
                if ui.add_enabled(may, egui::Checkbox::new(&mut is_asked, model.name.as_str())).changed() {
                    out.push(Command::Compare(model.name.clone(), is_asked));
                }
            }
        });
    drop(response.accessible_name("Compare models"));
}
