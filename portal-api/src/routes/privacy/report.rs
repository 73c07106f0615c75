use axum::http::header;
use axum::response::IntoResponse;
use domain::permissions::needs::PrivacyManage;
use domain::privacy_log::{self, Month};
use engine::store::audit::Entry;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::caller::May;
use crate::error::ApiError;
use crate::extract::Query;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Params {
    /// By UTC, as `2026-11`.
    month: String,
}

/// What was done about people's data in a month, as CSV
///
/// Erasures, exports, approvals, refusals and failures with who did it, when, about what and how it
/// stood then. It names nobody it is about. That it was handed out is noted in the audit trail.
#[utoipa::path(
    get, path = "/privacy-report", operation_id = "get_privacy_report", tag = "privacy",
    params(Params),
    responses((status = 200, description = "Oldest first", body = String, content_type = "text/csv")),
)]
pub(super) async fn report(
    caller: May<PrivacyManage>,
    Query(params): Query<Params>,
) -> Result<impl IntoResponse, ApiError> {
    let month: Month = params
        .month
        .parse()
        .map_err(|error: privacy_log::BadMonth| ApiError::invalid("/month", error.to_string()))?;
    let mut tx = caller.begin().await?;
    let text = privacy_log::report(&mut tx, month).await?;
    tx.audit(Entry::new(
        "hand_out_privacy_report",
        "privacy_report",
        month,
    ));
    tx.commit().await?;
    let name = format!("attachment; filename=\"privacy-{month}.csv\"");
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, text))
}
