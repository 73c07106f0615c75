//! The text of a mapping, read. Every mistake is noted, not only the first.

use std::collections::BTreeMap;
use std::sync::Arc;

use connector_sdk::{Fields, StreamName, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::inverse::invert;
use super::place::{MappingErrors, Mistakes};
use super::row::RemotePath;
use super::toml_walk::{Section, Text, kind, offset_in};
use super::transform::Table;
use super::{
    DeletePolicy, Direction, Expression, FirstContact, Link, MAX_ROWS, Mapping, NullPolicy, Pipe,
    Policy, Row, Side, WritePolicy,
};
use crate::catalogue::Empty;

/// Longest text of a mapping, in bytes.
const MAX_LENGTH: usize = 1 << 20;

const FIRST_CONTACT: &[(&str, FirstContact)] = &[
    ("remote", FirstContact::Remote),
    ("core", FirstContact::Core),
    ("ask", FirstContact::Ask),
];

type Tables = BTreeMap<String, Arc<Table>>;

pub(super) fn parse(text: &str) -> Result<Mapping, MappingErrors> {
    let mut mistakes = Mistakes::new(text);
    if text.len() > MAX_LENGTH {
        mistakes.add(0..0, format!("a mapping has at most {MAX_LENGTH} bytes"));
        return Err(mistakes.finish());
    }
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        mistakes.add(error.span().unwrap_or(0..0), error.message().trim());
    }
    // After a mistake in the TOML itself the rest is guesswork.
    if !mistakes.is_empty() {
        return Err(mistakes.finish());
    }
    let top = Section {
        table: document.get_ref(),
        span: 0..0,
        name: "a mapping",
    };
    let mapping = read(&top, &mut mistakes);
    match mapping {
        Some(mapping) if mistakes.is_empty() => Ok(mapping),
        _ => Err(mistakes.finish()),
    }
}

fn read(top: &Section<'_, '_>, mistakes: &mut Mistakes<'_>) -> Option<Mapping> {
    let known = [
        "system",
        "stream",
        "entity",
        "first_contact",
        "on_delete",
        "create",
        "where",
        "link",
        "field",
        "table",
        "constants",
    ];
    top.only(&known, mistakes);
    let system = top.required("system", mistakes);
    let stream = top.required("stream", mistakes);
    let entity = top.required("entity", mistakes);
    let first_contact = top
        .word("first_contact", FIRST_CONTACT, mistakes)
        .unwrap_or_default();
    let deletes = [
        ("tombstone", DeletePolicy::Tombstone),
        ("unlink", DeletePolicy::Unlink),
        ("ask", DeletePolicy::Ask),
    ];
    let on_delete = top
        .word("on_delete", &deletes, mistakes)
        .unwrap_or_default();
    let create = top.flag("create", mistakes);
    let filter = expression(top.any_text("where", mistakes), mistakes);
    let link = link(top, mistakes);
    let tables = tables(top, mistakes);
    let rows = rows(top, &tables, mistakes);
    let constants = constants(top, mistakes);
    Some(Mapping {
        system: system?.text.to_owned(),
        stream: StreamName::from(stream?.text),
        entity: entity?.text.to_owned(),
        first_contact,
        on_delete,
        create,
        link: link?,
        filter,
        rows,
        constants,
    })
}

fn link(top: &Section<'_, '_>, mistakes: &mut Mistakes<'_>) -> Option<Link> {
    let Some(value) = top.get("link") else {
        mistakes.add(top.span.clone(), "a mapping needs a table `[link]`");
        return None;
    };
    let section = Section::of(value, "`[link]`", mistakes)?;
    section.only(&["key", "hub_id", "strong", "similar", "parent"], mistakes);
    let key = section.required("key", mistakes);
    let hub_id = section.text("hub_id", mistakes);
    let strong = section.texts("strong", mistakes);
    let similar = section.texts("similar", mistakes);
    let names = |texts: Vec<Text<'_>>| texts.into_iter().map(|text| text.text.to_owned()).collect();
    let parent = section.text("parent", mistakes);
    Some(Link {
        key: key?.text.to_owned(),
        hub_id: hub_id.map(|field| field.text.to_owned()),
        strong: names(strong),
        similar: names(similar),
        parent: parent.map(|field| field.text.to_owned()),
    })
}

fn tables(top: &Section<'_, '_>, mistakes: &mut Mistakes<'_>) -> Tables {
    let mut tables = Tables::new();
    let Some(section) = top
        .get("table")
        .and_then(|value| Section::of(value, "`table`", mistakes))
    else {
        return tables;
    };
    for (name, value) in section.table.iter() {
        let Some(table) = Section::of(value, "a lookup table", mistakes) else {
            continue;
        };
        let is_word = name
            .get_ref()
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_word {
            mistakes.add(
                name.span(),
                "a table's name is made of letters, digits and underscores",
            );
        }
        let mut entries = BTreeMap::new();
        for (key, value) in table.table.iter() {
            if let Some(value) = plain(value, mistakes) {
                entries.insert(key.get_ref().trim().to_owned(), value);
            }
        }
        let name = name.get_ref().as_ref();
        tables.insert(name.to_owned(), Arc::new(Table::new(name, entries)));
    }
    tables
}

fn constants(top: &Section<'_, '_>, mistakes: &mut Mistakes<'_>) -> Fields {
    let section = top
        .get("constants")
        .and_then(|value| Section::of(value, "`[constants]`", mistakes));
    let entries = section.iter().flat_map(|section| section.table.iter());
    entries
        .filter_map(|(key, value)| Some((key.get_ref().to_string(), plain(value, mistakes)?)))
        .collect()
}

/// A text, a number or a boolean.
fn plain(value: &Spanned<DeValue<'_>>, mistakes: &mut Mistakes<'_>) -> Option<Value> {
    let number = |text: &str| Value::number(&text.replace('_', "")).ok();
    let plain = match value.get_ref() {
        DeValue::String(text) if !text.contains('\0') => Some(Value::text(text.as_ref())),
        DeValue::Boolean(value) => Some(Value::Bool(*value)),
        DeValue::Integer(integer) if integer.radix() == 10 => number(integer.as_str()),
        DeValue::Float(float) => number(float.as_str()),
        _ => None,
    };
    if plain.is_none() {
        let message = format!(
            "expected a text, a number, true or false, found {}",
            kind(value)
        );
        mistakes.add(value.span(), message);
    }
    plain
}

fn rows(top: &Section<'_, '_>, tables: &Tables, mistakes: &mut Mistakes<'_>) -> Vec<Row> {
    let Some(value) = top.get("field") else {
        mistakes.add(top.span.clone(), "a mapping needs at least one `[[field]]`");
        return Vec::new();
    };
    let Some(values) = value.get_ref().as_array() else {
        mistakes.add(value.span(), "a field begins with `[[field]]`");
        return Vec::new();
    };
    if values.len() > MAX_ROWS {
        mistakes.add(
            value.span(),
            format!("a mapping has at most {MAX_ROWS} fields"),
        );
        return Vec::new();
    }
    values
        .iter()
        .filter_map(|value| row(value, tables, mistakes))
        .collect()
}

fn row(value: &Spanned<DeValue<'_>>, tables: &Tables, mistakes: &mut Mistakes<'_>) -> Option<Row> {
    let section = Section::of(value, "a field", mistakes)?;
    let known = [
        "core",
        "remote",
        "value",
        "when",
        "direction",
        "in",
        "out",
        "owner",
        "policy",
        "write",
        "null",
        "empty",
        "group",
        "first_contact",
        "reference",
        "requires",
    ];
    section.only(&known, mistakes);
    let core = section.required("core", mistakes);
    let value = expression(section.any_text("value", mistakes), mistakes);
    if section.get("remote").is_none() && section.get("value").is_none() {
        mistakes.add(section.span.clone(), "a field needs `remote` or `value`");
    }
    let remote = section.texts("remote", mistakes);
    let words = [
        ("in", Direction::In),
        ("out", Direction::Out),
        ("both", Direction::Both),
    ];
    let direction = section
        .word("direction", &words, mistakes)
        .unwrap_or_default();
    if let [_, second, ..] = remote.as_slice()
        && direction.writes()
    {
        let message = "several remote fields make one value only on the way in: direction = \"in\"";
        mistakes.add(second.span.clone(), message);
    }
    let when = expression(section.any_text("when", mistakes), mistakes);
    if let Some(given) = section.get("value") {
        if section.get("remote").is_some() {
            let message = "a field has a `remote` or a `value`: a value is computed";
            mistakes.add(given.span(), message);
        } else if direction != Direction::In {
            let message = "a computed value only comes in: direction = \"in\"";
            mistakes.add(given.span(), message);
        }
    }
    let inbound = pipe(section.any_text("in", mistakes), tables, mistakes);
    let written = section.any_text("out", mistakes);
    let outbound_written = written.is_some();
    if let Some(text) = written.as_ref().filter(|_| !direction.writes()) {
        mistakes.add(text.span.clone(), "`out` on a field that only comes in");
    }
    let outbound = match written {
        Some(text) => Some(pipe(Some(text), tables, mistakes)),
        None if direction.writes() => invert(&inbound).ok(),
        None => None,
    };
    let decided = decided(&section, mistakes);
    let writes = [
        ("always", WritePolicy::Always),
        ("if_empty", WritePolicy::IfEmpty),
    ];
    let write = section.word("write", &writes, mistakes);
    if let Some(value) = section.get("write").filter(|_| !direction.writes()) {
        mistakes.add(value.span(), "`write` on a field that only comes in");
    }
    Some(Row {
        core: core?.text.to_owned(),
        remote: match &value {
            Some(value) => value.fields().into_iter().cloned().collect(),
            None => remote
                .iter()
                .map(|path| RemotePath::new(path.text))
                .collect(),
        },
        direction,
        value,
        when,
        inbound,
        outbound,
        outbound_written,
        owner: decided.owner,
        policy: decided.policy,
        write: write.unwrap_or_default(),
        null: decided.null,
        empty: decided.empty,
        group: section
            .text("group", mistakes)
            .map(|group| group.text.to_owned()),
        first_contact: section.word("first_contact", FIRST_CONTACT, mistakes),
        reference: section
            .text("reference", mistakes)
            .map(|stream| StreamName::from(stream.text)),
        requires: section
            .text("requires", mistakes)
            .map(|field| field.text.to_owned()),
        place: section.place(mistakes),
    })
}

/// What decides between the sides, and what absence means.
struct Decided {
    owner: Option<Side>,
    policy: Policy,
    null: NullPolicy,
    empty: Empty,
}

fn decided(section: &Section<'_, '_>, mistakes: &mut Mistakes<'_>) -> Decided {
    let sides = [("remote", Side::Remote), ("core", Side::Core)];
    let policies = [
        ("newest", Policy::Newest),
        ("union", Policy::Union),
        ("append", Policy::Append),
        ("text_merge", Policy::TextMerge),
        ("max", Policy::Max),
        ("min", Policy::Min),
        ("ask", Policy::Ask),
    ];
    let owner = section.word("owner", &sides, mistakes);
    let policy = section.word("policy", &policies, mistakes);
    if let (Some(value), true, true) = (section.get("policy"), owner.is_some(), policy.is_some()) {
        mistakes.add(
            value.span(),
            "a field has an `owner` or a `policy`: an owner always wins",
        );
    }
    let nulls = [("clear", NullPolicy::Clear), ("ignore", NullPolicy::Ignore)];
    let empties = [("null", Empty::Null), ("value", Empty::Value)];
    Decided {
        owner,
        policy: policy.unwrap_or_default(),
        null: section.word("null", &nulls, mistakes).unwrap_or_default(),
        empty: section
            .word("empty", &empties, mistakes)
            .unwrap_or_default(),
    }
}

fn expression(text: Option<Text<'_>>, mistakes: &mut Mistakes<'_>) -> Option<Expression> {
    let text = text?;
    Expression::parse(text.text)
        .map_err(|error| {
            let document = mistakes.text(text.span.clone());
            let at = text.span.start + offset_in(document, error.offset);
            mistakes.add(at..at, error.message);
        })
        .ok()
}

fn pipe(text: Option<Text<'_>>, tables: &Tables, mistakes: &mut Mistakes<'_>) -> Pipe {
    let Some(text) = text else {
        return Pipe::default();
    };
    Pipe::parse(text.text, tables).unwrap_or_else(|error| {
        let document = mistakes.text(text.span.clone());
        let at = text.span.start + offset_in(document, error.offset);
        mistakes.add(at..at, error.message);
        Pipe::default()
    })
}
