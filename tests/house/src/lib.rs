//! The source tree as the house's rules look at it. The rules themselves are the tests beside this
//! crate, one file each.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// A file that git knows or would add.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// From the root, with forward slashes.
    pub name: String,
    pub path: PathBuf,
}

impl SourceFile {
    /// Whether the name ends in one of these.
    #[must_use]
    pub fn is(&self, endings: &[&str]) -> bool {
        endings.iter().any(|ending| self.name.ends_with(ending))
    }

    /// The text; what is not UTF-8 is replaced.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn text(&self) -> Result<String> {
        let bytes = fs::read(&self.path).with_context(|| format!("cannot read {}", self.name))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// The workspace's root folder.
#[must_use]
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors()
        .nth(2)
        .expect("this crate lies two folders below the root")
}

/// All files of the project: tracked, or new and not ignored.
///
/// # Errors
/// When git cannot be asked.
pub fn files() -> Result<Vec<SourceFile>> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root())
        .output()
        .context("cannot run git")?;
    if !output.status.success() {
        bail!(
            "git ls-files: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let names = String::from_utf8(output.stdout).context("a file name is not UTF-8")?;
    Ok(names
        .split('\0')
        .filter(|name| !name.is_empty())
        .map(|name| SourceFile {
            name: name.to_owned(),
            path: root().join(name),
        })
        .filter(|file| file.path.is_file())
        .collect())
}

/// The sources that people write: programs, statements, scripts, settings; nothing generated.
///
/// # Errors
/// When git cannot be asked.
pub fn sources() -> Result<Vec<SourceFile>> {
    let endings = [
        ".rs",
        ".ts",
        ".tsx",
        ".js",
        ".css",
        ".html",
        ".sql",
        ".toml",
        ".sh",
        ".py",
        ".yaml",
        ".yml",
        ".md",
        ".txt",
        "Dockerfile",
        ".ci/run",
    ];
    let generated = [
        "schema.d.ts",
        "route-tree.gen.ts",
        "connectors/registry/src/lib.rs",
    ];
    let mut files = files()?;
    files.retain(|file| file.is(&endings) && !file.is(&generated));
    Ok(files)
}

/// The systems with a connector: folders beside `connectors/sdk`.
///
/// # Errors
/// When the folder cannot be read.
pub fn systems() -> Result<Vec<String>> {
    let mut systems = Vec::new();
    for entry in fs::read_dir(root().join("connectors")).context("cannot read connectors")? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().join("Cargo.toml").is_file() && name != "sdk" && name != "registry" {
            systems.push(name);
        }
    }
    systems.sort();
    Ok(systems)
}

/// Fails with a list, one finding a line, unless it is empty.
///
/// # Panics
/// When there are findings: that is the test's failure.
pub fn assert_none(rule: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}
