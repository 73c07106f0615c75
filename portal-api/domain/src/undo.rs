//! What undoing a run would do, as people read it, and the order to do it.

use std::collections::BTreeMap;

use engine::catalogue::Catalogue;
use engine::entity::{CoreTables, Kind};
use engine::ids::{RunId, UserId};
use engine::store::changes::Kept;
use engine::store::{plans, runs};
use engine::sync::undo::{self, Act, Counts, Item, Place, Undoing};
use engine::{StoreError, Tx};
use serde_json::Value as Json;

use crate::entities::Refusal;
use crate::show;

/// Things a run did that are looked at in one transaction.
const PART: i64 = 500;

/// Part of a plan.
#[derive(Clone, Debug)]
pub struct Part {
    pub counts: Counts,
    pub records: Vec<Record>,
    /// Where to look on; `None` when all was looked at.
    pub next: Option<Place>,
}

/// One record that a run did something to.
#[derive(Clone, Debug)]
pub struct Record {
    pub kind: String,
    /// As shown: `acc_…`.
    pub id: String,
    pub act: Act,
    pub fields: Vec<Field>,
}

/// One value that a run set.
#[derive(Clone, Debug)]
pub struct Field {
    pub field: String,
    pub label: String,
    pub now: Json,
    pub before: Json,
    pub kept: Option<Kept>,
}

/// A run that is to be undone.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Conflict`] for a run that is not over.
pub async fn undoing(tx: &mut Tx, run: RunId) -> Result<Undoing, StoreError> {
    Undoing::of(&runs::get(tx, run).await?)
}

/// Looks at part of what a run did; at most `shown` of its records are told. Their rows are locked
/// until the transaction ends, so that one part is one transaction.
///
/// # Errors
/// [`Refusal`].
pub async fn look(
    tx: &mut Tx,
    tables: &CoreTables,
    undoing: &Undoing,
    place: &Place,
    shown: usize,
) -> Result<Part, Refusal> {
    let looked = undo::look(tx, tables, undoing, place, PART).await?;
    let (mut records, mut catalogues) = (Vec::new(), BTreeMap::new());
    for item in looked.items.into_iter().take(shown) {
        let kind = tables.kind(&item.entity)?;
        if !catalogues.contains_key(kind.name) {
            catalogues.insert(kind.name, plans::catalogue(tx, &kind).await?);
        }
        records.push(tell(&kind, &catalogues[kind.name], item));
    }
    Ok(Part {
        counts: looked.counts,
        records,
        next: looked.next,
    })
}

fn tell(kind: &Kind, catalogue: &Catalogue, item: Item) -> Record {
    let fields = item.fields.into_iter().map(|field| {
        let known = catalogue.field(&field.field);
        Field {
            label: known.map_or_else(|| field.field.clone(), |known| known.label.clone()),
            now: show::value(known, &field.now),
            before: show::value(known, &field.before),
            kept: field.kept,
            field: field.field,
        }
    });
    Record {
        id: kind.shown(item.entity_id),
        kind: item.entity,
        act: item.act,
        fields: fields.collect(),
    }
}

/// Starts undoing a run that would do now what was shown, unless that is under way; returns the run
/// that does it.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Conflict`] when it would do something else by now, or
/// nothing.
pub async fn start(
    tx: &mut Tx,
    run: RunId,
    user: UserId,
    shown: &Counts,
    now: &Counts,
) -> Result<RunId, StoreError> {
    let numbers = |counts: &Counts| {
        let Counts {
            restored,
            fields,
            removed,
            revived,
            kept: _,
        } = counts;
        [*restored, *fields, *removed, *revived]
    };
    if numbers(shown) != numbers(now) {
        let message = format!(
            "undoing would do something else by now: {} values of {} records would go back, {} \
             records would go and {} come back",
            now.fields, now.restored, now.removed, now.revived
        );
        return Err(StoreError::Conflict(message));
    }
    if numbers(now) == [0; 4] {
        let message = "there is nothing to undo: no value is as the run left it".to_owned();
        return Err(StoreError::Conflict(message));
    }
    let run = runs::get(tx, run).await?;
    undo::start(tx, &run, user).await
}
