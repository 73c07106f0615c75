//! Whether this machine can build the hub with SAML, which needs C libraries. Builds, tests and lints
//! take it along where it can; CI installs what it needs, and fails without.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run;

/// What turns it on.
const FEATURES: [&str; 2] = ["--features", "hub/saml,saml/xmlsec"];
/// What a Debian has to have for it.
pub(crate) const PACKAGES: &str =
    "xmlsec1 libxmlsec1-dev libxml2-dev libxslt1-dev libclang-dev pkg-config libssl-dev";

/// Arguments of cargo that build with SAML where this machine can.
pub(crate) fn features() -> &'static [&'static str] {
    if is_possible() { &FEATURES } else { &[] }
}

/// Adds them.
pub(crate) fn add_to(cargo: &mut Command) -> &mut Command {
    cargo.args(features())
}

/// Whether the libraries, their headers and what reads those are there.
pub(crate) fn is_possible() -> bool {
    let libraries = ["xmlsec1", "libxml-2.0", "openssl"];
    run::exists("pkg-config", &[&["--exists"][..], &libraries[..]].concat()) && has_libclang()
}

fn has_libclang() -> bool {
    let given = run::variable("LIBCLANG_PATH").map(PathBuf::from);
    let installed = std::fs::read_dir("/usr/lib").into_iter().flatten();
    let installed = installed.filter_map(|entry| Some(entry.ok()?.path().join("lib")));
    given
        .into_iter()
        .chain(installed)
        .any(|folder| holds_libclang(&folder))
}

fn holds_libclang(folder: &Path) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(Result::ok).any(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.starts_with("libclang") && !name.starts_with("libclang-cpp") && name.contains(".so")
    })
}
