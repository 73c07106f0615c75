//! The audit trail: who did what, appended by the transaction that did it.
//!
//! Each tenant's entries are a chain: an entry's hash covers its content and the hash before it, so
//! that a changed, missing or exchanged entry shows ([`verify`]). The roles the hub works as cannot
//! change or delete entries. Whoever owns the database can rewrite the whole chain; against that the
//! last hash is kept elsewhere and given to [`verify`].
//!
//! Entries are written last in a transaction ([`Tx::commit`]), so that the lock that puts a tenant's
//! entries in order is held for one statement and the flush only.

mod read;
mod redact;

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use chrono::{DateTime, Utc};
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

pub use read::{AuditQuery, AuditRow, Broken, Head, Verified, list, prune, verify};
pub use redact::{Redaction, redact, redact_field};

use super::{StoreError, Tx};

/// What stands where a secret was.
pub const MASK: &str = "•••";
/// Longest value kept, as JSON; of longer ones only the size and the hash. Bytes.
const LONGEST: usize = 16 * 1024;
/// Names of fields whose values are never written, wherever they stand.
const SECRET_NAMES: [&str; 9] = [
    "password",
    "secret",
    "token",
    "private_key",
    "api_key",
    "credential",
    "passphrase",
    "current",
    "code",
];

/// Who acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    User {
        id: Uuid,
        name: String,
    },
    Key {
        id: Uuid,
        name: String,
    },
    /// The hub itself, or whoever runs it.
    System {
        name: String,
    },
}

impl Actor {
    fn kind(&self) -> &'static str {
        match self {
            Self::User { .. } => "user",
            Self::Key { .. } => "key",
            Self::System { .. } => "system",
        }
    }

    fn id(&self) -> Option<Uuid> {
        match self {
            Self::User { id, .. } | Self::Key { id, .. } => Some(*id),
            Self::System { .. } => None,
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::User { name, .. } | Self::Key { name, .. } | Self::System { name } => name,
        }
    }
}

/// Who acts in a transaction, and from where.
#[derive(Clone, Debug)]
pub struct Acting {
    pub actor: Actor,
    pub address: Option<IpAddr>,
    /// Id of the request, as the log has it.
    pub request: Option<String>,
    /// What is noted when the transaction commits without having noted anything: a change by a
    /// person never goes without an entry.
    pub otherwise: Option<Otherwise>,
}

/// An entry of last resort.
#[derive(Clone, Debug)]
pub struct Otherwise {
    pub entry: Entry,
    /// What was asked for, once it has been read.
    pub asked: Arc<OnceLock<Json>>,
}

/// One thing that was done.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub action: String,
    pub subject_kind: String,
    pub subject_id: String,
    pub before: Option<Json>,
    pub after: Option<Json>,
}

impl Entry {
    /// `action` is what was done (`update_user`), the subject what it was done to.
    pub fn new(action: &str, subject_kind: &str, subject_id: impl std::fmt::Display) -> Self {
        Self {
            action: action.to_owned(),
            subject_kind: subject_kind.to_owned(),
            subject_id: subject_id.to_string(),
            before: None,
            after: None,
        }
    }

    #[must_use]
    pub fn before(mut self, value: Json) -> Self {
        self.before = Some(value);
        self
    }

    #[must_use]
    pub fn after(mut self, value: Json) -> Self {
        self.after = Some(value);
        self
    }
}

/// What a transaction will have noted.
#[derive(Default)]
pub(super) struct Trail {
    pub(super) acting: Option<Acting>,
    pub(super) entries: Vec<Entry>,
}

/// An entry as it is hashed and stored.
struct Stored<'a> {
    seq: i64,
    at: DateTime<Utc>,
    actor_kind: &'a str,
    actor_id: Option<Uuid>,
    actor_name: &'a str,
    address: Option<&'a str>,
    request: Option<&'a str>,
    action: &'a str,
    subject_kind: &'a str,
    subject_id: &'a str,
    before: Option<&'a str>,
    after: Option<&'a str>,
}

impl Stored<'_> {
    /// SHA-256 over the tenant, the hash before and every part with its length.
    fn hash(&self, tenant: Uuid, previous: &[u8]) -> Vec<u8> {
        let mut hash = Sha256::new();
        let mut part = |bytes: Option<&[u8]>| {
            // A length that no part has stands for null.
            let length = bytes.map_or(u64::MAX, |bytes| bytes.len() as u64);
            hash.update(length.to_be_bytes());
            hash.update(bytes.unwrap_or_default());
        };
        part(Some(tenant.as_bytes()));
        part(Some(previous));
        part(Some(&self.seq.to_be_bytes()));
        part(Some(&self.at.timestamp_micros().to_be_bytes()));
        part(Some(self.actor_kind.as_bytes()));
        part(self.actor_id.as_ref().map(|id| id.as_bytes().as_slice()));
        part(Some(self.actor_name.as_bytes()));
        part(self.address.map(str::as_bytes));
        part(self.request.map(str::as_bytes));
        part(Some(self.action.as_bytes()));
        part(Some(self.subject_kind.as_bytes()));
        part(Some(self.subject_id.as_bytes()));
        part(self.before.map(str::as_bytes));
        part(self.after.map(str::as_bytes));
        hash.finalize().to_vec()
    }
}

/// Appends what a transaction noted, or its entry of last resort; does nothing where nothing is due.
pub(super) async fn write(tx: &mut Tx, trail: Trail) -> Result<(), StoreError> {
    let Trail {
        acting,
        mut entries,
    } = trail;
    if entries.is_empty() {
        let otherwise = acting.as_ref().and_then(|acting| acting.otherwise.as_ref());
        let Some(Otherwise { entry, asked }) = otherwise else {
            return Ok(());
        };
        let mut entry = entry.clone();
        entry.after = asked.get().cloned();
        entries.push(entry);
    }
    let (actor, address, request) = match acting {
        Some(acting) => (acting.actor, acting.address, acting.request),
        None => (
            Actor::System {
                name: "syncline".to_owned(),
            },
            None,
            None,
        ),
    };
    let address = address.map(|address| address.to_string());
    let (mut seq, mut previous) = head(tx).await?;
    let (tenant, at) = (tx.tenant().0, tx.now());
    let mut rows = Rows::default();
    for entry in &entries {
        seq += 1;
        let (before, after) = (text(entry.before.as_ref()), text(entry.after.as_ref()));
        let stored = Stored {
            seq,
            at,
            actor_kind: actor.kind(),
            actor_id: actor.id(),
            actor_name: actor.name(),
            address: address.as_deref(),
            request: request.as_deref(),
            action: &entry.action,
            subject_kind: &entry.subject_kind,
            subject_id: &entry.subject_id,
            before: before.as_deref(),
            after: after.as_deref(),
        };
        let hash = stored.hash(tenant, &previous);
        rows.seq.push(seq);
        rows.action.push(entry.action.clone());
        rows.subject_kind.push(entry.subject_kind.clone());
        rows.subject_id.push(entry.subject_id.clone());
        rows.before.push(before);
        rows.after.push(after);
        rows.previous
            .push(std::mem::replace(&mut previous, hash.clone()));
        rows.hash.push(hash);
    }
    sqlx::query!(
        "insert into audit_entries
             (seq, at, actor_kind, actor_id, actor_name, address, request, action, subject_kind,
              subject_id, before, after, previous_hash, hash)
         select seq, $1, $2, $3, $4, $5, $6, action, subject_kind, subject_id, before, after,
                previous, hash
         from unnest($7::bigint[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[],
                     $13::bytea[], $14::bytea[])
              as t(seq, action, subject_kind, subject_id, before, after, previous, hash)",
        at,
        actor.kind(),
        actor.id(),
        actor.name(),
        address,
        request,
        &rows.seq,
        &rows.action,
        &rows.subject_kind,
        &rows.subject_id,
        &rows.before as &[Option<String>],
        &rows.after as &[Option<String>],
        &rows.previous,
        &rows.hash,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

#[derive(Default)]
struct Rows {
    seq: Vec<i64>,
    action: Vec<String>,
    subject_kind: Vec<String>,
    subject_id: Vec<String>,
    before: Vec<Option<String>>,
    after: Vec<Option<String>>,
    previous: Vec<Vec<u8>>,
    hash: Vec<Vec<u8>>,
}

/// Number and hash of the last entry; others of the tenant wait until this transaction ends.
async fn head(tx: &mut Tx) -> Result<(i64, Vec<u8>), StoreError> {
    let lock = format!("syncline audit {}", tx.tenant().0);
    sqlx::query!(
        "select pg_advisory_xact_lock(hashtextextended($1, 0))",
        lock
    )
    .execute(tx.conn())
    .await?;
    // A statement of its own: it sees what was committed while we waited for the lock.
    let last = sqlx::query!(
        r#"
        (select seq as "seq!", hash as "hash!" from audit_entries order by seq desc limit 1)
        union all
        select seq, hash from audit_anchors
        order by 1 desc limit 1
        "#
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(last.map_or_else(|| (0, Vec::new()), |last| (last.seq, last.hash)))
}

/// A value as it is kept: secrets masked, and not without end.
fn text(value: Option<&Json>) -> Option<String> {
    let mut value = value?.clone();
    mask(&mut value);
    let text = value.to_string();
    if text.len() <= LONGEST {
        return Some(text);
    }
    let digest: String = Sha256::digest(text.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Some(serde_json::json!({"omitted_bytes": text.len(), "sha256": digest}).to_string())
}

/// Replaces the values of fields that hold secrets by their name.
pub fn mask(value: &mut Json) {
    match value {
        Json::Object(fields) => {
            for (name, value) in fields {
                let name = name.to_lowercase();
                let is_secret = SECRET_NAMES.iter().any(|secret| match *secret {
                    // Short words that are parts of innocent ones.
                    "current" | "code" => name == *secret,
                    secret => name.contains(secret),
                });
                if is_secret && (value.is_string() || value.is_object() || value.is_array()) {
                    *value = Json::from(MASK);
                } else {
                    mask(value);
                }
            }
        }
        Json::Array(values) => values.iter_mut().for_each(mask),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        let mut value = json!({
            "name": "Ada", "password": "x", "must_change_password": true,
            "config": {"client_secret": "y", "tokens": ["a"], "list": [{"apiKey": 1, "api_key": "z"}]},
            "country_code": "DE",
        });
        mask(&mut value);
        assert_eq!(
            value,
            json!({
                "name": "Ada", "password": MASK, "must_change_password": true,
                "config": {"client_secret": MASK, "tokens": MASK,
                           "list": [{"apiKey": 1, "api_key": MASK}]},
                "country_code": "DE",
            })
        );
    }

    #[test]
    fn a_long_value_is_named_by_its_size() {
        let kept = text(Some(&json!({"text": "x".repeat(20_000)}))).unwrap();
        assert!(kept.contains("\"omitted_bytes\":20011"), "{kept}");
        assert_eq!(
            text(Some(&json!({"b": 1, "a": null}))).unwrap(),
            r#"{"a":null,"b":1}"#
        );
    }

    #[test]
    fn a_hash_covers_every_part_and_where_it_ends() {
        let base = || Stored {
            seq: 1,
            at: DateTime::from_timestamp(1, 0).unwrap(),
            actor_kind: "user",
            actor_id: None,
            actor_name: "Ada",
            address: None,
            request: None,
            action: "ab",
            subject_kind: "c",
            subject_id: "",
            before: None,
            after: None,
        };
        let tenant = Uuid::from_u128(1);
        let plain = base().hash(tenant, b"");
        let others = [
            Stored { seq: 2, ..base() },
            Stored {
                action: "a",
                subject_kind: "bc",
                ..base()
            },
            Stored {
                address: Some(""),
                ..base()
            },
            Stored {
                before: Some(""),
                ..base()
            },
            Stored {
                after: Some(""),
                ..base()
            },
            Stored {
                actor_id: Some(Uuid::nil()),
                ..base()
            },
        ];
        for (number, other) in others.iter().enumerate() {
            assert_ne!(other.hash(tenant, b""), plain, "{number}");
        }
        assert_ne!(base().hash(Uuid::nil(), b""), plain);
        assert_ne!(base().hash(tenant, b"x"), plain);
        assert_eq!(base().hash(tenant, b""), plain);
    }
}
