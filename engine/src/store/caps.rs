//! How much a run may do to a stream before it asks: by count and share, both of which must be passed.

use serde::{Deserialize, Serialize};

use super::{StoreError, Tx};
use crate::ids::ConnectionId;

/// A cap is passed by what is more than the count *and* more than the share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cap {
    pub count: u64,
    /// Of the stream's records, in percent.
    pub share: u8,
}

impl Cap {
    /// How much may be done to a stream with so many records.
    pub fn most(self, records: u64) -> u64 {
        let share = u128::from(records) * u128::from(self.share) / 100;
        self.count.max(u64::try_from(share).unwrap_or(u64::MAX))
    }
}

/// The caps of one stream, each for one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Caps {
    /// Records that are removed.
    pub deletes: Cap,
    /// Values that are written over others in the core.
    pub overwrites: Cap,
    /// Records of which entities are made, once the stream was read to its end.
    pub creates: Cap,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            deletes: Cap {
                count: 10,
                share: 10,
            },
            overwrites: Cap {
                count: 1_000,
                share: 20,
            },
            creates: Cap {
                count: 1_000,
                share: 50,
            },
        }
    }
}

/// The caps of a stream with their version; 0 for one that has the defaults.
///
/// # Errors
/// [`StoreError`].
pub async fn get(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
) -> Result<(Caps, i64), StoreError> {
    let row = sqlx::query!(
        "
        select deletes_count, deletes_share, overwrites_count, overwrites_share, creates_count,
               creates_share, version
        from stream_caps
        where connection_id = $1 and stream = $2
        ",
        connection.0,
        stream,
    )
    .fetch_optional(tx.conn())
    .await?;
    let Some(row) = row else {
        return Ok((Caps::default(), 0));
    };
    let caps = Caps {
        deletes: cap(row.deletes_count, row.deletes_share)?,
        overwrites: cap(row.overwrites_count, row.overwrites_share)?,
        creates: cap(row.creates_count, row.creates_share)?,
    };
    Ok((caps, row.version))
}

fn cap(count: i64, share: i32) -> Result<Cap, StoreError> {
    Ok(Cap {
        count: u64::try_from(count).map_err(|error| StoreError::corrupt("cap", error))?,
        share: u8::try_from(share).map_err(|error| StoreError::corrupt("cap", error))?,
    })
}

/// Sets the caps of a stream of which the caller read this version.
///
/// # Errors
/// [`StoreError::Stale`].
pub async fn put(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    caps: &Caps,
    version: i64,
) -> Result<i64, StoreError> {
    let count = |cap: Cap| i64::try_from(cap.count).unwrap_or(i64::MAX);
    let stored = sqlx::query_scalar!(
        "
        insert into stream_caps as known
            (connection_id, stream, deletes_count, deletes_share, overwrites_count,
             overwrites_share, creates_count, creates_share)
        values ($1, $2, $3, $4, $5, $6, $7, $8)
        on conflict (tenant_id, connection_id, stream) do update
        set deletes_count = excluded.deletes_count,
            deletes_share = excluded.deletes_share,
            overwrites_count = excluded.overwrites_count,
            overwrites_share = excluded.overwrites_share,
            creates_count = excluded.creates_count,
            creates_share = excluded.creates_share,
            version = known.version + 1
        where known.version = $9
        returning version
        ",
        connection.0,
        stream,
        count(caps.deletes),
        i32::from(caps.deletes.share),
        count(caps.overwrites),
        i32::from(caps.overwrites.share),
        count(caps.creates),
        i32::from(caps.creates.share),
        version,
    )
    .fetch_optional(tx.conn())
    .await?;
    stored.ok_or_else(|| StoreError::Stale(format!("caps of {stream:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cap_is_passed_only_by_more_than_its_count_and_more_than_its_share() {
        let cap = Cap {
            count: 10,
            share: 10,
        };
        assert_eq!(cap.most(0), 10);
        assert_eq!(cap.most(50), 10);
        assert_eq!(cap.most(1_000), 100);
        let none = Cap { count: 0, share: 0 };
        assert_eq!(none.most(1_000_000), 0);
        let all = Cap {
            count: u64::MAX,
            share: 100,
        };
        assert_eq!(all.most(u64::MAX), u64::MAX);
    }
}
