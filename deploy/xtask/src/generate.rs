//! The generated files: what makes each, and whether it is up to date.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::{collections::BTreeMap, io::Write as _};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::node::Node;
use crate::{console, pg, run, saml, tree};

/// A generated file and how to make its text.
struct Generator {
    file: &'static str,
    make: fn() -> Result<String>,
}

const GENERATORS: [Generator; 6] = [
    Generator {
        file: "connectors/registry/src/lib.rs",
        make: registry_source,
    },
    Generator {
        file: "connectors/registry/Cargo.toml",
        make: registry_manifest,
    },
    Generator {
        file: "migrations/CHECKSUMS",
        make: checksums,
    },
    Generator {
        file: "portal-api/openapi.json",
        make: openapi,
    },
    Generator {
        file: "portal-api/permissions.md",
        make: permissions,
    },
    Generator {
        file: "portal-api/console/src/api/schema.d.ts",
        make: schema,
    },
];

pub(crate) fn run(only_check: bool) -> Result<()> {
    let mut stale = Vec::new();
    for generator in &GENERATORS {
        let path = tree::root().join(generator.file);
        let old = fs::read_to_string(&path).ok();
        let new = (generator.make)().with_context(|| generator.file)?;
        if old.as_ref() == Some(&new) {
            continue;
        }
        if only_check {
            stale.push(generator.file);
        } else {
            fs::write(&path, new).with_context(|| format!("cannot write {}", generator.file))?;
            eprintln!("  written: {}", generator.file);
        }
    }
    if !stale.is_empty() {
        bail!("out of date: {}: cargo x gen", stale.join(", "));
    }
    eprintln!("  generated files are up to date");
    Ok(())
}

/// Writes what needs no build: enough after a new connector.
pub(crate) fn registry() -> Result<()> {
    for generator in &GENERATORS[..2] {
        let path = tree::root().join(generator.file);
        fs::write(&path, (generator.make)()?)
            .with_context(|| format!("cannot write {}", generator.file))?;
    }
    Ok(())
}

/// The systems: folders of `connectors` with a manifest.
fn systems() -> Result<Vec<String>> {
    let dir = tree::root().join("connectors");
    let mut names = Vec::new();
    for entry in fs::read_dir(&dir).context("cannot read connectors")? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_system = name != "sdk" && name != "registry";
        if is_system && entry.path().join("Cargo.toml").is_file() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// `acme_crm` as a Rust type: `AcmeCrm`.
pub(crate) fn type_name(system: &str) -> String {
    system
        .split(['_', '-'])
        .fold(String::new(), |mut name, word| {
            let mut letters = word.chars();
            name.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
            name.push_str(letters.as_str());
            name
        })
}

fn registry_source() -> Result<String> {
    let mut source = String::from(
        "//! All systems of this build. Written by `cargo x gen` from the folders beside this one; \
         never edited.\n\nuse connector_sdk::Registry;\n\n\
         /// Every connector, by name.\n#[must_use]\npub fn all() -> Registry {\n    Registry::default()",
    );
    for system in systems()? {
        let module = system.replace('-', "_");
        source.push_str(&format!(
            "\n        .two_way::<connector_{module}::{}>()",
            type_name(&system)
        ));
    }
    source.push_str("\n}\n");
    rustfmt(&source)
}

fn rustfmt(source: &str) -> Result<String> {
    let mut rustfmt = run::command("rustfmt")
        .args(["--edition", "2024", "--config-path"])
        .arg(tree::root().join("rustfmt.toml"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("rustfmt is not installed: rustup component add rustfmt")?;
    let mut stdin = rustfmt
        .stdin
        .take()
        .context("rustfmt has no standard input")?;
    stdin.write_all(source.as_bytes())?;
    drop(stdin);
    let output = rustfmt.wait_with_output()?;
    if !output.status.success() {
        bail!("rustfmt refused the registry's source");
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn registry_manifest() -> Result<String> {
    let path = tree::root().join("connectors/registry/Cargo.toml");
    let old = fs::read_to_string(&path).context("cannot read the registry's manifest")?;
    let (head, _) = old
        .split_once("[dependencies]")
        .context("no [dependencies]")?;
    let mut manifest = format!("{head}[dependencies]\nconnector-sdk.workspace = true\n");
    for system in systems()? {
        manifest.push_str(&format!("connector-{system}.workspace = true\n"));
    }
    Ok(manifest)
}

/// A line for each migration, as `sha256sum` writes it. A line once written never changes: a
/// changed file is refused here and by the house test.
fn checksums() -> Result<String> {
    let path = tree::root().join("migrations/CHECKSUMS");
    let old = fs::read_to_string(&path).unwrap_or_default();
    let known: BTreeMap<&str, &str> = old
        .lines()
        .filter_map(|line| line.split_once("  ").map(|(hash, name)| (name, hash)))
        .collect();
    let mut text = String::new();
    let mut names = Vec::new();
    for file in pg::migrations()? {
        let name = file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let hash = sha256(&file)?;
        if known.get(name.as_str()).is_some_and(|old| **old != hash) {
            bail!(
                "migrations/{name} was changed. An applied migration is never edited: add a new \
                 one. If it was never merged, take its line out of migrations/CHECKSUMS first"
            );
        }
        text.push_str(&format!("{hash}  {name}\n"));
        names.push(name);
    }
    if let Some(gone) = known
        .keys()
        .find(|known| !names.iter().any(|name| name == *known))
    {
        bail!("migrations/{gone} is gone. If it was never merged, take its line out of CHECKSUMS");
    }
    Ok(text)
}

fn sha256(file: &Path) -> Result<String> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", tree::shown(file)))?;
    Ok(Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

fn openapi() -> Result<String> {
    run::output(run::command(hub()?).args(["admin", "openapi"]))
}

fn permissions() -> Result<String> {
    run::output(run::command(hub()?).args(["admin", "permissions"]))
}

/// The types of the API, which openapi-typescript writes by itself.
fn schema() -> Result<String> {
    let node = Node::find().map_err(anyhow::Error::msg)?;
    let folder = Path::new(console::FOLDER);
    node.install(folder)?;
    let path = tree::root().join("portal-api/console/src/api/schema.d.ts");
    let old = fs::read(&path).ok();
    let changed = tree::changed(&path);
    run::check(
        "npm run api",
        node.npm(folder, &["run", "--silent", "api"])?
            .stdout(Stdio::null()),
    )?;
    let new = fs::read_to_string(&path).context("npm run api wrote no schema.d.ts")?;
    // The caller decides whether it is kept. With its old time: else the console that is built
    // would be older than its source.
    if let (Some(old), Some(changed)) = (old, changed) {
        fs::write(&path, old)?;
        fs::File::options()
            .write(true)
            .open(&path)?
            .set_modified(changed)?;
    }
    Ok(new)
}

/// The hub's binary, built.
pub(crate) fn hub() -> Result<PathBuf> {
    // For the whole workspace, so that the dependencies keep the features that tests use too.
    run::step(
        "cargo build",
        saml::add_to(run::cargo().args(["build", "--workspace", "--bin", "syncline"])),
    )?;
    Ok(tree::target().join("debug/syncline"))
}

#[cfg(test)]
mod tests {
    use super::type_name;

    #[test]
    fn a_folder_name_becomes_a_type() {
        assert_eq!(type_name("salesforce"), "Salesforce");
        assert_eq!(type_name("acme_crm"), "AcmeCrm");
        assert_eq!(type_name("business-central"), "BusinessCentral");
    }
}
