//! Accounts and contacts alike: one with all its fields, and edits of people.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use engine::catalogue::{Catalogue, Personal};
use engine::entity::CoreTables;
use engine::ids::{EntityId, UserId};
use engine::mapping::Values;
use engine::provenance::Provenance;
use engine::sdk::Value;
use engine::store::{plans, quotas};
use engine::sync::edit::{self, Edited};
use engine::sync::{SyncError, forget, outbox};
use engine::{StoreError, Tx};
use serde_json::Value as Json;
use sqlx::types::Uuid;

use crate::links::{self, LinkView};
use crate::{accounts, assignments, contacts, show};

/// Why a person's change was not made.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It was changed since the caller read it.
    #[error("it was changed meanwhile")]
    Stale,
    /// Values that cannot be taken: field and reason.
    #[error("values cannot be taken")]
    Invalid(Vec<(String, String)>),
    /// Something beside it is not in order, which a person has to mend first.
    #[error("{0}")]
    Blocked(String),
}

impl From<SyncError> for Refusal {
    fn from(error: SyncError) -> Self {
        match error {
            SyncError::Store(StoreError::Stale(_)) | SyncError::Stale { .. } => Self::Stale,
            SyncError::Store(error) => Self::Store(error),
            SyncError::Invalid(invalid) => Self::Invalid(
                invalid
                    .into_iter()
                    .map(|one| (one.field, one.reason))
                    .collect(),
            ),
            SyncError::NotEnabled { .. } | SyncError::Mapping { .. } | SyncError::Map { .. } => {
                Self::Blocked(error.to_string())
            }
        }
    }
}

/// An entity as stored, read without locking it.
#[derive(Clone, Debug)]
pub struct Stored {
    pub version: i64,
    pub values: Values,
    pub provenance: Provenance,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// An entity as it is shown.
#[derive(Clone, Debug)]
pub struct Detail {
    pub id: EntityId,
    pub version: i64,
    /// All fields of the kind, null where there is no value.
    pub fields: BTreeMap<String, Json>,
    /// Names of fields that say something about a person.
    pub personal: BTreeSet<String>,
    pub links: Vec<LinkView>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// An entity's id with the prefix of its kind.
pub fn show_id(kind: &str, id: EntityId) -> String {
    show::id(kind, id)
}

/// The kind and id of an entity as it is shown (`acc_…`); `None` for any other text.
pub fn read_id(text: &str) -> Option<(&'static str, EntityId)> {
    show::entity(text)
}

/// An entity that was not removed.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn stored(tx: &mut Tx, kind: &str, id: EntityId) -> Result<Stored, StoreError> {
    let found = match kind {
        "account" => accounts::one::read(tx, id).await?,
        "contact" => contacts::one::read(tx, id).await?,
        _ => None,
    };
    found.ok_or_else(|| StoreError::NotFound(show::id(kind, id)))
}

/// An entity with all its fields and links.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn detail(
    tx: &mut Tx,
    tables: &CoreTables,
    kind: &str,
    id: EntityId,
) -> Result<Detail, StoreError> {
    let stored = stored(tx, kind, id).await?;
    let catalogue = plans::catalogue(tx, &tables.kind(kind)?).await?;
    let links = links::of_entity(tx, &catalogue, kind, id).await?;
    let field = |field: &engine::catalogue::Field| {
        let value = stored.values.get(&field.name).unwrap_or(&Value::Null);
        (field.name.clone(), show::value(Some(field), value))
    };
    Ok(Detail {
        id,
        version: stored.version,
        fields: catalogue.fields().iter().map(field).collect(),
        personal: catalogue
            .fields()
            .iter()
            .filter(|field| field.personal != Personal::No)
            .map(|field| field.name.clone())
            .collect(),
        links,
        created_at: stored.created_at,
        updated_at: stored.updated_at,
    })
}

/// Sets fields on behalf of a person; linked systems are owed the new values and runs start that
/// send them.
///
/// # Errors
/// [`Refusal`].
pub async fn edit(
    tx: &mut Tx,
    tables: &CoreTables,
    kind: &str,
    id: EntityId,
    version: i64,
    fields: BTreeMap<String, Value>,
    user: UserId,
) -> Result<(), Refusal> {
    let fields = taken(tx, tables, kind, fields).await?;
    let edited = edit::edit(tx, tables, kind, id, version, fields, user).await?;
    announce(tx, kind, &edited).await?;
    Ok(())
}

/// Makes an entity on behalf of a person.
///
/// # Errors
/// [`Refusal`].
pub async fn create(
    tx: &mut Tx,
    tables: &CoreTables,
    kind: &str,
    fields: BTreeMap<String, Value>,
    user: UserId,
) -> Result<EntityId, Refusal> {
    let fields = taken(tx, tables, kind, fields).await?;
    let id = EntityId::fresh();
    if kind == "account" && tx.scoped_to().is_some() {
        // Who does not see all accounts sees the one they make.
        assignments::keep_own(tx, id.0, user).await?;
    }
    if kind == "contact" && tx.scoped_to().is_some() && !fields.contains_key("account") {
        let why = "must name an account that you see";
        return Err(Refusal::Invalid(vec![(
            "account".to_owned(),
            why.to_owned(),
        )]));
    }
    let edited = edit::create_as(tx, tables, (kind, id), fields, user).await?;
    announce(tx, kind, &edited).await?;
    quotas::take_records(tx, 1).await?;
    Ok(edited.entity.id)
}

/// Starts what an edit owes and tells who watches.
pub(crate) async fn announce(tx: &mut Tx, kind: &str, edited: &Edited) -> Result<(), StoreError> {
    outbox::start_pushes(tx, &edited.owed, "edit").await?;
    tx.changed(kind, show::id(kind, edited.entity.id));
    Ok(())
}

/// Values as callers give them, in the form the core takes.
async fn taken(
    tx: &mut Tx,
    tables: &CoreTables,
    kind: &str,
    fields: BTreeMap<String, Value>,
) -> Result<Values, Refusal> {
    let catalogue = plans::catalogue(tx, &tables.kind(kind)?).await?;
    let (mut taken, mut invalid) = (Values::new(), Vec::new());
    for (name, value) in fields {
        match read(&catalogue, &name, value) {
            Ok(value) => drop(taken.insert(name, value)),
            Err(reason) => invalid.push((name, reason)),
        }
    }
    invalid.extend(pointing_nowhere(tx, &catalogue, &taken).await?);
    if forget::names_forgotten(tx, &catalogue, &taken).await? {
        // Nothing tells who it was, nor by which of the values.
        let why = "suppressed (1): these values are of somebody who was forgotten";
        return Err(Refusal::Blocked(why.to_owned()));
    }
    if invalid.is_empty() {
        Ok(taken)
    } else {
        Err(Refusal::Invalid(invalid))
    }
}

/// References to what is not there, or not for the caller to see; which of both is not told.
async fn pointing_nowhere(
    tx: &mut Tx,
    catalogue: &Catalogue,
    values: &Values,
) -> Result<Vec<(String, String)>, StoreError> {
    let mut nowhere = Vec::new();
    for (name, value) in values {
        let target = catalogue
            .field(name)
            .and_then(|field| field.references.as_deref());
        let (Some(target), Value::Text(text)) = (target, value) else {
            // A contact without account is seen by those who see all.
            if name == "account" && value.is_null() && tx.scoped_to().is_some() {
                nowhere.push((name.clone(), "must name an account that you see".to_owned()));
            }
            continue;
        };
        let Ok(id) = Uuid::try_parse(text) else {
            continue;
        };
        if matches!(
            stored(tx, target, EntityId(id)).await,
            Err(StoreError::NotFound(_))
        ) {
            nowhere.push((name.clone(), format!("names no {target} that is here")));
        }
    }
    Ok(nowhere)
}

pub(crate) fn read(catalogue: &Catalogue, name: &str, value: Value) -> Result<Value, String> {
    let field = catalogue.field(name).ok_or("is not a field")?;
    show::read(field, value)
}
