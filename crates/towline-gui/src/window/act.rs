//! Does what was asked for.

use egui::OpenUrl;
use towline::Job;
use towline::engine::JobId;
use towline_app::chat::{AnswerId, TurnId};
use towline_app::servers::{Environment, ServerSpec};

use super::{FileDialog, Target, Window, find_server};
use crate::chats::{Asking, Attachment, Chat, ChatKey, Contents, ExportForm};
use crate::command::{Command, Dialog, FindOrder, JobOrder, Purpose};
use crate::server::{Server, Sought};
use crate::store::Order;
use crate::ui::seen::{Focus, Layouts};
use crate::ui::toasts::Undo;

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
            Command::Search(text) => self.look_for(text),
            Command::Find(order) => self.find(order),
            Command::Rename(key, to) => self.rename(key, to),
            Command::Pin(key, is_pinned) => self.pin(key, is_pinned),
            Command::Delete(key) => self.delete(key),
            Command::Undo(id) => self.undo(id),
            Command::Send => self.send(),
            Command::Resend => self.resend(),
            Command::Regenerate(answer) => self.regenerate(answer),
            Command::RegenerateLast => {
                if let Some(answer) = self.last_answer() {
                    self.regenerate(answer);
                }
            }
            Command::Continue(answer) => self.go_on(answer),
            Command::StopAll => self.with_chat(|chat| chat.stop_all()),
            Command::Choose(turn, shown) => self.with_chat(|chat| chat.choose(turn, shown)),
            Command::Remove(turn) => self.remove(turn),
            Command::Edit(answer) => self.edit(answer),
            Command::EditLast => {
                if let Some(answer) = self.last_answer() {
                    self.edit(answer);
                }
            }
            Command::EditText(text) => self.with_chat(|chat| {
                if let Some((_, words)) = &mut chat.editing {
                    *words = text;
                }
            }),
            Command::Draft(text) => {
                self.to_send = None;
                if let Some(folder) = self.templates_folder.clone().filter(|_| text == "/") {
                    self.disk.order(Order::ListTemplates { folder });
                }
                self.with_chat(|chat| chat.draft = text);
            }
            Command::Template(name, input) => {
                if let Some(folder) = self.templates_folder.clone() {
                    self.disk.order(Order::Template { key: self.current, folder, name, input });
                }
            }
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
            Command::Attach(paths) => self.disk.order(Order::Attach { key: self.current, paths }),
            Command::AttachText(text) => self.with_chat(|chat| {
                let name = format!("pasted {}.txt", chat.attached.len() + 1);
                chat.attached.push(Attachment::Text { name, text });
            }),
            Command::AttachImage(image) => match Attachment::of_pixels(&image) {
                Ok(attachment) => self.with_chat(|chat| chat.attached.push(attachment)),
                Err(why) => self.say(why, None),
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
            Command::StartRelay => self.start_relay(),
            Command::OnRelay(on_relay) => self.run_on_relay(on_relay),
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
            Command::Connect(spec) => self.connect(spec),
            Command::FocusComposer => self.focus = Some(Focus::Composer),
            Command::FocusSearch => {
                (self.state.shows_chats, self.shows_narrow_chats) = (true, true);
                self.focus = Some(Focus::Search);
            }
            Command::Dismiss(id) => {
                for toast in self.toasts.iter_mut().filter(|toast| toast.id == id) {
                    toast.until = std::time::Instant::now();
                }
            }
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
                    find.go(places);
                }
            }
            FindOrder::Close => {
                *find = None;
                self.focus = Some(Focus::Composer);
            }
        }
    }

    fn with_chat(&mut self, change: impl FnOnce(&mut Chat)) {
        if let Some(chat) = self.chat_mut(self.current) {
            change(chat);
        }
    }

    fn with_client(&mut self, work: impl FnOnce(&mut Self, towline::Client)) {
        match self.server.client().cloned() {
            Some(client) => work(self, client),
            None => {
                let why = self.server.shown().to_owned();
                self.say(why, None);
            }
        }
    }

    /// Sends the draft as soon as there is a server.
    fn send(&mut self) {
        match &self.server {
            Server::Looking(_) => {
                self.to_send = Some(self.current);
                self.say("it is asked as soon as the server is there", None);
            }
            Server::Here(_) | Server::Nowhere(_) => self.send_from(self.current),
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
            let place = window.place_of(key);
            let Some(chat) = window.chat_mut(key) else { return };
            if !matches!(chat.contents, Contents::Here) {
                return window.say("the chat is still loading; ask again when it has loaded", None);
            }
            let asked = ask(chat, Asking { engine: &engine, client: &client, place });
            window.own_jobs(key);
            window.layouts.scrolls.entry(key).or_default().to_end();
            // The loaded models show whether the first token waits for a model to load.
            window.catalog.refresh(&engine, &client);
            if let Err(why) = asked {
                window.say(why, None);
            }
        });
    }

    fn go_on(&mut self, answer: AnswerId) {
        // The relay has the actual rest; a model could only guess it.
        if self.resume(self.current, answer) {
            return;
        }
        self.asking(|chat, asking| {
            let goes_on = chat.go_on(asking, answer);
            if goes_on { Ok(()) } else { Err("there is no text to continue from") }
        });
    }

    /// Records which jobs answer a chat.
    pub(super) fn own_jobs(&mut self, key: ChatKey) {
        let Some(chat) = self.chats.iter().find(|chat| chat.key == key) else { return };
        let owned = chat.live.iter().map(|live| (live.job.id(), (key, live.reading.id())));
        self.owners.extend(owned);
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
        self.say("The question and its answers are deleted.", Some(Undo::Turn(key, Box::new(turn))));
    }

    fn undo(&mut self, id: u64) {
        let Some(at) = self.toasts.iter().position(|toast| toast.id == id) else { return };
        match self.toasts.remove(at).undo {
            Some(Undo::Chat(key)) => {
                self.deleted.remove(&key);
                self.open(key);
            }
            Some(Undo::Turn(key, turn)) => {
                self.open(key);
                self.with_chat(|chat| chat.put_back(*turn));
            }
            None => {}
        }
    }

    fn follow(&mut self, link: &str) {
        let known = ["http://", "https://", "mailto:"];
        if known.iter().any(|scheme| link.starts_with(scheme)) {
            self.context.open_url(OpenUrl::new_tab(link));
        } else {
            self.say("only links to web pages and mail addresses are followed", None);
        }
    }

    fn choose(&mut self, purpose: Purpose, dialog: FileDialog) {
        let (files, sender, context) =
            (self.desktop.files.clone(), self.chosen.0.clone(), self.context.clone());
        let asked = std::thread::Builder::new().name("towline-files".into()).spawn(move || {
            // The window may be closed by then.
            drop(sender.send((purpose, files(dialog))));
            context.request_repaint();
        });
        if let Err(error) = asked {
            self.say(format!("the dialog cannot be shown: {error}"), None);
        }
    }

    fn export(&mut self, key: ChatKey, form: ExportForm) {
        let Some(chat) = self.chats.iter().find(|chat| chat.key == key) else { return };
        if !matches!(chat.contents, Contents::Here) {
            self.open(key);
            return self.say("open the chat first; it is still loading", None);
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
            JobOrder::Show => self.show_job(&job),
        }
    }

    fn show_job(&mut self, job: &Job) {
        if let Some((chat, _)) = self.owners.get(&job.id()).copied() {
            self.open(chat);
        }
    }

    fn connect(&mut self, spec: ServerSpec) {
        if let Target::Client(_) = self.target {
            self.target = Target::Find(Box::new(Sought::direct(Environment::default())));
        }
        self.named = spec;
        self.change_server();
    }

    /// Switches to the chosen server.
    pub(super) fn change_server(&mut self) {
        let found = find_server(&self.engine, &self.target, &self.named, self.is_direct);
        let former = std::mem::replace(&mut self.server, found);
        if let Server::Here(found) = former {
            // It may still serve answers.
            self.former.extend(found.builtin);
        }
        self.catalog = crate::catalog::Catalog::default();
        self.found_server();
    }
}
