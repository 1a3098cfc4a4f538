//! Jobspecs as in bash: `%1`, `%+`, `%%`, `%-`, `%name`, `%?text`.

use std::fmt;
use std::str::FromStr;

/// A jobspec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spec {
    /// `%1`.
    Number(u32),
    /// `%+`, `%%` or `%`: the job touched most recently.
    Current,
    /// `%-`: the job touched before that.
    Previous,
    /// `%name`: the job whose name or text begins with this.
    Begins(String),
    /// `%?text`: the job whose name or text contains this.
    Contains(String),
    /// `%=name`, or a bare name after a verb with its colon: the job with this name, here or on the relay.
    Named(String),
}

impl FromStr for Spec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let none = || "this is not a jobspec; write %1, %+, %-, %name or %?text".to_owned();
        let rest = text.strip_prefix('%').ok_or_else(none)?;
        Ok(match rest {
            "" | "%" | "+" => Self::Current,
            "-" => Self::Previous,
            _ if let Some(name) = rest.strip_prefix('=') => match name {
                "" => return Err(none()),
                name => Self::Named(name.to_owned()),
            },
            _ => match (rest.strip_prefix('?'), rest.parse()) {
                (Some(""), _) => return Err(none()),
                (Some(part), _) => Self::Contains(part.to_owned()),
                (None, Ok(number)) => Self::Number(number),
                (None, Err(_)) => Self::Begins(rest.to_owned()),
            },
        })
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "%{number}"),
            Self::Current => f.write_str("%+"),
            Self::Previous => f.write_str("%-"),
            Self::Begins(text) => write!(f, "%{text}"),
            Self::Contains(text) => write!(f, "%?{text}"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

/// Why a jobspec names no job, in bash's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpecError {
    /// No job matches.
    NoSuchJob(Spec),
    /// Several jobs match.
    Ambiguous(Spec),
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchJob(Spec::Current) => f.write_str("current: no such job"),
            Self::NoSuchJob(spec) => write!(f, "{spec}: no such job"),
            // bash prints the jobspec without its `%`, and then adds that there is no such job.
            Self::Ambiguous(Spec::Begins(text) | Spec::Contains(text) | Spec::Named(text)) => {
                write!(f, "{text}: ambiguous job spec")
            }
            Self::Ambiguous(spec @ (Spec::Number(_) | Spec::Current | Spec::Previous)) => {
                write!(f, "{spec}: ambiguous job spec")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Spec;

    #[test]
    fn specs_are_read_as_bash_reads_them() {
        for (text, spec) in [
            ("%1", Some(Spec::Number(1))),
            ("%12", Some(Spec::Number(12))),
            ("%+", Some(Spec::Current)),
            ("%%", Some(Spec::Current)),
            ("%", Some(Spec::Current)),
            ("%-", Some(Spec::Previous)),
            ("%gem", Some(Spec::Begins("gem".into()))),
            ("%?river", Some(Spec::Contains("river".into()))),
            ("%?", None),
            ("%=tell-me", Some(Spec::Named("tell-me".into()))),
            ("%=", None),
            ("1", None),
            ("", None),
        ] {
            assert_eq!(text.parse().ok(), spec, "{text}");
        }
    }
}
