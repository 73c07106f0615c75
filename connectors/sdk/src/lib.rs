//! What a connector is written against: the traits, the values they exchange, the errors and
//! the one HTTP client.
//!
//! A connector translates between a system and these types and decides nothing; mapping, merge,
//! retries that outlive a process and scheduling live in the engine. Nothing here knows a
//! particular system or the hub's core tables.

mod backoff;
#[cfg(feature = "conformance")]
pub mod conformance;
mod connector;
mod consent;
mod described;
mod error;
mod http;
mod oauth;
mod reach;
mod record;
mod registry;
mod tokens;
pub mod trace;
mod value;
mod write;

pub use backoff::{Backoff, between};
pub use connector::{AuthKind, Connector, RateLimit, Read, Sink, Source, Spec, Usage};
pub use consent::{Consent, ConsentAnswer, StoredConsent};
pub use described::{Described, MAX_CHOICES, MAX_FIELDS};
pub use error::{ConnectorError, ErrorKind, Result};
pub use http::{Http, HttpOptions, Reply};
pub use oauth::{Grant, Session, TokenAnswer, Tokens, ask_tokens};
pub use reach::Reach;
pub use record::{
    Change, Cursor, FieldType, Fields, Gap, GapReason, Page, Record, Removal, Stream, StreamField,
    StreamName, Tombstone,
};
pub use registry::{Opened, Registry, SystemEntry};
pub use tokens::{MemoryTokens, StoredTokens, TokenStore};
pub use value::{Value, ValueError};
pub use write::{Receipt, Write, WriteOp};
