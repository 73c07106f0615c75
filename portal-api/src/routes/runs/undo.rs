use domain::permissions::needs::RunsOperate;
use std::collections::BTreeMap;

use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use domain::mails::{self, Asked};
use domain::undo::{self, Field, Record};
use engine::ids::RunId;
use engine::store::changes::Kept;
use engine::sync::undo::{Act, Counts, Place};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::StartedRun;
use crate::caller::{May, SignedIn};
use crate::error::ApiError;
use crate::extract::{Json, Path};

/// Records that a plan shows; it counts all.
const SHOWN: usize = 50;
/// Mails that a plan shows; it counts all.
const MAILS_SHOWN: i64 = 50;

/// What undoing a run would do now.
#[derive(Serialize, ToSchema)]
pub(crate) struct UndoPlan {
    counts: UndoCounts,
    /// The first of the records it is about.
    records: Vec<UndoRecord>,
    irreversible: Irreversible,
}

/// What a run did that nothing takes back.
#[derive(Serialize, ToSchema)]
pub(crate) struct Irreversible {
    /// Mails it asked for.
    mails: u64,
    /// The first of them.
    first: Vec<AskedMail>,
}

/// A mail that a run asked for.
#[derive(Serialize, ToSchema)]
pub(crate) struct AskedMail {
    /// invitation, reset, locked, sign_in, erasure_failed
    kind: String,
    subject: String,
    asked_at: DateTime<Utc>,
    /// Null while it waits to be sent.
    sent_at: Option<DateTime<Utc>>,
}

/// How much undoing a run does.
#[derive(Serialize, ToSchema)]
pub(crate) struct UndoCounts {
    /// Records of which values go back.
    restored: u64,
    /// The values that go back.
    fields: u64,
    /// Records that the run made and that go.
    removed: u64,
    /// Records that the run removed and that come back.
    revived: u64,
    /// Values and records that stay as they are, by the reason.
    kept: BTreeMap<&'static str, u64>,
}

/// One record that a run did something to.
#[derive(Serialize, ToSchema)]
pub(crate) struct UndoRecord {
    /// account, contact
    kind: String,
    id: String,
    /// restore, remove, revive, keep
    act: &'static str,
    /// Why it stays as it is: changed, gone, linked, came_back, made_there, as_before
    kept: Option<&'static str>,
    fields: Vec<UndoField>,
}

/// One value that a run set.
#[derive(Serialize, ToSchema)]
pub(crate) struct UndoField {
    field: String,
    label: String,
    #[schema(value_type = Value)]
    now: serde_json::Value,
    #[schema(value_type = Value)]
    before: serde_json::Value,
    /// Why it does not go back: changed, group_changed, one_way, no_such_field, as_before
    kept: Option<&'static str>,
}

/// The numbers that were shown to whoever asks for it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UndoOrder {
    restored: u64,
    fields: u64,
    removed: u64,
    revived: u64,
}

/// Says what undoing a run would do now
///
/// Values that are still as the run left them go back; what was changed since stays, with the reason.
/// What nothing takes back is told beside it.
#[utoipa::path(
    get, path = "/runs/{id}/undo", operation_id = "plan_undo", tag = "runs",
    params(("id" = String, Path)),
    responses((status = 200, description = "As of now", body = UndoPlan)),
)]
pub(super) async fn plan(
    caller: May<RunsOperate>,
    Path(id): Path<RunId>,
) -> Result<axum::Json<UndoPlan>, ApiError> {
    let (counts, records) = look(&caller, id).await?;
    let mut tx = caller.begin().await?;
    let (mails, first) = mails::asked_by(&mut tx, id, MAILS_SHOWN).await?;
    Ok(axum::Json(UndoPlan {
        counts: counts.into(),
        records: records.into_iter().map(UndoRecord::from).collect(),
        irreversible: Irreversible {
            mails,
            first: first.into_iter().map(AskedMail::from).collect(),
        },
    }))
}

/// Undoes a run
///
/// As a run of its own, which can be undone in turn. It is given the numbers of the plan: if undoing
/// would do something else by now, it is refused.
#[utoipa::path(
    post, path = "/runs/{id}/undo", operation_id = "undo_run", tag = "runs",
    params(("id" = String, Path)),
    request_body = UndoOrder, responses((status = 202, description = "Started", body = StartedRun)),
)]
pub(super) async fn start(
    caller: May<RunsOperate>,
    Path(id): Path<RunId>,
    Json(order): Json<UndoOrder>,
) -> Result<(StatusCode, axum::Json<StartedRun>), ApiError> {
    let (now, _) = look(&caller, id).await?;
    let shown = Counts {
        restored: order.restored,
        fields: order.fields,
        removed: order.removed,
        revived: order.revived,
        ..Counts::default()
    };
    let mut tx = caller.begin().await?;
    let run_id = undo::start(&mut tx, id, caller.session.user.id, &shown, &now).await?;
    tx.commit().await?;
    Ok((StatusCode::ACCEPTED, axum::Json(StartedRun { run_id })))
}

/// Looks at all that the run did, a part at a time: each part's rows are locked only for a moment.
async fn look(caller: &SignedIn, run: RunId) -> Result<(Counts, Vec<Record>), ApiError> {
    let mut tx = caller.begin().await?;
    let undoing = undo::undoing(&mut tx, run).await?;
    drop(tx);
    let (mut counts, mut records) = (Counts::default(), Vec::new());
    let mut place = Some(Place::default());
    while let Some(from) = place {
        let shown = SHOWN - records.len();
        let mut tx = caller.begin().await?;
        let part = undo::look(&mut tx, &caller.portal().tables, &undoing, &from, shown).await?;
        counts.add(&part.counts);
        records.extend(part.records);
        place = part.next;
    }
    Ok((counts, records))
}

impl From<Record> for UndoRecord {
    fn from(record: Record) -> Self {
        let (act, kept) = match record.act {
            Act::Restore => ("restore", None),
            Act::Remove => ("remove", None),
            Act::Revive => ("revive", None),
            Act::Keep(kept) => ("keep", Some(kept.as_str())),
        };
        Self {
            kind: record.kind,
            id: record.id,
            act,
            kept,
            fields: record.fields.into_iter().map(UndoField::from).collect(),
        }
    }
}

impl From<Asked> for AskedMail {
    fn from(asked: Asked) -> Self {
        Self {
            kind: asked.kind,
            subject: asked.subject,
            asked_at: asked.asked_at,
            sent_at: asked.sent_at,
        }
    }
}

impl From<Field> for UndoField {
    fn from(field: Field) -> Self {
        Self {
            field: field.field,
            label: field.label,
            now: field.now,
            before: field.before,
            kept: field.kept.map(Kept::as_str),
        }
    }
}

impl From<Counts> for UndoCounts {
    fn from(counts: Counts) -> Self {
        Self {
            restored: counts.restored,
            fields: counts.fields,
            removed: counts.removed,
            revived: counts.revived,
            kept: counts
                .kept
                .into_iter()
                .map(|(kept, count)| (kept.as_str(), count))
                .collect(),
        }
    }
}
