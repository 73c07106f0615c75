//! Connections as people talk about them.

use engine::store::connections::{Connection, ConnectionState};
use engine::store::streams::{StreamPhase, StreamRow};

/// Longest name of a connection, in characters.
const LONGEST_NAME: usize = 80;

/// Why a name cannot be a connection's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    #[error("name must not be empty")]
    Empty,
    #[error("name must not have more than {LONGEST_NAME} characters")]
    TooLong,
}

/// A connection's name as it is stored.
///
/// # Errors
/// [`BadName`].
pub fn name(text: &str) -> Result<String, BadName> {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Err(BadName::Empty);
    }
    if trimmed.chars().count() > LONGEST_NAME {
        return Err(BadName::TooLong);
    }
    Ok(trimmed.to_owned())
}

/// How a connection is, and what to do about it.
pub fn sentence(connection: &Connection) -> String {
    let why = connection
        .error
        .as_ref()
        .map_or("", |error| error.message.as_str());
    let kind = connection
        .error
        .as_ref()
        .map_or("", |error| error.kind.as_str());
    match (connection.state, kind) {
        (ConnectionState::New, _) => "Not checked yet.".to_owned(),
        (ConnectionState::Ok, _) => "Works.".to_owned(),
        (ConnectionState::Attention, "rate_limited") => {
            "The system's budget is used up until it refills.".to_owned()
        }
        (ConnectionState::Attention, _) => format!("The last call failed: {why}."),
        (ConnectionState::Stopped, "auth") => {
            format!("Stopped: the sign-in was refused ({why}). Enter the credentials again.")
        }
        (ConnectionState::Stopped, _) => {
            format!("Stopped: {why}. Change the configuration or the system.")
        }
    }
}

/// How a stream is.
pub fn stream_sentence(stream: &StreamRow) -> String {
    if !stream.enabled {
        return "Switched off.".to_owned();
    }
    if stream.mapping_version.is_none() {
        return "Waits for a published mapping.".to_owned();
    }
    match stream.phase {
        StreamPhase::Never => "Never read.".to_owned(),
        StreamPhase::Full => "The first full read is under way.".to_owned(),
        StreamPhase::Incremental => format!("{} records are linked.", stream.records),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_trimmed_and_bounded() {
        assert_eq!(name("  Salesforce "), Ok("Salesforce".to_owned()));
        assert_eq!(name(" "), Err(BadName::Empty));
        assert_eq!(name(&"x".repeat(81)), Err(BadName::TooLong));
    }
}
