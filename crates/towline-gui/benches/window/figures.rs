//! Figures, and what the machine says of itself.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Times of one kind.
#[derive(Debug, Default, Clone)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn push(&mut self, time: Duration) {
        self.0.push(time);
    }

    pub(crate) fn slice(&self, range: std::ops::Range<usize>) -> Self {
        Self(self.0.get(range).unwrap_or_default().to_vec())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() * percent / 100).or(sorted.last()).copied().unwrap_or_default()
    }

    pub(crate) fn print(&self, what: &str, target: &str) {
        let [half, most, worst] = [50, 99, 100].map(|percent| self.percentile(percent));
        println!("{what:<52} p50 {half:>8.2?}   p99 {most:>8.2?}   max {worst:>8.2?}   {target}");
    }
}

/// Processor time of this thread so far.
pub(crate) fn thread_cpu_time() -> Duration {
    cpu_time(ClockId::ThreadCPUTime)
}

/// Processor time of this process so far.
pub(crate) fn process_cpu_time() -> Duration {
    cpu_time(ClockId::ProcessCPUTime)
}

fn cpu_time(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

pub(crate) fn print_machine() {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let (kernel, load) = (read("/proc/sys/kernel/osrelease"), read("/proc/loadavg"));
    println!(
        "{cores} cores {}, Linux {}, load {}\n",
        model.trim_start_matches(['\t', ':', ' ']),
        kernel.trim(),
        load.split(' ').next().unwrap_or_default()
    );
}
