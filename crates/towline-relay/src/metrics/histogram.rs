//! A histogram with fixed bounds, in the format of Prometheus.

use std::fmt::Write as _;

/// Counts of values by upper bounds, and their sum.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    bounds: &'static [f64],
    /// One count for each bound, and one above the last bound.
    counts: Vec<u64>,
    sum: f64,
}

impl Histogram {
    /// An empty histogram. `bounds` must ascend.
    pub(crate) fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, counts: vec![0; bounds.len() + 1], sum: 0.0 }
    }

    pub(crate) fn add(&mut self, value: f64) {
        self.add_many(value, 1);
    }

    /// The same value several times.
    pub(crate) fn add_many(&mut self, value: f64, times: u64) {
        self.counts[self.bounds.partition_point(|bound| *bound < value)] += times;
        self.sum += value * times as f64;
    }

    /// Adds the values of another one, which has the same bounds.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.sum += other.sum;
    }

    /// How many values there are.
    pub(crate) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All values together.
    pub(crate) fn sum(&self) -> f64 {
        self.sum
    }

    /// Writes its samples. `labels` are without braces, and may be empty.
    pub(crate) fn write(&self, text: &mut String, name: &str, labels: &str) {
        let comma = if labels.is_empty() { "" } else { "," };
        let mut total = 0;
        for (at, count) in self.counts.iter().enumerate() {
            total += count;
            let bound = self.bounds.get(at).map_or_else(|| "+Inf".to_owned(), f64::to_string);
            let _never_fails = writeln!(text, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {total}");
        }
        let braced = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        let _never_fails = writeln!(text, "{name}_sum{braced} {}\n{name}_count{braced} {total}", self.sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_up_to_their_bound() {
        let mut one = Histogram::new(&[0.1, 1.0]);
        for value in [0.05, 0.1, 0.2, 5.0] {
            one.add(value);
        }
        let mut all = one.clone();
        all.merge(&one);
        all.add_many(1.0, 2);
        let mut text = String::new();
        all.write(&mut text, "x_seconds", "a=\"b\"");
        assert_eq!(
            text,
            "x_seconds_bucket{a=\"b\",le=\"0.1\"} 4\nx_seconds_bucket{a=\"b\",le=\"1\"} 8\n\
             x_seconds_bucket{a=\"b\",le=\"+Inf\"} 10\nx_seconds_sum{a=\"b\"} 12.7\nx_seconds_count{a=\"b\"} 10\n"
        );
        text.clear();
        Histogram::new(&[]).write(&mut text, "y", "");
        assert_eq!(text, "y_bucket{le=\"+Inf\"} 0\ny_sum 0\ny_count 0\n");
    }
}
