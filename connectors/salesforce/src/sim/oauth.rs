//! Logging in: the token endpoint with its flows, the authorize page, revoke, user info.

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

use super::ids::Id;
use super::rest::{Payload, Reply};
use super::seed::random_text;
use super::state::{Code, Family, Session, State};
use super::store::Value;

const CODE_LIFE: i64 = 15 * 60_000;
/// How far an assertion's expiry may lie back.
const SKEW: i64 = 180_000;

/// A form's or a query's fields.
pub(crate) type Form = Vec<(String, String)>;

fn field<'a>(form: &'a Form, name: &str) -> Option<&'a str> {
    form.iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
}

type Refusal = (u16, &'static str, &'static str);

const INVALID_CLIENT: Refusal = (400, "invalid_client", "invalid client credentials");
const INVALID_GRANT: Refusal = (400, "invalid_grant", "authentication failure");
const EXPIRED_TOKEN: Refusal = (400, "invalid_grant", "expired access/refresh token");

fn refused((status, error, description): Refusal) -> Reply {
    Reply::json(
        status,
        &json!({"error": error, "error_description": description}),
    )
}

/// `POST /services/oauth2/token`. `host` is the request's Host header, `base` our own address.
pub(crate) fn token(
    state: &mut State,
    form: &Form,
    headers: &HeaderMap,
    host: &str,
    base: &str,
) -> Reply {
    let granted = match field(form, "grant_type") {
        Some("client_credentials") => client_credentials(state, form, headers, host),
        Some("refresh_token") => refresh(state, form, headers),
        Some("authorization_code") => redeem(state, form, headers),
        Some("urn:ietf:params:oauth:grant-type:jwt-bearer") => jwt_bearer(state, form, base),
        Some("password") => password(state, form, headers),
        _ => Err((400, "unsupported_grant_type", "grant type not supported")),
    };
    match granted {
        Ok(grant) => Reply::json(200, &answer(state, grant, base)),
        Err(refusal) => refused(refusal),
    }
}

/// A successful login.
struct Grant {
    user: Id,
    family: Option<u64>,
    /// Sent along when it is new.
    refresh_token: Option<String>,
    /// The JWT answer has neither `issued_at` nor `signature`.
    signed: bool,
}

fn answer(state: &mut State, grant: Grant, base: &str) -> Json {
    let now = state.clock.now_ms();
    let token = open_session(state, grant.user, grant.family);
    let id = format!("{base}/id/{}/{}", state.org, grant.user);
    let mut body = json!({"access_token": token, "scope": "api refresh_token",
        "instance_url": base, "id": id, "token_type": "Bearer"});
    if grant.signed {
        let issued_at = now.to_string();
        body["signature"] =
            Json::from(signature(&state.client_secret, &format!("{id}{issued_at}")));
        body["issued_at"] = Json::from(issued_at);
    }
    if let Some(token) = grant.refresh_token {
        body["refresh_token"] = Json::from(token);
    }
    body
}

/// A new access token for a user.
pub(crate) fn open_session(state: &mut State, user: Id, family: Option<u64>) -> String {
    let token = random_text(&format!("{}!AQ", state.org.short()), 60);
    let session = Session {
        user,
        born: state.clock.now_ms(),
        calls: 0,
        family,
    };
    state.logins.sessions.insert(token.clone(), session);
    token
}

fn signature(secret: &str, text: &str) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(text.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// Checks id and secret, from the Basic header or the form.
fn check_client(
    state: &State,
    form: &Form,
    headers: &HeaderMap,
    secret_needed: bool,
) -> Result<(), Refusal> {
    let basic = headers
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Basic "))
        .and_then(|value| STANDARD.decode(value.trim()).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let (id, secret) = match basic.as_deref().and_then(|pair| pair.split_once(':')) {
        Some((id, secret)) => (Some(id), Some(secret)),
        None => (field(form, "client_id"), field(form, "client_secret")),
    };
    if id != Some(&state.client_id) {
        return Err((400, "invalid_client_id", "client identifier invalid"));
    }
    match secret {
        Some(secret) if secret == state.client_secret => Ok(()),
        None if !secret_needed => Ok(()),
        _ => Err(INVALID_CLIENT),
    }
}

fn client_credentials(
    state: &State,
    form: &Form,
    headers: &HeaderMap,
    host: &str,
) -> Result<Grant, Refusal> {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    if state
        .options
        .login_hosts
        .iter()
        .any(|login| login.eq_ignore_ascii_case(name))
    {
        return Err((400, "invalid_grant", "request not supported on this domain"));
    }
    check_client(state, form, headers, true)?;
    Ok(Grant {
        user: state.integration_user,
        family: None,
        refresh_token: None,
        signed: true,
    })
}

fn password(state: &State, form: &Form, headers: &HeaderMap) -> Result<Grant, Refusal> {
    check_client(state, form, headers, true)?;
    let user = field(form, "username").unwrap_or_default();
    if !check_password(state, user, field(form, "password").unwrap_or_default()) {
        return Err(INVALID_GRANT);
    }
    Ok(Grant {
        user: state.integration_user,
        family: None,
        refresh_token: None,
        signed: true,
    })
}

pub(crate) fn check_password(state: &State, username: &str, password: &str) -> bool {
    username == state.options.username && password == state.options.password
}

fn refresh(state: &mut State, form: &Form, headers: &HeaderMap) -> Result<Grant, Refusal> {
    check_client(state, form, headers, false)?;
    let token = field(form, "refresh_token").unwrap_or_default();
    let number = *state
        .logins
        .refresh_tokens
        .get(token)
        .ok_or(EXPIRED_TOKEN)?;
    let family = state
        .logins
        .families
        .get_mut(&number)
        .ok_or(EXPIRED_TOKEN)?;
    if family.revoked {
        return Err(EXPIRED_TOKEN);
    }
    if family.current != token {
        // A replaced token was used again: someone has a copy, so the whole chain dies.
        family.revoked = true;
        state.logins.edits += 1;
        state
            .logins
            .sessions
            .retain(|_, session| session.family != Some(number));
        return Err(EXPIRED_TOKEN);
    }
    let user = family.user;
    let mut replaced = None;
    if state.options.rotate_refresh_tokens {
        let new = random_text("5Aep861", 70);
        family.current.clone_from(&new);
        state.logins.refresh_tokens.insert(new.clone(), number);
        state.logins.edits += 1;
        replaced = Some(new);
    }
    Ok(Grant {
        user,
        family: Some(number),
        refresh_token: replaced,
        signed: true,
    })
}

fn redeem(state: &mut State, form: &Form, headers: &HeaderMap) -> Result<Grant, Refusal> {
    let code = field(form, "code").unwrap_or_default();
    let expired = (400, "invalid_grant", "expired authorization code");
    let code = state.logins.codes.remove(code).ok_or(expired)?;
    // With PKCE a client may do without a secret.
    check_client(state, form, headers, code.challenge.is_none())?;
    if state.clock.now_ms() - code.born > CODE_LIFE {
        return Err(expired);
    }
    if field(form, "redirect_uri") != Some(&code.redirect_uri) {
        return Err((
            400,
            "redirect_uri_mismatch",
            "redirect_uri must match configuration",
        ));
    }
    if let Some(challenge) = &code.challenge {
        let verifier = field(form, "code_verifier").unwrap_or_default();
        if URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes())) != *challenge {
            return Err((400, "invalid_grant", "invalid code verifier"));
        }
    }
    let number = state.next_serial();
    let token = random_text("5Aep861", 70);
    let family = Family {
        user: code.user,
        current: token.clone(),
        revoked: false,
    };
    state.logins.families.insert(number, family);
    state.logins.refresh_tokens.insert(token.clone(), number);
    state.logins.edits += 1;
    Ok(Grant {
        user: code.user,
        family: Some(number),
        refresh_token: Some(token),
        signed: true,
    })
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Json,
    exp: i64,
}

fn jwt_bearer(state: &State, form: &Form, base: &str) -> Result<Grant, Refusal> {
    let invalid = (400, "invalid_grant", "invalid assertion");
    let assertion = field(form, "assertion").unwrap_or_default();
    // Who it is about must be read before the key can be chosen; nothing is believed until checked.
    let payload = assertion
        .split('.')
        .nth(1)
        .and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let unchecked: Claims = payload
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .ok_or(invalid)?;
    if unchecked.iss != state.client_id {
        return Err((400, "invalid_client_id", "client identifier invalid"));
    }
    let not_approved = (400, "invalid_grant", "user hasn't approved this consumer");
    let pem = state
        .logins
        .jwt_keys
        .get(&unchecked.sub)
        .ok_or(not_approved)?;
    let key = DecodingKey::from_rsa_pem(pem.as_bytes()).map_err(|_error| invalid)?;
    let mut validation = Validation::new(Algorithm::RS256);
    // Audience and time are checked below, against the simulator's own address and clock.
    validation.validate_aud = false;
    validation.validate_exp = false;
    validation.required_spec_claims.clear();
    let claims = jsonwebtoken::decode::<Claims>(assertion, &key, &validation)
        .map_err(|_error| invalid)?
        .claims;
    let audiences = [
        "https://login.salesforce.com",
        "https://test.salesforce.com",
        base,
    ];
    if !claims
        .aud
        .as_str()
        .is_some_and(|aud| audiences.contains(&aud.trim_end_matches('/')))
    {
        return Err((400, "invalid_grant", "Audience validation failed"));
    }
    if claims.exp * 1000 + SKEW < state.clock.now_ms() {
        return Err((400, "invalid_grant", "expired authorization code"));
    }
    Ok(Grant {
        user: state.integration_user,
        family: None,
        refresh_token: None,
        signed: false,
    })
}

/// `GET /services/oauth2/authorize` shows a form, or grants at once with `auto=1`; the form's
/// `POST` grants or declines.
pub(crate) fn authorize(state: &mut State, form: &Form, submitted: bool) -> Reply {
    if field(form, "client_id") != Some(&state.client_id) {
        return refused((400, "invalid_client_id", "client identifier invalid"));
    }
    let Some(redirect_uri) = field(form, "redirect_uri").filter(|uri| !uri.is_empty()) else {
        return refused((400, "redirect_uri_missing", "missing redirect_uri"));
    };
    if field(form, "response_type") != Some("code") {
        return refused((
            400,
            "unsupported_response_type",
            "response type not supported",
        ));
    }
    let challenge = field(form, "code_challenge").map(str::to_owned);
    if challenge.is_some() && field(form, "code_challenge_method").is_some_and(|m| m != "S256") {
        return refused((400, "invalid_request", "code challenge method must be S256"));
    }
    let auto = field(form, "auto") == Some("1") || state.options.auto_grant;
    if !submitted && !auto {
        return Reply {
            status: 200,
            headers: vec![],
            payload: Payload::Text("text/html; charset=utf-8", page(form)),
        };
    }
    let mut answer = vec![];
    if submitted && field(form, "decision") == Some("deny") {
        answer.push(("error", "access_denied".to_owned()));
        answer.push((
            "error_description",
            "end-user denied authorization".to_owned(),
        ));
    } else {
        let code = random_text("aPrx", 60);
        let born = state.clock.now_ms();
        let user = state.integration_user;
        let redirect_uri = redirect_uri.to_owned();
        state.logins.codes.insert(
            code.clone(),
            Code {
                user,
                redirect_uri,
                challenge,
                born,
            },
        );
        answer.push(("code", code));
    }
    if let Some(value) = field(form, "state") {
        answer.push(("state", value.to_owned()));
    }
    let query: String = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(&answer)
        .finish();
    let joint = if redirect_uri.contains('?') { '&' } else { '?' };
    Reply::empty(302).with("location", format!("{redirect_uri}{joint}{query}"))
}

fn page(form: &Form) -> String {
    let escape = |text: &str| {
        text.replace('&', "&amp;")
            .replace('"', "&quot;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
    };
    let hidden: String = form
        .iter()
        .map(|(name, value)| {
            format!(
                "<input type=\"hidden\" name=\"{}\" value=\"{}\">",
                escape(name),
                escape(value)
            )
        })
        .collect();
    format!(
        "<!doctype html><html lang=\"en\"><title>Allow access?</title>\
         <h1>Allow access?</h1><p>Simulated Salesforce. An application asks to use the API.</p>\
         <form method=\"post\" action=\"/services/oauth2/authorize\">{hidden}\
         <button name=\"decision\" value=\"allow\">Allow</button> \
         <button name=\"decision\" value=\"deny\">Deny</button></form></html>"
    )
}

/// `POST /services/oauth2/revoke` with `token=`, access or refresh.
pub(crate) fn revoke(state: &mut State, form: &Form) -> Reply {
    let token = field(form, "token").unwrap_or_default();
    if state.logins.sessions.remove(token).is_some() {
        return Reply::empty(200);
    }
    let Some(number) = state.logins.refresh_tokens.get(token).copied() else {
        return refused((
            400,
            "unsupported_token_type",
            "this token type is not supported",
        ));
    };
    if let Some(family) = state.logins.families.get_mut(&number) {
        family.revoked = true;
        state.logins.edits += 1;
    }
    state
        .logins
        .sessions
        .retain(|_, session| session.family != Some(number));
    Reply::empty(200)
}

/// `GET /services/oauth2/userinfo` and the identity URL.
pub(crate) fn user_info(state: &State, token: &str, base: &str) -> Reply {
    let Some(session) = state.logins.sessions.get(token) else {
        let text = "Bad_OAuth_Token".to_owned();
        return Reply {
            status: 403,
            headers: vec![],
            payload: Payload::Text("text/html", text),
        };
    };
    let Some(row) = state.store.row(session.user) else {
        return Reply::empty(404);
    };
    let object = &state.store.tables[state.store.table_of(session.user).unwrap_or_default()].object;
    let text = |name: &str| {
        let value = object
            .field(name)
            .map_or(Value::Null, |field| field.read(row));
        value.as_text().unwrap_or_default().to_owned()
    };
    let id = format!("{base}/id/{}/{}", state.org, session.user);
    Reply::json(
        200,
        &json!({
            "sub": id, "id": id, "user_id": session.user.to_string(),
            "organization_id": state.org.to_string(), "preferred_username": text("Username"),
            "username": text("Username"), "nickname": "integration", "name": text("Name"),
            "display_name": text("Name"), "email": text("Email"), "email_verified": true,
            "zoneinfo": text("TimeZoneSidKey"), "user_type": "STANDARD", "active": true,
            "is_app_installed": true,
            "urls": {"rest": format!("{base}/services/data/v{{version}}/"),
                     "sobjects": format!("{base}/services/data/v{{version}}/sobjects/"),
                     "query": format!("{base}/services/data/v{{version}}/query/")},
        }),
    )
}
