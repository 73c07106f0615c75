//! The hub's own merged things, whatever their kind, and what a kind must give to be merged.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;

use crate::catalogue::FieldDef;
use crate::ids::EntityId;
use crate::mapping::Values;
use crate::provenance::Provenance;
use crate::store::{Statement, StoreError, Tx};

/// One thing of the hub: an account, a contact.
#[derive(Clone, Debug, PartialEq)]
pub struct Entity {
    pub id: EntityId,
    /// Grows with every change; zero for one that is not stored yet.
    pub version: i64,
    /// All fields of the kind; custom ones as `custom.<key>`. A field that is not in here is null.
    pub values: Values,
    pub provenance: Provenance,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub removed_at: Option<DateTime<Utc>>,
}

impl Entity {
    /// A new one without values.
    pub fn new(id: EntityId, now: DateTime<Utc>) -> Self {
        Self {
            id,
            version: 0,
            values: Values::new(),
            provenance: Provenance::default(),
            created_at: now,
            updated_at: now,
            removed_at: None,
        }
    }

    /// The value of a field; null where it has none.
    pub fn value(&self, field: &str) -> connector_sdk::Value {
        self.values.get(field).cloned().unwrap_or_default()
    }
}

/// What a business noun gives the engine so that it can be merged. Implemented in `domain`.
pub trait CoreTable: Send + Sync + 'static {
    const KIND: &'static str;
    /// What its ids start with at the edge: `acc` of `acc_…`.
    const PREFIX: &'static str;
    /// The built-in fields: what mappings may name.
    const FIELDS: &'static [FieldDef];

    /// The entities with these ids, which come sorted and once each; rows are locked in that order,
    /// those that are not there are left out.
    fn load(
        tx: &mut Tx,
        ids: &[EntityId],
    ) -> impl Future<Output = Result<Vec<Entity>, StoreError>> + Send;

    /// The statement that stores entities, which are all new or all known. Each row ends at
    /// `version + 1`.
    ///
    /// # Errors
    /// [`StoreError::Encode`]; [`StoreError::Conflict`] for a value that is not of its field's type.
    fn save(
        entities: &[&Entity],
        stored: Stored,
        now: DateTime<Utc>,
    ) -> Result<Statement, StoreError>;

    /// The text by which a value of a field that is found is looked up, the same for values that may
    /// mean the same; `None` for one that names nobody, as the domain of a free mail service.
    fn sought(field: &str, text: &str) -> Option<String>;

    /// Living entities whose value of a field that is found is looked up by one of these texts:
    /// [`MOST_FOUND`] for each text, by id.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::NotFound`] for a field that is not found.
    fn find(
        tx: &mut Tx,
        field: &str,
        texts: &[String],
    ) -> impl Future<Output = Result<Vec<(String, EntityId)>, StoreError>> + Send;

    /// As [`CoreTable::sought`], for the whole of a value where that is but a part of it: what two have
    /// in common who have the same strong key.
    fn sought_whole(field: &str, text: &str) -> Option<String> {
        Self::sought(field, text)
    }

    /// As [`CoreTable::find`], by the texts of [`CoreTable::sought_whole`].
    ///
    /// # Errors
    /// As there.
    fn find_whole(
        tx: &mut Tx,
        field: &str,
        texts: &[String],
    ) -> impl Future<Output = Result<Vec<(String, EntityId)>, StoreError>> + Send {
        Self::find(tx, field, texts)
    }
}

/// By how much of a value entities are looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LookUp {
    /// By what similar values have in common.
    Part,
    Whole,
}

/// Entities that one look-up returns for one text. More than that are not told apart by it.
pub const MOST_FOUND: i64 = 50;

/// Whether rows are there already. A statement that need not look costs Postgres less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// No row has these ids.
    Never,
    /// They may be there, and are stored over.
    Perhaps,
}

/// A [`CoreTable`] behind a name. Only here are its futures boxed.
trait AnyTable: Send + Sync {
    fn fields(&self) -> &'static [FieldDef];
    fn prefix(&self) -> &'static str;
    fn load<'a>(
        &'a self,
        tx: &'a mut Tx,
        ids: &'a [EntityId],
    ) -> BoxFuture<'a, Result<Vec<Entity>, StoreError>>;
    fn save(
        &self,
        entities: &[&Entity],
        stored: Stored,
        now: DateTime<Utc>,
    ) -> Result<Statement, StoreError>;
    fn sought(&self, by: LookUp, field: &str, text: &str) -> Option<String>;
    fn find<'a>(
        &'a self,
        tx: &'a mut Tx,
        by: LookUp,
        field: &'a str,
        texts: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<(String, EntityId)>, StoreError>>;
}

struct Named<T>(std::marker::PhantomData<fn() -> T>);

impl<T: CoreTable> AnyTable for Named<T> {
    fn fields(&self) -> &'static [FieldDef] {
        T::FIELDS
    }

    fn prefix(&self) -> &'static str {
        T::PREFIX
    }

    fn load<'a>(
        &'a self,
        tx: &'a mut Tx,
        ids: &'a [EntityId],
    ) -> BoxFuture<'a, Result<Vec<Entity>, StoreError>> {
        Box::pin(T::load(tx, ids))
    }

    fn save(
        &self,
        entities: &[&Entity],
        stored: Stored,
        now: DateTime<Utc>,
    ) -> Result<Statement, StoreError> {
        T::save(entities, stored, now)
    }

    fn sought(&self, by: LookUp, field: &str, text: &str) -> Option<String> {
        match by {
            LookUp::Part => T::sought(field, text),
            LookUp::Whole => T::sought_whole(field, text),
        }
    }

    fn find<'a>(
        &'a self,
        tx: &'a mut Tx,
        by: LookUp,
        field: &'a str,
        texts: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<(String, EntityId)>, StoreError>> {
        match by {
            LookUp::Part => Box::pin(T::find(tx, field, texts)),
            LookUp::Whole => Box::pin(T::find_whole(tx, field, texts)),
        }
    }
}

/// The kinds of entities of this hub.
#[derive(Clone, Default)]
pub struct CoreTables(BTreeMap<&'static str, Arc<dyn AnyTable>>);

impl CoreTables {
    /// Adds a kind.
    #[must_use]
    pub fn with<T: CoreTable>(mut self) -> Self {
        self.0
            .insert(T::KIND, Arc::new(Named::<T>(std::marker::PhantomData)));
        self
    }

    /// The kind by its name.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub fn kind(&self, kind: &str) -> Result<Kind, StoreError> {
        self.0
            .get_key_value(kind)
            .map(|(name, table)| Kind {
                name,
                table: table.clone(),
            })
            .ok_or_else(|| StoreError::NotFound(format!("kind of entity {kind}")))
    }

    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.keys().copied()
    }
}

/// One kind of entity.
#[derive(Clone)]
pub struct Kind {
    pub name: &'static str,
    table: Arc<dyn AnyTable>,
}

impl Kind {
    /// An entity's id as it is shown: `acc_…`.
    pub fn shown(&self, id: EntityId) -> String {
        format!("{}_{}", self.table.prefix(), id.0.simple())
    }

    /// The built-in fields.
    pub fn fields(&self) -> &'static [FieldDef] {
        self.table.fields()
    }

    /// See [`CoreTable::load`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn load(&self, tx: &mut Tx, ids: &[EntityId]) -> Result<Vec<Entity>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.dedup();
        self.table.load(tx, &ids).await
    }

    /// See [`CoreTable::sought`] and [`CoreTable::sought_whole`].
    pub(crate) fn sought(
        &self,
        by: LookUp,
        field: &str,
        value: &connector_sdk::Value,
    ) -> Option<String> {
        self.table.sought(by, field, value.as_str()?)
    }

    /// The entities that are found by each of these texts. See [`CoreTable::find`] and
    /// [`CoreTable::find_whole`].
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn find(
        &self,
        tx: &mut Tx,
        by: LookUp,
        field: &str,
        texts: &[String],
    ) -> Result<HashMap<String, Vec<EntityId>>, StoreError> {
        let mut found: HashMap<String, Vec<EntityId>> = HashMap::new();
        if texts.is_empty() {
            return Ok(found);
        }
        for (text, id) in self.table.find(tx, by, field, texts).await? {
            found.entry(text).or_default().push(id);
        }
        Ok(found)
    }

    /// The statements that store entities, new and known. An id is made with its entity, so that
    /// nobody else can have stored a new one.
    ///
    /// # Errors
    /// As [`CoreTable::save`].
    pub fn save(
        &self,
        entities: &[Entity],
        now: DateTime<Utc>,
    ) -> Result<Vec<Statement>, StoreError> {
        let (new, known): (Vec<&Entity>, Vec<&Entity>) =
            entities.iter().partition(|entity| entity.version == 0);
        [(new, Stored::Never), (known, Stored::Perhaps)]
            .into_iter()
            .filter(|(entities, _)| !entities.is_empty())
            .map(|(entities, stored)| self.table.save(&entities, stored, now))
            .collect()
    }
}
