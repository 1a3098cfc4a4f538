//! Hints: what to do next, for each kind of failure.

use towline::Error;
use towline::error::ErrorKind;
use towline::outcome::Clock;

use crate::server::{Server, ServerKind};
use towline_app::servers::Environment;
use towline_app::servers::ServerSource as Source;

/// The hint for an error of a request to `server`, about `model` if it is given.
pub fn for_error(
    error: &Error,
    server: &Server,
    environment: &Environment,
    model: Option<&str>,
) -> Option<String> {
    match error.kind {
        ErrorKind::Connect => Some(for_connect(server)),
        ErrorKind::Tls => Some(
            "if the server's certificate is from an authority of your own, set SSL_CERT_FILE to its PEM file; \
             for a server without TLS, write http://"
                .to_owned(),
        ),
        ErrorKind::Unauthorized => Some(for_unauthorized(server, environment)),
        // Brook's status for unsupported requests; Ollama never sends it.
        _ if error.status == Some(501) => Some(
            "that is the built-in model's server (towline serve), which has one model. Models are pulled, copied, created and \
             deleted on a server such as Ollama: name one with --host"
                .to_owned(),
        ),
        ErrorKind::NotFound | ErrorKind::Rejected | ErrorKind::Server if error.is_missing_endpoint() => Some(
            "the server does not have this part of Ollama's API. On a server with OpenAI's API, such as llama.cpp's, towline \
             can ask (run, run -d, the prompt) and list models, but cannot add or delete models"
                .to_owned(),
        ),
        ErrorKind::NotFound => model.map(|model| for_missing_model(server, model)),
        ErrorKind::Busy => Some("the server is busy; try again later".to_owned()),
        ErrorKind::Truncated => {
            Some("the server, or a proxy before it, gave up; the server's log may say why. Run the command again".to_owned())
        }
        ErrorKind::ConnectionLost => Some(format!("check that the server still runs: {}", list_command(server))),
        ErrorKind::Protocol => {
            Some("check that a model server is at this address, and whether it needs https://".to_owned())
        }
        ErrorKind::Rejected if error.message.contains("does not support thinking") => {
            Some("run it without --think".to_owned())
        }
        ErrorKind::InvalidRequest
        | ErrorKind::Rejected
        | ErrorKind::Server
        | ErrorKind::Limit
        | ErrorKind::Redirect
        | ErrorKind::TimedOut
        | ErrorKind::Cancelled
        | ErrorKind::Task => None,
    }
}

/// The hint for an error of a request to a relay.
pub fn for_relay(error: &Error) -> Option<&'static str> {
    match error.kind {
        ErrorKind::Connect => {
            Some("check that the relay runs there, and that --relay or TOWLINE_RELAY is right")
        }
        ErrorKind::NotFound => Some("towline jobs lists the names; jobs -l also the ids"),
        ErrorKind::InvalidRequest => Some("towline jobs -l shows the whole ids"),
        // A 403 names what is not allowed; another token would not help.
        ErrorKind::Unauthorized if error.status == Some(403) => None,
        ErrorKind::Unauthorized => Some("put the relay's token into TOWLINE_RELAY_TOKEN"),
        ErrorKind::Server if error.status == Some(502) => {
            Some("check that the model server runs, and that --host or OLLAMA_HOST is right")
        }
        ErrorKind::Protocol => Some("check that a Towline relay is at this address"),
        ErrorKind::Tls
        | ErrorKind::ConnectionLost
        | ErrorKind::Truncated
        | ErrorKind::Rejected
        | ErrorKind::Busy
        | ErrorKind::Server
        | ErrorKind::Limit
        | ErrorKind::Redirect
        | ErrorKind::TimedOut
        | ErrorKind::Cancelled
        | ErrorKind::Task => None,
    }
}

/// How to allow more time.
pub fn for_clock(clock: Clock) -> &'static str {
    match clock {
        Clock::Connect => "check the address; --connect-timeout allows more time",
        Clock::FirstEvent => {
            "a big model may still be loading, or other requests may be ahead; --first-timeout allows more time"
        }
        Clock::Idle => "the server has stopped sending; --idle-timeout allows more time",
        Clock::Record => "the server sends bytes but no whole record; --record-timeout allows more time",
        Clock::Total => "--timeout allows more time",
    }
}

fn for_connect(server: &Server) -> String {
    match &server.kind {
        ServerKind::Found(Source::Argument) => {
            "check that the server runs and that --host is right; without --host, towline looks for \
             another server or uses the built-in model"
                .to_owned()
        }
        ServerKind::Found(Source::Server | Source::Configuration) => {
            "check that the server runs, and that the configuration has the right address".to_owned()
        }
        ServerKind::Found(Source::Environment) => {
            "the address is from OLLAMA_HOST; check that the server runs there, or name another with --host"
                .to_owned()
        }
        ServerKind::Found(Source::Relay) => {
            "check that the relay runs there, and that --relay or TOWLINE_RELAY is right".to_owned()
        }
        ServerKind::Found(Source::Local) => {
            "start Ollama (ollama serve), or name another server with --host".to_owned()
        }
        ServerKind::Builtin(_) => "this should not happen; please report it".to_owned(),
        ServerKind::OwnRelay(_) => "the next question starts the relay again".to_owned(),
    }
}

fn for_unauthorized(server: &Server, environment: &Environment) -> String {
    match (&server.kind, &environment.api_key) {
        (ServerKind::Found(Source::Local) | ServerKind::Builtin(_) | ServerKind::OwnRelay(None), _) => {
            "a key is only sent to a server that --host or OLLAMA_HOST names".to_owned()
        }
        (ServerKind::Found(_) | ServerKind::OwnRelay(Some(_)), Some(_)) => {
            "the key in OLLAMA_API_KEY was sent but not accepted".to_owned()
        }
        (ServerKind::Found(_) | ServerKind::OwnRelay(Some(_)), None) => {
            "put the server's key into OLLAMA_API_KEY".to_owned()
        }
    }
}

fn for_missing_model(server: &Server, model: &str) -> String {
    match &server.kind {
        ServerKind::Builtin(builtin) => {
            format!("the built-in model is {}; other models need a server such as Ollama", builtin.model())
        }
        ServerKind::OwnRelay(_) if server.is_builtin() => {
            "there is only the built-in model; other models need a server such as Ollama".to_owned()
        }
        ServerKind::Found(_) | ServerKind::OwnRelay(_) if server.client.is_openai() => {
            format!("the server has the models that it was started with; {} shows them", list_command(server))
        }
        ServerKind::Found(_) | ServerKind::OwnRelay(_) => {
            format!(
                "towline pull{} {model} fetches it; {} shows the installed models",
                host_option(server),
                list_command(server)
            )
        }
    }
}

fn list_command(server: &Server) -> String {
    format!("towline list{}", host_option(server))
}

fn host_option(server: &Server) -> String {
    match &server.kind {
        ServerKind::Found(Source::Argument | Source::Server) => {
            format!(" --host {}", server.client.endpoint())
        }
        ServerKind::OwnRelay(Some(named)) => format!(" --host {named}"),
        ServerKind::Found(Source::Environment | Source::Configuration | Source::Local | Source::Relay)
        | ServerKind::Builtin(_)
        | ServerKind::OwnRelay(None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_fits_what_a_relay_refused() {
        let hint = |status| for_relay(&Error::from_status(status, b"{}", None));
        assert!(hint(401).is_some_and(|hint| hint.contains("TOWLINE_RELAY_TOKEN")));
        assert_eq!(hint(403), None, "the message says what is not allowed");
        assert!(hint(502).is_some_and(|hint| hint.contains("the model server")));
    }
}
