//! The setting of a world: a tenant, its connections, their mappings.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use connector_sdk::{FieldType, Stream, StreamField, StreamName};
use engine::ids::{CanaryId, ConnectionId, RunId, UserId};
use engine::store::canaries::{self, Limits, NewCanary};
use engine::store::connections::{self, NewConnection};
use engine::store::{mappings, streams};

use super::peer::{Peer, Tokens};
use super::plan::{Habits, Names, Plan, Rules};
use super::planted::Planted;
use super::server::Server;
use super::{STREAM, World};

impl<'a> World<'a> {
    pub(crate) async fn of(
        server: &'a Server,
        plan: &Plan,
        planted: Option<Planted>,
    ) -> Result<Self> {
        World::with(server, &plan.peers, planted).await
    }

    /// A world with these systems and nothing in them.
    pub(crate) async fn with(
        server: &'a Server,
        habits: &[Habits],
        planted: Option<Planted>,
    ) -> Result<Self> {
        server.reset();
        let mut tx = server.store.begin_system().await?;
        let tenant = domain::tenants::NewTenant {
            name: "Simulated".to_owned(),
            environment: "test".to_owned(),
        };
        let tenant = domain::tenants::insert(&mut tx, &tenant).await?;
        tx.commit().await?;
        let tokens = Tokens::default();
        let mut world = Self {
            server,
            tenant,
            user: UserId::fresh(),
            peers: Vec::new(),
            connections: Vec::new(),
            flights: Vec::new(),
            edits: Vec::new(),
            entities: Vec::new(),
            tokens: tokens.clone(),
            planted,
            trace: Vec::new(),
            wrong: Vec::new(),
            twins: Vec::new(),
            written_at: BTreeMap::new(),
        };
        let mut tx = world.begin().await?;
        for (place, habits) in habits.iter().enumerate() {
            let peer = Peer::new(habits.clone(), server.clock.now(), tokens.clone());
            peer.state().skips_ties = planted == Some(Planted::TiesSkipped);
            world.peers.push(Arc::new(peer));
            let id = ConnectionId::fresh();
            let config = serde_json::json!({});
            let name = format!("System {place}");
            let new = NewConnection {
                id,
                system: "simulated",
                name: &name,
                config: &config,
                secrets: None,
            };
            connections::insert(&mut tx, &new).await?;
            streams::insert(&mut tx, id, "account", true, &description()).await?;
            let sought = match habits.names {
                _ if planted == Some(Planted::TwinsNotSought) => "",
                Names::Nothing => "",
                Names::Entity => "strong = [\"name\"]",
                Names::Question => "similar = [\"name\", \"phone\"]",
            };
            let mapping = mapping(habits.rules, sought);
            let author = mappings::Author::named("simulated");
            let mapped =
                mappings::insert(&mut tx, id, STREAM, "account", &mapping, author, true).await?;
            if let Some(conflicts) = habits.canary {
                let text = format!("{mapping}\n# on trial\n");
                let version = mappings::append(&mut tx, mapped, 1, &text, author, None).await?;
                let canary = NewCanary {
                    id: CanaryId::fresh(),
                    mapping: mapped,
                    connection: id,
                    stream: STREAM,
                    version,
                    share: Some(50),
                    keys: &[],
                    limits: Limits {
                        conflicts,
                        ..Limits::default()
                    },
                    preview: None,
                    run: RunId::fresh(),
                    by: world.user,
                };
                canaries::insert(&mut tx, &canary).await?;
            }
            world.connections.push(id);
        }
        tx.commit().await?;
        Ok(world)
    }
}

fn mapping(rules: Rules, sought: &str) -> String {
    let (first_contact, industry, newest) = match rules {
        Rules::Ask => ("ask", "", ""),
        Rules::OwnsIndustry => ("remote", "owner = \"remote\"", "policy = \"newest\""),
        Rules::HubOwns => ("core", "owner = \"core\"", ""),
    };
    format!(
        r#"
system = "simulated"
stream = "Account"
entity = "account"
first_contact = "{first_contact}"
create = true

[link]
key = "Id"
hub_id = "Hub_Id__c"
{sought}

[[field]]
core = "name"
remote = "Name"
{newest}

[[field]]
core = "phone"
remote = "Phone"

[[field]]
core = "industry"
remote = "Industry"
{industry}

[[field]]
core = "employees"
remote = "Employees"
policy = "max"

[[field]]
core = "description"
remote = "Description"
{newest}

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
"#
    )
}

/// The stream as the systems describe it.
pub(crate) fn description() -> Stream {
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
    Stream {
        name: StreamName::from(STREAM),
        label: "Account".to_owned(),
        key_field: "Id".to_owned(),
        can_create: true,
        can_update: true,
        can_delete: true,
        fields: vec![
            field("Id", FieldType::Text),
            field("Hub_Id__c", FieldType::Text),
            field("Name", FieldType::Text),
            field("Phone", FieldType::Phone),
            field("Industry", FieldType::Text),
            field("Employees", FieldType::Integer),
            field("Description", FieldType::LongText),
            field("BillingCity", FieldType::Text),
            field("BillingCountry", FieldType::Text),
            field("ParentId", FieldType::Reference),
        ],
    }
}
