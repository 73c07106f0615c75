//! Forgetting a person: what they are known by, so that nothing brings them back, and what was said of
//! them, so that it can be destroyed wherever it stands. *Erased* is the third kind of removal, beside
//! unlinked and archived ([`super::remove`]): nothing takes it back.

use std::collections::{BTreeMap, BTreeSet};

use connector_sdk::Value;
use serde_json::Value as Json;

use super::page::forgotten;
use crate::catalogue::{Catalogue, Personal};
use crate::entity::Entity;
use crate::ids::{EntityId, ErasureId};
use crate::mapping::Values;
use crate::store::suppressions::{self, Mark};
use crate::store::{StoreError, Tx, erasing};

/// Shorter texts are not looked for in journals: they stand in other words.
const SHORTEST: usize = 3;
/// A text that is within another one of a system's makes that one the person's from this length on.
const TELLING: usize = 5;

/// Whether any of these values is what a forgotten person was known by.
///
/// # Errors
/// [`StoreError`].
pub async fn names_forgotten(
    tx: &mut Tx,
    catalogue: &Catalogue,
    values: &Values,
) -> Result<bool, StoreError> {
    if !forgotten::has_people(catalogue) {
        return Ok(false);
    }
    let Some(salt) = suppressions::salt(tx).await? else {
        return Ok(false);
    };
    let tokens = forgotten::tokens(catalogue, values, &salt);
    Ok(!suppressions::known(tx, &tokens).await?.is_empty())
}

/// Destroys all that is stored of an entity beside its own row, and keeps it out of later syncs.
/// `fresh` becomes the tenant's salt if it has none. How many rows of what were destroyed.
///
/// # Errors
/// [`StoreError`].
pub async fn forget(
    tx: &mut Tx,
    catalogue: &Catalogue,
    id: EntityId,
    entity: Option<&Entity>,
    (erasure, fresh): (ErasureId, &[u8; 32]),
) -> Result<BTreeMap<String, u64>, StoreError> {
    // First of all: what is being stored of them meanwhile ends before, or is kept out.
    let salt = suppressions::salt_to_forget(tx, fresh).await?;
    let places = erasing::places(tx, id).await?;
    let mut said: Vec<Values> = entity
        .map(|entity| entity.values.clone())
        .into_iter()
        .collect();
    for json in erasing::said(tx, id).await? {
        // What is not of this shape holds no values.
        said.extend(serde_json::from_value::<Values>(json));
    }
    let mut tokens: BTreeSet<Vec<u8>> = BTreeSet::new();
    for values in &said {
        tokens.extend(forgotten::tokens(catalogue, values, &salt));
    }
    for place in &places {
        let key = Mark::Key(place.connection, &place.stream, &place.key);
        tokens.extend(salt.token(&key));
    }
    let tokens: Vec<Vec<u8>> = tokens.into_iter().collect();
    suppressions::add(tx, erasure, &tokens).await?;
    let texts = texts(catalogue, &said, &erasing::foreign(tx, id).await?);
    let mut counts = erasing::destroy(tx, id, &places, &texts).await?;
    counts.insert("suppressions".to_owned(), tokens.len() as u64);
    Ok(counts)
}

/// Texts of a person's, the longest first, so that one within another is not left in part. `foreign` is
/// what systems said: theirs are written otherwise than ours at times (capitals, spaces, signs).
fn texts(catalogue: &Catalogue, said: &[Values], foreign: &[Json]) -> Vec<String> {
    let mut texts = BTreeSet::new();
    for values in said {
        for (name, value) in values {
            let personal = catalogue.field(name).map(|field| field.personal);
            if matches!(personal, None | Some(Personal::No)) {
                continue;
            }
            if let Value::Text(text) = value
                && text.trim().chars().count() >= SHORTEST
            {
                texts.insert(text.trim().to_owned());
            }
        }
    }
    let folds: Vec<String> = texts.iter().map(|text| folded(text)).collect();
    for said in foreign {
        leaves(said, &mut |text| {
            let fold = folded(text);
            let is_theirs = |known: &String| {
                fold == *known || (known.chars().count() >= TELLING && fold.contains(known))
            };
            if text.trim().chars().count() >= SHORTEST && folds.iter().any(is_theirs) {
                texts.insert(text.trim().to_owned());
            }
        });
    }
    let mut texts: Vec<String> = texts.into_iter().collect();
    texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
    texts
}

/// What is left of a text however it is written.
fn folded(text: &str) -> String {
    let letters = text.chars().filter(|c| c.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

/// Calls back with each text in a JSON value.
fn leaves(json: &Json, found: &mut impl FnMut(&str)) {
    match json {
        Json::String(text) => found(text),
        Json::Array(all) => all.iter().for_each(|one| leaves(one, found)),
        Json::Object(all) => all.values().for_each(|one| leaves(one, found)),
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{Field, FieldKind};

    #[test]
    fn texts_are_those_of_personal_fields_and_the_longest_come_first() {
        let field = |name: &str, personal| {
            let mut field = Field::new(name, name, FieldKind::Text);
            field.personal = personal;
            field
        };
        let catalogue = Catalogue::of(
            "contact",
            &[],
            vec![
                field("custom.nick", Personal::Identifying),
                field("custom.team", Personal::No),
            ],
        )
        .unwrap();
        let values = |pairs: &[(&str, &str)]| -> Values {
            let text = |text: &str| Value::Text(text.to_owned());
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), text(value)))
                .collect()
        };
        let said = [
            values(&[("custom.nick", " Ada "), ("custom.team", "North")]),
            values(&[("custom.nick", "Ada Lovelace")]),
            values(&[("custom.nick", "Bo"), ("gone", "x")]),
        ];
        let foreign = [serde_json::json!({
            "Name": "LOVELACE, Ada", "Nick": ["ADA-Lovelace "], "Town": "Granada", "Size": 3,
        })];
        assert_eq!(texts(&catalogue, &said, &[]), ["Ada Lovelace", "Ada"]);
        // Short ones are looked for alone, long ones within others too, however they are written.
        assert_eq!(
            texts(&catalogue, &said, &foreign),
            ["ADA-Lovelace", "Ada Lovelace", "Ada"]
        );
    }
}
