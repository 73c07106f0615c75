use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use engine::StoreError;
use engine::ids::TenantId;
use engine::store::processes;
use serde::Serialize;
use utoipa::ToSchema;

use crate::caller::Anyone;
use crate::error::chain;
use crate::portal::Portal;

/// Whether work gets done.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Readiness {
    checks: Vec<Check>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReadinessCheck)]
pub(crate) struct Check {
    name: &'static str,
    ok: bool,
    detail: String,
}

/// Whether the database is migrated and a worker runs
#[utoipa::path(
    get, path = "/ready", operation_id = "ready", tag = "machine",
    responses(
        (status = 200, description = "Both", body = Readiness),
        (status = 503, description = "Not both", body = Readiness),
    ),
)]
pub(super) async fn ready(
    _: Anyone,
    State(portal): State<Portal>,
) -> (StatusCode, Json<Readiness>) {
    let checks = vec![database(&portal).await, worker(&portal).await];
    let ok = checks.iter().all(|check| check.ok);
    let status = if ok {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(Readiness { checks }))
}

async fn database(portal: &Portal) -> Check {
    let (ok, detail) = match portal.store.is_migrated().await {
        Ok(true) => (true, "migrated"),
        Ok(false) => (false, "not migrated: run `syncline migrate`"),
        Err(error) => {
            tracing::warn!(error = chain(&error), "database does not answer");
            (false, "does not answer")
        }
    };
    Check {
        name: "database",
        ok,
        detail: detail.to_owned(),
    }
}

async fn worker(portal: &Portal) -> Check {
    let (ok, detail) = match workers(portal).await {
        Ok(0) => (
            false,
            "no worker is alive: start `syncline work`".to_owned(),
        ),
        Ok(1) => (true, "1 worker is alive".to_owned()),
        Ok(alive) => (true, format!("{alive} workers are alive")),
        Err(error) => {
            tracing::warn!(error = chain(&error), "workers cannot be counted");
            (false, "cannot be counted".to_owned())
        }
    };
    Check {
        name: "worker",
        ok,
        detail,
    }
}

/// Workers that gave a sign of life. They belong to no tenant, so none is set.
async fn workers(portal: &Portal) -> Result<usize, StoreError> {
    let mut tx = portal.store.begin(TenantId(uuid::Uuid::nil())).await?;
    Ok(processes::alive(&mut tx).await?.len())
}
