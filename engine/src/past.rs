//! What an entity was at an earlier moment: what it is now, with its logged changes taken back, newest
//! first. Pure.

use std::collections::BTreeMap;

use crate::entity::Entity;
use crate::mapping::Values;
use crate::provenance::Origin;
use crate::store::changes::FieldChange;
use crate::store::history::Logged;

/// An entity on its way back in time.
#[derive(Clone, Debug, PartialEq)]
pub struct Past {
    /// A field that is not in here was null.
    pub values: Values,
    /// Where each value had come from, as far as anybody set it.
    pub origins: BTreeMap<String, Origin>,
}

impl Past {
    /// The entity as it is now.
    pub fn of(entity: &Entity) -> Self {
        let origin = |field: &str| {
            let origin = entity.provenance.of(field)?;
            Some((field.to_owned(), origin.clone()))
        };
        Self {
            values: entity.values.clone(),
            origins: entity.provenance.fields().filter_map(origin).collect(),
        }
    }

    /// Takes a change back; it must be the newest of those that were not taken back yet.
    pub fn take_back(&mut self, change: &Logged) {
        for field in moved(change).rev() {
            if field.old.is_null() {
                self.values.remove(&field.field);
            } else {
                self.values.insert(field.field.clone(), field.old.clone());
            }
            match &field.was {
                None => self.origins.remove(&field.field),
                Some(was) => self.origins.insert(field.field.clone(), was.clone()),
            };
        }
    }
}

/// The fields that a change set. Others are logged because a value lost or because an undo left it.
pub fn moved(change: &Logged) -> impl DoubleEndedIterator<Item = &FieldChange> {
    let is_told_only = matches!(change.kind.as_str(), "kept" | "undo_kept");
    let set = move |field: &&FieldChange| !is_told_only && field.kept.is_none();
    change.fields.iter().filter(set)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use connector_sdk::Value;

    use super::*;
    use crate::ids::{ChangeId, EntityId, UserId};
    use crate::provenance::By;
    use crate::store::changes::Actor;

    fn origin() -> Origin {
        let by = By::User {
            user: UserId::fresh(),
        };
        Origin {
            at: DateTime::<Utc>::UNIX_EPOCH,
            by,
            why: None,
        }
    }

    fn change(kind: &str, old: Value, new: Value, was: Option<Origin>) -> Logged {
        Logged {
            id: ChangeId::fresh(),
            at: DateTime::<Utc>::UNIX_EPOCH,
            kind: kind.to_owned(),
            actor: Actor::default(),
            fields: vec![FieldChange {
                field: "phone".to_owned(),
                old,
                new,
                why: None,
                lost: None,
                kept: None,
                was,
            }],
        }
    }

    #[test]
    fn changes_are_taken_back_with_the_origins_they_replaced() {
        let (first, second) = (origin(), origin());
        let mut entity = Entity::new(EntityId::fresh(), DateTime::UNIX_EPOCH);
        entity.values.insert("phone".to_owned(), "2".into());
        entity.provenance.set("phone", &second);
        let mut past = Past::of(&entity);
        let log = [
            change("edited", Value::Null, "1".into(), None),
            change("merged", "1".into(), "2".into(), Some(first.clone())),
            // It lost: nothing was set.
            change("kept", Value::Null, Value::Null, None),
        ];
        past.take_back(&log[2]);
        assert_eq!(past, Past::of(&entity));
        past.take_back(&log[1]);
        assert_eq!(past.values["phone"], "1".into());
        assert_eq!(past.origins["phone"], first);
        past.take_back(&log[0]);
        assert!(past.values.is_empty() && past.origins.is_empty());
    }
}
