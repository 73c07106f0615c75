//! The log of deleted records: what left the recycle bin is told nowhere else.
//!
//! Records in the bin come with the ordinary pass at once. The log is asked at most every few
//! minutes, chained on the time it says it covers, which the system holds back for transactions
//! that are still open. Each entry is looked up before it is believed: an undeleted record must
//! not be removed, and the loser of a merge names its winner.

use std::collections::HashMap;

use chrono::{DateTime, Duration, Utc};
use connector_sdk::{Change, ConnectorError, FieldType, Page, Removal, Result, Tombstone};
use serde::Deserialize;

use crate::client::Call;
use crate::cursor::{Deletes, LogAt, Phase, Rest};
use crate::ids;
use crate::query::Reader;
use crate::rows::{RawRow, parse, system_fields};
use crate::soql::{Place, query_string, quote};
use crate::streams::values;

/// The system refuses windows of a minute or less.
const SHORTEST: Duration = Duration::seconds(61);

/// Ids of one look-up; the query has to fit an address.
const LOOK_UP: usize = 400;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Log {
    #[serde(default)]
    deleted_records: Vec<Entry>,
    earliest_date_available: Option<String>,
    latest_date_covered: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    id: String,
    deleted_date: String,
}

/// Whether the log is asked at the end of this pass.
pub(crate) fn is_due(reader: &Reader<'_>, rest: &Rest) -> bool {
    let interval = Duration::seconds(reader.config.deleted_interval_seconds.into());
    reader.object.has_bin
        && rest.since - rest.log.asked >= interval
        && rest.since - rest.log.covered >= SHORTEST
}

pub(crate) async fn read(reader: &Reader<'_>, deletes: Deletes) -> Result<Page> {
    let (changes, next, more) = take(reader, deletes, reader.limit()).await?;
    Ok(reader.page(changes, next, more))
}

/// Up to `room` tombstones, and what comes after them.
///
/// # Errors
/// `Gone` when the log no longer reaches back far enough: only a full read can tell.
pub(crate) async fn take(
    reader: &Reader<'_>,
    mut deletes: Deletes,
    room: usize,
) -> Result<(Vec<Change>, Phase, bool)> {
    let from = deletes.rest.log.covered;
    let log = ask(reader, from, &mut deletes.until).await?;
    let stamp = |text: &Option<String>| text.as_deref().and_then(values::parse_instant);
    if stamp(&log.earliest_date_available).is_some_and(|earliest| earliest > from) {
        return Err(history_lost(reader));
    }
    let mut entries = places(log.deleted_records)?;
    let order = |place: &Place| (place.stamp, place.id.clone());
    entries.sort_by_key(order);
    if let Some(after) = &deletes.after {
        entries.retain(|entry| order(entry) > order(after));
    }
    let more = entries.len() > room;
    entries.truncate(room);
    if more {
        deletes.after = entries.last().cloned();
    }
    let changes = confirmed(reader, entries).await?;
    if more {
        return Ok((changes, Phase::Deletes(Box::new(deletes)), true));
    }
    let until = deletes.until;
    let mut rest = deletes.rest;
    // Without the answer's own word the same window is asked again, which is harmless.
    let covered = stamp(&log.latest_date_covered).unwrap_or(from);
    rest.log = LogAt {
        covered: covered.max(from),
        asked: rest.since,
    };
    // A window that had to be cut goes on at once, unless it does not move.
    let cut = until < rest.since && covered > from && rest.since - covered >= SHORTEST;
    if cut {
        let next = Deletes {
            until: rest.since,
            rest,
            after: None,
        };
        return Ok((changes, Phase::Deletes(Box::new(next)), true));
    }
    Ok((changes, Phase::Rest(rest), false))
}

async fn ask(reader: &Reader<'_>, from: DateTime<Utc>, until: &mut DateTime<Utc>) -> Result<Log> {
    loop {
        let path = address(reader.object.name, from, *until);
        match reader.org.send(Call::get(reader.org.data(&path))).await {
            Ok(reply) => return parse(&reply.body),
            Err(error) => match error.code.as_deref() {
                Some("EXCEEDED_ID_LIMIT") if *until - from > SHORTEST * 2 => {
                    *until = from + (*until - from) / 2;
                }
                Some("INVALID_REPLICATION_DATE") => {
                    return Err(history_lost(reader).with_source(error));
                }
                _ => return Err(error),
            },
        }
    }
}

fn address(object: &str, from: DateTime<Utc>, until: DateTime<Utc>) -> String {
    let mut span = url::form_urlencoded::Serializer::new(String::new());
    for (name, at) in [("start", from), ("end", until)] {
        let at = at.format("%Y-%m-%dT%H:%M:%S+00:00");
        span.append_pair(name, &at.to_string());
    }
    format!("/sobjects/{object}/deleted/?{}", span.finish())
}

fn history_lost(reader: &Reader<'_>) -> ConnectorError {
    ConnectorError::gone(format!(
        "the log of deleted {} records no longer reaches back to the last read",
        reader.object.name
    ))
    .with_code("DELETE_HISTORY_LOST")
}

fn places(entries: Vec<Entry>) -> Result<Vec<Place>> {
    let place = |entry: Entry| {
        let stamp = values::parse_instant(&entry.deleted_date)?;
        let id = ids::canonical(&entry.id)?.into_owned();
        Some(Place { stamp, id })
    };
    let odd =
        || ConnectorError::transient("the log of deleted records has an entry without id or date");
    entries
        .into_iter()
        .map(|entry| place(entry).ok_or_else(odd))
        .collect()
}

/// What became of each entry: removed, merged, or alive again and left out.
async fn confirmed(reader: &Reader<'_>, entries: Vec<Place>) -> Result<Vec<Change>> {
    let mut found = HashMap::new();
    for some in entries.chunks(LOOK_UP) {
        found.extend(look_up(reader, some).await?);
    }
    let tombstone = |entry: Place| {
        let removal = match found.remove(&entry.id) {
            Some(None) => return None,
            Some(Some(removal)) => removal,
            None => Removal::Deleted,
        };
        Some(Change::Delete(Tombstone {
            key: entry.id,
            removed_at: Some(entry.stamp),
            removal,
        }))
    };
    Ok(entries.into_iter().filter_map(tombstone).collect())
}

/// Those the system still has, in the bin or alive (`None`).
async fn look_up(
    reader: &Reader<'_>,
    entries: &[Place],
) -> Result<HashMap<String, Option<Removal>>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer<'a> {
        #[serde(borrow)]
        records: Vec<RawRow<'a>>,
        next_records_url: Option<String>,
    }
    let quoted: Vec<String> = entries.iter().map(|entry| quote(&entry.id)).collect();
    let mut fields = system_fields(reader.object, true);
    fields.retain(|field| *field != "SystemModstamp");
    let soql = format!(
        "SELECT {} FROM {} WHERE Id IN ({})",
        fields.join(","),
        reader.object.name,
        quoted.join(",")
    );
    let mut path = reader
        .org
        .data(&format!("/queryAll?{}", query_string(&soql)));
    let mut found = HashMap::new();
    loop {
        let reply = reader.org.send(Call::get(path)).await?;
        let answer: Answer<'_> = parse(&reply.body)?;
        for row in &answer.records {
            let id = |name: &str| {
                let value = values::from_json(row.get(name)?, FieldType::Reference);
                value.as_str().map(str::to_owned)
            };
            let Some(key) = id("Id") else { continue };
            let removed = row.get("IsDeleted").is_some_and(|raw| raw.get() == "true");
            let removal = match id("MasterRecordId") {
                Some(winner) => Removal::MergedInto { key: winner },
                None => Removal::Deleted,
            };
            found.insert(key, removed.then_some(removal));
        }
        match answer.next_records_url {
            Some(next) => path = next,
            None => return Ok(found),
        }
    }
}
