//! Names of jobs, which are handles that people can type.

/// The maximum length of a given name, in characters; a number may follow it.
const GIVEN_CHARS: usize = 60;
/// The maximum length of a name that is derived from a question, in characters.
const MADE_CHARS: usize = 24;
/// Number of attempts before a unique number is used.
const TRIES: u64 = 100;

/// A given name as a handle: letters, digits, `-`, `_` and `.`; everything else becomes `-`. Empty if nothing
/// is left.
pub(crate) fn as_handle(text: &str) -> String {
    let clean = |c: char| if c.is_alphanumeric() || matches!(c, '_' | '.') { c } else { '-' };
    let mut name = String::new();
    for c in text.chars().map(clean) {
        let is_doubled = c == '-' && (name.is_empty() || name.ends_with('-'));
        if !is_doubled {
            name.push(c);
        }
    }
    let name: String = name.trim_start_matches(['.', '-']).chars().take(GIVEN_CHARS).collect();
    name.trim_end_matches('-').to_owned()
}

/// A name from the first words of a question, such as `tell-a-long-story`.
pub(crate) fn of_question(question: &str) -> String {
    let mut name = String::new();
    let words = question.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    for word in words {
        let word: String = word.chars().flat_map(char::to_lowercase).take(MADE_CHARS).collect();
        if name.is_empty() {
            name = word;
        } else if name.chars().count() + 1 + word.chars().count() <= MADE_CHARS {
            name = format!("{name}-{word}");
        } else {
            break;
        }
    }
    name
}

/// `name`, with a number if it is taken. `unique` is a number that no other job has.
pub(crate) fn free(name: &str, unique: u64, is_taken: impl Fn(&str) -> bool) -> String {
    let mut numbered = (2..TRIES).chain([unique]).map(|number| format!("{name}-{number}"));
    let first = Some(name.to_owned()).filter(|name| !is_taken(name));
    first.or_else(|| numbered.find(|name| !is_taken(name))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_makes_a_name() {
        for (question, name) in [
            ("Tell a long story.", "tell-a-long-story"),
            ("  What's *this*?\nAnd that, and all of the others?", "what-s-this-and-that-and"),
            ("東京はどこですか", "東京はどこですか"),
            ("Éa", "éa"),
            ("…?!", ""),
        ] {
            assert_eq!(of_question(question), name, "{question}");
        }
        assert_eq!(of_question(&"x".repeat(100)).len(), MADE_CHARS);
    }

    #[test]
    fn a_given_name_can_be_typed() {
        for (text, name) in [
            ("my story", "my-story"),
            ("a.b_c-d", "a.b_c-d"),
            ("../x/%y", "x-y"),
            ("..", ""),
            (" - ", ""),
            ("Été 3", "Été-3"),
        ] {
            assert_eq!(as_handle(text), name, "{text}");
        }
        assert_eq!(as_handle(&"x".repeat(100)).len(), GIVEN_CHARS);
    }

    #[test]
    fn a_name_that_is_taken_gets_a_number() {
        assert_eq!(free("a", 7, |_| false), "a");
        assert_eq!(free("a", 7, |name| name == "a"), "a-2");
        assert_eq!(free("a", 700, |name| name != "a-700"), "a-700");
        assert_eq!(free("a", 7, |_| true), "");
    }
}
