//! Does what was asked for.

use egui::OpenUrl;
use towline::engine::JobId;
use towline_app::chat::{AnswerId, TurnId};
use towline_app::settings::templates;

use super::{FileDialog, Window};
use crate::chats::{Asking, Attachment, Chat, ChatKey, Contents, ExportForm};
use crate::command::{Command, Dialog, FindOrder, JobOrder, Purpose};
use crate::relay::Relay;
use crate::server::Server;
use crate::ui::toasts::Undo;
use crate::ui::view_state::{Focus, Layouts};

impl Window {
    /// Executes a command. Nothing here waits.
    pub fn act(&mut self, command: Command) {
        match command {
            Command::NewChat => {
                self.shows_narrow_chats = false;
                self.new_chat();
                self.focus = Some(Focus::Composer);
            }
            Command::Open(key) => {
                self.shows_narrow_chats = false;
                self.open(key);
                self.focus = Some(Focus::Composer);
            }
            Command::OpenNext(places) => self.open_next(places),
            Command::Search(text) => self.search_for(text),
            Command::Find(order) => self.find(order),
            Command::Rename(key, to) => self.rename(key, to),
            Command::Pin(key, is_pinned) => self.pin(key, is_pinned),
            Command::Tag(key, tags) => self.tag(key, tags),
            Command::Delete(key) => self.delete(key),
            Command::Undo(id) => self.undo(id),
            Command::Send => self.send(),
            Command::Resend => self.resend(),
            Command::Regenerate(answer) => self.regenerate(answer),
            Command::RegenerateLast => self.last_answer().into_iter().for_each(|last| self.regenerate(last)),
            Command::Continue(answer) => self.resume_answer(answer),
            Command::StopAll => self.with_chat(|chat| chat.stop_all()),
            Command::Choose(turn, shown) => self.with_chat(|chat| chat.choose(turn, shown)),
            Command::Remove(turn) => self.remove(turn),
            Command::Edit(answer) => self.edit(answer),
            Command::EditLast => self.last_answer().into_iter().for_each(|last| self.edit(last)),
            Command::EditText(text) => self.with_chat(|chat| {
                if let Some((_, words)) = &mut chat.editing {
                    *words = text;
                }
            }),
            Command::Draft(text) => {
                self.to_send = None;
                if let Some(folder) = self.templates_folder.clone().filter(|_| text == "/") {
                    let names = move |_: &mut _| Ok(templates::names(&folder));
                    self.on_disk(names, |window, names| window.templates = names);
                }
                self.with_chat(|chat| chat.draft = text);
            }
            Command::Template(name, input) => self.begin_from(name, input),
            Command::CancelEdit => self.with_chat(|chat| chat.editing = None),
            Command::Copy(text) => self.context.copy_text(text),
            Command::CopyLast => {
                let last = self.chat().and_then(|chat| chat.conversation.last());
                if let Some(text) = last.map(|turn| turn.answer().answer.content.clone()) {
                    self.context.copy_text(text);
                }
            }
            Command::Follow(link) => self.follow(&link),
            Command::ChooseFiles => self.choose(Purpose::Attach(self.current), FileDialog::Open),
            Command::Attach(paths) => self.attach(self.current, paths),
            Command::AttachText(text) => self.with_chat(|chat| {
                let name = format!("pasted {}.txt", chat.attached.len() + 1);
                chat.attached.push(Attachment::Text { name, text });
            }),
            Command::AttachImage(image) => match Attachment::of_pixels(&image) {
                Ok(attachment) => self.with_chat(|chat| chat.attached.push(attachment)),
                Err(why) => self.show_notice(why, None),
            },
            Command::Detach(index) => self.with_chat(|chat| {
                if index < chat.attached.len() {
                    chat.attached.remove(index);
                }
            }),
            Command::Export(key, form) => self.export(key, form),
            Command::Import => self.choose(Purpose::Import, FileDialog::OpenSession),
            Command::Chosen(purpose, paths) => {
                self.dialog = Dialog::None;
                self.files_chosen(purpose, paths);
            }
            Command::Model(model) => {
                if !self.server.is_builtin() {
                    self.state.model.clone_from(&model);
                }
                self.with_chat(|chat| {
                    chat.compared.retain(|other| *other != model);
                    chat.conversation.settings.model = model;
                    chat.settings_changed();
                });
            }
            Command::Compare(model, too) => self.with_chat(|chat| {
                chat.compared.retain(|other| *other != model);
                if too {
                    chat.compared.push(model);
                }
            }),
            Command::ChatSettings(settings) => self.with_chat(|chat| {
                chat.conversation.settings = *settings;
                chat.settings_changed();
            }),
            Command::RefreshModels => {
                self.with_client(|window, client| window.catalog.refresh(&window.engine, &client))
            }
            Command::Pull(model) => {
                self.with_client(|window, client| window.catalog.pull(&window.engine, &client, model.trim()));
            }
            Command::CancelPull(model) => {
                let pulls = &mut self.catalog.pulls;
                pulls
                    .iter()
                    .filter(|pull| pull.model == model)
                    .for_each(|pull| pull.job.cancel("stopped in the window"));
                pulls.retain(|pull| pull.model != model || pull.failed.is_none());
            }
            Command::DeleteModel(model) => {
                self.dialog = Dialog::Models;
                self.with_client(|window, client| window.catalog.delete(&window.engine, &client, &model));
            }
            Command::Show(dialog) => self.show(dialog),
            Command::Job(id, order) => self.order_job(id, order),
            Command::RelayJob(id, order) => self.order_relay(&id, order),
            Command::StartRelay => self.relay.iter().for_each(Relay::start),
            Command::OnRelay(on_relay) => {
                self.aim.is_direct = !on_relay;
                self.change_server();
            }
            Command::Close => {
                self.is_closing = true;
                self.context.send_viewport_cmd(egui::ViewportCommand::Close);
            }
            Command::ForgetEnded => {
                for job in self.engine.jobs().iter().filter(|job| job.state().is_ended()) {
                    self.engine.forget(job.id());
                    self.owners.remove(&job.id());
                }
            }
            Command::Theme(theme) => {
                self.state.theme = theme;
                self.apply_look();
            }
            Command::Zoom(zoom) => {
                self.state.zoom = zoom.clamp(0.5, 3.0);
                self.apply_look();
            }
            Command::ToggleJobs => self.state.shows_jobs = !self.state.shows_jobs,
            Command::ToggleChats if self.is_narrow => self.shows_narrow_chats = !self.shows_narrow_chats,
            Command::ToggleChats => self.state.shows_chats = !self.state.shows_chats,
            Command::Notify(notifies) => self.state.notifies = notifies,
            Command::Connect(spec) => {
                self.aim.name(spec);
                self.change_server();
            }
            Command::FocusComposer => self.focus = Some(Focus::Composer),
            Command::FocusSearch => {
                (self.state.shows_chats, self.shows_narrow_chats) = (true, true);
                self.focus = Some(Focus::Search);
            }
            Command::Dismiss(id) => self.dismiss(id),
        }
        self.context.request_repaint();
    }

    fn find(&mut self, order: FindOrder) {
        let Layouts { find, first, .. } = &mut self.layouts;
        match order {
            FindOrder::Open => {
                find.get_or_insert_default();
                self.focus = Some(Focus::Find);
            }
            FindOrder::Text(text) => {
                let chat = self.chats.iter().find(|chat| chat.key == self.current);
                if let (Some(find), Some(chat)) = (find, chat) {
                    find.set(text, chat, *first);
                }
            }
            FindOrder::Go(places) => {
                if let Some(find) = find {
                    find.step(places);
                }
            }
            FindOrder::Close => {
                *find = None;
                self.focus = Some(Focus::Composer);
            }
        }
    }

    pub(super) fn with_chat(&mut self, change: impl FnOnce(&mut Chat)) {
        if let Some(chat) = self.chat_mut(self.current) {
            change(chat);
        }
    }

    fn with_client(&mut self, work: impl FnOnce(&mut Self, towline::Client)) {
        match self.server.client().cloned() {
            Some(client) => work(self, client),
            None => {
                let why = self.server.shown().to_owned();
                self.show_notice(why, None);
            }
        }
    }

    /// Sends the draft as soon as there is a server.
    fn send(&mut self) {
        match &self.server {
            Server::Searching(_) => {
                self.to_send = Some(self.current);
                self.show_notice("it is asked as soon as the server is there", None);
            }
            Server::Connected(_) | Server::NotFound(_) => self.send_from(self.current),
        }
    }

    pub(super) fn send_from(&mut self, key: ChatKey) {
        self.asking_in(key, |chat, asking| chat.ask_draft(asking));
    }

    fn asking(&mut self, ask: impl FnOnce(&mut Chat, Asking<'_>) -> Result<(), &'static str>) {
        self.asking_in(self.current, ask);
    }

    fn asking_in(
        &mut self,
        key: ChatKey,
        ask: impl FnOnce(&mut Chat, Asking<'_>) -> Result<(), &'static str>,
    ) {
        self.with_client(|window, client| {
            let engine = window.engine.clone();
            let place = window.chat_of(key).and_then(|chat| window.record.place_of(chat));
            let Some(chat) = window.chat_mut(key) else { return };
            if !matches!(chat.contents, Contents::Here) {
                return window.show_notice("the chat is still loading; ask again when it has loaded", None);
            }
            let asked = ask(chat, Asking { engine: &engine, client: &client, place });
            window.own_jobs(key);
            window.announced.clear();
            window.layouts.scrolls.entry(key).or_default().to_end();
            // The loaded models show whether the first token waits for a model to load.
            window.catalog.refresh(&engine, &client);
            if let Err(why) = asked {
                window.show_notice(why, None);
            }
        });
    }

    fn resume_answer(&mut self, answer: AnswerId) {
        // The relay has the actual rest; a model could only guess it.
        if self.resume(self.current, answer) {
            return;
        }
        self.asking(|chat, asking| {
            let resumes = chat.resume_answer(asking, answer);
            if resumes { Ok(()) } else { Err("there is no text to continue from") }
        });
    }

    /// Records which jobs answer a chat.
    pub(super) fn own_jobs(&mut self, key: ChatKey) {
        let Some(chat) = self.chats.iter().find(|chat| chat.key == key) else { return };
        self.owners.extend(chat.live.iter().map(|live| (live.job.id(), key)));
    }

    fn regenerate(&mut self, answer: AnswerId) {
        self.asking(|chat, asking| {
            chat.regenerate(asking, answer);
            Ok(())
        });
    }

    fn edit(&mut self, answer: AnswerId) {
        self.with_chat(|chat| {
            let turn = chat.conversation.turn(answer.turn);
            let words = turn.and_then(|turn| Some(turn.question_of(turn.variant(answer.variant)?).content));
            chat.editing = words.map(|words| (answer, words));
        });
    }

    fn resend(&mut self) {
        let Some((answer, words)) = self.chat().and_then(|chat| chat.editing.clone()) else { return };
        self.asking(|chat, asking| {
            chat.resend(asking, answer, &words)?;
            chat.editing = None;
            Ok(())
        });
    }

    fn last_answer(&self) -> Option<AnswerId> {
        self.chat()?.conversation.last().map(|turn| turn.answer().id)
    }

    fn remove(&mut self, id: TurnId) {
        let key = self.current;
        let Some(turn) = self.chat_mut(key).and_then(|chat| chat.remove(id)) else { return };
        self.show_notice("The question and its answers are deleted.", Some(Undo::Turn(key, Box::new(turn))));
    }

    fn follow(&mut self, link: &str) {
        let known = ["http://", "https://", "mailto:"];
        if known.iter().any(|scheme| link.starts_with(scheme)) {
            self.context.open_url(OpenUrl::new_tab(link));
        } else {
            self.show_notice("only links to web pages and mail addresses are followed", None);
        }
    }

    /// Has the desktop ask for files; where it cannot, a path is asked for.
    fn choose(&mut self, purpose: Purpose, dialog: FileDialog) {
        let files = self.desktop.files.clone();
        let path = match &dialog {
            FileDialog::Save(name) => format!("~/{name}"),
            FileDialog::Open | FileDialog::OpenSession => String::new(),
        };
        self.aside(
            "towline-files",
            move || Some(files(dialog)),
            move |window, chosen| match chosen {
                Ok(paths) => window.files_chosen(purpose, paths),
                Err(why) => {
                    window.fields.path = path;
                    window.dialog = Dialog::Path(purpose, why);
                }
            },
        );
    }

    fn export(&mut self, key: ChatKey, form: ExportForm) {
        let Some(chat) = self.chat_of(key) else { return };
        if !matches!(chat.contents, Contents::Here) {
            self.open(key);
            return self.show_notice("open the chat first; it is still loading", None);
        }
        let name = chat.file_name(form);
        self.choose(Purpose::Export(key, form), FileDialog::Save(name));
    }

    fn show(&mut self, dialog: Dialog) {
        if dialog == Dialog::Models {
            self.with_client(|window, client| window.catalog.refresh(&window.engine, &client));
        }
        if dialog == Dialog::Chat {
            let settings = self.chat().map(|chat| chat.conversation.settings.clone());
            self.fields.chat = settings.map(|settings| crate::ui::settings::Form::of(&settings));
        }
        self.dialog = dialog;
    }

    fn order_job(&mut self, id: JobId, order: JobOrder) {
        let Some(job) = self.engine.job(id) else { return };
        match order {
            JobOrder::Control(control) => self.control(&job, control),
            JobOrder::Detach => self.detach(&job),
            JobOrder::Show => {
                if let Some(chat) = self.owners.get(&id).copied() {
                    self.open(chat);
                }
            }
        }
    }

    /// Switches to the chosen server.
    pub(super) fn change_server(&mut self) {
        let former = std::mem::replace(&mut self.server, self.aim.find(&self.engine));
        if let Server::Connected(found) = former {
            // It may still serve answers.
            self.former.extend(found.builtin);
        }
        self.catalog = crate::catalog::Catalog::default();
        self.found_server();
    }
}
