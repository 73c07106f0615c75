//! Where log lines go: standard error; what is asked for goes to standard output. Spans go to a
//! collector besides, if one is named.

use std::io::IsTerminal as _;

use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing_subscriber::filter::{Targets, dynamic_filter_fn};
use tracing_subscriber::layer::{Filter, Layer as _, SubscriberExt as _};
use tracing_subscriber::registry::Registry;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt};

use crate::cli::LogFormat;
use crate::traces::Traces;

/// Starts logging. Warnings of all, and what we do ourselves; `RUST_LOG` says otherwise. With `traces`
/// the spans of requests, runs and steps are recorded, whatever is logged.
pub fn start_log(format: LogFormat, traces: Option<&Traces>) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_unset| {
        EnvFilter::new("warn,hub=info,portal_api=info,engine=info,workflows=info,domain=info")
    });
    let colours = std::io::stderr().is_terminal();
    let Some(traces) = traces else {
        let builder = fmt()
            .with_env_filter(filter)
            .with_ansi(colours)
            .with_writer(std::io::stderr);
        // Fails where a test has a subscriber already; that one stays.
        drop(match format {
            LogFormat::Text => builder.with_target(false).try_init(),
            LogFormat::Json => builder.json().try_init(),
        });
        return;
    };
    let spans = tracing_opentelemetry::layer()
        .with_tracer(traces.tracer())
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_filter(recorded());
    let lines = fmt::layer().with_ansi(colours).with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Text => lines.with_target(false).boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    let subscriber = tracing_subscriber::registry()
        .with(spans)
        .with(lines.with_filter(filter));
    drop(subscriber.try_init());
}

/// What is recorded: requests, runs and steps. It says "sometimes" where it could say "always": what a
/// library leaves behind on a thread by asking whether something else is wanted would then count for
/// the next span there, which would be lost.
fn recorded() -> impl Filter<Registry> {
    let targets = Targets::new()
        .with_target(engine::trace::TARGET, LevelFilter::DEBUG)
        .with_target("portal_api", LevelFilter::INFO);
    let callsites = targets.clone();
    dynamic_filter_fn(move |about, _| targets.would_enable(about.target(), about.level()))
        .with_max_level_hint(LevelFilter::DEBUG)
        .with_callsite_filter(move |about| {
            if callsites.would_enable(about.target(), about.level()) {
                Interest::sometimes()
            } else {
                Interest::never()
            }
        })
}
