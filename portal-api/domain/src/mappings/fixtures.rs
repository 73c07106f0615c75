//! Records pinned to a mapping: what it makes of them must stay as it is.

use engine::entity::CoreTables;
use engine::ids::{FixtureId, UserId};
use engine::mapping::{Difference, Expected, Mapping};
use engine::sdk::Record;
use engine::store::fixtures::{self, Fixture};
use engine::store::mappings::MappingRow;
use engine::store::{plans, records, streams};
use engine::{StoreError, Tx};

/// Most fixtures of one mapping.
const MOST: usize = 200;

/// A record to pin.
#[derive(Clone, Debug)]
pub struct Pinned<'a> {
    pub name: &'a str,
    /// Of a record as it was last seen.
    pub key: &'a str,
    /// What is to be made of it; without, what the newest version makes of it.
    pub expected: Option<Expected>,
}

/// A fixture held against a text.
#[derive(Clone, Debug)]
pub struct Checked {
    pub fixture: Fixture,
    /// Empty where it is green.
    pub differences: Vec<Difference>,
}

/// A fixture of which a text makes something else.
#[derive(Clone, Debug)]
pub struct Broken {
    pub name: String,
    pub differences: Vec<Difference>,
}

/// Pins a record as it was last seen.
///
/// # Errors
/// [`StoreError::NotFound`] for a record that was never seen; [`StoreError::Conflict`] for a name
/// that is taken, too many fixtures, or a newest version that cannot be applied to the record.
pub async fn pin(
    tx: &mut Tx,
    tables: &CoreTables,
    row: &MappingRow,
    pinned: Pinned<'_>,
    by: UserId,
) -> Result<FixtureId, StoreError> {
    if fixtures::list(tx, row.id).await?.len() >= MOST {
        let message = format!("a mapping has at most {MOST} fixtures");
        return Err(StoreError::Conflict(message));
    }
    let keys = [pinned.key.to_owned()];
    let found = records::raw(tx, row.connection_id, &row.stream, &keys).await?;
    let record = found
        .into_iter()
        .next()
        .ok_or_else(|| StoreError::NotFound(format!("record {}", pinned.key)))?;
    let expected = match pinned.expected {
        Some(expected) => expected,
        None => mapped(tx, tables, row, &record).await?,
    };
    fixtures::insert(tx, row.id, pinned.name, &record, &expected, by).await
}

/// What the newest version makes of a record.
async fn mapped(
    tx: &mut Tx,
    tables: &CoreTables,
    row: &MappingRow,
    record: &Record,
) -> Result<Expected, StoreError> {
    let (connection, stream) = (row.connection_id, row.stream.as_str());
    let plan = plans::drafted(tx, connection, stream, row.newest_version, &row.text).await?;
    let catalogue = plans::catalogue(tx, &tables.kind(&plan.entity)?).await?;
    let patch = plan.mapping.inbound(&catalogue, record);
    let patch = patch.map_err(|error| StoreError::Conflict(error.to_string()))?;
    Ok(patch.into())
}

/// Holds all fixtures of a mapping against a text.
///
/// # Errors
/// [`StoreError::Conflict`] when the text does not parse or does not fit the fields there are.
pub async fn check_fixtures(
    tx: &mut Tx,
    tables: &CoreTables,
    row: &MappingRow,
    text: &str,
) -> Result<Vec<Checked>, StoreError> {
    let fixtures = fixtures::list(tx, row.id).await?;
    if fixtures.is_empty() {
        return Ok(Vec::new());
    }
    let (connection, stream) = (row.connection_id, row.stream.as_str());
    let mapping =
        Mapping::parse(text).map_err(|errors| StoreError::Conflict(errors.to_string()))?;
    let mapping = match streams::description(tx, connection, stream).await? {
        Some(description) => mapping.fitted(&description),
        None => mapping,
    };
    let catalogue = plans::catalogue(tx, &tables.kind(&row.entity)?).await?;
    fixtures
        .into_iter()
        .map(|fixture| {
            let differences = mapping
                .differences(&catalogue, &fixture.record, &fixture.expected)
                .map_err(|error| StoreError::Conflict(error.to_string()))?;
            Ok(Checked {
                fixture,
                differences,
            })
        })
        .collect()
}
