//! The simulator's own clock: real time by default, pinned or shifted by a test.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// How the clock runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    /// Real time plus this many milliseconds.
    Shifted(i64),
    /// Stands still at this many milliseconds since 1970.
    Pinned(i64),
}

/// Time as the simulated organisation sees it. Clones share one clock.
#[derive(Debug, Clone)]
pub struct SimClock(Arc<Mutex<Mode>>);

impl Default for SimClock {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Mode::Shifted(0))))
    }
}

impl SimClock {
    /// Milliseconds since 1970, UTC.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is a clock itself: the simulated organisation's"
    )]
    pub fn now_ms(&self) -> i64 {
        match *self.mode() {
            Mode::Shifted(by) => Utc::now().timestamp_millis().saturating_add(by),
            Mode::Pinned(at) => at,
        }
    }

    /// The same instant as [`SimClock::now_ms`].
    pub fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.now_ms()).unwrap_or_default()
    }

    /// Stops the clock at `at`: everything written from now on carries one stamp.
    pub fn pin(&self, at: DateTime<Utc>) {
        *self.mode() = Mode::Pinned(at.timestamp_millis());
    }

    /// Moves the clock forward (or back, if negative); a pinned clock stays pinned.
    pub fn advance(&self, by: chrono::Duration) {
        let by = by.num_milliseconds();
        let mut mode = self.mode();
        *mode = match *mode {
            Mode::Shifted(shift) => Mode::Shifted(shift.saturating_add(by)),
            Mode::Pinned(at) => Mode::Pinned(at.saturating_add(by)),
        };
    }

    /// Back to real time.
    pub fn release(&self) {
        *self.mode() = Mode::Shifted(0);
    }

    /// A clock that runs this way.
    pub(crate) fn running(mode: Mode) -> Self {
        Self(Arc::new(Mutex::new(mode)))
    }

    /// How it runs at the moment.
    pub(crate) fn runs(&self) -> Mode {
        *self.mode()
    }

    fn mode(&self) -> MutexGuard<'_, Mode> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `2026-05-01T22:51:36.000+0000`, the form of REST answers: an offset without colon.
pub(crate) fn rest_datetime(ms: i64) -> String {
    let mut out = String::with_capacity(28);
    push_datetime(&mut out, ms, "+0000");
    out
}

/// Writes a date-time with the given zone suffix: `+0000` in REST, `Z` in Bulk CSV.
pub(crate) fn push_datetime(out: &mut String, ms: i64, zone: &str) {
    push_date(out, ms.div_euclid(86_400_000));
    let ms = ms.rem_euclid(86_400_000);
    out.push('T');
    push_time(out, ms);
    out.push_str(zone);
}

/// Writes `10:30:00.000` for milliseconds since midnight.
pub(crate) fn push_time(out: &mut String, ms: i64) {
    push_digits(out, ms / 3_600_000, 2);
    out.push(':');
    push_digits(out, ms / 60_000 % 60, 2);
    out.push(':');
    push_digits(out, ms / 1000 % 60, 2);
    out.push('.');
    push_digits(out, ms % 1000, 3);
}

/// Writes `2026-05-01` for days since 1970. By hand, because a Bulk page formats a million of them.
pub(crate) fn push_date(out: &mut String, days: i64) {
    // The civil calendar from days, after Howard Hinnant's published algorithm.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    push_digits(out, year, 4);
    out.push('-');
    push_digits(out, month, 2);
    out.push('-');
    push_digits(out, day, 2);
}

fn push_digits(out: &mut String, number: i64, width: u32) {
    let number = number.unsigned_abs();
    for place in (0..width).rev() {
        let digit = number / 10_u64.pow(place) % 10;
        out.push(char::from(b'0' + u8::try_from(digit).unwrap_or(0)));
    }
}

/// `Sat, 02 May 2026 10:11:12 GMT`, the form of HTTP headers.
pub(crate) fn http_date(ms: i64) -> String {
    DateTime::<Utc>::from_timestamp_millis(ms)
        .unwrap_or_default()
        .format("%a, %d %b %Y %H:%M:%S GMT")
        .to_string()
}

/// Reads an HTTP header date into milliseconds.
pub(crate) fn parse_http_date(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc2822(text)
        .ok()
        .map(|at| at.timestamp_millis())
}

/// Reads the date-times the API accepts: `Z`, `+00:00`, `+0000`, with or without fraction.
pub(crate) fn parse_datetime(text: &str) -> Option<i64> {
    ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f%z"]
        .iter()
        .find_map(|format| DateTime::parse_from_str(text, format).ok())
        .map(|at| at.timestamp_millis())
        .or_else(|| {
            DateTime::parse_from_rfc3339(text)
                .ok()
                .map(|at| at.timestamp_millis())
        })
}

/// Reads `2026-05-01` into days since 1970.
pub(crate) fn parse_date(text: &str) -> Option<i32> {
    let date = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    i32::try_from((date - chrono::NaiveDate::default()).num_days()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_written_by_hand_agree_with_chrono() {
        for days in (-800_000..900_000).step_by(733) {
            let mut out = String::new();
            push_date(&mut out, days);
            let expected = chrono::NaiveDate::default() + chrono::Duration::days(days);
            if (0..=9999).contains(&chrono::Datelike::year(&expected)) {
                assert_eq!(out, expected.format("%Y-%m-%d").to_string());
            }
        }
    }

    #[test]
    fn every_spelling_of_an_instant_is_read() {
        for text in [
            "2026-05-01T22:51:36Z",
            "2026-05-01T22:51:36.000Z",
            "2026-05-01T22:51:36.000+0000",
            "2026-05-01T22:51:36+00:00",
            "2026-05-02T00:51:36.000+0200",
        ] {
            let ms = parse_datetime(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(rest_datetime(ms), "2026-05-01T22:51:36.000+0000", "{text}");
        }
        assert_eq!(parse_datetime("yesterday"), None);
    }
}
