//! The loop that turns a prompt into an answer.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::sample::{Sampler, Sampling};
use super::text::Text;
use crate::brook::Brook;
use crate::brook::forward::{Cache, WIDTH};

/// Maximum time to the next token of a paced answer.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 3600);

/// The parameters of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Settings {
    pub(crate) sampling: Sampling,
    pub(crate) stop: Vec<String>,
    /// Maximum number of tokens of the answer.
    pub(crate) max_tokens: usize,
    /// Maximum number of tokens of prompt and answer together; at most the model's context.
    pub(crate) context: usize,
    /// Maximum number of tokens per second.
    pub(crate) rate: Option<f32>,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The model ended it, or a stop string did.
    Stop,
    /// The token limit or the context is used up.
    Length,
}

/// The result of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Finish {
    pub(crate) ending: Ending,
    /// The answer's tokens, without the one that ended it.
    pub(crate) tokens: Vec<u32>,
    pub(crate) prompt_time: Duration,
    /// Number of sampled tokens, including the one that ended the answer.
    pub(crate) answer_tokens: usize,
    pub(crate) answer_time: Duration,
}

/// The request was cancelled: its reader is gone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cancelled;

/// Detects a cancelled request: its other end is dropped with the reader.
pub(crate) struct Wanted(pub(crate) Receiver<()>);

impl Wanted {
    /// Called with a zero time before each token of the prompt and of the answer.
    fn wait(&self, time: Duration) -> Result<(), Cancelled> {
        match self.0.recv_timeout(time) {
            Err(RecvTimeoutError::Disconnected) => Err(Cancelled),
            Ok(()) | Err(RecvTimeoutError::Timeout) => Ok(()),
        }
    }
}

/// The receiver of pieces of text.
pub(crate) type Show<'a> = &'a mut dyn FnMut(&str) -> Result<(), Cancelled>;

/// Answers `prompt`, which must not be empty and must be shorter than the context.
///
/// # Errors
/// If the answer was cancelled.
pub(crate) fn answer(
    brook: &Brook,
    prompt: &[u32],
    settings: &Settings,
    wanted: &Wanted,
    show: Show<'_>,
) -> Result<Finish, Cancelled> {
    let began = Instant::now();
    let (mut cache, mut state) = (Cache::new(), [0.0; WIDTH]);
    for &token in prompt {
        wanted.wait(Duration::ZERO)?;
        state = brook.weights.forward(&mut cache, token);
    }
    let prompt_time = began.elapsed();

    let began = Instant::now();
    let mut sampler = Sampler::new(settings.sampling.clone());
    let mut text = Text::new(&settings.stop);
    let (mut history, mut drawn) = (prompt.to_vec(), 0);
    let ending = loop {
        let answer = &history[prompt.len()..];
        if answer.len() >= settings.max_tokens || history.len() >= settings.context {
            break Ending::Length;
        }
        let due = settings.rate.map_or(Duration::ZERO, |rate| {
            Duration::try_from_secs_f32(drawn as f32 / rate).unwrap_or(Duration::MAX)
        });
        wanted.wait(due.saturating_sub(began.elapsed()).min(LONGEST_PAUSE))?;
        if let Some(&latest) = answer.last() {
            state = brook.weights.forward(&mut cache, latest);
        }
        let logits = brook.weights.logits(&state);
        let token = sampler.choose(&logits, &history);
        drawn += 1;
        if brook.tokenizer.is_end(token) {
            break Ending::Stop;
        }
        history.push(token);
        let (shown, stopped) = text.push(brook.tokenizer.text(token));
        if !shown.is_empty() {
            show(&shown)?;
        }
        if stopped {
            break Ending::Stop;
        }
    };
    let rest = text.finish();
    if !rest.is_empty() {
        show(&rest)?;
    }
    let (tokens, answer_time) = (history.split_off(prompt.len()), began.elapsed());
    Ok(Finish { ending, tokens, prompt_time, answer_tokens: drawn, answer_time })
}

/// The mean of the last states of `tokens`, scaled to length one. `tokens` must not be empty and must fit the
/// context.
///
/// # Errors
/// If it was cancelled.
pub(crate) fn embed(brook: &Brook, tokens: &[u32], wanted: &Wanted) -> Result<Vec<f32>, Cancelled> {
    let (mut cache, mut mean) = (Cache::new(), vec![0.0; WIDTH]);
    for &token in tokens {
        wanted.wait(Duration::ZERO)?;
        let state = brook.weights.forward(&mut cache, token);
        mean.iter_mut().zip(state).for_each(|(mean, number)| *mean += number);
    }
    normalise_length(&mut mean);
    Ok(mean)
}

/// Scales to length one; leaves a zero vector unchanged.
pub(crate) fn normalise_length(vector: &mut [f32]) {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > 1e-12 {
        vector.iter_mut().for_each(|number| *number /= length);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    const RIVER: &str = "<|im_start|>user\nWhat is a river?<|im_end|>\n<|im_start|>assistant\n";

    fn greedy() -> Settings {
        Settings {
            sampling: Sampling { temperature: 0.0, repeat_penalty: 1.0, ..Sampling::default() },
            stop: Vec::new(),
            max_tokens: 60,
            context: 512,
            rate: None,
        }
    }

    fn ask(brook: &Brook, prompt: &str, settings: &Settings) -> (String, Finish) {
        let (_here, gone) = sync_channel(0);
        let prompt = brook.tokenizer.encode(prompt);
        let mut text = String::new();
        let mut show = |piece: &str| {
            text.push_str(piece);
            Ok(())
        };
        let finish = answer(brook, &prompt, settings, &Wanted(gone), &mut show).unwrap();
        (text, finish)
    }

    #[test]
    fn limits_and_stops_end_an_answer() {
        let brook = Brook::load();
        let ask = |settings: Settings| ask(&brook, RIVER, &settings);
        let (full, finish) = ask(greedy());
        assert_eq!(finish.ending, Ending::Stop);
        assert_eq!(finish.tokens.len(), finish.answer_tokens - 1);
        let finish = ask(Settings { max_tokens: 5, ..greedy() }).1;
        assert_eq!((finish.ending, finish.tokens.len()), (Ending::Length, 5));
        let finish = ask(Settings { max_tokens: 0, ..greedy() }).1;
        assert_eq!((finish.ending, finish.answer_tokens), (Ending::Length, 0));
        let prompt = brook.tokenizer.encode(RIVER).len();
        let finish = ask(Settings { context: prompt + 3, ..greedy() }).1;
        assert_eq!((finish.ending, finish.tokens.len()), (Ending::Length, 3));
        let word = full.split_whitespace().nth(3).unwrap();
        let (text, finish) = ask(Settings { stop: vec![word.to_owned()], ..greedy() });
        assert_eq!(finish.ending, Ending::Stop);
        assert_eq!(text, full.split_once(word).unwrap().0);
    }

    #[test]
    fn a_cancelled_answer_ends_between_two_tokens() {
        let brook = Brook::load();
        let prompt = brook.tokenizer.encode(RIVER);
        let (here, gone) = sync_channel(0);
        let mut here = Some(here);
        let paced = Settings { rate: Some(0.001), ..greedy() };
        // The next token would come in a quarter of an hour.
        let mut leave = |_: &str| {
            here = None;
            Ok(())
        };
        assert_eq!(answer(&brook, &prompt, &paced, &Wanted(gone), &mut leave), Err(Cancelled));
    }

    #[test]
    fn embeddings_have_length_one_and_tell_texts_apart() {
        let brook = Brook::load();
        let embed = |text: &str| {
            let (_here, gone) = sync_channel(0);
            embed(&brook, &brook.tokenizer.encode(text), &Wanted(gone)).unwrap()
        };
        let (river, same, poem) = (embed("a river"), embed("a river"), embed("Write a poem about snow."));
        assert_eq!(river, same);
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        assert!((dot(&river, &river) - 1.0).abs() < 1e-5);
        assert!(dot(&river, &poem) < 0.99);
    }
}
