//! What happened to entities: one row per merge, edit or resolution that changed one.

use serde::{Deserialize, Serialize};
use sqlx::types::Uuid;

use super::{StoreError, Tx};
use crate::ids::{ChangeId, ConnectionId, EntityId, RunId, UserId};
use crate::provenance::{Origin, Why};

/// Who or what changed an entity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Actor {
    pub connection: Option<ConnectionId>,
    pub run: Option<RunId>,
    pub user: Option<UserId>,
}

/// A change to log.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub entity: &'static str,
    pub entity_id: EntityId,
    /// `merged`, `edited`, `resolved`, `normalised`, `removed`, `unlinked`, `restored`, `kept`,
    /// `undone`, `undo_kept`.
    pub kind: &'static str,
    pub fields: Vec<FieldChange>,
}

/// One field's change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    pub field: String,
    pub old: connector_sdk::Value,
    pub new: connector_sdk::Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Why>,
    /// The value that lost, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<connector_sdk::Value>,
    /// Why an undo left the field as it is; then `new` is the value it did not get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Kept>,
    /// Where `old` had come from: what the past is told with. `None` where it came from nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<Origin>,
}

/// Why something is not undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// It is as it was before: there is nothing to undo.
    AsBefore,
    /// Somebody changed it since.
    Changed,
    /// A field that moves together with it was changed since.
    GroupChanged,
    /// The system owns it and would set it again.
    OneWay,
    /// The field is in the catalogue no more.
    NoSuchField,
    /// The entity is gone since.
    Gone,
    /// The run made the entity, and other systems have it by now.
    Linked,
    /// The run brought it back because its record is there again.
    CameBack,
    /// The run made the record in the other system, where it must be deleted by hand.
    MadeThere,
}

impl Kept {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AsBefore => "as_before",
            Self::Changed => "changed",
            Self::GroupChanged => "group_changed",
            Self::OneWay => "one_way",
            Self::NoSuchField => "no_such_field",
            Self::Gone => "gone",
            Self::Linked => "linked",
            Self::CameBack => "came_back",
            Self::MadeThere => "made_there",
        }
    }

    /// The reason in a sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::AsBefore => "it is as it was before",
            Self::Changed => "it was changed since",
            Self::GroupChanged => "a value that moves together with it was changed since",
            Self::OneWay => "the system owns it and would set it again",
            Self::NoSuchField => "the field is there no more",
            Self::Gone => "the record is gone",
            Self::Linked => "other systems have the record by now",
            Self::CameBack => "the record is there again in its system",
            Self::MadeThere => "the record was made in the other system and must be deleted there",
        }
    }
}

/// Logs changes, all at the transaction's time.
///
/// # Errors
/// [`StoreError`].
pub async fn log(tx: &mut Tx, actor: Actor, changes: &[Change]) -> Result<(), StoreError> {
    if changes.is_empty() {
        return Ok(());
    }
    let now = tx.now();
    let ids: Vec<Uuid> = changes.iter().map(|_| ChangeId::fresh().0).collect();
    let kinds: Vec<&str> = changes.iter().map(|change| change.entity).collect();
    let entities: Vec<Uuid> = changes.iter().map(|change| change.entity_id.0).collect();
    let what: Vec<&str> = changes.iter().map(|change| change.kind).collect();
    let fields = changes
        .iter()
        .map(|change| serde_json::to_string(&change.fields).map_err(StoreError::Encode))
        .collect::<Result<Vec<_>, _>>()?;
    sqlx::query!(
        "
        insert into changes
            (id, entity, entity_id, kind, fields, at, connection_id, run_id, user_id)
        select id, entity, entity_id, kind, fields::jsonb, $1, $2, $3, $4
        from unnest($5::uuid[], $6::text[], $7::uuid[], $8::text[], $9::text[])
            as change (id, entity, entity_id, kind, fields)
        ",
        now,
        actor.connection.map(|id| id.0),
        actor.run.map(|id| id.0),
        actor.user.map(|id| id.0),
        &ids,
        &kinds as &[&str],
        &entities,
        &what as &[&str],
        &fields,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
