//! One model, and the loop that turns a prompt into an answer on one of its slots.

use std::io::{Read, Seek};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cache::Cache;
use super::llama::Llama;
use super::sample::{Sampler, Sampling, log_probabilities};
use super::stop::{Filtered, StopFilter};
use crate::error::LoadError;
use crate::gguf::Header;
use crate::text::decode::Utf8Stream;
use crate::text::tokenizer::Tokenizer;

/// Tokens of a prompt that are run at a time; between two pieces a request can be cancelled.
const PREFILL_PIECE_TOKENS: usize = 32;
/// Most memory for one slot's keys and values, in bytes. A longer context than fits is not offered.
const MAX_CACHE_BYTES: usize = 8 * 1024 * 1024 * 1024;

/// A loaded model: weights and tokenizer, shared by all its slots.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) llama: Llama,
    pub(crate) tokenizer: Arc<Tokenizer>,
}

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
    /// Whether to go on; asked between pieces of the prompt and between tokens.
    fn wanted(&mut self) -> Result<(), Cancelled>;
    /// Waits until `moment`, or until the answer is no longer wanted.
    fn wait_until(&mut self, moment: Instant) -> Result<(), Cancelled>;
}

impl Model {
    /// Loads a model's weights.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub(crate) fn load<R: Read + Seek>(
        header: &Header,
        tokenizer: Arc<Tokenizer>,
        source: &mut R,
        threads: Option<NonZeroUsize>,
    ) -> Result<Self, LoadError> {
        let llama = Llama::load(header, source, threads)?;
        if tokenizer.vocabulary() > llama.vocabulary() {
            return Err(LoadError::malformed(
                "the key tokenizer.ggml.tokens",
                format!("{} tokens, but embeddings for {}", tokenizer.vocabulary(), llama.vocabulary()),
            ));
        }
        Ok(Self { llama, tokenizer })
    }

    /// Tokens of prompt and answer that a slot can hold at most.
    pub(crate) fn max_context(&self) -> usize {
        let hyper = &self.llama.hyper;
        let fits = MAX_CACHE_BYTES / (hyper.cached_per_token() * size_of::<f32>()).max(1);
        hyper.context.min(fits).max(1)
    }
}

/// Room for one answer at a time. The weights are shared, the cache of keys and values is the slot's own and is kept
/// from one request to the next, so that a chat's next turn only runs what is new.
#[derive(Debug)]
pub(crate) struct Slot {
    model: Arc<Model>,
    cache: Cache,
}

impl Slot {
    pub(crate) fn new(model: Arc<Model>) -> Self {
        let cache = Cache::new(&model.llama.hyper, 0);
        Self { model, cache }
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
        self.reserve(settings.context);
        let hidden = self.prefill(prompt, sink)?;
        let width = self.model.llama.hyper.width;
        let mut logits = self.model.llama.logits(&hidden[hidden.len() - width..]);
        let prompt_time = began.elapsed();

        let mut answer = Answer::new(Arc::clone(&self.model), settings);
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
            let token = answer.draw(&logits, &history);
            if self.model.tokenizer.is_end(token) {
                break Ending::Stop;
            }
            if answer.take(token, &logits, sink)? {
                break Ending::Stop;
            }
            history.push(token);
            if history.len() < settings.context && answer.tokens.len() < settings.max_tokens {
                let hidden = self.model.llama.forward(&mut self.cache, &[token]);
                logits = self.model.llama.logits(&hidden);
            }
        };
        let finish = Finish {
            ending,
            prompt_tokens: prompt.len(),
            prompt_time,
            answer_tokens: answer.drawn,
            answer_time: began.elapsed(),
            tokens: Vec::new(),
        };
        Ok(Finish { tokens: answer.finish(sink)?, ..finish })
    }

    /// The mean of the final hidden states of `tokens`, scaled to length one. `tokens` is not empty and fits the
    /// context.
    ///
    /// # Errors
    /// When the sink no longer wants it.
    pub(crate) fn embed(&mut self, tokens: &[u32], sink: &mut dyn Sink) -> Result<Vec<f32>, Cancelled> {
        self.reserve(tokens.len());
        self.cache.keep_common(&[]);
        let hidden = self.prefill(tokens, sink)?;
        let width = self.model.llama.hyper.width;
        let mut mean = vec![0.0; width];
        for row in hidden.chunks_exact(width) {
            for (mean, number) in mean.iter_mut().zip(row) {
                *mean += number;
            }
        }
        normalise_length(&mut mean);
        Ok(mean)
    }

    fn reserve(&mut self, context: usize) {
        if self.cache.capacity() < context {
            self.cache = Cache::new(&self.model.llama.hyper, context);
        }
    }

    /// Runs what the cache does not hold yet; the hidden states of that part.
    fn prefill(&mut self, prompt: &[u32], sink: &mut dyn Sink) -> Result<Vec<f32>, Cancelled> {
        let kept = self.cache.keep_common(prompt);
        let mut hidden = Vec::new();
        for piece in prompt[kept..].chunks(PREFILL_PIECE_TOKENS) {
            sink.wanted()?;
            hidden.extend(self.model.llama.forward(&mut self.cache, piece));
        }
        Ok(hidden)
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
struct Answer {
    model: Arc<Model>,
    sampler: Sampler,
    characters: Utf8Stream,
    stops: StopFilter,
    top_logprobs: Option<usize>,
    /// Probabilities of tokens whose text is still held back.
    logprobs: Vec<TokenLogprob>,
    tokens: Vec<u32>,
    drawn: usize,
}

impl Answer {
    fn new(model: Arc<Model>, settings: &Settings) -> Self {
        Self {
            model,
            sampler: Sampler::new(settings.sampling.clone()),
            characters: Utf8Stream::default(),
            stops: StopFilter::new(settings.stop.clone()),
            top_logprobs: settings.top_logprobs,
            logprobs: Vec::new(),
            tokens: Vec::new(),
            drawn: 0,
        }
    }

    fn draw(&mut self, logits: &[f32], history: &[u32]) -> u32 {
        self.drawn += 1;
        // A padded output may have more rows than there are tokens.
        let known = &logits[..self.model.tokenizer.vocabulary()];
        self.sampler.choose(known, history)
    }

    /// Adds a token; true when it completed a stop string.
    fn take(&mut self, token: u32, logits: &[f32], sink: &mut dyn Sink) -> Result<bool, Cancelled> {
        self.tokens.push(token);
        if let Some(top) = self.top_logprobs {
            let (logprob, top) = log_probabilities(logits, token, top);
            let text = |id| self.model.tokenizer.text(id).to_vec();
            let top = top.into_iter().map(|(id, logprob)| (text(id), logprob)).collect();
            self.logprobs.push(TokenLogprob { token: text(token), logprob, top });
        }
        let text = self.characters.push(self.model.tokenizer.shown(token));
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

    /// Shows what was held back; the answer's tokens.
    fn finish(mut self, sink: &mut dyn Sink) -> Result<Vec<u32>, Cancelled> {
        let rest = std::mem::take(&mut self.characters).finish();
        let stops = std::mem::replace(&mut self.stops, StopFilter::new(Vec::new()));
        let text = stops.finish() + &rest;
        self.show(text, sink)?;
        Ok(self.tokens)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::builtin;

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

    fn model(threads: usize) -> Arc<Model> {
        let mut source = Cursor::new(builtin::WEIGHTS);
        let header = Header::read(&mut source).unwrap();
        let tokenizer = Arc::new(Tokenizer::load(&header).unwrap());
        Arc::new(Model::load(&header, tokenizer, &mut source, NonZeroUsize::new(threads)).unwrap())
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
        let prompt = slot.model.tokenizer.encode_prompt(prompt).unwrap();
        let mut sink = Collect::default();
        let finish = slot.answer(&prompt, settings, &mut sink).unwrap();
        (sink.text, finish)
    }

    const RIVER: &str = "<|im_start|>user\nWhat is a river?<|im_end|>\n<|im_start|>assistant\n";

    #[test]
    fn brook_answers_alike_on_any_number_of_threads_and_from_any_cache() {
        let mut slot = Slot::new(model(1));
        let (text, finish) = ask(&mut slot, RIVER, &greedy(512));
        assert!(!text.is_empty());
        assert_eq!(finish.tokens.len(), finish.answer_tokens - usize::from(finish.ending == Ending::Stop));

        let follow_up =
            format!("{RIVER}{text}<|im_end|>\n<|im_start|>user\nThanks!<|im_end|>\n<|im_start|>assistant\n");
        let warm = ask(&mut slot, &follow_up, &greedy(512)).0;
        let mut fresh = Slot::new(model(3));
        assert_eq!(ask(&mut fresh, &follow_up, &greedy(512)).0, warm);
        assert_eq!(ask(&mut fresh, RIVER, &greedy(512)).0, text);
    }

    #[test]
    fn limits_and_stops_end_an_answer() {
        let mut slot = Slot::new(model(1));
        let full = ask(&mut slot, RIVER, &greedy(512)).0;
        let (_, finish) = ask(&mut slot, RIVER, &Settings { max_tokens: 5, ..greedy(512) });
        assert_eq!((finish.ending, finish.tokens.len()), (Ending::Length, 5));
        let (_, finish) = ask(&mut slot, RIVER, &Settings { max_tokens: 0, ..greedy(512) });
        assert_eq!((finish.ending, finish.answer_tokens), (Ending::Length, 0));
        let prompt = slot.model.tokenizer.encode(RIVER).unwrap().len();
        let (_, finish) = ask(&mut slot, RIVER, &greedy(prompt + 3));
        assert_eq!((finish.ending, finish.tokens.len()), (Ending::Length, 3));
        let word = full.split_whitespace().nth(3).unwrap();
        let (text, finish) = ask(&mut slot, RIVER, &Settings { stop: vec![word.to_owned()], ..greedy(512) });
        assert_eq!(finish.ending, Ending::Stop);
        assert_eq!(text, full.split_once(word).unwrap().0);
    }

    #[test]
    fn a_cancelled_answer_ends_between_tokens_and_leaves_the_slot_usable() {
        let mut slot = Slot::new(model(1));
        let prompt = slot.model.tokenizer.encode(RIVER).unwrap();
        for cancel_after in [0, 1, 4] {
            let mut sink = Collect { cancel_after: Some(cancel_after), ..Collect::default() };
            assert_eq!(slot.answer(&prompt, &greedy(512), &mut sink), Err(Cancelled));
            assert_eq!(sink.pieces, cancel_after);
        }
        assert!(!ask(&mut slot, RIVER, &greedy(512)).0.is_empty());
    }

    #[test]
    fn embeddings_have_length_one_and_tell_texts_apart() {
        let model = model(1);
        let mut slot = Slot::new(Arc::clone(&model));
        let mut embed = |text: &str| {
            let tokens = model.tokenizer.encode(text).unwrap();
            slot.embed(&tokens, &mut Collect::default()).unwrap()
        };
        let (river, same, poem) = (embed("a river"), embed("a river"), embed("Write a poem about snow."));
        assert_eq!(river, same);
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        assert!((dot(&river, &river) - 1.0).abs() < 1e-5);
        assert!(dot(&river, &poem) < 0.99);
    }
}
