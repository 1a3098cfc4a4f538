//! The log of the relay, on standard error.

use tracing_subscriber::filter::LevelFilter;

use crate::args::{LogFormat, LogLevel};
use crate::output;

/// Starts the log.
pub fn start(level: LogLevel, format: LogFormat) {
    let level = match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_target(false)
        .with_ansi(output::stderr_is_terminal())
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => subscriber.init(),
        LogFormat::Json => subscriber.json().flatten_event(true).init(),
    }
}

/// Prints a message of the command, in the format of the log.
pub fn message(format: LogFormat, message: &str) {
    match format {
        LogFormat::Text => output::stderr_line(message),
        LogFormat::Json => {
            let now = jiff::Timestamp::now().to_string();
            output::stderr_line(
                &serde_json::json!({"timestamp": now, "level": "INFO", "message": message}).to_string(),
            );
        }
    }
}
