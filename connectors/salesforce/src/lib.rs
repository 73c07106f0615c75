//! Salesforce: reads accounts, contacts, opportunities and users, and writes them back.
//!
//! [`Config`] is what a tenant sets up. A read is either a bulk query (`bulk`) or an ordered pass
//! of queries (`query`, with `deletes` for what left the recycle bin), and its place is a `cursor`.
//! Writes go by collections (`write`, `collection`). `client` knows sessions and limits, `errors` what each code
//! means; `sim` is the simulated org, behind the feature of that name. Not here: what a record
//! means to the hub, and retries that outlive a call.

mod auth;
mod bulk;
mod client;
mod collection;
mod config;
mod cursor;
mod deletes;
mod errors;
mod ids;
mod query;
mod rows;
#[cfg(feature = "sim")]
pub mod sim;
mod soql;
mod streams;
mod write;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use connector_sdk::{
    AuthKind, Connector, Consent, ConsentAnswer, Cursor, Described, Http, Page, RateLimit, Read,
    Receipt, Record, Result, Session, Sink, Source, Spec, Stream, StreamName, TokenStore, Usage,
    Write,
};
use url::Url;

pub use config::{Auth, Config};

use auth::{Credentials, TOKEN_TTL};
use client::{Call, Client};
use cursor::{LogAt, Phase, Rest, Seen};
use query::Reader;
use streams::describe::{Descriptions, discover};

/// One connection to one org.
pub struct Salesforce {
    config: Config,
    org: Client,
    known: Descriptions,
}

impl Connector for Salesforce {
    const SPEC: Spec = Spec {
        id: "salesforce",
        title: "Salesforce",
        auth: AuthKind::OAuth2,
        rate_limit: RateLimit {
            concurrent: 5,
            per_day: Some(100_000),
        },
    };
    type Config = Config;

    fn open(config: Config, http: Http, tokens: Arc<dyn TokenStore>) -> Result<Self> {
        config.check()?;
        let credentials = Credentials::new(&config, http.clone())?;
        let session = Session::new(credentials, http.clone(), tokens, TOKEN_TTL);
        let org = Client::new(http, session, config.api_version.clone());
        Ok(Self {
            config,
            org,
            known: Descriptions::default(),
        })
    }

    async fn check(&self) -> Result<()> {
        self.org.send(Call::get(self.org.data("/limits"))).await?;
        Ok(())
    }

    async fn discover(&self) -> Result<Vec<Stream>> {
        discover(&self.org, &self.known).await
    }

    fn usage(&self) -> Option<Usage> {
        self.org.usage()
    }

    fn start_consent(&self, redirect: &Url) -> Result<Consent> {
        self.org.session().grant().start_consent(redirect)
    }

    async fn finish_consent(&self, consent: &Consent, answer: &ConsentAnswer) -> Result<()> {
        let session = self.org.session();
        let answer = session.grant().finish_consent(consent, answer).await?;
        session.adopt(answer).await
    }
}

impl Source for Salesforce {
    async fn read(&self, read: &Read) -> Result<Page> {
        let reader = Reader {
            org: &self.org,
            known: &self.known,
            config: &self.config,
            object: streams::object(&read.stream)?,
            read,
        };
        reader.next().await
    }

    async fn describe(&self, stream: &StreamName) -> Result<Option<Arc<Described>>> {
        let object = streams::object(stream)?;
        let described = self.known.get(object, &self.org).await?;
        Ok(Some(Arc::clone(&described.told)))
    }

    fn since(&self, stream: &StreamName, at: DateTime<Utc>) -> Result<Option<Cursor>> {
        let object = streams::object(stream)?;
        let rest = Rest {
            since: at,
            log: LogAt::begin(at),
            seen: Seen::default(),
            bulk_done: None,
        };
        Ok(Some(Phase::Rest(rest).into_cursor(object)))
    }
}

impl Sink for Salesforce {
    const BATCH: usize = collection::BATCH;

    async fn write(&self, stream: &StreamName, writes: &[Write]) -> Result<Vec<Result<Receipt>>> {
        self.writer(stream)?.write(writes).await
    }

    async fn fetch(
        &self,
        stream: &StreamName,
        keys: &[String],
        fields: &[String],
    ) -> Result<Vec<Option<Record>>> {
        self.writer(stream)?.fetch(keys, fields).await
    }

    async fn find(
        &self,
        stream: &StreamName,
        hub_id: &str,
        fields: &[String],
    ) -> Result<Option<Record>> {
        self.writer(stream)?.find(hub_id, fields).await
    }
}
