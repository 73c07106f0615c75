//! What is known of a person, gathered for them (subject access): by a run, kept for a while, as JSON
//! or CSV.

use chrono::{DateTime, TimeDelta, Utc};
use engine::entity::CoreTables;
use engine::ids::{ContactId, EntityId, RunId, SubjectExportId, UserId};
use engine::store::audit::Entry;
use engine::store::runs::{self, NewRun, StartOptions};
use engine::vault::{Vault, VaultError};
use engine::{StoreError, Tx};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::privacy_log::{self, Event};
use crate::show::cell;

/// The workflow that gathers.
pub const EXPORT_WORKFLOW: &str = "export_person";
/// How long what was gathered stays.
const KEPT: TimeDelta = TimeDelta::days(30);

/// Its input: nothing about the person.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExportInput {
    pub export: SubjectExportId,
}

/// A request.
#[derive(Clone, Debug)]
pub struct SubjectExport {
    pub id: SubjectExportId,
    pub contact: ContactId,
    pub reason: String,
    pub asked_by: UserId,
    pub asked_at: DateTime<Utc>,
    pub run_id: Option<RunId>,
    pub done_at: Option<DateTime<Utc>>,
    pub expires_at: DateTime<Utc>,
}

/// All requests that have not expired, newest first.
///
/// # Errors
/// [`StoreError`].
pub async fn list(tx: &mut Tx) -> Result<Vec<SubjectExport>, StoreError> {
    let now = tx.now();
    Ok(sqlx::query_as!(
        SubjectExport,
        r#"
        select id as "id: SubjectExportId", entity_id as "contact: ContactId", reason,
               asked_by as "asked_by: UserId", asked_at, run_id as "run_id: RunId", done_at,
               expires_at
        from subject_exports where expires_at > $1 order by id desc
        "#,
        now
    )
    .fetch_all(tx.conn())
    .await?)
}

/// A request.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn get(tx: &mut Tx, id: SubjectExportId) -> Result<SubjectExport, StoreError> {
    let all = list(tx).await?;
    let found = all.into_iter().find(|export| export.id == id);
    found.ok_or_else(|| StoreError::NotFound(format!("export {id}")))
}

/// Asks for what is known of somebody.
///
/// # Errors
/// [`StoreError::NotFound`] for a contact that is not there.
pub async fn ask(
    tx: &mut Tx,
    tables: &CoreTables,
    contact: ContactId,
    reason: &str,
    by: UserId,
) -> Result<SubjectExportId, StoreError> {
    let entity = EntityId(contact.0);
    if tables
        .kind("contact")?
        .load(tx, &[entity])
        .await?
        .is_empty()
    {
        return Err(StoreError::NotFound(format!("contact {contact}")));
    }
    let (id, now) = (SubjectExportId::fresh(), tx.now());
    let options = StartOptions {
        trigger: "subject_export".to_owned(),
        ..StartOptions::default()
    };
    let new = NewRun::named(EXPORT_WORKFLOW, &ExportInput { export: id }, options)?;
    let run = runs::start(tx, new).await?.id();
    sqlx::query!(
        "insert into subject_exports
             (id, entity_id, reason, asked_by, asked_at, run_id, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
        id.0,
        contact.0,
        reason,
        by.0,
        now,
        run.0,
        now + KEPT,
    )
    .execute(tx.conn())
    .await?;
    // The reason may name the person; the trail is not rewritten.
    let after = json!({"contact": contact});
    tx.audit(Entry::new("ask_subject_export", "subject_export", id).after(after));
    privacy_log::note(tx, &event("ask", id, by, "asked")).await?;
    Ok(id)
}

/// Why something was not gathered or not handed out.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("what was gathered cannot be sealed or opened")]
    Vault(#[from] VaultError),
}

impl From<sqlx::Error> for ExportError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// To whom what was gathered is sealed.
fn owner(id: SubjectExportId) -> String {
    format!("subject-export/{}", id.0)
}

/// Gathers what is known of the person, and seals it. Once gathered it stays as it is.
///
/// # Errors
/// [`ExportError`].
pub async fn gather(tx: &mut Tx, vault: &Vault, id: SubjectExportId) -> Result<(), ExportError> {
    let now = tx.now();
    // One statement, one moment.
    let gathered = sqlx::query_scalar!(
        r#"
        select jsonb_build_object(
            'as_of', $2::timestamptz,
            'contact', (select to_jsonb(c) - 'tenant_id' - 'provenance' from contacts c
                        where c.id = x.entity_id),
            'account', (select jsonb_build_object('id', a.id, 'name', a.name)
                        from contacts c join accounts a on a.id = c.account
                        where c.id = x.entity_id),
            'records', (select coalesce(jsonb_agg(jsonb_build_object(
                            'connection', n.name, 'system', n.system, 'stream', r.stream,
                            'key', r.key, 'linked_at', r.linked_at, 'seen_at', r.seen_at,
                            'removed_at', r.removed_at, 'fields', r.raw)
                            order by r.connection_id, r.stream, r.key), '[]')
                        from records r join connections n on n.id = r.connection_id
                        where r.entity_id = x.entity_id),
            'links', (select coalesce(jsonb_agg(jsonb_build_object(
                          'connection', n.name, 'at', l.at, 'stream', l.stream, 'key', l.key,
                          'method', l.method, 'compared', l.evidence) order by l.id), '[]')
                      from link_events l join connections n on n.id = l.connection_id
                      where l.entity_id = x.entity_id),
            'matches', (select coalesce(jsonb_agg(jsonb_build_object(
                            'connection', n.name, 'stream', m.stream, 'key', m.key,
                            'opened_at', m.opened_at, 'state', m.state, 'fields', m.raw,
                            'note', m.note) order by m.id), '[]')
                        from matches m join connections n on n.id = m.connection_id
                        where m.entity_id = x.entity_id),
            'history', (select coalesce(jsonb_agg(jsonb_build_object(
                            'at', h.at, 'kind', h.kind, 'fields', h.fields) order by h.id), '[]')
                        from changes h where h.entity_id = x.entity_id),
            'conflicts', (select coalesce(jsonb_agg(jsonb_build_object(
                              'opened_at', f.opened_at, 'state', f.state, 'fields', f.fields,
                              'choice', f.choice, 'note', f.note) order by f.id), '[]')
                          from conflicts f where f.entity_id = x.entity_id),
            'written', (select coalesce(jsonb_agg(jsonb_build_object(
                            'connection', n.name, 'at', w.sent_at, 'state', w.state,
                            'values', w.sent) order by w.id), '[]')
                        from writes w join connections n on n.id = w.connection_id
                        where w.entity_id = x.entity_id)) as "body!"
        from subject_exports x
        where x.id = $1 and x.done_at is null
        "#,
        id.0,
        now,
    )
    .fetch_optional(tx.conn())
    .await?;
    let Some(gathered) = gathered else {
        return Ok(());
    };
    let sealed = vault.seal(&owner(id), gathered.to_string().as_bytes())?;
    sqlx::query!(
        "update subject_exports set done_at = $2, body = $3 where id = $1 and done_at is null",
        id.0,
        now,
        sealed,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// What was gathered; that it was handed out is noted.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Conflict`] while it is being gathered;
/// [`ExportError::Vault`].
pub async fn body(
    tx: &mut Tx,
    vault: &Vault,
    id: SubjectExportId,
    by: UserId,
) -> Result<Json, ExportError> {
    get(tx, id).await?;
    let sealed = sqlx::query_scalar!("select body from subject_exports where id = $1", id.0)
        .fetch_one(tx.conn())
        .await?;
    let sealed =
        sealed.ok_or_else(|| StoreError::Conflict("it is still being gathered".to_owned()))?;
    let opened = vault.open(&owner(id), &sealed)?;
    let body = serde_json::from_slice(opened.expose_secret())
        .map_err(|error| StoreError::corrupt("subject export", error))?;
    tx.audit(Entry::new("hand_out_subject_export", "subject_export", id));
    privacy_log::note(tx, &event("hand_out", id, by, "done")).await?;
    Ok(body)
}

fn event(
    action: &'static str,
    id: SubjectExportId,
    by: UserId,
    state: &'static str,
) -> Event<'static> {
    Event {
        action,
        actor: Some(by),
        request: id.to_string(),
        kind: "export",
        scope: "contact",
        state,
        destroyed: None,
        failure: None,
    }
}

/// What was gathered as rows of place and value. A text that a spreadsheet would take for a formula is
/// made one that it does not.
pub fn csv(body: &Json) -> String {
    let mut rows = String::from("place,value\r\n");
    walk(body, "", &mut rows);
    rows
}

fn walk(value: &Json, place: &str, rows: &mut String) {
    let below = |part: &str| {
        if place.is_empty() {
            part.to_owned()
        } else {
            format!("{place}.{part}")
        }
    };
    match value {
        Json::Object(fields) => fields
            .iter()
            .for_each(|(name, value)| walk(value, &below(name), rows)),
        Json::Array(values) => values
            .iter()
            .enumerate()
            .for_each(|(at, value)| walk(value, &below(&at.to_string()), rows)),
        Json::Null => {}
        Json::String(text) => row(place, text, rows),
        other => row(place, &other.to_string(), rows),
    }
}

fn row(place: &str, value: &str, rows: &mut String) {
    for (text, end) in [(place, ","), (value, "\r\n")] {
        rows.push_str(&cell(text));
        rows.push_str(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_name_their_place_and_are_no_formulas() {
        let body = json!({"contact": {"name": "A \"B\"", "none": null}, "list": [1, "=cmd()"]});
        assert_eq!(
            csv(&body),
            "place,value\r\n\"contact.name\",\"A \"\"B\"\"\"\r\n\"list.0\",\"1\"\r\n\
             \"list.1\",\"'=cmd()\"\r\n"
        );
    }
}
