//! `[servers]`: model servers by name.

use std::path::PathBuf;

use toml::Spanned;
use toml::de::DeValue;

use super::folders::from_home;
use crate::text::nearest::nearest;

/// A model server that has a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedServer {
    /// `host`: its address, as in `OLLAMA_HOST`.
    pub host: String,
    /// `key_file` or `key_command`: the source of its key, if it needs one.
    pub key: Option<KeySource>,
    /// `running`: how many answers the own relay runs there at once; further ones are queued. Default: the
    /// relay's own limit.
    pub running: Option<usize>,
}

/// The source of a server's key, which is never in the configuration itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// The first line of a file.
    File(PathBuf),
    /// The first line that a shell command prints.
    Command(String),
}

const KEYS: [&str; 4] = ["host", "key_file", "key_command", "running"];

/// Parses a server from a value: an address, or a table.
pub(super) fn server(name: &str, value: &Spanned<DeValue<'_>>) -> Result<NamedServer, String> {
    let table = match value.get_ref() {
        DeValue::String(host) => return Ok(NamedServer { host: host.to_string(), key: None, running: None }),
        DeValue::Table(table) => table,
        DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_) => {
            return Err(format!("the server {name} takes an address in quotes, or a table with host"));
        }
    };
    let (mut host, mut key, mut running) = (None, None, None);
    for (field, value) in table {
        let field = field.get_ref();
        let text =
            value.get_ref().as_str().ok_or_else(|| format!("{field} of {name} takes a text in quotes"));
        match &**field {
            "host" => host = Some(text?.to_owned()),
            "key_file" => key = Some(KeySource::File(from_home(text?))),
            "running" => running = Some(limit(name, value.get_ref())?),
            "key_command" => key = Some(KeySource::Command(text?.to_owned())),
            other => {
                return Err(match nearest(KEYS.into_iter(), other) {
                    Some(known) => format!("a server has no key {other}; did you mean {known}?"),
                    None => format!("a server has no key {other}; the keys are {}", KEYS.join(", ")),
                });
            }
        }
    }
    let host = host.ok_or_else(|| format!("the server {name} has no host"))?;
    Ok(NamedServer { host, key, running })
}

fn limit(name: &str, value: &DeValue<'_>) -> Result<usize, String> {
    match super::count("running", value)? {
        0 => Err(format!("running = 0 of the server {name} would never run anything; write 1 or more")),
        running => Ok(running),
    }
}
