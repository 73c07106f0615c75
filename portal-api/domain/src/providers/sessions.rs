//! Sessions here that have another side at a provider: to end them there, to be ended from there, and
//! to ask whether they still hold.

use chrono::{DateTime, Utc};
use engine::ids::{ProviderId, SessionId, UserId};
use engine::store::audit::Entry;
use engine::{StoreError, Tx};
use serde_json::json;

/// The other side of a session.
#[derive(Clone, Debug)]
pub struct OtherSide {
    pub session: SessionId,
    pub user: UserId,
    pub provider: ProviderId,
    pub issuer: String,
    pub subject: String,
    /// The provider's name of the session.
    pub sid: Option<String>,
    /// Id token and refresh token, sealed.
    pub tokens: Option<Vec<u8>>,
}

impl OtherSide {
    /// Whose its sealed tokens are.
    pub fn owner(session: SessionId) -> String {
        format!("provider_session/{}", session.0)
    }
}

/// Notes the other side of a session that is open, or will be after the second stage. What sessions that
/// are gone had goes.
///
/// # Errors
/// [`StoreError`].
pub async fn note(tx: &mut Tx, side: &OtherSide) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "delete from provider_sessions p
         where p.user_id = $1 and not exists (
             select from sessions s where s.user_id = p.user_id and s.id = p.session_id)
           and not exists (
             select from sign_in_tickets t
             where t.user_id = p.user_id and t.session_id = p.session_id and t.expires_at > $2)",
        side.user.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "insert into provider_sessions
             (session_id, user_id, provider_id, issuer, subject, sid, tokens, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        side.session.0,
        side.user.0,
        side.provider.0,
        side.issuer,
        side.subject,
        side.sid,
        side.tokens,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The other side of a session, if it has one.
///
/// # Errors
/// [`StoreError`].
pub async fn of(tx: &mut Tx, session: SessionId) -> Result<Option<OtherSide>, StoreError> {
    Ok(sqlx::query_as!(
        OtherSide,
        r#"select session_id as "session: SessionId", user_id as "user: UserId",
                  provider_id as "provider: ProviderId", issuer, subject, sid, tokens
           from provider_sessions where session_id = $1"#,
        session.0,
    )
    .fetch_optional(tx.conn())
    .await?)
}

/// Stores the tokens of a refresh, and lets the session hold until `until`.
///
/// # Errors
/// [`StoreError::NotFound`] where it ended meanwhile.
pub async fn extend(
    tx: &mut Tx,
    session: SessionId,
    tokens: &[u8],
    until: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update provider_sessions set tokens = $2 where session_id = $1",
        session.0,
        tokens,
    )
    .execute(tx.conn())
    .await?;
    let changed = sqlx::query!(
        "update sessions set expires_at = $2 where id = $1",
        session.0,
        until
    )
    .execute(tx.conn())
    .await?;
    if changed.rows_affected() == 0 {
        return Err(StoreError::NotFound(format!("session {session}")));
    }
    Ok(())
}

/// Notes the provider's name of a session, where it has another one since the user signed in there again.
///
/// # Errors
/// [`StoreError`].
pub async fn rename(tx: &mut Tx, session: SessionId, sid: &str) -> Result<(), StoreError> {
    sqlx::query!(
        "update provider_sessions set sid = $2 where session_id = $1",
        session.0,
        sid,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Ends the sessions that a provider speaks of, some by their names or all of a subject, and the sign-ins
/// that wait for a second factor. Of a subject those without a name end too: which one is meant cannot be
/// told. Answers how many sessions.
///
/// # Errors
/// [`StoreError`].
pub async fn end(
    tx: &mut Tx,
    provider: ProviderId,
    issuer: &str,
    subject: Option<&str>,
    sids: &[String],
) -> Result<u64, StoreError> {
    let gone = sqlx::query!(
        r#"delete from provider_sessions
           where provider_id = $1 and issuer = $2
             and ($3::text is not null or cardinality($4::text[]) > 0)
             and ($3::text is null or subject = $3)
             and (cardinality($4::text[]) = 0 or sid = any($4) or (sid is null and $3 is not null))
           returning session_id as "session: SessionId", user_id as "user: UserId""#,
        provider.0,
        issuer,
        subject,
        sids,
    )
    .fetch_all(tx.conn())
    .await?;
    let mut ended = 0;
    for row in gone {
        let closed = sqlx::query!(
            "delete from sessions where user_id = $1 and id = $2",
            row.user.0,
            row.session.0,
        )
        .execute(tx.conn())
        .await?;
        ended += closed.rows_affected();
        sqlx::query!(
            "delete from sign_in_tickets where user_id = $1 and session_id = $2",
            row.user.0,
            row.session.0,
        )
        .execute(tx.conn())
        .await?;
        tx.audit(
            Entry::new("sign_out_by_provider", "session", row.session)
                .after(json!({"provider": provider, "user": row.user})),
        );
    }
    Ok(ended)
}
