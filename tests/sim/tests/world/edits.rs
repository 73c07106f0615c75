//! What people do in the hub: edits, new records, answers to conflicts.

use anyhow::{Context, Result};
use connector_sdk::Value;
use engine::Tx;
use engine::entity::Entity;
use engine::ids::EntityId;
use engine::sync::SyncError;
use engine::sync::edit::{self, Answer, Edited};
use engine::sync::outbox;

use super::peer::{FIELDS, PARENT};
use super::plan::Set;
use super::{Edit, World, named, oracle};

impl World<'_> {
    /// Those that are not removed.
    async fn living(&self, tx: &mut Tx) -> Result<Vec<Entity>> {
        let mut ids = self.entities.clone();
        ids.sort_unstable();
        ids.dedup();
        let mut living = self.server.tables.kind("account")?.load(tx, &ids).await?;
        living.retain(|entity| entity.removed_at.is_none());
        Ok(living)
    }

    pub(crate) async fn edit_here(&mut self, entity: usize, fields: &[(usize, Set)]) -> Result<()> {
        let mut tx = self.begin().await?;
        let living = self.living(&mut tx).await?;
        let Some(entity) = living.get(entity % living.len().max(1)) else {
            return Ok(());
        };
        let mut values = Vec::new();
        for (field, set) in fields {
            let field = field % FIELDS.len();
            if values.iter().any(|(known, _)| *known == field) {
                continue;
            }
            let value = match field {
                PARENT => {
                    let mut others = living.iter().filter(|other| other.id != entity.id);
                    others
                        .next_back()
                        .map_or(Value::Null, |other| other.id.0.to_string().into())
                }
                _ => self.tokens.value(field, *set),
            };
            values.push((field, value));
        }
        self.set_here(tx, entity, values).await
    }

    /// A person sets fields of an entity.
    pub(crate) async fn set_here(
        &mut self,
        mut tx: Tx,
        entity: &Entity,
        fields: Vec<(usize, Value)>,
    ) -> Result<()> {
        let values = named(&fields);
        self.note(format!("{}: {values:?}", self.name(entity.id)));
        let (tables, user) = (&self.server.tables, self.user);
        let (id, version) = (entity.id, entity.version);
        let edited = edit::edit(&mut tx, tables, "account", id, version, values, user).await?;
        outbox::start_pushes(&mut tx, &edited.owed, "edit").await?;
        tx.commit().await?;
        self.acknowledge(id, fields);
        Ok(())
    }

    fn acknowledge(&mut self, entity: EntityId, fields: Vec<(usize, Value)>) {
        self.edits
            .extend(fields.into_iter().map(|(field, value)| Edit {
                entity,
                field,
                value,
            }));
    }

    pub(crate) async fn create_here(&mut self, fields: &[(usize, Set)]) -> Result<EntityId> {
        let fields: Vec<(usize, Value)> = fields
            .iter()
            .map(|(field, set)| (*field, self.tokens.value(*field, *set)))
            .collect();
        let mut tx = self.begin().await?;
        let (tables, user) = (&self.server.tables, self.user);
        let made = edit::create(&mut tx, tables, "account", named(&fields), user).await?;
        outbox::start_pushes(&mut tx, &made.owed, "edit").await?;
        tx.commit().await?;
        self.entities.push(made.entity.id);
        self.note(format!("{} is made: {fields:?}", self.name(made.entity.id)));
        self.acknowledge(made.entity.id, fields);
        Ok(made.entity.id)
    }

    pub(super) async fn answer(&mut self, conflict: usize, how: usize) -> Result<()> {
        let open = oracle::open_conflicts(self).await?;
        let Some((id, version, kind)) = open.get(conflict % open.len().max(1)) else {
            return Ok(());
        };
        let answer = match how % 3 {
            0 => Answer::Core,
            1 => Answer::Remote,
            _ if kind == "delete" => Answer::Core,
            _ => Answer::Base,
        };
        let mut tx = self.begin().await?;
        let (tables, user) = (&self.server.tables, self.user);
        let answered = edit::resolve(&mut tx, tables, *id, *version, &answer, None, user).await;
        let answered: Result<Edited, SyncError> = answered;
        let edited = answered.context("an answer was not taken")?;
        outbox::start_pushes(&mut tx, &edited.owed, "edit").await?;
        tx.commit().await?;
        self.note(format!(
            "{}: conflict ({kind}) is answered: {answer:?}",
            self.name(edited.entity.id)
        ));
        Ok(())
    }
}
