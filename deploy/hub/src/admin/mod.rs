//! `admin`: tenants, users, tenants' shares, the audit trail, and the API's description.

mod audit;
mod rotate_keys;
mod tenants;

pub use rotate_keys::{Phase, rotate};

use anyhow::{Context, Result, bail};
use domain::privacy_log::{self, Month};
use domain::tenants as all_tenants;
use domain::users::{self, NewUser, Passwords, Role, fresh_password};
use engine::ids::TenantId;
use engine::store::audit::{Acting, Actor, Entry};
use engine::store::lanes::{self, Action, Lane};
use engine::{Store, SystemTx, Tx};
use secrecy::ExposeSecret;

use crate::cli::{Admin, AdminCommand, Common};
use crate::database::{self, Database};
use crate::files::Data;
use crate::terminal::say;

pub(crate) async fn run(common: Common, admin: Admin) -> Result<()> {
    if let AdminCommand::Openapi = admin.command {
        let document = serde_json::to_string_pretty(&portal_api::document())
            .context("cannot write the document")?;
        return say(&document);
    }
    if let AdminCommand::Permissions = admin.command {
        return say(portal_api::permission_matrix().trim_end());
    }
    let data = Data::of(&common)?;
    let database = Database::find(&common, &data).await?;
    let outcome = async {
        let store = database::connect(&database.url).await?;
        let done = match admin.command {
            AdminCommand::RotateKeys => rotate_keys::run(&store, &data.key_file(&common)).await,
            command => manage(&store, command).await,
        };
        store.close().await;
        done
    }
    .await;
    let stopped = database.stop().await;
    outcome.and(stopped)
}

async fn manage(store: &Store, command: AdminCommand) -> Result<()> {
    match command {
        AdminCommand::CreateUser {
            email,
            name,
            role,
            tenant,
        } => create_user(store, &email, name, role, tenant).await,
        AdminCommand::ResetPassword { email } => reset_password(store, &email).await,
        AdminCommand::SetWeight { tenant, weight } => set_weight(store, tenant, weight).await,
        AdminCommand::Audit { command } => audit::run(store, command).await,
        AdminCommand::Tenant { command } => tenants::run(store, command).await,
        AdminCommand::Operator { email, remove } => tenants::operator(store, &email, !remove).await,
        AdminCommand::PrivacyReport { tenant, month } => privacy_report(store, tenant, month).await,
        AdminCommand::Seed => tenants::seed(store).await,
        AdminCommand::Openapi | AdminCommand::Permissions | AdminCommand::RotateKeys => Ok(()),
    }
}

async fn privacy_report(store: &Store, tenant: Option<TenantId>, month: Month) -> Result<()> {
    let mut tx = store.begin_system().await?;
    let tenant = one_tenant(&mut tx, tenant).await?;
    drop(tx);
    let mut tx = begin(store, tenant).await?;
    let text = privacy_log::report(&mut tx, month).await?;
    tx.audit(Entry::new(
        "hand_out_privacy_report",
        "privacy_report",
        month,
    ));
    tx.commit().await?;
    say(text.trim_end())
}

async fn create_user(
    store: &Store,
    email: &str,
    name: String,
    role: Role,
    tenant: Option<TenantId>,
) -> Result<()> {
    let email = users::email(email)?;
    let password = fresh_password()?;
    let password_hash = Passwords::new()?.hash(password.clone()).await?;
    let mut tx = store.begin_system().await?;
    let tenant = one_tenant(&mut tx, tenant).await?;
    drop(tx);
    let mut tx = begin(store, tenant).await?;
    let new = NewUser {
        tenant,
        email: email.clone(),
        name,
        role,
        password_hash,
        must_change_password: true,
    };
    users::create(&mut tx, &new).await?;
    tx.commit().await?;
    say(&format!(
        "{email} signs in with the one-time password {}",
        password.expose_secret()
    ))
}

/// Begins a transaction whose entries in the audit trail are of whoever runs the hub.
pub(crate) async fn begin(store: &Store, tenant: TenantId) -> Result<Tx> {
    let mut tx = store.begin(tenant).await?;
    tx.act_as(acting());
    Ok(tx)
}

/// Whoever runs the hub.
pub(crate) fn acting() -> Acting {
    Acting {
        actor: Actor::System {
            name: "syncline admin".to_owned(),
        },
        address: None,
        request: None,
        otherwise: None,
    }
}

/// The tenant that is meant.
pub(crate) async fn one_tenant(tx: &mut SystemTx, tenant: Option<TenantId>) -> Result<TenantId> {
    Ok(match (tenant, all_tenants::list(tx).await?.as_slice()) {
        (Some(wanted), known) if known.contains(&wanted) => wanted,
        (Some(wanted), _) => bail!("there is no tenant {wanted}"),
        (None, [only]) => *only,
        (None, []) => bail!("there is no tenant yet: start the hub once with `syncline up`"),
        (None, _) => bail!("there are several tenants: name one with --tenant"),
    })
}

async fn set_weight(store: &Store, tenant: Option<TenantId>, weight: f64) -> Result<()> {
    let mut tx = store.begin_system().await?;
    let tenant = one_tenant(&mut tx, tenant).await?;
    drop(tx);
    let mut tx = begin(store, tenant).await?;
    let action = Action::Weight(Some(weight));
    lanes::act(&mut tx, &Lane::Tenant, &action).await?;
    let entry = Entry::new("set_weight", "lanes", "tenant");
    tx.audit(entry.after(serde_json::json!({ "weight": weight })));
    tx.commit().await?;
    say(&format!("{tenant} has the weight {weight}"))
}

async fn reset_password(store: &Store, email: &str) -> Result<()> {
    let mut tx = store.begin_system().await?;
    let found = users::find_by_email(&mut tx, email.trim()).await?;
    drop(tx); // hashing takes a while
    let user = found
        .with_context(|| format!("nobody signs in as {email}"))?
        .user;
    let password = fresh_password()?;
    let hash = Passwords::new()?.hash(password.clone()).await?;
    let mut tx = begin(store, user.tenant).await?;
    users::change_password(&mut tx, user.id, &hash, true, None).await?;
    tx.commit().await?;
    say(&format!(
        "{} signs in with the one-time password {}; all sessions have ended",
        user.email,
        password.expose_secret()
    ))
}
