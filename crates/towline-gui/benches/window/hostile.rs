//! Answers that are made to be slow to draw.

use egui::{Event, Modifiers, MouseWheelUnit, Pos2, TouchPhase, vec2};
use towline_testkit::stepped::SteppedServer;

use crate::figures::{Times, thread_cpu_time};
use crate::screen::Screen;

/// What each is called, and its text.
pub(crate) fn answers() -> Vec<(&'static str, String)> {
    let many = |text: &str, bytes: usize| text.repeat(bytes / text.len());
    let deeper = |mark: &str, levels: usize| {
        (0..levels).map(|level| format!("{}{mark} x\n", " ".repeat(2 * level))).collect::<String>()
    };
    vec![
        ("a line of 1 MB without a space", many("x", 1 << 20)),
        ("a line of 1 MB of words", many("river ", 1 << 20)),
        ("a line of 1 MB of wide letters", many("水の流れ", 1 << 20)),
        ("100,000 list levels in one line", many("- ", 200_000)),
        ("1,500 list levels by indentation", deeper("-", 1_500)),
        ("100,000 quote levels in one line", many("> ", 200_000)),
        (
            "a code fence of 1 MB that never ends",
            format!("```rust\n{}", many("let x = f(1); // c\n", 1 << 20)),
        ),
        ("a code fence with a line of 1 MB", format!("```python\n{}", many("x = \"a\" + 1 ", 1 << 20))),
        ("a code comment of 1 MB that never ends", format!("```c\n/* {}", many("word\n", 1 << 20))),
        (
            "bidirectional and control characters",
            many("\u{202e}abc\u{2066}\u{1b}[31m\u{200f}\u{7}d\u{0} ", 1 << 19),
        ),
        ("a table of 100,000 rows", format!("| a | b |\n|---|---|\n{}", many("| 1 | **2** |\n", 1_300_000))),
        ("a table of 20,000 columns", {
            let row = |cell: &str| format!("|{}\n", format!("{cell}|").repeat(20_000));
            format!("{}{}{}", row("a"), row("-"), row("b").repeat(5))
        }),
        ("emphasis that never closes", many("**a _b `c ~~d [e](", 1 << 19)),
        ("brackets", many("[", 1 << 19)),
        ("backticks of every length", (1..700).map(|n| format!("{} ", "`".repeat(n))).collect()),
        ("200,000 combining marks on a letter", format!("a{}", many("\u{301}", 400_000))),
        ("250,000 blank lines", many("\n", 250_000)),
        ("100,000 paragraphs of a letter", many("a\n\n", 300_000)),
        ("100,000 headings", many("# a\n", 400_000)),
        ("100,000 empty code fences", many("```\n```\n", 800_000)),
        ("100,000 links", many("[a](b) ", 700_000)),
        ("50,000 styles in a row", many("**a**`b`*c*", 550_000)),
        ("entities", many("&amp;&#0;&#x202e;", 1 << 19)),
        ("a megabyte of HTML", many("<div><b>x</b></div>\n", 1 << 20)),
    ]
}

/// Every frame while they come, at once and in pieces, and while somebody scrolls through them.
pub(crate) fn all() {
    println!("hostile answers: processor time of a frame (target: max ≤ 50 ms)");
    let server = SteppedServer::start();
    for (number, (what, text)) in answers().into_iter().enumerate() {
        let (mut coming, mut scrolling) = (Times::default(), Times::default());
        for piece_bytes in [usize::MAX, 16 << 10, 777] {
            let mut screen = Screen::new(&server.url(), vec2(1_280.0, 800.0));
            screen.window.act(towline_gui::command::Command::ToggleChats);
            let model = format!("hostile{number}-{piece_bytes}");
            screen.ask(std::slice::from_ref(&model), "Go.");
            let mut stream = server.stream(&model);
            // Small pieces of the beginning only: what follows is more of the same.
            let end = if piece_bytes < 1_000 { text.floor_char_boundary(100_000) } else { text.len() };
            let mut rest = &text[..end];
            let mut sent = 0;
            while !rest.is_empty() {
                let (piece, more) = rest.split_at(rest.floor_char_boundary(piece_bytes.max(4)));
                stream.text(&[piece]);
                rest = more;
                sent += 1;
                let job = screen.chat().live[0].job.clone();
                while job.info().tokens < sent && !job.state().is_ended() {
                    std::thread::sleep(std::time::Duration::from_micros(50));
                }
                timed(&mut screen, &mut coming, Vec::new());
            }
            for _ in 0..10 {
                timed(&mut screen, &mut coming, Vec::new());
            }
            stream.end();
            for (points, frames) in [(700.0, 20), (1e9, 5), (-700.0, 20), (-1e9, 5)] {
                for _ in 0..frames {
                    timed(&mut screen, &mut scrolling, wheel(points));
                }
            }
        }
        coming.print(&format!("  {what}"), "");
        scrolling.print("    … scrolled through", "");
    }
    println!();
}

fn timed(screen: &mut Screen, times: &mut Times, events: Vec<Event>) {
    let before = thread_cpu_time();
    screen.frame(events);
    times.push(thread_cpu_time() - before);
}

fn wheel(points: f32) -> Vec<Event> {
    let turned = Event::MouseWheel {
        unit: MouseWheelUnit::Point,
        delta: vec2(0.0, points),
        phase: TouchPhase::Move,
        source: egui::MouseWheelSource::Unknown,
        modifiers: Modifiers::NONE,
    };
    vec![Event::PointerMoved(Pos2::new(640.0, 400.0)), turned]
}
