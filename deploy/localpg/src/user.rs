//! Who we are, and who runs Postgres: it refuses to run as root, so root lends its programs to
//! `postgres` or `nobody`.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The account that Postgres runs as when we are root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// The effective user id of this process.
///
/// # Errors
/// When neither `/proc/self` nor a temporary file can tell it.
pub fn current_uid() -> Result<u32> {
    if let Ok(metadata) = fs::metadata("/proc/self") {
        return Ok(metadata.uid());
    }
    // No /proc (macOS): a file that we make belongs to us.
    let path = std::env::temp_dir().join(format!("syncline-whoami-{}", std::process::id()));
    let made = fs::File::create_new(&path)
        .with_context(|| format!("cannot make a file in {}", std::env::temp_dir().display()))?;
    let uid = made.metadata()?.uid();
    fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    Ok(uid)
}

/// The account to run Postgres as: `None` means ourselves.
pub(crate) fn account_for_postgres() -> Result<Option<Account>> {
    if current_uid()? != 0 {
        return Ok(None);
    }
    let passwd = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
    match choose_account(&passwd) {
        Some(account) => Ok(Some(account)),
        None => bail!(
            "Postgres does not run as root, and /etc/passwd has neither a user postgres nor a user \
             nobody: run as an ordinary user, or set DATABASE_URL"
        ),
    }
}

fn choose_account(passwd: &str) -> Option<Account> {
    ["postgres", "nobody"].into_iter().find_map(|wanted| {
        passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            let uid = fields.nth(1)?.parse().ok()?;
            let gid = fields.next()?.parse().ok()?;
            (name == wanted && uid != 0).then(|| Account {
                name: name.to_owned(),
                uid,
                gid,
            })
        })
    })
}

/// Makes `command` run as `account`, which also drops the supplementary groups.
pub(crate) fn run_as(command: &mut Command, account: Option<&Account>) {
    if let Some(account) = account {
        command.uid(account.uid).gid(account.gid);
    }
}

/// Makes `dir` if it is missing, gives it to `account` (or leaves it ours) and closes it to others.
pub(crate) fn make_private(dir: &Path, account: Option<&Account>) -> Result<()> {
    let made = !dir.exists();
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let owner = fs::metadata(dir)?.uid();
    let wanted = match account {
        Some(account) => account.uid,
        None => current_uid()?,
    };
    if owner != wanted {
        // A folder that someone else put where ours belongs must not become ours by chown.
        let Some(account) = account.filter(|_| made || owner == 0) else {
            bail!(
                "{} belongs to user id {owner}, not to {wanted}: remove it",
                dir.display()
            );
        };
        chown(dir, Some(account.uid), Some(account.gid)).with_context(|| {
            format!(
                "cannot give {} to user {} (a container with a single user id?): set DATABASE_URL",
                dir.display(),
                account.name
            )
        })?;
    }
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700))
        .with_context(|| format!("cannot close {} to others", dir.display()))
}

/// The first folder above `path` that `account` may not enter.
pub(crate) fn closed_parent<'a>(path: &'a Path, account: &Account) -> Option<&'a Path> {
    path.ancestors().skip(1).find(|parent| {
        let Ok(metadata) = fs::metadata(parent) else {
            return false;
        };
        let mode = metadata.mode();
        let allowed = if metadata.uid() == account.uid {
            mode & 0o100
        } else if metadata.gid() == account.gid {
            mode & 0o010
        } else {
            mode & 0o001
        };
        allowed == 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postgres_is_preferred_to_nobody_and_root_is_never_taken() {
        let both =
            "root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\npostgres:x:101:104::/:/";
        assert_eq!(choose_account(both).unwrap().name, "postgres");
        let one = "root:x:0:0::/:/bin/sh\nnobody:x:65534:65533::/:/bin/sh\n";
        let account = choose_account(one).unwrap();
        assert_eq!((account.uid, account.gid), (65534, 65533));
        assert_eq!(choose_account("postgres:x:0:0::/:/bin/sh"), None);
        assert_eq!(choose_account("broken line\n\n"), None);
    }

    #[test]
    fn a_folder_closed_to_others_is_found_above_a_path() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("a/b/c");
        fs::create_dir_all(&inner).unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let stranger = Account {
            name: "stranger".to_owned(),
            uid: 4_000_001,
            gid: 4_000_001,
        };
        assert_eq!(closed_parent(&inner, &stranger), None);
        let closed = dir.path().join("a");
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(closed_parent(&inner, &stranger), Some(closed.as_path()));
    }
}
