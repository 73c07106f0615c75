//! The hub of one process.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::serve::{Listener, ListenerExt as _, TapIo};
use connector_sdk::{Http, HttpOptions, Reach};
use domain::factors::Factors;
use domain::factors::passkeys::RelyingParty;
use domain::factors::sms::SmsSender;
use domain::mails::Outbox;
use domain::sealed;
use domain::tenants::NewTenant;
use domain::users::{FirstAdmin, FirstAdminWish, Passwords, ensure_first_admin};
use engine::entity::CoreTables;
use engine::peers::Peers;
use engine::vault::Vault;
use engine::{Engine, Store};
use identity::dns::Resolver;
use identity::oidc::Oidc;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use portal_api::{Network, Portal, PortalParts, Providers};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use workflows::{Mailer, MailerOptions, Messenger, MessengerOptions};

use crate::tls::{Tls, TlsFiles};
use crate::{database, deletions, shipped};

/// Requests under way get this long at shutdown; streams of news would never end.
const GRACE: Duration = Duration::from_secs(3);

/// What a hub is started with.
#[derive(Clone)]
pub struct HubOptions {
    pub database_url: SecretString,
    pub vault: Vault,
    /// Where to serve; `None` serves nothing.
    pub listen: Option<SocketAddr>,
    /// Runs worked on at once; 0 works on none.
    pub workers: usize,
    /// Bring the schema up to date first; without, an old one is an error.
    pub migrate: bool,
    /// Made when the database is empty.
    pub admin: Option<AdminWish>,
    pub https: bool,
    /// Serve https with this certificate; `None` serves http.
    pub tls: Option<TlsFiles>,
    /// Where browsers reach the hub, for links in mails; the address it serves on unless given.
    pub public_url: Option<String>,
    /// How mail is sent; `None` sends none.
    pub mail: Option<MailerOptions>,
    /// Proxies whose word on host and address counts.
    pub trusted_proxies: Vec<Network>,
    /// Identity providers may be in private networks, and be reached without TLS.
    pub private_providers: bool,
    /// Systems are at public addresses, over https only.
    pub public_systems: bool,
    /// The domain that passkeys belong to; the host browsers reach the hub at unless given.
    pub passkey_domain: Option<String>,
    /// How messages to phones are sent; `None` sends none.
    pub messages: Option<MessengerOptions>,
}

/// Who the first admin shall be.
#[derive(Clone)]
pub struct AdminWish {
    pub email: String,
    pub password: Option<SecretString>,
    pub tenant: NewTenant,
}

/// A hub at work.
pub struct Hub {
    /// Where it is served; the port is the one that was taken.
    pub addr: Option<SocketAddr>,
    pub store: Store,
    pub peers: Peers,
    pub tables: CoreTables,
    pub engine: Option<Engine>,
    /// The first admin, if just made.
    pub first_admin: Option<FirstAdmin>,
    scheme: &'static str,
    stop: CancellationToken,
    serving: Option<JoinHandle<std::io::Result<()>>>,
    deleting: Option<JoinHandle<()>>,
}

impl Hub {
    /// Starts everything the options ask for, and returns when it is served.
    ///
    /// # Errors
    /// The address is taken, the database does not answer or has an old schema, the vault's key is
    /// not the one its credentials were sealed with.
    pub async fn start(options: HubOptions) -> Result<Self> {
        // First of all, because a taken port is the most common mistake and costs nothing to see.
        let listener = match options.listen {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let tls = options.tls.map(Tls::new).transpose()?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let store = database::connect(&options.database_url).await?;
        prepare(&store, options.migrate).await?;
        let vault = options.vault;
        sealed::check_key(&store, &vault)
            .await
            .context("the vault's key is not usable")?;
        let peers = peers(&store, &vault, options.public_systems)?;
        peers
            .check_key()
            .await
            .context("cannot open stored credentials")?;
        let tables = domain::core_tables();
        let passwords = Passwords::new().context("cannot hash passwords")?;
        let first_admin = match options.admin {
            Some(wish) => first_admin(&store, &passwords, wish).await?,
            None => None,
        };
        let outbox = options.mail.as_ref().map(|_| Outbox::new(vault.clone()));
        let mailer = match (&options.mail, &outbox) {
            (Some(mail), Some(outbox)) => Some(
                Mailer::new(mail, outbox.clone()).context("cannot send mail as it is set up")?,
            ),
            _ => None,
        };
        let engine = (options.workers > 0)
            .then(|| work(&store, &peers, &tables, &vault, mailer, options.workers));
        let stop = CancellationToken::new();
        store.feed().listen(stop.clone());
        let deleting = (options.workers > 0)
            .then(|| tokio::spawn(deletions::keep(store.clone(), stop.clone())));
        let (addr, serving) = match listener {
            None => (None, None),
            Some(listener) => {
                let addr = listener
                    .local_addr()
                    .context("cannot tell the served address")?;
                let only_known_hosts = options.public_url.is_some();
                let public_url = options
                    .public_url
                    .unwrap_or_else(|| format!("{scheme}://{addr}"));
                let factors = Factors {
                    passkeys: passkeys(&public_url, options.passkey_domain.as_deref())?,
                    sms: messenger(&store, options.messages.as_ref())?,
                    vault,
                };
                let portal = Portal::new(PortalParts {
                    store: store.clone(),
                    peers: peers.clone(),
                    tables: tables.clone(),
                    shipped: shipped::mappings(),
                    passwords,
                    metrics: metrics()?,
                    https: options.https || tls.is_some(),
                    tls: tls.is_some(),
                    public_url,
                    outbox,
                    providers: providers(&store, options.private_providers)?,
                    trusted_proxies: options.trusted_proxies,
                    only_known_hosts,
                    factors,
                });
                (
                    Some(addr),
                    Some(serve(listener, tls, portal, stop.clone())?),
                )
            }
        };
        Ok(Self {
            addr,
            scheme,
            store,
            peers,
            tables,
            engine,
            first_admin,
            stop,
            serving,
            deleting,
        })
    }

    /// Where people reach it.
    pub fn url(&self) -> Option<String> {
        self.addr.map(|addr| format!("{}://{addr}", self.scheme))
    }

    /// Ends serving and working; runs under way come to the end of their step.
    ///
    /// # Errors
    /// Serving had failed.
    pub async fn shutdown(self) -> Result<()> {
        self.stop.cancel();
        if let Some(serving) = self.serving {
            let ended = serving.await.context("serving was cut short")?;
            ended.context("serving failed")?;
        }
        if let Some(engine) = self.engine {
            engine.shutdown().await;
        }
        if let Some(deleting) = self.deleting {
            deleting.await.context("deleting tenants was cut short")?;
        }
        self.store.close().await;
        Ok(())
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                anyhow::anyhow!("{address} is taken: choose another with --listen")
            }
            _ => anyhow::Error::new(error).context(format!("cannot listen on {address}")),
        })
}

async fn prepare(store: &Store, migrate: bool) -> Result<()> {
    if migrate {
        return store.migrate().await.context("cannot migrate the database");
    }
    let migrated = store
        .is_migrated()
        .await
        .context("cannot read the database's schema")?;
    anyhow::ensure!(
        migrated,
        "the database's schema is old: run `syncline migrate`"
    );
    Ok(())
}

/// What speaks to systems. They stand in private networks too, unless whoever runs the hub says otherwise.
fn peers(store: &Store, vault: &Vault, public: bool) -> Result<Peers> {
    let clock = store.clock().clone();
    let options = HttpOptions {
        reach: if public {
            Reach::Public
        } else {
            Reach::Anywhere
        },
        ..HttpOptions::default()
    };
    let http = Http::new(&options, move || clock.system_time())
        .context("cannot set up the HTTP client")?;
    Ok(Peers::new(
        connector_registry::all(),
        http,
        store.clone(),
        vault.clone(),
    ))
}

/// What speaks to identity providers. Their addresses are chosen by tenants: they must not lead inside.
fn providers(store: &Store, private: bool) -> Result<Providers> {
    let clock = store.clock().clone();
    let options = HttpOptions {
        timeout: Duration::from_secs(15),
        max_body: 1 << 20,
        reach: if private {
            Reach::Anywhere
        } else {
            Reach::Public
        },
        ..HttpOptions::default()
    };
    let http = Http::new(&options, move || clock.system_time())
        .context("cannot set up the HTTP client of identity providers")?;
    Ok(Providers {
        oidc: Oidc::new(http, private),
        saml: saml(),
        resolver: Resolver::system(),
        plain: private,
    })
}

#[cfg(feature = "saml")]
fn saml() -> Option<Arc<dyn identity::saml::Saml>> {
    Some(Arc::new(saml::Xmlsec))
}

#[cfg(not(feature = "saml"))]
fn saml() -> Option<Arc<dyn identity::saml::Saml>> {
    None
}

/// The hub as browsers know it. An address of numbers is no name: then there are no passkeys, and a
/// domain that was given for them is a mistake.
fn passkeys(public_url: &str, domain: Option<&str>) -> Result<Option<RelyingParty>> {
    match RelyingParty::new(public_url, domain) {
        Ok(party) => Ok(Some(party)),
        Err(error) if domain.is_some() => Err(error).context("cannot offer passkeys"),
        Err(error) => {
            tracing::info!(%error, "no passkeys are offered");
            Ok(None)
        }
    }
}

fn messenger(
    store: &Store,
    options: Option<&MessengerOptions>,
) -> Result<Option<Arc<dyn SmsSender>>> {
    let Some(options) = options else {
        return Ok(None);
    };
    let clock = store.clock().clone();
    let messenger = Messenger::new(options, move || clock.system_time());
    let messenger = messenger.context("cannot send messages as it is set up")?;
    Ok(Some(Arc::new(messenger)))
}

async fn first_admin(
    store: &Store,
    passwords: &Passwords,
    wish: AdminWish,
) -> Result<Option<FirstAdmin>> {
    let email = domain::users::email(&wish.email).context("cannot make the first admin")?;
    let wish = FirstAdminWish {
        tenant: wish.tenant,
        email,
        password: wish.password,
    };
    ensure_first_admin(store, passwords, wish)
        .await
        .context("cannot make the first admin")
}

fn work(
    store: &Store,
    peers: &Peers,
    tables: &CoreTables,
    vault: &Vault,
    mailer: Option<Mailer>,
    workers: usize,
) -> Engine {
    let service = workflows::Hub {
        peers: peers.clone(),
        tables: tables.clone(),
        vault: vault.clone(),
        mailer,
    };
    Engine::builder(store.clone())
        .service(Arc::new(service))
        .register::<workflows::PreviewMapping>()
        .register::<workflows::PullStream>()
        .register::<workflows::PushWrites>()
        .register::<workflows::RetryFailures>()
        .register::<workflows::ApplyWithheld>()
        .register::<workflows::FollowMerge>()
        .register::<workflows::RemapStream>()
        .register::<workflows::RunCanary>()
        .register::<workflows::SweepStream>()
        .register::<workflows::UndoRun>()
        .register::<workflows::SendMail>()
        .register::<workflows::ErasePerson>()
        .register::<workflows::ExportPerson>()
        .register::<workflows::ApplyRetention>()
        .register::<engine::runtime::BulkRuns>()
        .concurrency(workers)
        .host(host())
        .start()
}

/// The machine's name, for people.
fn host() -> String {
    std::fs::read_to_string("/etc/hostname")
        .map(|name| name.trim().to_owned())
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".to_owned())
}

/// One recorder a process, whatever number of hubs a test starts in it.
fn metrics() -> Result<PrometheusHandle> {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    if let Some(handle) = HANDLE.get() {
        return Ok(handle.clone());
    }
    match PrometheusBuilder::new().install_recorder() {
        Ok(handle) => Ok(HANDLE.get_or_init(|| handle).clone()),
        // Another hub of this process installed it in this very moment.
        Err(error) => HANDLE
            .get()
            .cloned()
            .ok_or(error)
            .context("cannot record metrics"),
    }
}

fn serve(
    listener: TcpListener,
    tls: Option<Tls>,
    portal: Portal,
    stop: CancellationToken,
) -> Result<JoinHandle<std::io::Result<()>>> {
    let router = portal_api::router(portal);
    let Some(tls) = tls else {
        return Ok(tokio::spawn(answer(listener.tap_io(|_| {}), router, stop)));
    };
    let listener = tls.listen(listener, stop.clone())?;
    // Frames are written as they come: none waits for the one before to be acknowledged.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.get_ref().0.set_nodelay(true) {
            tracing::debug!(%error, "a connection cannot be told to send at once");
        }
    });
    Ok(tokio::spawn(answer(listener, router, stop)))
}

/// Answers requests until `stop`, and those under way for a moment after it.
async fn answer<L, F>(
    listener: TapIo<L, F>,
    router: axum::Router,
    stop: CancellationToken,
) -> std::io::Result<()>
where
    L: Listener<Addr = SocketAddr>,
    F: FnMut(&mut L::Io) + Send + 'static,
{
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let stopped = stop.clone();
    let server = axum::serve(listener, service)
        .with_graceful_shutdown(async move { stopped.cancelled().await });
    let overdue = async {
        stop.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        served = server => served,
        () = overdue => Ok(()),
    }
}
