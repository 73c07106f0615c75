//! Carries out deletions of tenants whose hold is over: what a process that works does beside its runs,
//! for a run of a tenant cannot destroy the tenant.

use std::time::Duration;

use domain::tenants::deletion::{self, Step};
use engine::Store;
use tokio_util::sync::CancellationToken;

/// Between two looks at what is due.
const BETWEEN: Duration = Duration::from_secs(10);
/// Rows in one transaction: it is over in well under a second.
const ROWS: i64 = 2_000;

pub(crate) async fn keep(store: Store, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let wait = match deletion::carry_out(&store, ROWS).await {
            Ok(Step::Nothing) => true,
            Ok(Step::Begun(tenant)) => {
                tracing::warn!(tenant.id = %tenant, "a tenant is being deleted");
                false
            }
            Ok(Step::Went(_, _)) => false,
            Ok(Step::Done(tenant)) => {
                metrics::counter!("syncline_tenants_deleted_total").increment(1);
                tracing::warn!(tenant.id = %tenant, "nothing is left of a tenant that was deleted");
                false
            }
            Err(error) => {
                metrics::counter!("syncline_tenant_deletions_failed_total").increment(1);
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a tenant could not be deleted; it is tried again"
                );
                true
            }
        };
        if wait {
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(BETWEEN) => {}
            }
        }
    }
}
