//! Choosing the next token, in the order llama.cpp does: penalties, top-k, top-p, min-p, temperature, draw.

use std::collections::HashMap;

use crate::brook::forward::softmax;

/// How the next token is chosen. The defaults are Ollama's.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sampling {
    /// 0 and below always takes the likeliest token. Default 0.8.
    pub(crate) temperature: f32,
    /// Only the likeliest this many; 0 and below for all. Default 40.
    pub(crate) top_k: i64,
    /// Only the likeliest that add up to this probability. Default 0.9.
    pub(crate) top_p: f32,
    /// Only tokens at least this probable, compared with the likeliest. Default 0 (off).
    pub(crate) min_p: f32,
    /// How many of the latest tokens are penalised; below 0 for all. Default 64.
    pub(crate) repeat_last_n: i64,
    /// Logits of repeated tokens are divided by this. Default 1.1; 1 is off.
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
            temperature: 0.8,
            top_k: 40,
            top_p: 0.9,
            min_p: 0.0,
            repeat_last_n: 64,
            repeat_penalty: 1.1,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            seed: None,
        }
    }
}

/// A candidate: its id and its logit or, later, its probability.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    id: u32,
    logit: f32,
}

/// The state of one answer's sampling.
#[derive(Debug)]
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
        let mut logits = logits.to_vec();
        self.penalise(&mut logits, history);
        if self.settings.temperature <= 0.0 {
            return likeliest(&logits);
        }
        let mut candidates = self.top_k(&logits);
        self.top_p(&mut candidates);
        self.min_p(&mut candidates);
        self.draw(&candidates)
    }

    fn penalise(&self, logits: &mut [f32], history: &[u32]) {
        let settings = &self.settings;
        let neutral = settings.repeat_penalty == 1.0
            && settings.presence_penalty == 0.0
            && settings.frequency_penalty == 0.0;
        if neutral {
            return;
        }
        let window = usize::try_from(settings.repeat_last_n).unwrap_or(history.len()).min(history.len());
        let mut counts: HashMap<u32, u32> = HashMap::new();
        for &token in &history[history.len() - window..] {
            *counts.entry(token).or_default() += 1;
        }
        for (token, count) in counts {
            let Some(logit) = logits.get_mut(token as usize) else { continue };
            if *logit <= 0.0 {
                *logit *= settings.repeat_penalty;
            } else {
                *logit /= settings.repeat_penalty;
            }
            *logit -= count as f32 * settings.frequency_penalty + settings.presence_penalty;
        }
    }

    /// The `top_k` likeliest, likeliest first.
    fn top_k(&self, logits: &[f32]) -> Vec<Candidate> {
        let mut candidates: Vec<Candidate> =
            logits.iter().zip(0..).map(|(&logit, id)| Candidate { id, logit }).collect();
        let order = |a: &Candidate, b: &Candidate| b.logit.total_cmp(&a.logit).then(a.id.cmp(&b.id));
        if let Ok(keep @ 1..) = usize::try_from(self.settings.top_k)
            && keep < candidates.len()
        {
            candidates.select_nth_unstable_by(keep - 1, order);
            candidates.truncate(keep);
        }
        candidates.sort_unstable_by(order);
        candidates
    }

    fn top_p(&self, candidates: &mut Vec<Candidate>) {
        if self.settings.top_p >= 1.0 {
            return;
        }
        let mut sum = 0.0;
        let weights = probabilities(candidates, 1.0);
        let enough = weights.iter().position(|weight| {
            sum += weight;
            sum >= self.settings.top_p
        });
        if let Some(last) = enough {
            candidates.truncate(last + 1);
        }
    }

    fn min_p(&self, candidates: &mut Vec<Candidate>) {
        if self.settings.min_p <= 0.0 || candidates.is_empty() {
            return;
        }
        let least = candidates[0].logit + self.settings.min_p.ln();
        let kept = candidates.iter().take_while(|candidate| candidate.logit >= least).count();
        candidates.truncate(kept.max(1));
    }

    fn draw(&mut self, candidates: &[Candidate]) -> u32 {
        let weights = probabilities(candidates, self.settings.temperature);
        let mut left = self.random.f32();
        for (candidate, weight) in candidates.iter().zip(&weights) {
            left -= weight;
            if left < 0.0 {
                return candidate.id;
            }
        }
        candidates.last().map_or(0, |candidate| candidate.id)
    }
}

fn probabilities(candidates: &[Candidate], temperature: f32) -> Vec<f32> {
    let mut weights: Vec<f32> = candidates.iter().map(|candidate| candidate.logit / temperature).collect();
    softmax(&mut weights);
    weights
}

fn likeliest(logits: &[f32]) -> u32 {
    let mut best = 0;
    for (id, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = id;
        }
    }
    best as u32
}

/// The natural logarithm of the probability of `chosen`, and the `top` likeliest tokens with theirs.
pub(crate) fn log_probabilities(logits: &[f32], chosen: u32, top: usize) -> (f32, Vec<(u32, f32)>) {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|logit| f64::from(logit - largest).exp()).sum();
    let normal = largest + sum.ln() as f32;
    let mut ranked: Vec<(u32, f32)> = Vec::new();
    if top > 0 {
        ranked = logits.iter().zip(0..).map(|(logit, id)| (id, logit - normal)).collect();
        let keep = top.min(ranked.len());
        ranked.select_nth_unstable_by(keep - 1, |a, b| b.1.total_cmp(&a.1));
        ranked.truncate(keep);
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    }
    let chosen = logits.get(chosen as usize).copied().unwrap_or(f32::NEG_INFINITY);
    (chosen - normal, ranked)
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

    #[test]
    fn log_probabilities_add_up() {
        let (chosen, top) = log_probabilities(&[1.0, 2.0, 3.0], 1, 2);
        assert_eq!(top.iter().map(|entry| entry.0).collect::<Vec<_>>(), [2, 1]);
        assert!((chosen - top[1].1).abs() < 1e-6);
        let (_, all) = log_probabilities(&[1.0, 2.0, 3.0], 0, 20);
        assert!((all.iter().map(|entry| entry.1.exp()).sum::<f32>() - 1.0).abs() < 1e-5);
    }
}
