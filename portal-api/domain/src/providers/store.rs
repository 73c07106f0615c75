//! SQL about providers.

use engine::ids::{ProviderId, TenantId};
use engine::store::audit::Entry;
use engine::{StoreError, SystemTx, Tx};
use serde_json::{Value as Json, json};

use super::{Preset, Protocol, Provider, ProviderWish, Tested, policy};

/// Whose a sealed secret is.
pub fn owner(id: ProviderId) -> String {
    format!("identity_provider/{}/secret", id.0)
}

/// All providers of the tenant, by name.
///
/// # Errors
/// [`StoreError`].
pub async fn list(tx: &mut Tx) -> Result<Vec<Provider>, StoreError> {
    let rows = sqlx::query!(
        r#"select id as "id: ProviderId", preset, name, config, secret, enabled, config_version,
                  tested_config, tested_at, test_outcome, version, created_at
           from identity_providers order by lower(name)"#
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|row| {
            let test = match (row.tested_config, row.tested_at, row.test_outcome) {
                (Some(config_version), Some(at), Some(outcome)) => Some(Tested {
                    config_version,
                    at,
                    outcome,
                }),
                _ => None,
            };
            Ok(Provider {
                id: row.id,
                preset: Preset::of(&row.preset)
                    .ok_or_else(|| StoreError::corrupt("preset of a provider", row.preset))?,
                name: row.name,
                config: serde_json::from_value(row.config)
                    .map_err(|error| StoreError::corrupt("configuration of a provider", error))?,
                secret: row.secret,
                enabled: row.enabled,
                config_version: row.config_version,
                test,
                version: row.version,
                created_at: row.created_at,
            })
        })
        .collect()
}

/// Those that let people in.
///
/// # Errors
/// [`StoreError`].
pub async fn enabled(tx: &mut Tx) -> Result<Vec<Provider>, StoreError> {
    let mut all = list(tx).await?;
    all.retain(|provider| provider.enabled);
    Ok(all)
}

/// A provider.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn get(tx: &mut Tx, id: ProviderId) -> Result<Provider, StoreError> {
    let all = list(tx).await?;
    let found = all.into_iter().find(|provider| provider.id == id);
    found.ok_or_else(|| StoreError::NotFound(format!("identity provider {id}")))
}

/// Whose a provider is.
///
/// # Errors
/// [`StoreError`].
pub async fn tenant_of(tx: &mut SystemTx, id: ProviderId) -> Result<Option<TenantId>, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"select p.tenant_id as "id: TenantId" from identity_providers p
           join tenants t on t.tenant_id = p.tenant_id and t.state <> 'deleting'
           where p.id = $1"#,
        id.0
    )
    .fetch_optional(tx.conn())
    .await?)
}

/// Adds a provider; it lets nobody in yet.
///
/// # Errors
/// [`StoreError::Conflict`] when the name is taken.
pub async fn create(tx: &mut Tx, id: ProviderId, wish: &ProviderWish) -> Result<(), StoreError> {
    let config = serde_json::to_value(&wish.config).map_err(StoreError::Encode)?;
    let (protocol, now) = (wish.config.endpoint.protocol(), tx.now());
    sqlx::query!(
        "insert into identity_providers (id, protocol, preset, name, config, secret, created_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
        id.0,
        protocol.as_str(),
        wish.preset.as_str(),
        wish.name,
        config,
        wish.secret,
        now,
    )
    .execute(tx.conn())
    .await
    .map_err(taken)?;
    let entry = Entry::new("create_identity_provider", "identity_provider", id);
    tx.audit(entry.after(shown(
        wish.preset,
        &wish.name,
        &config,
        wish.secret.is_some(),
    )));
    Ok(())
}

/// Changes a provider. It lets nobody in until it was tried again; who is signed in stays so.
///
/// # Errors
/// [`StoreError::NotFound`], [`StoreError::Stale`]; [`StoreError::Conflict`] when the name is taken,
/// when its protocol is another, or when nobody could sign in any more.
pub async fn change(
    tx: &mut Tx,
    id: ProviderId,
    version: i64,
    wish: &ProviderWish,
) -> Result<(), StoreError> {
    let before = get(tx, id).await?;
    if before.config.endpoint.protocol() != wish.config.endpoint.protocol() {
        return Err(StoreError::Conflict(
            "a provider keeps its protocol: add another one".to_owned(),
        ));
    }
    let tries_again = before.config != wish.config || wish.secret.is_some();
    if tries_again && before.enabled {
        policy::keep_a_provider(tx, id).await?;
    }
    let config = serde_json::to_value(&wish.config).map_err(StoreError::Encode)?;
    let changed = sqlx::query!(
        "update identity_providers
         set preset = $3, name = $4, config = $5, secret = coalesce($6, secret),
             enabled = enabled and not $7, config_version = config_version + $7::boolean::integer,
             version = version + 1
         where id = $1 and version = $2",
        id.0,
        version,
        wish.preset.as_str(),
        wish.name,
        config,
        wish.secret,
        tries_again,
    )
    .execute(tx.conn())
    .await
    .map_err(taken)?;
    if changed.rows_affected() == 0 {
        return Err(StoreError::Stale(format!("identity provider {id}")));
    }
    let was = serde_json::to_value(&before.config).map_err(StoreError::Encode)?;
    let has_secret = wish.secret.is_some() || before.secret.is_some();
    tx.audit(
        Entry::new("update_identity_provider", "identity_provider", id)
            .before(shown(
                before.preset,
                &before.name,
                &was,
                before.secret.is_some(),
            ))
            .after(shown(wish.preset, &wish.name, &config, has_secret)),
    );
    Ok(())
}

/// Removes a provider, with all links to it. Users it made stay.
///
/// # Errors
/// [`StoreError::NotFound`], [`StoreError::Stale`]; [`StoreError::Conflict`] when nobody could sign in
/// any more.
pub async fn delete(tx: &mut Tx, id: ProviderId, version: i64) -> Result<(), StoreError> {
    let before = get(tx, id).await?;
    if before.enabled {
        policy::keep_a_provider(tx, id).await?;
    }
    let gone = sqlx::query!(
        "delete from identity_providers where id = $1 and version = $2",
        id.0,
        version
    )
    .execute(tx.conn())
    .await?;
    if gone.rows_affected() == 0 {
        return Err(StoreError::Stale(format!("identity provider {id}")));
    }
    let was = serde_json::to_value(&before.config).map_err(StoreError::Encode)?;
    let entry = Entry::new("delete_identity_provider", "identity_provider", id);
    tx.audit(entry.before(shown(
        before.preset,
        &before.name,
        &was,
        before.secret.is_some(),
    )));
    Ok(())
}

/// Lets people in from a provider, or no longer.
///
/// # Errors
/// [`StoreError::NotFound`], [`StoreError::Stale`]; [`StoreError::Conflict`] where no test sign-in
/// succeeded with the configuration as it is, and when nobody could sign in any more.
pub async fn set_enabled(
    tx: &mut Tx,
    id: ProviderId,
    version: i64,
    enabled: bool,
) -> Result<(), StoreError> {
    let before = get(tx, id).await?;
    if enabled && !before.is_tested() {
        return Err(StoreError::Conflict(
            "try it first: a test sign-in has to succeed with the configuration as it is"
                .to_owned(),
        ));
    }
    if !enabled && before.enabled {
        policy::keep_a_provider(tx, id).await?;
    }
    let changed = sqlx::query!(
        "update identity_providers set enabled = $3, version = version + 1
         where id = $1 and version = $2",
        id.0,
        version,
        enabled,
    )
    .execute(tx.conn())
    .await?;
    if changed.rows_affected() == 0 {
        return Err(StoreError::Stale(format!("identity provider {id}")));
    }
    let action = match enabled {
        true => "enable_identity_provider",
        false => "disable_identity_provider",
    };
    tx.audit(
        Entry::new(action, "identity_provider", id)
            .before(json!({"enabled": before.enabled}))
            .after(json!({"enabled": enabled, "preset": before.preset, "name": before.name})),
    );
    Ok(())
}

/// Notes what came of a test sign-in with a configuration.
///
/// # Errors
/// [`StoreError`].
pub async fn tested(
    tx: &mut Tx,
    id: ProviderId,
    config_version: i64,
    outcome: &Json,
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "update identity_providers
         set tested_config = $2, tested_at = $3, test_outcome = $4, version = version + 1
         where id = $1",
        id.0,
        config_version,
        now,
        outcome,
    )
    .execute(tx.conn())
    .await?;
    let entry = Entry::new("test_identity_provider", "identity_provider", id);
    tx.audit(entry.after(outcome.clone()));
    Ok(())
}

fn shown(preset: Preset, name: &str, config: &Json, has_secret: bool) -> Json {
    json!({"preset": preset, "name": name, "config": config, "has_secret": has_secret})
}

fn taken(error: sqlx::Error) -> StoreError {
    match StoreError::from(error) {
        error if error.is_unique_violation() => {
            StoreError::Conflict("a provider has this name already".to_owned())
        }
        error => error,
    }
}

impl Provider {
    pub fn protocol(&self) -> Protocol {
        self.config.endpoint.protocol()
    }
}
