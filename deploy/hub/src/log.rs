//! Where log lines go: standard error; what is asked for goes to standard output.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::cli::LogFormat;

/// Starts logging. Warnings of all, and what we do ourselves; `RUST_LOG` says otherwise.
pub(crate) fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_unset| {
        EnvFilter::new("warn,hub=info,portal_api=info,engine=info,workflows=info,domain=info")
    });
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // Fails where a test has a subscriber already; that one stays.
    let started = match format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    drop(started);
}
