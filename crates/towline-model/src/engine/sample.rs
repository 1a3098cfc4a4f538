//! Samples the next token, in llama.cpp's order: penalties, top-k, top-p, min-p, temperature, draw.

use std::collections::HashMap;

use crate::brook::forward::softmax;
use crate::brook::{REPEAT_PENALTY, TEMPERATURE};

/// The sampling parameters. The defaults are Ollama's, except for two that suit Brook better.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sampling {
    /// 0 and below always takes the likeliest token. Default 0.6.
    pub(crate) temperature: f32,
    /// Only the likeliest this many; 0 and below for all. Default 40.
    pub(crate) top_k: i64,
    /// Only the likeliest tokens with this total probability. Default 0.9.
    pub(crate) top_p: f32,
    /// Only tokens with at least this probability relative to the likeliest. Default 0 (off).
    pub(crate) min_p: f32,
    /// How many of the latest tokens are penalised; below 0 for all. Default 64.
    pub(crate) repeat_last_n: i64,
    /// Logits of repeated tokens are divided by this. Default 1: off.
    pub(crate) repeat_penalty: f32,
    /// Taken off once from each repeated token. Default 0.
    pub(crate) presence_penalty: f32,
    /// Taken off for each repetition. Default 0.
    pub(crate) frequency_penalty: f32,
    /// The same seed gives the same answer. Default none: a random one.
    pub(crate) seed: Option<u64>,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: TEMPERATURE,
            top_k: 40,
            top_p: 0.9,
            min_p: 0.0,
            repeat_last_n: 64,
            repeat_penalty: REPEAT_PENALTY,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            seed: None,
        }
    }
}

/// The state of one answer's sampling.
pub(crate) struct Sampler {
    settings: Sampling,
    random: fastrand::Rng,
}

impl Sampler {
    pub(crate) fn new(settings: Sampling) -> Self {
        let random = settings.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        Self { settings, random }
    }

    /// The next token. `history` is everything before it, prompt included.
    pub(crate) fn choose(&mut self, logits: &[f32], history: &[u32]) -> u32 {
        let mut ranked: Vec<(f32, u32)> = logits.iter().copied().zip(0..).collect();
        self.penalise(&mut ranked, history);
        let Sampling { temperature, top_k, top_p, min_p, .. } = self.settings;
        // The likeliest first; among equals, the first in order.
        let order = |a: &(f32, u32), b: &(f32, u32)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        let keep = match usize::try_from(top_k) {
            _ if temperature <= 0.0 => 1,
            Ok(keep @ 1..) => keep.min(ranked.len()),
            Ok(0) | Err(_) => ranked.len(),
        };
        ranked.select_nth_unstable_by(keep - 1, order);
        ranked.truncate(keep);
        ranked.sort_unstable_by(order);
        if top_p < 1.0 {
            let mut sum = 0.0;
            let enough = |weight: &f32| {
                sum += weight;
                sum >= top_p
            };
            let last = probabilities(&ranked, 1.0).iter().position(enough);
            ranked.truncate(last.map_or(ranked.len(), |last| last + 1));
        }
        if min_p > 0.0 {
            let least = ranked[0].0 + min_p.ln();
            ranked.truncate(ranked.iter().take_while(|(logit, _)| *logit >= least).count().max(1));
        }
        let mut left = self.random.f32();
        let beyond = |weight: &f32| {
            left -= weight;
            left < 0.0
        };
        let drawn = match ranked.len() {
            1 => 0,
            count => probabilities(&ranked, temperature).iter().position(beyond).unwrap_or(count - 1),
        };
        ranked[drawn].1
    }

    fn penalise(&self, logits: &mut [(f32, u32)], history: &[u32]) {
        let settings = &self.settings;
        let window = usize::try_from(settings.repeat_last_n).unwrap_or(history.len()).min(history.len());
        let mut counts: HashMap<u32, u32> = HashMap::new();
        for &token in &history[history.len() - window..] {
            *counts.entry(token).or_default() += 1;
        }
        for (token, count) in counts {
            let Some((logit, _)) = logits.get_mut(token as usize) else {
                continue;
            };
            let penalty = settings.repeat_penalty;
            *logit = if *logit <= 0.0 { *logit * penalty } else { *logit / penalty };
            *logit -= count as f32 * settings.frequency_penalty + settings.presence_penalty;
        }
    }
}

fn probabilities(ranked: &[(f32, u32)], temperature: f32) -> Vec<f32> {
    let mut weights: Vec<f32> = ranked.iter().map(|(logit, _)| logit / temperature).collect();
    softmax(&mut weights);
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(settings: Sampling, logits: &[f32], history: &[u32], possible: &[u32]) {
        let mut seen: Vec<u32> = (0..200)
            .map(|seed| {
                Sampler::new(Sampling { seed: Some(seed), ..settings.clone() }).choose(logits, history)
            })
            .collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, possible, "{settings:?}");
    }

    fn plain() -> Sampling {
        Sampling { temperature: 1.0, top_k: 0, top_p: 1.0, repeat_penalty: 1.0, ..Sampling::default() }
    }

    #[test]
    fn each_setting_keeps_the_tokens_it_should() {
        let even = [1.0, 1.0, 1.0, 1.0];
        // Probabilities 0.643, 0.236, 0.087, 0.032.
        let falling = [3.0, 2.0, 1.0, 0.0];
        check(plain(), &even, &[], &[0, 1, 2, 3]);
        check(Sampling { temperature: 0.0, ..plain() }, &[0.0, 2.0, 1.0], &[], &[1]);
        check(Sampling { temperature: 0.0, ..plain() }, &even, &[], &[0]);
        check(Sampling { top_k: 2, ..plain() }, &falling, &[], &[0, 1]);
        check(Sampling { top_p: 0.6, ..plain() }, &falling, &[], &[0]);
        check(Sampling { top_p: 0.7, ..plain() }, &falling, &[], &[0, 1]);
        check(Sampling { min_p: 0.3, ..plain() }, &falling, &[], &[0, 1]);
    }

    #[test]
    fn penalties_change_what_is_likeliest() {
        let greedy = Sampling { temperature: 0.0, ..plain() };
        let logits = [1.0, 0.95, -1.0];
        check(Sampling { repeat_penalty: 1.2, ..greedy.clone() }, &logits, &[0], &[1]);
        check(Sampling { presence_penalty: 0.1, ..greedy.clone() }, &logits, &[0], &[1]);
        check(Sampling { frequency_penalty: 0.04, ..greedy.clone() }, &logits, &[0], &[0]);
        check(Sampling { frequency_penalty: 0.04, ..greedy.clone() }, &logits, &[0, 0], &[1]);
        // Only the latest tokens count.
        let short = Sampling { repeat_penalty: 1.2, repeat_last_n: 1, ..greedy.clone() };
        check(short, &logits, &[0, 2], &[0]);
        let none = Sampling { repeat_penalty: 1.2, repeat_last_n: 0, ..greedy };
        check(none, &logits, &[0], &[0]);
    }

    #[test]
    fn a_seed_repeats_itself() {
        let logits: Vec<f32> = (0..50).map(|id| (id % 7) as f32).collect();
        let run = |seed| {
            let mut sampler = Sampler::new(Sampling { seed: Some(seed), ..Sampling::default() });
            (0..20).map(|_| sampler.choose(&logits, &[])).collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }
}
