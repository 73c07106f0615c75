//! Keeping an organisation in a file, so that a second start finds it again. What the file holds is
//! `saved`'s matter.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::future::Future;
use std::io::{self, BufReader, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::clock::Mode;
use super::saved::{LoadError, Snapshot};
use super::state::{State, lock};
use super::{SimOptions, Simulator};

/// Says whether anything worth keeping has changed; cheap to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    store: u64,
    logins: u64,
    clock: Mode,
}

impl Version {
    fn of(state: &State) -> Self {
        Self {
            store: state.store.edits(),
            logins: state.logins.edits,
            clock: state.clock.runs(),
        }
    }
}

/// The file that was written or read last and what it holds. Locked for the whole of a save.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept(Arc<Mutex<Option<(PathBuf, Version)>>>);

impl Kept {
    fn lock(&self) -> MutexGuard<'_, Option<(PathBuf, Version)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Simulator {
    /// Writes the organisation to a file: rows, recycle bin, delete log, fields, ids given out,
    /// the clock, the connected app's id and secret, refresh tokens, keys for JWT bearer. Not:
    /// sessions, authorization codes, query locators, Bulk jobs, faults and counts of requests; to
    /// a client a load looks like a restart of the server.
    ///
    /// The file appears whole or not at all and only its owner may read it; what is written first
    /// is named `<path>.new`. Blocks while it writes, the organisation goes on answering.
    ///
    /// # Errors
    /// When the file cannot be written, for instance because the folder is missing.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        self.save_holding(&mut self.kept.lock(), path)
    }

    /// The organisation a file holds, `None` if there is no such file. What `options` say of client
    /// id and secret goes before what the file says; the user's name and password are always the
    /// options'. The organisation's clock goes on as it was set.
    ///
    /// # Errors
    /// When the file cannot be read, is of another version (`InvalidData`), or is damaged (also
    /// `InvalidData`); the message says which. Never half an organisation.
    pub fn load(options: SimOptions, path: &Path) -> io::Result<Option<Self>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let loaded = Snapshot::read(BufReader::new(file)).and_then(|saved| saved.open(options));
        let simulator = loaded.map_err(|error| match error {
            LoadError::Io(error) => error,
            error => {
                let message = format!("cannot load {}: {error}", path.display());
                io::Error::new(io::ErrorKind::InvalidData, message)
            }
        })?;
        let version = Version::of(&lock(&simulator.state));
        *simulator.kept.lock() = Some((path.to_owned(), version));
        Ok(Some(simulator))
    }

    /// Saves to `path` whenever something has changed, looking every so often, until `shutdown`
    /// resolves, and then once more. A save that fails on the way is logged and tried again; what
    /// changed since the last one is lost if the process is killed.
    ///
    /// Let `shutdown` resolve when [`Simulator::serve`] has returned: requests that were open when
    /// serving was told to stop may still write.
    ///
    /// # Errors
    /// When the last save fails.
    pub async fn keep(
        &self,
        path: &Path,
        every: Duration,
        shutdown: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let mut shutdown = pin!(shutdown);
        loop {
            let over = tokio::select! {
                () = &mut shutdown => true,
                () = tokio::time::sleep(every) => false,
            };
            let (simulator, to) = (self.clone(), path.to_owned());
            let saving = tokio::task::spawn_blocking(move || simulator.save_changes(&to));
            let saved = saving.await.map_err(io::Error::other).flatten();
            match saved {
                saved if over => return saved.map(drop),
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "cannot save the simulated organisation"),
            }
        }
    }

    /// Saves unless the file holds it all already; whether it wrote.
    fn save_changes(&self, path: &Path) -> io::Result<bool> {
        let mut kept = self.kept.lock();
        let version = Version::of(&lock(&self.state));
        let held = kept.as_ref();
        if held.is_some_and(|(at, held)| at == path && *held == version) {
            return Ok(false);
        }
        self.save_holding(&mut kept, path).map(|()| true)
    }

    fn save_holding(&self, kept: &mut Option<(PathBuf, Version)>, path: &Path) -> io::Result<()> {
        let (version, snapshot) = {
            let state = lock(&self.state);
            (Version::of(&state), Snapshot::of(&state))
        };
        replace(path, |file| snapshot.write(file))?;
        *kept = Some((path.to_owned(), version));
        Ok(())
    }
}

/// Writes a file beside `path` and puts it in its place when it is whole and on the disk.
fn replace(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let name = path.file_name().ok_or_else(|| {
        let message = format!("{} does not name a file", path.display());
        io::Error::new(io::ErrorKind::InvalidInput, message)
    })?;
    let mut new_name = OsString::from(name);
    new_name.push(".new");
    let new = path.with_file_name(new_name);
    // A rest of a process that died; made anew, so that its rights are those given here.
    remove(&new)?;
    let written = write_new(&new, write).and_then(|()| fs::rename(&new, path));
    if let Err(error) = written {
        if let Err(left) = remove(&new) {
            tracing::debug!(error = %left, "cannot remove what was half written");
        }
        return Err(error);
    }
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn write_new(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    let mut file = BufWriter::new(file);
    write(&mut file)?;
    file.flush()?;
    file.get_ref().sync_all()
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
