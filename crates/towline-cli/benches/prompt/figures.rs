//! Figures, and the machine they come from.

use std::time::Duration;

/// Measured times of one kind.
#[derive(Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn push(&mut self, time: Duration) {
        self.0.push(time);
    }

    fn percentile(&mut self, percent: usize) -> f64 {
        self.0.sort_unstable();
        let time = self.0.get(self.0.len() * percent / 100).or(self.0.last()).copied().unwrap_or_default();
        time.as_secs_f64() * 1e3
    }

    pub(crate) fn print(mut self, what: &str, held_to: &str) {
        let [half, most, nearly_all, all] = [50, 95, 99, 100].map(|percent| self.percentile(percent));
        println!("{what:<44} {half:>8.2} {most:>8.2} {nearly_all:>8.2} {all:>8.2}   {held_to}");
    }
}

pub(crate) fn print_heading() {
    println!("\n{:<44} {:>8} {:>8} {:>8} {:>8}   held to", "milliseconds", "p50", "p95", "p99", "max");
}

pub(crate) fn print_machine() {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let (kernel, load) = (read("/proc/sys/kernel/osrelease"), read("/proc/loadavg"));
    let load = load.split(' ').next().unwrap_or("").to_owned();
    println!(
        "{cores} cores {}, Linux {}, load {load}",
        model.trim_start_matches(['\t', ':', ' ']),
        kernel.trim()
    );
}
