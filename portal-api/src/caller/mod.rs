//! Who asks. An extractor is the permission: a handler that takes [`May<RunsOperate>`] runs for
//! those who may operate runs.

mod credential;
mod platform;

use std::marker::PhantomData;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use axum::extract::FromRequestParts;
use axum::http::header::ORIGIN;
use axum::http::request::Parts;
use domain::permissions::{Needs, Permission, needs};
use domain::rates::{Rate, Window};
use domain::sessions::{self, Credential, Refused, Session};
use domain::tenants::settings;
use domain::users::Editor;
use engine::ids::SessionId;
use engine::store::audit::{Acting, Actor, Entry, Otherwise};
use engine::{StoreError, Tx};

use credential::credential;
pub(crate) use credential::{cookie_of, token};
pub(crate) use platform::{FreshPlatform, Platform};

use crate::cors::{self, AllowedOrigin};
use crate::error::{ApiError, Slug};
use crate::permit::{Access, Guard, Operation};
use crate::place::Place;
use crate::portal::Portal;
use crate::routes::session::refuse_guessing;

/// Name of the cookie that holds the session's token.
pub(crate) const COOKIE_NAME: &str = "syncline_session";

/// Id of a request, in its extensions.
#[derive(Clone)]
pub(crate) struct RequestId(pub(crate) String);

/// How much more the caller may, in the extensions of a request: the frame answers it.
#[derive(Clone, Default)]
pub(crate) struct RateCell(pub(crate) Arc<OnceLock<Rate>>);

/// What a request asks for, in its extensions: filled by the extractor of the body, read by the
/// audit trail.
#[derive(Clone, Default)]
pub(crate) struct Asked(pub(crate) Arc<OnceLock<serde_json::Value>>);

/// Everybody, signed in or not.
pub(crate) struct Anyone {
    /// Where the request comes from, as far as trusted proxies say.
    pub(crate) address: Option<IpAddr>,
    /// Where it was sent to.
    pub(crate) place: Place,
    request: Option<String>,
}

impl Anyone {
    /// Who acts where nobody is signed in yet: the user whose password or link was right.
    pub(crate) fn acting(&self, actor: Actor) -> Acting {
        Acting {
            actor,
            address: self.address,
            request: self.request.clone(),
            otherwise: None,
        }
    }
}

impl Guard for Anyone {
    const ACCESS: Access = Access::Open;
}

impl<S: Send + Sync> FromRequestParts<S> for Anyone {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let place = parts.extensions.get::<Place>().cloned().unwrap_or_default();
        Ok(Self {
            address: place.address,
            place,
            request: parts.extensions.get::<RequestId>().map(|id| id.0.clone()),
        })
    }
}

/// Somebody who is signed in, whatever else holds.
pub(crate) struct SignedIn {
    pub(crate) session: Session,
    portal: Portal,
    origin: String,
    acting: Acting,
}

impl SignedIn {
    /// Begins a transaction that sees of the caller's tenant what the caller sees; what it changes is
    /// audited.
    pub(crate) async fn begin(&self) -> Result<Tx, StoreError> {
        let Session { user, scope, .. } = &self.session;
        let mut tx = domain::users::scope::begin(&self.portal.store, user, *scope).await?;
        tx.act_as(self.acting.clone());
        Ok(tx)
    }

    /// Where the caller's browser reaches the hub: `https://hub.example`.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    pub(crate) fn portal(&self) -> &Portal {
        &self.portal
    }

    /// The caller's session; a key has none.
    pub(crate) fn session_id(&self) -> Result<SessionId, ApiError> {
        let id = self.session.id;
        id.ok_or_else(|| ApiError::forbidden("a program has no session: sign in"))
    }

    /// The caller, as somebody who changes what others may do.
    pub(crate) fn editor(&self) -> Editor {
        Editor {
            id: self.session.user.id,
            permissions: self.session.permissions,
        }
    }

    /// Notes an attempt to get more than one has, and says no.
    pub(crate) async fn refuse(&self, entry: Entry, why: &str) -> ApiError {
        match self.note_attempt(entry).await {
            Ok(()) => ApiError::forbidden(why),
            Err(error) => error.into(),
        }
    }

    /// Notes an attempt to get more than one has.
    pub(crate) async fn note_attempt(&self, entry: Entry) -> Result<(), StoreError> {
        let user = &self.session.user;
        tracing::warn!(
            tenant.id = %user.tenant,
            user.id = %user.id,
            action = entry.action,
            "an attempt to get more permissions was refused"
        );
        metrics::counter!("syncline_elevations_refused_total").increment(1);
        let mut tx = self.begin().await?;
        tx.audit(entry);
        tx.commit().await
    }
}

impl Guard for SignedIn {
    const ACCESS: Access = Access::Own;
}

impl FromRequestParts<Portal> for SignedIn {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, ApiError> {
        let anyone = Anyone::from_request_parts(parts, portal).await?;
        let credential = credential(&parts.headers).ok_or_else(ApiError::unauthenticated)?;
        let route = parts.extensions.get::<Operation>();
        let route = route.map_or("", |operation| operation.id.as_str());
        let store = &portal.store;
        let vault = &portal.factors.vault;
        let found = sessions::identify(store, vault, &credential, anyone.address, route).await?;
        if let Some(rate) = found.rate {
            if let Some(RateCell(cell)) = parts.extensions.get() {
                cell.get_or_init(|| rate);
            }
            if rate.is_over {
                let error = ApiError::new(
                    Slug::RateLimited,
                    match rate.window {
                        Window::Minute => "too many calls in this minute",
                        Window::Day => "the quota of calls of this day (UTC) is used up",
                    },
                );
                return Err(error.with_retry_after(rate.reset.unsigned_abs()));
            }
        }
        let Some(session) = found.session else {
            return Err(refuse(portal, &anyone, &credential, found.refused).await);
        };
        // A session of one tenant opens nothing at another's address.
        if let Some(tenant) = anyone.place.tenant
            && tenant != session.user.tenant
        {
            return Err(ApiError::unauthenticated());
        }
        if session.key.is_some() || session.grant.is_some() {
            permit_origin(parts, portal, &session).await?;
        }
        let actor = match &session.key {
            Some((id, name)) => Actor::Key {
                id: id.0,
                name: format!("{name} of {}", session.user.name),
            },
            None => match &session.grant {
                Some((id, name)) => Actor::Key {
                    id: id.0,
                    name: format!("{name} of {}", session.user.name),
                },
                None => Actor::User {
                    id: session.user.id.0,
                    name: session.user.name.clone(),
                },
            },
        };
        let mut acting = anyone.acting(actor);
        acting.otherwise = otherwise(parts);
        Ok(Self {
            session,
            portal: portal.clone(),
            origin: anyone.place.origin,
            acting,
        })
    }
}

/// Refuses a key that comes from a page of a site which its tenant did not name, and lets a page of
/// one that it named read the answer.
async fn permit_origin(parts: &Parts, portal: &Portal, session: &Session) -> Result<(), ApiError> {
    let Some(value) = parts.headers.get(ORIGIN) else {
        return Ok(());
    };
    let origin = value.to_str().unwrap_or_default();
    if cors::is_same_site(&parts.headers, origin) {
        return Ok(());
    }
    let mut tx = portal.store.begin(session.user.tenant).await?;
    let named = settings::current(&mut tx).await?.settings.origins;
    if !named.iter().any(|named| named == origin) {
        let why = "pages of this site may not call with a key of this tenant";
        return Err(ApiError::forbidden(why));
    }
    if let Some(AllowedOrigin(cell)) = parts.extensions.get() {
        cell.get_or_init(|| value.clone());
    }
    Ok(())
}

/// What a credential that opens nothing is told. Access tokens are counted as refresh tokens are: one of
/// ours is noted with its grant, one that nobody here signed is a guess.
async fn refuse(
    portal: &Portal,
    anyone: &Anyone,
    credential: &Credential,
    refused: Option<Refused>,
) -> ApiError {
    if let Some(refused) = refused {
        metrics::counter!("syncline_access_tokens_refused_total", "why" => refused.why)
            .increment(1);
        if refused.is_first
            && let Err(error) = note_refused(portal, anyone, &refused).await
        {
            return error.into();
        }
    } else if matches!(credential, Credential::Access(_)) {
        const COUNTED: &str = "an access token";
        metrics::counter!("syncline_access_tokens_refused_total", "why" => "unknown").increment(1);
        if let Err(error) = refuse_guessing(portal, anyone.address, COUNTED) {
            return error;
        }
        portal.throttle().failed(anyone.address, COUNTED);
    }
    ApiError::unauthenticated()
}

async fn note_refused(
    portal: &Portal,
    anyone: &Anyone,
    refused: &Refused,
) -> Result<(), StoreError> {
    let mut tx = portal.store.begin(refused.tenant).await?;
    tx.act_as(anyone.acting(Actor::Key {
        id: refused.grant.0,
        name: "a program with an access token".to_owned(),
    }));
    let entry = Entry::refused("access_token", "grant", refused.grant);
    tx.audit(entry.after(serde_json::json!({"why": refused.why})));
    tx.commit().await
}

/// What is noted of a request that changes something if its handler notes nothing.
fn otherwise(parts: &mut Parts) -> Option<Otherwise> {
    if parts.method.is_safe() {
        return None;
    }
    let asked = Asked::default();
    parts.extensions.insert(asked.clone());
    let operation = parts.extensions.get::<Operation>();
    let (id, tag) = operation.map_or(("change", ""), |operation| (&operation.id, &operation.tag));
    let subject = parts.uri.path().split('/').find(|part| is_id(part));
    Some(Otherwise {
        entry: Entry::new(id, tag, subject.unwrap_or_default()),
        asked: asked.0,
    })
}

/// Whether a part of a path is the id of a thing: `run_…`.
fn is_id(part: &str) -> bool {
    part.split_once('_').is_some_and(|(prefix, digits)| {
        prefix.len() == 3 && digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit())
    })
}

/// Somebody who has a permission, and has nothing to do first.
pub(crate) struct May<P>(SignedIn, PhantomData<P>);

/// Whoever may see the hub. For what has no permission of its own.
pub(crate) type Caller = May<needs::HubRead>;

/// Whoever may operate the hub. For what has no permission of its own.
pub(crate) type Operator = May<needs::HubOperate>;

/// Whoever may set what holds for the whole tenant. For what has no permission of its own.
pub(crate) type Admin = May<needs::HubConfigure>;

impl<P> Deref for May<P> {
    type Target = SignedIn;

    fn deref(&self) -> &SignedIn {
        &self.0
    }
}

impl<P: Needs> Guard for May<P> {
    const ACCESS: Access = Access::Needs(P::PERMISSION);
}

impl<P: Needs> FromRequestParts<Portal> for May<P> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, ApiError> {
        let signed_in = SignedIn::from_request_parts(parts, portal).await?;
        if signed_in.session.user.must_change_password {
            return Err(ApiError::forbidden("set a password of your own first"));
        }
        if signed_in
            .session
            .proof
            .is_some_and(|proof| proof.must_enrol)
        {
            return Err(ApiError::forbidden("set up a second factor first"));
        }
        if signed_in.session.permissions.has(P::PERMISSION) {
            return Ok(Self(signed_in, PhantomData));
        }
        Err(lacks(&signed_in.session, P::PERMISSION))
    }
}

/// [`May`], and a person has shown password or second factor just now: for what an open browser shall
/// not be enough. Programs have nothing to show but their key.
pub(crate) struct Fresh<P>(May<P>);

impl<P> Deref for Fresh<P> {
    type Target = SignedIn;

    fn deref(&self) -> &SignedIn {
        &self.0
    }
}

impl<P: Needs> Guard for Fresh<P> {
    const ACCESS: Access = Access::Needs(P::PERMISSION);
    const STEP_UP: bool = true;
}

impl<P: Needs> FromRequestParts<Portal> for Fresh<P> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, ApiError> {
        let caller = May::from_request_parts(parts, portal).await?;
        if caller.session.proof.is_none_or(|proof| proof.is_fresh) {
            return Ok(Self(caller));
        }
        Err(stale_proof(&caller, parts).await)
    }
}

/// A person who is signed in and has shown password or second factor just now: for how they themselves
/// sign in. Programs cannot.
pub(crate) struct Proven(SignedIn);

impl Deref for Proven {
    type Target = SignedIn;

    fn deref(&self) -> &SignedIn {
        &self.0
    }
}

impl Guard for Proven {
    const ACCESS: Access = Access::Own;
    const STEP_UP: bool = true;
}

impl FromRequestParts<Portal> for Proven {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, ApiError> {
        let caller = SignedIn::from_request_parts(parts, portal).await?;
        caller.session_id()?;
        if caller.session.proof.is_some_and(|proof| proof.is_fresh) {
            return Ok(Self(caller));
        }
        Err(stale_proof(&caller, parts).await)
    }
}

/// Notes that a sensitive action was tried, and asks for password or factor.
async fn stale_proof(caller: &SignedIn, parts: &Parts) -> ApiError {
    metrics::counter!("syncline_step_ups_required_total").increment(1);
    let operation = parts.extensions.get::<Operation>();
    let operation = operation.map_or("", |operation| operation.id.as_str());
    let entry = Entry::refused("step_up", "user", caller.session.user.id);
    let entry = entry.after(serde_json::json!({"operation": operation}));
    let noted = async {
        let mut tx = caller.begin().await?;
        tx.audit(entry);
        tx.commit().await
    };
    match noted.await {
        Ok(()) => ApiError::new(
            Slug::StepUpRequired,
            "show your password or second factor again, then repeat this",
        ),
        Err(error) => error.into(),
    }
}

fn lacks(session: &Session, permission: Permission) -> ApiError {
    tracing::info!(
        tenant.id = %session.user.tenant,
        user.id = %session.user.id,
        permission = permission.as_str(),
        "a permission is missing"
    );
    metrics::counter!("syncline_permissions_missing_total", "permission" => permission.as_str())
        .increment(1);
    ApiError::forbidden(format!(
        "this needs the permission {permission}; an admin can grant it"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subject_of_a_path_is_the_id_in_it() {
        assert!(is_id("run_01934f00000000000000000000000000"));
        for part in [
            "",
            "runs",
            "run_1",
            "runs_01934f00000000000000000000000000",
            "_",
            "api",
        ] {
            assert!(!is_id(part), "{part}");
        }
    }
}
