//! Taking an erased person out of the trail. What was done stays, by nobody known: names, addresses and
//! values of theirs are masked, the hashes are not touched. A changed entry does not have its hash any
//! more, so an entry that follows says for each of them the hash of what it holds now; the check of the
//! chain takes an entry that does not have its own hash only if it has that one.

use std::collections::HashMap;
use std::fmt::Write as _;

use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::{AuditRow, Entry, MASK};
use crate::store::{StoreError, Tx};

/// The action of the entries that say what was masked.
const ACTION: &str = "redact_audit";
/// Entries that one of them names: it is not longer than an entry may be.
const NAMED: usize = 150;

/// What is taken out.
#[derive(Clone, Debug)]
pub struct Redaction<'a> {
    /// The person, and the programs that acted for them.
    pub actors: &'a [Uuid],
    /// The person as a subject: `usr_…`.
    pub subject: &'a str,
    /// What stands for them.
    pub nobody: &'a str,
    /// Their name: masked where it stands alone as a name.
    pub name: &'a str,
    /// Texts of theirs that are masked wherever they stand, however they are written.
    pub texts: &'a [String],
    /// The request that asked for it: `ers_…`.
    pub erasure: &'a str,
}

/// Masks a person; in how many entries. Has to be followed by the commit of this transaction, which
/// notes what was masked.
///
/// # Errors
/// [`StoreError`].
pub async fn redact(tx: &mut Tx, redaction: &Redaction<'_>) -> Result<u64, StoreError> {
    let rows = sqlx::query_as!(
        AuditRow,
        "select seq, at, actor_kind, actor_id, actor_name, address, request, action, subject_kind,
                subject_id, before, after, previous_hash, hash
         from audit_entries
         where action <> $4
           and (actor_id = any($1) or subject_id = $2
                or exists (select from unnest($3::text[]) as part
                           where strpos(lower(concat(actor_name, before, after)), lower(part)) > 0))
         order by seq",
        redaction.actors,
        redaction.subject,
        redaction.texts,
        ACTION,
    )
    .fetch_all(tx.conn())
    .await?;
    let subject = ("erasure", redaction.erasure);
    store(tx, rows, |row| redaction.mask(row), subject).await
}

/// Masks the values of a field of entities that turned out to be a person's; in how many entries.
///
/// # Errors
/// [`StoreError`].
pub async fn redact_field(tx: &mut Tx, entity: &str, field: &str) -> Result<u64, StoreError> {
    let rows = sqlx::query_as!(
        AuditRow,
        "select seq, at, actor_kind, actor_id, actor_name, address, request, action, subject_kind,
                subject_id, before, after, previous_hash, hash
         from audit_entries
         where subject_kind in ($1, $1 || 's') and strpos(concat(before, after), to_json($2::text)::text) > 0
         order by seq",
        entity,
        field,
    )
    .fetch_all(tx.conn())
    .await?;
    let mask = |row: &mut AuditRow| {
        for value in [&mut row.before, &mut row.after] {
            *value = value.as_deref().map(|text| without_field(text, field));
        }
    };
    store(tx, rows, mask, ("field", &format!("{entity}/{field}"))).await
}

/// A value without that of a field, wherever it is named.
fn without_field(text: &str, field: &str) -> String {
    fn walk(json: &mut Json, field: &str) {
        match json {
            Json::Object(fields) => {
                for (key, value) in fields {
                    if key == field && !value.is_null() {
                        *value = Json::from(MASK);
                    } else {
                        walk(value, field);
                    }
                }
            }
            Json::Array(values) => values.iter_mut().for_each(|value| walk(value, field)),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
        }
    }
    match serde_json::from_str::<Json>(text) {
        Ok(mut json) => {
            walk(&mut json, field);
            json.to_string()
        }
        Err(_no_json) => Json::from(MASK).to_string(),
    }
}

/// Stores entries as `mask` leaves them, and notes which they are under this subject.
async fn store(
    tx: &mut Tx,
    rows: Vec<AuditRow>,
    mask: impl Fn(&mut AuditRow),
    (kind, subject): (&str, &str),
) -> Result<u64, StoreError> {
    let tenant = tx.tenant().0;
    let mut masked = Masked::default();
    for mut row in rows {
        let before = row.clone();
        mask(&mut row);
        let is_same = row.actor_name == before.actor_name
            && row.address == before.address
            && row.before == before.before
            && row.after == before.after;
        if is_same {
            continue;
        }
        let hash = hex(&row.stored().hash(tenant, &row.previous_hash));
        masked.noted.push(json!([row.seq, hash]));
        masked.seqs.push(row.seq);
        masked.names.push(row.actor_name);
        masked.addresses.push(row.address);
        masked.befores.push(row.before);
        masked.afters.push(row.after);
    }
    if masked.seqs.is_empty() {
        return Ok(0);
    }
    // The roles of tenants change no entry: for one statement this transaction is the hub's own.
    sqlx::query("set local role syncline_system")
        .execute(tx.conn())
        .await?;
    sqlx::query!(
        "select redact_audit($1, $2, $3, $4::text[], $5::text[], $6::text[])",
        tenant,
        &masked.seqs,
        &masked.names,
        &masked.addresses as &[Option<String>],
        &masked.befores as &[Option<String>],
        &masked.afters as &[Option<String>],
    )
    .execute(tx.conn())
    .await?;
    sqlx::query("set local role syncline_app")
        .execute(tx.conn())
        .await?;
    for part in masked.noted.chunks(NAMED) {
        let entry = Entry::new(ACTION, kind, subject);
        tx.audit(entry.after(json!({"entries": part})));
    }
    Ok(masked.seqs.len() as u64)
}

#[derive(Default)]
struct Masked {
    seqs: Vec<i64>,
    names: Vec<String>,
    addresses: Vec<Option<String>>,
    befores: Vec<Option<String>>,
    afters: Vec<Option<String>>,
    noted: Vec<Json>,
}

impl Redaction<'_> {
    fn mask(&self, row: &mut AuditRow) {
        if row.actor_id.is_some_and(|id| self.actors.contains(&id)) {
            self.nobody.clone_into(&mut row.actor_name);
            row.address = None;
        } else {
            row.actor_name = self.without(&row.actor_name);
        }
        let is_theirs = row.subject_id == self.subject;
        for value in [&mut row.before, &mut row.after] {
            *value = value.as_deref().map(|text| self.value(text, is_theirs));
        }
    }

    /// A value without the person. One that is no JSON any more is not kept at all.
    fn value(&self, text: &str, is_theirs: bool) -> String {
        match serde_json::from_str::<Json>(text) {
            Ok(mut json) => {
                self.json(&mut json, is_theirs);
                json.to_string()
            }
            Err(_no_json) => Json::from(MASK).to_string(),
        }
    }

    fn json(&self, value: &mut Json, is_theirs: bool) {
        match value {
            Json::Object(fields) => {
                for (key, value) in fields {
                    let is_name = key == "name" && (is_theirs || value.as_str() == Some(self.name));
                    if is_name && value.is_string() {
                        *value = Json::from(MASK);
                    } else {
                        self.json(value, is_theirs);
                    }
                }
            }
            Json::Array(values) => values
                .iter_mut()
                .for_each(|value| self.json(value, is_theirs)),
            Json::String(text) => *text = self.without(text),
            Json::Null | Json::Bool(_) | Json::Number(_) => {}
        }
    }

    /// A text without their texts, however these are written.
    fn without(&self, text: &str) -> String {
        let mut left = text.to_owned();
        for part in self.texts {
            left = replace(&left, part);
        }
        left
    }
}

/// `text` with every occurrence of `part` masked, in whatever case.
fn replace(text: &str, part: &str) -> String {
    let part: Vec<char> = part.chars().flat_map(char::to_lowercase).collect();
    if part.is_empty() {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        match begins(rest, &part) {
            Some(length) => {
                out.push_str(MASK);
                rest = &rest[length..];
            }
            None => {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    out
}

/// How many bytes of `text` are `part`, where it begins with it.
fn begins(text: &str, part: &[char]) -> Option<usize> {
    let mut wanted = part.iter();
    for (at, found) in text.char_indices() {
        for lower in found.to_lowercase() {
            match wanted.next() {
                Some(next) if *next == lower => {}
                Some(_) => return None,
                // Part of a letter that is more than one in lower case.
                None => return None,
            }
        }
        if wanted.as_slice().is_empty() {
            return Some(at + found.len_utf8());
        }
    }
    None
}

/// The hash of what each masked entry holds now; the last word on each counts.
pub(super) async fn noted(tx: &mut Tx) -> Result<HashMap<i64, String>, StoreError> {
    let texts = sqlx::query_scalar!(
        r#"select after as "after!" from audit_entries
           where action = $1 and after is not null order by seq"#,
        ACTION
    )
    .fetch_all(tx.conn())
    .await?;
    let mut noted = HashMap::new();
    for text in texts {
        // One that does not read is an entry that was changed: the walk says so.
        let Ok(json) = serde_json::from_str::<Json>(&text) else {
            continue;
        };
        for pair in json["entries"].as_array().into_iter().flatten() {
            if let (Some(seq), Some(hash)) = (pair[0].as_i64(), pair[1].as_str()) {
                noted.insert(seq, hash.to_owned());
            }
        }
    }
    Ok(noted)
}

pub(super) fn hex(hash: &[u8]) -> String {
    let mut text = String::new();
    for byte in hash {
        write!(text, "{byte:02x}").expect("a text takes what is written");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redaction(texts: &[String]) -> Redaction<'_> {
        Redaction {
            actors: &[],
            subject: "usr_1",
            nobody: "an erased user",
            name: "Ada",
            texts,
            erasure: "ers_1",
        }
    }

    #[test]
    fn texts_go_however_they_are_written_and_others_stay() {
        let texts = ["ada@one.example".to_owned(), "Ada Lovelace".to_owned()];
        let redaction = redaction(&texts);
        assert_eq!(redaction.without("CI of ADA LOVELACE"), "CI of •••");
        assert_eq!(redaction.without("Ada@One.example!"), "•••!");
        assert_eq!(
            redaction.without("Adam at one.example"),
            "Adam at one.example"
        );
        assert_eq!(
            redaction.without("İstanbul ada@one.example"),
            "İstanbul •••"
        );
    }

    #[test]
    fn the_values_of_a_field_go_wherever_it_is_named() {
        let text = r#"{"custom.nick":"Ada","fields":{"custom.nick":null,"x":"custom.nick"}}"#;
        assert_eq!(
            without_field(text, "custom.nick"),
            r#"{"custom.nick":"•••","fields":{"custom.nick":null,"x":"custom.nick"}}"#
        );
    }

    #[test]
    fn a_name_goes_where_it_is_one() {
        let redaction = redaction(&[]);
        let other = redaction.value(
            r#"{"name":"Ada","role":"Ada","list":[{"name":"Bo"}]}"#,
            false,
        );
        assert_eq!(
            other,
            r#"{"list":[{"name":"Bo"}],"name":"•••","role":"Ada"}"#
        );
        // An earlier name of theirs is theirs as well.
        let theirs = redaction.value(r#"{"name":"Ada Byron"}"#, true);
        assert_eq!(theirs, r#"{"name":"•••"}"#);
        assert_eq!(redaction.value("no json", false), r#""•••""#);
    }
}
