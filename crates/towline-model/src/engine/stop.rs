//! Stop strings, also where one is spread over several tokens.

/// Passes text on, except what may still turn out to be the beginning of a stop string.
#[derive(Debug)]
pub(crate) struct StopFilter {
    stops: Vec<String>,
    /// Text that is the beginning of a stop string.
    held: String,
}

/// What becomes of a piece of text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Filtered {
    /// Go on; this much may be shown.
    Pass(String),
    /// A stop string was completed; this much came before it.
    Stopped(String),
}

impl StopFilter {
    /// Empty stop strings are ignored.
    pub(crate) fn new(stops: Vec<String>) -> Self {
        Self { stops: stops.into_iter().filter(|stop| !stop.is_empty()).collect(), held: String::new() }
    }

    pub(crate) fn push(&mut self, text: &str) -> Filtered {
        self.held.push_str(text);
        // The one that ends first, as if the text had come letter by letter.
        let found = self
            .stops
            .iter()
            .filter_map(|stop| self.held.find(stop.as_str()).map(|at| (at + stop.len(), at)));
        if let Some((_, at)) = found.min() {
            self.held.truncate(at);
            return Filtered::Stopped(std::mem::take(&mut self.held));
        }
        let keep_from = self.stops.iter().map(|stop| begun_at(&self.held, stop)).min();
        let kept = self.held.split_off(keep_from.unwrap_or(self.held.len()));
        Filtered::Pass(std::mem::replace(&mut self.held, kept))
    }

    /// What was held back when the answer ended for another reason.
    pub(crate) fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

/// Where the longest end of `text` begins that is also a beginning of `stop`; the length of `text` where there is none.
fn begun_at(text: &str, stop: &str) -> usize {
    let earliest = text.len().saturating_sub(stop.len() - 1);
    (earliest..text.len())
        .find(|&at| text.is_char_boundary(at) && stop.starts_with(&text[at..]))
        .unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `text` in pieces of every size and expects the same each time.
    fn check(stops: &[&str], text: &str, shown: &str, stopped: bool) {
        let characters: Vec<char> = text.chars().collect();
        for size in 1..=characters.len() {
            let mut filter = StopFilter::new(stops.iter().map(|stop| (*stop).to_owned()).collect());
            let mut output = String::new();
            let mut hit = false;
            for piece in characters.chunks(size) {
                match filter.push(&piece.iter().collect::<String>()) {
                    Filtered::Pass(text) => output.push_str(&text),
                    Filtered::Stopped(text) => {
                        output.push_str(&text);
                        hit = true;
                        break;
                    }
                }
            }
            if !hit {
                output.push_str(&filter.finish());
            }
            assert_eq!((output.as_str(), hit), (shown, stopped), "{stops:?} in {text:?} by {size}");
        }
    }

    #[test]
    fn stop_strings_end_the_text_however_it_is_cut() {
        check(&[], "one two", "one two", false);
        check(&[""], "one two", "one two", false);
        check(&["two"], "one two three", "one ", true);
        check(&["END", "\n\n"], "a\nb\n\nc", "a\nb", true);
        check(&["aab"], "aaab", "a", true);
        check(&["abab"], "ababab", "", true);
        check(&["xyz"], "wxy", "wxy", false);
        check(&["…ж"], "naïve …ж!", "naïve ", true);
        check(&["жж"], "жaж", "жaж", false);
        check(&["long stop", "stop"], "a long stop", "a ", true);
        check(&["b", "abc"], "abc", "a", true);
    }
}
