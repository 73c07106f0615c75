//! What the hub does durably, one workflow and its steps per file.
//!
//! - [`apply_withheld`]: applies what was beyond a cap and is approved.
//! - [`apply_retention`]: takes away what is older than a tenant keeps it.
//! - [`erase_person`]: forgets a person, after a hold.
//! - [`export_person`]: gathers what is known of a person.
//! - [`follow_merge`]: follows records that became one in their system.
//! - [`preview_mapping`]: says what a version of a mapping would do.
//! - [`pull_stream`]: reads a stream page by page into the core.
//! - [`push_writes`]: sends what is owed to a stream and settles it by the answers.
//! - [`remap_stream`]: applies a published version to the stored snapshots.
//! - [`retry_failures`]: tries again what failed for one cause.
//! - [`run_canary`]: tries a version of a mapping on some records.
//! - [`send_mail`]: sends a stored mail to a user.
//! - [`sweep_stream`]: compares records with their system, and finds those that are gone.
//! - [`undo_run`]: takes back what a run did.
//!
//! Workflows know neither HTTP nor SQL: they connect the engine's parts with the connectors.

pub mod apply_retention;
pub mod apply_withheld;
pub mod erase_person;
pub mod export_person;
pub mod follow_merge;
mod handed;
mod hub;
mod mailer;
mod messenger;
pub mod preview_mapping;
pub mod pull_stream;
pub mod push_writes;
pub mod remap_stream;
pub mod retry_failures;
pub mod run_canary;
pub mod send_mail;
pub mod sweep_stream;
pub mod undo_run;

pub use apply_retention::ApplyRetention;
pub use apply_withheld::ApplyWithheld;
pub use erase_person::ErasePerson;
pub use export_person::ExportPerson;
pub use follow_merge::FollowMerge;
pub use hub::Hub;
pub use mailer::{Mailer, MailerError, MailerOptions};
pub use messenger::{Messenger, MessengerError, MessengerOptions};
pub use preview_mapping::PreviewMapping;
pub use pull_stream::PullStream;
pub use push_writes::PushWrites;
pub use remap_stream::RemapStream;
pub use retry_failures::RetryFailures;
pub use run_canary::RunCanary;
pub use send_mail::SendMail;
pub use sweep_stream::SweepStream;
pub use undo_run::UndoRun;
