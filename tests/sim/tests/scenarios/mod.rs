//! The stories of what breaks a two-way synchronisation, by their numbers in the design; those that
//! the core can be told without a network. Each world here is set up by hand and has no chance in it.
//!
//! Shared rate limits (17) are budgets, which are tried with the engine's.

mod bad_input;
mod crossed;
mod identity;
mod lost;
mod overwritten;
mod removed;
mod twice;
mod uncovered;
mod undone;

use std::time::Duration;

use anyhow::{Context, Result};
use connector_sdk::Value;
use engine::entity::Entity;
use engine::ids::EntityId;

use crate::world::peer::{FIELDS, NAME};
use crate::world::plan::{Event, Fault, Habits};
use crate::world::{STREAM, World, oracle};

pub(crate) const PHONE: usize = 1;
pub(crate) const INDUSTRY: usize = 2;
pub(crate) const DESCRIPTION: usize = 4;
pub(crate) const CITY: usize = 5;
pub(crate) const COUNTRY: usize = 6;

/// A system that is no trouble and can be read back.
pub(crate) fn plain() -> Habits {
    Habits {
        reads_back: true,
        ..Habits::default()
    }
}

impl World<'_> {
    /// A record that a person made in a system, and its entity once the hub has read it.
    async fn read_one(
        &mut self,
        peer: usize,
        values: &[(usize, Value)],
    ) -> Result<(String, Entity)> {
        let mut all = vec![(NAME, Value::from("One"))];
        all.extend(values.iter().cloned());
        let key = self.peers[peer].state().create(all);
        self.read_all(peer).await?;
        let entity = self.linked(peer, &key).await?;
        Ok((key, entity))
    }

    /// Reads a system to its end, and sends what that asks for.
    async fn read_all(&mut self, peer: usize) -> Result<()> {
        self.pass(Duration::from_secs(1));
        self.pull(peer, false);
        self.drain().await
    }

    async fn linked(&self, peer: usize, key: &str) -> Result<Entity> {
        let mut tx = self.begin().await?;
        let (connection, keys) = (self.connections[peer], [key.to_owned()]);
        let linked = engine::store::records::by_keys(&mut tx, connection, STREAM, &keys).await?;
        let linked = linked
            .get(key)
            .with_context(|| format!("{key} is not linked"))?;
        self.entity(linked.entity_id).await
    }

    async fn entity(&self, id: EntityId) -> Result<Entity> {
        let mut tx = self.begin().await?;
        let found = self
            .server
            .tables
            .kind("account")?
            .load(&mut tx, &[id])
            .await?;
        found.into_iter().next().context("there is no such entity")
    }

    /// A person in the hub sets a field.
    async fn sets(&mut self, id: EntityId, field: usize, value: impl Into<Value>) -> Result<()> {
        self.pass(Duration::from_millis(5));
        let entity = self.entity(id).await?;
        let tx = self.begin().await?;
        self.set_here(tx, &entity, vec![(field, value.into())])
            .await
    }

    /// A person in a system sets a field.
    fn sets_there(&mut self, peer: usize, key: &str, field: usize, value: impl Into<Value>) {
        self.pass(Duration::from_millis(5));
        self.peers[peer].state().edit(key, field, value.into());
    }

    fn there(&self, peer: usize, key: &str, field: usize) -> Value {
        let state = self.peers[peer].state();
        state.records[key].fields()[FIELDS[field].1].clone()
    }

    async fn here(&self, id: EntityId, field: usize) -> Result<Value> {
        Ok(self.entity(id).await?.value(FIELDS[field].0))
    }

    fn written(&self, peer: usize) -> u64 {
        self.peers[peer].state().written
    }

    /// So many steps of the one run that can go on.
    async fn steps(&mut self, count: u32) -> Result<()> {
        for _ in 0..count {
            self.one_step(Fault::None).await?;
        }
        Ok(())
    }

    async fn one_step(&mut self, fault: Fault) -> Result<()> {
        self.happen(&Event::Step { pick: 0, fault }).await
    }

    /// A person lets a frozen field go, and what that asks for is done.
    async fn releases(&mut self, id: EntityId, field: &str) -> Result<()> {
        self.pass(Duration::from_secs(1));
        let mut tx = self.begin().await?;
        let frozen = engine::store::rewrites::list(&mut tx, None, 10, None).await?;
        let is_it =
            |one: &&engine::store::rewrites::Frozen| one.entity_id == id && one.field == field;
        let frozen = frozen
            .items
            .iter()
            .find(is_it)
            .context("it is not frozen")?;
        let input = engine::sync::again::RetryInput {
            class: frozen.class,
            connection: frozen.connection,
            stream: frozen.stream.clone(),
            source: engine::store::failures::Source::Breaker,
            until: tx.now(),
            most: 1,
            user: self.user,
            about: Some(frozen.field.clone()),
            only: Some(id.0.to_string()),
        };
        let run = engine::ids::RunId::fresh();
        let tables = &self.server.tables;
        let done = engine::sync::again::apply(&mut tx, tables, &input, run, "", 10).await?;
        engine::sync::outbox::start_pushes(&mut tx, &done.owed, "retry").await?;
        tx.commit().await?;
        self.drain().await
    }

    /// A number out of the database, by a statement with the tenant as its parameter.
    async fn count(&self, statement: &'static str) -> Result<i64> {
        let count = sqlx::query_scalar(statement).bind(self.tenant.0);
        Ok(count.fetch_one(&self.server.pool).await?)
    }

    /// Comes to rest; all that must hold holds.
    async fn rests(&mut self) -> Result<()> {
        self.come_to_rest(false).await?;
        oracle::look(self).await?;
        assert_eq!(
            self.wrong,
            Vec::<String>::new(),
            "{}",
            self.trace.join("\n")
        );
        Ok(())
    }
}
