//! Slows down guessing of passwords: failures are counted per address of the caller, and more
//! narrowly per caller and account, so that nobody can lock out somebody else. In memory: each
//! process counts for itself.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failures are forgotten after this.
const WINDOW: Duration = Duration::from_secs(300);
const FAILURES_PER_ACCOUNT: u32 = 8;
const FAILURES_PER_CALLER: u32 = 60;
/// Old entries are dropped when there are this many.
const ENTRIES: usize = 10_000;

#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    Caller(Option<IpAddr>),
    Account(Option<IpAddr>, String),
}

struct Count {
    failures: u32,
    since: Instant,
}

/// Failures of sign-in.
#[derive(Default)]
pub(crate) struct Throttle(Mutex<HashMap<Key, Count>>);

impl Throttle {
    /// How long this caller must wait before trying this account, if at all.
    pub(crate) fn wait(&self, caller: Option<IpAddr>, email: &str) -> Option<Duration> {
        self.wait_at(caller, email, Instant::now())
    }

    pub(crate) fn failed(&self, caller: Option<IpAddr>, email: &str) {
        self.failed_at(caller, email, Instant::now());
    }

    pub(crate) fn succeeded(&self, caller: Option<IpAddr>, email: &str) {
        let [account, _caller] = keys(caller, email);
        self.lock().remove(&account.0);
    }

    pub(crate) fn forget(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Count>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_at(&self, caller: Option<IpAddr>, email: &str, now: Instant) -> Option<Duration> {
        let counts = self.lock();
        keys(caller, email)
            .iter()
            .filter_map(|(key, allowed)| {
                let count = counts.get(key)?;
                let left = WINDOW.checked_sub(now - count.since)?;
                (count.failures >= *allowed).then_some(left)
            })
            .max()
    }

    fn failed_at(&self, caller: Option<IpAddr>, email: &str, now: Instant) {
        let mut counts = self.lock();
        if counts.len() >= ENTRIES {
            counts.retain(|_, count| now - count.since < WINDOW);
        }
        for (key, _allowed) in keys(caller, email) {
            let count = counts.entry(key).or_insert(Count {
                failures: 0,
                since: now,
            });
            if now - count.since >= WINDOW {
                *count = Count {
                    failures: 0,
                    since: now,
                };
            }
            count.failures += 1;
        }
    }
}

fn keys(caller: Option<IpAddr>, email: &str) -> [(Key, u32); 2] {
    let email = email.trim().to_lowercase().chars().take(254).collect();
    [
        (Key::Account(caller, email), FAILURES_PER_ACCOUNT),
        (Key::Caller(caller), FAILURES_PER_CALLER),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessing_one_account_is_stopped_for_the_guesser_only_and_not_for_ever() {
        let throttle = Throttle::default();
        let start = Instant::now();
        let (guesser, owner) = (Some([10, 0, 0, 1].into()), Some([10, 0, 0, 2].into()));
        for _ in 0..FAILURES_PER_ACCOUNT {
            assert_eq!(throttle.wait_at(guesser, "a@b", start), None);
            throttle.failed_at(guesser, "A@b ", start);
        }
        assert!(throttle.wait_at(guesser, "a@b", start).is_some());
        assert_eq!(throttle.wait_at(guesser, "c@d", start), None);
        assert_eq!(throttle.wait_at(owner, "a@b", start), None);
        assert_eq!(
            throttle.wait_at(guesser, "a@b", start + WINDOW + WINDOW),
            None
        );
    }

    #[test]
    fn guessing_many_accounts_is_stopped_too() {
        let throttle = Throttle::default();
        let start = Instant::now();
        for account in 0..FAILURES_PER_CALLER {
            throttle.failed_at(None, &account.to_string(), start);
        }
        assert!(throttle.wait_at(None, "another", start).is_some());
    }

    #[test]
    fn signing_in_forgets_the_failures() {
        let throttle = Throttle::default();
        for _ in 0..FAILURES_PER_ACCOUNT {
            throttle.failed(None, "a@b");
        }
        throttle.succeeded(None, "a@b");
        assert_eq!(throttle.wait(None, "a@b"), None);
    }
}
