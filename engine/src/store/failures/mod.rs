//! What fails, folded by its cause. The view `failing` says of the rows themselves what fails now;
//! folding it ([`fold`]) is what remembers a class when it is over. Pages and pushes do nothing for it.

mod act;
mod read;

pub use act::{Thing, count, part, remap, write_again};
pub use read::{ClassQuery, ClassRow, FailingRow, Sample, get, list, mute, records};

use serde::{Deserialize, Serialize};

use super::{StoreError, Tx};

/// What kind of thing fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A field of a record that could not be taken over.
    Field,
    /// A write that a system refused or did not get.
    Write,
    /// A run that reads or writes a stream.
    Run,
    /// A field that its system describes otherwise than its mapping expects.
    Schema,
}

impl Source {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Field => "field",
            Self::Write => "write",
            Self::Run => "run",
            Self::Schema => "schema",
        }
    }

    fn read(text: &str) -> Result<Self, StoreError> {
        match text {
            "field" => Ok(Self::Field),
            "write" => Ok(Self::Write),
            "run" => Ok(Self::Run),
            "schema" => Ok(Self::Schema),
            other => Err(StoreError::corrupt("source of a failure", other.to_owned())),
        }
    }
}

/// Looks what fails now: classes with failures are open, those without any are closed.
///
/// # Errors
/// [`StoreError`].
pub async fn fold(tx: &mut Tx) -> Result<(), StoreError> {
    let (now, tenant) = (tx.now(), tx.tenant());
    // One at a time per tenant: of two that looked at different moments the later one must stand.
    sqlx::query!(
        "select pg_advisory_xact_lock(hashtextextended('failures/' || $1::uuid::text, 0))",
        tenant.0,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "
        with found as (
            select class, connection_id, stream, source, kind, code, about,
                   fold_message(coalesce(max(message), '')) as message,
                   count(distinct thing) as things, count(*) as failures,
                   to_jsonb((array_agg(jsonb_build_object(
                       'entity', entity, 'entity_id', entity_id, 'thing', thing,
                       'message', message, 'at', at) order by at desc))[1:3]) as samples,
                   min(at) as first_at, max(at) as last_at, min(next_at) as next_at
            from failing
            group by class, connection_id, stream, source, kind, code, about
        ),
        closed as (
            update failure_classes known
            set state = 'closed', closed_at = $1, things = 0, failures = 0, next_try_at = null
            where known.state = 'open' and not exists (
                select from found where found.class = known.id
            )
        )
        insert into failure_classes as known
            (id, connection_id, stream, source, kind, code, about, message, state, things, failures,
             samples, first_seen_at, last_seen_at, next_try_at)
        select class, connection_id, stream, source, kind, code, about, message, 'open', things,
               failures, samples, first_at, last_at, next_at
        from found
        on conflict (tenant_id, id) do update
        set state = 'open',
            closed_at = null,
            things = excluded.things,
            failures = excluded.failures,
            samples = excluded.samples,
            first_seen_at = least(known.first_seen_at, excluded.first_seen_at),
            last_seen_at = greatest(known.last_seen_at, excluded.last_seen_at),
            next_try_at = excluded.next_try_at
        ",
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
