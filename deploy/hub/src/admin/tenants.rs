//! `admin tenant` and `admin operator`: tenants, their quotas, and who looks after all of them.

use anyhow::{Context, Result, bail};
use domain::retention;
use domain::tenants::{self, NewTenant, deletion};
use domain::users::{self, NewUser, Passwords, Role, fresh_password};
use engine::Store;
use engine::ids::TenantId;
use engine::store::audit::Entry;
use engine::store::quotas::{self, Quotas};
use secrecy::ExposeSecret;

use super::begin;
use crate::cli::TenantCommand;
use crate::terminal::say;

pub(super) async fn run(store: &Store, command: TenantCommand) -> Result<()> {
    match command {
        TenantCommand::Create {
            name,
            environment,
            admin_email,
        } => create(store, &name, &environment, &admin_email).await,
        TenantCommand::List => list(store).await,
        TenantCommand::Suspend { tenant, reason } => {
            present(store, tenant).await?;
            let mut tx = begin(store, tenant).await?;
            tenants::suspend(&mut tx, &reason).await?;
            tx.commit().await?;
            say(&format!("{tenant} is suspended"))
        }
        TenantCommand::Delete {
            tenant,
            confirm,
            reason,
            hold_days,
        } => {
            let wish = deletion::Wish {
                confirm,
                reason,
                hold_days,
            };
            delete(store, tenant, &wish).await
        }
        TenantCommand::Keep { tenant } => {
            present(store, tenant).await?;
            let mut tx = begin(store, tenant).await?;
            deletion::withdraw(&mut tx, &by()).await?;
            tx.commit().await?;
            say(&format!("{tenant} lives on"))
        }
        TenantCommand::Deletions => deletions(store).await,
        TenantCommand::Resume { tenant } => {
            present(store, tenant).await?;
            let mut tx = begin(store, tenant).await?;
            if tenants::is_being_deleted(&mut tx).await? {
                bail!("{tenant} is to be deleted: withdraw that with `tenant keep`");
            }
            tenants::resume(&mut tx).await?;
            tx.commit().await?;
            say(&format!("{tenant} goes on"))
        }
        TenantCommand::Recount { tenant } => {
            present(store, tenant).await?;
            let mut tx = begin(store, tenant).await?;
            let before = quotas::usage(&mut tx).await?;
            let records = retention::recount(&mut tx).await?;
            tx.audit(
                Entry::new("recount", "tenant", tenant)
                    .before(serde_json::json!({"records": before.records}))
                    .after(serde_json::json!({"records": records})),
            );
            tx.commit().await?;
            say(&format!(
                "{tenant} has {records} records; {} were noted",
                before.records
            ))
        }
        TenantCommand::SetQuotas {
            tenant,
            records,
            connections,
            storage,
            calls_per_day,
        } => {
            let wish = Quotas {
                records,
                connections,
                storage,
                calls_per_day,
                version: 0,
            };
            set_quotas(store, tenant, wish).await
        }
    }
}

/// Whoever runs the hub.
fn by() -> deletion::By {
    deletion::By {
        name: "syncline admin".to_owned(),
        id: None,
    }
}

async fn delete(store: &Store, tenant: TenantId, wish: &deletion::Wish) -> Result<()> {
    present(store, tenant).await?;
    let mut tx = begin(store, tenant).await?;
    deletion::ask(&mut tx, wish, &by()).await?;
    tx.commit().await?;
    let mut system = store.begin_system().await?;
    let asked = deletion::newest(&mut system, tenant).await?;
    say(&match asked.hold_until {
        Some(until) => format!("{tenant} is closed, and destroyed from {until} on"),
        None => format!(
            "{tenant} is closed; when a second person has agreed by the API it is held for {} days \
             and then destroyed",
            asked.hold_days
        ),
    })
}

/// One line each: what outlives the tenants.
async fn deletions(store: &Store) -> Result<()> {
    let mut tx = store.begin_system().await?;
    for deletion in deletion::list(&mut tx).await? {
        let rows: u64 = deletion.counts.values().sum();
        let last = deletion.last_audit.map_or_else(String::new, |(seq, hash)| {
            let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("  last audit entry {seq}:{hash}")
        });
        let moment = deletion.done_at.unwrap_or(deletion.asked_at);
        say(&format!(
            "{}  {:10}  {moment}  asked by {}  {rows} rows destroyed{last}  {}",
            deletion.tenant, deletion.state, deletion.asked_by, deletion.name
        ))?;
    }
    Ok(())
}

async fn create(store: &Store, name: &str, environment: &str, email: &str) -> Result<()> {
    let read = |text: &str| tenants::name(text).map_err(anyhow::Error::msg);
    let new = NewTenant {
        name: read(name)?,
        environment: read(environment)?,
    };
    let email = users::email(email)?;
    let password = fresh_password()?;
    let password_hash = Passwords::new()?.hash(password.clone()).await?;
    let tenant = TenantId::fresh();
    let mut tx = begin(store, tenant).await?;
    tenants::create(&mut tx, &new).await?;
    let admin = NewUser {
        tenant,
        email: email.clone(),
        name: "Admin".to_owned(),
        role: Role::Admin,
        password_hash,
        must_change_password: true,
    };
    users::create(&mut tx, &admin).await?;
    tx.commit().await?;
    say(&format!(
        "{tenant} is made; {email} signs in with the one-time password {}",
        password.expose_secret()
    ))
}

async fn list(store: &Store) -> Result<()> {
    let mut tx = store.begin_system().await?;
    for tenant in tenants::all(&mut tx).await? {
        let state = if tenant.is_suspended {
            "suspended"
        } else {
            "active"
        };
        let (id, users, environment) = (tenant.id, tenant.users, tenant.environment);
        say(&format!(
            "{id}  {state:9}  {users:5} users  {environment}  {}",
            tenant.name
        ))?;
    }
    Ok(())
}

async fn set_quotas(store: &Store, tenant: TenantId, mut wish: Quotas) -> Result<()> {
    let all = [
        wish.records,
        wish.connections,
        wish.storage,
        wish.calls_per_day,
    ];
    if all.into_iter().flatten().any(|quota| quota < 0) {
        bail!("a quota is not below 0");
    }
    present(store, tenant).await?;
    let mut tx = begin(store, tenant).await?;
    let before = quotas::get(&mut tx).await?;
    wish.version = before.version;
    let shown = |quotas: &Quotas| {
        serde_json::json!({
            "records": quotas.records,
            "connections": quotas.connections,
            "storage": quotas.storage,
            "calls_per_day": quotas.calls_per_day,
        })
    };
    retention::ensure_schedule(&mut tx).await?;
    tx.audit(
        Entry::new("set_quotas", "tenant", tenant)
            .before(shown(&before))
            .after(shown(&wish)),
    );
    let mut system = store.begin_system().await?;
    quotas::set(&mut system, tenant, &wish).await?;
    tx.commit().await?;
    system.commit().await?;
    say(&format!("the quotas of {tenant} are set"))
}

/// Lets somebody look after all tenants by the API, or no more.
pub(super) async fn operator(store: &Store, email: &str, is_operator: bool) -> Result<()> {
    let mut tx = store.begin_system().await?;
    let found = users::find_by_email(&mut tx, email.trim()).await?;
    drop(tx);
    let user = found
        .with_context(|| format!("nobody signs in as {email}"))?
        .user;
    let mut tx = begin(store, user.tenant).await?;
    tenants::set_operator(&mut tx, user.id, is_operator).await?;
    tx.commit().await?;
    let what = if is_operator {
        "looks after all tenants"
    } else {
        "looks after their own tenant only"
    };
    say(&format!("{} {what}", user.email))
}

/// Makes the two demo tenants, with people of every role.
pub(super) async fn seed(store: &Store) -> Result<()> {
    let password = fresh_password()?;
    let hash = Passwords::new()?.hash(password.clone()).await?;
    let made = domain::seed::seed(store, &domain::core_tables(), &hash).await?;
    if made.is_empty() {
        return say("the demo tenants are there already");
    }
    for tenant in made {
        say(&format!(
            "{} ({}): {} accounts, {} contacts, {} people, sign in as {}",
            tenant.name,
            tenant.id,
            tenant.accounts,
            tenant.contacts,
            tenant.people.len(),
            tenant.people.join(", ")
        ))?;
    }
    say(&format!(
        "all of them with the one-time password {}",
        password.expose_secret()
    ))
}

async fn present(store: &Store, tenant: TenantId) -> Result<()> {
    let mut tx = store.begin_system().await?;
    tenants::get(&mut tx, tenant).await?;
    Ok(())
}
