//! What every connector proves against its simulator: one line in its tests,
//! `connector_sdk::conformance!(bench)`, makes one test per function of this module.
//!
//! A [`Bench`] is the connector together with its simulated system, and knows how to spoil that
//! system's answers. What is particular to a system is tested beside the connector.

mod failing;
mod reading;
mod writing;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

pub use failing::*;
pub use reading::*;
pub use writing::*;

use crate::{
    Change, ConnectorError, Cursor, Fields, Http, HttpOptions, MemoryTokens, Page, Read, Record,
    Result, Sink, Source, StreamName, TokenStore, Value, Write, WriteOp,
};

/// A connector and its simulated system.
pub trait Bench: Send + Sync {
    type Connector: Source + Sink;

    /// Opens the connector on the simulated system, as another process would.
    fn open(&self, http: Http, tokens: Arc<dyn TokenStore>) -> Result<Self::Connector>;
    /// The stream the suite works with; it can be read and written.
    fn subject(&self) -> Subject;
    /// Puts so many records into the system, as somebody else; their keys.
    fn seed(&self, count: usize) -> Vec<String>;
    /// Sets a field of a record in the system, as somebody else.
    fn edit(&self, key: &str, field: &str, value: &str);
    /// Removes a record in the system, as somebody else.
    fn remove(&self, key: &str);
    /// What the system holds in a field; `None` without the record.
    fn peek(&self, key: &str, field: &str) -> Option<Value>;
    /// How many records the system holds.
    fn count(&self) -> usize;
    /// Lets time pass in the system, so that what was just written counts as settled.
    fn settle(&self);
    /// Spoils the next answers of this kind, and no others any more.
    fn spoil(&self, on: Target, trouble: Trouble) -> impl Future<Output = ()> + Send;
    /// Texts that must never be seen: client secrets, tokens, keys.
    fn secrets(&self) -> Vec<String>;
}

/// The stream the suite works with.
#[derive(Clone, Debug)]
pub struct Subject {
    pub stream: StreamName,
    /// A text field that every record has.
    pub name: String,
    /// A text field that may be null.
    pub optional: String,
    /// A field for long texts and the most characters it takes.
    pub long: String,
    pub longest: usize,
    /// A key of the right form that no record has.
    pub missing: String,
    /// The smallest page the system can be asked for.
    pub page: usize,
}

/// Which requests are spoiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Reads,
    Writes,
}

/// How answers are spoiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The session has ended; a new sign-in works. Once.
    SessionExpired,
    /// The credentials are refused from now on.
    CredentialsRevoked,
    /// The system asks to stay away, from now on.
    RateLimited,
    /// A proxy's page with status 200, from now on.
    Html,
    /// A proxy's page with status 502, from now on.
    BadGateway,
    /// No answer for longer than the suite waits. Once.
    Hang,
    /// The body stops half-way. Once.
    Cut,
    /// The work is done, then the answer is a failure. Once.
    FailedAfterWork,
}

/// The suite's patience with a system that hangs.
pub const PATIENCE: Duration = Duration::from_millis(1_500);

/// Makes one test of each function of the suite. `$bench` is called for each; a future of a
/// [`Bench`].
#[macro_export]
macro_rules! conformance {
    ($bench:expr) => {
        $crate::conformance!(@each $bench;
            every_record_arrives_though_pages_are_small,
            a_read_goes_on_from_any_cursor_it_returned,
            edits_and_removals_follow_the_first_read,
            a_field_that_was_not_asked_for_does_not_come,
            a_cursor_of_something_else_is_gone,
            an_unknown_stream_is_an_error,
            a_missing_record_is_none,
            discover_names_the_stream_and_its_fields,
            a_repeated_create_is_one_record,
            a_create_whose_answer_was_lost_is_found,
            null_clears_and_absent_leaves,
            a_long_text_survives,
            more_rows_than_a_batch_are_all_written,
            a_row_that_cannot_be_written_stops_no_other,
            a_repeated_delete_succeeds,
            a_receipt_tells_what_is_stored,
            an_expired_session_is_renewed_unseen,
            revoked_credentials_are_the_tenants_to_mend,
            a_limit_says_how_long_to_stay_away,
            a_web_page_instead_of_an_answer_is_transient,
            a_hanging_system_is_given_up,
            a_cut_answer_is_transient_and_loses_nothing,
            a_failing_write_says_that_its_outcome_is_unknown,
            secrets_are_never_seen,
        );
    };
    (@each $bench:expr; $($name:ident,)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                let bench = $bench.await;
                $crate::conformance::$name(&bench).await;
            }
        )*
    };
}

/// A client that loses patience quickly.
///
/// # Panics
/// When the process cannot make a client.
pub fn http() -> Http {
    let options = HttpOptions {
        connect_timeout: PATIENCE,
        timeout: PATIENCE * 4,
        read_timeout: PATIENCE,
        ..HttpOptions::default()
    };
    Http::new(&options, now).expect("a client can be made")
}

#[expect(
    clippy::disallowed_methods,
    reason = "the suite is the outermost layer of its tests, and its systems run on real time"
)]
fn now() -> std::time::SystemTime {
    std::time::SystemTime::now()
}

fn open<B: Bench>(bench: &B) -> B::Connector {
    let opened = bench.open(http(), Arc::new(MemoryTokens::default()));
    opened.expect("the bench's configuration fits")
}

fn read_of(subject: &Subject, after: Option<Cursor>) -> Read {
    Read {
        stream: subject.stream.clone(),
        fields: vec![subject.name.clone(), subject.optional.clone()],
        after,
        limit: subject.page,
    }
}

/// A page once it is ready.
async fn page<C: Source>(connector: &C, read: &Read) -> Page {
    let mut read = read.clone();
    loop {
        let page = connector.read(&read).await.expect("the page is read");
        match page.wait {
            Some(wait) if page.changes.is_empty() => {
                tokio::time::sleep(wait.min(Duration::from_millis(50))).await;
                read.after = Some(page.cursor);
            }
            _ => return page,
        }
    }
}

/// All pages from a cursor on, to where the system has no more.
async fn pages<C: Source>(connector: &C, subject: &Subject, after: Option<Cursor>) -> Vec<Page> {
    let mut read = read_of(subject, after);
    let mut all = Vec::new();
    loop {
        let page = page(connector, &read).await;
        read.after = Some(page.cursor.clone());
        let more = page.more;
        all.push(page);
        if !more {
            return all;
        }
        assert!(all.len() < 10_000, "a read that never ends");
    }
}

fn last(pages: &[Page]) -> Option<Cursor> {
    pages.last().map(|page| page.cursor.clone())
}

fn changes(pages: &[Page]) -> impl Iterator<Item = &Change> {
    pages.iter().flat_map(|page| &page.changes)
}

fn records(pages: &[Page]) -> BTreeMap<&str, &Record> {
    let upserts = changes(pages).filter_map(|change| match change {
        Change::Upsert(record) => Some((record.key.as_str(), record)),
        Change::Delete(_) => None,
    });
    upserts.collect()
}

fn create(subject: &Subject, hub_id: &str, name: &str) -> Write {
    let mut fields = Fields::new();
    fields.insert(subject.name.clone(), Value::from(name));
    write_of(hub_id, WriteOp::Create { fields })
}

fn update(key: &str, field: &str, value: Value) -> Write {
    let op = WriteOp::Update {
        key: key.to_owned(),
        fields: Fields::from([(field.to_owned(), value)]),
    };
    write_of(key, op)
}

fn write_of(hub_id: &str, op: WriteOp) -> Write {
    Write {
        idempotency_key: format!("write-of-{hub_id}"),
        hub_id: hub_id.to_owned(),
        parent: None,
        expected: None,
        op,
    }
}

async fn write_one<C: Sink>(
    connector: &C,
    subject: &Subject,
    write: &Write,
) -> Result<crate::Receipt> {
    let answers = connector.write(&subject.stream, std::slice::from_ref(write));
    let mut answers = answers.await?;
    assert_eq!(answers.len(), 1, "one answer per write");
    answers.remove(0)
}

/// An error as anybody may come to see it.
fn shown(error: &ConnectorError) -> String {
    let mut shown = format!("{error} {error:?}");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        shown.push_str(&format!(" {error} {error:?}"));
        cause = error.source();
    }
    shown
}
