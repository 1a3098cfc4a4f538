//! What the window costs: `cargo bench -p towline-gui --bench window [-- SECTION…]`.
//!
//! Sections: `streams`, `long`, `hostile`, `live`, `idle`, `stop`; all of them unless named. Each figure is printed with its
//! target. The window is drawn without a display: a whole egui pass with its accessibility tree, and the tessellation, by
//! this thread's processor time. `streams`, `long` and `hostile` are in lockstep with their server: a simulated second has
//! 60 frames whatever the machine is busy with. The others run in real time, in an event loop like the desktop's.
#![expect(clippy::print_stdout, reason = "a program that reports")]

mod answer;
mod event_loop;
mod figures;
mod hostile;
mod live;
mod lockstep;
mod screen;
mod streams;

fn main() {
    let named: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let wanted = |section: &str| named.is_empty() || named.iter().any(|name| name == section);
    figures::print_machine();
    if wanted("streams") {
        streams::many();
    }
    if wanted("long") {
        streams::long();
    }
    if wanted("hostile") {
        hostile::all();
    }
    if wanted("live") {
        live::tokens();
    }
    if wanted("idle") {
        live::idle();
    }
    if wanted("stop") {
        live::stop();
    }
}
