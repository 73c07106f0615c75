//! Carrying out what was approved: the records go, then what is known, then the sign-in.

use std::collections::BTreeMap;

use engine::entity::{CoreTables, Entity};
use engine::ids::{EntityId, ErasureId, UserId};
use engine::store::audit::Entry;
use engine::store::{erasing, plans, quotas, suppressions};
use engine::sync::SyncError;
use engine::sync::forget;
use engine::sync::outbox;
use engine::sync::remove::{self, Removing};
use engine::{StoreError, Tx};
use serde_json::json;
use sqlx::types::{Json, Uuid};

use super::{Erasure, Forgetting, Subject, event, of_contact, users_of};
use crate::privacy_log::{self, Event};
use crate::users;

/// Removes the person's records where the streams say so, before what is known of them is destroyed.
/// Whether there is anything to do at all.
///
/// # Errors
/// [`SyncError`].
pub async fn begin(tx: &mut Tx, tables: &CoreTables, erasure: &Erasure) -> Result<(), SyncError> {
    let Subject::Contact(contact) = erasure.subject else {
        return Ok(());
    };
    let id = EntityId(contact.0);
    let found = tables.kind("contact")?.load(tx, &[id]).await?.pop();
    let Some(contact) = found.filter(|contact| contact.removed_at.is_none()) else {
        return Ok(());
    };
    let by = erasure.decided_by.unwrap_or(erasure.asked_by);
    let removed = remove::remove(
        tx,
        tables,
        ("contact", id),
        contact.version,
        Removing::Archive,
        by,
    )
    .await?;
    outbox::start_pushes(tx, &removed.owed, "erasure").await?;
    Ok(())
}

/// How many rows of what would be destroyed now. It is done as [`destroy`] does it and taken back: the
/// number comes from the statements that will run.
///
/// # Errors
/// [`StoreError::NotFound`] for a contact that is not there, removed ones count as there.
pub async fn plan(
    mut tx: Tx,
    tables: &CoreTables,
    subject: Subject,
    fresh_salt: &[u8; 32],
) -> Result<BTreeMap<String, u64>, StoreError> {
    // Nobody to forget is no empty plan.
    users_of(&mut tx, tables, subject).await?;
    let as_if = Erasure {
        id: ErasureId::fresh(),
        kind: Forgetting::Erase,
        subject,
        reason: String::new(),
        state: "approved".to_owned(),
        hold_hours: 0,
        asked_by: UserId(Uuid::nil()),
        asked_at: tx.now(),
        decided_by: None,
        decided_at: None,
        note: None,
        hold_until: None,
        run_id: None,
        done_at: None,
        counts: None,
    };
    let counts = forget_all(&mut tx, tables, &as_if, fresh_salt).await?;
    // Not committed: nothing of it stays.
    drop(tx);
    Ok(counts)
}

/// Destroys what is known of the person, and notes how much it was. Nothing brings it back.
///
/// # Errors
/// [`StoreError`].
pub async fn destroy(
    tx: &mut Tx,
    tables: &CoreTables,
    erasure: &Erasure,
    fresh_salt: &[u8; 32],
) -> Result<BTreeMap<String, u64>, StoreError> {
    let counts = forget_all(tx, tables, erasure, fresh_salt).await?;
    let now = tx.now();
    sqlx::query!(
        "update erasures set state = 'done', done_at = $2, counts = $3 where id = $1",
        erasure.id.0,
        now,
        Json(&counts) as _,
    )
    .execute(tx.conn())
    .await?;
    tx.audit(
        Entry::new("carry_out_erasure", "erasure", erasure.id)
            .after(json!({"kind": erasure.kind, "destroyed": counts})),
    );
    let rows: u64 = counts.values().sum();
    let done = Event {
        destroyed: i64::try_from(rows).ok(),
        ..event(
            "carry_out",
            None,
            erasure.id,
            erasure.kind,
            erasure.subject,
            "done",
        )
    };
    privacy_log::note(tx, &done).await?;
    if let Subject::Contact(contact) = erasure.subject {
        tx.changed("contact", contact);
    }
    Ok(counts)
}

/// Notes that a request could not be carried out. Its run can be tried again, and the request withdrawn.
///
/// # Errors
/// [`StoreError`].
pub async fn failed(tx: &mut Tx, erasure: &Erasure, class: &str) -> Result<(), StoreError> {
    sqlx::query!(
        "update erasures set state = 'failed' where id = $1 and state = 'approved'",
        erasure.id.0
    )
    .execute(tx.conn())
    .await?;
    tx.audit(
        Entry::new("fail_erasure", "erasure", erasure.id)
            .before(json!({"state": erasure.state}))
            .after(json!({"state": "failed", "class": class})),
    );
    let failed = Event {
        failure: Some(class),
        ..event(
            "fail",
            None,
            erasure.id,
            erasure.kind,
            erasure.subject,
            "failed",
        )
    };
    privacy_log::note(tx, &failed).await
}

/// Forgets the contact and who signs in with its address, or the user.
async fn forget_all(
    tx: &mut Tx,
    tables: &CoreTables,
    erasure: &Erasure,
    fresh_salt: &[u8; 32],
) -> Result<BTreeMap<String, u64>, StoreError> {
    // The lock on who is forgotten comes before that of any row.
    let salt = suppressions::salt_to_forget(tx, fresh_salt).await?;
    let (mut counts, users) = match erasure.subject {
        Subject::User(id) => (BTreeMap::new(), vec![id]),
        Subject::Contact(contact) => {
            let id = EntityId(contact.0);
            let found = tables.kind("contact")?.load(tx, &[id]).await?.pop();
            let users = match &found {
                Some(found) => of_contact(tx, found).await?,
                None => Vec::new(),
            };
            let counts = forget_contact(tx, tables, erasure, id, found, fresh_salt).await?;
            (counts, users)
        }
    };
    for user in users {
        for (place, gone) in users::erase::forget(tx, user, erasure.id, &salt).await? {
            *counts.entry(place).or_default() += gone;
        }
    }
    Ok(counts)
}

async fn forget_contact(
    tx: &mut Tx,
    tables: &CoreTables,
    erasure: &Erasure,
    id: EntityId,
    found: Option<Entity>,
    fresh_salt: &[u8; 32],
) -> Result<BTreeMap<String, u64>, StoreError> {
    let kind = tables.kind("contact")?;
    let catalogue = plans::catalogue(tx, &kind).await?;
    let of = (erasure.id, fresh_salt);
    let mut counts = forget::forget(tx, &catalogue, id, found.as_ref(), of).await?;
    let rows = match erasure.kind {
        Forgetting::Erase => {
            sqlx::query!("delete from contacts where id = $1", id.0)
                .execute(tx.conn())
                .await?
        }
        Forgetting::Anonymise => {
            let now = tx.now();
            let pseudonym = format!("Anonymous {}", &erasure.id.0.simple().to_string()[24..]);
            sqlx::query!(
                "update contacts
                 set first_name = null, last_name = $2, email = null, phone = null, mobile = null,
                     title = null, department = null, mailing_street = null, mailing_city = null,
                     mailing_state = null, mailing_postal_code = null, mailing_country = null,
                     no_email = true, custom = '{}', provenance = '{}', removed_at = null,
                     version = version + 1, updated_at = $3
                 where id = $1",
                id.0,
                pseudonym,
                now,
            )
            .execute(tx.conn())
            .await?
        }
    };
    counts.insert("contacts".to_owned(), rows.rows_affected());
    if erasure.kind == Forgetting::Erase && rows.rows_affected() > 0 {
        quotas::take_records(tx, -1).await?;
    }
    Ok(counts)
}

/// Writes about the person that are on their way, which are waited for.
///
/// # Errors
/// [`StoreError`].
pub async fn under_way(tx: &mut Tx, erasure: &Erasure) -> Result<i64, StoreError> {
    match erasure.subject {
        Subject::Contact(contact) => erasing::writes_under_way(tx, EntityId(contact.0)).await,
        Subject::User(_) => Ok(0),
    }
}
