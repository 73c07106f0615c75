use axum::http::header;
use axum::response::IntoResponse;
use domain::permissions::needs::AuditRead;
use engine::store::audit::{self, AuditRow};

use super::Params;
use super::list::{actor_id, hex};
use crate::caller::Fresh;
use crate::error::ApiError;
use crate::extract::Query;

/// Entries read at a time.
const PART: i64 = 500;
/// Largest table, in bytes: it is made in memory.
const LARGEST: usize = 16 << 20;

/// What was done, as a table
///
/// CSV by RFC 4180 with a header line, newest first. A table has at most 16 MB: a larger one is
/// refused, to be asked for by narrower times. Texts that a spreadsheet would take for a formula begin
/// with an apostrophe.
#[utoipa::path(
    get, path = "/audit.csv", operation_id = "export_audit_entries", tag = "audit", params(Params),
    responses((status = 200, description = "The table", body = String, content_type = "text/csv")),
)]
pub(super) async fn export(
    caller: Fresh<AuditRead>,
    Query(params): Query<Params>,
) -> Result<impl IntoResponse, ApiError> {
    if params.limit.is_some() || params.cursor.is_some() {
        return Err(ApiError::invalid(
            "/limit",
            "a table has no pages: narrow it by time",
        ));
    }
    let mut tx = caller.begin().await?;
    let (query, mut text, mut before) = (params.query()?, HEADER.to_owned(), None);
    loop {
        let rows = audit::list(&mut tx, &query, before, PART).await?;
        write(&mut text, &rows);
        if text.len() > LARGEST {
            let message = "the table is larger than 16 MB: narrow it by time";
            return Err(ApiError::invalid("/since", message));
        }
        before = rows.last().map(|row| row.seq);
        if (rows.len() as i64) < PART {
            break;
        }
    }
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"audit.csv\"",
        ),
    ];
    Ok((headers, text))
}

const HEADER: &str = "seq,at,actor_kind,actor_id,actor_name,address,request,action,\
    subject_kind,subject_id,before,after,hash\r\n";

fn write(text: &mut String, rows: &[AuditRow]) {
    for row in rows {
        let cells = [
            row.seq.to_string(),
            row.at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
            row.actor_kind.clone(),
            actor_id(row).unwrap_or_default(),
            row.actor_name.clone(),
            row.address.clone().unwrap_or_default(),
            row.request.clone().unwrap_or_default(),
            row.action.clone(),
            row.subject_kind.clone(),
            row.subject_id.clone(),
            row.before.clone().unwrap_or_default(),
            row.after.clone().unwrap_or_default(),
            hex(&row.hash),
        ];
        let cells: Vec<String> = cells.iter().map(|cell| quoted(cell)).collect();
        text.push_str(&cells.join(","));
        text.push_str("\r\n");
    }
}

/// A cell, quoted where it must be, and never a formula.
fn quoted(cell: &str) -> String {
    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let safe = if is_formula {
        format!("'{cell}")
    } else {
        cell.to_owned()
    };
    if safe.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", safe.replace('"', "\"\""))
    } else {
        safe
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_never_formulas() {
        for (cell, expected) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("=1+1", "'=1+1"),
            ("@x,y", "\"'@x,y\""),
            ("", ""),
        ] {
            assert_eq!(quoted(cell), expected);
        }
    }
}
