//! People's data: forgetting somebody, telling somebody what is known, how long things are kept.

mod erasures;
mod exports;
mod report;
mod retention;

use chrono::{DateTime, Utc};
use domain::erasures as requests;
use domain::subject_exports as gathered;
use engine::ids::{ContactId, ErasureId, RunId, SubjectExportId, UserId};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::error::ApiError;
use crate::permit::routes;
use crate::portal::Portal;

pub(super) fn router() -> OpenApiRouter<Portal> {
    OpenApiRouter::new()
        .routes(routes!(erasures::list, erasures::ask))
        .routes(routes!(erasures::get))
        .routes(routes!(erasures::plan))
        .routes(routes!(erasures::plan_user))
        .routes(routes!(erasures::approve))
        .routes(routes!(erasures::stop))
        .routes(routes!(report::report))
        .routes(routes!(exports::list, exports::ask))
        .routes(routes!(exports::get))
        .routes(routes!(exports::json))
        .routes(routes!(exports::csv))
        .routes(routes!(retention::get, retention::put))
}

/// A request to forget somebody. It stays, and names nobody once they are forgotten.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Erasure {
    #[schema(value_type = String)]
    id: ErasureId,
    /// erase: nothing is left; anonymise: a contact without a name stays
    kind: &'static str,
    /// Who signs in with its address is forgotten with it.
    #[schema(value_type = Option<String>)]
    contact_id: Option<ContactId>,
    /// Of somebody who signs in and is no contact.
    #[schema(value_type = Option<String>)]
    user_id: Option<UserId>,
    reason: String,
    /// asked, approved, refused, withdrawn, failed or done
    state: String,
    hold_hours: i32,
    #[schema(value_type = String)]
    asked_by: UserId,
    asked_at: DateTime<Utc>,
    #[schema(value_type = Option<String>)]
    decided_by: Option<UserId>,
    decided_at: Option<DateTime<Utc>>,
    note: Option<String>,
    /// Until then it can be withdrawn.
    hold_until: Option<DateTime<Utc>>,
    #[schema(value_type = Option<String>)]
    run_id: Option<RunId>,
    done_at: Option<DateTime<Utc>>,
    /// How many rows of what were destroyed.
    destroyed: Option<BTreeMap<String, u64>>,
}

impl From<requests::Erasure> for Erasure {
    fn from(erasure: requests::Erasure) -> Self {
        Self {
            id: erasure.id,
            kind: erasure.kind.as_str(),
            contact_id: erasure.subject.contact(),
            user_id: erasure.subject.user(),
            reason: erasure.reason,
            state: erasure.state,
            hold_hours: erasure.hold_hours,
            asked_by: erasure.asked_by,
            asked_at: erasure.asked_at,
            decided_by: erasure.decided_by,
            decided_at: erasure.decided_at,
            note: erasure.note,
            hold_until: erasure.hold_until,
            run_id: erasure.run_id,
            done_at: erasure.done_at,
            destroyed: erasure.counts,
        }
    }
}

/// What forgetting somebody would destroy.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErasurePlan {
    /// How many rows of what, as of now.
    destroyed: BTreeMap<String, u64>,
}

/// What is known of somebody, being gathered or to be fetched.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SubjectExport {
    #[schema(value_type = String)]
    id: SubjectExportId,
    #[schema(value_type = String)]
    contact_id: ContactId,
    reason: String,
    #[schema(value_type = String)]
    asked_by: UserId,
    asked_at: DateTime<Utc>,
    #[schema(value_type = Option<String>)]
    run_id: Option<RunId>,
    /// Null while it is gathered.
    done_at: Option<DateTime<Utc>>,
    /// Gone then.
    expires_at: DateTime<Utc>,
}

impl From<gathered::SubjectExport> for SubjectExport {
    fn from(export: gathered::SubjectExport) -> Self {
        Self {
            id: export.id,
            contact_id: export.contact,
            reason: export.reason,
            asked_by: export.asked_by,
            asked_at: export.asked_at,
            run_id: export.run_id,
            done_at: export.done_at,
            expires_at: export.expires_at,
        }
    }
}

/// Longest reason and note, in characters.
const LONGEST: usize = 500;

fn read_text(pointer: &str, text: &str) -> Result<String, ApiError> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > LONGEST {
        let name = pointer.trim_start_matches('/');
        let why = format!("{name} must have 1 to {LONGEST} characters");
        return Err(ApiError::invalid(pointer, why));
    }
    Ok(text.to_owned())
}
