//! Putting a version in force: what it has to pass, and the run that applies it to the snapshots.

use engine::entity::CoreTables;
use engine::ids::{ConnectionId, MappingApprovalId, PreviewId, PublicationId, RunId, UserId};
use engine::mapping::Mapping;
use engine::store::mapping_rules::{self, MappingRules};
use engine::store::mappings::{self, Author, Behind, MappingRow, MappingVersion};
use engine::store::previews;
use engine::store::publications::{self, NewPublication};
use engine::store::runs::{self, NewRun, StartOptions};
use engine::store::{canaries, mapping_approvals, plans, snapshots};
use engine::sync::{SyncError, drift, preview};
use engine::{StoreError, Tx};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Broken, Problem, check_fixtures, review};
use crate::pulls::PullInput;
use crate::streams;

/// Name of the workflow that applies a published version to the stored snapshots.
pub const REMAP_WORKFLOW: &str = "remap_stream";

/// Its input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemapInput {
    pub connection: ConnectionId,
    pub stream: String,
    /// `None`: the version in force is applied to what was held back while fields stood still.
    pub publication: Option<PublicationId>,
    /// Snapshots do not hold what the version asks for: the stream is read again afterwards.
    #[serde(default)]
    pub read_again: bool,
}

impl RemapInput {
    /// A stream is read and mapped again one run at a time.
    pub fn key(&self) -> String {
        PullInput {
            connection: self.connection,
            stream: self.stream.clone(),
            full: false,
        }
        .key()
    }
}

/// A version to put in force.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    pub mapping: &'a MappingRow,
    pub version: i32,
    /// What was shown of it.
    pub preview: Option<PreviewId>,
    pub by: UserId,
}

/// Why a version is not put in force.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The text does not fit.
    #[error("the text does not fit the fields there are")]
    Text(Vec<Problem>),
    /// It makes something else of pinned records.
    #[error("{} pinned records come out differently", .0.len())]
    Fixtures(Vec<Broken>),
    /// Something has to happen before.
    #[error("{0}")]
    Blocked(String),
}

impl From<SyncError> for Refused {
    fn from(error: SyncError) -> Self {
        match error {
            SyncError::Store(error) => Self::Store(error),
            error => Self::Blocked(error.to_string()),
        }
    }
}

fn blocked<T>(message: impl Into<String>) -> Result<T, Refused> {
    Err(Refused::Blocked(message.into()))
}

/// Puts a draft in force and starts the run that applies it to the stored snapshots, where there are
/// any that an older version mapped.
///
/// # Errors
/// [`Refused`]; nothing is to be committed then.
pub async fn publish(
    tx: &mut Tx,
    tables: &CoreTables,
    order: Order<'_>,
) -> Result<PublicationId, Refused> {
    let (version, approval) = checked(tx, tables, order).await?;
    put(tx, order, &version, approval, Behind::Superseded).await
}

/// Whether a draft may be tried on some records: what publishing asks for is asked for here.
///
/// # Errors
/// [`Refused`].
pub async fn check_canary(
    tx: &mut Tx,
    tables: &CoreTables,
    order: Order<'_>,
) -> Result<(), Refused> {
    if order.mapping.published_version.is_none() {
        return blocked(
            "nothing is in force yet: publish the version, there is nothing to compare",
        );
    }
    checked(tx, tables, order).await.map(|_| ())
}

/// A draft that fits, with what the tenant's rules ask for.
async fn checked(
    tx: &mut Tx,
    tables: &CoreTables,
    order: Order<'_>,
) -> Result<(MappingVersion, Option<MappingApprovalId>), Refused> {
    let version = mappings::version(tx, order.mapping.id, order.version).await?;
    match version.state.as_str() {
        "draft" => {}
        "published" => return blocked(format!("version {} is in force already", order.version)),
        _ => {
            return blocked(format!(
                "version {} is no draft any more: roll back to it, or save its text anew",
                order.version
            ));
        }
    }
    fits(tx, tables, order.mapping, &version).await?;
    let rules = mapping_rules::get(tx).await?;
    match order.preview {
        Some(id) => is_fresh(tx, tables, order, &version, id, rules).await?,
        // A canary of this version was let begin by one, and shows more than that.
        None if rules.needs_preview && !is_tried(tx, order).await? => {
            return blocked("a preview is asked for here: make one and publish by it");
        }
        None => {}
    }
    let approval = if rules.needs_approval {
        Some(approved(tx, order.mapping, &version).await?)
    } else {
        None
    };
    Ok((version, approval))
}

async fn is_tried(tx: &mut Tx, order: Order<'_>) -> Result<bool, StoreError> {
    let (connection, stream) = (order.mapping.connection_id, &order.mapping.stream);
    let canary = canaries::running(tx, connection, stream).await?;
    Ok(canary.is_some_and(|canary| canary.version == order.version))
}

/// Brings the text of an earlier version back, as a new version that is in force at once: what was
/// in force before was previewed and approved in its time.
///
/// # Errors
/// [`Refused`]; nothing is to be committed then.
pub async fn roll_back(
    tx: &mut Tx,
    tables: &CoreTables,
    mapping: &MappingRow,
    to: i32,
    (by, name): (UserId, &str),
) -> Result<PublicationId, Refused> {
    let earlier = mappings::version(tx, mapping.id, to).await?;
    match earlier.state.as_str() {
        "superseded" | "rolled_back" => {}
        state => {
            return blocked(format!(
                "version {to} is {state}: there is nothing to go back to"
            ));
        }
    }
    if !was_in_force(tx, mapping, &earlier).await? {
        return blocked(format!(
            "version {to} was never in force: publish its text instead"
        ));
    }
    fits(tx, tables, mapping, &earlier).await?;
    let author = Author {
        name,
        user: Some(by),
    };
    let row = mapping.version;
    let restores = Some(to);
    let next = mappings::append(tx, mapping.id, row, &earlier.body, author, restores).await?;
    let version = mappings::version(tx, mapping.id, next).await?;
    let order = Order {
        mapping,
        version: next,
        preview: None,
        by,
    };
    put(tx, order, &version, None, Behind::RolledBack).await
}

/// Drafts that a newer publication passed over are superseded too, and were never in force.
async fn was_in_force(
    tx: &mut Tx,
    mapping: &MappingRow,
    version: &MappingVersion,
) -> Result<bool, StoreError> {
    if version.author.is_none() || version.state == "rolled_back" {
        return Ok(true);
    }
    publications::has(tx, mapping.id, version.version).await
}

async fn fits(
    tx: &mut Tx,
    tables: &CoreTables,
    mapping: &MappingRow,
    version: &MappingVersion,
) -> Result<(), Refused> {
    let (connection, stream) = (mapping.connection_id, mapping.stream.as_str());
    let reviewed = review(tx, tables, connection, stream, &version.body).await?;
    reviewed.accepted(true).map_err(Refused::Text)?;
    let checked = check_fixtures(tx, tables, mapping, &version.body).await?;
    let broken: Vec<Broken> = checked
        .into_iter()
        .filter(|checked| !checked.differences.is_empty())
        .map(|checked| Broken {
            name: checked.fixture.name,
            differences: checked.differences,
        })
        .collect();
    if broken.is_empty() {
        return Ok(());
    }
    Err(Refused::Fixtures(broken))
}

/// Whether a preview still says what publishing would do, within what the tenant allows.
async fn is_fresh(
    tx: &mut Tx,
    tables: &CoreTables,
    order: Order<'_>,
    version: &MappingVersion,
    id: PreviewId,
    rules: MappingRules,
) -> Result<(), Refused> {
    let mapping = order.mapping;
    let preview = previews::get(tx, mapping.id, id).await?;
    if preview.version != order.version {
        return blocked(format!(
            "the preview is of version {}, not of {}",
            preview.version, order.version
        ));
    }
    let (Some(began_at), Some(_)) = (preview.began_at, preview.ended_at) else {
        return blocked("the preview is not complete: wait for its run, or see why it failed");
    };
    if preview.against != mapping.published_version {
        return blocked("the preview is stale: another version was put in force since");
    }
    let (connection, stream) = (mapping.connection_id, mapping.stream.as_str());
    if around(tx, tables, mapping, version).await? != preview.around {
        return blocked("the preview is stale: fields, or the mapping of another stream, changed");
    }
    let moved = snapshots::moved_since(tx, connection, stream, began_at).await?;
    let allowed = moved.of * i64::from(rules.stale_percent) / 100;
    if moved.records > allowed {
        return blocked(format!(
            "the preview is stale: {} of {} records have moved since, {allowed} may",
            moved.records, moved.of
        ));
    }
    Ok(())
}

/// What else a preview of a version depends on.
pub(crate) async fn around(
    tx: &mut Tx,
    tables: &CoreTables,
    mapping: &MappingRow,
    version: &MappingVersion,
) -> Result<std::collections::BTreeMap<String, String>, Refused> {
    let (connection, stream) = (mapping.connection_id, mapping.stream.as_str());
    let draft = plans::drafted(tx, connection, stream, version.version, &version.body).await?;
    Ok(preview::around(tx, tables, draft).await?)
}

async fn approved(
    tx: &mut Tx,
    mapping: &MappingRow,
    version: &MappingVersion,
) -> Result<MappingApprovalId, Refused> {
    let number = version.version;
    let Some(approval) = mapping_approvals::of_version(tx, mapping.id, number).await? else {
        return blocked(format!(
            "a second person has to approve version {number}: ask for it"
        ));
    };
    match approval.state.as_str() {
        "approved" => {}
        "refused" => return blocked(format!("a second person refused version {number}")),
        _ => return blocked(format!("nobody has answered about version {number} yet")),
    }
    if approval.text_hash != Sha256::digest(version.body.as_bytes())[..] {
        return blocked("the approval is for another text");
    }
    Ok(approval.id)
}

async fn put(
    tx: &mut Tx,
    order: Order<'_>,
    version: &MappingVersion,
    approval: Option<MappingApprovalId>,
    behind: Behind,
) -> Result<PublicationId, Refused> {
    let mapping = order.mapping;
    let (connection, stream) = (mapping.connection_id, mapping.stream.clone());
    canaries::end(tx, mapping.id, Some(order.version), "replaced").await?;
    mappings::put_in_force(tx, mapping.id, order.version, behind).await?;
    let id = PublicationId::fresh();
    let outdated = snapshots::count_outdated(tx, connection, &stream, order.version).await?;
    let input = RemapInput {
        connection,
        stream,
        publication: Some(id),
        read_again: needs_reading(mapping.published_text.as_deref(), &version.body),
    };
    let run = if outdated > 0 {
        Some(start_remap(tx, &input).await?)
    } else {
        None
    };
    let new = NewPublication {
        id,
        mapping: mapping.id,
        version: order.version,
        replaced: mapping.published_version,
        restored: version.restores,
        preview: order.preview,
        approval,
        run,
        by: order.by,
    };
    publications::insert(tx, &new).await?;
    drift::decided(tx, connection, &input.stream, id).await?;
    tx.changed("mapping", mapping.id);
    streams::follow(tx, connection, &input.stream).await?;
    Ok(id)
}

/// Whether a version reads what snapshots made under the one before it do not hold.
pub fn needs_reading(before: Option<&str>, text: &str) -> bool {
    let parse = |text: &str| Mapping::parse(text).ok();
    match (before.and_then(parse), parse(text)) {
        (Some(before), Some(now)) => {
            let known = before.remote_fields();
            // Records that a condition kept out have no snapshot.
            before.filter != now.filter
                || now
                    .remote_fields()
                    .iter()
                    .any(|field| !known.contains(field))
        }
        _ => false,
    }
}

/// Starts applying the version in force to the records that were mapped while fields stood still.
///
/// # Errors
/// [`StoreError`].
pub async fn remap(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
) -> Result<RunId, StoreError> {
    let input = RemapInput {
        connection,
        stream: stream.to_owned(),
        publication: None,
        read_again: false,
    };
    start_remap(tx, &input).await
}

async fn start_remap(tx: &mut Tx, input: &RemapInput) -> Result<RunId, StoreError> {
    let options = StartOptions {
        key: Some(input.key()),
        trigger: "publish".to_owned(),
        connection_id: Some(input.connection),
        stream: Some(input.stream.clone()),
        ..StartOptions::default()
    };
    let new = NewRun::named(REMAP_WORKFLOW, input, options)?;
    Ok(runs::start(tx, new).await?.id())
}
