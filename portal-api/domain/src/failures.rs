//! Failures as people read them: folded by cause, each with who must act and what trying again does.

use chrono::{DateTime, Utc};
use engine::ids::{EntityId, FailureClassId, RunId, UserId, WriteId};
use engine::store::failures::{self, ClassQuery, ClassRow, FailingRow, Source};
use engine::store::keyset::{After, Slice};
use engine::sync::again;
use engine::{StoreError, Tx};
use serde::Serialize;

use crate::{show, users};

/// Who must act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// Nobody: it is tried again by itself.
    Nobody,
    /// Whoever set the connection up: credentials, permissions, settings.
    Tenant,
    /// Somebody who knows the record.
    Person,
    /// Who makes the hub.
    Us,
}

/// What is to be done about a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remedy {
    pub who: Who,
    pub sentence: &'static str,
}

/// A class as it is shown.
#[derive(Clone, Debug)]
pub struct Class {
    pub row: ClassRow,
    pub remedy: Remedy,
    pub samples: Vec<Failing>,
    pub muted_by: Option<String>,
}

/// One failure as it is shown.
#[derive(Clone, Debug)]
pub struct Failing {
    pub entity: Option<String>,
    /// With the prefix of its kind.
    pub entity_id: Option<String>,
    /// The record's key, where a field of it fails.
    pub key: Option<String>,
    pub write_id: Option<WriteId>,
    pub run_id: Option<RunId>,
    pub message: String,
    pub at: DateTime<Utc>,
    pub next_try_at: Option<DateTime<Utc>>,
}

/// What trying a class again would do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Things it is done to.
    pub count: u64,
    /// When the first of them is tried by itself; `None` where nothing is until somebody acts.
    pub next_try_at: Option<DateTime<Utc>>,
    pub sentence: String,
}

/// Looks what fails now and lists the classes, those that failed last first.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    tx: &mut Tx,
    query: ClassQuery,
    limit: i64,
    after: Option<&After>,
) -> Result<Slice<Class>, StoreError> {
    // The pages of a list are of one look.
    if after.is_none() {
        failures::fold(tx).await?;
    }
    let slice = failures::list(tx, query, limit, after).await?;
    Ok(Slice {
        items: told(tx, slice.items).await?,
        next: slice.next,
        total: None,
    })
}

/// One class as it is now.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn get(tx: &mut Tx, id: FailureClassId) -> Result<Class, StoreError> {
    failures::fold(tx).await?;
    let row = failures::get(tx, id).await?;
    let mut told = told(tx, vec![row]).await?;
    told.pop()
        .ok_or_else(|| StoreError::NotFound(format!("failure class {id}")))
}

async fn told(tx: &mut Tx, rows: Vec<ClassRow>) -> Result<Vec<Class>, StoreError> {
    let people: Vec<UserId> = rows.iter().filter_map(|row| row.muted_by).collect();
    let people = users::names(tx, &people).await?;
    let tell = |row: ClassRow| Class {
        remedy: remedy(row.source, row.kind.as_deref(), is_tried(&row)),
        samples: samples(&row),
        muted_by: row.muted_by.and_then(|by| people.get(&by).cloned()),
        row,
    };
    Ok(rows.into_iter().map(tell).collect())
}

/// What fails now for the cause of a class, the newest first.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn records(
    tx: &mut Tx,
    id: FailureClassId,
    limit: i64,
    after: Option<&After>,
) -> Result<Slice<Failing>, StoreError> {
    let class = failures::get(tx, id).await?;
    let slice = failures::records(tx, &class, limit, after).await?;
    let tell = |row: FailingRow| failing(&class, row);
    Ok(Slice {
        items: slice.items.into_iter().map(tell).collect(),
        next: slice.next,
        total: None,
    })
}

fn failing(class: &ClassRow, row: FailingRow) -> Failing {
    let entity = row.entity;
    let shown = |id| entity.as_deref().map(|kind| show::id(kind, EntityId(id)));
    Failing {
        entity_id: row.entity_id.and_then(shown),
        key: row.key,
        write_id: row
            .reference
            .filter(|_| class.source == Source::Write)
            .map(WriteId),
        run_id: row
            .reference
            .filter(|_| class.source == Source::Run)
            .map(RunId),
        message: row.message,
        at: row.at,
        next_try_at: row.next_try_at,
        entity,
    }
}

fn samples(class: &ClassRow) -> Vec<Failing> {
    let samples = class.samples.iter().map(|sample| FailingRow {
        entity: sample.entity.clone(),
        entity_id: sample.entity_id,
        key: (class.source == Source::Field).then(|| sample.thing.clone()),
        reference: None,
        message: sample.message.clone().unwrap_or_default(),
        at: sample.at,
        next_try_at: None,
    });
    samples.map(|row| failing(class, row)).collect()
}

/// What trying a class again would do now.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn plan(tx: &mut Tx, id: FailureClassId) -> Result<Plan, StoreError> {
    failures::fold(tx).await?;
    let class = failures::get(tx, id).await?;
    planned(tx, &class).await
}

async fn planned(tx: &mut Tx, class: &ClassRow) -> Result<Plan, StoreError> {
    let until = tx.now();
    let place = (class.connection, class.stream.as_str());
    let count = failures::count(tx, class.id, place, until).await?;
    let (next_try_at, sentence) = match class.source {
        Source::Field => (
            None,
            format!(
                "maps {} again from what was last read, with the mapping and the fields of now",
                counted(count, "record", "records")
            ),
        ),
        Source::Write => (
            class.next_try_at,
            format!(
                "looks at {} over there and sends them with the values of now",
                counted(count, "record", "records")
            ),
        ),
        Source::Schema => (
            None,
            "does nothing: a mapping that answers the change ends it".to_owned(),
        ),
        Source::Run => (
            class.next_read_at,
            format!(
                "goes on with the newest run of {} from the step that failed",
                counted(count, "flow", "flows")
            ),
        ),
    };
    Ok(Plan {
        count,
        next_try_at,
        sentence,
    })
}

fn counted(count: u64, one: &str, many: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        _ => format!("{count} {many}"),
    }
}

/// Starts trying a class again, which would now be of as many things as were shown, unless that is
/// under way; returns the run that does it.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Conflict`] when it would be of another number by now, or of
/// none.
pub async fn retry(
    tx: &mut Tx,
    id: FailureClassId,
    shown: u64,
    user: UserId,
) -> Result<RunId, StoreError> {
    let class = failures::get(tx, id).await?;
    if class.source == Source::Schema {
        let message = "a changed field is answered by a mapping, not by trying again";
        return Err(StoreError::Conflict(message.to_owned()));
    }
    let now = planned(tx, &class).await?.count;
    if now == 0 {
        let message = "there is nothing to try again: nothing of this class fails any more";
        return Err(StoreError::Conflict(message.to_owned()));
    }
    if now != shown {
        let message = format!(
            "trying again would be of {} by now",
            counted(now, "record", "records")
        );
        return Err(StoreError::Conflict(message));
    }
    again::start(tx, &class, shown, user).await
}

/// Hides a class, or shows it again. What fails goes on failing.
///
/// # Errors
/// [`StoreError::NotFound`], [`StoreError::Stale`].
pub async fn mute(
    tx: &mut Tx,
    id: FailureClassId,
    version: i64,
    by: Option<UserId>,
    note: Option<&str>,
) -> Result<(), StoreError> {
    failures::mute(tx, id, version, by, note).await
}

/// Whether it is tried again by itself.
fn is_tried(class: &ClassRow) -> bool {
    match class.source {
        Source::Field | Source::Schema => false,
        Source::Write => class.next_try_at.is_some(),
        Source::Run => class.next_read_at.is_some(),
    }
}

/// Who must act, by what failed and how.
fn remedy(source: Source, kind: Option<&str>, is_tried: bool) -> Remedy {
    let (who, sentence) = match (source, kind.unwrap_or_default()) {
        (Source::Schema, "removed") => (
            Who::Person,
            "Publish a mapping without the field or with another one, or bring it back in the system.",
        ),
        (Source::Schema, "required") => (
            Who::Person,
            "Publish a mapping that gives the field a value: until then no records are made there.",
        ),
        (Source::Schema, _) => (
            Who::Person,
            "Look at the proposed mapping and publish it: until then the field stands still.",
        ),
        (Source::Field, "lookup") => (
            Who::Person,
            "Add the value to the mapping's table, or correct it in the system.",
        ),
        (Source::Field, "size") => (
            Who::Person,
            "Shorten the value in the system, or map it to a field that holds it.",
        ),
        (Source::Field, _) => (
            Who::Person,
            "Correct the value in the system, or change how the mapping reads it.",
        ),
        (_, "transient" | "rate_limited") if !is_tried => (
            Who::Person,
            "Try it again: the system did not answer for as long as the hub asked.",
        ),
        (_, "transient") => (
            Who::Nobody,
            "Wait: the system did not answer and is asked again.",
        ),
        (_, "rate_limited") => (
            Who::Nobody,
            "Wait: the system's limit is used up and refills.",
        ),
        (_, "auth") => (
            Who::Tenant,
            "Renew the connection's credentials: the system does not let the hub in.",
        ),
        (_, "config") => (
            Who::Tenant,
            "Mend the connection or the mapping: a setting, a permission or an address is wrong.",
        ),
        (_, "conflict") => (
            Who::Person,
            "Look at the record on both sides: it was changed over there meanwhile.",
        ),
        (_, "gone") => (
            Who::Person,
            "Decide about the record: it is not there any more.",
        ),
        (_, "rejected") => (
            Who::Person,
            "Correct the record: the system refuses its values.",
        ),
        (_, "deadline") => (Who::Person, "Find out what took too long, and start again."),
        (_, "cancelled") => (Who::Person, "Start again when it is wanted again."),
        _ => (
            Who::Us,
            "Report it: the hub met what it should have prevented.",
        ),
    };
    Remedy { who, sentence }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_says_who_must_act() {
        let who = |source, kind| remedy(source, kind, true).who;
        assert_eq!(who(Source::Field, Some("type")), Who::Person);
        assert_eq!(who(Source::Write, Some("transient")), Who::Nobody);
        let given_up = remedy(Source::Write, Some("transient"), false);
        assert_eq!(given_up.who, Who::Person);
        assert_eq!(who(Source::Run, Some("auth")), Who::Tenant);
        assert_eq!(who(Source::Write, Some("unsupported")), Who::Us);
        assert_eq!(who(Source::Run, None), Who::Us);
        for kind in ["type", "removed", "required", "choice"] {
            assert_eq!(who(Source::Schema, Some(kind)), Who::Person);
        }
    }
}
