//! A window and a server in lockstep: between two frames, exactly the tokens that are due.

use std::time::Duration;

use egui::{Event, vec2};
use towline_testkit::stepped::{SteppedServer, SteppedStream};

use crate::answer::Endless;
use crate::figures::{Times, thread_cpu_time};
use crate::screen::Screen;

/// Frames in a simulated second.
pub(crate) const FRAMES_PER_SECOND: u64 = 60;

/// A model, what it has said, and what it says next.
struct Model {
    name: String,
    stream: SteppedStream,
    answer: Endless,
    said: String,
    tokens: u64,
}

/// A window whose chats are all being answered.
pub(crate) struct Lockstep {
    pub(crate) screen: Screen,
    models: Vec<Model>,
    frames: u64,
    /// Processor time of each frame.
    pub(crate) times: Times,
}

impl Lockstep {
    /// Asks so many chats of so many models each; the last chat is shown.
    pub(crate) fn start(chats: usize, models_a_chat: usize) -> Self {
        let server = SteppedServer::start();
        let mut screen = Screen::new(&server.url(), vec2(1_600.0, 1_000.0));
        let mut models = Vec::new();
        for chat in 0..chats {
            let names: Vec<String> = (0..models_a_chat).map(|model| format!("weir{chat}-{model}")).collect();
            screen.ask(&names, "What does a weir do?");
            for name in names {
                let (stream, answer) = (server.stream(&name), Endless::new(models.len()));
                models.push(Model { name, stream, answer, said: String::new(), tokens: 0 });
            }
        }
        Self { screen, models, frames: 0, times: Times::default() }
    }

    /// Sends every stream what is due until the next frame at this rate, and draws it.
    pub(crate) fn step(&mut self, tokens_per_second: u64) {
        self.frames += 1;
        let due = self.frames * tokens_per_second / FRAMES_PER_SECOND;
        for model in &mut self.models {
            let pieces: Vec<String> = (model.tokens..due).map(|_| model.answer.token()).collect();
            model.stream.text(&pieces.iter().map(String::as_str).collect::<Vec<_>>());
            model.tokens = due;
            model.said.extend(pieces);
        }
        self.arrive();
        self.draw(Vec::new());
    }

    /// Waits until the engine has all that was sent.
    fn arrive(&self) {
        for model in &self.models {
            let chats = &self.screen.window.chats;
            let mut jobs = chats.iter().flat_map(|chat| &chat.live).map(|live| &live.job);
            let Some(job) = jobs.find(|job| *job.info().name == *model.name) else { continue };
            while job.info().tokens < model.tokens && !job.state().is_ended() {
                std::thread::sleep(Duration::from_micros(50));
            }
        }
    }

    /// Draws a frame, and notes what it cost.
    pub(crate) fn draw(&mut self, events: Vec<Event>) {
        let before = thread_cpu_time();
        self.screen.frame(events);
        self.times.push(thread_cpu_time() - before);
    }

    /// Ends every answer; how many tokens there were, and how many answers differ from what was sent.
    pub(crate) fn finish(mut self) -> (u64, usize) {
        let mut said = std::collections::HashMap::new();
        let mut tokens = 0;
        for model in std::mem::take(&mut self.models) {
            tokens += model.tokens;
            model.stream.end();
            said.insert(model.name, model.said);
        }
        while self.screen.window.chats.iter().any(|chat| !chat.live.is_empty()) {
            self.screen.window.update();
            std::thread::sleep(Duration::from_millis(1));
        }
        let mut same = 0;
        for chat in &self.screen.window.chats {
            for answer in chat.conversation.answers() {
                let drawn = chat.answers.get(&answer.id).map(|drawn| drawn.text.text());
                let sent = said.get(&answer.model);
                same +=
                    usize::from(drawn == sent.map(String::as_str) && Some(&answer.answer.content) == sent);
            }
        }
        (tokens, said.len() - same)
    }
}
