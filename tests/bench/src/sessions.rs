//! What signing in costs those who are signed in: the permission check of a request alone, and an
//! authenticated request among ten thousand active sessions, over HTTP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use domain::sessions::stages::{self, First, Stage};
use domain::sessions::{self, Credential, From, Token};
use domain::tenants::{self, NewTenant};
use domain::users::{self, NewUser, Role};
use engine::vault::Vault;
use engine::{Clock, Store, StoreOptions};
use hub::{Hub, HubOptions};
use localpg::Cluster;
use tokio::task::JoinSet;

#[derive(Args)]
pub(crate) struct SessionsBench {
    /// Active sessions.
    #[arg(long, default_value_t = 10_000)]
    sessions: usize,
    /// Requests over HTTP.
    #[arg(long, default_value_t = 20_000)]
    requests: usize,
    /// Requests a second that are sent, whatever the answers take.
    #[arg(long, default_value_t = 200)]
    rate: u64,
    /// Checks of a permission, one after the other.
    #[arg(long, default_value_t = 5_000)]
    checks: usize,
}

/// What is asked for the check alone.
const WITHIN: Duration = Duration::from_millis(1);
/// What is asked for a request.
const ANSWER: Duration = Duration::from_millis(50);

pub(crate) async fn run(bench: &SessionsBench) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let cluster = Cluster::open(folder.path().join("pg"))?;
    cluster.start()?;
    let outcome = measured(bench, &cluster).await;
    cluster.stop()?;
    outcome
}

async fn measured(bench: &SessionsBench, cluster: &Cluster) -> Result<()> {
    cluster.create_database("sessions")?;
    let url = cluster.url("sessions");
    let vault = Vault::new(&Vault::fresh_key()?)?;
    let hub = Hub::start(HubOptions {
        database_url: url.as_str().into(),
        vault: vault.clone(),
        listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        workers: 0,
        migrate: true,
        admin: None,
        https: false,
        tls: None,
        public_url: None,
        mail: None,
        passkey_domain: None,
        messages: None,
        trusted_proxies: Vec::new(),
        private_providers: false,
        public_systems: false,
    })
    .await?;
    let store = Store::connect(&url, &StoreOptions::default(), Clock::system()).await?;
    let started = Instant::now();
    let tokens = Arc::new(sign_in_all(&store, bench.sessions).await?);
    println!(
        "{:<44}{:>12.1} s",
        format!("{} sessions opened", tokens.len()),
        started.elapsed().as_secs_f64()
    );
    let check = checks(&store, &vault, &tokens, bench.checks).await?;
    let answers = requests(&hub, &tokens, bench).await?;
    hub.shutdown().await?;
    store.close().await;
    verdict("permission check, p99 over one transaction", check, WITHIN);
    verdict("authenticated request, p99", answers, ANSWER);
    Ok(())
}

fn verdict(what: &str, found: Duration, wanted: Duration) {
    let word = if found < wanted { "kept" } else { "MISSED" };
    println!(
        "{what:<44}{:>12.3} ms  (under {wanted:?}: {word})",
        found.as_secs_f64() * 1e3
    );
}

/// One user for a hundred sessions, each session opened as a sign-in opens it.
async fn sign_in_all(store: &Store, wanted: usize) -> Result<Vec<String>> {
    let mut tx = store.begin_system().await?;
    let tenant = NewTenant {
        name: "Bench".to_owned(),
        environment: "test".to_owned(),
    };
    let tenant = tenants::insert(&mut tx, &tenant).await?;
    tx.commit().await?;
    let mut tokens = Vec::with_capacity(wanted);
    while tokens.len() < wanted {
        let email = format!("user{}@bench.example", tokens.len());
        let new = NewUser {
            tenant,
            email: email.clone(),
            name: "User".to_owned(),
            role: Role::Manager,
            password_hash: "none".to_owned(),
            must_change_password: false,
        };
        let mut tx = store.begin_system().await?;
        users::insert(&mut tx, &new).await?;
        let found = users::find_by_email(&mut tx, &email).await?;
        tx.commit().await?;
        let user = found.context("the user was just made")?.user;
        let mut tx = store.begin(tenant).await?;
        let policy = domain::security::current(&mut tx).await?.policy;
        for _ in 0..100.min(wanted - tokens.len()) {
            let from = From::default();
            let stage = stages::proceed(&mut tx, &user, &policy, First::Password, None, &from);
            let Stage::Open(opened) = stage.await? else {
                anyhow::bail!("no second factor was set up");
            };
            tokens.push(opened.token.expose().to_owned());
        }
        tx.commit().await?;
    }
    Ok(tokens)
}

/// Finding who calls and what they may, less what an empty transaction of the same kind takes: both are
/// taken in turn, so that what the machine does meanwhile meets both.
async fn checks(
    store: &Store,
    vault: &Vault,
    tokens: &[String],
    rounds: usize,
) -> Result<Duration> {
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let token = Token::of(&tokens[(round * 7919) % tokens.len()]);
        let begun = Instant::now();
        let tx = store.begin_system_relaxed().await?;
        tx.commit().await?;
        without.push(begun.elapsed());
        let begun = Instant::now();
        let credential = Credential::Cookie(token);
        let found = sessions::identify(store, vault, &credential, None, "bench").await?;
        let session = found.session.context("the session holds")?;
        ensure!(
            session
                .permissions
                .has(domain::permissions::Permission::HubRead)
        );
        with.push(begun.elapsed());
    }
    let (with, without) = (
        figures("check with its transaction", with),
        figures("empty transaction", without),
    );
    Ok(with.saturating_sub(without))
}

async fn requests(hub: &Hub, tokens: &Arc<Vec<String>>, bench: &SessionsBench) -> Result<Duration> {
    let url = format!("{}/api/v1/session", hub.url().context("the hub is served")?);
    let client = client()?;
    let failed = Arc::new(AtomicUsize::new(0));
    let mut answers = JoinSet::new();
    let begun = tokio::time::Instant::now();
    for at in 0..bench.requests {
        let due = begun + Duration::from_nanos(1_000_000_000 / bench.rate.max(1) * at as u64);
        tokio::time::sleep_until(due).await;
        let (client, url, tokens, failed) =
            (client.clone(), url.clone(), tokens.clone(), failed.clone());
        answers.spawn(async move {
            let token = &tokens[(at * 7919) % tokens.len()];
            let cookie = format!("syncline_session={token}");
            let answer = client.get(url).header("cookie", cookie).send().await;
            if !answer.is_ok_and(|answer| answer.status().is_success()) {
                failed.fetch_add(1, Ordering::Relaxed);
            }
            // From when it was due, not from when it was sent: a queue is part of the wait.
            due.elapsed()
        });
    }
    let took = answers.join_all().await;
    let failed = failed.load(Ordering::Relaxed);
    ensure!(failed == 0, "{failed} requests were not answered well");
    Ok(figures("authenticated request", took))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark is a client from outside"
)]
fn client() -> Result<reqwest::Client> {
    drop(rustls::crypto::ring::default_provider().install_default());
    Ok(reqwest::Client::builder()
        .timeout(Duration::from_secs(30))
        .build()?)
}

/// Prints p50, p99 and the longest; answers p99.
fn figures(what: &str, mut took: Vec<Duration>) -> Duration {
    took.sort_unstable();
    let at = |share: f64| {
        let place = (took.len() as f64 * share) as usize;
        took.get(place.min(took.len().saturating_sub(1)))
            .copied()
            .unwrap_or_default()
    };
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    let (half, most, longest) = (at(0.5), at(0.99), at(1.0));
    println!(
        "{what:<44}{:>9.3} ms p50{:>9.3} ms p99{:>9.3} ms longest",
        millis(half),
        millis(most),
        millis(longest)
    );
    most
}
