//! Connectors by name. Only here are their futures boxed.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use serde::Serialize;

use url::Url;

use crate::{
    Connector, ConnectorError, Consent, ConsentAnswer, Cursor, Described, Http, Page, Read,
    Receipt, Record, Result, Since, Sink, Source, Spec, Stream, StreamName, TokenStore, Usage,
    Write,
};

type Open =
    dyn Fn(serde_json::Value, Http, Arc<dyn TokenStore>) -> Result<Arc<dyn Opened>> + Send + Sync;

/// A system as the registry lists it.
#[derive(Clone, Serialize)]
pub struct SystemEntry {
    pub spec: Spec,
    /// JSON Schema of the connection's configuration.
    pub config_schema: serde_json::Value,
    /// Largest batch of one write; zero for a system that is only read.
    pub write_batch: usize,
    #[serde(skip)]
    open: Arc<Open>,
}

/// An opened connection, whatever the system.
pub trait Opened: Send + Sync {
    fn check(&self) -> BoxFuture<'_, Result<()>>;
    fn discover(&self) -> BoxFuture<'_, Result<Vec<Stream>>>;
    fn usage(&self) -> Option<Usage>;
    fn start_consent(&self, redirect: &Url) -> Result<Consent> {
        Err(ConnectorError::unsupported(&format!(
            "consent by way of {redirect}"
        )))
    }
    fn finish_consent<'a>(
        &'a self,
        consent: &'a Consent,
        answer: &'a ConsentAnswer,
    ) -> BoxFuture<'a, Result<()>> {
        let unsupported = Err(ConnectorError::unsupported("consent in the browser"));
        Box::pin(async move { consent.check(answer).and(unsupported) })
    }
    fn read<'a>(&'a self, read: &'a Read) -> BoxFuture<'a, Result<Page>>;
    fn describe<'a>(
        &'a self,
        _stream: &'a StreamName,
    ) -> BoxFuture<'a, Result<Option<Arc<Described>>>> {
        Box::pin(async { Ok(None) })
    }
    fn since(&self, _stream: &StreamName, _at: DateTime<Utc>) -> Result<Option<Cursor>> {
        Ok(None)
    }
    fn write<'a>(
        &'a self,
        stream: &'a StreamName,
        writes: &'a [Write],
    ) -> BoxFuture<'a, Result<Vec<Result<Receipt>>>>;
    fn fetch<'a>(
        &'a self,
        stream: &'a StreamName,
        keys: &'a [String],
        fields: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Option<Record>>>>;
    fn find<'a>(
        &'a self,
        stream: &'a StreamName,
        hub_id: &'a str,
        fields: &'a [String],
    ) -> BoxFuture<'a, Result<Option<Record>>>;
    fn history<'a>(
        &'a self,
        stream: &'a StreamName,
        since: &'a [Since],
    ) -> BoxFuture<'a, Result<Vec<Vec<Record>>>> {
        let what = format!("the history of {} records of {stream}", since.len());
        Box::pin(async move { Err(ConnectorError::unsupported(&what)) })
    }
}

/// All systems this build can talk to.
#[derive(Clone, Default)]
pub struct Registry {
    entries: BTreeMap<&'static str, SystemEntry>,
}

impl Registry {
    /// Adds a system that is read and written.
    #[must_use]
    pub fn two_way<C: Source + Sink>(mut self) -> Self {
        let open = |config, http, tokens| {
            let connector: C = open::<C>(config, http, tokens)?;
            Ok(Arc::new(TwoWay(connector)) as Arc<dyn Opened>)
        };
        let schema = schemars::schema_for!(C::Config);
        self.entries.insert(
            C::SPEC.id,
            SystemEntry {
                spec: C::SPEC,
                config_schema: schema.to_value(),
                write_batch: C::BATCH,
                open: Arc::new(open),
            },
        );
        self
    }

    pub fn systems(&self) -> impl Iterator<Item = &SystemEntry> {
        self.entries.values()
    }

    pub fn get(&self, system: &str) -> Option<&SystemEntry> {
        self.entries.get(system)
    }

    /// Opens a connection; no I/O.
    ///
    /// # Errors
    /// `Config` for an unknown system or a configuration that does not fit it.
    pub fn open(
        &self,
        system: &str,
        config: serde_json::Value,
        http: Http,
        tokens: Arc<dyn TokenStore>,
    ) -> Result<Arc<dyn Opened>> {
        let entry = self
            .entries
            .get(system)
            .ok_or_else(|| ConnectorError::config(format!("system {system} is not known")))?;
        (entry.open)(config, http, tokens)
    }
}

fn open<C: Connector>(
    config: serde_json::Value,
    http: Http,
    tokens: Arc<dyn TokenStore>,
) -> Result<C> {
    let config = serde_json::from_value(config).map_err(|error| {
        // serde's text names the field and what was expected; for secrets it never echoes the
        // value, because a `SecretString` takes any text.
        ConnectorError::config(format!("configuration does not fit: {error}"))
    })?;
    C::open(config, http, tokens)
}

struct TwoWay<C>(C);

impl<C: Source + Sink> Opened for TwoWay<C> {
    fn check(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.0.check())
    }

    fn discover(&self) -> BoxFuture<'_, Result<Vec<Stream>>> {
        Box::pin(self.0.discover())
    }

    fn usage(&self) -> Option<Usage> {
        self.0.usage()
    }

    fn start_consent(&self, redirect: &Url) -> Result<Consent> {
        self.0.start_consent(redirect)
    }

    fn finish_consent<'a>(
        &'a self,
        consent: &'a Consent,
        answer: &'a ConsentAnswer,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.0.finish_consent(consent, answer))
    }

    fn read<'a>(&'a self, read: &'a Read) -> BoxFuture<'a, Result<Page>> {
        Box::pin(self.0.read(read))
    }

    fn describe<'a>(
        &'a self,
        stream: &'a StreamName,
    ) -> BoxFuture<'a, Result<Option<Arc<Described>>>> {
        Box::pin(self.0.describe(stream))
    }

    fn since(&self, stream: &StreamName, at: DateTime<Utc>) -> Result<Option<Cursor>> {
        self.0.since(stream, at)
    }

    fn write<'a>(
        &'a self,
        stream: &'a StreamName,
        writes: &'a [Write],
    ) -> BoxFuture<'a, Result<Vec<Result<Receipt>>>> {
        Box::pin(self.0.write(stream, writes))
    }

    fn fetch<'a>(
        &'a self,
        stream: &'a StreamName,
        keys: &'a [String],
        fields: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Option<Record>>>> {
        Box::pin(self.0.fetch(stream, keys, fields))
    }

    fn find<'a>(
        &'a self,
        stream: &'a StreamName,
        hub_id: &'a str,
        fields: &'a [String],
    ) -> BoxFuture<'a, Result<Option<Record>>> {
        Box::pin(self.0.find(stream, hub_id, fields))
    }

    fn history<'a>(
        &'a self,
        stream: &'a StreamName,
        since: &'a [Since],
    ) -> BoxFuture<'a, Result<Vec<Vec<Record>>>> {
        Box::pin(self.0.history(stream, since))
    }
}
