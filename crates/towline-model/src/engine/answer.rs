//! The loop that turns a prompt into an answer on one slot.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::characters::Characters;
use super::sample::{Sampler, Sampling, log_probabilities};
use super::stop::{Filtered, StopFilter};
use crate::brook::Brook;
use crate::brook::forward::{Cache, State, WIDTH};

/// What a request asks of the engine.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) sampling: Sampling,
    pub(crate) stop: Vec<String>,
    /// Most tokens of the answer.
    pub(crate) max_tokens: usize,
    /// Tokens of prompt and answer together; at most the model's own.
    pub(crate) context: usize,
    /// How many alternatives to report for each token; `None` reports no probabilities at all.
    pub(crate) top_logprobs: Option<usize>,
    /// Tokens per second at most.
    pub(crate) rate: Option<f32>,
}

/// A piece of an answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Piece {
    pub(crate) text: String,
    /// One for each token of this piece, where asked for.
    pub(crate) logprobs: Vec<TokenLogprob>,
}

/// A token's probability and those of its alternatives, as natural logarithms.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TokenLogprob {
    pub(crate) token: Vec<u8>,
    pub(crate) logprob: f32,
    pub(crate) top: Vec<(Vec<u8>, f32)>,
}

/// Why an answer ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The model ended it, or a stop string did.
    Stop,
    /// The token limit or the context is used up.
    Length,
}

/// How an answer came about.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Finish {
    pub(crate) ending: Ending,
    /// The answer's tokens, without the one that ended it.
    pub(crate) tokens: Vec<u32>,
    pub(crate) prompt_tokens: usize,
    pub(crate) prompt_time: Duration,
    /// Tokens drawn, the one that ended the answer included.
    pub(crate) answer_tokens: usize,
    pub(crate) answer_time: Duration,
}

/// The request was cancelled, or its reader is gone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cancelled;

/// Where an answer goes, and whether it is still wanted.
pub(crate) trait Sink {
    /// Takes a piece; may wait for the reader.
    fn piece(&mut self, piece: Piece) -> Result<(), Cancelled>;
    /// Whether to go on; asked before each token of the prompt and of the answer.
    fn wanted(&mut self) -> Result<(), Cancelled>;
    /// Waits until `moment`, or until the answer is no longer wanted.
    fn wait_until(&mut self, moment: Instant) -> Result<(), Cancelled>;
}

/// Room for one answer at a time. The weights are shared, the cache of keys and values is the slot's own and is kept
/// from one request to the next, so that a chat's next turn only runs what is new.
#[derive(Debug)]
pub(crate) struct Slot {
    brook: Arc<Brook>,
    cache: Cache,
}

impl Slot {
    pub(crate) fn new(brook: Arc<Brook>) -> Self {
        Self { brook, cache: Cache::new() }
    }

    /// Answers `prompt`, which is not empty and shorter than the context.
    ///
    /// # Errors
    /// When the sink no longer wants the answer.
    pub(crate) fn answer(
        &mut self,
        prompt: &[u32],
        settings: &Settings,
        sink: &mut dyn Sink,
    ) -> Result<Finish, Cancelled> {
        let began = Instant::now();
        let mut state = [0.0; WIDTH];
        self.read(prompt, sink, |latest| state = *latest)?;
        let prompt_time = began.elapsed();

        let brook = Arc::clone(&self.brook);
        let mut answer = Answer::new(&brook, settings);
        let mut history = prompt.to_vec();
        let began = Instant::now();
        let ending = loop {
            if answer.tokens.len() >= settings.max_tokens || history.len() >= settings.context {
                break Ending::Length;
            }
            if let Some(rate) = settings.rate {
                let due = Duration::from_secs_f32(answer.drawn as f32 / rate);
                sink.wait_until(began + due)?;
            }
            sink.wanted()?;
            if let Some(&latest) = answer.tokens.last() {
                state = brook.weights.forward(&mut self.cache, latest);
            }
            let logits = brook.weights.logits(&state);
            answer.drawn += 1;
            let token = answer.sampler.choose(&logits, &history);
            if brook.tokenizer.is_end(token) || answer.take(token, &logits, sink)? {
                break Ending::Stop;
            }
            history.push(token);
        };
        answer.finish(sink)?;
        Ok(Finish {
            ending,
            prompt_tokens: prompt.len(),
            prompt_time,
            answer_tokens: answer.drawn,
            answer_time: began.elapsed(),
            tokens: answer.tokens,
        })
    }

    /// The mean of the last states of `tokens`, scaled to length one. `tokens` is not empty and fits the context.
    ///
    /// # Errors
    /// When the sink no longer wants it.
    pub(crate) fn embed(&mut self, tokens: &[u32], sink: &mut dyn Sink) -> Result<Vec<f32>, Cancelled> {
        self.cache = Cache::new();
        let mut mean = vec![0.0; WIDTH];
        self.read(tokens, sink, |state| {
            for (mean, number) in mean.iter_mut().zip(state) {
                *mean += number;
            }
        })?;
        normalise_length(&mut mean);
        Ok(mean)
    }

    /// Runs what the cache does not hold yet, and shows the state of each token.
    fn read(
        &mut self,
        prompt: &[u32],
        sink: &mut dyn Sink,
        mut seen: impl FnMut(&State),
    ) -> Result<(), Cancelled> {
        let kept = self.cache.keep_common(prompt);
        for &token in &prompt[kept..] {
            sink.wanted()?;
            seen(&self.brook.weights.forward(&mut self.cache, token));
        }
        Ok(())
    }
}

/// Scales to length one; leaves a vector without any length alone.
pub(crate) fn normalise_length(vector: &mut [f32]) {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > 1e-12 {
        for number in vector {
            *number /= length;
        }
    }
}

/// An answer while it grows: from drawn tokens to text that may be shown.
struct Answer<'a> {
    brook: &'a Brook,
    sampler: Sampler,
    characters: Characters,
    stops: StopFilter,
    top_logprobs: Option<usize>,
    /// Probabilities of tokens whose text is still held back.
    logprobs: Vec<TokenLogprob>,
    tokens: Vec<u32>,
    drawn: usize,
}

impl<'a> Answer<'a> {
    fn new(brook: &'a Brook, settings: &Settings) -> Self {
        Self {
            brook,
            sampler: Sampler::new(settings.sampling.clone()),
            characters: Characters::default(),
            stops: StopFilter::new(settings.stop.clone()),
            top_logprobs: settings.top_logprobs,
            logprobs: Vec::new(),
            tokens: Vec::new(),
            drawn: 0,
        }
    }

    /// Adds a token; true when it completed a stop string.
    fn take(&mut self, token: u32, logits: &[f32], sink: &mut dyn Sink) -> Result<bool, Cancelled> {
        self.tokens.push(token);
        let tokenizer = &self.brook.tokenizer;
        if let Some(top) = self.top_logprobs {
            let (logprob, top) = log_probabilities(logits, token, top);
            let text = |id| tokenizer.text(id).to_vec();
            let top = top.into_iter().map(|(id, logprob)| (text(id), logprob)).collect();
            self.logprobs.push(TokenLogprob { token: text(token), logprob, top });
        }
        let text = self.characters.push(tokenizer.shown(token));
        match self.stops.push(&text) {
            Filtered::Pass(text) => self.show(text, sink).map(|()| false),
            Filtered::Stopped(text) => self.show(text, sink).map(|()| true),
        }
    }

    fn show(&mut self, text: String, sink: &mut dyn Sink) -> Result<(), Cancelled> {
        if text.is_empty() {
            return Ok(());
        }
        sink.piece(Piece { text, logprobs: std::mem::take(&mut self.logprobs) })
    }

    /// Shows what was held back.
    fn finish(&mut self, sink: &mut dyn Sink) -> Result<(), Cancelled> {
        let text = self.stops.finish() + &self.characters.finish();
        self.show(text, sink)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Collect {
        text: String,
        pieces: usize,
        cancel_after: Option<usize>,
    }

    impl Sink for Collect {
        fn piece(&mut self, piece: Piece) -> Result<(), Cancelled> {
            self.text.push_str(&piece.text);
            self.pieces += 1;
            Ok(())
        }

        fn wanted(&mut self) -> Result<(), Cancelled> {
            if self.cancel_after == Some(self.pieces) { Err(Cancelled) } else { Ok(()) }
        }

        fn wait_until(&mut self, _: Instant) -> Result<(), Cancelled> {
            self.wanted()
        }
    }

    fn fresh_slot() -> Slot {
        Slot::new(Arc::new(Brook::load()))
    }

    fn greedy(context: usize) -> Settings {
        Settings {
            sampling: Sampling { temperature: 0.0, repeat_penalty: 1.0, ..Sampling::default() },
            stop: Vec::new(),
            max_tokens: 60,
            context,
            top_logprobs: None,
            rate: None,
        }
    }

    fn ask(slot: &mut Slot, prompt: &str, settings: &Settings) -> (String, Finish) {
        let prompt = slot.brook.tokenizer.encode(prompt);
        let mut sink = Collect::default();
        let finish = slot.answer(&prompt, settings, &mut sink).unwrap();
        (sink.text, finish)
    }

    const RIVER: &str = "<|im_start|>user\nWhat is a river?<|im_end|>\n<|im_start|>assistant\n";

    #[test]
    fn brook_answers_alike_from_any_cache() {
        let mut slot = fresh_slot();
        let (text, finish) = ask(&mut slot, RIVER, &greedy(512));
        assert!(!text.is_empty());
        assert_eq!(finish.tokens.len(), finish.answer_tokens - usize::from(finish.ending == Ending::Stop));

        let follow_up =
            format!("{RIVER}{text}<|im_end|>\n<|im_start|>user\nThanks!<|im_end|>\n<|im_start|>assistant\n");
        let warm = ask(&mut slot, &follow_up, &greedy(512)).0;
        let mut fresh = fresh_slot();
        assert_eq!(ask(&mut fresh, &follow_up, &greedy(512)).0, warm);
        assert_eq!(ask(&mut fresh, RIVER, &greedy(512)).0, text);
    }

    #[test]
    fn limits_and_stops_end_an_answer() {
        let mut slot = fresh_slot();
        let full = ask(&mut slot, RIVER, &greedy(512)).0;
        let (_, finish) = ask(&mut slot, RIVER, &Settings { max_tokens: 5, ..greedy(512) });
        assert_eq!((finish.ending, finish.tokens.len()), (Ending::Length, 5));
        let (_, finish) = ask(&mut slot, RIVER, &Settings { max_tokens: 0, ..greedy(512) });
        assert_eq!((finish.ending, finish.answer_tokens), (Ending::Length, 0));
        let prompt = slot.brook.tokenizer.encode(RIVER).len();
        let (_, finish) = ask(&mut slot, RIVER, &greedy(prompt + 3));
        assert_eq!((finish.ending, finish.tokens.len()), (Ending::Length, 3));
        let word = full.split_whitespace().nth(3).unwrap();
        let (text, finish) = ask(&mut slot, RIVER, &Settings { stop: vec![word.to_owned()], ..greedy(512) });
        assert_eq!(finish.ending, Ending::Stop);
        assert_eq!(text, full.split_once(word).unwrap().0);
    }

    #[test]
    fn a_cancelled_answer_ends_between_tokens_and_leaves_the_slot_usable() {
        let mut slot = fresh_slot();
        let prompt = slot.brook.tokenizer.encode(RIVER);
        for cancel_after in [0, 1, 4] {
            let mut sink = Collect { cancel_after: Some(cancel_after), ..Collect::default() };
            assert_eq!(slot.answer(&prompt, &greedy(512), &mut sink), Err(Cancelled));
            assert_eq!(sink.pieces, cancel_after);
        }
        assert!(!ask(&mut slot, RIVER, &greedy(512)).0.is_empty());
    }

    #[test]
    fn embeddings_have_length_one_and_tell_texts_apart() {
        let mut slot = fresh_slot();
        let mut embed = |text: &str| {
            let tokens = slot.brook.tokenizer.encode(text);
            slot.embed(&tokens, &mut Collect::default()).unwrap()
        };
        let (river, same, poem) = (embed("a river"), embed("a river"), embed("Write a poem about snow."));
        assert_eq!(river, same);
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        assert!((dot(&river, &river) - 1.0).abs() < 1e-5);
        assert!(dot(&river, &poem) < 0.99);
    }
}
