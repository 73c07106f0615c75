//! Records that we made ourselves and whose answer has not arrived yet.

use super::{Incoming, Pass};
use crate::catalogue::{is_form_of, same};
use crate::entity::Entity;
use crate::ids::EntityId;
use crate::mapping::Values;
use crate::store::{StoreError, Tx, doubts};

impl Pass {
    /// Reads what creates carried that may have made these records.
    pub(super) async fn load_carried(
        &mut self,
        tx: &mut Tx,
        incoming: &[Incoming],
    ) -> Result<(), StoreError> {
        let made: Vec<EntityId> = incoming
            .iter()
            .filter(|record| record.linked.is_none())
            .filter_map(|record| record.named)
            .collect();
        if made.is_empty() {
            return Ok(());
        }
        let (connection, stream) = (self.stream.plan.connection, &self.stream.plan.stream);
        self.carried = doubts::creates(tx, connection, stream, &made).await?;
        Ok(())
    }

    /// What is agreed about a record that a create of ours has made and that is read before the answer
    /// to it: what the create carried. The system's own form of it is then its change, and is taken
    /// over; where the hub has moved on since, the form is what was agreed, or the hub's next value
    /// would be in conflict with our own write.
    pub(super) fn carried_base(&self, record: &Incoming, core: Option<&Entity>) -> Option<Values> {
        if record.linked.is_some() {
            return None;
        }
        let carried = self.carried.get(&record.named?)?;
        let core = core?;
        let agreed = carried.iter().map(|(field, sent)| {
            let has_moved = self
                .stream
                .rules
                .field(field)
                .is_some_and(|rule| !same(&rule.field, &core.value(field), sent, rule.empty));
            let said = record.patch.values.get(field);
            let form = said.filter(|said| has_moved && is_form_of(sent, said));
            (field.clone(), form.unwrap_or(sent).clone())
        });
        Some(agreed.collect())
    }
}
