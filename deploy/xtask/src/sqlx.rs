//! `.sqlx`: what the checked queries know of the database, so that a build needs none.
//!
//! The query macros of sqlx write one file for each query into the folder `SQLX_OFFLINE_DIR` when
//! they are compiled with a `DATABASE_URL` and without `SQLX_OFFLINE`: that is all that
//! `cargo sqlx prepare` does, and so it is not needed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};

use crate::{pg, run, tree};

pub(crate) fn run(only_check: bool) -> Result<()> {
    touch_queries()?;
    let mut check = run::cargo();
    check.args(["check", "--workspace", "--all-targets"]);
    let fresh = gather("cargo check against a migrated database", &mut check)?;
    // What was just compiled knows the database; builds from here on must read the files again.
    touch_queries()?;
    compare(&fresh, only_check)
}

/// Fails unless `.sqlx` is what this build of everything, from nothing, gathers.
pub(crate) fn check(what: &str, build: &mut Command) -> Result<()> {
    compare(&gather(what, build)?, true)
}

type Queries = BTreeMap<String, String>;

/// Builds against a migrated database; what the macros wrote meanwhile.
fn gather(what: &str, build: &mut Command) -> Result<Queries> {
    let dir = tree::target().join("sqlx-fresh");
    if dir.exists() {
        fs::remove_dir_all(&dir).with_context(|| format!("cannot empty {}", dir.display()))?;
    }
    fs::create_dir_all(&dir)?;
    let throwaway = pg::throwaway()?;
    let cluster = throwaway.cluster();
    cluster.create_database("checked")?;
    pg::migrate(cluster, "checked")?;
    build
        .env("DATABASE_URL", cluster.url("checked"))
        .env("SQLX_OFFLINE", "false")
        .env("SQLX_OFFLINE_DIR", &dir);
    run::step(what, build)?;
    read(&dir)
}

fn compare(fresh: &Queries, only_check: bool) -> Result<()> {
    let committed_dir = tree::root().join(".sqlx");
    let committed = if committed_dir.is_dir() {
        read(&committed_dir)?
    } else {
        Queries::new()
    };
    if *fresh == committed {
        eprintln!("  .sqlx is up to date: {} queries", fresh.len());
        return Ok(());
    }
    let missing = fresh
        .iter()
        .filter(|(name, text)| committed.get(*name) != Some(text))
        .count();
    let stale = committed
        .keys()
        .filter(|name| !fresh.contains_key(*name))
        .count();
    if only_check {
        bail!(".sqlx is out of date ({missing} new or changed, {stale} unused): cargo x sqlx");
    }
    fs::create_dir_all(&committed_dir)?;
    for name in committed.keys().filter(|name| !fresh.contains_key(*name)) {
        fs::remove_file(committed_dir.join(name))?;
    }
    for (name, text) in fresh {
        fs::write(committed_dir.join(name), text)?;
    }
    eprintln!(
        "  .sqlx: {} queries, {missing} new or changed, {stale} removed",
        fresh.len()
    );
    Ok(())
}

/// Makes cargo compile again every file with a checked query; it does not see the database change.
#[expect(
    clippy::disallowed_methods,
    reason = "the time of a file, for cargo to compare"
)]
fn touch_queries() -> Result<()> {
    let now = SystemTime::now();
    let macros = ["query", "query_as", "query_scalar"].map(|name| format!("{name}!("));
    for file in tree::files(tree::root(), |path| {
        path.extension().is_some_and(|e| e == "rs")
    })? {
        let text = fs::read_to_string(&file)
            .with_context(|| format!("cannot read {}", tree::shown(&file)))?;
        if macros.iter().any(|call| text.contains(call)) {
            fs::File::options()
                .write(true)
                .open(&file)?
                .set_modified(now)?;
        }
    }
    Ok(())
}

fn read(dir: &Path) -> Result<Queries> {
    tree::files(dir, |path| {
        path.extension()
            .is_some_and(|extension| extension == "json")
    })?
    .into_iter()
    .map(|path| {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok((name, text))
    })
    .collect()
}
