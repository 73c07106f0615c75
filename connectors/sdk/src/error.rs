//! The one error of connectors: its kind says who must act.

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub type Result<T, E = ConnectorError> = std::result::Result<T, E>;

/// Who must act. The kind alone decides what the hub does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// Nobody: try again later.
    Transient,
    /// Nobody: the system's budget is used up until it refills.
    RateLimited,
    /// The tenant: credentials are wrong, expired or revoked.
    Auth,
    /// The tenant: the connection or the system is set up wrongly (a permission, an address).
    Config,
    /// A person: the system refuses this record's content.
    Rejected,
    /// The merge: the record changed there meanwhile.
    Conflict,
    /// Nobody: the thing (a record, a cursor) is no longer there.
    Gone,
    /// Us: this connector or system does not do that.
    Unsupported,
}

/// A failure at the edge to a system.
///
/// Messages are lower case, name the thing, and carry neither payload nor secret.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ConnectorError {
    pub kind: ErrorKind,
    pub message: String,
    /// The system's own code (`UNABLE_TO_LOCK_ROW`), for grouping and remedies.
    pub code: Option<String>,
    /// The system's names of the fields it complains about.
    pub fields: Vec<String>,
    /// How long the system asks us to stay away.
    pub retry_after: Option<Duration>,
    /// The request may have taken effect: look before repeating a create.
    pub outcome_unknown: bool,
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The code of every refusal by [`ConnectorError::moved`].
pub const MOVED: &str = "PRECONDITION_FAILED";

impl ConnectorError {
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            code: None,
            fields: Vec::new(),
            retry_after: None,
            outcome_unknown: false,
            source: None,
        }
    }

    pub fn transient(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Transient, message)
    }

    pub fn auth(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Auth, message)
    }

    pub fn config(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, message)
    }

    pub fn rejected(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Rejected, message)
    }

    pub fn gone(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Gone, message)
    }

    /// The record is not as the write expected it: it was changed over there meanwhile.
    pub fn moved() -> Self {
        Self::new(ErrorKind::Conflict, "the record changed there meanwhile").with_code(MOVED)
    }

    /// Whether this says that a write under a condition was not carried out.
    pub fn is_moved(&self) -> bool {
        self.kind == ErrorKind::Conflict && self.code.as_deref() == Some(MOVED)
    }

    pub fn unsupported(what: &str) -> Self {
        Self::new(
            ErrorKind::Unsupported,
            format!("{what} is not supported by this connector"),
        )
    }

    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    #[must_use]
    pub fn with_fields(mut self, fields: Vec<String>) -> Self {
        self.fields = fields;
        self
    }

    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    #[must_use]
    pub fn with_outcome_unknown(mut self) -> Self {
        self.outcome_unknown = true;
        self
    }

    #[must_use]
    pub fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same failure for another row of the same request; the source stays with the first.
    #[must_use]
    pub fn repeated(&self) -> Self {
        Self {
            kind: self.kind,
            message: self.message.clone(),
            code: self.code.clone(),
            fields: self.fields.clone(),
            retry_after: self.retry_after,
            outcome_unknown: self.outcome_unknown,
            source: None,
        }
    }

    /// Whether trying again later, unchanged, can help.
    pub fn is_retryable(&self) -> bool {
        matches!(self.kind, ErrorKind::Transient | ErrorKind::RateLimited)
    }
}
