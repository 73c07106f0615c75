//! Spans of runs and steps, and how they hang together across processes.
//!
//! A run keeps the `traceparent` and `tracestate` of what started it: a request, another run's step. Each of its
//! activations is a span `run` with target [`TARGET`] and level debug, each attempt of a step a span
//! `step` in it; what a step starts and asks of other systems goes on from there. Nobody has to
//! listen: unless a subscriber wants that target the spans are not made, and what came from outside
//! is handed on as it came.
//!
//! The engine knows no exporter. Who records spans says once how its spans are named across systems
//! ([`install`]).

use std::sync::OnceLock;

pub use connector_sdk::trace::{TraceContext, TraceParent, current, within};
use tracing::Span;

use crate::ids::RunId;
use crate::store::activations::Claimed;

/// What the spans of runs and steps are filtered by.
pub const TARGET: &str = "engine::trace";

/// What a recorder of spans must be able to do.
#[derive(Clone, Copy, Debug)]
pub struct Recorder {
    /// Makes a span, before it is entered, a child of one in another process.
    pub adopt: fn(&Span, &TraceContext),
    /// What others must be told to be children of this span; `None` if it is not recorded.
    pub parent: fn(&Span) -> Option<TraceParent>,
}

static RECORDER: OnceLock<Recorder> = OnceLock::new();

/// Says who records this process's spans. The first one counts; returns whether this is it.
pub fn install(recorder: Recorder) -> bool {
    RECORDER.set(recorder).is_ok()
}

/// Puts a fresh span under what came from outside; returns where work in it stands.
pub fn join(span: &Span, came: Option<TraceContext>) -> Option<TraceContext> {
    let Some(recorder) = RECORDER.get().filter(|_| !span.is_disabled()) else {
        return came;
    };
    if let Some(came) = &came {
        (recorder.adopt)(span, came);
    }
    recorder.place(span, came)
}

impl Recorder {
    /// Where work in this span stands, which is in the trace of `around`.
    fn place(self, span: &Span, around: Option<TraceContext>) -> Option<TraceContext> {
        match (self.parent)(span) {
            Some(parent) => Some(TraceContext {
                parent,
                state: around.and_then(|around| around.state),
            }),
            None => around,
        }
    }
}

/// A span, and where work in it stands.
pub(crate) struct Traced {
    pub(crate) span: Span,
    pub(crate) place: Option<TraceContext>,
}

impl Traced {
    /// One activation of a run.
    pub(crate) fn run(claimed: &Claimed) -> Self {
        let id = claimed.lease.id;
        let span = tracing::debug_span!(
            target: TARGET,
            parent: None,
            "run",
            otel.name = format_args!("run {}", claimed.workflow),
            otel.kind = "consumer",
            otel.status_code = tracing::field::Empty,
            error.type = tracing::field::Empty,
            run.id = %id,
            run.epoch = claimed.lease.epoch,
            run.trigger = claimed.trigger,
            run.state = tracing::field::Empty,
            workflow = claimed.workflow,
            workflow.version = claimed.version,
            tenant.id = %claimed.lease.tenant,
        );
        let came = claimed.trace.clone();
        let came = if span.is_disabled() {
            came
        } else {
            came.or_else(|| own_trace(id).map(TraceContext::from))
        };
        let place = join(&span, came);
        Self { span, place }
    }

    /// One attempt of a step, in the span of the run.
    pub(crate) fn step(name: &str, key: &str, seq: i32, attempt: u32) -> Self {
        let span = tracing::debug_span!(
            target: TARGET,
            "step",
            otel.name = format_args!("step {name}"),
            otel.status_code = tracing::field::Empty,
            error.type = tracing::field::Empty,
            step.name = name,
            step.key = key,
            step.seq = seq,
            step.attempt = attempt,
        );
        let place = match RECORDER.get().filter(|_| !span.is_disabled()) {
            Some(recorder) => recorder.place(&span, current()),
            None => current(),
        };
        Self { span, place }
    }

    /// Notes that it failed, and of which class.
    pub(crate) fn failed(&self, class: &str) {
        self.span.record("otel.status_code", "ERROR");
        self.span.record("error.type", class);
    }
}

/// A run that nothing traced started is a trace of its own, with the digits of its id: all its
/// activations are in it, in whatever process.
fn own_trace(id: RunId) -> Option<TraceParent> {
    let (_, random) = id.0.as_u64_pair();
    Some(TraceParent {
        trace: id.0.as_u128(),
        span: random,
        flags: 1,
    })
    .filter(|parent| parent.trace != 0 && parent.span != 0)
}
