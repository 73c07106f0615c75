use engine::StoreError;
use engine::ids::UserId;
use engine::store::mapping_rules::{self, MappingRules};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::caller::{Admin, Caller};
use crate::error::ApiError;
use crate::etag::{self, IfMatch, Tagged};
use crate::extract::Json;

/// What is asked for before a mapping is put in force.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PublishRules {
    /// Only by a preview that is complete and not stale.
    needs_preview: bool,
    /// Only with a second person's approval.
    needs_approval: bool,
    /// Percent of a stream's records that may have moved since a preview, 0 to 100.
    stale_percent: i32,
    /// Who asked that approvals are needed no more; somebody else has to ask it too.
    #[serde(default, skip_deserializing)]
    #[schema(value_type = Option<String>, read_only)]
    release_asked_by: Option<UserId>,
}

impl From<MappingRules> for PublishRules {
    fn from(rules: MappingRules) -> Self {
        Self {
            needs_preview: rules.needs_preview,
            needs_approval: rules.needs_approval,
            stale_percent: rules.stale_percent,
            release_asked_by: rules.release_asked_by,
        }
    }
}

/// What is asked for before a mapping is put in force
#[utoipa::path(
    get, path = "/mappings/rules", operation_id = "get_mapping_rules", tag = "mappings",
    responses((status = 200, description = "The rules", body = PublishRules)),
)]
pub(super) async fn get(caller: Caller) -> Result<Tagged<PublishRules>, ApiError> {
    let mut tx = caller.begin().await?;
    let rules = mapping_rules::get(&mut tx).await?;
    Ok(Tagged(rules.version, rules.into()))
}

/// Sets what is asked for before a mapping is put in force
///
/// That approvals are needed no more is asked by two people, one after the other.
#[utoipa::path(
    put, path = "/mappings/rules", operation_id = "put_mapping_rules", tag = "mappings",
    params(("If-Match" = String, Header)), request_body = PublishRules,
    responses((status = 200, description = "As they are now", body = PublishRules)),
)]
pub(super) async fn put(
    caller: Admin,
    IfMatch(version): IfMatch,
    Json(body): Json<PublishRules>,
) -> Result<Tagged<PublishRules>, ApiError> {
    if !(0..=100).contains(&body.stale_percent) {
        let message = "stale_percent lies between 0 and 100";
        return Err(ApiError::invalid("/stale_percent", message));
    }
    let wanted = MappingRules {
        needs_preview: body.needs_preview,
        needs_approval: body.needs_approval,
        stale_percent: body.stale_percent,
        release_asked_by: None,
        version,
    };
    let mut tx = caller.begin().await?;
    let before = mapping_rules::get(&mut tx).await?;
    tx.was(etag::shown(&PublishRules::from(before)));
    let put = mapping_rules::put(&mut tx, &wanted, caller.session.user.id).await;
    let now = mapping_rules::get(&mut tx).await?;
    match put {
        Ok(()) => {}
        Err(StoreError::Stale(_)) => return Err(ApiError::stale(&PublishRules::from(now))),
        Err(error) => return Err(error.into()),
    }
    tx.commit().await?;
    Ok(Tagged(now.version, now.into()))
}
