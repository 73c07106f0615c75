//! Writes by collections: creates as upserts on the hub's id, updates and deletes by id. Updates of
//! records that were looked at go under a condition ([`guard`]).
//!
//! One call sends its requests one after the other, rows of one parent side by side, so that they
//! never wait for each other's lock. Rows that others hold locked are tried again here a few
//! times; every other refusal is the row's answer.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use chrono::{DateTime, Utc};
use connector_sdk::{
    Backoff, ConnectorError, ErrorKind, Fields, Receipt, Record, Result, StreamName, Write,
    WriteOp, between,
};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::Salesforce;
use crate::client::{Call, Client};
use crate::collection::{Kind, Outcome, Ready, body_of, groups, id_of, settle};
use crate::config::Config;
use crate::guard;
use crate::rows::{Columns, RawRow, Row, field_list, parse, retrieve};
use crate::soql::{query_string, quote};
use crate::streams::describe::{Described, Descriptions};
use crate::streams::{self, Object};

const LOCKED: &str = "UNABLE_TO_LOCK_ROW";

/// Locks are held for the time of a transaction; who waits longer is better off in the queue.
const LOCKS: Backoff = Backoff {
    retries: 5,
    first: Duration::from_millis(250),
    longest: Duration::from_secs(4),
};

pub(crate) struct Writer<'a> {
    org: &'a Client,
    known: &'a Descriptions,
    config: &'a Config,
    object: &'static Object,
}

impl Salesforce {
    pub(crate) fn writer(&self, stream: &StreamName) -> Result<Writer<'_>> {
        Ok(Writer {
            org: &self.org,
            known: &self.known,
            config: &self.config,
            object: streams::object(stream)?,
        })
    }
}

/// The answers so far, by the rows' places.
struct Answers {
    rows: Vec<Option<Result<Receipt>>>,
    /// Whether the system has answered about any row.
    decided: bool,
}

impl Answers {
    fn set(&mut self, at: usize, answer: Result<Receipt>) {
        self.rows[at] = Some(answer);
    }

    fn fail(&mut self, rows: &[Ready], error: &ConnectorError) {
        for row in rows {
            self.set(row.at, Err(error.repeated()));
        }
    }
}

impl Writer<'_> {
    pub(crate) async fn write(&self, writes: &[Write]) -> Result<Vec<Result<Receipt>>> {
        let described = self.known.get(self.object, self.org).await?;
        let mut answers = Answers {
            rows: writes.iter().map(|_| None).collect(),
            decided: false,
        };
        let mut ready = Vec::with_capacity(writes.len());
        for (at, write) in writes.iter().enumerate() {
            match self.prepare(at, write, &described) {
                Ok(row) => ready.push(row),
                Err(error) => answers.set(at, Err(error)),
            }
        }
        for group in groups(ready) {
            let group = self.unmoved(group, &mut answers).await?;
            if !group.is_empty() {
                self.submit(group, &mut answers).await?;
            }
        }
        self.read_back(writes, &described, &mut answers).await;
        let unanswered = || Err(ConnectorError::transient("the row was not sent"));
        Ok(answers
            .rows
            .into_iter()
            .map(|row| row.unwrap_or_else(unanswered))
            .collect())
    }

    fn prepare(&self, at: usize, write: &Write, described: &Described) -> Result<Ready> {
        let parent = write.parent.clone();
        let is_create = matches!(write.op, WriteOp::Create { .. });
        let expected = write.expected.as_deref().filter(|_| !is_create);
        let unchanged_since = expected.map(guard::condition).transpose()?;
        let kind_of_update = match unchanged_since {
            Some(_) => Kind::Guarded,
            None => Kind::Update,
        };
        let (kind, identity, fields) = match &write.op {
            WriteOp::Create { fields } => (Kind::Create, write.hub_id.clone(), Some(fields)),
            WriteOp::Update { key, fields } => (kind_of_update, id_of(key)?, Some(fields)),
            WriteOp::Delete { key } => (Kind::Delete, id_of(key)?, None),
        };
        let mut body = match fields {
            Some(fields) => body_of(fields, described)?,
            None => BTreeMap::new(),
        };
        let text = |text: &str| to_raw_value(text).expect("text is always json");
        match (kind, &self.config.external_id_field) {
            (Kind::Create, Some(field)) => {
                if described.kind(field).is_none() {
                    return Err(self.no_room(field));
                }
                body.insert(field.clone(), text(&write.hub_id));
            }
            (Kind::Update | Kind::Guarded, _) => {
                body.insert("id".to_owned(), text(&identity));
            }
            _ => {}
        }
        let kind_of_row = serde_json::json!({ "type": self.object.name });
        let attributes = to_raw_value(&kind_of_row).expect("a constant shape");
        body.insert("attributes".to_owned(), attributes);
        Ok(Ready {
            at,
            kind,
            identity,
            parent,
            unchanged_since,
            body,
        })
    }

    fn no_room(&self, field: &str) -> ConnectorError {
        ConnectorError::config(format!(
            "{} has no field {field} for the hub's id: create it there as unique external id \
             text, or let the connection do without (external_id_field)",
            self.object.name
        ))
        .with_code("INVALID_FIELD")
        .with_fields(vec![field.to_owned()])
    }

    /// Without the deletions of records that changed since they were looked at. Salesforce deletes under no
    /// condition, so that they are looked at once more just before; what changes in that moment is not seen.
    ///
    /// # Errors
    /// As [`Self::submit`].
    async fn unmoved(&self, group: Vec<Ready>, answers: &mut Answers) -> Result<Vec<Ready>> {
        let is_asked = |row: &&Ready| row.kind == Kind::Delete && row.unchanged_since.is_some();
        let ids: Vec<String> = group
            .iter()
            .filter(is_asked)
            .map(|row| row.identity.clone())
            .collect();
        if ids.is_empty() {
            return Ok(group);
        }
        let nothing = Columns { wanted: Vec::new() };
        let rows = match retrieve(self.org, self.object, &ids, &nothing).await {
            Ok(rows) => rows,
            Err(error) if answers.decided => {
                answers.fail(&group, &error);
                return Ok(Vec::new());
            }
            Err(error) => return Err(error),
        };
        let stamps: HashMap<String, DateTime<Utc>> = rows
            .into_iter()
            .flatten()
            .map(|row| (row.id, row.stamp))
            .collect();
        let (moved, unmoved): (Vec<Ready>, Vec<Ready>) = group.into_iter().partition(|row| {
            let now = stamps.get(&row.identity).filter(|_| is_asked(&row));
            now.is_some_and(|now| row.unchanged_since != Some(*now))
        });
        answers.fail(&moved, &ConnectorError::moved());
        Ok(unmoved)
    }

    /// Sends one collection, then again those of its rows that were locked.
    ///
    /// # Errors
    /// Only while nothing is decided and nothing can have happened.
    async fn submit(&self, mut rows: Vec<Ready>, answers: &mut Answers) -> Result<()> {
        let mut waits = LOCKS.delays();
        loop {
            let outcomes = match self.send(&rows).await {
                Ok(outcomes) => outcomes,
                Err(error) => {
                    if error.code.as_deref() == Some("INVALID_FIELD") {
                        self.known.forget(self.object);
                    }
                    if !answers.decided && !error.outcome_unknown {
                        return Err(error);
                    }
                    answers.fail(&rows, &error);
                    return Ok(());
                }
            };
            answers.decided = true;
            let mut locked = Vec::new();
            for (row, outcome) in rows.into_iter().zip(outcomes) {
                match settle(&row, outcome) {
                    Err(error) if error.code.as_deref() == Some(LOCKED) => {
                        locked.push(row.clone());
                        answers.set(row.at, Err(error));
                    }
                    answer => answers.set(row.at, answer),
                }
            }
            rows = locked;
            if rows.is_empty() {
                return Ok(());
            }
            let Some(wait) = waits.next() else { break };
            tokio::time::sleep(wait).await;
        }
        for row in rows {
            if let Some(Err(error)) = &mut answers.rows[row.at] {
                let wait = between(Duration::from_secs(5), Duration::from_secs(30));
                error.retry_after = Some(wait);
            }
        }
        Ok(())
    }

    /// One request for rows of one kind; the outcomes are in their order.
    async fn send(&self, rows: &[Ready]) -> Result<Vec<Outcome>> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Body<'a> {
            all_or_none: bool,
            records: Vec<&'a BTreeMap<String, Box<RawValue>>>,
        }
        let kind = rows.first().map_or(Kind::Update, |row| row.kind);
        if kind == Kind::Guarded {
            return guard::send(self.org, self.object.name, rows).await;
        }
        let body = Body {
            all_or_none: false,
            records: rows.iter().map(|row| &row.body).collect(),
        };
        let all = self.org.data("/composite/sobjects");
        let call = match (kind, &self.config.external_id_field) {
            (Kind::Create, Some(field)) => {
                let path = format!("{all}/{}/{field}", self.object.name);
                Call::send(Method::PATCH, path, &body)
            }
            (Kind::Create, None) => Call::send(Method::POST, all, &body),
            (Kind::Update | Kind::Guarded, _) => Call::send(Method::PATCH, all, &body),
            (Kind::Delete, _) => {
                let ids: Vec<&str> = rows.iter().map(|row| row.identity.as_str()).collect();
                Call::delete(format!("{all}?ids={}&allOrNone=false", ids.join(",")))
            }
        };
        let reply = self.org.send(call).await?;
        let outcomes: Vec<Outcome> =
            parse(&reply.body).map_err(ConnectorError::with_outcome_unknown)?;
        if outcomes.len() != rows.len() {
            return Err(ConnectorError::transient(
                "the system answered about another number of rows than were sent",
            )
            .with_outcome_unknown());
        }
        Ok(outcomes)
    }

    /// Fills the receipts with what the system made of the rows: it truncates and normalises. The
    /// rows are written whether this works or not.
    async fn read_back(&self, writes: &[Write], described: &Described, answers: &mut Answers) {
        let mut fields = Vec::new();
        let mut written = Vec::new();
        for (write, answer) in writes.iter().zip(&answers.rows) {
            let (Some(Ok(receipt)), Some(named)) = (answer, fields_of(write)) else {
                continue;
            };
            written.push(receipt.key.clone());
            fields.extend(named.keys().cloned());
        }
        if written.is_empty() {
            return;
        }
        fields.sort();
        fields.dedup();
        written.sort();
        written.dedup();
        let columns = match Columns::of(described, &fields) {
            Ok(columns) => columns,
            Err(_nothing_named) => Columns { wanted: Vec::new() },
        };
        let rows = match retrieve(self.org, self.object, &written, &columns).await {
            Ok(rows) => rows,
            Err(error) => {
                tracing::warn!(stream = self.object.name, %error, "written rows cannot be read back");
                return;
            }
        };
        let found: HashMap<String, Row> = rows
            .into_iter()
            .flatten()
            .map(|row| (row.id.clone(), row))
            .collect();
        for (write, answer) in writes.iter().zip(&mut answers.rows) {
            if let (Some(Ok(receipt)), Some(_)) = (answer, fields_of(write))
                && let Some(row) = found.get(&receipt.key)
            {
                let record = row.clone().into_record();
                receipt.version.clone_from(&record.version);
                receipt.stored = Some(record);
            }
        }
    }

    pub(crate) async fn fetch(
        &self,
        keys: &[String],
        fields: &[String],
    ) -> Result<Vec<Option<Record>>> {
        let ids = keys
            .iter()
            .map(|key| id_of(key))
            .collect::<Result<Vec<_>>>()?;
        let described = self.known.get(self.object, self.org).await?;
        let columns = Columns::of(&described, fields)?;
        let rows = retrieve(self.org, self.object, &ids, &columns).await?;
        let read_at = self.org.server_time()?;
        Ok(rows
            .into_iter()
            .map(|row| row.map(|row| guard::marked(row.into_record(), read_at)))
            .collect())
    }

    /// By a query, because an address takes no value that ends like a file name.
    pub(crate) async fn find(&self, hub_id: &str, fields: &[String]) -> Result<Option<Record>> {
        #[derive(Deserialize)]
        struct Answer<'a> {
            #[serde(borrow)]
            records: Vec<RawRow<'a>>,
        }
        let Some(field) = &self.config.external_id_field else {
            return Err(ConnectorError::unsupported(
                "finding a record by the hub's id without external_id_field",
            ));
        };
        let described = self.known.get(self.object, self.org).await?;
        if described.kind(field).is_none() {
            return Err(self.no_room(field));
        }
        let columns = Columns::of(&described, fields)?;
        let soql = format!(
            "SELECT {} FROM {} WHERE {field} = {} LIMIT 2",
            field_list(self.object, false, columns.names()).join(","),
            self.object.name,
            quote(hub_id)
        );
        let path = self.org.data(&format!("/query?{}", query_string(&soql)));
        let reply = self.org.send(Call::get(path)).await?;
        let answer: Answer<'_> = parse(&reply.body)?;
        match answer.records.as_slice() {
            [] => Ok(None),
            [row] => Ok(Some(Row::from_json(row, &columns)?.into_record())),
            _ => Err(ConnectorError::new(
                ErrorKind::Conflict,
                format!(
                    "several {} records carry the hub's id: keep it on one",
                    self.object.name
                ),
            )
            .with_code("DUPLICATE_EXTERNAL_ID")),
        }
    }
}

fn fields_of(write: &Write) -> Option<&Fields> {
    match &write.op {
        WriteOp::Create { fields } | WriteOp::Update { fields, .. } => Some(fields),
        WriteOp::Delete { .. } => None,
    }
}
