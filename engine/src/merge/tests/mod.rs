mod echoes;
mod examples;
mod properties;
mod table;

use connector_sdk::Value;

use super::{Context, MergeInput, Merged, Rules, Values, merge};
use crate::catalogue::{Catalogue, Field, FieldKind};
use crate::mapping::{Mapping, Patch};

/// Fields of every kind that decides differently, two groups among them.
pub(super) fn catalogue() -> Catalogue {
    let fields = [
        ("name", FieldKind::Text),
        ("phone", FieldKind::Phone),
        ("email", FieldKind::Email),
        ("count", FieldKind::Integer),
        ("tags", FieldKind::Choices),
        ("since", FieldKind::Instant),
        ("street", FieldKind::Text),
        ("city", FieldKind::Text),
        ("zip", FieldKind::Text),
        ("stage", FieldKind::Text),
        ("reason", FieldKind::Text),
        ("notes", FieldKind::LongText),
    ];
    let mut fields = fields.map(|(name, kind)| Field::new(name, name, kind));
    if let Some(notes) = fields.last_mut() {
        notes.max_length = Some(400);
    }
    Catalogue::new("thing", fields.to_vec()).unwrap()
}

/// Rules from the lines of each field, `name: policy = "newest"`.
pub(super) fn rules(first_contact: &str, rows: &[(&str, &str)]) -> Rules {
    let mut text = format!(
        "system = \"peer\"\nstream = \"Thing\"\nentity = \"thing\"\n\
         first_contact = \"{first_contact}\"\n[link]\nkey = \"Id\"\n"
    );
    for (core, lines) in rows {
        text.push_str(&format!(
            "[[field]]\ncore = \"{core}\"\nremote = \"{core}\"\n{lines}\n"
        ));
    }
    Rules::new(&Mapping::parse(&text).unwrap(), &catalogue(), None).unwrap()
}

pub(super) fn values(values: &[(&str, &str)]) -> Values {
    values
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Value::from(*value)))
        .collect()
}

pub(super) fn patch(values: Values) -> Patch {
    Patch {
        key: "1".to_owned(),
        values,
        ..Patch::default()
    }
}

pub(super) fn merged(
    rules: &Rules,
    base: Option<&Values>,
    core: Option<&Values>,
    patch: &Patch,
    context: &Context,
) -> Merged {
    merge(&MergeInput {
        rules,
        base,
        core,
        patch,
        context,
    })
}

/// The entity after the merge.
pub(super) fn applied(core: Option<&Values>, merged: &Merged) -> Values {
    let mut after = core.cloned().unwrap_or_default();
    for change in &merged.changes {
        after.insert(change.field.to_string(), change.new.clone());
    }
    after
}
