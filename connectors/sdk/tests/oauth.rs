//! Sessions whose refresh tokens rotate: one refresher, stored before used.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use connector_sdk::{
    ConnectorError, ErrorKind, Grant, Http, HttpOptions, MemoryTokens, Result, Session,
    StoredTokens, TokenAnswer, TokenStore,
};
use futures::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};

const TTL: Duration = Duration::from_secs(1_800);

/// A system whose refresh tokens work once.
#[derive(Clone, Default)]
struct Rotating {
    asked: Arc<AtomicUsize>,
    valid: Arc<Mutex<Option<String>>>,
    name: &'static str,
}

impl Rotating {
    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Grant for Rotating {
    fn origin(&self) -> &str {
        self.name
    }

    async fn ask(&self, stored: Option<&SecretString>) -> Result<TokenAnswer> {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let mut valid = self.valid.lock().unwrap();
        let shown = stored.map(|secret| secret.expose_secret().to_owned());
        if valid.is_some() && *valid != shown {
            return Err(ConnectorError::auth("refused").with_code("invalid_grant"));
        }
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let refresh = format!("refresh-{number}");
        *valid = Some(refresh.clone());
        Ok(TokenAnswer {
            access_token: format!("access-{number}").into(),
            refresh_token: Some(refresh.into()),
            extra: BTreeMap::new(),
        })
    }
}

/// The clock stands still.
fn http() -> Http {
    Http::new(&HttpOptions::default(), || {
        SystemTime::UNIX_EPOCH + TTL * 1_000
    })
    .unwrap()
}

fn session(grant: &Rotating, store: impl TokenStore + 'static) -> Session<Rotating> {
    Session::new(grant.clone(), http(), Arc::new(store), TTL)
}

#[tokio::test]
async fn many_who_need_tokens_ask_once() {
    let (grant, store) = (Rotating::default(), MemoryTokens::default());
    let here = Arc::new(session(&grant, store.clone()));
    let there = Arc::new(session(&grant, store));
    let callers: Vec<_> = (0..20)
        .map(|at| {
            let session = Arc::clone(if at % 2 == 0 { &here } else { &there });
            tokio::spawn(async move { session.current().await.map(drop) })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    assert_eq!(grant.asked(), 1);
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_by_whoever_comes_first() {
    let (grant, store) = (Rotating::default(), MemoryTokens::default());
    let (here, there) = (session(&grant, store.clone()), session(&grant, store));
    let refused = here.current().await.unwrap();
    let refused_there = there.current().await.unwrap();
    let renewed = here.renewed(&refused).await.unwrap();
    let renewed_there = there.renewed(&refused_there).await.unwrap();
    assert_eq!(grant.asked(), 2, "the first sign-in and one renewal");
    let access = renewed.access_token.expose_secret();
    assert_eq!(access, renewed_there.access_token.expose_secret());
    assert_ne!(access, refused.access_token.expose_secret());
}

#[tokio::test]
async fn tokens_of_other_credentials_are_not_used() {
    let store = MemoryTokens::default();
    let old = Rotating {
        name: "old",
        ..Rotating::default()
    };
    session(&old, store.clone()).current().await.unwrap();
    let new = Rotating {
        name: "new",
        ..Rotating::default()
    };
    session(&new, store).current().await.unwrap();
    assert_eq!(new.asked(), 1);
}

/// A store in which others write, and which may fail.
#[derive(Clone, Default)]
struct Shaky {
    inner: MemoryTokens,
    /// Another process refreshes when this one has just got the right to.
    overtaken_by: Option<Arc<Session<Rotating>>>,
    loads: Arc<AtomicUsize>,
    broken: bool,
}

impl TokenStore for Shaky {
    fn load(&self) -> BoxFuture<'_, Result<StoredTokens>> {
        Box::pin(async {
            let stored = self.inner.load().await?;
            // After the second load (the one under the right) the other is quicker.
            if self.loads.fetch_add(1, Ordering::SeqCst) == 1
                && let Some(other) = &self.overtaken_by
            {
                let theirs = other.current().await?;
                other.renewed(&theirs).await?;
            }
            Ok(stored)
        })
    }

    fn acquire(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { Ok(()) })
    }

    fn save(&self, body: SecretString, over: i64) -> BoxFuture<'_, Result<i64>> {
        Box::pin(async move {
            if self.broken {
                return Err(ConnectorError::transient("the store is away"));
            }
            self.inner.save(body, over).await
        })
    }

    fn release(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test]
async fn a_refusal_after_somebody_else_rotated_is_not_the_end() {
    let (grant, inner) = (Rotating::default(), MemoryTokens::default());
    let other = Arc::new(session(&grant, inner.clone()));
    let first = other.current().await.unwrap();
    let shaky = Shaky {
        inner,
        overtaken_by: Some(other),
        ..Shaky::default()
    };
    let tokens = session(&grant, shaky).renewed(&first).await.unwrap();
    assert_eq!(tokens.access_token.expose_secret(), "access-2");
    assert_eq!(grant.asked(), 2, "ours was refused, theirs is used");
}

#[tokio::test(start_paused = true)]
async fn tokens_that_cannot_be_stored_are_not_used() {
    let grant = Rotating::default();
    let shaky = Shaky {
        broken: true,
        ..Shaky::default()
    };
    let session = session(&grant, shaky);
    let error = session.current().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Transient);
    assert!(session.current().await.is_err(), "nor later");
}

#[tokio::test]
async fn a_caller_who_gives_up_does_not_lose_the_rotated_token() {
    let (grant, store) = (Rotating::default(), MemoryTokens::default());
    let session = session(&grant, store.clone());
    let given_up = tokio::time::timeout(Duration::from_millis(1), session.current()).await;
    assert!(given_up.is_err());
    while store.load().await.unwrap().body.is_none() {
        // Without the save this never ends.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    session.current().await.unwrap();
    assert_eq!(grant.asked(), 1);
}
