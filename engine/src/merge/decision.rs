//! Why a value is what it is: the rule that decided and its parameters, small to store, and the
//! sentence they make, built when somebody reads it.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use connector_sdk::Value;
use serde::{Deserialize, Serialize};

use crate::mapping::{Policy, Side};

/// What was decided about a group of fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The group; None for all groups of a new entity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Arc<str>>,
    pub rule: Rule,
    pub winner: Winner,
    /// The values that lost, by core field; empty where nothing was lost.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lost: BTreeMap<Arc<str>, Value>,
}

/// Whose value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Winner {
    Core,
    Remote,
    /// A value made of both.
    Both,
    /// Nobody's: each side keeps its own until more is known.
    Neither,
}

/// What decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "rule")]
pub enum Rule {
    /// There was no entity; the record made it.
    NewEntity,
    /// Values go one way only.
    ReadOnly,
    Owner {
        side: Side,
    },
    Pinned {
        field: Arc<str>,
        reason: String,
    },
    /// Only the winner moved since the base.
    OneSideMoved,
    /// Both moved to the same.
    Converged,
    /// Nothing was agreed, and both held the same.
    FirstAgreement,
    /// Nothing was agreed, and only the winner held a value.
    OneSideEmpty,
    /// Nothing was agreed, both held values, the mapping says who wins.
    FirstContact,
    /// Nothing was agreed, both held values, the mapping says to ask.
    FirstContactAsk,
    Newest {
        core_at: DateTime<Utc>,
        remote_at: DateTime<Utc>,
    },
    /// The policy was newest, and the clocks do not tell.
    ClocksDoNotTell,
    Union,
    Append,
    TextMerge,
    Max,
    Min,
    /// The policy does not fit the values; a person decides.
    DoesNotFit {
        policy: Policy,
    },
    Ask,
    /// The peer holds a value, and the mapping writes only where it holds none.
    NotOverwritten,
    /// What came is our own write.
    Echo,
    /// The system stored another value than it was given, and the hub's has changed since it was
    /// sent.
    MovedOn,
    /// It was set between the hub's look and its write, which went over it.
    Overwritten,
    /// A field of the group could not be mapped; the group stands still.
    Quarantined {
        field: Arc<str>,
    },
    /// The record's system changed a field of the group after each of our writes, too often.
    Frozen {
        field: Arc<str>,
    },
    /// A field of the group points at a record that is not here yet.
    Waiting {
        field: Arc<str>,
    },
    /// Nothing was agreed and the record said only part of the group.
    Incomplete,
    /// A person decided a conflict.
    Resolved,
    /// The record is gone over there.
    Deleted,
    /// The record is gone over there and the hub moved since the last agreement.
    DeletedButEdited,
}

/// The names in a sentence.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// `the hub`
    pub hub: &'a str,
    /// `Salesforce`
    pub peer: &'a str,
    /// What the field or group is called: `Phone`.
    pub subject: &'a str,
}

impl Decision {
    /// The reason in a sentence: `Salesforce changed Phone; the hub had not moved since the last
    /// agreement.` Holds no values.
    pub fn sentence(&self, names: &Names<'_>) -> String {
        let Names { hub, peer, subject } = *names;
        let (winner, loser) = match self.winner {
            Winner::Remote => (peer, hub),
            _ => (hub, peer),
        };
        let text = match &self.rule {
            Rule::NewEntity => {
                format!("{peer} had a record the hub did not know; all values are {peer}'s.")
            }
            Rule::ReadOnly if self.winner == Winner::Remote => {
                format!("{subject} only comes in from {peer}; its value stands.")
            }
            Rule::ReadOnly => format!("{subject} goes one way only; {hub} keeps its value."),
            Rule::Owner { side } => {
                let owner = if *side == Side::Core { hub } else { peer };
                format!("{owner} owns {subject}; its value stands, whatever {loser} says.")
            }
            Rule::Pinned { reason, .. } => format!("{subject} is pinned in {hub}: {reason}."),
            Rule::OneSideMoved => format!(
                "{winner} changed {subject}; {loser} had not moved since the last agreement."
            ),
            Rule::Converged => format!("{hub} and {peer} both changed {subject} to the same."),
            Rule::FirstAgreement => {
                format!("{hub} and {peer} held the same {subject} when they met.")
            }
            Rule::OneSideEmpty => {
                format!("When they met, only {winner} had a value for {subject}.")
            }
            Rule::FirstContact => {
                format!("Nothing was agreed about {subject} yet; the mapping lets {winner} win.")
            }
            Rule::FirstContactAsk => format!(
                "{hub} and {peer} held different values of {subject} when they met; a person decides."
            ),
            Rule::Newest { core_at, remote_at } => format!(
                "Both changed {subject}; {winner}'s change is the later one ({hub} {}, {peer} {}).",
                stamp(core_at),
                stamp(remote_at)
            ),
            Rule::ClocksDoNotTell => format!(
                "Both changed {subject}, and the clocks do not tell which change is later; a person decides."
            ),
            Rule::Union => {
                format!("Both changed {subject}; what either added or removed is kept so.")
            }
            Rule::Append => {
                format!("Both wrote on {subject}; what either added is kept below it.")
            }
            Rule::TextMerge => format!(
                "Both changed {subject}; it was merged line by line, and of lines that both changed both stand."
            ),
            Rule::NotOverwritten => format!(
                "{peer} holds another {subject}, and the mapping writes there only where nothing is."
            ),
            Rule::Max => format!("Both changed {subject}; the greater value is {winner}'s."),
            Rule::Min => format!("Both changed {subject}; the smaller value is {winner}'s."),
            Rule::DoesNotFit { policy } => format!(
                "Both changed {subject}, and \"{}\" cannot choose between these values; a person decides.",
                policy_name(*policy)
            ),
            Rule::Ask => format!("{hub} and {peer} both changed {subject}; a person decides."),
            Rule::Echo => format!("What {peer} says of {subject} is what {hub} wrote there."),
            Rule::MovedOn => format!(
                "{peer} stored {subject} otherwise than {hub} wrote it, and {hub} had changed it again \
                 by then."
            ),
            Rule::Overwritten => {
                format!("Somebody set {subject} in {peer} just before {hub}'s write went over it.")
            }
            Rule::Quarantined { field } => {
                format!("{peer}'s value of {field} could not be mapped; {subject} stands still.")
            }
            Rule::Frozen { field } => format!(
                "{field} is frozen: {peer} kept changing what {hub} wrote; {subject} stands still."
            ),
            Rule::Waiting { field } => {
                format!(
                    "{field} points at a record of {peer} that is not here yet; {subject} waits."
                )
            }
            Rule::Incomplete => format!(
                "{peer} sent only part of {subject}, and nothing was agreed about it yet; it waits for a whole one."
            ),
            Rule::Resolved => format!("A person decided {subject}; {winner}'s value stands."),
            Rule::Deleted => {
                format!("{peer} deleted the record; {hub} had not moved since the last agreement.")
            }
            Rule::DeletedButEdited => {
                format!(
                    "{peer} deleted the record, and {hub} has changed it since the last agreement; a person decides."
                )
            }
        };
        capitalised(text)
    }
}

fn policy_name(policy: Policy) -> &'static str {
    match policy {
        Policy::Newest => "newest",
        Policy::Union => "union",
        Policy::Append => "append",
        Policy::TextMerge => "text_merge",
        Policy::Max => "max",
        Policy::Min => "min",
        Policy::Ask => "ask",
    }
}

fn stamp(at: &DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn capitalised(text: String) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) if first.is_lowercase() => first.to_uppercase().chain(chars).collect(),
        _ => text,
    }
}
