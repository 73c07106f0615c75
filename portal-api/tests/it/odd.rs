//! A system that a test writes: what it holds, what its feed says and keeps to itself, and how its
//! listings go wrong.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use chrono::{DateTime, Utc};
use engine::sdk::{
    AuthKind, Change, Connector, ConnectorError, Cursor, Described, FieldType, Fields, Gap, Http,
    Page, RateLimit, Read, Receipt, Record, Result, Sink, Source, Spec, Stream, StreamField,
    StreamName, TokenStore, Value, Write, WriteOp,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::world::World;

pub(crate) const MAPPING: &str = r#"
system = "odd"
stream = "Account"
entity = "account"
first_contact = "remote"
create = true

[link]
key = "Id"

[[field]]
core = "name"
remote = "Name"

[[field]]
core = "phone"
remote = "Phone"

[[field]]
core = "employees"
remote = "Staff"
"#;

/// What a feed says.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    Changed(String),
    Gap(Gap),
}

/// The state of one system, by the name that its connection's configuration gives.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) records: BTreeMap<String, (Fields, DateTime<Utc>)>,
    pub(crate) feed: Vec<Said>,
    /// Records of one page of a listing.
    pub(crate) page: usize,
    /// Keys that listings leave out, though the records are there.
    pub(crate) unlisted: Vec<String>,
    /// From this page on a listing cannot be read.
    pub(crate) breaks_at: Option<usize>,
    /// Listings bring each record twice.
    pub(crate) doubles: bool,
    /// Listings come back to their first page for ever.
    pub(crate) circles: bool,
    /// Whether it can be read from a moment on.
    pub(crate) has_since: bool,
    /// Every cursor of the feed is forgotten.
    pub(crate) forgets: bool,
    /// Writes are said to be stored, and are not.
    pub(crate) loses_writes: bool,
    pub(crate) fields: Vec<StreamField>,
    /// Listings that were begun, and keys that were asked for directly.
    pub(crate) listings: usize,
    pub(crate) fetched: Vec<String>,
}

type Scripts = Mutex<HashMap<String, Arc<Mutex<Script>>>>;

fn scripts() -> &'static Scripts {
    static SCRIPTS: OnceLock<Scripts> = OnceLock::new();
    SCRIPTS.get_or_init(Scripts::default)
}

/// A connection to a system of this test's own.
pub(crate) struct Scripted {
    pub(crate) id: String,
    script: Arc<Mutex<Script>>,
}

impl Scripted {
    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        locked(&self.script)
    }

    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/connections/{}/streams/Account{rest}", self.id)
    }
}

fn locked(script: &Mutex<Script>) -> MutexGuard<'_, Script> {
    script.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn field(name: &str, kind: FieldType) -> StreamField {
    StreamField {
        name: name.to_owned(),
        label: name.to_owned(),
        kind,
        nullable: true,
        can_create: true,
        can_update: true,
        required: false,
        max_length: None,
        scale: None,
        choices: Vec::new(),
        references: Vec::new(),
        custom: false,
    }
}

impl Script {
    /// A record, stamped long ago unless said otherwise; the feed does not tell of it.
    pub(crate) fn put(&mut self, key: &str, fields: &[(&str, Value)], at: Option<DateTime<Utc>>) {
        let at = at.unwrap_or_else(|| "2026-01-01T00:00:00Z".parse().unwrap());
        let record = self.records.entry(key.to_owned()).or_default();
        record.1 = at;
        record.0.insert("Id".to_owned(), key.into());
        for (name, value) in fields {
            record.0.insert((*name).to_owned(), value.clone());
        }
    }

    fn record(&self, key: &str) -> Option<Record> {
        let (fields, at) = self.records.get(key)?;
        Some(Record {
            key: key.to_owned(),
            version: None,
            changed_at: Some(*at),
            fields: fields.clone(),
        })
    }

    /// A record as the feed tells it: what it has no value for is null.
    fn whole(&self, key: &str) -> Option<Record> {
        let mut record = self.record(key)?;
        for field in &self.fields {
            record.fields.entry(field.name.clone()).or_default();
        }
        Some(record)
    }

    fn stream(&self) -> Stream {
        Stream {
            name: "Account".into(),
            label: "Account".to_owned(),
            key_field: "Id".to_owned(),
            can_create: true,
            can_update: true,
            can_delete: true,
            fields: self.fields.clone(),
        }
    }

    fn page_of(changes: Vec<Change>, cursor: String, more: bool) -> Page {
        Page {
            changes,
            cursor: Cursor(cursor),
            more,
            expected: None,
            wait: None,
            gaps: Vec::new(),
        }
    }

    /// A page of everything, by key.
    fn listed(&mut self, number: usize) -> Result<Page> {
        if number == 0 {
            self.listings += 1;
        }
        if self.breaks_at.is_some_and(|breaks| number >= breaks) {
            return Err(ConnectorError::config("page cannot be read"));
        }
        let size = self.page.max(1);
        let keys: Vec<&String> = self
            .records
            .keys()
            .filter(|key| !self.unlisted.contains(key))
            .collect();
        let number = if self.circles { 0 } else { number };
        let part = keys.iter().skip(number * size).take(size);
        let mut changes: Vec<Change> = part
            .filter_map(|key| self.record(key))
            .map(Change::Upsert)
            .collect();
        if self.doubles {
            changes.extend(changes.clone());
        }
        let more = self.circles || keys.len() > (number + 1) * size;
        let cursor = match more {
            true => format!("list/{}", number + 1),
            false => format!("feed/{}", self.feed.len()),
        };
        Ok(Self::page_of(changes, cursor, more))
    }

    fn fed(&self, from: usize) -> Page {
        let (mut changes, mut gaps) = (Vec::new(), Vec::new());
        for said in self.feed.iter().skip(from) {
            match said {
                Said::Changed(key) => changes.extend(self.whole(key).map(Change::Upsert)),
                Said::Gap(gap) => gaps.push(gap.clone()),
            }
        }
        let mut page = Self::page_of(changes, format!("feed/{}", self.feed.len()), false);
        page.gaps = gaps;
        page
    }

    fn read(&mut self, read: &Read) -> Result<Page> {
        let Some(Cursor(place)) = &read.after else {
            return self.listed(0);
        };
        let number = |text: &str| {
            let parsed = text.parse::<usize>();
            parsed.map_err(|error| ConnectorError::gone("no cursor of ours").with_source(error))
        };
        match place.split_once('/') {
            Some(("list", page)) => self.listed(number(page)?),
            Some(("feed", _)) if self.forgets => Err(ConnectorError::gone("feed has no memory")),
            Some(("feed", from)) => Ok(self.fed(number(from)?)),
            Some(("since", at)) => {
                let at: DateTime<Utc> = at.parse().map_err(|error| {
                    ConnectorError::gone("no cursor of ours").with_source(error)
                })?;
                let since = self.records.iter().filter(|(_, (_, stamp))| *stamp >= at);
                let changes: Vec<Change> = since
                    .filter_map(|(key, _)| self.record(key))
                    .map(Change::Upsert)
                    .collect();
                Ok(Self::page_of(changes, "since/over".to_owned(), false))
            }
            _ => Err(ConnectorError::gone("no cursor of ours")),
        }
    }

    fn write(&mut self, write: &Write) -> Receipt {
        let (key, created, fields) = match &write.op {
            WriteOp::Create { fields } => (format!("n{}", self.records.len()), true, Some(fields)),
            WriteOp::Update { key, fields } => (key.clone(), false, Some(fields)),
            WriteOp::Delete { key } => (key.clone(), false, None),
        };
        match fields {
            Some(_) if self.loses_writes => {}
            Some(fields) => {
                let named: Vec<(&str, Value)> = fields
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.clone()))
                    .collect();
                self.put(&key, &named, None);
            }
            None => drop(self.records.remove(&key)),
        }
        Receipt {
            created,
            ..Receipt::of(key)
        }
    }
}

/// See the module.
pub(crate) struct Odd(Arc<Mutex<Script>>);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    script: String,
}

impl Connector for Odd {
    const SPEC: Spec = Spec {
        id: "odd",
        title: "Odd",
        auth: AuthKind::None,
        rate_limit: RateLimit {
            concurrent: 4,
            per_day: None,
        },
    };
    type Config = Config;

    fn open(config: Config, _http: Http, _tokens: Arc<dyn TokenStore>) -> Result<Self> {
        let known = scripts().lock().unwrap_or_else(PoisonError::into_inner);
        let script = known.get(&config.script).cloned();
        let script = script.ok_or_else(|| ConnectorError::config("there is no such script"))?;
        Ok(Self(script))
    }

    async fn check(&self) -> Result<()> {
        Ok(())
    }

    async fn discover(&self) -> Result<Vec<Stream>> {
        Ok(vec![locked(&self.0).stream()])
    }
}

impl Source for Odd {
    async fn read(&self, read: &Read) -> Result<Page> {
        locked(&self.0).read(read)
    }

    async fn describe(&self, _stream: &StreamName) -> Result<Option<Arc<Described>>> {
        Ok(Some(Arc::new(Described::of(locked(&self.0).stream())?)))
    }

    fn since(&self, _stream: &StreamName, at: DateTime<Utc>) -> Result<Option<Cursor>> {
        let has = locked(&self.0).has_since;
        Ok(has.then(|| Cursor(format!("since/{}", at.to_rfc3339()))))
    }
}

impl Sink for Odd {
    const BATCH: usize = 200;

    async fn write(&self, _stream: &StreamName, writes: &[Write]) -> Result<Vec<Result<Receipt>>> {
        let mut script = locked(&self.0);
        Ok(writes.iter().map(|write| Ok(script.write(write))).collect())
    }

    async fn fetch(
        &self,
        _stream: &StreamName,
        keys: &[String],
        _fields: &[String],
    ) -> Result<Vec<Option<Record>>> {
        let mut script = locked(&self.0);
        script.fetched.extend(keys.iter().cloned());
        Ok(keys.iter().map(|key| script.record(key)).collect())
    }

    async fn find(
        &self,
        _stream: &StreamName,
        _hub_id: &str,
        _fields: &[String],
    ) -> Result<Option<Record>> {
        Ok(None)
    }
}

impl World {
    /// Connects a system with so many records, a mapping, and nothing read yet.
    pub(crate) async fn scripted(&self, records: usize) -> Scripted {
        self.scripted_as("Odd", records, MAPPING).await
    }

    /// As [`World::scripted`], under a name, with a mapping of the test's own.
    pub(crate) async fn scripted_as(
        &self,
        called: &str,
        records: usize,
        mapping: &str,
    ) -> Scripted {
        let name = engine::ids::fresh().to_string();
        let mut script = Script {
            page: 10,
            has_since: true,
            fields: vec![
                field("Id", FieldType::Text),
                field("Name", FieldType::Text),
                field("Phone", FieldType::Phone),
                field("Staff", FieldType::Integer),
                field("Web", FieldType::Text),
            ],
            ..Script::default()
        };
        for number in 0..records {
            let account = format!("Account {number}");
            let fields = [
                ("Name", account.as_str().into()),
                ("Phone", "5550001".into()),
                ("Staff", 7_i64.into()),
            ];
            script.put(&format!("k{number:05}"), &fields, None);
        }
        let script = Arc::new(Mutex::new(script));
        scripts()
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.clone(), Arc::clone(&script));
        let body = json!({"system": "odd", "name": called, "config": {"script": name}});
        let connection = self.admin.post("/connections", &body).await.expect(201);
        let id = connection["id"].as_str().unwrap().to_owned();
        let scripted = Scripted { id, script };
        let setup = json!({"enabled": true, "entity": "account"});
        self.admin
            .send(
                axum::http::Method::PUT,
                &scripted.path(""),
                None,
                Some(&setup),
            )
            .await
            .expect(201);
        let mapping = json!({
            "connection_id": scripted.id, "stream": "Account", "text": mapping, "publish": true,
        });
        self.admin.post("/mappings", &mapping).await.expect(201);
        self.pause_schedules().await;
        scripted
    }

    /// Reads a scripted stream; the run as it ended.
    pub(crate) async fn reads(&self, scripted: &Scripted) -> serde_json::Value {
        let started = self
            .admin
            .post(&scripted.path("/pull"), &json!({}))
            .await
            .expect(202);
        self.ended(&started).await
    }

    /// Sweeps a scripted stream; the run as it ended.
    pub(crate) async fn sweeps(&self, scripted: &Scripted, what: &str) -> serde_json::Value {
        let path = scripted.path("/sweep");
        let started = self
            .admin
            .post(&path, &json!({"what": what}))
            .await
            .expect(202);
        self.ended(&started).await
    }

    /// Works until nothing is left to do; the started run as it ended.
    pub(crate) async fn ended(&self, started: &serde_json::Value) -> serde_json::Value {
        self.work_until_idle().await;
        let run = format!("/runs/{}", started["run_id"].as_str().unwrap());
        self.admin.get(&run).await.expect(200)
    }
}
