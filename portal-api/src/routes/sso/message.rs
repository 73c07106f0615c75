//! What a provider's messages about signing out have in common, in whichever protocol.

use chrono::{DateTime, Utc};
use domain::providers::{Provider, attempts};
use engine::Tx;
use engine::ids::{ProviderId, TenantId};
use engine::store::audit::{Actor, Entry};
use serde_json::json;

use super::COUNTED;
use crate::caller::Anyone;
use crate::error::{ApiError, Slug};
use crate::portal::Portal;

/// A transaction in which a provider does what it says with a message that counts once, until `until`;
/// `None` where the message was used before.
pub(super) async fn begin(
    portal: &Portal,
    anyone: &Anyone,
    (tenant, provider): (TenantId, &Provider),
    message: &str,
    until: DateTime<Utc>,
) -> Result<Option<Tx>, ApiError> {
    let mut tx = portal.store.begin(tenant).await?;
    tx.act_as(anyone.acting(Actor::System {
        name: format!("identity provider {}", provider.name),
    }));
    let is_first = attempts::use_once(&mut tx, provider.id, message, until).await?;
    Ok(is_first.then_some(tx))
}

/// Notes that a provider's message about signing out was not believed, and why; whoever sent it is told
/// no more than `told`.
pub(super) async fn refuse(
    portal: &Portal,
    anyone: &Anyone,
    (tenant, provider): (TenantId, ProviderId),
    (action, told): (&'static str, &'static str),
    why: &str,
) -> ApiError {
    portal.throttle().failed(anyone.address, COUNTED);
    let noted = async {
        let mut tx = portal.store.begin(tenant).await?;
        tx.act_as(anyone.acting(Actor::System {
            name: "stranger".to_owned(),
        }));
        let entry = Entry::refused(action, "identity_provider", provider);
        tx.audit(entry.after(json!({"reason": why})));
        tx.commit().await
    };
    match noted.await {
        Ok(()) => ApiError::new(Slug::InvalidBody, told),
        Err(error) => error.into(),
    }
}
