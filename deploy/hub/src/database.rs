//! Which Postgres the hub uses: the one that DATABASE_URL names, or a private one.

use anyhow::{Context, Result};
use engine::{Clock, Store, StoreOptions};
use localpg::Cluster;
use secrecy::{ExposeSecret, SecretString};

use crate::cli::{Common, Pg, PgCommand};
use crate::files::Data;
use crate::terminal::say;

const DATABASE: &str = "syncline";

/// A Postgres that answers. What we started stops with [`Database::stop`].
pub(crate) struct Database {
    pub(crate) url: SecretString,
    ours: Option<Cluster>,
}

impl Database {
    /// The database to work on; a private Postgres is made and started where none is named.
    pub(crate) async fn find(common: &Common, data: &Data) -> Result<Self> {
        if let Some(url) = &common.database_url {
            return Ok(Self {
                url: url.clone(),
                ours: None,
            });
        }
        let dir = data.postgres();
        if !dir.join("data").exists() {
            say("Making a private Postgres, once …")?;
        }
        tokio::task::spawn_blocking(move || start(&dir))
            .await
            .context("starting Postgres was cut short")?
    }

    /// Stops the private Postgres if we started it.
    pub(crate) async fn stop(self) -> Result<()> {
        let Some(cluster) = self.ours else {
            return Ok(());
        };
        tokio::task::spawn_blocking(move || cluster.stop())
            .await
            .context("stopping Postgres was cut short")?
    }
}

fn start(dir: &std::path::Path) -> Result<Database> {
    let cluster = Cluster::open(dir)?;
    let started = cluster.start()?;
    cluster.create_database(DATABASE)?;
    let url = cluster.url(DATABASE).into();
    Ok(Database {
        url,
        ours: started.by_us.then_some(cluster),
    })
}

/// The URL that must be given, for commands that make no Postgres of their own.
pub(crate) fn given(common: &Common) -> Result<&SecretString> {
    common
        .database_url
        .as_ref()
        .context("set DATABASE_URL: this command uses no private Postgres")
}

/// Connects, with a message for the case that nobody answers.
pub(crate) async fn connect(url: &SecretString) -> Result<Store> {
    let options = StoreOptions::default();
    Store::connect(url.expose_secret(), &options, Clock::system())
        .await
        .context("cannot reach the database")
}

/// `syncline pg`: the private Postgres by hand.
pub(crate) fn control(common: &Common, pg: &Pg) -> Result<()> {
    let cluster = Cluster::open(Data::of(common)?.postgres())?;
    match pg.command {
        PgCommand::Start => {
            cluster.start()?;
            cluster.create_database(DATABASE)?;
            say(&cluster.url(DATABASE))
        }
        PgCommand::Stop => cluster.stop(),
        PgCommand::Url => say(&cluster.url(DATABASE)),
    }
}
