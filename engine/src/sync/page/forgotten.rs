//! Records of people who were forgotten: they are dropped before anything of them is stored.

use super::pass::{Incoming, Pass};
use crate::catalogue::{Catalogue, FieldKind, Personal};
use crate::ids::ConnectionId;
use crate::mapping::Values;
use crate::store::suppressions::{self, Mark, Salt};
use crate::store::{StoreError, Tx};

/// What a person of these values is known by: addresses and numbers.
pub(crate) fn tokens(catalogue: &Catalogue, values: &Values, salt: &Salt) -> Vec<Vec<u8>> {
    catalogue
        .fields()
        .iter()
        .filter(|field| field.personal == Personal::Identifying)
        .filter_map(|field| {
            let connector_sdk::Value::Text(text) = values.get(&field.name)? else {
                return None;
            };
            match field.kind {
                FieldKind::Email => salt.token(&Mark::Email(text)),
                FieldKind::Phone => salt.token(&Mark::Phone(text)),
                _ => None,
            }
        })
        .collect()
}

/// Whether anybody of this kind can be known at all.
pub(crate) fn has_people(catalogue: &Catalogue) -> bool {
    let mut fields = catalogue.fields().iter();
    fields.any(|field| field.personal == Personal::Identifying)
}

/// Drops records of forgotten people; how many.
pub(super) async fn drop_forgotten(
    tx: &mut Tx,
    pass: &mut Pass,
    (connection, stream): (ConnectionId, &str),
    incoming: &mut Vec<Incoming>,
) -> Result<u64, StoreError> {
    if incoming.is_empty() || !has_people(&pass.around.catalogue) {
        return Ok(0);
    }
    let Some(salt) = suppressions::salt(tx).await? else {
        return Ok(0);
    };
    let of = |record: &Incoming| {
        let key = Mark::Key(connection, stream, &record.patch.key);
        let mut marks: Vec<Vec<u8>> = salt.token(&key).into_iter().collect();
        // Somebody who is here may share an address with somebody who is not any more.
        if record.linked.is_none() {
            marks.extend(tokens(&pass.around.catalogue, &record.patch.values, &salt));
        }
        marks
    };
    let marks: Vec<Vec<Vec<u8>>> = incoming.iter().map(of).collect();
    let known = suppressions::known(tx, &marks.concat()).await?;
    if known.is_empty() {
        return Ok(0);
    }
    let before = incoming.len();
    let mut marks = marks.into_iter();
    incoming.retain(|_| {
        let marks = marks.next().unwrap_or_default();
        !marks.iter().any(|mark| known.contains(mark))
    });
    Ok((before - incoming.len()) as u64)
}
