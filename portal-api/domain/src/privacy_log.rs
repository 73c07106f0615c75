//! What was done about people's data, as whoever oversees it asks for it: a table by month.

use chrono::{DateTime, Months, NaiveDate, NaiveTime, SecondsFormat, Utc};
use engine::ids::UserId;
use engine::{StoreError, Tx};

use crate::show::cell;

/// One thing that was done.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    /// ask, approve, refuse, withdraw, carry_out, fail or hand_out
    pub action: &'static str,
    /// `None`: the hub.
    pub actor: Option<UserId>,
    /// The request, by its id.
    pub request: String,
    /// erase, anonymise or export
    pub kind: &'a str,
    /// contact or user
    pub scope: &'a str,
    /// The request's state afterwards.
    pub state: &'a str,
    pub destroyed: Option<i64>,
    /// The class of a failure.
    pub failure: Option<&'a str>,
}

/// Notes it; it cannot be changed afterwards.
///
/// # Errors
/// [`StoreError`].
pub async fn note(tx: &mut Tx, event: &Event<'_>) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "insert into privacy_log
             (id, at, action, actor_id, request, kind, scope, state, destroyed, failure)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        engine::ids::fresh(),
        now,
        event.action,
        event.actor.map(|actor| actor.0),
        event.request,
        event.kind,
        event.scope,
        event.state,
        event.destroyed,
        event.failure,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A month, by UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Month(NaiveDate);

/// A text that is no month.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no month: write it as 2026-11")]
pub struct BadMonth(String);

impl std::str::FromStr for Month {
    type Err = BadMonth;

    fn from_str(text: &str) -> Result<Self, BadMonth> {
        let bad = || BadMonth(text.chars().take(20).collect());
        let is_plain = text.len() == 7
            && text.bytes().enumerate().all(|(at, byte)| {
                if at == 4 {
                    byte == b'-'
                } else {
                    byte.is_ascii_digit()
                }
            });
        if !is_plain {
            return Err(bad());
        }
        let first = NaiveDate::parse_from_str(&format!("{text}-01"), "%Y-%m-%d");
        first.map(Self).map_err(|_no_date| bad())
    }
}

impl Month {
    /// Its first moment, and that of the next one.
    fn bounds(self) -> (DateTime<Utc>, DateTime<Utc>) {
        let next = self.0.checked_add_months(Months::new(1)).unwrap_or(self.0);
        let [from, until] = [self.0, next].map(|day| day.and_time(NaiveTime::MIN).and_utc());
        (from, until)
    }
}

impl std::fmt::Display for Month {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0.format("%Y-%m"))
    }
}

const HEADER: &str = "at,action,actor_id,actor,request,kind,scope,state,destroyed,failure\r\n";

/// All that was done in a month, oldest first, as CSV. Who did it is told by the name they have now: of
/// somebody who was erased there is none.
///
/// # Errors
/// [`StoreError`].
pub async fn report(tx: &mut Tx, month: Month) -> Result<String, StoreError> {
    let (from, until) = month.bounds();
    let rows = sqlx::query!(
        r#"
        select l.at, l.action, l.actor_id as "actor_id: UserId", u.name as "actor?", l.request,
               l.kind, l.scope, l.state, l.destroyed, l.failure
        from privacy_log l
        left join users u on u.tenant_id = l.tenant_id and u.id = l.actor_id
        where l.at >= $1 and l.at < $2
        order by l.id
        "#,
        from,
        until,
    )
    .fetch_all(tx.conn())
    .await?;
    let mut text = HEADER.to_owned();
    for row in rows {
        let actor = match (row.actor_id, row.actor) {
            (None, _) => "syncline".to_owned(),
            (Some(_), name) => name.unwrap_or_default(),
        };
        let cells = [
            row.at.to_rfc3339_opts(SecondsFormat::Secs, true),
            row.action,
            row.actor_id.map(|id| id.to_string()).unwrap_or_default(),
            actor,
            row.request,
            row.kind,
            row.scope,
            row.state,
            row.destroyed
                .map(|rows| rows.to_string())
                .unwrap_or_default(),
            row.failure.unwrap_or_default(),
        ];
        let cells: Vec<String> = cells.iter().map(|text| cell(text)).collect();
        text.push_str(&cells.join(","));
        text.push_str("\r\n");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_written_one_way_and_ends_where_the_next_begins() {
        let month: Month = "2026-12".parse().unwrap();
        assert_eq!(month.to_string(), "2026-12");
        let (from, until) = month.bounds();
        assert_eq!(from.to_string(), "2026-12-01 00:00:00 UTC");
        assert_eq!(until.to_string(), "2027-01-01 00:00:00 UTC");
        for bad in [
            "",
            "2026",
            "2026-13",
            "2026-00",
            "26-12",
            "2026-1",
            "2026-12-01",
            "+026-12",
            "２026-1",
        ] {
            assert!(bad.parse::<Month>().is_err(), "{bad}");
        }
    }
}
