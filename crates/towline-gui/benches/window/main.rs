//! What the window costs: `cargo bench -p towline-gui --bench window [-- SECTION…]`.
//!
//! Sections: `streams`, `long`, `hostile`, `live`, `idle`, `stop`, `cancel`, `real`; all of them unless named. Each figure is printed with its
//! target. The window is drawn without a display: a whole egui pass with its accessibility tree, and the tessellation, by
//! this thread's processor time. `streams`, `long` and `hostile` are in lockstep with their server: a simulated second has
//! 60 frames whatever the machine is busy with. The others run in real time, in an event loop like
//! the desktop's; `real` in the desktop's own, under Xvfb.
#![expect(clippy::print_stdout, reason = "a program that reports")]

mod answer;
mod cancel;
mod event_loop;
mod figures;
mod hostile;
mod live;
mod lockstep;
mod real;
mod screen;
mod streams;
mod x11;

fn main() {
    let named: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    if let [child, display] = &named[..]
        && child == real::CHILD
    {
        return real::child(display.parse().expect("the number of a display"));
    }
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
    if wanted("cancel") {
        cancel::all();
    }
    if wanted("real") {
        real::all();
    }
}
