//! The traits a system implements.

use std::future::Future;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use url::Url;

use crate::{
    ConnectorError, Consent, ConsentAnswer, Cursor, Described, Http, Page, Receipt, Record, Result,
    Since, Stream, StreamName, TokenStore, Write,
};

/// What the hub knows of a system before it has a connection.
#[derive(Clone, Debug, Serialize)]
pub struct Spec {
    /// `salesforce`: in tables, mappings' folder, command line.
    pub id: &'static str,
    /// `Salesforce`: for people.
    pub title: &'static str,
    pub auth: AuthKind,
    pub rate_limit: RateLimit,
}

/// How a connection proves who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthKind {
    None,
    ApiKey,
    Password,
    OAuth2,
}

/// What the system allows, as a starting point; answers correct it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RateLimit {
    /// Requests at the same time.
    pub concurrent: u16,
    /// Requests a day, where the system counts so.
    pub per_day: Option<u32>,
}

/// How much of the system's budget is used, as it last told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub used: u64,
    pub limit: u64,
}

/// One read.
#[derive(Clone, Debug)]
pub struct Read {
    pub stream: StreamName,
    /// The fields to bring, by the system's names. The key and stamps come without asking.
    pub fields: Vec<String>,
    /// Where to go on; `None` starts a full read.
    pub after: Option<Cursor>,
    /// Largest number of changes wanted; the system may give fewer.
    pub limit: usize,
}

/// A system that can be reached.
pub trait Connector: Send + Sync + Sized + 'static {
    const SPEC: Spec;
    /// The console draws its form from this. Secrets are `SecretString` fields marked
    /// `#[schemars(extend("writeOnly" = true))]` and are stored sealed.
    type Config: DeserializeOwned + JsonSchema + Send;

    /// Makes a connector; no I/O.
    fn open(config: Self::Config, http: Http, tokens: Arc<dyn TokenStore>) -> Result<Self>;
    /// Do the credentials work? One cheap call.
    fn check(&self) -> impl Future<Output = Result<()>> + Send;
    /// Streams with their fields.
    fn discover(&self) -> impl Future<Output = Result<Vec<Stream>>> + Send;
    /// What the system last said about its budget.
    fn usage(&self) -> Option<Usage> {
        None
    }
    /// Begins a person's consent; the browser comes back to `redirect`. No I/O.
    fn start_consent(&self, redirect: &Url) -> Result<Consent> {
        Err(ConnectorError::unsupported(&format!(
            "consent by way of {redirect}"
        )))
    }
    /// Turns what the browser brought back into stored tokens.
    fn finish_consent(
        &self,
        consent: &Consent,
        answer: &ConsentAnswer,
    ) -> impl Future<Output = Result<()>> + Send {
        let refused = consent
            .check(answer)
            .and(Err(ConnectorError::unsupported("consent in the browser")));
        async { refused }
    }
}

/// A system that can be read.
pub trait Source: Connector {
    /// One page of changes after the cursor; resumable from any cursor it ever returned.
    fn read(&self, read: &Read) -> impl Future<Output = Result<Page>> + Send;

    /// The stream as the system describes it by now; `None` where it cannot say. Asked after every page,
    /// so a connector remembers the answer for some minutes, and asks anew when a read shows that it is
    /// no longer true.
    fn describe(
        &self,
        _stream: &StreamName,
    ) -> impl Future<Output = Result<Option<Arc<Described>>>> + Send {
        async { Ok(None) }
    }

    /// A cursor from which a read brings what changed at or after this moment, removals included, as
    /// far as the system can tell; `None` where only a full read will do. No I/O.
    fn since(&self, _stream: &StreamName, _at: DateTime<Utc>) -> Result<Option<Cursor>> {
        Ok(None)
    }
}

/// A system that can be written.
pub trait Sink: Connector {
    /// Most rows one call of [`Sink::write`] takes.
    const BATCH: usize;

    /// Writes rows of one stream. The answer has one entry per write, in the same order; the
    /// outer error means that no row was decided on.
    fn write(
        &self,
        stream: &StreamName,
        writes: &[Write],
    ) -> impl Future<Output = Result<Vec<Result<Receipt>>>> + Send;

    /// The records with these keys, in the same order; `None` where the system says there is none.
    fn fetch(
        &self,
        stream: &StreamName,
        keys: &[String],
        fields: &[String],
    ) -> impl Future<Output = Result<Vec<Option<Record>>>> + Send;

    /// The record that carries this hub id, to settle a create whose answer was lost.
    fn find(
        &self,
        stream: &StreamName,
        hub_id: &str,
        fields: &[String],
    ) -> impl Future<Output = Result<Option<Record>>> + Send;

    /// What records held after a version of them, oldest first, the state of now last: for systems
    /// that keep a history and cannot write under a condition. One entry per question, in order.
    fn history(
        &self,
        stream: &StreamName,
        since: &[Since],
    ) -> impl Future<Output = Result<Vec<Vec<Record>>>> + Send {
        let what = format!("the history of {} records of {stream}", since.len());
        async move { Err(ConnectorError::unsupported(&what)) }
    }
}
