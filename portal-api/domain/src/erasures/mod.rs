//! Forgetting people on request: asked for by one, approved by another, held for a while, carried out
//! by a run. The request stays and says what was destroyed; of whom it was, nothing is left.

mod carry_out;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use engine::entity::{CoreTables, Entity};
use engine::ids::{ContactId, EntityId, ErasureId, RunId, UserId};
use engine::sdk::Value;
use engine::store::audit::Entry;
use engine::store::runs::{self, NewRun, StartOptions};
use engine::{StoreError, Tx};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::types::{Json, Uuid};

use crate::privacy_log::{self, Event};
use crate::users::{self, people};

pub use carry_out::{begin, destroy, failed, plan, under_way};

/// The workflow that forgets a person.
pub const ERASE_WORKFLOW: &str = "erase_person";

/// Its input: nothing about the person.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EraseInput {
    pub erasure: ErasureId,
}

/// What becomes of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forgetting {
    /// Nothing is left.
    Erase,
    /// A contact without a name stays where the person was, for what points at it.
    Anonymise,
}

impl Forgetting {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Erase => "erase",
            Self::Anonymise => "anonymise",
        }
    }

    fn of(text: &str) -> Result<Self, StoreError> {
        match text {
            "erase" => Ok(Self::Erase),
            "anonymise" => Ok(Self::Anonymise),
            other => Err(StoreError::corrupt("kind of an erasure", other.to_owned())),
        }
    }
}

/// Who is to be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A contact, and who signs in with its address.
    Contact(ContactId),
    /// Somebody who signs in and is no contact.
    User(UserId),
}

impl Subject {
    fn parts(self) -> (&'static str, Uuid) {
        match self {
            Self::Contact(id) => ("contact", id.0),
            Self::User(id) => ("user", id.0),
        }
    }

    fn of(entity: &str, id: Uuid) -> Result<Self, StoreError> {
        match entity {
            "contact" => Ok(Self::Contact(ContactId(id))),
            "user" => Ok(Self::User(UserId(id))),
            other => Err(StoreError::corrupt(
                "entity of an erasure",
                other.to_owned(),
            )),
        }
    }

    pub fn contact(self) -> Option<ContactId> {
        match self {
            Self::Contact(id) => Some(id),
            Self::User(_) => None,
        }
    }

    pub fn user(self) -> Option<UserId> {
        match self {
            Self::Contact(_) => None,
            Self::User(id) => Some(id),
        }
    }

    fn noted(self) -> serde_json::Value {
        match self {
            Self::Contact(id) => json!({"contact": id}),
            Self::User(id) => json!({"user": id}),
        }
    }
}

/// A request.
#[derive(Clone, Debug)]
pub struct Erasure {
    pub id: ErasureId,
    pub kind: Forgetting,
    pub subject: Subject,
    pub reason: String,
    /// asked, approved, refused, withdrawn, failed or done
    pub state: String,
    pub hold_hours: i32,
    pub asked_by: UserId,
    pub asked_at: DateTime<Utc>,
    pub decided_by: Option<UserId>,
    pub decided_at: Option<DateTime<Utc>>,
    pub note: Option<String>,
    /// Until then it can be withdrawn.
    pub hold_until: Option<DateTime<Utc>>,
    pub run_id: Option<RunId>,
    pub done_at: Option<DateTime<Utc>>,
    /// How many rows of what were destroyed.
    pub counts: Option<BTreeMap<String, u64>>,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct ErasureWish {
    pub kind: Forgetting,
    pub subject: Subject,
    pub reason: String,
    pub hold_hours: i32,
}

/// All requests, newest first.
///
/// # Errors
/// [`StoreError`].
pub async fn list(tx: &mut Tx) -> Result<Vec<Erasure>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select id as "id: ErasureId", kind, entity, entity_id, reason, state,
               hold_hours, asked_by as "asked_by: UserId", asked_at,
               decided_by as "decided_by: UserId", decided_at, note, hold_until,
               run_id as "run_id: RunId", done_at,
               counts as "counts: Json<BTreeMap<String, u64>>"
        from erasures order by id desc
        "#
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Erasure {
                id: row.id,
                kind: Forgetting::of(&row.kind)?,
                subject: Subject::of(&row.entity, row.entity_id)?,
                reason: row.reason,
                state: row.state,
                hold_hours: row.hold_hours,
                asked_by: row.asked_by,
                asked_at: row.asked_at,
                decided_by: row.decided_by,
                decided_at: row.decided_at,
                note: row.note,
                hold_until: row.hold_until,
                run_id: row.run_id,
                done_at: row.done_at,
                counts: row.counts.map(|counts| counts.0),
            })
        })
        .collect()
}

/// A request.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn get(tx: &mut Tx, id: ErasureId) -> Result<Erasure, StoreError> {
    let all = list(tx).await?;
    let found = all.into_iter().find(|erasure| erasure.id == id);
    found.ok_or_else(|| StoreError::NotFound(format!("erasure {id}")))
}

/// Asks for somebody to be forgotten.
///
/// # Errors
/// [`StoreError::NotFound`] for a contact that is not there, removed ones count as there;
/// [`StoreError::Conflict`] where it was asked for already.
pub async fn ask(
    tx: &mut Tx,
    tables: &CoreTables,
    wish: &ErasureWish,
    by: UserId,
) -> Result<ErasureId, StoreError> {
    for user in users_of(tx, tables, wish.subject).await? {
        users::erase::permit(tx, user).await?;
    }
    let (id, now) = (ErasureId::fresh(), tx.now());
    let (entity, subject) = wish.subject.parts();
    sqlx::query!(
        "insert into erasures (id, kind, entity, entity_id, reason, hold_hours, asked_by, asked_at)
         values ($1, $2, $8, $3, $4, $5, $6, $7)",
        id.0,
        wish.kind.as_str(),
        subject,
        wish.reason,
        wish.hold_hours,
        by.0,
        now,
        entity,
    )
    .execute(tx.conn())
    .await
    .map_err(|error| match StoreError::from(error) {
        error if error.is_unique_violation() => {
            StoreError::Conflict("this was asked for already".to_owned())
        }
        error => error,
    })?;
    // Reason and notes may name the person: they stay in the request, where they are masked once it is
    // carried out, and out of the trail, which is not rewritten.
    let mut after = wish.subject.noted();
    after["kind"] = json!(wish.kind);
    after["hold_hours"] = json!(wish.hold_hours);
    tx.audit(Entry::new("ask_erasure", "erasure", id).after(after));
    let event = event("ask", Some(by), id, wish.kind, wish.subject, "asked");
    privacy_log::note(tx, &event).await?;
    Ok(id)
}

/// Who signs in and is forgotten with this: the user, or those with the address of the contact.
///
/// # Errors
/// [`StoreError::NotFound`] for somebody who is not there, removed contacts count as there.
pub async fn users_of(
    tx: &mut Tx,
    tables: &CoreTables,
    subject: Subject,
) -> Result<Vec<UserId>, StoreError> {
    match subject {
        Subject::User(id) => {
            people::get(tx, id).await?;
            Ok(vec![id])
        }
        Subject::Contact(id) => {
            let found = tables
                .kind("contact")?
                .load(tx, &[EntityId(id.0)])
                .await?
                .pop();
            let found = found.ok_or_else(|| StoreError::NotFound(format!("contact {id}")))?;
            of_contact(tx, &found).await
        }
    }
}

async fn of_contact(tx: &mut Tx, contact: &Entity) -> Result<Vec<UserId>, StoreError> {
    match contact.values.get("email") {
        Some(Value::Text(email)) => {
            users::erase::with_addresses(tx, std::slice::from_ref(email)).await
        }
        _ => Ok(Vec::new()),
    }
}

/// Approves a request, which starts the run that carries it out when the hold is over. Nobody approves
/// what they asked for themselves: no setting changes that.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Conflict`] for one's own, and for one that is not open.
pub async fn approve(
    tx: &mut Tx,
    id: ErasureId,
    note: Option<&str>,
    by: UserId,
) -> Result<(), StoreError> {
    let erasure = open(tx, id, &["asked"]).await?;
    if erasure.asked_by == by {
        let why = "somebody else has to approve what you asked for";
        return Err(StoreError::Conflict(why.to_owned()));
    }
    let now = tx.now();
    let until = now + TimeDelta::hours(erasure.hold_hours.into());
    let options = StartOptions {
        trigger: "erasure".to_owned(),
        ..StartOptions::default()
    };
    let new = NewRun::named(ERASE_WORKFLOW, &EraseInput { erasure: id }, options)?;
    let run = runs::start(tx, new).await?.id();
    sqlx::query!(
        "update erasures set state = 'approved', decided_by = $2, decided_at = $3, note = $4,
                hold_until = $5, run_id = $6
         where id = $1",
        id.0,
        by.0,
        now,
        note,
        until,
        run.0,
    )
    .execute(tx.conn())
    .await?;
    tx.audit(
        Entry::new("approve_erasure", "erasure", id)
            .before(json!({"state": "asked"}))
            .after(json!({"state": "approved", "hold_until": until})),
    );
    let done = event(
        "approve",
        Some(by),
        id,
        erasure.kind,
        erasure.subject,
        "approved",
    );
    privacy_log::note(tx, &done).await?;
    Ok(())
}

/// Refuses a request, or withdraws it while it is held.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Conflict`] for one that is over.
pub async fn stop(
    tx: &mut Tx,
    id: ErasureId,
    note: Option<&str>,
    by: UserId,
) -> Result<(), StoreError> {
    let erasure = open(tx, id, &["asked", "approved", "failed"]).await?;
    let is_own = erasure.asked_by == by;
    let state = if erasure.state == "asked" && !is_own {
        "refused"
    } else {
        "withdrawn"
    };
    let now = tx.now();
    sqlx::query!(
        "update erasures set state = $2, decided_by = coalesce(decided_by, $3),
                decided_at = $4, note = coalesce($5, note)
         where id = $1",
        id.0,
        state,
        by.0,
        now,
        note,
    )
    .execute(tx.conn())
    .await?;
    tx.audit(
        Entry::new("stop_erasure", "erasure", id)
            .before(json!({"state": erasure.state}))
            .after(json!({"state": state})),
    );
    let action = if state == "refused" {
        "refuse"
    } else {
        "withdraw"
    };
    let done = event(action, Some(by), id, erasure.kind, erasure.subject, state);
    privacy_log::note(tx, &done).await?;
    Ok(())
}

async fn open(tx: &mut Tx, id: ErasureId, states: &[&str]) -> Result<Erasure, StoreError> {
    // Two who decide at once wait for each other.
    sqlx::query!("select id from erasures where id = $1 for update", id.0)
        .fetch_optional(tx.conn())
        .await?;
    let erasure = get(tx, id).await?;
    if states.contains(&erasure.state.as_str()) {
        return Ok(erasure);
    }
    let state = erasure.state;
    Err(StoreError::Conflict(format!("this request is {state}")))
}

fn event(
    action: &'static str,
    actor: Option<UserId>,
    id: ErasureId,
    kind: Forgetting,
    subject: Subject,
    state: &'static str,
) -> Event<'static> {
    Event {
        action,
        actor,
        request: id.to_string(),
        kind: kind.as_str(),
        scope: subject.parts().0,
        state,
        destroyed: None,
        failure: None,
    }
}

/// The system gives no random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random numbers")]
pub struct NoRandomness;

/// A salt for a tenant that has none yet.
///
/// # Errors
/// [`NoRandomness`].
pub fn fresh_salt() -> Result<[u8; 32], NoRandomness> {
    let mut salt = [0; 32];
    getrandom::fill(&mut salt).map_err(|_error| NoRandomness)?;
    Ok(salt)
}
