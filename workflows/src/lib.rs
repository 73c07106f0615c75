//! What the hub does durably, one workflow and its steps per file.
//!
//! - [`pull_stream`]: reads a stream page by page into the core.
//! - [`push_writes`]: sends what is owed to a stream and settles it by the answers.
//! - [`send_mail`]: sends a stored mail to a user.
//! - [`undo_run`]: takes back what a run did.
//!
//! Workflows know neither HTTP nor SQL: they connect the engine's parts with the connectors.

mod hub;
mod mailer;
pub mod pull_stream;
pub mod push_writes;
pub mod send_mail;
pub mod undo_run;

pub use hub::Hub;
pub use mailer::{Mailer, MailerError, MailerOptions};
pub use pull_stream::PullStream;
pub use push_writes::PushWrites;
pub use send_mail::SendMail;
pub use undo_run::UndoRun;
