//! How Postgres and the way to it fail.

use std::error::Error;
use std::fmt;
use std::io;

use sqlx::error::{DatabaseError, ErrorKind};

use crate::store::StoreError;

/// Why a statement was not made.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Another transaction holds a lock.
    Blocked,
    Failed(StoreError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

/// An answer of the server, by its code.
#[derive(Debug)]
struct Refused(&'static str);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the model's server says {}", self.0)
    }
}

impl Error for Refused {}

impl DatabaseError for Refused {
    fn message(&self) -> &str {
        "refused"
    }

    fn code(&self) -> Option<std::borrow::Cow<'_, str>> {
        Some(self.0.into())
    }

    fn as_error(&self) -> &(dyn Error + Send + Sync + 'static) {
        self
    }

    fn as_error_mut(&mut self) -> &mut (dyn Error + Send + Sync + 'static) {
        self
    }

    fn into_error(self: Box<Self>) -> Box<dyn Error + Send + Sync + 'static> {
        self
    }

    fn kind(&self) -> ErrorKind {
        match self.0 {
            "23505" => ErrorKind::UniqueViolation,
            _ => ErrorKind::Other,
        }
    }
}

/// The server refuses a statement.
pub(super) fn failed(code: &'static str) -> Stop {
    Stop::Failed(StoreError::Database(sqlx::Error::Database(Box::new(
        Refused(code),
    ))))
}

/// The connection is gone.
pub(super) fn cut() -> Stop {
    Stop::Failed(lost())
}

pub(crate) fn lost() -> StoreError {
    let error = io::Error::new(io::ErrorKind::ConnectionReset, "connection was cut");
    StoreError::Database(sqlx::Error::Io(error))
}
