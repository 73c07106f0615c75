//! What a mapping says about one field.

use connector_sdk::{Stream, StreamName};
use serde::{Deserialize, Serialize};

use super::expression::Expression;
use super::pipe::Pipe;
use super::place::Place;
use crate::catalogue::{Empty, Field};

/// One field of the entity and where its value comes from or goes to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The entity's field.
    pub core: String,
    /// The record's field; several where `in` makes one value of them.
    pub remote: Vec<RemotePath>,
    pub direction: Direction,
    /// Computes the value from the record, in place of `remote`; what `in` then takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Expression>,
    /// The record says the field only where this holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<Expression>,
    /// Remote value → core value.
    #[serde(rename = "in")]
    pub inbound: Pipe,
    /// Core value → remote value: as written, or the inverse of `in`. None on rows that are
    /// never written.
    #[serde(rename = "out")]
    pub outbound: Option<Pipe>,
    /// Whether `out` was written down rather than derived.
    pub outbound_written: bool,
    /// The side whose value always stands.
    pub owner: Option<Side>,
    /// What decides when both sides moved.
    pub policy: Policy,
    /// When the other system is given the hub's value.
    pub write: WritePolicy,
    pub null: NullPolicy,
    pub empty: Empty,
    /// Rows of one group are decided together. Left out, the core field's own group counts.
    pub group: Option<String>,
    /// In place of the mapping's own.
    pub first_contact: Option<FirstContact>,
    /// The stream whose records' keys the remote field holds.
    pub reference: Option<StreamName>,
    /// The remote field without which the row does not apply: not every system of a kind has
    /// every custom field. See [`super::Mapping::fitted`].
    pub requires: Option<String>,
    /// Where the row begins in the text.
    pub place: Place,
}

impl Row {
    /// Whether the stream has what the row requires.
    pub(crate) fn applies_to(&self, stream: &Stream) -> bool {
        let has = |name: &String| stream.fields.iter().any(|field| field.name == *name);
        self.requires.as_ref().is_none_or(has)
    }

    /// The group the row is decided in: its own, or its core field's.
    pub(crate) fn group_in<'r>(&'r self, field: &'r Field) -> Option<&'r str> {
        self.group.as_deref().or(field.group.as_deref())
    }
}

/// A remote field by name, with the parts of a dotted one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct RemotePath {
    pub name: String,
    /// `Owner`, `Name` for `Owner.Name`; a single part for a plain field.
    #[serde(skip)]
    pub parts: Vec<String>,
}

impl RemotePath {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            parts: name.split('.').map(str::to_owned).collect(),
        }
    }
}

/// Which way values go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    In,
    Out,
    #[default]
    Both,
}

impl Direction {
    /// Whether values come in.
    pub fn reads(self) -> bool {
        matches!(self, Self::In | Self::Both)
    }

    /// Whether values go out.
    pub fn writes(self) -> bool {
        matches!(self, Self::Out | Self::Both)
    }
}

/// One of the two that a merge is between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The hub.
    Core,
    /// The peer.
    Remote,
}

/// What decides when both sides moved since they last agreed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// The later change, if both clocks can be trusted that far; else as `ask`.
    Newest,
    /// What either side added is kept, what either side removed is gone.
    Union,
    /// What either side wrote below the text is kept; nothing is taken out of it.
    Append,
    /// Line by line; of lines that both changed, both stand.
    TextMerge,
    Max,
    Min,
    /// A person; neither side is overwritten until then.
    #[default]
    Ask,
}

/// When the other system is given the hub's value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WritePolicy {
    /// Whenever it does not hold it.
    #[default]
    Always,
    /// Only where it holds nothing: what somebody entered over there is never written over.
    IfEmpty,
}

/// Who wins a field on which nothing was agreed yet and both sides hold a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FirstContact {
    Remote,
    Core,
    #[default]
    Ask,
}

/// What a remote null does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NullPolicy {
    /// It is a value like any other.
    #[default]
    Clear,
    /// As if the field had been missing.
    Ignore,
}

/// What the removal of a record over there does to the entity here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeletePolicy {
    /// The entity gets a tombstone.
    #[default]
    Tombstone,
    /// Only the identity link ends.
    Unlink,
    Ask,
}

/// How records and entities find each other.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Link {
    /// The remote field that names a record for ever.
    pub key: String,
    /// The remote field that holds the hub's id of the entity, where the system has one: it is how
    /// a record that the hub itself created is known again when the answer was lost.
    pub hub_id: Option<String>,
    /// Core fields that can name an entity: a registered domain, an e-mail address.
    pub strong: Vec<String>,
    /// Core fields by which a record and an entity are compared where no key names one; the first is
    /// what they are found by. A record that looks like one is held until a person says whose it is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub similar: Vec<String>,
    /// The core field that refers to the entity above (a contact's account): it must be there
    /// first, and writes below one parent are not sent side by side.
    pub parent: Option<String>,
}

impl Link {
    /// Whether records are looked for by their values.
    pub fn looks(&self) -> bool {
        !(self.strong.is_empty() && self.similar.is_empty())
    }
}
