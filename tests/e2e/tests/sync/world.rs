//! A tenant with one or two connected streams of accounts, and short words for what tests do.

use std::collections::BTreeMap;

use anyhow::Result;
use connector_sdk::{
    Change, Cursor, FieldType, Fields, Receipt, Record, Removal, Stream, StreamField, StreamName,
    Tombstone, Value,
};
use engine::entity::{CoreTables, Entity};
use engine::ids::{ConnectionId, EntityId, RunId, TenantId, UserId, WriteId};
use engine::mapping::Values;
use engine::store::connections::{self, NewConnection};
use engine::store::plans::Phase;
use engine::store::writes::{self, Seen};
use engine::store::{mappings, streams};
use engine::sync::outbox::{self, Batch, Outcome, Outgoing, Settled};
use engine::sync::page::{self, Applied, Changes, Origin, Page};
use engine::sync::{SyncError, edit};
use engine::{Clock, Store, Tx};
use testdb::TestDb;

pub(crate) const MAPPING: &str = r#"
system = "crm"
stream = "Account"
entity = "account"
first_contact = "remote"
create = true

[link]
key = "Id"
hub_id = "Hub_Id__c"

[[field]]
core = "name"
remote = "Name"

[[field]]
core = "phone"
remote = "Phone"

[[field]]
core = "industry"
remote = "Industry"
owner = "remote"

[[field]]
core = "employees"
remote = "Employees"
policy = "max"

[[field]]
core = "billing_city"
remote = "BillingCity"
group = "billing_address"

[[field]]
core = "billing_country"
remote = "BillingCountry"
group = "billing_address"

[[field]]
core = "parent"
remote = "ParentId"
reference = "Account"
"#;

pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) tenant: TenantId,
    pub(crate) connection: ConnectionId,
    pub(crate) tables: CoreTables,
    pub(crate) user: UserId,
    pub(crate) db: TestDb,
}

impl World {
    pub(crate) async fn new() -> Result<Self> {
        let db = TestDb::new().await?;
        let store = db.store(Clock::system()).await?;
        let mut tx = store.begin_system().await?;
        let tenant = domain::tenants::NewTenant {
            name: "Test".to_owned(),
            environment: "test".to_owned(),
        };
        let tenant = domain::tenants::insert(&mut tx, &tenant).await?;
        tx.commit().await?;
        let mut world = Self {
            store,
            tenant,
            connection: ConnectionId::fresh(),
            tables: domain::core_tables(),
            user: UserId::fresh(),
            db,
        };
        world.connection = world.connect("First", MAPPING).await?;
        Ok(world)
    }

    /// Another connection with the same stream.
    pub(crate) async fn connect(&self, name: &str, mapping: &str) -> Result<ConnectionId> {
        let mut tx = self.begin().await?;
        let id = ConnectionId::fresh();
        let config = serde_json::json!({});
        let new = NewConnection {
            id,
            system: "crm",
            name,
            config: &config,
            secrets: None,
        };
        connections::insert(&mut tx, &new).await?;
        Self::add_stream(&mut tx, id, "Account", mapping).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// A stream of accounts with the fields that [`MAPPING`] names.
    pub(crate) async fn add_stream(
        tx: &mut Tx,
        connection: ConnectionId,
        name: &str,
        mapping: &str,
    ) -> Result<()> {
        let description = Stream {
            name: StreamName::from(name),
            label: name.to_owned(),
            key_field: "Id".to_owned(),
            can_create: true,
            can_update: true,
            can_delete: true,
            fields: fields(),
        };
        streams::insert(tx, connection, "account", true, &description).await?;
        let author = mappings::Author::named("a test");
        mappings::insert(tx, connection, name, "account", mapping, author, true).await?;
        Ok(())
    }

    pub(crate) async fn begin(&self) -> Result<Tx> {
        Ok(self.store.begin(self.tenant).await?)
    }

    /// Applies changes as one page of the first connection.
    pub(crate) async fn pull(&self, changes: Vec<Change>) -> Result<Applied> {
        self.pull_from(self.connection, changes).await
    }

    /// Applies changes as one page of another stream of the first connection.
    pub(crate) async fn pull_in(&self, stream: &str, changes: Vec<Change>) -> Result<Applied> {
        let page = page::Page {
            stream: stream.to_owned(),
            ..Self::page(self.connection, changes)
        };
        self.apply(page).await
    }

    pub(crate) async fn pull_from(
        &self,
        connection: ConnectionId,
        changes: Vec<Change>,
    ) -> Result<Applied> {
        self.pull_as(RunId::fresh(), connection, changes).await
    }

    /// Applies changes as one page of a run.
    pub(crate) async fn pull_as(
        &self,
        run: RunId,
        connection: ConnectionId,
        changes: Vec<Change>,
    ) -> Result<Applied> {
        let page = page::Page {
            run,
            ..Self::page(connection, changes)
        };
        self.apply(page).await
    }

    /// Applies changes as what a feed of the first connection tells.
    pub(crate) async fn feed(&self, changes: Vec<Change>) -> Result<Applied> {
        let page = Page {
            origin: Origin::Feed(Clock::system().now()),
            ..Self::page(self.connection, changes)
        };
        self.apply(page).await
    }

    async fn apply(&self, page: Page) -> Result<Applied> {
        let mut tx = self.begin().await?;
        let applied = page::apply(&mut tx, &self.tables, page).await?;
        tx.commit().await?;
        Ok(applied)
    }

    pub(crate) fn page(connection: ConnectionId, changes: impl Into<Changes>) -> Page {
        Page {
            connection,
            stream: "Account".to_owned(),
            run: RunId::fresh(),
            changes: changes.into(),
            cursor: Some((Cursor("there".to_owned()), Phase::Incremental)),
            pass: None,
            // A feed would have to tell whole records of what is new.
            origin: Origin::Listing(Clock::system().now()),
        }
    }

    pub(crate) async fn edit(&self, entity: &Entity, fields: &[(&str, Value)]) -> Result<Entity> {
        Ok(self.try_edit(entity, fields).await?)
    }

    pub(crate) async fn try_edit(
        &self,
        entity: &Entity,
        fields: &[(&str, Value)],
    ) -> Result<Entity, SyncError> {
        let mut tx = self.store.begin(self.tenant).await?;
        let fields = values(fields);
        let (id, version) = (entity.id, entity.version);
        let edited = edit::edit(
            &mut tx,
            &self.tables,
            "account",
            id,
            version,
            fields,
            self.user,
        )
        .await?;
        tx.commit().await?;
        Ok(edited.entity)
    }

    /// The entity a record of the first connection is linked to.
    pub(crate) async fn account(&self, key: &str) -> Result<Entity> {
        self.account_of(self.connection, key).await
    }

    pub(crate) async fn account_of(&self, connection: ConnectionId, key: &str) -> Result<Entity> {
        let mut tx = self.begin().await?;
        let keys = [key.to_owned()];
        let linked = engine::store::records::by_keys(&mut tx, connection, "Account", &keys).await?;
        let id = linked.get(key).map(|linked| linked.entity_id);
        let id = id.ok_or_else(|| anyhow::anyhow!("record {key} is not linked"))?;
        self.entity(id).await
    }

    pub(crate) async fn entity(&self, id: EntityId) -> Result<Entity> {
        let mut tx = self.begin().await?;
        let found = self
            .tables
            .kind("account")?
            .load(&mut tx, &[id])
            .await?
            .pop();
        found.ok_or_else(|| anyhow::anyhow!("there is no entity {id}"))
    }

    pub(crate) async fn claim(&self) -> Result<Batch> {
        self.claim_for(self.connection).await
    }

    pub(crate) async fn claim_for(&self, connection: ConnectionId) -> Result<Batch> {
        let seen = self.due(connection).await?;
        self.claim_seen(connection, &seen).await
    }

    /// The writes a push would look at now.
    pub(crate) async fn due(&self, connection: ConnectionId) -> Result<Vec<Seen>> {
        let mut tx = self.begin().await?;
        writes::adopt(&mut tx, connection, "Account", RunId::fresh()).await?;
        let due = writes::due(&mut tx, connection, "Account", 200).await?;
        tx.commit().await?;
        Ok(due.into_iter().map(|(seen, _)| seen).collect())
    }

    pub(crate) async fn claim_seen(
        &self,
        connection: ConnectionId,
        seen: &[Seen],
    ) -> Result<Batch> {
        let mut tx = self.begin().await?;
        let (tables, run) = (&self.tables, RunId::fresh());
        let batch = outbox::claim(&mut tx, tables, connection, "Account", run, seen).await?;
        tx.commit().await?;
        Ok(batch)
    }

    pub(crate) async fn settle(&self, outcomes: Vec<(Outgoing, Outcome)>) -> Result<Settled> {
        let mut tx = self.begin().await?;
        let run = RunId::fresh();
        let settled = outbox::settle(
            &mut tx,
            &self.tables,
            self.connection,
            "Account",
            run,
            outcomes,
        )
        .await?;
        tx.commit().await?;
        Ok(settled)
    }

    /// The run that sent a write.
    pub(crate) async fn run_of_write(&self, write: WriteId) -> Result<RunId> {
        let run = sqlx::query_scalar("select run_id from writes where id = $1")
            .bind(write.0)
            .fetch_one(&self.db.pool().await?)
            .await?;
        Ok(RunId(run))
    }

    /// How many rows a table has, past row security.
    pub(crate) async fn count(&self, sql: &'static str) -> Result<i64> {
        Ok(sqlx::query_scalar(sql)
            .fetch_one(&self.db.pool().await?)
            .await?)
    }
}

/// The remote fields that [`MAPPING`] names, and some that it does not.
fn fields() -> Vec<StreamField> {
    let field = |name: &str, kind| StreamField {
        name: name.to_owned(),
        label: name.to_owned(),
        kind,
        nullable: name != "Name",
        can_create: true,
        can_update: true,
        required: name == "Name",
        max_length: None,
        scale: None,
        choices: Vec::new(),
        references: Vec::new(),
        custom: false,
    };
    vec![
        field("Id", FieldType::Text),
        field("Hub_Id__c", FieldType::Text),
        field("Name", FieldType::Text),
        field("Phone", FieldType::Phone),
        field("Industry", FieldType::Text),
        field("Employees", FieldType::Integer),
        field("BillingCity", FieldType::Text),
        field("BillingCountry", FieldType::Text),
        field("ParentId", FieldType::Reference),
        field("Fax", FieldType::Phone),
        field("Notes", FieldType::Text),
    ]
}

pub(crate) fn values(fields: &[(&str, Value)]) -> Values {
    fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect()
}

/// A record as it comes in.
pub(crate) fn record(key: &str, fields: &[(&str, Value)]) -> Change {
    let mut fields: Fields = values(fields);
    fields.insert("Id".to_owned(), key.into());
    Change::Upsert(Record {
        key: key.to_owned(),
        version: None,
        changed_at: Some(chrono::DateTime::UNIX_EPOCH),
        fields,
    })
}

/// A record with all its fields; null where nothing was said of one.
pub(crate) fn whole(change: Change) -> Change {
    let Change::Upsert(mut record) = change else {
        return change;
    };
    for field in fields() {
        record.fields.entry(field.name).or_default();
    }
    Change::Upsert(record)
}

/// A record that changed so long after those that [`record`] gives.
pub(crate) fn later(by: chrono::TimeDelta, change: Change) -> Change {
    let Change::Upsert(mut record) = change else {
        return change;
    };
    record.changed_at = Some(chrono::DateTime::UNIX_EPOCH + by);
    Change::Upsert(record)
}

pub(crate) fn deleted(key: &str) -> Change {
    Change::Delete(Tombstone {
        key: key.to_owned(),
        removed_at: None,
        removal: Removal::Deleted,
    })
}

/// The system stored exactly what it was given.
pub(crate) fn stored(outgoing: &Outgoing, key: &str) -> Outcome {
    stored_as(outgoing, key, &[])
}

/// The system stored what it was given, but for some fields in another form.
pub(crate) fn stored_as(outgoing: &Outgoing, key: &str, other: &[(&str, Value)]) -> Outcome {
    use connector_sdk::WriteOp;
    let fields = match &outgoing.write.op {
        WriteOp::Create { fields } | WriteOp::Update { fields, .. } => fields.clone(),
        WriteOp::Delete { .. } => BTreeMap::new(),
    };
    let mut fields = fields;
    fields.extend(values(other));
    let stored = Record {
        key: key.to_owned(),
        version: None,
        changed_at: None,
        fields,
    };
    Outcome::Stored {
        receipt: Receipt {
            created: matches!(outgoing.write.op, WriteOp::Create { .. }),
            stored: Some(stored),
            ..Receipt::of(key)
        },
    }
}
