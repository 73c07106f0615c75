//! How much a record looks like an entity: agreements and disagreements of fields, weighed and added.
//!
//! A weight is about log2 of how much likelier the agreement is for two records of one thing than for
//! two of different things (Fellegi and Sunter, *A Theory for Record Linkage*, 1969). The weights are
//! fixed and few, so that a person can follow them. A sum only ever makes a question for a person.

use serde::{Deserialize, Serialize};

use connector_sdk::Value;

use crate::catalogue::{Catalogue, Empty, Field, FieldKind, same};
use crate::mapping::Values;

/// From this sum on somebody has to look: as much as the same name with another number.
pub const POSSIBLE: i32 = 5;

/// What the value of a strong key weighs.
pub const STRONG: i32 = 12;

/// How far two values agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Agreement {
    Same,
    Close,
    Apart,
}

/// What one field says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Core field.
    pub field: String,
    /// The entity's value and the record's.
    pub here: Value,
    pub there: Value,
    pub agreement: Agreement,
    pub weight: i32,
}

/// What all fields say together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Likeness {
    pub score: i32,
    pub evidence: Vec<Evidence>,
}

/// Compares by these fields, of which the first names; one without a value on either side says
/// nothing.
pub fn compare(
    catalogue: &Catalogue,
    fields: &[String],
    here: &Values,
    there: &Values,
) -> Likeness {
    let mut likeness = Likeness::default();
    for (place, name) in fields.iter().enumerate() {
        let values = here.get(name).zip(there.get(name));
        let Some((field, (ours, theirs))) = catalogue.field(name).zip(values) else {
            continue;
        };
        let Some(agreement) = agree(field, ours, theirs) else {
            continue;
        };
        let weight = weigh(field, agreement, place == 0);
        likeness.score += weight;
        likeness.evidence.push(Evidence {
            field: name.clone(),
            here: ours.clone(),
            there: theirs.clone(),
            agreement,
            weight,
        });
    }
    likeness
}

/// Two texts from this similarity of Jaro and Winkler on are close.
const CLOSE: f64 = 0.9;

fn agree(field: &Field, ours: &Value, theirs: &Value) -> Option<Agreement> {
    let is_empty = |value: &Value| value.is_null() || value.as_str().is_some_and(str::is_empty);
    if is_empty(ours) || is_empty(theirs) {
        return None;
    }
    if same(field, ours, theirs, Empty::Null) {
        return Some(Agreement::Same);
    }
    let is_text = matches!(field.kind, FieldKind::Text | FieldKind::LongText);
    let Some((ours, theirs)) = ours.as_str().zip(theirs.as_str()).filter(|_| is_text) else {
        return Some(Agreement::Apart);
    };
    let (ours, theirs) = (plain(ours), plain(theirs));
    Some(if ours == theirs {
        Agreement::Same
    } else if strsim::jaro_winkler(&ours, &theirs) >= CLOSE {
        Agreement::Close
    } else {
        Agreement::Apart
    })
}

fn weigh(field: &Field, agreement: Agreement, names: bool) -> i32 {
    let reaches = matches!(
        field.kind,
        FieldKind::Email | FieldKind::Phone | FieldKind::Url
    );
    match agreement {
        Agreement::Same if reaches => 8,
        Agreement::Same if names => 6,
        Agreement::Same => 3,
        Agreement::Close if names => 4,
        Agreement::Close => 2,
        // One company has many numbers and addresses.
        Agreement::Apart if reaches => -1,
        Agreement::Apart if names => -4,
        Agreement::Apart => -2,
    }
}

/// Letters and digits of a text in lower case, its words apart by one space.
fn plain(text: &str) -> String {
    let is_mark = |letter: char| !letter.is_alphanumeric();
    let words = text.split(is_mark).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue() -> Catalogue {
        let fields = [
            ("name", FieldKind::Text),
            ("phone", FieldKind::Phone),
            ("city", FieldKind::Text),
        ];
        let fields = fields.map(|(name, kind)| Field::new(name, name, kind));
        Catalogue::new("thing", fields.to_vec()).unwrap()
    }

    fn values(pairs: &[(&str, &str)]) -> Values {
        let value = |(field, text): &(&str, &str)| ((*field).to_owned(), Value::from(*text));
        pairs.iter().map(value).collect()
    }

    fn score(here: &[(&str, &str)], there: &[(&str, &str)]) -> i32 {
        let fields = ["name", "phone", "city"].map(str::to_owned);
        compare(&catalogue(), &fields, &values(here), &values(there)).score
    }

    #[test]
    fn a_name_alone_is_worth_a_question_and_a_similar_one_with_a_number_too() {
        assert_eq!(score(&[("name", "Acme, Inc.")], &[("name", "ACME inc")]), 6);
        let number = ("phone", "+49 30 5550100");
        let here = [("name", "Acme Incorporated"), number];
        assert!(score(&here, &[("name", "Acme Incorporatd"), number]) >= POSSIBLE);
    }

    #[test]
    fn another_number_is_no_other_company() {
        let here = [("name", "Acme"), ("phone", "+49 30 5550100")];
        let there = [("name", "Acme"), ("phone", "+49 30 5550199")];
        assert_eq!(score(&here, &there), POSSIBLE);
    }

    #[test]
    fn another_city_makes_a_name_no_question() {
        let here = [("name", "Stadtwerke"), ("city", "Ulm")];
        let there = [("name", "Stadtwerke"), ("city", "Hof")];
        assert!(score(&here, &there) < POSSIBLE);
    }

    #[test]
    fn nothing_is_no_evidence() {
        assert_eq!(score(&[("name", "")], &[("name", "")]), 0);
        assert_eq!(score(&[("name", "Acme")], &[("city", "Ulm")]), 0);
    }
}
