//! Salesforce, simulated: one organisation in memory behind the REST and Bulk 2.0 API, its login
//! server and a control endpoint, with the nasty habits on demand.
//!
//! What lives here: [`Simulator`] (the handle), the table of fields ([`schema`]), rows and writes,
//! a small SOQL, one module per family of endpoints. What does not: Bulk 1.0, CometD, Pub/Sub,
//! outbound messages, Apex, sharing. `README.md` beside this file lists both, and `/__control`.

mod catalog;
mod changes;
mod clock;
mod control;
mod errors;
mod faults;
mod ids;
mod keep;
mod oauth;
mod rest;
mod saved;
pub mod schema;
mod seed;
mod serve;
mod soap;
mod soql;
mod state;
mod store;
mod values;
mod writes;

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt as _;
use chrono::{DateTime, Utc};
use serde_json::Value as Json;
use tokio::net::TcpListener;

pub use clock::SimClock;
pub use errors::RowError;
pub use faults::{
    Answer, AnswerFault, BulkFaults, Condition, DuplicateRule, Faults, Flow, LimitHeader,
    LockFault, Validation,
};
pub use ids::Id;

use state::{Shared, State, lock};
use writes::Fields;

/// How a simulated organisation is set up.
#[derive(Debug, Clone)]
pub struct SimOptions {
    /// Of the connected app; generated if absent.
    pub client_id: Option<String>,
    pub client_secret: Option<String>,
    /// Of the integration user, for SOAP login and the password flow.
    pub username: String,
    pub password: String,
    /// The most rows a query page may have; below 200 to make many pages of little data.
    pub page_size: usize,
    /// The most rows a page of a Bulk result may have.
    pub bulk_page_cap: usize,
    /// REST requests a day; past it everything is 403.
    pub daily_limit: u64,
    /// Host names that act as the shared login server and refuse client credentials; every other
    /// name is the organisation's My Domain.
    pub login_hosts: Vec<String>,
    /// Each refresh replaces the refresh token; the old one, used again, revokes them all.
    pub rotate_refresh_tokens: bool,
    /// The authorize page grants without asking.
    pub auto_grant: bool,
    /// How long a session lives, in milliseconds.
    pub session_ttl_ms: i64,
    /// Other seeds, other companies.
    pub seed: u64,
}

impl Default for SimOptions {
    fn default() -> Self {
        Self {
            client_id: None,
            client_secret: None,
            username: "integration@syncline.example".to_owned(),
            password: "simulated-password".to_owned(),
            page_size: 2000,
            bulk_page_cap: 250_000,
            daily_limit: 1_000_000,
            login_hosts: ["login.salesforce.com", "test.salesforce.com"]
                .map(str::to_owned)
                .into(),
            rotate_refresh_tokens: false,
            auto_grant: false,
            session_ttl_ms: 2 * 60 * 60 * 1000,
            seed: 1,
        }
    }
}

/// A running organisation. Clones share it.
#[derive(Clone)]
pub struct Simulator {
    state: Shared,
    /// The organisation's time; pin or advance it at will.
    pub clock: SimClock,
    /// What its file holds.
    kept: keep::Kept,
}

/// The faults, for as long as this is held; do not hold it across a request.
pub struct FaultsGuard<'a>(MutexGuard<'a, State>);

impl Deref for FaultsGuard<'_> {
    type Target = Faults;

    fn deref(&self) -> &Faults {
        &self.0.faults
    }
}

impl DerefMut for FaultsGuard<'_> {
    fn deref_mut(&mut self) -> &mut Faults {
        &mut self.0.faults
    }
}

/// Requests served so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requests(BTreeMap<&'static str, u64>);

impl Requests {
    /// Of one kind: `query`, `query_more`, `query_all`, `describe`, `collection`, `bulk_results`,
    /// `token`, `row_update` and so on.
    pub fn of(&self, kind: &str) -> u64 {
        self.0.get(kind).copied().unwrap_or(0)
    }

    /// Of every kind.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Kinds and counts, for printing.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().map(|(kind, count)| (*kind, *count))
    }
}

impl Simulator {
    /// An organisation with its users and no other data.
    pub fn new(options: SimOptions) -> Self {
        let clock = SimClock::default();
        Self::with_clock(options, clock)
    }

    /// The same with a clock made before, for instance a pinned one.
    pub fn with_clock(options: SimOptions, clock: SimClock) -> Self {
        Self {
            state: Arc::new(Mutex::new(State::new(options, clock.clone()))),
            clock,
            kept: keep::Kept::default(),
        }
    }

    /// Everything under one router: API, login, control.
    pub fn router(&self) -> Router {
        Router::new()
            .fallback(serve::entry)
            .with_state(self.state.clone())
    }

    /// Serves until `shutdown` resolves; open requests get two seconds to end.
    ///
    /// # Errors
    /// When the listener's address cannot be read or accepting fails.
    pub async fn serve(
        &self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let address = listener.local_addr()?;
        if !address.ip().is_unspecified() {
            lock(&self.state).base_url = Some(format!("http://{address}"));
        }
        let (stopped, stop) = tokio::sync::oneshot::channel::<()>();
        let signal = async move {
            shutdown.await;
            if stopped.send(()).is_err() {
                tracing::debug!("the simulator had stopped before it was told to");
            }
        };
        let grace = async move {
            if stop.await.is_ok() {
                tokio::time::sleep(Duration::from_secs(2)).await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        // Small answers must not wait for the client's acknowledgement. A failure costs speed only.
        let listener = listener.tap_io(|stream| {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "cannot switch off the delay of small packets");
            }
        });
        let server = axum::serve(listener, self.router()).with_graceful_shutdown(signal);
        tokio::select! {
            served = server => served,
            () = grace => Ok(()),
        }
    }

    pub fn client_id(&self) -> String {
        lock(&self.state).client_id.clone()
    }

    pub fn client_secret(&self) -> String {
        lock(&self.state).client_secret.clone()
    }

    pub fn username(&self) -> String {
        lock(&self.state).options.username.clone()
    }

    pub fn password(&self) -> String {
        lock(&self.state).options.password.clone()
    }

    /// The 18-character id of the user API clients act as.
    pub fn user_id(&self) -> String {
        lock(&self.state).integration_user.to_string()
    }

    /// Lets a user log in by JWT bearer: the public half of the client's RSA key, PEM.
    pub fn register_jwt_key(&self, username: &str, public_key_pem: &str) {
        let mut state = lock(&self.state);
        let pem = public_key_pem.to_owned();
        state.logins.add_jwt_key(username.to_owned(), pem);
    }

    /// A session of the integration user without a login.
    pub fn access_token(&self) -> String {
        let mut state = lock(&self.state);
        let user = state.integration_user;
        oauth::open_session(&mut state, user, None)
    }

    /// Ends every session: the next call of each answers 401.
    pub fn expire_sessions(&self) {
        lock(&self.state).logins.sessions.clear();
    }

    /// The faults, to read or set; see [`Faults`].
    pub fn faults(&self) -> FaultsGuard<'_> {
        FaultsGuard(lock(&self.state))
    }

    /// Adds accounts; the same count and seed give the same data.
    pub fn seed_accounts(&self, count: usize) {
        let mut state = lock(&self.state);
        let (now, seed) = (state.settle(), state.options.seed);
        seed::accounts(&mut state.store, seed, count, now);
    }

    /// Adds contacts, about two to an account.
    pub fn seed_contacts(&self, count: usize) {
        let mut state = lock(&self.state);
        let (now, seed) = (state.settle(), state.options.seed);
        seed::contacts(&mut state.store, seed, count, now);
    }

    /// A record as a row read shows it, also one in the recycle bin; `None` if there is none.
    pub fn get(&self, object: &str, id: &str) -> Option<Json> {
        changes::get(&self.settled(), object, id).ok()
    }

    /// Live records whose field has this value.
    ///
    /// # Errors
    /// When object or field does not exist or cannot hold the value.
    pub fn find(
        &self,
        object: &str,
        field: &str,
        value: impl Into<Json>,
    ) -> Result<Vec<Json>, RowError> {
        changes::find(&self.settled(), object, field, &value.into())
    }

    /// Live records of an object; 0 for an unknown one.
    pub fn count(&self, object: &str) -> usize {
        let state = self.settled();
        state
            .store
            .table(object)
            .map_or(0, |table| state.store.tables[table].live())
    }

    /// The ids of all live records of an object, in id order.
    pub fn ids(&self, object: &str) -> Vec<String> {
        let state = self.settled();
        let Some(table) = state.store.table(object) else {
            return vec![];
        };
        let rows = state.store.tables[table]
            .rows()
            .filter(|row| row.deleted.is_none());
        rows.map(|row| row.id.to_string()).collect()
    }

    /// Creates a record as another user of the organisation; its 18-character id.
    ///
    /// # Errors
    /// As the API would refuse it.
    pub fn insert(&self, object: &str, fields: Json) -> Result<String, RowError> {
        let fields = as_fields(fields)?;
        changes::insert(&mut lock(&self.state), object, &fields).map(|id| id.to_string())
    }

    /// Changes a record as another user; its stamp moves.
    ///
    /// # Errors
    /// As the API would refuse it.
    pub fn update(&self, object: &str, id: &str, fields: Json) -> Result<(), RowError> {
        let fields = as_fields(fields)?;
        changes::update(&mut lock(&self.state), object, id, &fields).map(drop)
    }

    /// Deletes a record as another user, and what hangs on it.
    ///
    /// # Errors
    /// As the API would refuse it.
    pub fn delete(&self, object: &str, id: &str) -> Result<(), RowError> {
        changes::delete(&mut lock(&self.state), object, id).map(drop)
    }

    /// Takes a record out of the recycle bin.
    ///
    /// # Errors
    /// When it is not there.
    pub fn undelete(&self, object: &str, id: &str) -> Result<(), RowError> {
        changes::undelete(&mut lock(&self.state), object, id).map(drop)
    }

    /// Removes a record from the recycle bin for good.
    ///
    /// # Errors
    /// When it is not in the recycle bin.
    pub fn purge(&self, object: &str, id: &str) -> Result<(), RowError> {
        changes::purge(&mut lock(&self.state), object, id).map(drop)
    }

    /// Merges `loser` into `winner`.
    ///
    /// # Errors
    /// When either is missing.
    pub fn merge(&self, object: &str, winner: &str, loser: &str) -> Result<(), RowError> {
        changes::merge(&mut lock(&self.state), object, winner, loser).map(drop)
    }

    /// Gives the first `count` live records one `SystemModstamp`; how many there were.
    ///
    /// # Errors
    /// When the object does not exist.
    pub fn touch(&self, object: &str, count: usize, at: DateTime<Utc>) -> Result<usize, RowError> {
        changes::touch(&mut lock(&self.state), object, count, at.timestamp_millis())
    }

    /// Forgets deletions before `starts`: `earliestDateAvailable` jumps.
    pub fn truncate_delete_log(&self, starts: DateTime<Utc>) {
        changes::truncate_delete_log(&mut lock(&self.state), starts.timestamp_millis());
    }

    /// Adds a field to an object.
    ///
    /// # Errors
    /// When the object is unknown or has the field.
    pub fn add_field(&self, object: &str, field: schema::Field) -> Result<(), RowError> {
        changes::add_field(&mut lock(&self.state), object, field)
    }

    /// Removes a field and its data from sight.
    ///
    /// # Errors
    /// When object or field is unknown.
    pub fn remove_field(&self, object: &str, name: &str) -> Result<(), RowError> {
        changes::remove_field(&mut lock(&self.state), object, name)
    }

    /// Hides a field from the API's user, as field-level security does, or shows it again.
    ///
    /// # Errors
    /// When object or field is unknown.
    pub fn hide_field(&self, object: &str, name: &str, hidden: bool) -> Result<(), RowError> {
        changes::hide_field(&mut lock(&self.state), object, name, hidden)
    }

    /// Gives a field another type; what does not fit becomes null, no stamp moves.
    ///
    /// # Errors
    /// When object or field is unknown.
    pub fn retype_field(&self, object: &str, field: schema::Field) -> Result<(), RowError> {
        changes::retype_field(&mut lock(&self.state), object, field)
    }

    /// Edits a field in place: length, picklist, normalisation.
    ///
    /// # Errors
    /// When object or field is unknown.
    pub fn edit_field(
        &self,
        object: &str,
        name: &str,
        edit: impl FnOnce(&mut schema::Field),
    ) -> Result<(), RowError> {
        changes::edit_field(&mut lock(&self.state), object, name, edit)
    }

    /// Rows written through the API and accepted.
    pub fn writes(&self) -> u64 {
        lock(&self.state).writes
    }

    /// Requests served, by kind.
    pub fn requests(&self) -> Requests {
        Requests(lock(&self.state).counts.clone())
    }

    fn settled(&self) -> MutexGuard<'_, State> {
        let mut state = lock(&self.state);
        state.settle();
        state
    }
}

fn as_fields(fields: Json) -> Result<Fields, RowError> {
    match fields {
        Json::Object(fields) => Ok(fields),
        _ => Err(RowError::new(
            "JSON_PARSER_ERROR",
            "a record is a JSON object",
        )),
    }
}
