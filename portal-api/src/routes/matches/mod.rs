//! Records of which it is not sure whose they are: a person says so.

mod answer;
mod get;
mod list;

use chrono::{DateTime, Utc};
use domain::matches::{AnswerView, CandidateView, MatchView};
use engine::ids::{ConnectionId, MatchId, RunId};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::records::LinkEvidence;
use crate::permit::routes;
use crate::portal::Portal;

pub(super) fn router() -> OpenApiRouter<Portal> {
    OpenApiRouter::new()
        .routes(routes!(list::list))
        .routes(routes!(get::get))
        .routes(routes!(answer::answer))
}

/// A record that waits until a person says whose it is, or waited.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Match {
    #[schema(value_type = String)]
    id: MatchId,
    version: i64,
    /// `account` or `contact`
    entity: String,
    #[schema(value_type = String)]
    connection_id: ConnectionId,
    connection_name: String,
    stream: String,
    /// The record's key in its system.
    key: String,
    #[schema(value_type = MatchWhy)]
    why: String,
    /// Why it waits, in a sentence.
    sentence: &'static str,
    #[schema(value_type = MatchState)]
    state: String,
    /// What it may be, the likeliest first.
    candidates: Vec<MatchCandidate>,
    opened_at: DateTime<Utc>,
    /// When the record was last read.
    seen_at: DateTime<Utc>,
    #[schema(value_type = String)]
    run_id: RunId,
    answer: Option<MatchDecision>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes the names of reasons")]
pub(crate) enum MatchWhy {
    Possible,
    Ambiguous,
    Taken,
    BeingMade,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes the names of states")]
pub(crate) enum MatchState {
    Open,
    Same,
    Different,
    Gone,
}

/// A record here that it may be.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MatchCandidate {
    /// With the prefix of its kind.
    entity_id: String,
    /// Empty for one that is not here any more.
    entity_name: String,
    /// It has another record in the stream.
    is_taken: bool,
    /// Sum of the weights.
    score: i32,
    evidence: Vec<LinkEvidence>,
}

/// What was said of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MatchDecision {
    /// Whose it is; null for one of its own.
    entity_id: Option<String>,
    entity_name: String,
    /// hub_id, strong_key, person, merge, conversion; null where none was like it any more.
    method: Option<String>,
    /// Name of the person; null where nobody had to say it.
    by: Option<String>,
    at: DateTime<Utc>,
    note: Option<String>,
}

impl From<MatchView> for Match {
    fn from(view: MatchView) -> Self {
        let kind = view.entity.as_str();
        let candidate = |one: CandidateView| MatchCandidate {
            entity_id: domain::entities::show_id(kind, one.id),
            entity_name: one.name,
            is_taken: one.is_taken,
            score: one.score,
            evidence: one.evidence.into_iter().map(LinkEvidence::from).collect(),
        };
        let answer = |answer: AnswerView| MatchDecision {
            entity_id: answer
                .entity_id
                .map(|id| domain::entities::show_id(kind, id)),
            entity_name: answer.entity_name,
            method: answer.method,
            by: answer.by,
            at: answer.at,
            note: answer.note,
        };
        Self {
            id: view.id,
            version: view.version,
            connection_id: view.connection_id,
            connection_name: view.connection_name,
            stream: view.stream,
            key: view.key,
            why: view.why,
            sentence: view.sentence,
            state: view.state,
            candidates: view.candidates.into_iter().map(candidate).collect(),
            opened_at: view.opened_at,
            seen_at: view.seen_at,
            run_id: view.run_id,
            answer: view.answer.map(answer),
            entity: view.entity,
        }
    }
}
