//! Rotary position embedding.

use super::hyper::{Hyper, Pairing};

/// How fast each pair of numbers turns with the position.
#[derive(Debug)]
pub(crate) struct Rope {
    pairing: Pairing,
    /// Angle per position of each pair.
    steps: Vec<f32>,
}

/// Sine and cosine of every pair, for a run of positions.
#[derive(Debug, Default)]
pub(crate) struct Angles {
    /// For each position, for each pair: cosine, then sine.
    turns: Vec<(f32, f32)>,
}

impl Rope {
    /// `factors` is the tensor `rope_freqs.weight`, where there is one: each pair turns slower by its factor.
    pub(crate) fn new(hyper: &Hyper, factors: Option<&[f32]>) -> Self {
        let pairs = hyper.rope_width / 2;
        let steps = (0..pairs)
            .map(|pair| {
                let exponent = -2.0 * pair as f64 / hyper.rope_width as f64;
                let step = f64::from(hyper.rope_base).powf(exponent);
                let factor = factors.map_or(1.0, |factors| factors[pair]);
                (step / f64::from(factor) / f64::from(hyper.rope_divisor)) as f32
            })
            .collect();
        Self { pairing: hyper.architecture.pairing(), steps }
    }

    /// The angles of `count` positions from `first` on.
    pub(crate) fn angles(&self, first: usize, count: usize, angles: &mut Angles) {
        angles.turns.clear();
        for position in first..first + count {
            angles.turns.extend(self.steps.iter().map(|step| {
                let (sine, cosine) = (position as f32 * step).sin_cos();
                (cosine, sine)
            }));
        }
    }

    /// Rotates one head of the token at `index` of the run of positions.
    pub(crate) fn rotate(&self, head: &mut [f32], angles: &Angles, index: usize) {
        let pairs = self.steps.len();
        let turns = &angles.turns[index * pairs..(index + 1) * pairs];
        for (pair, &(cosine, sine)) in turns.iter().enumerate() {
            let (first, second) = match self.pairing {
                Pairing::Neighbours => (2 * pair, 2 * pair + 1),
                Pairing::Halves => (pair, pair + pairs),
            };
            let (x, y) = (head[first], head[second]);
            head[first] = x * cosine - y * sine;
            head[second] = x * sine + y * cosine;
        }
    }
}
