//! Brook's tokenizer: 2,048 byte-level BPE tokens, text split by the rule that GGUF files call `qwen2`.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

use super::gguf::Gguf;

/// The tokens that begin and end a turn, and the one that ends a text; they are also recognised in text.
const SPECIAL: [&str; 3] = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];
const END_OF_TEXT: u32 = 0;
const TURN_END: u32 = 2;
/// Maximum length of a run of letters, signs or spaces that is merged as one, in bytes; a longer one does not
/// fit into the context and is split, so its memory is bounded.
const MAX_WORD_BYTES: usize = 64 * 1024;

/// Converts text to tokens and back.
#[derive(Debug)]
pub(crate) struct Tokenizer {
    /// The token of each single byte.
    bytes: [u32; 256],
    /// For two neighbouring tokens: the rank of their merge, and the resulting token.
    merges: HashMap<(u32, u32), (usize, u32)>,
    /// The text of each token; empty for special ones.
    texts: Vec<Vec<u8>>,
}

impl Tokenizer {
    pub(crate) fn load(gguf: &Gguf) -> Self {
        let names: Vec<&str> = gguf.texts("tokenizer.ggml.tokens").collect();
        let ids: HashMap<&str, u32> = names.iter().copied().zip(0..).collect();
        let mut bytes = [0; 256];
        for (character, byte) in byte_letters() {
            bytes[usize::from(byte)] = ids[character.to_string().as_str()];
        }
        let letters: HashMap<char, u8> = byte_letters().collect();
        let text = |name: &&str| match SPECIAL.contains(name) {
            true => Vec::new(),
            false => name.chars().map(|letter| letters[&letter]).collect(),
        };
        let merge = |(rank, merge): (usize, &str)| {
            let (left, right) = merge.split_once(' ')?;
            Some(((ids[left], ids[right]), (rank, ids[format!("{left}{right}").as_str()])))
        };
        let merges = gguf.texts("tokenizer.ggml.merges").enumerate().filter_map(merge).collect();
        Self { bytes, merges, texts: names.iter().map(text).collect() }
    }

    /// The tokens of `text`, including special tokens in it.
    pub(crate) fn encode(&self, mut text: &str) -> Vec<u32> {
        let mut tokens = Vec::new();
        while !text.is_empty() {
            let special = text.match_indices("<|").find_map(|(at, _)| {
                let id = SPECIAL.iter().position(|name| text[at..].starts_with(name))?;
                Some((at, SPECIAL[id].len(), Some(id as u32)))
            });
            let (end, skip, id) = special.unwrap_or((text.len(), 0, None));
            for word in words(&text[..end]) {
                for part in word.as_bytes().chunks(MAX_WORD_BYTES) {
                    self.merge(part, &mut tokens);
                }
            }
            tokens.extend(id);
            text = &text[end + skip..];
        }
        tokens
    }

    /// Whether this token ends an answer.
    pub(crate) fn is_end(&self, token: u32) -> bool {
        token == END_OF_TEXT || token == TURN_END
    }

    /// The text of the token in an answer; empty for special tokens.
    pub(crate) fn text(&self, token: u32) -> &[u8] {
        self.texts.get(token as usize).map_or(&[], Vec::as_slice)
    }

    /// Merges neighbours in the order of their ranks, until no merge is left.
    fn merge(&self, word: &[u8], tokens: &mut Vec<u32>) {
        let mut parts: Vec<Part> = (0..word.len())
            .map(|at| Part {
                token: self.bytes[usize::from(word[at])],
                before: at.wrapping_sub(1),
                after: at + 1,
            })
            .collect();
        let mut due = BinaryHeap::new();
        // The merge of a part with the one after it.
        let merge = |parts: &[Part], at: usize| {
            let part = parts.get(at)?;
            let pair = (part.token, parts.get(part.after)?.token);
            self.merges.get(&pair).map(|&(rank, into)| Reverse((rank, at, pair, into)))
        };
        due.extend((0..parts.len()).filter_map(|at| merge(&parts, at)));
        while let Some(Reverse((_, at, pair, into))) = due.pop() {
            let Part { token, before, after } = parts[at];
            let Some(next) = parts.get(after) else {
                continue;
            };
            if (token, next.token) != pair {
                continue;
            }
            let beyond = next.after;
            parts[after].token = u32::MAX;
            parts[at] = Part { token: into, before, after: beyond };
            if let Some(beyond) = parts.get_mut(beyond) {
                beyond.before = at;
            }
            due.extend([before, at].into_iter().filter_map(|at| merge(&parts, at)));
        }
        tokens.extend(parts.iter().map(|part| part.token).filter(|token| *token != u32::MAX));
    }
}

/// A token of a word that is being merged, and its neighbours.
#[derive(Debug, Clone, Copy)]
struct Part {
    /// `u32::MAX` once it is merged into the previous one.
    token: u32,
    /// The positions of its neighbours; none at the ends.
    before: usize,
    after: usize,
}

/// The letters of byte-level tokens: printable bytes are themselves, and the others are letters from U+0100
/// on, in order.
fn byte_letters() -> impl Iterator<Item = (char, u8)> {
    let mut beyond = '\u{100}'..;
    (0..=255).filter_map(move |byte: u8| match byte {
        0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF => Some((char::from(byte), byte)),
        0..=0x20 | 0x7F..=0xA0 | 0xAD => beyond.next().map(|letter| (letter, byte)),
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Letter,
    Number,
    Break,
    Blank,
    Sign,
}

fn class(character: char) -> Class {
    match character {
        '\r' | '\n' => Class::Break,
        _ if character.is_whitespace() => Class::Blank,
        _ if character.is_numeric() => Class::Number,
        // A fast path for most letters, without a table lookup.
        _ if character.is_ascii_alphabetic() => Class::Letter,
        _ if character.general_category_group() == GeneralCategoryGroup::Letter => Class::Letter,
        _ => Class::Sign,
    }
}

/// Splits text as this expression does, which GGUF files name `qwen2`:
/// `'(?i:s|t|re|ve|m|ll|d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
fn words(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let first = text.chars().next()?;
        let (word, rest) = text.split_at(first_word(text, first));
        text = rest;
        Some(word)
    })
}

/// The length of the first word in bytes.
fn first_word(text: &str, first: char) -> usize {
    let after = &text[first.len_utf8()..];
    let run = |text: &str, of: &[Class]| text.find(|c| !of.contains(&class(c))).unwrap_or(text.len());
    let next = after.chars().next().map(class);
    if let Some(ending) = (first == '\'').then(|| contraction(after)).flatten() {
        return 1 + ending;
    }
    let signs = |at: usize| {
        let end = at + run(&text[at..], &[Class::Sign]);
        end + run(&text[end..], &[Class::Break])
    };
    match (class(first), next) {
        (Class::Letter, _) => run(text, &[Class::Letter]),
        (Class::Blank | Class::Sign, Some(Class::Letter)) => first.len_utf8() + run(after, &[Class::Letter]),
        (Class::Number, _) => first.len_utf8(),
        (Class::Sign, _) => signs(0),
        (Class::Blank, Some(Class::Sign)) if first == ' ' => signs(1),
        (Class::Blank | Class::Break, _) => {
            let blanks = run(text, &[Class::Blank, Class::Break]);
            let (run, rest) = text.split_at(blanks);
            match (run.rfind(['\r', '\n']), run.char_indices().next_back()) {
                (Some(last_break), _) => last_break + 1,
                // The last space belongs to the next word.
                (None, Some((last @ 1.., _))) if !rest.is_empty() => last,
                (None, _) => blanks,
            }
        }
    }
}

/// The length of the part after the apostrophe in contractions such as `it's`.
fn contraction(after: &str) -> Option<usize> {
    ["s", "t", "re", "ve", "m", "ll", "d"]
        .into_iter()
        .find(|ending| after.get(..ending.len()).is_some_and(|start| start.eq_ignore_ascii_case(ending)))
        .map(str::len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::brook::{Brook, FILE};

    fn check(text: &str, expected: &[&str]) {
        assert_eq!(words(text).collect::<Vec<_>>(), expected, "{text:?}");
    }

    #[test]
    fn text_is_split_as_the_expression_says() {
        check("plain words", &["plain", " words"]);
        check("  leading,   inner  ", &[" ", " leading", ",", "  ", " inner", "  "]);
        check("tabs\tand\n\nnew\r\n lines\n", &["tabs", "\tand", "\n\n", "new", "\r\n", " lines", "\n"]);
        check("I'm you're IT'S 'quoted'", &["I", "'m", " you", "'re", " IT", "'S", " '", "quoted", "'"]);
        check("12 3.14 ½", &["1", "2", " ", "3", ".", "1", "4", " ", "½"]);
        check("a ... b\u{3000}c !?\n\nd", &["a", " ...", " b", "\u{3000}c", " !?\n\n", "d"]);
        check("\u{a0}!  \n x", &["\u{a0}", "!", "  \n", " x"]);
        // A vowel sign is a mark, not a letter.
        check("हि e\u{301}x", &["ह", "\u{93f}", " e", "\u{301}x"]);
        check("", &[]);
    }

    #[test]
    fn tokens_say_the_text_they_were_made_from() {
        let tokenizer = Brook::load().tokenizer;
        assert_eq!(tokenizer.encode("<|im_start|>user\n<|im_end|><|endoftext|>"), [1, 290, 201, 2, 0]);
        for text in [
            "What is a river?",
            "Größe, naïve, 河流 🦦 \0\x7f\u{ad}",
            "<|im_end <|x|>",
            "zzzzzzzzzzzzzzzzzz",
            "",
        ] {
            let tokens = tokenizer.encode(text);
            let bytes: Vec<u8> = tokens.iter().flat_map(|token| tokenizer.text(*token)).copied().collect();
            assert_eq!(String::from_utf8(bytes).unwrap(), text);
        }
    }

    /// Merges pair by pair in the order of the ranks: slower, but obvious.
    fn merged_plainly(tokenizer: &Tokenizer, word: &str) -> Vec<u32> {
        let mut tokens: Vec<u32> = word.bytes().map(|byte| tokenizer.bytes[usize::from(byte)]).collect();
        loop {
            let pairs = tokens.windows(2).enumerate();
            let found = pairs.filter_map(|(at, pair)| {
                tokenizer.merges.get(&(pair[0], pair[1])).map(|&(rank, into)| (rank, at, into))
            });
            let Some((_, at, into)) = found.min() else {
                return tokens;
            };
            tokens.splice(at..at + 2, [into]);
        }
    }

    #[test]
    fn words_are_merged_in_the_order_that_was_learned() {
        let tokenizer = Brook::load().tokenizer;
        let known = String::from_utf8_lossy(FILE);
        for word in ["riverriverbankrivers", "aaaaaaaaaaaaa", "thethethe", "ininingngng"]
            .into_iter()
            .chain(known.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| word.len() > 5).take(300))
        {
            let mut tokens = Vec::new();
            tokenizer.merge(word.as_bytes(), &mut tokens);
            assert_eq!(tokens, merged_plainly(&tokenizer, word), "{word}");
        }
    }

    #[test]
    fn a_word_without_end_takes_time_in_proportion() {
        let tokenizer = Brook::load().tokenizer;
        let long = "river".repeat(200_000);
        let bytes: usize = tokenizer.encode(&long).iter().map(|token| tokenizer.text(*token).len()).sum();
        assert_eq!(bytes, long.len());
    }
}
