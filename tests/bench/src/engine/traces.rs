//! A log that can be turned on and off: who listens is a matter of the whole process.

use std::sync::OnceLock;

use anyhow::Result;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

type Filter = reload::Handle<EnvFilter, Registry>;

/// Lets through what the hub logs, or nothing; what is written goes nowhere.
pub(super) fn log(on: bool) -> Result<()> {
    static FILTER: OnceLock<Filter> = OnceLock::new();
    let filter = EnvFilter::new(if on { "warn,engine=info" } else { "off" });
    if let Some(known) = FILTER.get() {
        return Ok(known.reload(filter)?);
    }
    let (layer, handle) = reload::Layer::new(filter);
    tracing_subscriber::registry()
        .with(layer)
        .with(fmt::layer().with_writer(std::io::sink))
        .try_init()?;
    FILTER.set(handle).ok();
    Ok(())
}
