//! A simulated org on a free port and connections to it.

use std::sync::Arc;

use connector_salesforce::Salesforce;
use connector_salesforce::sim::{Answer, AnswerFault, Faults, SimOptions, Simulator};
use connector_sdk::conformance::{Bench, Subject, Target, Trouble, http};
use connector_sdk::{
    Change, Connector, ConsentAnswer, Cursor, Fields, Http, MemoryTokens, Page, Read, Record,
    Result, Source, TokenStore, Value, Write, WriteOp,
};
use secrecy::ExposeSecret;
use serde_json::{Value as Json, json};
use tokio::sync::oneshot;
use url::Url;

/// A simulated org, served until it is dropped.
pub(crate) struct Org {
    pub(crate) sim: Simulator,
    pub(crate) address: String,
    /// How the suite signs in: a refresh token that can be revoked.
    refresh_token: String,
    _stop: oneshot::Sender<()>,
}

/// The smallest page the suite asks for.
const PAGE: usize = 5;

pub(crate) fn options() -> SimOptions {
    SimOptions {
        page_size: PAGE,
        auto_grant: true,
        ..SimOptions::default()
    }
}

impl Org {
    pub(crate) async fn start() -> Self {
        Self::with(options()).await
    }

    pub(crate) async fn with(options: SimOptions) -> Self {
        let sim = Simulator::new(options);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let served = sim.clone();
        tokio::spawn(async move {
            let shutdown = async {
                drop(stopped.await);
            };
            served.serve(listener, shutdown).await.unwrap();
        });
        let mut org = Self {
            sim,
            address,
            refresh_token: String::new(),
            _stop: stop,
        };
        let tokens = Arc::new(MemoryTokens::default());
        consent(&org, tokens.as_ref()).await;
        org.refresh_token = stored(tokens.as_ref()).await["refresh_token"]
            .as_str()
            .unwrap()
            .to_owned();
        org
    }

    /// The shortest configuration, and whatever is set beside it.
    pub(crate) fn config(&self, auth: Json, set: Json) -> Json {
        let mut config = json!({"login_url": self.address, "auth": auth});
        for (name, value) in set.as_object().unwrap() {
            config[name] = value.clone();
        }
        config
    }

    pub(crate) fn app(&self) -> Json {
        json!({
            "kind": "client_credentials",
            "client_id": self.sim.client_id(),
            "client_secret": self.sim.client_secret(),
        })
    }

    pub(crate) fn consented(&self) -> Json {
        json!({
            "kind": "authorization_code",
            "client_id": self.sim.client_id(),
            "client_secret": self.sim.client_secret(),
        })
    }

    /// A connection as the app itself.
    pub(crate) fn connect(&self, set: Json) -> Salesforce {
        open(
            self.config(self.app(), set),
            Arc::new(MemoryTokens::default()),
        )
    }

    pub(crate) fn fault(&self, on: &str, times: u32, answer: Answer) {
        self.sim.faults().answers.push(AnswerFault {
            on: Some(on.to_owned()),
            skip: 0,
            times,
            answer,
        });
    }

    pub(crate) fn error(&self, on: &str, times: u32, status: u16, code: &str) {
        let code = code.to_owned();
        let message = "told by the test".to_owned();
        self.fault(
            on,
            times,
            Answer::Error {
                status,
                code,
                message,
            },
        );
    }

    pub(crate) fn account(&self, fields: Json) -> String {
        self.sim.insert("Account", fields).unwrap()
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.sim.clock.advance(chrono::Duration::seconds(seconds));
    }
}

pub(crate) fn open(config: Json, tokens: Arc<dyn TokenStore>) -> Salesforce {
    try_open(config, http(), tokens).unwrap()
}

fn try_open(config: Json, http: Http, tokens: Arc<dyn TokenStore>) -> Result<Salesforce> {
    Salesforce::open(serde_json::from_value(config).unwrap(), http, tokens)
}

/// What the store holds, opened.
pub(crate) async fn stored(tokens: &MemoryTokens) -> Json {
    let body = tokens.load().await.unwrap().body.unwrap();
    serde_json::from_str(body.expose_secret()).unwrap()
}

/// A person's consent in the browser, up to stored tokens.
pub(crate) async fn consent(org: &Org, tokens: &MemoryTokens) {
    let config = org.config(org.consented(), json!({}));
    let connector = open(config, Arc::new(tokens.clone()));
    let back = Url::parse("http://127.0.0.1:1/back").unwrap();
    let consent = connector.start_consent(&back).unwrap();
    let page = http().request(::http::Method::GET, consent.url.clone());
    let reply = http().send(page).await.unwrap();
    let location = Url::parse(reply.header("location").unwrap()).unwrap();
    let query: std::collections::HashMap<_, _> = location.query_pairs().into_owned().collect();
    let answer = ConsentAnswer {
        code: query["code"].clone().into(),
        state: query["state"].clone().into(),
    };
    connector.finish_consent(&consent, &answer).await.unwrap();
}

pub(crate) fn read_of(stream: &str, fields: &[&str], after: Option<Cursor>, limit: usize) -> Read {
    Read {
        stream: stream.into(),
        fields: fields.iter().map(|&field| field.to_owned()).collect(),
        after,
        limit,
    }
}

/// All pages of a pass.
pub(crate) async fn drain(connector: &Salesforce, mut read: Read) -> Vec<Page> {
    let mut pages = Vec::new();
    loop {
        let page = connector.read(&read).await.unwrap();
        read.after = Some(page.cursor.clone());
        let more = page.more;
        pages.push(page);
        if !more {
            return pages;
        }
        assert!(pages.len() < 5_000, "a read that never ends");
    }
}

/// All changes of a pass, and the cursor after them.
pub(crate) async fn changes(connector: &Salesforce, read: Read) -> (Vec<Change>, Cursor) {
    let pages = drain(connector, read).await;
    let cursor = pages.last().unwrap().cursor.clone();
    (
        pages.into_iter().flat_map(|page| page.changes).collect(),
        cursor,
    )
}

pub(crate) fn upserts(changes: &[Change]) -> Vec<&Record> {
    fn record(change: &Change) -> Option<&Record> {
        match change {
            Change::Upsert(record) => Some(record),
            Change::Delete(_) => None,
        }
    }
    changes.iter().filter_map(record).collect()
}

pub(crate) fn fields(pairs: &[(&str, Value)]) -> Fields {
    let pair = |(name, value): &(&str, Value)| ((*name).to_owned(), value.clone());
    pairs.iter().map(pair).collect()
}

pub(crate) fn write(hub_id: &str, op: WriteOp) -> Write {
    Write {
        idempotency_key: format!("w-{hub_id}"),
        hub_id: hub_id.to_owned(),
        parent: None,
        expected: None,
        op,
    }
}

pub(crate) fn update(key: &str, pairs: &[(&str, Value)]) -> Write {
    let op = WriteOp::Update {
        key: key.to_owned(),
        fields: fields(pairs),
    };
    write(key, op)
}

pub(crate) fn create(hub_id: &str, pairs: &[(&str, Value)]) -> Write {
    write(
        hub_id,
        WriteOp::Create {
            fields: fields(pairs),
        },
    )
}

impl Bench for Org {
    type Connector = Salesforce;

    fn open(&self, http: Http, tokens: Arc<dyn TokenStore>) -> Result<Salesforce> {
        let mut auth = self.consented();
        auth["refresh_token"] = Json::from(self.refresh_token.clone());
        try_open(self.config(auth, json!({})), http, tokens)
    }

    fn subject(&self) -> Subject {
        Subject {
            stream: "Account".into(),
            name: "Name".to_owned(),
            optional: "Phone".to_owned(),
            long: "Notes__c".to_owned(),
            longest: 131_072,
            missing: "001000000000000AAA".to_owned(),
            page: PAGE,
        }
    }

    fn seed(&self, count: usize) -> Vec<String> {
        let before = self.sim.ids("Account");
        self.sim.seed_accounts(count);
        let mut ids = self.sim.ids("Account");
        ids.retain(|id| !before.contains(id));
        ids
    }

    fn edit(&self, key: &str, field: &str, value: &str) {
        self.sim
            .update("Account", key, json!({field: value}))
            .unwrap();
    }

    fn remove(&self, key: &str) {
        self.sim.delete("Account", key).unwrap();
    }

    fn peek(&self, key: &str, field: &str) -> Option<Value> {
        let record = self.sim.get("Account", key)?;
        if record["IsDeleted"] == true {
            return None;
        }
        serde_json::from_value(record[field].clone()).ok()
    }

    fn count(&self) -> usize {
        self.sim.count("Account")
    }

    fn settle(&self) {
        self.advance(20);
    }

    async fn spoil(&self, on: Target, trouble: Trouble) {
        *self.sim.faults() = Faults::default();
        let (times, answer) = match trouble {
            Trouble::SessionExpired => return self.sim.expire_sessions(),
            Trouble::CredentialsRevoked => return self.revoke().await,
            Trouble::RateLimited => {
                self.sim.faults().daily_limit_reached = true;
                return;
            }
            Trouble::Html => (1_000, Answer::Html { status: 200 }),
            Trouble::BadGateway => (1_000, Answer::Html { status: 502 }),
            Trouble::Hang => (1, Answer::Hang { ms: 6_000 }),
            Trouble::Cut => (1, Answer::Cut),
            Trouble::FailedAfterWork => (1, Answer::ErrorAfterCommit { status: 500 }),
        };
        let kind = match on {
            Target::Reads => None,
            Target::Writes => Some("collection".to_owned()),
        };
        self.sim.faults().answers.push(AnswerFault {
            on: kind,
            skip: 0,
            times,
            answer,
        });
    }

    fn secrets(&self) -> Vec<String> {
        let token = self.sim.access_token();
        let (org, _) = token.split_once('!').unwrap();
        vec![
            self.sim.client_secret(),
            self.refresh_token.clone(),
            format!("{org}!"),
        ]
    }
}

impl Org {
    async fn revoke(&self) {
        let url = Url::parse(&self.address)
            .unwrap()
            .join("/services/oauth2/revoke")
            .unwrap();
        let form = [("token", self.refresh_token.as_str())];
        let request = http().request(::http::Method::POST, url).form(&form);
        assert_eq!(http().send(request).await.unwrap().status, 200);
    }
}
