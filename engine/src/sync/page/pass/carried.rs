//! Values that we sent ourselves and whose answer has not arrived, and perhaps never will.

use std::borrow::Cow;

use connector_sdk::Value;

use super::{Incoming, Pass};
use crate::catalogue::{is_form_of, same};
use crate::entity::Entity;
use crate::ids::EntityId;
use crate::mapping::Values;
use crate::merge::FieldRule;
use crate::store::{StoreError, Tx, doubts};

impl Pass {
    /// Reads what writes carried that these records may show, or that may have made them.
    pub(super) async fn load_carried(
        &mut self,
        tx: &mut Tx,
        incoming: &[Incoming],
    ) -> Result<(), StoreError> {
        let written: Vec<EntityId> = incoming
            .iter()
            .filter_map(|record| match &record.linked {
                Some(linked) => Some(linked.entity_id),
                None => record.named,
            })
            .collect();
        if written.is_empty() {
            return Ok(());
        }
        let (connection, stream) = (self.stream.plan.connection, &self.stream.plan.stream);
        self.carried = doubts::carried(tx, connection, stream, &written).await?;
        Ok(())
    }

    /// What is agreed about a record: its base, and what a write of ours carried where the record shows
    /// that. Of a record that a create of ours has made, and that is read before the answer to it, all
    /// that the create carried.
    pub(super) fn agreed<'r>(
        &self,
        record: &'r Incoming,
        core: Option<&Entity>,
    ) -> Option<Cow<'r, Values>> {
        let followed = record.link.as_ref().and_then(|link| link.base.as_ref());
        let base = record
            .linked
            .as_ref()
            .map(|linked| &linked.base)
            .or(followed);
        let entity = record.linked.as_ref().map(|linked| linked.entity_id);
        let attempts = entity.or(record.named).and_then(|id| self.carried.get(&id));
        let (Some(attempts), Some(core)) = (attempts, core) else {
            return base.map(Cow::Borrowed);
        };
        let mut agreed = base.cloned().unwrap_or_default();
        for (field, sent) in attempts.iter().flatten() {
            if base.is_none() && !agreed.contains_key(field) {
                agreed.insert(field.clone(), sent.clone());
            }
        }
        for (field, said) in &record.patch.values {
            let Some(rule) = self.stream.rules.field(field) else {
                continue;
            };
            // An attempt that did not carry it has left it empty, if it was that one.
            let is_left_empty = |attempt: &Values| !attempt.contains_key(field);
            if base.is_none() && said.is_null() && attempts.iter().any(is_left_empty) {
                agreed.insert(field.clone(), Value::Null);
                continue;
            }
            // What stands as it was agreed is not what we sent, though it may look like a form of it.
            let known = base.and_then(|base| base.get(field));
            if known.is_some_and(|known| same(&rule.field, known, said, rule.empty)) {
                continue;
            }
            let sent = attempts.iter().filter_map(|attempt| attempt.get(field));
            let sent: Vec<&Value> = sent.collect();
            if let Some(ours) = shown(rule, &core.value(field), said, &sent) {
                agreed.insert(field.clone(), ours.clone());
            }
        }
        Some(Cow::Owned(agreed))
    }
}

/// What was agreed with a record that shows a value of ours; `None` where it shows something else. The
/// system's own form of what the core still holds is its change, and is taken over; where the hub has
/// moved on, the form is what was agreed, or the hub's next value would be in conflict with our own
/// write.
fn shown<'v>(
    rule: &FieldRule,
    core: &Value,
    said: &'v Value,
    sent: &[&'v Value],
) -> Option<&'v Value> {
    let is = |one: &Value, other: &Value| same(&rule.field, one, other, rule.empty);
    if sent.iter().any(|sent| is(sent, said)) {
        return Some(said);
    }
    let mut forms = sent.iter().filter(|sent| is_form_of(sent, said)).peekable();
    forms.peek()?;
    Some(forms.find(|sent| is(sent, core)).copied().unwrap_or(said))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::catalogue::{Empty, Field, FieldKind};

    fn agreed(core: &str, said: &str, sent: &[&str]) -> Option<String> {
        let rule = FieldRule {
            name: Arc::from("industry"),
            field: Field::new("industry", "Industry", FieldKind::Text),
            empty: Empty::Null,
        };
        let sent: Vec<Value> = sent.iter().map(|&text| text.into()).collect();
        let sent: Vec<&Value> = sent.iter().collect();
        let said = said.into();
        let shown = shown(&rule, &core.into(), &said, &sent)?;
        shown.as_str().map(str::to_owned)
    }

    #[test]
    fn a_value_of_any_attempt_is_ours_in_whatever_form() {
        assert_eq!(
            agreed("Air", "Rail", &["Rail", "Air"]).as_deref(),
            Some("Rail")
        );
        assert_eq!(
            agreed("Air", "RAIL", &["Rail", "Air"]).as_deref(),
            Some("RAIL")
        );
        assert_eq!(agreed("Air", "Sea", &["Rail", "Air"]), None);
        assert_eq!(agreed("Air", "Sea", &[]), None);
    }

    #[test]
    fn a_form_of_what_the_core_still_holds_is_there_to_be_taken() {
        assert_eq!(
            agreed("Rail", "RAIL", &["Air", "Rail"]).as_deref(),
            Some("Rail")
        );
    }
}
