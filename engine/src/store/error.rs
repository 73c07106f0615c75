//! What can go wrong in the store, and whether it may go right later.

use crate::ids::RunId;

/// What can go wrong in the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("database failed")]
    Database(#[from] sqlx::Error),
    #[error("migration failed")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// The row is not there, or belongs to another tenant.
    #[error("{0} not found")]
    NotFound(String),
    /// The row moved on since the caller read it.
    #[error("{0} was changed meanwhile")]
    Stale(String),
    /// A unique value is taken, or the row is in a state that forbids this.
    #[error("{0}")]
    Conflict(String),
    /// The dedupe key of a start is taken, and its mode says to reject.
    #[error("run {0} was started with this dedupe key already")]
    Duplicate(RunId),
    /// What failed for several callers at once.
    #[error(transparent)]
    Shared(std::sync::Arc<StoreError>),
    /// A stored value does not have the shape this version writes.
    #[error("{what} cannot be read")]
    Corrupt {
        what: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("value cannot be encoded")]
    Encode(#[source] serde_json::Error),
    /// A value is longer than this store takes ([`super::Limits`]). Bytes.
    #[error("{what} has {size} bytes, more than the {limit} allowed")]
    TooLarge {
        what: String,
        size: usize,
        limit: usize,
    },
    /// The tenant has used up what it may use; whoever runs the hub can allow more.
    #[error("the quota of {most} {what} is used up")]
    OverQuota {
        what: &'static str,
        used: i64,
        most: i64,
    },
    /// This process has no code of that name and version.
    #[error("workflow {workflow} version {version} is not known")]
    UnknownWorkflow { workflow: String, version: u16 },
}

impl StoreError {
    /// A stored value that does not decode.
    pub fn corrupt(
        what: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Corrupt {
            what: what.into(),
            source: source.into(),
        }
    }

    /// Whether the same call may succeed later: the connection was lost, the server is restarting,
    /// or another transaction was in the way.
    pub fn is_transient(&self) -> bool {
        let error = match self {
            Self::Database(error) => error,
            Self::Shared(error) => return error.is_transient(),
            _ => return false,
        };
        match error {
            sqlx::Error::Io(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => true,
            // Classes 08 connection, 40 rollback, 53 resources, 57 operator intervention; 55P03 lock,
            // 25P03 a transaction that stood still for too long.
            sqlx::Error::Database(error) => error.code().is_some_and(|code| {
                ["08", "40", "53", "57"]
                    .iter()
                    .any(|class| code.starts_with(class))
                    || ["25P03", "55P03"].contains(&code.as_ref())
            }),
            _ => false,
        }
    }

    /// Whether the server's disk is full: that lasts until somebody makes room.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Database(sqlx::Error::Database(error)) => {
                error.code().as_deref() == Some("53100")
            }
            Self::Shared(error) => error.is_disk_full(),
            _ => false,
        }
    }

    /// Whether Postgres refused a text: it stores no NUL and nothing that is not UTF-8.
    pub fn is_bad_text(&self) -> bool {
        matches!(self, Self::Database(sqlx::Error::Database(error))
            if matches!(error.code().as_deref(), Some("22021" | "22P05")))
    }

    /// Whether row security refused a row that was to be written: it is of something that whoever
    /// writes does not see.
    pub fn is_out_of_scope(&self) -> bool {
        matches!(self, Self::Database(sqlx::Error::Database(error))
            if error.code().as_deref() == Some("42501"))
    }

    /// Whether a unique index refused the row.
    pub fn is_unique_violation(&self) -> bool {
        matches!(self, Self::Database(sqlx::Error::Database(error)) if error.is_unique_violation())
    }
}
