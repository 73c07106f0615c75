//! Where a cluster lies, and where its socket lies: a socket's path may have 107 bytes, a folder's
//! may have many more.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::{environment, user};

/// Longest path of a Unix socket that both Linux (108 with the final zero) and macOS (104) take.
const LONGEST_SOCKET_PATH: usize = 103;
const SOCKET_NAME: &str = "/.s.PGSQL.5432";

/// Where the cluster of `syncline up` and `syncline demo` lies unless `--data` says otherwise.
///
/// Root: `/var/lib/syncline/pg`. Others: `$XDG_DATA_HOME/syncline/pg`, `~/.local/share/syncline/pg`,
/// on macOS `~/Library/Application Support/syncline/pg`.
///
/// # Errors
/// When the home folder is unknown.
pub fn default_dir() -> Result<PathBuf> {
    if user::current_uid()? == 0 {
        return Ok(PathBuf::from("/var/lib/syncline/pg"));
    }
    if let Some(data) = environment::folder("XDG_DATA_HOME").filter(|dir| dir.is_absolute()) {
        return Ok(data.join("syncline/pg"));
    }
    let home = environment::folder("HOME")
        .context("HOME is not set: name a folder for the data with --data")?;
    let data = if cfg!(target_os = "macos") {
        "Library/Application Support"
    } else {
        ".local/share"
    };
    Ok(home.join(data).join("syncline/pg"))
}

/// Refuses folders that `pg_ctl` cannot hand to its shell.
pub(crate) fn check_dir(dir: &Path) -> Result<&str> {
    let Some(text) = dir.to_str() else {
        bail!(
            "{} is not UTF-8: choose another folder for Postgres",
            dir.display()
        );
    };
    if let Some(bad) = text
        .chars()
        .find(|c| c.is_control() || matches!(c, '"' | '$' | '`' | '\\'))
    {
        bail!("{text} contains {bad:?}, which pg_ctl cannot take: choose another folder");
    }
    Ok(text)
}

/// The folder of the socket: the cluster's own, or a short one below `/tmp` when its path is too
/// long for a socket or holds characters that a Postgres setting would split at.
pub(crate) fn socket_dir(dir: &str, uid: u32) -> PathBuf {
    let fits = dir.len() + SOCKET_NAME.len() <= LONGEST_SOCKET_PATH;
    if fits && !dir.contains(['\'', ',']) {
        return PathBuf::from(dir);
    }
    PathBuf::from(format!(
        "/tmp/syncline-{uid}-{:016x}",
        fnv1a(dir.as_bytes())
    ))
}

/// FNV-1a: the same number for the same path with every compiler, which std's hasher is not.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The connection URL for a database behind the socket in `socket_dir`.
pub(crate) fn url(socket_dir: &Path, database: &str) -> String {
    let host = percent_encode(&socket_dir.to_string_lossy());
    // The port is said because clients take an absent one from PGPORT.
    format!(
        "postgres:///{}?host={host}&port=5432&user=syncline",
        percent_encode(database)
    )
}

fn percent_encode(text: &str) -> String {
    text.bytes()
        .fold(String::with_capacity(text.len()), |mut out, byte| {
            if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
                out.push(char::from(byte));
            } else {
                out.push_str(&format!("%{byte:02X}"));
            }
            out
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_gets_a_short_socket_folder_and_always_the_same() {
        let long = format!("/srv/{}", "deep/".repeat(30));
        let socket = socket_dir(&long, 1000);
        assert_eq!(socket, socket_dir(&long, 1000));
        assert!(socket.starts_with("/tmp"));
        assert!(socket.as_os_str().len() + SOCKET_NAME.len() <= LONGEST_SOCKET_PATH);
        assert_ne!(socket, socket_dir(&format!("{long}x"), 1000));
        assert_eq!(socket_dir("/data/pg", 1000), PathBuf::from("/data/pg"));
        assert!(socket_dir("/data/a,b", 1000).starts_with("/tmp"));
    }

    #[test]
    fn names_in_a_url_are_encoded() {
        let url = url(Path::new("/srv/a b/&pg"), "one two");
        assert_eq!(
            url,
            "postgres:///one%20two?host=/srv/a%20b/%26pg&port=5432&user=syncline"
        );
    }

    #[test]
    fn a_folder_that_a_shell_would_change_is_refused() {
        assert!(check_dir(Path::new("/data/$HOME")).is_err());
        assert!(check_dir(Path::new("/data/with space")).is_ok());
    }
}
