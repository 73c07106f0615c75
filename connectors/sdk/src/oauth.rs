//! OAuth 2.0 sessions: asking a token endpoint, and keeping tokens that rotate.
//!
//! One refresher at a time over all processes, and new tokens are stored before they are used:
//! a rotated refresh token that is lost locks the connection out for good.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::{Backoff, ConnectorError, ErrorKind, Http, Result, TokenStore};

/// What a token endpoint answered.
#[derive(Clone, Debug)]
pub struct TokenAnswer {
    pub access_token: SecretString,
    /// Present where the grant has one; a rotating system sends a new one each time.
    pub refresh_token: Option<SecretString>,
    /// The answer's other texts (`instance_url`).
    pub extra: BTreeMap<String, String>,
}

/// Tokens in use.
#[derive(Clone, Debug)]
pub struct Tokens {
    pub access_token: SecretString,
    pub refresh_token: Option<SecretString>,
    pub extra: BTreeMap<String, String>,
    /// Seconds since 1970, by the process's clock.
    obtained_at: u64,
    origin: String,
}

/// How a system hands out tokens.
pub trait Grant: Send + Sync + 'static {
    /// Names the configured credentials without telling them (a hash): stored tokens of other
    /// credentials are not used.
    fn origin(&self) -> &str;

    /// Asks the system. `stored` is the newest refresh token on record, if any.
    fn ask(
        &self,
        stored: Option<&SecretString>,
    ) -> impl Future<Output = Result<TokenAnswer>> + Send;
}

/// The tokens of one connection.
pub struct Session<G> {
    inner: Arc<Inner<G>>,
}

struct Inner<G> {
    grant: G,
    http: Http,
    store: Arc<dyn TokenStore>,
    ttl: Duration,
    cached: Mutex<Option<Arc<Tokens>>>,
    flight: tokio::sync::Mutex<()>,
}

/// A failed save is tried again before the error is given up to the caller: what it would lose
/// may be the only refresh token that still works.
const SAVES: Backoff = Backoff {
    retries: 4,
    first: Duration::from_millis(100),
    longest: Duration::from_secs(2),
};

impl<G: Grant> Session<G> {
    /// Tokens older than `ttl` are renewed before use; systems that tell no lifetime need it.
    pub fn new(grant: G, http: Http, store: Arc<dyn TokenStore>, ttl: Duration) -> Self {
        let inner = Inner {
            grant,
            http,
            store,
            ttl,
            cached: Mutex::new(None),
            flight: tokio::sync::Mutex::new(()),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    pub fn grant(&self) -> &G {
        &self.inner.grant
    }

    /// Tokens to use now: remembered, stored, or freshly asked for.
    ///
    /// # Errors
    /// `Auth` when the system refuses the credentials; the store's and the network's otherwise.
    pub async fn current(&self) -> Result<Arc<Tokens>> {
        if let Some(tokens) = self.inner.cached(None) {
            return Ok(tokens);
        }
        self.fly(None).await
    }

    /// Tokens to use instead of those the system just refused.
    ///
    /// # Errors
    /// As [`Session::current`].
    pub async fn renewed(&self, refused: &Tokens) -> Result<Arc<Tokens>> {
        self.fly(Some(refused.access_token.clone())).await
    }

    /// Stores tokens that a person's consent brought, over whatever was there.
    ///
    /// # Errors
    /// The store's.
    pub async fn adopt(&self, answer: TokenAnswer) -> Result<()> {
        let inner = Arc::clone(&self.inner);
        alone(async move {
            inner.store.acquire().await?;
            let adopted = async {
                let over = inner.store.load().await?.revision;
                let tokens = inner.tokens(answer, None);
                inner.save(&tokens, over).await?;
                inner.remember(tokens);
                Ok(())
            }
            .await;
            inner.release().await;
            adopted
        })
        .await
    }

    async fn fly(&self, refused: Option<SecretString>) -> Result<Arc<Tokens>> {
        let _alone_here = self.inner.flight.lock().await;
        if let Some(tokens) = self.inner.cached(refused.as_ref()) {
            return Ok(tokens);
        }
        let inner = Arc::clone(&self.inner);
        alone(async move { inner.refresh(refused).await }).await
    }
}

/// Runs to its end even when the caller is cancelled: between the system's answer and the save
/// there is no safe place to stop.
async fn alone<T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    tokio::spawn(work).await.map_err(|error| {
        ConnectorError::transient("token refresh did not finish").with_source(error)
    })?
}

impl<G: Grant> Inner<G> {
    fn cached(&self, refused: Option<&SecretString>) -> Option<Arc<Tokens>> {
        let cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        let tokens = cached.as_ref()?;
        self.usable(tokens, refused).then(|| Arc::clone(tokens))
    }

    fn remember(&self, tokens: Tokens) -> Arc<Tokens> {
        let tokens = Arc::new(tokens);
        *self.cached.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&tokens));
        tokens
    }

    fn now(&self) -> u64 {
        seconds(self.http.now())
    }

    fn usable(&self, tokens: &Tokens, refused: Option<&SecretString>) -> bool {
        let access = tokens.access_token.expose_secret();
        tokens.origin == self.grant.origin()
            && self.now().saturating_sub(tokens.obtained_at) < self.ttl.as_secs()
            && refused.is_none_or(|refused| refused.expose_secret() != access)
    }

    fn tokens(&self, answer: TokenAnswer, previous: Option<SecretString>) -> Tokens {
        Tokens {
            access_token: answer.access_token,
            refresh_token: answer.refresh_token.or(previous),
            extra: answer.extra,
            obtained_at: self.now(),
            origin: self.grant.origin().to_owned(),
        }
    }

    /// Stored tokens of these credentials, and the revision they are stored under.
    async fn load(&self) -> Result<(Option<Tokens>, i64)> {
        let stored = self.store.load().await?;
        let tokens = stored.body.as_ref().map(Tokens::unseal).transpose()?;
        let ours = tokens.filter(|tokens| tokens.origin == self.grant.origin());
        Ok((ours, stored.revision))
    }

    async fn save(&self, tokens: &Tokens, over: i64) -> Result<i64> {
        let body = tokens.seal();
        SAVES
            .retry(
                || self.store.save(body.clone(), over),
                ConnectorError::is_retryable,
            )
            .await
    }

    async fn release(&self) {
        if let Err(error) = self.store.release().await {
            // The right to refresh lapses by itself: the next refresher waits, nothing is lost.
            tracing::warn!(%error, "right to refresh tokens could not be given back");
        }
    }

    async fn refresh(&self, refused: Option<SecretString>) -> Result<Arc<Tokens>> {
        // Most starts of a process find fresh tokens without asking for the right to refresh.
        if let (Some(tokens), _) = self.load().await?
            && self.usable(&tokens, refused.as_ref())
        {
            return Ok(self.remember(tokens));
        }
        self.store.acquire().await?;
        let refreshed = self.refresh_with_right(refused.as_ref()).await;
        self.release().await;
        refreshed
    }

    /// After our right had lapsed and another refresher stored first: what is stored counts.
    async fn theirs(&self, refused: Option<&SecretString>) -> Result<Arc<Tokens>> {
        match self.load().await? {
            (Some(tokens), _) if self.usable(&tokens, refused) => Ok(self.remember(tokens)),
            _ => Err(ConnectorError::transient(
                "another process is refreshing the tokens",
            )),
        }
    }

    async fn refresh_with_right(&self, refused: Option<&SecretString>) -> Result<Arc<Tokens>> {
        let (mut stored, mut revision) = self.load().await?;
        loop {
            if let Some(tokens) = stored.take_if(|tokens| self.usable(tokens, refused)) {
                return Ok(self.remember(tokens));
            }
            let previous = stored.and_then(|tokens| tokens.refresh_token);
            match self.grant.ask(previous.as_ref()).await {
                Ok(answer) => {
                    let tokens = self.tokens(answer, previous);
                    return match self.save(&tokens, revision).await {
                        Ok(_) => Ok(self.remember(tokens)),
                        Err(error) if error.kind == ErrorKind::Conflict => {
                            self.theirs(refused).await
                        }
                        Err(error) => Err(error),
                    };
                }
                Err(error) if error.kind == ErrorKind::Auth => {
                    // A refresher whose right had lapsed may have rotated under us.
                    let (newer, moved_to) = self.load().await?;
                    if moved_to == revision {
                        return Err(error);
                    }
                    (stored, revision) = (newer, moved_to);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// The stored form; it exists only on its way into and out of the sealed body.
#[derive(Serialize, Deserialize)]
struct Stored {
    access_token: String,
    refresh_token: Option<String>,
    #[serde(default)]
    extra: BTreeMap<String, String>,
    obtained_at: u64,
    origin: String,
}

impl Tokens {
    fn seal(&self) -> SecretString {
        let expose = |secret: &SecretString| secret.expose_secret().to_owned();
        let stored = Stored {
            access_token: expose(&self.access_token),
            refresh_token: self.refresh_token.as_ref().map(expose),
            extra: self.extra.clone(),
            obtained_at: self.obtained_at,
            origin: self.origin.clone(),
        };
        let text = serde_json::to_string(&stored).expect("texts and numbers are always json");
        SecretString::from(text)
    }

    fn unseal(body: &SecretString) -> Result<Self> {
        // serde's text could repeat a token: it stays out of the error.
        let Ok(stored) = serde_json::from_str::<Stored>(body.expose_secret()) else {
            return Err(ConnectorError::auth("stored tokens cannot be read"));
        };
        Ok(Self {
            access_token: stored.access_token.into(),
            refresh_token: stored.refresh_token.map(Into::into),
            extra: stored.extra,
            obtained_at: stored.obtained_at,
            origin: stored.origin,
        })
    }
}

/// Posts a form to a token endpoint once.
///
/// # Errors
/// `Auth` with the endpoint's `error` as code; `RateLimited` and `Transient` for 429 and 5xx;
/// `Config` when what answers is no token endpoint.
pub async fn ask_tokens(
    http: &Http,
    endpoint: url::Url,
    form: &[(&str, &str)],
) -> Result<TokenAnswer> {
    let request = http
        .request(::http::Method::POST, endpoint)
        .header("accept", "application/json")
        .form(form);
    let reply = http.send(request).await?;
    let status = reply.status.as_u16();
    if status == 429 {
        return Err(ConnectorError::new(
            ErrorKind::RateLimited,
            "token endpoint asks to slow down",
        )
        .with_retry_after(reply.retry_after().unwrap_or(Duration::from_secs(30))));
    }
    if status == 408 || reply.status.is_server_error() {
        return Err(ConnectorError::transient(format!(
            "token endpoint answered with status {status}"
        )));
    }
    let Ok(body) = serde_json::from_slice::<serde_json::Map<_, _>>(&reply.body) else {
        return Err(ConnectorError::config(format!(
            "what answers at the login address is no token endpoint (status {status}, no json)"
        )));
    };
    let mut texts: BTreeMap<String, String> = body
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_str()?.to_owned())))
        .collect();
    if let Some(code) = texts.remove("error") {
        let told = texts.remove("error_description").unwrap_or_default();
        return Err(refusal(code, &told, form));
    }
    let Some(access_token) = texts.remove("access_token") else {
        return Err(ConnectorError::config(format!(
            "what answers at the login address gives no access token (status {status})"
        )));
    };
    Ok(TokenAnswer {
        access_token: access_token.into(),
        refresh_token: texts.remove("refresh_token").map(Into::into),
        extra: texts,
    })
}

fn refusal(code: String, told: &str, form: &[(&str, &str)]) -> ConnectorError {
    // An endpoint may repeat what it was sent.
    let echoes = |text: &str| {
        form.iter()
            .any(|(_, value)| value.len() > 3 && text.contains(value))
    };
    let code = if echoes(&code) { String::new() } else { code };
    let message = if told.is_empty() || echoes(told) {
        format!("system refuses the credentials: {code}")
    } else {
        let told: String = told.chars().take(200).collect();
        format!("system refuses the credentials: {code}, {told}")
    };
    ConnectorError::auth(message).with_code(code)
}
