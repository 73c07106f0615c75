//! One private cluster in one folder: made by `initdb`, started and stopped by `pg_ctl`.
//!
//! ```text
//! DIR/data          what initdb made        DIR/server.log    what the server said
//! DIR/start.lock    held while starting     DIR/.s.PGSQL.5432 the socket
//! ```

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::programs::Programs;
use crate::user::{self, Account};
use crate::{place, sql};

/// A Postgres cluster in a folder of its own, reachable through a socket only its owner (and root)
/// can open. The user is `syncline`, a superuser without password.
#[derive(Debug, Clone)]
pub struct Cluster {
    dir: PathBuf,
    socket_dir: PathBuf,
    programs: Programs,
    account: Option<Account>,
    settings: &'static str,
}

/// What [`Cluster::start`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    /// The server was down and is now running: whoever asked should stop it. Otherwise it already
    /// ran and belongs to someone else.
    pub by_us: bool,
    /// The cluster did not exist before: it holds nothing but the database `postgres`.
    pub created: bool,
}

impl Cluster {
    /// The cluster in `dir`, whether or not it exists yet; makes nothing. `dir` is made absolute.
    ///
    /// # Errors
    /// No Postgres programs (the message says how to get some), none of the version that made the
    /// data, or a path that cannot be used.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(dir.as_ref(), "")
    }

    pub(crate) fn open_with(dir: &Path, settings: &'static str) -> Result<Self> {
        let dir = std::path::absolute(dir)
            .with_context(|| format!("cannot tell where {} is", dir.display()))?;
        let socket_dir = place::socket_dir(place::check_dir(&dir)?, user::current_uid()?);
        let major = match fs::read_to_string(dir.join("data/PG_VERSION")) {
            Ok(text) => Some(text.trim().parse().with_context(|| {
                format!("{} holds no version", dir.join("data/PG_VERSION").display())
            })?),
            Err(_missing) => None,
        };
        let programs = Programs::find_for(major)?;
        let account = user::account_for_postgres()?;
        Ok(Self {
            dir,
            socket_dir,
            programs,
            account,
            settings,
        })
    }

    /// The folder given to [`Cluster::open`], absolute.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The programs in use.
    #[must_use]
    pub fn programs(&self) -> &Programs {
        &self.programs
    }

    /// The connection URL of `database` (which need not exist).
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        place::url(&self.socket_dir, database)
    }

    /// Whether the server runs and answers on its socket.
    ///
    /// # Errors
    /// When `pg_ctl` cannot be run.
    pub fn is_running(&self) -> Result<bool> {
        if !self.data().join("postmaster.pid").exists() {
            return Ok(false);
        }
        let status = self
            .command("pg_ctl")?
            .arg("-D")
            .arg(self.data())
            .arg("status")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .context("cannot run pg_ctl")?;
        Ok(status.success() && UnixStream::connect(self.socket()).is_ok())
    }

    /// Makes the cluster if need be and starts the server unless it runs. Safe to call from several
    /// processes at once: one starts, the others find it running.
    ///
    /// # Errors
    /// With the server's or `initdb`'s own last words, on one line.
    pub fn start(&self) -> Result<Started> {
        if let Some(account) = &self.account
            && let Some(parent) = user::closed_parent(&self.dir, account)
        {
            bail!(
                "Postgres runs as user {} here, who may not enter {}: choose a data folder \
                 elsewhere, such as /var/lib/syncline/pg, or set DATABASE_URL",
                account.name,
                parent.display()
            );
        }
        user::make_private(&self.dir, self.account.as_ref())?;
        user::make_private(&self.socket_dir, self.account.as_ref())?;
        let lock_path = self.dir.join("start.lock");
        let lock = File::create(&lock_path)
            .with_context(|| format!("cannot write {}", lock_path.display()))?;
        lock.lock()
            .with_context(|| format!("cannot lock {}", lock_path.display()))?;

        if self.is_running()? {
            return Ok(Started {
                by_us: false,
                created: false,
            });
        }
        self.lend_programs()?;
        let created = !self.data().exists();
        if created {
            self.initdb()?;
        } else if self.runs_after_all()? {
            return Ok(Started {
                by_us: false,
                created: false,
            });
        }
        self.pg_ctl_start()?;
        Ok(Started {
            by_us: true,
            created,
        })
    }

    /// Stops the server, ending open connections. Stopping a server that does not run is fine.
    ///
    /// # Errors
    /// When it still runs after a minute.
    pub fn stop(&self) -> Result<()> {
        self.stop_as("fast")
    }

    /// Stops the server as a crash would: connections are cut and nothing is written down; the next
    /// start recovers. For tests of what that does to others.
    ///
    /// # Errors
    /// As [`Cluster::stop`].
    pub fn stop_at_once(&self) -> Result<()> {
        self.stop_as("immediate")
    }

    fn stop_as(&self, mode: &str) -> Result<()> {
        if !self.is_running()? {
            return Ok(());
        }
        let status = self
            .command("pg_ctl")?
            .arg("-D")
            .arg(self.data())
            .args(["-m", mode, "-s", "-t", "60", "stop"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .context("cannot run pg_ctl")?;
        // Somebody else may have stopped it in between; what counts is that it is down.
        if !status.success() && self.is_running()? {
            bail!(
                "Postgres in {} did not stop: {}",
                self.dir.display(),
                self.last_words()
            );
        }
        Ok(())
    }

    /// Runs statements, separated by semicolons, in `database`: one transaction unless they say
    /// otherwise. For making databases and applying migrations before a real client is there.
    ///
    /// Returns the first column of each row as text, nulls as empty strings.
    ///
    /// # Errors
    /// The server's message, with its hint and position.
    pub fn execute(&self, database: &str, statements: &str) -> Result<Vec<String>> {
        sql::execute(&self.socket(), database, statements)
    }

    /// Creates `database` unless it exists; returns whether it did.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn create_database(&self, database: &str) -> Result<bool> {
        let literal = database.replace('\'', "''");
        let known = self.execute(
            "postgres",
            &format!("select 1 from pg_database where datname = '{literal}'"),
        )?;
        if !known.is_empty() {
            return Ok(false);
        }
        let name = database.replace('"', "\"\"");
        self.execute("postgres", &format!("create database \"{name}\""))?;
        Ok(true)
    }

    /// Removes the folder with all data. The server must be stopped.
    ///
    /// # Errors
    /// When something is left.
    pub(crate) fn remove(&self) -> Result<()> {
        for dir in [&self.socket_dir, &self.dir] {
            if dir.exists() {
                fs::remove_dir_all(dir)
                    .with_context(|| format!("cannot remove {}", dir.display()))?;
            }
        }
        Ok(())
    }

    pub(crate) fn account(&self) -> Option<&Account> {
        self.account.as_ref()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    fn socket(&self) -> PathBuf {
        self.socket_dir.join(".s.PGSQL.5432")
    }

    fn log(&self) -> PathBuf {
        self.dir.join("server.log")
    }

    /// A program of ours, as the right user and unaffected by the caller's environment.
    pub(crate) fn command(&self, program: &str) -> Result<Command> {
        let lent = self.dir.join("programs/bin").join(program);
        let path = if lent.exists() {
            lent
        } else {
            self.programs.path(program)
        };
        let mut command = Command::new(path);
        let dir = if self.account.is_some() {
            Path::new("/")
        } else {
            &self.dir
        };
        command
            .current_dir(dir)
            .env("LC_ALL", "C")
            .stdin(Stdio::null());
        // PGPORT and its kin change the server's own defaults.
        for name in [
            "PGDATA",
            "PGPORT",
            "PGHOST",
            "PGOPTIONS",
            "PGUSER",
            "PGDATABASE",
        ] {
            command.env_remove(name);
        }
        user::run_as(&mut command, self.account.as_ref());
        Ok(command)
    }

    /// Copies the programs into our folder when the account that must run them cannot reach them,
    /// as below `/root`.
    fn lend_programs(&self) -> Result<()> {
        let Some(account) = &self.account else {
            return Ok(());
        };
        let version = self.command("postgres")?.arg("--version").output();
        if version.is_ok_and(|output| output.status.success()) {
            return Ok(());
        }
        let Some(native) = self.programs.bin.parent() else {
            return Ok(());
        };
        let target = self.dir.join("programs");
        copy_tree(native, &target)?;
        let works = self.command("postgres")?.arg("--version").output();
        match works {
            Ok(output) if output.status.success() => Ok(()),
            _ => bail!(
                "user {} cannot run the Postgres in {}, nor a copy of it in {}: set DATABASE_URL",
                account.name,
                native.display(),
                target.display()
            ),
        }
    }

    fn initdb(&self) -> Result<()> {
        // Made beside its place and then moved: a killed initdb leaves nothing that looks complete.
        let unfinished = self.dir.join("data.new");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)
                .with_context(|| format!("cannot remove {}", unfinished.display()))?;
        }
        let output = self
            .command("initdb")?
            .arg("-D")
            .arg(&unfinished)
            .args(["-U", "syncline", "-A", "trust", "-E", "UTF8"])
            .args(["--no-locale", "--no-instructions", "--no-sync"])
            .output()
            .with_context(|| format!("cannot run {}", self.programs.path("initdb").display()))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let hint = if said.contains("could not look up effective user ID") {
                " (this user id has no entry in /etc/passwd: set DATABASE_URL)"
            } else {
                ""
            };
            bail!(
                "initdb failed in {}: {}{hint}",
                self.dir.display(),
                one_line(&said)
            );
        }
        fs::rename(&unfinished, self.data())
            .with_context(|| format!("cannot make {}", self.data().display()))
    }

    fn pg_ctl_start(&self) -> Result<()> {
        let options = format!(
            "-c listen_addresses='' -c port=5432 -c unix_socket_directories='{}' \
             -c max_connections=200 {}",
            self.socket_dir.display(),
            self.settings
        );
        // A long wait, because recovery after a crash takes its time; a server that dies ends it.
        let status = self
            .command("pg_ctl")?
            .arg("-D")
            .arg(self.data())
            .args(["-w", "-s", "-t", "120", "-l"])
            .arg(self.log())
            .args(["-o", options.trim_end(), "start"])
            // The server inherits these, and a pipe to it would never close.
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .with_context(|| format!("cannot run {}", self.programs.path("pg_ctl").display()))?;
        if !status.success() {
            bail!(
                "Postgres did not start in {}: {}",
                self.dir.display(),
                self.last_words()
            );
        }
        Ok(())
    }

    /// Looks again at a server that has a pid file but does not answer: one that starts or stops
    /// right now is waited for; a file that names some other process, as after a crash of the
    /// machine or in a new container, is removed, because Postgres would refuse to start.
    fn runs_after_all(&self) -> Result<bool> {
        let path = self.data().join("postmaster.pid");
        for _ in 0..50 {
            let Ok(text) = fs::read_to_string(&path) else {
                return Ok(false);
            };
            let pid = text.lines().next().unwrap_or_default().trim();
            // Without /proc (macOS) Postgres itself has to tell.
            let Ok(name) = fs::read_to_string(format!("/proc/{pid}/comm")) else {
                return Ok(false);
            };
            if name.trim() != "postgres" {
                fs::remove_file(&path)
                    .with_context(|| format!("cannot remove {}", path.display()))?;
                return Ok(false);
            }
            if self.is_running()? {
                return Ok(true);
            }
            thread::sleep(Duration::from_millis(100));
        }
        Ok(false)
    }

    /// The end of the server's log as one line: what it said before it gave up.
    fn last_words(&self) -> String {
        let read = || -> std::io::Result<String> {
            let mut file = File::open(self.log())?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(4096)))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        match read() {
            Ok(text) => {
                let fatal = text
                    .rfind("FATAL")
                    .or_else(|| text.rfind("PANIC"))
                    .unwrap_or(0);
                format!(
                    "{} (see {})",
                    one_line(&text[fatal..]),
                    self.log().display()
                )
            }
            Err(error) => format!("no log in {}: {error}", self.log().display()),
        }
    }
}

/// The last few lines of a program's output, joined.
fn one_line(text: &str) -> String {
    let lines: Vec<_> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    lines[lines.len().saturating_sub(3)..].join("; ")
}

/// Copies a folder with its links as links, readable for everyone who can enter the target.
fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    let copy = || -> std::io::Result<()> {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            let target = to.join(entry.file_name());
            let kind = entry.file_type()?;
            if kind.is_symlink() {
                if target.symlink_metadata().is_err() {
                    std::os::unix::fs::symlink(fs::read_link(entry.path())?, target)?;
                }
            } else if kind.is_dir() {
                copy_tree(&entry.path(), &target).map_err(std::io::Error::other)?;
            } else {
                fs::copy(entry.path(), target)?;
            }
        }
        Ok(())
    };
    copy().with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}
