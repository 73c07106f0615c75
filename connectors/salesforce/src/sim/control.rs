//! `/__control`: what a test or a person steers from outside. Documented in `README.md`.

use axum::http::Method;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

use super::errors::{ApiError, RowError};
use super::faults::Faults;
use super::ids::Id;
use super::rest::Reply;
use super::schema::{Field, FieldType};
use super::state::State;
use super::writes::Fields;
use super::{changes, seed};

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| ApiError::json(error.to_string()))
}

/// One control request.
pub(crate) fn serve(state: &mut State, method: &Method, path: &[&str], body: &[u8]) -> Reply {
    let done = match (method.as_str(), path) {
        ("GET", [] | ["requests"]) => Ok(overview(state)),
        ("GET", ["faults"]) => Ok(json!(state.faults)),
        ("POST", ["faults"]) => set_faults(state, body),
        ("DELETE", ["faults"]) => {
            state.faults = Faults::default();
            Ok(json!(state.faults))
        }
        ("POST", ["clock"]) => set_clock(state, body),
        ("POST", ["seed"]) => add_seed(state, body),
        ("GET", ["rows", object, id]) => changes::get(state, object, id).map_err(ApiError::from),
        ("POST", ["rows"]) => change_row(state, body),
        ("POST", ["schema"]) => change_schema(state, body),
        ("POST", ["expire"]) => {
            state.logins.sessions.clear();
            Ok(json!({}))
        }
        ("POST", ["delete_log"]) => truncate_log(state, body),
        ("POST", ["jwt_key"]) => add_key(state, body),
        _ => Err(ApiError::not_found()),
    };
    match done {
        Ok(body) => Reply::json(200, &body),
        Err(error) => error.into(),
    }
}

fn overview(state: &State) -> Json {
    let rows: serde_json::Map<String, Json> = state
        .store
        .tables
        .iter()
        .map(|table| (table.object.name.clone(), Json::from(table.live())))
        .collect();
    json!({"requests": state.counts, "writes": state.writes, "apiUsage": state.api_usage,
           "rows": rows, "now": state.clock.now().to_rfc3339()})
}

/// Replaces the named faults and leaves the others.
fn set_faults(state: &mut State, body: &[u8]) -> Result<Json, ApiError> {
    let new: serde_json::Map<String, Json> = read(body)?;
    let mut all = json!(state.faults);
    for (name, value) in new {
        all[name] = value;
    }
    state.faults =
        serde_json::from_value(all).map_err(|error| ApiError::json(error.to_string()))?;
    Ok(json!(state.faults))
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum ClockChange {
    Pin(DateTime<Utc>),
    AdvanceSeconds(i64),
    /// As the bare text `"release"`.
    Release,
}

fn set_clock(state: &mut State, body: &[u8]) -> Result<Json, ApiError> {
    match read(body)? {
        ClockChange::Pin(at) => state.clock.pin(at),
        ClockChange::AdvanceSeconds(seconds) => {
            let by = chrono::Duration::try_seconds(seconds)
                .ok_or_else(|| ApiError::json("advance_seconds is out of range"))?;
            state.clock.advance(by);
        }
        ClockChange::Release => state.clock.release(),
    }
    state.settle();
    Ok(json!({"now": state.clock.now().to_rfc3339()}))
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct Seed {
    accounts: usize,
    contacts: usize,
}

const MAX_SEED: usize = 2_000_000;

fn add_seed(state: &mut State, body: &[u8]) -> Result<Json, ApiError> {
    let wanted: Seed = read(body)?;
    if wanted.accounts.max(wanted.contacts) > MAX_SEED {
        return Err(ApiError::json(format!("at most {MAX_SEED} rows at a time")));
    }
    let now = state.settle();
    seed::accounts(&mut state.store, state.options.seed, wanted.accounts, now);
    seed::contacts(&mut state.store, state.options.seed, wanted.contacts, now);
    Ok(overview(state))
}

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
enum RowChange {
    Insert {
        object: String,
        fields: Fields,
    },
    Update {
        object: String,
        id: String,
        fields: Fields,
    },
    Delete {
        object: String,
        id: String,
    },
    Undelete {
        object: String,
        id: String,
    },
    Purge {
        object: String,
        id: String,
    },
    Merge {
        object: String,
        winner: String,
        loser: String,
    },
    /// Gives the first `count` rows one stamp.
    Touch {
        object: String,
        count: usize,
        stamp: Option<DateTime<Utc>>,
    },
}

/// Changes a row as another user of the organisation.
fn change_row(state: &mut State, body: &[u8]) -> Result<Json, ApiError> {
    let id = match read(body)? {
        RowChange::Insert { object, fields } => changes::insert(state, &object, &fields)?,
        RowChange::Update { object, id, fields } => changes::update(state, &object, &id, &fields)?,
        RowChange::Delete { object, id } => changes::delete(state, &object, &id)?,
        RowChange::Undelete { object, id } => changes::undelete(state, &object, &id)?,
        RowChange::Purge { object, id } => changes::purge(state, &object, &id)?,
        RowChange::Merge {
            object,
            winner,
            loser,
        } => changes::merge(state, &object, &winner, &loser)?,
        RowChange::Touch {
            object,
            count,
            stamp,
        } => {
            let stamp = stamp.map_or_else(|| state.clock.now_ms(), |at| at.timestamp_millis());
            let touched = changes::touch(state, &object, count, stamp)?;
            return Ok(json!({"touched": touched}));
        }
    };
    Ok(json!({"id": id.to_string()}))
}

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
enum SchemaChange {
    Add {
        object: String,
        field: NewField,
    },
    Remove {
        object: String,
        name: String,
    },
    Hide {
        object: String,
        name: String,
    },
    Show {
        object: String,
        name: String,
    },
    Retype {
        object: String,
        field: NewField,
    },
    AddValue {
        object: String,
        name: String,
        value: String,
    },
    Normalise {
        object: String,
        name: String,
        how: Option<super::schema::Normalise>,
    },
    Length {
        object: String,
        name: String,
        length: usize,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewField {
    name: String,
    #[serde(rename = "type")]
    kind: FieldType,
    #[serde(default)]
    length: Option<usize>,
    #[serde(default)]
    precision: Option<u32>,
    #[serde(default)]
    scale: Option<u32>,
    #[serde(default)]
    values: Vec<String>,
    #[serde(default)]
    restricted: bool,
    #[serde(default)]
    external_id: bool,
    #[serde(default)]
    unique: bool,
    #[serde(default)]
    reference_to: Option<String>,
}

impl NewField {
    fn build(self) -> Field {
        let values: Vec<&str> = self.values.iter().map(String::as_str).collect();
        let mut field = Field::new(&self.name, self.kind).values(&values, self.restricted);
        field.length = self.length.unwrap_or(field.length);
        field.precision = self.precision.unwrap_or(field.precision);
        field.scale = self.scale.unwrap_or(field.scale);
        (field.external_id, field.unique) = (self.external_id, self.unique);
        match &self.reference_to {
            Some(object) => field.to(object),
            None => field,
        }
    }
}

fn change_schema(state: &mut State, body: &[u8]) -> Result<Json, ApiError> {
    match read(body)? {
        SchemaChange::Add { object, field } => changes::add_field(state, &object, field.build())?,
        SchemaChange::Remove { object, name } => changes::remove_field(state, &object, &name)?,
        SchemaChange::Hide { object, name } => changes::hide_field(state, &object, &name, true)?,
        SchemaChange::Show { object, name } => changes::hide_field(state, &object, &name, false)?,
        SchemaChange::Retype { object, field } => {
            changes::retype_field(state, &object, field.build())?;
        }
        SchemaChange::AddValue {
            object,
            name,
            value,
        } => {
            changes::edit_field(state, &object, &name, |field| field.add_value(&value))?;
        }
        SchemaChange::Normalise { object, name, how } => {
            changes::edit_field(state, &object, &name, |field| field.normalise = how)?;
        }
        SchemaChange::Length {
            object,
            name,
            length,
        } => {
            changes::edit_field(state, &object, &name, |field| field.length = length)?;
        }
    }
    Ok(json!({}))
}

#[derive(Deserialize)]
struct LogStart {
    starts: DateTime<Utc>,
}

/// Forgets deletions before a time, as the platform does when the log grows too large.
fn truncate_log(state: &mut State, body: &[u8]) -> Result<Json, ApiError> {
    let LogStart { starts } = read(body)?;
    changes::truncate_delete_log(state, starts.timestamp_millis());
    Ok(json!({}))
}

#[derive(Deserialize)]
struct NewKey {
    username: String,
    pem: String,
}

fn add_key(state: &mut State, body: &[u8]) -> Result<Json, ApiError> {
    let NewKey { username, pem } = read(body)?;
    jsonwebtoken::DecodingKey::from_rsa_pem(pem.as_bytes())
        .map_err(|error| ApiError::json(format!("not an RSA public key: {error}")))?;
    state.logins.add_jwt_key(username, pem);
    Ok(json!({}))
}

impl From<RowError> for Reply {
    fn from(error: RowError) -> Self {
        ApiError::from(error).into()
    }
}

/// The id a text names in an object, for changes from outside.
pub(crate) fn id_of(text: &str) -> Result<Id, RowError> {
    Id::parse(text).ok_or_else(|| RowError::new("MALFORMED_ID", format!("malformed id {text}")))
}
