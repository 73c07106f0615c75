//! When a schedule fires: pure functions of cron expression, zone and time.
//!
//! Five fields (minute, hour, day of month, month, day of week), in the wall clock of a zone of the
//! IANA database. A time that a clock change skips fires at the first moment after the gap; a fixed
//! time that the change repeats fires once; `*` and steps go through the repeated hour in order.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use croner::errors::CronError as Croner;
use croner::parser::{CronParser, Seconds, Year};

/// A schedule that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    #[error("cron expression {cron:?} is not valid: {reason}")]
    Expression { cron: String, reason: String },
    #[error("time zone {0:?} is not in the IANA database")]
    Zone(String),
}

/// The first time after `after` that the expression names; `None` when there is none for years
/// (`0 0 30 2 *`).
///
/// # Errors
/// [`CronError`].
pub fn next(
    cron: &str,
    zone: &str,
    after: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, CronError> {
    Ok(times(cron, zone, after, 1)?.pop())
}

/// The next five times, for a person to check the expression by.
///
/// # Errors
/// [`CronError`].
pub fn next_five(
    cron: &str,
    zone: &str,
    after: DateTime<Utc>,
) -> Result<Vec<DateTime<Utc>>, CronError> {
    times(cron, zone, after, 5)
}

fn times(
    cron: &str,
    zone: &str,
    after: DateTime<Utc>,
    count: usize,
) -> Result<Vec<DateTime<Utc>>, CronError> {
    let refuse = |reason: Croner| CronError::Expression {
        cron: cron.chars().take(100).collect(),
        reason: reason.to_string(),
    };
    let parsed = CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .build()
        .parse(cron)
        .map_err(refuse)?;
    let zone = Tz::from_str(zone).map_err(|_unknown| CronError::Zone(zone.to_owned()))?;
    let mut from = after.with_timezone(&zone);
    let mut found = Vec::with_capacity(count);
    while found.len() < count {
        match parsed.find_next_occurrence(&from, false) {
            Ok(next) => {
                found.push(next.with_timezone(&Utc));
                from = next;
            }
            Err(Croner::TimeSearchLimitExceeded) => break,
            Err(error) => return Err(refuse(error)),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_time_is_that_of_the_zones_wall_clock() {
        let times = next_five("30 9 * * 1-5", "Europe/Berlin", at("2026-11-19T12:00:00Z")).unwrap();
        let wanted =
            ["20", "23", "24", "25", "26"].map(|day| at(&format!("2026-11-{day}T08:30:00Z")));
        assert_eq!(times, wanted);
    }

    #[test]
    fn a_time_in_the_spring_gap_fires_after_the_gap() {
        // New York, 8 March 2026: 02:00 becomes 03:00.
        let fired = next("30 2 * * *", "America/New_York", at("2026-03-08T05:00:00Z")).unwrap();
        assert_eq!(fired, Some(at("2026-03-08T07:00:00Z")));
    }

    #[test]
    fn a_time_in_the_autumn_repeat_fires_once() {
        // New York, 1 November 2026: 02:00 becomes 01:00.
        let first = next("30 1 * * *", "America/New_York", at("2026-11-01T04:00:00Z")).unwrap();
        assert_eq!(first, Some(at("2026-11-01T05:30:00Z")));
        let second = next("30 1 * * *", "America/New_York", first.unwrap()).unwrap();
        assert_eq!(second, Some(at("2026-11-02T06:30:00Z")));
    }

    #[test]
    fn half_hours_go_through_the_repeated_hour_in_order() {
        let times = next_five(
            "*/30 * * * *",
            "America/New_York",
            at("2026-11-01T04:59:00Z"),
        )
        .unwrap();
        assert!(
            times
                .windows(2)
                .all(|pair| (pair[1] - pair[0]).num_minutes() == 30),
            "{times:?}"
        );
    }

    #[test]
    fn nonsense_is_refused_with_a_reason() {
        let now = at("2026-11-20T00:00:00Z");
        for cron in [
            "",
            "* * * *",
            "61 * * * *",
            "* * * * * *",
            "0 0 * * mo",
            "hello",
        ] {
            assert!(
                matches!(next(cron, "UTC", now), Err(CronError::Expression { .. })),
                "{cron}"
            );
        }
        assert_eq!(
            next("* * * * *", "Mars/Olympus", now),
            Err(CronError::Zone("Mars/Olympus".into()))
        );
    }

    #[test]
    fn a_day_that_never_comes_has_no_next_time() {
        assert_eq!(
            next("0 0 30 2 *", "UTC", at("2026-11-20T00:00:00Z")),
            Ok(None)
        );
    }
}
