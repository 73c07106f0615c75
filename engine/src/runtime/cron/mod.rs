//! When a schedule fires: pure functions of cron expression, zone and time.
//!
//! Five fields (minute, hour, day of month, month, day of week), in the wall clock of a zone of the
//! IANA database. croner reads the expression and names wall clock times; which moments those are
//! where the clock changes is decided here, because croner has one answer for expressions with one
//! minute and one hour (after the gap, once) and another for all others (not at all, twice):
//!
//! - an expression that names hours (`30 2 * * *`, `*/15 1-3 * * *`) follows [`Gap`] and [`Repeat`];
//! - one for every hour (`*/30 * * * *`) has no time in a gap and goes through a repeated hour
//!   twice, in order: its times are a distance, not a time of day.

#[cfg(test)]
mod tests;

use std::str::FromStr;

use chrono::offset::LocalResult;
use chrono::{DateTime, NaiveDateTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::errors::CronError as Croner;
use croner::parser::{CronParser, Seconds, Year};
use serde::{Deserialize, Serialize};

use crate::ids::ScheduleId;

/// The longest jitter, in seconds.
pub const MOST_JITTER: u32 = 3600;
/// No clock was set back by more in one go for a century, and no gap but that of a date line is
/// longer.
const LONGEST_FOLD: TimeDelta = TimeDelta::hours(4);
const LONGEST_GAP_MINUTES: i64 = 26 * 60;

/// A schedule that cannot be; the messages are for the person who wrote it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    #[error("cron expression {cron:?} is not valid: {reason}")]
    Expression { cron: String, reason: String },
    #[error("time zone {name:?} is not in the IANA database{hint}")]
    Zone { name: String, hint: String },
    /// `0 0 30 2 *`
    #[error("cron expression {0:?} names no day that ever comes: it would never fire")]
    Never(String),
    #[error("no time of cron expression {0:?} is left between start and end: it would never fire")]
    NothingLeft(String),
    #[error("the end lies before the start")]
    EndBeforeStart,
    #[error("jitter is at most {MOST_JITTER} seconds, not {0}")]
    Jitter(u32),
}

/// What becomes of a time of day that a clock change skips.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gap {
    /// It fires at the first moment after the gap; several fire together there, once.
    #[default]
    RunAfter,
    Skip,
}

/// What becomes of a time of day that a clock change repeats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repeat {
    /// It fires the first time.
    #[default]
    Once,
    Twice,
}

/// When something is to happen, as a person says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Five fields.
    pub cron: String,
    /// IANA name.
    pub time_zone: String,
    pub gap: Gap,
    pub repeat: Repeat,
    /// No time before this.
    pub starts_at: Option<DateTime<Utc>>,
    /// No time after this.
    pub ends_at: Option<DateTime<Utc>>,
    /// Each firing is later than its nominal time by up to this, and never later than the next one.
    pub jitter_seconds: u32,
}

impl Timing {
    /// These times of a zone, all of them, without jitter.
    pub fn new(cron: impl Into<String>, time_zone: impl Into<String>) -> Self {
        Self {
            cron: cron.into(),
            time_zone: time_zone.into(),
            gap: Gap::default(),
            repeat: Repeat::default(),
            starts_at: None,
            ends_at: None,
            jitter_seconds: 0,
        }
    }
}

/// One time of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Firing {
    /// What the expression says; names the firing.
    pub nominal: DateTime<Utc>,
    /// When it fires: `nominal` and its jitter.
    pub at: DateTime<Utc>,
}

/// A [`Timing`] that was found to be valid.
#[derive(Clone, Debug)]
pub struct Times {
    timing: Timing,
    cron: Cron,
    zone: Tz,
    every_hour: bool,
}

impl Times {
    /// # Errors
    /// [`CronError`], but not that there is no such time: see [`Times::first`].
    pub fn new(timing: &Timing) -> Result<Self, CronError> {
        let cron = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build()
            .parse(&timing.cron)
            .map_err(|error| CronError::Expression {
                cron: shortened(&timing.cron),
                reason: reason(&timing.cron, &error),
            })?;
        let zone = Tz::from_str(&timing.time_zone).map_err(|_unknown| CronError::Zone {
            name: shortened(&timing.time_zone),
            hint: zone_hint(&timing.time_zone),
        })?;
        if timing.jitter_seconds > MOST_JITTER {
            return Err(CronError::Jitter(timing.jitter_seconds));
        }
        if let (Some(start), Some(end)) = (timing.starts_at, timing.ends_at)
            && end < start
        {
            return Err(CronError::EndBeforeStart);
        }
        let every_hour = (0..24).all(|hour| cron.pattern.hour_match(hour).unwrap_or(false));
        Ok(Self {
            timing: timing.clone(),
            cron,
            zone,
            every_hour,
        })
    }

    /// The first firing with a nominal time after `after`, of a schedule that is to have one.
    ///
    /// # Errors
    /// [`CronError::Never`], [`CronError::NothingLeft`].
    pub fn first(&self, id: ScheduleId, after: DateTime<Utc>) -> Result<Firing, CronError> {
        let cron = || shortened(&self.timing.cron);
        self.firing(id, after)
            .ok_or_else(|| match self.unbounded(after) {
                None => CronError::Never(cron()),
                Some(_) => CronError::NothingLeft(cron()),
            })
    }

    /// The first firing with a nominal time after `after`; `None` when there is none any more. The
    /// jitter depends on nothing but the schedule and the nominal time: every process finds the same.
    pub fn firing(&self, id: ScheduleId, after: DateTime<Utc>) -> Option<Firing> {
        self.nominal(after)
            .map(|nominal| self.with_jitter(id, nominal))
    }

    /// Firings after `after`, up to `count`.
    pub fn firings(&self, id: ScheduleId, after: DateTime<Utc>, count: usize) -> Vec<Firing> {
        let next = |nominal: DateTime<Utc>| self.nominal(nominal);
        std::iter::successors(self.nominal(after), |nominal| next(*nominal))
            .take(count)
            .map(|nominal| self.with_jitter(id, nominal))
            .collect()
    }

    /// The newest firings, up to `count`, oldest first, whose nominal time is not before `from` and
    /// that are due at `now`. Looks back no farther than it must: a schedule may have been asleep
    /// for years.
    pub fn newest_due(
        &self,
        id: ScheduleId,
        from: DateTime<Utc>,
        now: DateTime<Utc>,
        count: usize,
    ) -> Vec<Firing> {
        let just_before = from - TimeDelta::microseconds(1);
        let mut back = TimeDelta::minutes(2);
        loop {
            let after = just_before.max(now - back);
            let mut due = Vec::new();
            let mut next = self.nominal(after);
            while let Some(nominal) = next.filter(|nominal| *nominal <= now) {
                due.push(self.with_jitter(id, nominal));
                next = self.nominal(nominal);
            }
            due.retain(|firing| firing.at <= now);
            if due.len() >= count || after == just_before {
                return due.split_off(due.len().saturating_sub(count));
            }
            back = back * 4;
        }
    }

    fn with_jitter(&self, id: ScheduleId, nominal: DateTime<Utc>) -> Firing {
        let jitter = self.timing.jitter_seconds;
        if jitter == 0 {
            return Firing {
                nominal,
                at: nominal,
            };
        }
        let most = TimeDelta::seconds(jitter.into());
        // Up to the next nominal time, so that firings keep their order.
        let most = self
            .nominal(nominal)
            .map_or(most, |next| most.min(next - nominal));
        let span = most.num_milliseconds().max(1).unsigned_abs();
        let late = chance(id, nominal) % span;
        Firing {
            nominal,
            at: nominal + TimeDelta::milliseconds(late.cast_signed()),
        }
    }

    /// The first nominal time after `after`, within the bounds.
    fn nominal(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let start = self.timing.starts_at;
        let after = start.map_or(after, |start| after.max(start - TimeDelta::microseconds(1)));
        let found = self.unbounded(after)?;
        self.timing
            .ends_at
            .is_none_or(|end| found <= end)
            .then_some(found)
    }

    /// Wall clock times in their order, until one comes whose first moment is after `after`: what
    /// comes behind it is later still. Those just before count where the clock goes back.
    fn unbounded(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let local = after.with_timezone(&self.zone);
        let wall = local.naive_local();
        let before = (after - LONGEST_FOLD).with_timezone(&self.zone);
        let in_fold = matches!(
            self.zone.from_local_datetime(&wall),
            LocalResult::Ambiguous(..)
        );
        let was_changed = before.naive_local() != wall - LONGEST_FOLD;
        let mut at = if in_fold || was_changed {
            (wall - LONGEST_FOLD).and_utc()
        } else {
            wall.and_utc()
        };
        let mut found: Option<DateTime<Utc>> = None;
        loop {
            // The only error of a valid expression is that it names no time up to the year 5000.
            let Ok(next) = self.cron.find_next_occurrence(&at, false) else {
                return found;
            };
            at = next;
            let moments = self.moments(next.naive_utc());
            for moment in moments.into_iter().flatten() {
                if moment > after && found.is_none_or(|found| moment < found) {
                    found = Some(moment);
                }
            }
            if moments[0].is_some_and(|first| first > after) {
                return found;
            }
        }
    }

    /// The moments at which a wall clock time is to fire, in their order.
    fn moments(&self, wall: NaiveDateTime) -> [Option<DateTime<Utc>>; 2] {
        let utc = |local: DateTime<Tz>| Some(local.with_timezone(&Utc));
        match self.zone.from_local_datetime(&wall) {
            LocalResult::Single(one) => [utc(one), None],
            LocalResult::Ambiguous(first, second) => {
                if self.every_hour || self.timing.repeat == Repeat::Twice {
                    [utc(first), utc(second)]
                } else {
                    [utc(first), None]
                }
            }
            LocalResult::None if self.every_hour || self.timing.gap == Gap::Skip => [None, None],
            LocalResult::None => {
                let after_gap = (1..LONGEST_GAP_MINUTES).find_map(|minutes| {
                    let wall = wall + TimeDelta::minutes(minutes);
                    self.zone.from_local_datetime(&wall).earliest()
                });
                [after_gap.and_then(utc), None]
            }
        }
    }
}

/// A number that looks like chance and is the same for the same schedule and time (splitmix64).
fn chance(id: ScheduleId, nominal: DateTime<Utc>) -> u64 {
    let (high, low) = id.0.as_u64_pair();
    let mut state = high ^ low.rotate_left(32) ^ nominal.timestamp().cast_unsigned();
    state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

fn shortened(text: &str) -> String {
    text.chars().take(100).collect()
}

/// What is wrong with an expression, in one sentence without croner's name.
fn reason(cron: &str, error: &Croner) -> String {
    let fields = cron.split_whitespace().count();
    if fields != 5 && !cron.trim_start().starts_with('@') {
        return format!(
            "it has {fields} fields, not the five minute, hour, day of month, month, day of week"
        );
    }
    let text = match error {
        Croner::InvalidPattern(text)
        | Croner::IllegalCharacters(text)
        | Croner::ComponentError(text) => text.clone(),
        other => other.to_string(),
    };
    let mut letters = text.trim_end_matches('.').chars();
    letters
        .next()
        .map(|first| first.to_lowercase().chain(letters).collect())
        .unwrap_or_default()
}

/// A zone that somebody may have meant: of the same city or written otherwise.
fn zone_hint(name: &str) -> String {
    let meant = name.trim().replace(' ', "_").to_lowercase();
    let found = chrono_tz::TZ_VARIANTS.iter().find(|zone| {
        let known = zone.name().to_lowercase();
        known == meant || known.rsplit('/').next() == Some(meant.as_str())
    });
    match found {
        Some(zone) => format!("; {:?} is", zone.name()),
        None => "; its names look like \"Europe/Berlin\"".into(),
    }
}
