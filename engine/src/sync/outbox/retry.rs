//! When a refused write is tried again.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use connector_sdk::{ErrorKind, MOVED};

use super::{Outgoing, Refusal};

/// Attempts after which a write that never gets through is left to a person.
const MOST_ATTEMPTS: i32 = 12;
/// Attempts in which a record that moved meanwhile is looked at again without waiting.
const QUICK_LOOKS: i32 = 3;
/// The longest a write waits for its next attempt.
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);

/// When a refused write is tried again; never where only a person can help.
pub(super) fn retry_at(
    now: DateTime<Utc>,
    outgoing: &Outgoing,
    refusal: &Refusal,
) -> Option<DateTime<Utc>> {
    let can_help = match refusal.kind {
        ErrorKind::Transient | ErrorKind::RateLimited | ErrorKind::Conflict => true,
        ErrorKind::Auth
        | ErrorKind::Config
        | ErrorKind::Rejected
        | ErrorKind::Gone
        | ErrorKind::Unsupported => false,
    };
    if !can_help || outgoing.attempt >= MOST_ATTEMPTS {
        return None;
    }
    Some(now + wait(outgoing.attempt, refusal))
}

/// Whether the record had changed since it was looked at, so that nothing was written.
pub(super) fn is_moved(refusal: &Refusal) -> bool {
    refusal.kind == ErrorKind::Conflict && refusal.code.as_deref() == Some(MOVED)
}

/// How long a write waits for its next attempt: as the system asks, else doubling from 5 s. One whose
/// record moved looks again at once, a few times.
pub(super) fn wait(attempt: i32, refusal: &Refusal) -> TimeDelta {
    if is_moved(refusal) && refusal.retry_after_ms.is_none() && attempt <= QUICK_LOOKS {
        return TimeDelta::zero();
    }
    let doubled = Duration::from_secs(5).saturating_mul(1 << (attempt - 1).clamp(0, 10));
    let asked = refusal
        .retry_after_ms
        .map_or(doubled, Duration::from_millis);
    TimeDelta::from_std(asked.min(LONGEST_WAIT)).unwrap_or(TimeDelta::minutes(15))
}
