//! Typed ids: UUID v7 inside, a prefix outside (`run_01934f…`), so that an id pasted anywhere says
//! what it names and cannot be taken for another kind.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// A text that is no id of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an id of the form {prefix}_ and 32 hexadecimal digits")]
pub struct BadId {
    pub prefix: &'static str,
    pub text: String,
}

fn parse(prefix: &'static str, text: &str) -> Result<Uuid, BadId> {
    text.strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('_'))
        .filter(|rest| rest.len() == 32)
        .and_then(|rest| Uuid::try_parse(rest).ok())
        .ok_or_else(|| BadId {
            prefix,
            text: text.chars().take(64).collect(),
        })
}

/// A fresh UUID v7: sorts by the time it was made.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where ids are made"
)]
pub fn fresh() -> Uuid {
    #[cfg(test)]
    if let Some(id) = crate::simulation::fresh_id() {
        return id;
    }
    Uuid::now_v7()
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type)]
        #[sqlx(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// What every id of this kind starts with, before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// A new id; sorts after those made before.
            pub fn fresh() -> Self {
                Self(fresh())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}_{}", $prefix, self.0.simple())
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                parse($prefix, text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

ids! {
    TenantId = "tnt";
    UserId = "usr";
    ConnectionId = "con";
    TenantDeletionId = "tdl";
    MappingId = "map";
    /// A record of which it is not sure whose it is.
    MatchId = "mat";
    PreviewId = "prv";
    PublicationId = "pub";
    FixtureId = "fix";
    MappingApprovalId = "mpa";
    ScheduleId = "sch";
    RunId = "run";
    SignalId = "sig";
    /// One start of one process.
    ProcessId = "prc";
    ConflictId = "cfl";
    /// A field of a record that is frozen.
    BreakerId = "brk";
    CanaryId = "can";
    WriteId = "wrt";
    ChangeId = "chg";
    /// Made of the cause itself: the same cause has the same id for ever.
    FailureClassId = "fcl";
    ApprovalId = "apr";
    WithheldId = "whd";
    /// A stretch of a feed that is not covered.
    GapId = "gap";
    /// A change of what a system says of a stream.
    DriftId = "drf";
    /// A difference that a sweep found.
    DifferenceId = "dif";
    AccountId = "acc";
    ContactId = "ctc";
    GroupId = "grp";
    /// An API key.
    KeyId = "key";
    SessionId = "ses";
    PasskeyId = "psk";
    /// A browser that is remembered.
    DeviceId = "dev";
    /// A family of access and refresh tokens.
    TokenId = "tok";
    MailId = "mai";
    TeamId = "tea";
    /// A partner organisation.
    PartnerId = "ptn";
    /// Somebody's or some team's looking after an account.
    AssignmentId = "asg";
    BrandId = "brd";
    /// A request to forget a person.
    ErasureId = "ers";
    /// What is known of a person, gathered for them.
    SubjectExportId = "sar";
    /// A name under which a tenant is reached.
    DomainId = "dom";
    /// Where people of a tenant sign in besides the hub.
    ProviderId = "idp";
    /// Who somebody is at a provider.
    IdentityId = "idn";
    /// A sign-in on its way through a provider.
    AttemptId = "att";
    /// An entity whatever its kind; at the edge it has its kind's prefix.
    EntityId = "ent";
}

impl RunId {
    /// Less than or equal to the id of every run that was made from this moment on. Before 1970 and
    /// after the year 10000 it is the least and a very late one.
    pub fn floor(at: DateTime<Utc>) -> Self {
        let millis = u128::try_from(at.timestamp_millis()).unwrap_or(0);
        Self(Uuid::from_u128(millis.min((1 << 48) - 1) << 80))
    }
}

impl From<AccountId> for EntityId {
    fn from(id: AccountId) -> Self {
        Self(id.0)
    }
}

impl From<ContactId> for EntityId {
    fn from(id: ContactId) -> Self {
        Self(id.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_what_it_prints() {
        let id = RunId::fresh();
        assert_eq!(id.to_string().parse::<RunId>().unwrap(), id);
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(serde_json::from_str::<RunId>(&json).unwrap(), id);
    }

    #[test]
    fn the_floor_of_a_moment_lies_under_the_ids_made_from_it_on_and_over_those_before() {
        let before = RunId::fresh();
        std::thread::sleep(std::time::Duration::from_millis(3));
        let floor = RunId::floor(crate::Clock::system().now());
        assert!(before < floor && floor <= RunId::fresh());
        let ancient = DateTime::from_timestamp(-1, 0).unwrap();
        assert_eq!(RunId::floor(ancient).0, Uuid::nil());
    }

    #[test]
    fn an_id_of_another_kind_or_shape_is_refused() {
        let connection = ConnectionId::fresh().to_string();
        assert!(connection.parse::<RunId>().is_err());
        for text in [
            "",
            "run_",
            "run_12",
            "run_0193-4f",
            "RUN_01934f00000000000000000000000000",
        ] {
            assert!(text.parse::<RunId>().is_err(), "{text}");
        }
    }
}
