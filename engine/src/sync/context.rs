//! What a merge needs to know of a stream and its neighbours, read once per transaction.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::catalogue::Catalogue;
use crate::entity::{CoreTables, Entity, Kind};
use crate::ids::ConnectionId;
use crate::mapping::{MapError, MappingProblem};
use crate::merge::{Clock, Context, Echo, Rules};
use crate::store::canaries::Running;
use crate::store::plans::{self, Plan};
use crate::store::{StoreError, Tx};

/// Two changes closer than this are not told apart.
const SKEW: TimeDelta = TimeDelta::seconds(5);

/// Why records could not be synchronised.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The stream is switched off, unknown, or has no published mapping.
    #[error("stream {stream} is not enabled with a published mapping")]
    NotEnabled { stream: String },
    /// The published mapping no longer fits the fields there are.
    #[error("mapping of {stream} does not fit: {}", first(problems))]
    Mapping {
        stream: String,
        problems: Vec<MappingProblem>,
    },
    /// A record could not be mapped at all.
    #[error("mapping of {stream} cannot be applied")]
    Map { stream: String, source: MapError },
    /// The entity was edited since the caller read it.
    #[error("{entity} was changed meanwhile")]
    Stale { entity: String },
    /// A person's values do not fit the fields.
    #[error("{} of the given values cannot be taken", .0.len())]
    Invalid(Vec<Invalid>),
}

/// A value that a person gave and that cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    pub field: String,
    pub reason: String,
}

fn first(problems: &[MappingProblem]) -> String {
    problems
        .first()
        .map_or_else(String::new, ToString::to_string)
}

/// One stream, ready to merge.
pub(super) struct Stream {
    pub(super) plan: Plan,
    pub(super) rules: Arc<Rules>,
}

impl Stream {
    fn new(plan: Plan, catalogue: &Catalogue) -> Result<Self, SyncError> {
        let rules = Rules::new(&plan.mapping, catalogue, plan.description.as_ref()).map_err(
            |problems| SyncError::Mapping {
                stream: plan.stream.clone(),
                problems,
            },
        )?;
        Ok(Self {
            plan,
            rules: Arc::new(rules),
        })
    }

    pub(super) fn is(&self, connection: ConnectionId, stream: &str) -> bool {
        self.plan.connection == connection && self.plan.stream == stream
    }
}

/// A kind of entity with every stream that holds it.
pub(super) struct Neighbourhood {
    pub(super) kind: Kind,
    pub(super) catalogue: Catalogue,
    pub(super) streams: Vec<Arc<Stream>>,
}

impl Neighbourhood {
    /// All streams of a kind. One whose mapping no longer fits is left out when it is not `needed`:
    /// it is broken for itself and must not stop the others.
    pub(super) async fn of(
        tx: &mut Tx,
        tables: &CoreTables,
        entity: &str,
        needed: Option<(ConnectionId, &str)>,
    ) -> Result<Self, SyncError> {
        let plans = plans::of_entity(tx, entity).await?;
        Self::gather(tx, tables, entity, plans, needed).await
    }

    /// As [`Self::of`], with `draft` in the place of what is in force for its stream.
    pub(super) async fn with_draft(
        tx: &mut Tx,
        tables: &CoreTables,
        draft: Plan,
    ) -> Result<Self, SyncError> {
        let (entity, connection) = (draft.entity.clone(), draft.connection);
        let stream = draft.stream.clone();
        let mut plans = plans::of_entity(tx, &entity).await?;
        let is_same = |plan: &Plan| plan.connection == connection && plan.stream == stream;
        match plans.iter().position(is_same) {
            Some(place) => plans[place] = draft,
            None => plans.push(draft),
        }
        let needed = Some((connection, stream.as_str()));
        Self::gather(tx, tables, &entity, plans, needed).await
    }

    /// As [`Self::of`], with the version of a canary in force for the stream.
    pub(super) async fn with_canary(
        tx: &mut Tx,
        tables: &CoreTables,
        (connection, stream): (ConnectionId, &str),
        canary: &Running,
    ) -> Result<Self, SyncError> {
        let (version, body) = (canary.version, &canary.body);
        let draft = plans::drafted(tx, connection, stream, version, body).await?;
        Self::with_draft(tx, tables, draft).await
    }

    /// Names of all fields of the kind.
    pub(super) fn field_names(&self) -> impl Iterator<Item = String> + '_ {
        self.catalogue
            .fields()
            .iter()
            .map(|field| field.name.clone())
    }

    async fn gather(
        tx: &mut Tx,
        tables: &CoreTables,
        entity: &str,
        plans: Vec<Plan>,
        needed: Option<(ConnectionId, &str)>,
    ) -> Result<Self, SyncError> {
        let kind = tables.kind(entity)?;
        let catalogue = plans::catalogue(tx, &kind).await?;
        let mut streams = Vec::new();
        for plan in plans {
            let is_needed = needed == Some((plan.connection, plan.stream.as_str()));
            match Stream::new(plan, &catalogue) {
                Ok(stream) => streams.push(Arc::new(stream)),
                Err(error) if is_needed => return Err(error),
                Err(error) => tracing::warn!(%error, "stream is left out until its mapping fits"),
            }
        }
        Ok(Self {
            kind,
            catalogue,
            streams,
        })
    }

    /// The stream with this name.
    pub(super) fn stream(
        &self,
        connection: ConnectionId,
        stream: &str,
    ) -> Result<&Arc<Stream>, SyncError> {
        self.streams
            .iter()
            .find(|candidate| candidate.is(connection, stream))
            .ok_or_else(|| SyncError::NotEnabled {
                stream: stream.to_owned(),
            })
    }
}

/// What a merge knows beside the values.
pub(super) fn merge_context(
    entity: &Entity,
    echoes: Vec<Echo>,
    frozen: BTreeSet<String>,
) -> Context {
    let changed = |field: &String| -> Option<(String, DateTime<Utc>)> {
        Some((field.clone(), entity.provenance.changed_at(field)?))
    };
    Context {
        core_changed_at: entity.values.keys().filter_map(changed).collect(),
        clock: Clock {
            trusted: true,
            skew: SKEW,
        },
        echoes,
        frozen,
        ..Context::default()
    }
}
