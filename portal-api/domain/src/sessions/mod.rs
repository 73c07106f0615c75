//! Sessions: who is signed in, by an opaque random token of which the database holds a hash.

mod program;
pub mod stages;
mod token;

use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use engine::ids::{KeyId, SessionId, TenantId, TokenId, UserId};
use engine::store::audit::Entry;
use engine::vault::Vault;
use engine::{Store, StoreError, SystemTx, Tx};
use serde_json::json;

pub use program::Refused;
pub(crate) use program::{Access, Program};
pub use token::{NoRandomness, Token};

use crate::factors::{Factor, rules};
use crate::keys;
use crate::permissions::Permissions;
use crate::rates::{self, Limit, Rate, Window};
use crate::security::Policy;
use crate::tokens;
use crate::users::{Role, Scope, User};

/// Use is written down at most this often.
const TOUCH: TimeDelta = TimeDelta::minutes(1);
/// Longest description of a browser that is kept, in characters.
const AGENT: usize = 200;

/// A session that holds.
#[derive(Clone, Debug)]
pub struct Session {
    /// `None` where a key was used.
    pub id: Option<SessionId>,
    /// The key that was used, with its name.
    pub key: Option<(KeyId, String)>,
    /// The grant whose access token was used, with its name.
    pub grant: Option<(TokenId, String)>,
    /// How and when the person behind a session showed who they are; `None` where a program calls.
    pub proof: Option<Proof>,
    pub user: User,
    /// By role, groups and grants, as they are now, as far as the scope lets them be.
    pub permissions: Permissions,
    /// Which accounts the user sees.
    pub scope: Scope,
    /// Looks after all tenants, which is no permission of a tenant's. A key never does.
    pub is_operator: bool,
    pub tenant_name: String,
    pub environment: String,
    /// What the tenant takes.
    pub calls_per_minute: i32,
    /// What the tenant takes in a day, where it has such a quota.
    pub calls_per_day: Option<i64>,
}

/// How and when somebody showed who they are.
#[derive(Clone, Copy, Debug)]
pub struct Proof {
    /// The second factor the session was opened with.
    pub factor: Option<Factor>,
    /// When password or factor were last shown.
    pub at: DateTime<Utc>,
    /// Until when that counts as just now.
    pub fresh_until: DateTime<Utc>,
    /// It counts as just now at the moment of the request.
    pub is_fresh: bool,
    pub has_factor: bool,
    /// Until when the user must have set up a second factor; `None` where they have one or need none.
    pub factor_due: Option<DateTime<Utc>>,
    /// That moment has passed: nothing but setting one up works.
    pub must_enrol: bool,
}

/// What a caller shows to say who they are.
#[derive(Clone)]
pub enum Credential {
    /// The cookie of a session.
    Cookie(Token),
    /// A key, as `Authorization: Bearer`.
    Key(Token),
    /// An access token, as `Authorization: Bearer`.
    Access(Token),
}

/// Who calls, and how much more they may.
#[derive(Clone, Debug)]
pub struct Caller {
    /// `None` where nobody is signed in.
    pub session: Option<Session>,
    /// An access token of ours that opens nothing any more.
    pub refused: Option<Refused>,
    /// `None` where nothing is counted: no session and no address.
    pub rate: Option<Rate>,
}

/// Finds who calls and counts the call, in one transaction. Use extends a session.
///
/// # Errors
/// [`StoreError`].
pub async fn identify(
    store: &Store,
    vault: &Vault,
    credential: &Credential,
    address: Option<IpAddr>,
    route: &str,
) -> Result<Caller, StoreError> {
    let mut tx = store.begin_system_relaxed().await?;
    let (mut of_key, mut refused) = (None, None);
    let session = match credential {
        Credential::Cookie(token) => find_in(&mut tx, token).await?,
        Credential::Key(secret) => keys::find(&mut tx, secret).await?.map(|(session, most)| {
            of_key = Some(most);
            session
        }),
        Credential::Access(token) => match tokens::find(&mut tx, vault, token).await? {
            Access::Session(session) => Some(*session),
            access => {
                refused = access.refused(&mut tx).await?;
                None
            }
        },
    };
    let mut limits = limits(session.as_ref(), of_key, address);
    // A grant whose tokens open nothing any more has its limit still.
    limits.extend(refused.map(|refused| of_grant(refused.grant)));
    let rate = rates::count(&mut tx, &limits).await?;
    if let Some(session) = &session
        && let Some((key, _name)) = &session.key
    {
        let refused = rate.is_some_and(|rate| rate.is_over);
        keys::count(&mut tx, session.user.tenant, *key, route, refused).await?;
    }
    tx.commit().await?;
    Ok(Caller {
        session,
        refused,
        rate,
    })
}

fn of_grant(grant: TokenId) -> Limit {
    Limit {
        subject: format!("grant/{}", grant.0.simple()),
        most: keys::CALLS_PER_MINUTE,
        window: Window::Minute,
    }
}

fn limits(session: Option<&Session>, of_key: Option<i32>, address: Option<IpAddr>) -> Vec<Limit> {
    let limit = |subject: String, most: i32| Limit {
        subject,
        most,
        window: Window::Minute,
    };
    let mut limits = Vec::new();
    if let Some(session) = session {
        let (user, most) = (&session.user, session.calls_per_minute);
        limits.push(limit(format!("tenant/{}", user.tenant.0.simple()), most));
        limits.push(limit(format!("user/{}", user.id.0.simple()), most / 2));
        // Counted without a quota too: usage is shown.
        let a_day = session.calls_per_day.unwrap_or(i64::from(i32::MAX));
        limits.push(Limit {
            subject: rates::day_of(user.tenant),
            most: i32::try_from(a_day).unwrap_or(i32::MAX),
            window: Window::Day,
        });
        if let (Some((key, _name)), Some(most)) = (&session.key, of_key) {
            limits.push(limit(format!("key/{}", key.0.simple()), most));
        }
        limits.extend(session.grant.iter().map(|(grant, _name)| of_grant(*grant)));
    }
    if let Some(address) = address {
        limits.push(limit(format!("address/{address}"), rates::ADDRESS));
    }
    limits
}

/// Where a session is opened from.
#[derive(Clone, Debug, Default)]
pub struct From {
    pub address: Option<String>,
    /// What the browser calls itself.
    pub agent: Option<String>,
}

impl From {
    /// The browser's description, as long as it is kept.
    pub(crate) fn agent_kept(&self) -> Option<String> {
        let agent = self.agent.as_ref()?;
        Some(agent.chars().take(AGENT).collect())
    }
}

/// Opens a session for a user who passed every stage ([`stages`]), with this id and until then. Sessions
/// of the user that have ended go.
async fn open(
    tx: &mut Tx,
    user: &User,
    policy: &Policy,
    token: &Token,
    from: &From,
    factor: Option<Factor>,
    (id, until): (SessionId, DateTime<Utc>),
) -> Result<(), StoreError> {
    let now = tx.now();
    // A browser that is remembered shows no factor: sensitive actions ask for it.
    let proved_at = match factor {
        Some(Factor::Device) => DateTime::UNIX_EPOCH,
        _ => now,
    };
    let idle = TimeDelta::minutes(policy.idle_minutes.into());
    sqlx::query!(
        "delete from sessions where user_id = $1 and (expires_at <= $2 or last_seen_at <= $3)",
        user.id.0,
        now,
        now - idle,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "insert into sessions
             (token_hash, user_id, id, address, agent, factor, created_at, last_seen_at, proved_at,
              expires_at)
         values ($1, $2, $3, $4, $5, $8, $6, $6, $9, $7)",
        token.hash(),
        user.id.0,
        id.0,
        from.address,
        from.agent_kept(),
        now,
        until,
        factor.map(Factor::as_str),
        proved_at,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "update users set failed_sign_ins = 0, failed_codes = 0, locked_until = null,
                last_sign_in_at = $2
         where id = $1",
        user.id.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    let entry = Entry::new("sign_in", "session", id);
    tx.audit(match factor {
        Some(factor) => entry.after(json!({"factor": factor.as_str()})),
        None => entry,
    });
    Ok(())
}

/// The session of a token, if it holds; its use extends it.
///
/// # Errors
/// [`StoreError`].
pub async fn find(store: &Store, token: &Token) -> Result<Option<Session>, StoreError> {
    let mut tx = store.begin_system_relaxed().await?;
    let session = find_in(&mut tx, token).await?;
    tx.commit().await?;
    Ok(session)
}

async fn find_in(tx: &mut SystemTx, token: &Token) -> Result<Option<Session>, StoreError> {
    let (hash, now) = (token.hash(), tx.now());
    let row = sqlx::query!(
        r#"
        select s.tenant_id as "tenant: TenantId", s.user_id as "user: UserId",
               s.id as "session: SessionId", s.last_seen_at, s.proved_at, s.factor, u.email,
               u.name, u.role, u.has_factor, u.created_at as user_since,
               coalesce(p.step_up_minutes, 15) as "step_up_minutes!",
               r.required_since as "required_since?", r.grace_days as "grace_days?",
               u.must_change_password
                   or coalesce(u.password_set_at + make_interval(days => p.password_days) <= $2,
                               false) as "must_change_password!",
               t.name as tenant_name, t.environment, u.scope, u.is_operator,
               p.calls_per_minute as "tenant_calls?", q.calls_per_day as "calls_per_day?",
               permissions_beyond_role(s.tenant_id, s.user_id) as "more!"
        from sessions s
        join users u on u.tenant_id = s.tenant_id and u.id = s.user_id
        join tenants t on t.tenant_id = s.tenant_id
        left join security_policies p on p.tenant_id = s.tenant_id
        left join tenant_quotas q on q.tenant_id = s.tenant_id
        left join factor_rules r on r.tenant_id = u.tenant_id and r.role = u.role
        where s.token_hash = $1 and u.state = 'active' and t.state = 'active'
          and s.expires_at > $2
          and s.created_at + make_interval(mins => coalesce(p.absolute_minutes, 720)) > $2
          and s.last_seen_at + make_interval(mins => coalesce(p.idle_minutes, 30)) > $2
        "#,
        hash,
        now,
    )
    .fetch_optional(tx.conn())
    .await?;
    let Some(row) = row else { return Ok(None) };
    if is_due_to_touch(row.last_seen_at, now) {
        touch(tx, &hash).await?;
    }
    let role = Role::stored(&row.role)?;
    let scope = Scope::stored(role, row.scope.as_deref())?;
    let factor = row.factor.as_deref().and_then(Factor::of);
    // A provider that asked for a second factor has seen to it.
    let is_seen_to = row.has_factor || factor == Some(Factor::Provider);
    let factor_due = row
        .required_since
        .zip(row.grace_days)
        .filter(|_| !is_seen_to)
        .map(|(since, grace)| rules::due(since, grace, row.user_since));
    let fresh_until = row.proved_at + TimeDelta::minutes(row.step_up_minutes.into());
    Ok(Some(Session {
        id: Some(row.session),
        key: None,
        grant: None,
        proof: Some(Proof {
            factor,
            at: row.proved_at,
            fresh_until,
            is_fresh: now < fresh_until,
            has_factor: row.has_factor,
            factor_due,
            must_enrol: factor_due.is_some_and(|due| due <= now),
        }),
        scope,
        is_operator: row.is_operator,
        calls_per_minute: row.tenant_calls.unwrap_or(rates::TENANT),
        calls_per_day: row.calls_per_day,
        permissions: scope.narrow(role.permissions().and(Permissions::of_names(&row.more))),
        user: User {
            tenant: row.tenant,
            id: row.user,
            email: row.email,
            name: row.name,
            role,
            must_change_password: row.must_change_password,
        },
        tenant_name: row.tenant_name,
        environment: row.environment,
    }))
}

fn is_due_to_touch(seen: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    now - seen >= TOUCH
}

async fn touch(tx: &mut SystemTx, hash: &[u8]) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "update sessions set last_seen_at = $2 where token_hash = $1",
        hash,
        now
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A session as its owner sees it.
#[derive(Clone, Debug)]
pub struct SessionRow {
    pub id: SessionId,
    pub address: Option<String>,
    pub agent: Option<String>,
    pub created_at: DateTime<Utc>,
    pub last_seen_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// The sessions of a user that hold, last used first.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    tx: &mut Tx,
    user: UserId,
    policy: &Policy,
) -> Result<Vec<SessionRow>, StoreError> {
    let now = tx.now();
    let idle = TimeDelta::minutes(policy.idle_minutes.into());
    Ok(sqlx::query_as!(
        SessionRow,
        r#"
        select id as "id: SessionId", address, agent, created_at, last_seen_at, expires_at
        from sessions where user_id = $1 and expires_at > $2 and last_seen_at > $3
        order by last_seen_at desc, id
        "#,
        user.0,
        now,
        now - idle,
    )
    .fetch_all(tx.conn())
    .await?)
}

/// Notes that whoever has this session has just shown password or factor.
///
/// # Errors
/// [`StoreError::NotFound`] where it has ended.
pub async fn prove(
    tx: &mut Tx,
    user: UserId,
    id: SessionId,
    by: &'static str,
) -> Result<(), StoreError> {
    let now = tx.now();
    let proved = sqlx::query!(
        "update sessions set proved_at = $3 where user_id = $1 and id = $2",
        user.0,
        id.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    if proved.rows_affected() == 0 {
        return Err(StoreError::NotFound(format!("session {id}")));
    }
    tx.audit(Entry::new("step_up", "session", id).after(json!({"by": by})));
    Ok(())
}

/// Ends one session of a user.
///
/// # Errors
/// [`StoreError::NotFound`] where the user has no such session.
pub async fn close(tx: &mut Tx, user: UserId, id: SessionId) -> Result<(), StoreError> {
    let gone = sqlx::query!(
        "delete from sessions where user_id = $1 and id = $2",
        user.0,
        id.0
    )
    .execute(tx.conn())
    .await?;
    if gone.rows_affected() == 0 {
        return Err(StoreError::NotFound(format!("session {id}")));
    }
    tx.audit(Entry::new("sign_out", "session", id));
    Ok(())
}

/// Ends all sessions of a user.
///
/// # Errors
/// [`StoreError`].
pub async fn end_all(tx: &mut Tx, user: UserId) -> Result<(), StoreError> {
    close_all(tx, user, None).await?;
    tx.audit(Entry::new("end_user_sessions", "user", user));
    Ok(())
}

/// Ends all sessions of a user, but the one to keep.
pub(crate) async fn close_all(
    tx: &mut Tx,
    user: UserId,
    keep: Option<SessionId>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "delete from sessions where user_id = $1 and id is distinct from $2",
        user.0,
        keep.map(|id| id.0),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
