//! How steps and runs fail. The class says who must act; the variant of [`StepError`] says what
//! the runtime does next.

use std::fmt;
use std::time::Duration;

use connector_sdk::{ConnectorError, ErrorKind};
use serde::{Deserialize, Serialize};

use crate::store::StoreError;

/// Between two looks whether the database's disk has room again.
const FULL_DISK: Duration = Duration::from_secs(5);

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Who must act on a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Nobody: it was tried as often as the step allows.
    Transient,
    /// Nobody: the other system's budget is used up.
    RateLimited,
    /// The tenant: credentials.
    Auth,
    /// The tenant: a setting, a permission, an address.
    Config,
    /// A person: the data is refused.
    Rejected,
    /// A person: two sides disagree.
    Conflict,
    /// Us.
    Bug,
    /// Nobody: somebody wanted it so.
    Cancelled,
    /// A person: it had to have ended by a time that has passed.
    Deadline,
}

impl Class {
    /// As stored and shown: `rate_limited`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::RateLimited => "rate_limited",
            Self::Auth => "auth",
            Self::Config => "config",
            Self::Rejected => "rejected",
            Self::Conflict => "conflict",
            Self::Bug => "bug",
            Self::Cancelled => "cancelled",
            Self::Deadline => "deadline",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What went wrong, as it is stored on runs and attempts: `{class, message, code?}`.
///
/// The message is lower case, names the thing and carries neither payload nor secret. The source is
/// for the log only.
#[derive(Debug, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    pub class: Class,
    pub message: String,
    /// The other system's code, or a slug of ours, for grouping and remedies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    #[serde(skip)]
    #[source]
    pub source: Option<Source>,
}

impl Failure {
    pub fn new(class: Class, message: impl Into<String>) -> Self {
        Self {
            class,
            message: message.into(),
            code: None,
            source: None,
        }
    }

    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    #[must_use]
    pub fn with_source(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }
}

/// How one attempt of a step fails.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// Try again after the step's back-off, as often as its [`Retry`](super::Retry) allows.
    #[error("{0}")]
    Transient(Failure),
    /// The other system wants to be left alone for this time: try again then. Does not use up the
    /// step's attempts, and closes the run's lane (its connection, or without one its key) until
    /// then, so that other runs do not ask either.
    #[error("{1}")]
    RetryAfter(Duration, Failure),
    /// Try again after this time; does not use up the step's attempts and concerns no other run.
    #[error("{1}")]
    Later(Duration, Failure),
    /// Trying again, unchanged, cannot help.
    #[error("{0}")]
    Permanent(Failure),
    /// The step saw that its run is being cancelled and stopped.
    #[error("step was cancelled")]
    Cancelled,
}

impl StepError {
    pub fn transient(message: impl Into<String>) -> Self {
        Self::Transient(Failure::new(Class::Transient, message))
    }

    pub fn retry_after(after: Duration, message: impl Into<String>) -> Self {
        Self::RetryAfter(after, Failure::new(Class::RateLimited, message))
    }

    pub fn permanent(class: Class, message: impl Into<String>) -> Self {
        Self::Permanent(Failure::new(class, message))
    }

    /// A state that our code should have made impossible.
    pub fn bug(message: impl Into<String>) -> Self {
        Self::permanent(Class::Bug, message)
    }
}

impl From<StoreError> for StepError {
    fn from(error: StoreError) -> Self {
        let (class, again) = match &error {
            _ if error.is_transient() => (Class::Transient, true),
            StoreError::Stale(_) => (Class::Transient, true),
            StoreError::Conflict(_) | StoreError::Duplicate(_) => (Class::Conflict, false),
            StoreError::NotFound(_) => (Class::Rejected, false),
            StoreError::OverQuota { .. } => (Class::Config, false),
            StoreError::Database(_)
            | StoreError::Migration(_)
            | StoreError::Corrupt { .. }
            | StoreError::Encode(_)
            | StoreError::TooLarge { .. }
            | StoreError::UnknownWorkflow { .. }
            | StoreError::Shared(_) => (Class::Bug, false),
        };
        let full = error.is_disk_full();
        let failure = Failure::new(class, error.to_string()).with_source(error);
        if full {
            // However long it takes: it is not the step that fails.
            Self::Later(FULL_DISK, failure)
        } else if again {
            Self::Transient(failure)
        } else {
            Self::Permanent(failure)
        }
    }
}

impl From<ConnectorError> for StepError {
    fn from(error: ConnectorError) -> Self {
        let class = match error.kind {
            ErrorKind::Transient => Class::Transient,
            ErrorKind::RateLimited => Class::RateLimited,
            ErrorKind::Auth => Class::Auth,
            ErrorKind::Config => Class::Config,
            ErrorKind::Rejected | ErrorKind::Gone => Class::Rejected,
            ErrorKind::Conflict => Class::Conflict,
            ErrorKind::Unsupported => Class::Bug,
        };
        let (after, retryable) = (error.retry_after, error.is_retryable());
        let mut failure = Failure::new(class, error.to_string());
        failure.code.clone_from(&error.code);
        let failure = failure.with_source(error);
        match after {
            Some(after) if class == Class::RateLimited => Self::RetryAfter(after, failure),
            // A locked record asks for time, too: nobody else has to wait for it.
            Some(after) if retryable => Self::Later(after, failure),
            None if retryable => Self::Transient(failure),
            _ => Self::Permanent(failure),
        }
    }
}

/// How a run fails: the failure of a step that it did not handle, or its own.
///
/// Waiting, shutdown and a lost lease are no errors: there the workflow's future simply does not
/// go on, so that no `match` can swallow them.
#[derive(Debug, thiserror::Error)]
#[error("{failure}")]
pub struct RunError {
    #[source]
    failure: Failure,
    /// The step that failed: from there a retry goes on.
    pub(crate) seq: Option<i32>,
}

impl RunError {
    pub fn new(class: Class, message: impl Into<String>) -> Self {
        Failure::new(class, message).into()
    }

    pub fn failure(&self) -> &Failure {
        &self.failure
    }

    pub fn class(&self) -> Class {
        self.failure.class
    }

    pub(crate) fn at(failure: Failure, seq: i32) -> Self {
        Self {
            failure,
            seq: Some(seq),
        }
    }
}

impl From<Failure> for RunError {
    fn from(failure: Failure) -> Self {
        Self { failure, seq: None }
    }
}

impl From<StepError> for RunError {
    fn from(error: StepError) -> Self {
        match error {
            StepError::Transient(failure)
            | StepError::RetryAfter(_, failure)
            | StepError::Later(_, failure)
            | StepError::Permanent(failure) => failure.into(),
            StepError::Cancelled => Self::new(Class::Cancelled, "step was cancelled"),
        }
    }
}

impl From<StoreError> for RunError {
    fn from(error: StoreError) -> Self {
        StepError::from(error).into()
    }
}

impl From<ConnectorError> for RunError {
    fn from(error: ConnectorError) -> Self {
        StepError::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_a_connectors_error_decides_what_happens() {
        let limited = ConnectorError::new(ErrorKind::RateLimited, "limit reached")
            .with_retry_after(Duration::from_secs(30));
        assert!(matches!(
            StepError::from(limited),
            StepError::RetryAfter(after, Failure { class: Class::RateLimited, .. })
                if after == Duration::from_secs(30)
        ));
        let locked = ConnectorError::transient("record is locked");
        assert!(matches!(
            StepError::from(locked.with_retry_after(Duration::from_secs(30))),
            StepError::Later(..)
        ));
        assert!(matches!(
            StepError::from(ConnectorError::transient("reset")),
            StepError::Transient(_)
        ));
        let rejected = ConnectorError::rejected("name is missing").with_code("REQUIRED");
        let StepError::Permanent(failure) = StepError::from(rejected) else {
            panic!("a rejected record cannot be retried");
        };
        assert_eq!(
            (failure.class, failure.code.as_deref()),
            (Class::Rejected, Some("REQUIRED"))
        );
    }

    #[test]
    fn a_failure_is_stored_without_its_source() {
        let failure = Failure::new(Class::Auth, "token expired").with_source("secret detail");
        let stored = serde_json::to_string(&failure).unwrap();
        assert_eq!(stored, r#"{"class":"auth","message":"token expired"}"#);
    }
}
