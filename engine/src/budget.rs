//! Rate budgets: what another system lets an account do, shared by all processes.
//!
//! A budget ([`set`]) is a bucket of tokens in the database. A step asks for what a call costs before
//! it makes it ([`StepCx::budget`](crate::StepCx::budget)). Each process takes tokens in advance, so
//! that the database is not asked for each call; over all processes no more is ever used in a window
//! of time than the capacity and what comes back in that window.
//!
//! Lanes leave a part of the bucket to those before them: a backfill that uses all it may does not
//! stop what a person waits for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

pub use crate::store::budgets::{
    BudgetRow, BudgetSpec, BudgetTouched, get, list, lock, note_left, plan, remove, report, set,
};

use crate::ids::TenantId;
use crate::runtime::{Class, Failure, StepError};
use crate::store::budgets::{Taken, take};
use crate::store::{Store, StoreError};

/// A step waits at most so long with its worker; then it gives it back.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// After so long the database is asked again whether there is a budget.
const UNLIMITED_FOR: Duration = Duration::from_secs(1);
/// Most that is taken in advance.
const MOST_AHEAD: f64 = 256.0;

/// On whose behalf a call is made; earlier ones are served out of what later ones must leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// A person waits.
    Interactive,
    Webhook,
    Incremental,
    Backfill,
    Reconcile,
}

impl Lane {
    /// From the first that is served to the last.
    pub const ALL: [Self; 5] = [
        Self::Interactive,
        Self::Webhook,
        Self::Incremental,
        Self::Backfill,
        Self::Reconcile,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Webhook => "webhook",
            Self::Incremental => "incremental",
            Self::Backfill => "backfill",
            Self::Reconcile => "reconcile",
        }
    }
}

/// What this process has taken in advance.
#[derive(Default)]
pub(crate) struct Budgets(Mutex<HashMap<Account, Arc<tokio::sync::Mutex<Held>>>>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Account {
    tenant: TenantId,
    name: String,
    lane: Lane,
}

struct Held {
    tokens: f64,
    until: Instant,
    /// No budget was there, so far.
    unlimited: bool,
    /// What to take next: twice as much when the last was used up in time.
    ahead: f64,
}

/// Why there are no tokens.
#[derive(Debug)]
pub(crate) enum Refused {
    /// For so long, as far as can be told.
    For(Duration),
    Never,
    Store(StoreError),
}

impl Refused {
    /// For a step; `spread`, from 0 to 1, keeps those that wait from coming back together.
    pub(crate) fn into_step_error(self, name: &str, lane: Lane, spread: f64) -> StepError {
        let lane = lane.as_str();
        match self {
            Self::For(wait) => {
                let wait = wait
                    .clamp(Duration::from_secs(1), Duration::from_secs(86_400))
                    .mul_f64(1.0 + spread / 2.0);
                let message = format!("budget {name} is used up for {lane} calls");
                let failure = Failure::new(Class::RateLimited, message).with_code("budget");
                StepError::Later(wait, failure)
            }
            Self::Never => {
                let message = format!("budget {name} never allows {lane} calls of this cost");
                StepError::Permanent(Failure::new(Class::Config, message).with_code("budget"))
            }
            Self::Store(error) => error.into(),
        }
    }
}

impl Budgets {
    /// Takes `cost` tokens, waiting a little if need be.
    pub(crate) async fn spend(
        &self,
        store: &Store,
        tenant: TenantId,
        name: &str,
        lane: Lane,
        cost: f64,
    ) -> Result<(), Refused> {
        let until = Instant::now() + LONGEST_WAIT;
        let held = self.held(tenant, name, lane);
        // Who comes later waits here: first come, first served.
        let mut held = tokio::time::timeout_at(until, held.lock())
            .await
            .map_err(|_elapsed| Refused::For(LONGEST_WAIT))?;
        if held.spend(cost) {
            return Ok(());
        }
        while let Some(wait) = held.take(store, tenant, name, lane, cost).await? {
            if Instant::now() + wait > until {
                return Err(Refused::For(wait));
            }
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }

    /// Takes `cost` tokens if they are there now; whether they were.
    pub(crate) async fn spend_now(
        &self,
        store: &Store,
        tenant: TenantId,
        name: &str,
        lane: Lane,
        cost: f64,
    ) -> Result<bool, StoreError> {
        let held = self.held(tenant, name, lane);
        // Whoever waits for tokens comes first.
        let Ok(mut held) = held.try_lock() else {
            return Ok(false);
        };
        if held.spend(cost) {
            return Ok(true);
        }
        match held.take(store, tenant, name, lane, cost).await {
            Ok(wait) => Ok(wait.is_none()),
            Err(Refused::Store(error)) => Err(error),
            Err(Refused::Never | Refused::For(_)) => Ok(false),
        }
    }

    fn held(&self, tenant: TenantId, name: &str, lane: Lane) -> Arc<tokio::sync::Mutex<Held>> {
        let account = Account {
            tenant,
            name: name.to_owned(),
            lane,
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= 10_000 {
            let now = Instant::now();
            all.retain(|_, held| {
                Arc::strong_count(held) > 1 || held.try_lock().is_ok_and(|held| held.until > now)
            });
        }
        let fresh = || {
            Arc::new(tokio::sync::Mutex::new(Held {
                tokens: 0.0,
                until: Instant::now(),
                unlimited: false,
                ahead: 0.0,
            }))
        };
        Arc::clone(all.entry(account).or_insert_with(fresh))
    }
}

impl Held {
    fn spend(&mut self, cost: f64) -> bool {
        if Instant::now() >= self.until {
            self.tokens = 0.0;
            return false;
        }
        if self.unlimited {
            return true;
        }
        let enough = self.tokens >= cost;
        if enough {
            self.tokens -= cost;
        }
        enough
    }

    /// Spends `cost` out of the database, and takes more for calls like it; returns how long to wait
    /// when there is not enough.
    async fn take(
        &mut self,
        store: &Store,
        tenant: TenantId,
        name: &str,
        lane: Lane,
        cost: f64,
    ) -> Result<Option<Duration>, Refused> {
        // The time counts from before the server's: what it gives is not used too late.
        let asked = Instant::now();
        self.ahead = if asked < self.until {
            (self.ahead * 2.0).clamp(cost, MOST_AHEAD.max(cost))
        } else {
            cost
        };
        let taken = async {
            // What a crash of the server forgets is a moment's worth; it takes longer to come back.
            let mut tx = store.begin_system_relaxed().await?;
            let taken = take(&mut tx, tenant, name, lane as usize, cost, self.ahead).await?;
            tx.commit().await?;
            Ok(taken)
        };
        match taken.await.map_err(Refused::Store)? {
            Taken::Unlimited => {
                self.unlimited = true;
                self.until = asked + UNLIMITED_FOR;
                Ok(None)
            }
            Taken::Tokens(tokens, hold) => {
                // What is left of the last is from before: it is not used any more.
                self.unlimited = false;
                self.tokens = tokens - cost;
                self.until = asked + hold;
                Ok(None)
            }
            Taken::Wait(wait) => {
                self.unlimited = false;
                Ok(Some(wait))
            }
            Taken::Never => Err(Refused::Never),
        }
    }
}
