//! What can be worked out of a page before its transaction, while the page before it is stored.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use connector_sdk::{Change, Fields, Record, Tombstone};

use super::Origin;
use crate::catalogue::Catalogue;
use crate::entity::CoreTables;
use crate::ids::EntityId;
use crate::mapping::{Mapping, Patch};
use crate::store::plans::{self, Plan};
use crate::store::records::{self, Linked, Snapshot};
use crate::store::{StoreError, Tx};

/// The changes of a page, mapped or not yet.
#[derive(Debug)]
pub struct Changes {
    items: Vec<Item>,
    /// What they were mapped with.
    by: Option<Arc<MappedWith>>,
}

/// A mapping and the fields it was applied to.
#[derive(Debug)]
pub struct MappedWith {
    mapping: Arc<Mapping>,
    catalogue: Catalogue,
}

impl MappedWith {
    /// What maps the records of this plan by now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn of(tx: &mut Tx, tables: &CoreTables, plan: &Plan) -> Result<Self, StoreError> {
        let kind = tables.kind(&plan.entity)?;
        Ok(Self {
            mapping: Arc::clone(&plan.mapping),
            catalogue: plans::catalogue(tx, &kind).await?,
        })
    }

    fn map(&self, record: &Record) -> Option<Mapped> {
        let snapshot = records::snapshot(&record.fields).ok()?;
        let patch = self.mapping.inbound(&self.catalogue, record).ok()?;
        // The record must be readable from its snapshot again.
        (!snapshot.is_cleaned()).then(|| Mapped {
            named: named(&self.mapping, &record.fields),
            snapshot,
            patch,
        })
    }
}

/// A change on its way into a page.
#[derive(Debug)]
pub(super) enum Item {
    Record(Record),
    Mapped(Box<Mapped>),
    Delete(Tombstone),
}

impl Item {
    pub(super) fn key(&self) -> &str {
        match self {
            Self::Record(record) => &record.key,
            Self::Mapped(mapped) => &mapped.patch.key,
            Self::Delete(tombstone) => &tombstone.key,
        }
    }

    /// When its system says that this happened.
    pub(super) fn at(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Record(record) => record.changed_at,
            Self::Mapped(mapped) => mapped.patch.changed_at,
            Self::Delete(tombstone) => tombstone.removed_at,
        }
    }

    pub(super) fn is_removal(&self) -> bool {
        matches!(self, Self::Delete(_))
    }

    /// Whether it was read before what was last seen of the record, and so is older: a page may lie
    /// about while a push looks at its records, and a list may lag behind. Where stamps do not tell,
    /// whatever but a feed is behind what was seen since it was asked for.
    pub(super) fn is_behind(&self, known: &Linked, origin: Origin) -> bool {
        if known.is_removed() {
            return false;
        }
        match self.at().zip(known.remote_changed_at) {
            Some((this, seen)) => this < seen,
            None => origin
                .history_at()
                .is_some_and(|asked| known.seen_at > asked),
        }
    }
}

/// What is needed of a record once it is mapped.
#[derive(Debug)]
pub(super) struct Mapped {
    pub(super) snapshot: Snapshot,
    pub(super) patch: Patch,
    /// The entity that the record itself names as its own.
    pub(super) named: Option<EntityId>,
}

impl Mapped {
    /// The record as it came.
    fn record(self) -> Result<Record, StoreError> {
        let fields: Fields = serde_json::from_str(&self.snapshot.raw)
            .map_err(|error| StoreError::corrupt("snapshot", error))?;
        Ok(Record {
            key: self.patch.key,
            version: self.patch.version,
            changed_at: self.patch.changed_at,
            fields,
        })
    }
}

/// The hub's id of the entity that a record names as its own.
pub(in crate::sync) fn named(mapping: &Mapping, fields: &Fields) -> Option<EntityId> {
    let field = mapping.link.hub_id.as_ref()?;
    let id = uuid::Uuid::try_parse(fields.get(field)?.as_str()?).ok()?;
    Some(EntityId(id))
}

impl Changes {
    /// Maps ahead; takes as long as mapping takes. A record that cannot be mapped is left for the
    /// transaction, which says why.
    #[must_use]
    pub fn mapped(changes: Vec<Change>, by: Arc<MappedWith>) -> Self {
        let item = |change| match change {
            Change::Upsert(record) => match by.map(&record) {
                Some(mapped) => Item::Mapped(Box::new(mapped)),
                None => Item::Record(record),
            },
            Change::Delete(tombstone) => Item::Delete(tombstone),
        };
        Self {
            items: changes.into_iter().map(item).collect(),
            by: Some(by),
        }
    }

    /// Takes out the changes of some records.
    pub(super) fn take_out(&mut self, is_meant: impl Fn(&str) -> bool) -> Self {
        let items = std::mem::take(&mut self.items);
        let (out, left) = items.into_iter().partition(|item| is_meant(item.key()));
        self.items = left;
        Self {
            items: out,
            by: self.by.clone(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn keys(&self) -> Vec<String> {
        self.items
            .iter()
            .map(|item| item.key().to_owned())
            .collect()
    }

    /// The changes, mapped only where it was done with just this.
    pub(super) fn for_these(
        self,
        mapping: &Mapping,
        catalogue: &Catalogue,
    ) -> Result<Vec<Item>, StoreError> {
        let is_same = |by: &MappedWith| *by.mapping == *mapping && by.catalogue == *catalogue;
        if self.by.is_none_or(|by| is_same(&by)) {
            return Ok(self.items);
        }
        let unmapped = |item| match item {
            Item::Mapped(mapped) => mapped.record().map(Item::Record),
            item => Ok(item),
        };
        self.items.into_iter().map(unmapped).collect()
    }
}

impl From<Vec<Change>> for Changes {
    fn from(changes: Vec<Change>) -> Self {
        let item = |change| match change {
            Change::Upsert(record) => Item::Record(record),
            Change::Delete(tombstone) => Item::Delete(tombstone),
        };
        Self {
            items: changes.into_iter().map(item).collect(),
            by: None,
        }
    }
}
