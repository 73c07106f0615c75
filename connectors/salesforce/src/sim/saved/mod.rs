//! What an organisation's file holds and how it is written: lines of JSON. First what it is and of
//! which version, then the organisation and its table of fields, then a line per row, last a check.
//!
//! Rows are taken from the organisation by pointer, so it goes on answering while they are written.

mod lines;
mod rows;

use std::collections::HashMap;
use std::io::{self, BufRead, Write};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

use super::clock::{Mode, SimClock};
use super::ids::Id;
use super::keep::Kept;
use super::schema::Object;
use super::state::{Family, State};
use super::store::{Deleted, Row, Table};
use super::{SimOptions, Simulator};
use lines::{Check, Lines, write_line};

const FORMAT: &str = "syncline-simulated-salesforce";
/// Raised when an older program could not read what this one writes, or the other way round.
const VERSION: u32 = 1;

/// Why a file is not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("not a saved organisation")]
    Foreign,
    #[error("saved in version {0} of the format, this program reads version {VERSION}")]
    Version(u32),
    #[error("the file breaks off after {0} lines")]
    Truncated(usize),
    #[error("line {line} is damaged at column {column}")]
    Line { line: usize, column: usize },
    #[error("the file is damaged: its checksum differs")]
    Checksum,
    #[error("the file contradicts itself: {0}")]
    Unsound(&'static str),
}

#[derive(Serialize, Deserialize)]
struct Header {
    format: String,
    version: u32,
}

#[derive(Serialize, Deserialize)]
struct Organisation {
    clock: Mode,
    client_id: String,
    client_secret: String,
    integration_user: u64,
    other_user: u64,
    /// Number, user, current token, revoked.
    families: Vec<(u64, u64, String, bool)>,
    refresh_tokens: HashMap<String, u64>,
    jwt_keys: HashMap<String, String>,
    log_starts: i64,
    /// Id and time of each deletion, oldest first.
    deleted: Vec<(u64, i64)>,
    /// When each will be committed, and the row.
    waiting: Vec<(i64, Arc<Row>)>,
    /// Each with the number of ids it has given out.
    objects: Vec<(Object, usize)>,
}

#[derive(Serialize, Deserialize)]
struct Trailer {
    rows: usize,
    check: u64,
}

/// The organisation at one moment.
pub(super) struct Snapshot {
    organisation: Organisation,
    rows: Vec<Arc<Row>>,
}

impl Snapshot {
    pub(super) fn of(state: &State) -> Self {
        let store = &state.store;
        let families = state.logins.families.iter();
        let deleted = store.delete_log.iter();
        let tables = store.tables.iter();
        Self {
            organisation: Organisation {
                clock: state.clock.runs(),
                client_id: state.client_id.clone(),
                client_secret: state.client_secret.clone(),
                integration_user: state.integration_user.packed(),
                other_user: state.other_user.packed(),
                families: families
                    .map(|(number, family)| {
                        let current = family.current.clone();
                        (*number, family.user.packed(), current, family.revoked)
                    })
                    .collect(),
                refresh_tokens: state.logins.refresh_tokens.clone(),
                jwt_keys: state.logins.jwt_keys.clone(),
                log_starts: store.log_starts,
                deleted: deleted.map(|gone| (gone.id.packed(), gone.at)).collect(),
                waiting: store
                    .waiting()
                    .map(|(at, row)| (at, Arc::clone(row)))
                    .collect(),
                objects: tables
                    .map(|table| (table.object.clone(), table.handed_out()))
                    .collect(),
            },
            rows: store.tables.iter().flat_map(Table::rows).cloned().collect(),
        }
    }

    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut check = Check::default();
        let mut line = vec![];
        let header = Header {
            format: FORMAT.to_owned(),
            version: VERSION,
        };
        write_line(out, &mut line, &mut check, &header)?;
        write_line(out, &mut line, &mut check, &self.organisation)?;
        for row in &self.rows {
            write_line(out, &mut line, &mut check, row.as_ref())?;
        }
        let trailer = Trailer {
            rows: self.rows.len(),
            check: check.0,
        };
        write_line(out, &mut line, &mut check, &trailer)
    }

    pub(super) fn read(file: impl BufRead) -> Result<Self, LoadError> {
        let mut lines = Lines::of(file);
        lines.next().map_err(|error| match error {
            LoadError::Truncated(_) => LoadError::Foreign,
            error => error,
        })?;
        let header: Option<Header> = serde_json::from_slice(&lines.line).ok();
        match header {
            Some(header) if header.format == FORMAT && header.version == VERSION => {}
            Some(header) if header.format == FORMAT => {
                return Err(LoadError::Version(header.version));
            }
            _ => return Err(LoadError::Foreign),
        }
        lines.next()?;
        let organisation: Organisation = lines.parse()?;
        let mut rows = vec![];
        loop {
            let check = lines.check.0;
            lines.next()?;
            // Rows are arrays, the last line is an object.
            if lines.line.first() == Some(&b'[') {
                rows.push(lines.parse()?);
                continue;
            }
            let trailer: Trailer = lines.parse()?;
            if trailer.check != check || trailer.rows != rows.len() {
                return Err(LoadError::Checksum);
            }
            return Ok(Self { organisation, rows });
        }
    }

    /// A running organisation of this. What the options say of client id and secret goes first.
    pub(super) fn open(self, options: SimOptions) -> Result<Simulator, LoadError> {
        let saved = self.organisation;
        let clock = SimClock::running(saved.clock);
        let mut state = State::new(options, clock.clone());
        if state.options.client_id.is_none() {
            state.client_id = saved.client_id;
        }
        if state.options.client_secret.is_none() {
            state.client_secret = saved.client_secret;
        }
        let tables = tables(&state, saved.objects, self.rows)?;
        let store = &mut state.store;
        store.restore(tables, saved.log_starts);
        let no_object = LoadError::Unsound("an id belongs to no object");
        for (id, at) in saved.deleted {
            let id = Id::unpacked(id);
            let Some(table) = store.table_of(id) else {
                return Err(no_object);
            };
            store.delete_log.push_back(Deleted { table, id, at });
        }
        for (visible, row) in saved.waiting {
            let Some(table) = store.table_of(row.id) else {
                return Err(no_object);
            };
            store.put_later(table, row, visible);
        }
        let users = [saved.integration_user, saved.other_user].map(Id::unpacked);
        if users.iter().any(|user| store.row(*user).is_none()) {
            return Err(LoadError::Unsound("a user it acts as is missing"));
        }
        [state.integration_user, state.other_user] = users;
        for (number, user, current, revoked) in saved.families {
            let user = Id::unpacked(user);
            let family = Family {
                user,
                current,
                revoked,
            };
            state.logins.families.insert(number, family);
        }
        state.logins.refresh_tokens = saved.refresh_tokens;
        state.logins.jwt_keys = saved.jwt_keys;
        state.skip_serials().map_err(io::Error::other)?;
        Ok(Simulator {
            state: Arc::new(Mutex::new(state)),
            clock,
            kept: Kept::default(),
        })
    }
}

/// The tables as they were, every object of a fresh organisation among them.
fn tables(
    fresh: &State,
    objects: Vec<(Object, usize)>,
    rows: Vec<Arc<Row>>,
) -> Result<Vec<Table>, LoadError> {
    let known = |table: &Table| {
        let name = &table.object.name;
        objects.iter().any(|(object, _)| object.name == *name)
    };
    if !fresh.store.tables.iter().all(known) {
        return Err(LoadError::Unsound("an object is missing"));
    }
    if !objects.iter().all(|(object, _)| object.is_sound()) {
        return Err(LoadError::Unsound("a field has no place in its rows"));
    }
    let mut by_object: HashMap<[u8; 3], Vec<Arc<Row>>> = HashMap::new();
    for row in rows {
        by_object.entry(row.id.prefix()).or_default().push(row);
    }
    let mut tables = vec![];
    for (object, handed_out) in objects {
        let rows = by_object.remove(&object.prefix).unwrap_or_default();
        let table = Table::restored(object, handed_out, rows);
        tables.push(table.ok_or(LoadError::Unsound("a row has an id that cannot be"))?);
    }
    match by_object.is_empty() {
        true => Ok(tables),
        false => Err(LoadError::Unsound("a row belongs to no object")),
    }
}
