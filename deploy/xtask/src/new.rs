//! Skeletons: a new thing starts with the file names that all its kind have.

use std::fs;

use anyhow::{Context, Result, bail};
use clap::Subcommand;

use crate::{generate, run, tree};

#[derive(Subcommand)]
pub(crate) enum New {
    /// A connector: its folder, its entry in the workspace and in the registry.
    Connector {
        /// The system in small letters: `acme`, `acme_crm`. Folder, crate and rows are named so.
        name: String,
        /// The system's name for people; the default is the name with capital letters.
        #[arg(long)]
        title: Option<String>,
    },
}

/// The files of a connector: the same names in every one (the house test holds that).
const CONNECTOR: [(&str, &str); 8] = [
    (
        "Cargo.toml",
        include_str!("../templates/connector/Cargo.toml.txt"),
    ),
    (
        "README.md",
        include_str!("../templates/connector/README.md.txt"),
    ),
    (
        "src/lib.rs",
        include_str!("../templates/connector/lib.rs.txt"),
    ),
    (
        "src/client.rs",
        include_str!("../templates/connector/client.rs.txt"),
    ),
    (
        "src/streams.rs",
        include_str!("../templates/connector/streams.rs.txt"),
    ),
    (
        "src/webhook.rs",
        include_str!("../templates/connector/webhook.rs.txt"),
    ),
    (
        "src/sim.rs",
        include_str!("../templates/connector/sim.rs.txt"),
    ),
    (
        "tests/conformance.rs",
        include_str!("../templates/connector/conformance.rs.txt"),
    ),
];

pub(crate) fn run(new: &New) -> Result<()> {
    let New::Connector { name, title } = new;
    check_name(name)?;
    let dir = tree::root().join("connectors").join(name);
    if dir.exists() {
        bail!("connectors/{name} is there already");
    }
    let type_name = generate::type_name(name);
    let title = title.as_deref().unwrap_or(&type_name);
    for (file, template) in CONNECTOR {
        let path = dir.join(file);
        let text = template
            .replace("{{system}}", name)
            .replace("{{module}}", name)
            .replace("{{Type}}", &type_name)
            .replace("{{title}}", title);
        fs::create_dir_all(path.parent().context("a file has a folder")?)?;
        fs::write(&path, text).with_context(|| format!("cannot write {}", tree::shown(&path)))?;
    }
    fs::create_dir_all(dir.join("fixtures"))?;
    fs::write(dir.join("fixtures/.gitkeep"), "")?;
    add_to_workspace(name)?;
    generate::registry()?;
    run::check(
        "cargo fmt",
        run::cargo().args(["fmt", "--package", &format!("connector-{name}")]),
    )?;
    println!("connectors/{name} is there: write src/streams.rs, then its README and mappings");
    println!("try: cargo test -p connector-{name}");
    Ok(())
}

fn check_name(name: &str) -> Result<()> {
    let good = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !["sdk", "registry"].contains(&name);
    if !good {
        bail!(
            "{name:?} is no name for a system: small letters, digits and _, beginning with a letter"
        );
    }
    Ok(())
}

/// Adds the crate to the members and to the dependencies, each after the last of its kind.
fn add_to_workspace(name: &str) -> Result<()> {
    let path = tree::root().join("Cargo.toml");
    let manifest = fs::read_to_string(&path).context("cannot read Cargo.toml")?;
    let member = format!("    \"connectors/{name}\",");
    let dependency = format!("connector-{name} = {{ path = \"connectors/{name}\" }}");
    let manifest = insert_after_last(&manifest, "    \"connectors/", &member)?;
    let manifest = insert_after_last(&manifest, "connector-", &dependency)?;
    fs::write(&path, manifest).context("cannot write Cargo.toml")
}

fn insert_after_last(text: &str, start: &str, line: &str) -> Result<String> {
    let lines: Vec<_> = text.lines().collect();
    let last = lines
        .iter()
        .rposition(|candidate| candidate.starts_with(start))
        .with_context(|| format!("Cargo.toml has no line that starts with {start:?}"))?;
    let (before, after) = lines.split_at(last + 1);
    Ok([before, &[line], after].concat().join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_no_folder_or_module_are_refused() {
        assert!(check_name("acme_crm2").is_ok());
        for bad in ["", "Acme", "2acme", "acme-crm", "../acme", "sdk"] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_line_goes_after_the_last_of_its_kind() {
        let text = "a = 1\nconnector-x = 2\nb = 3\n";
        let with = insert_after_last(text, "connector-", "connector-y = 4").unwrap();
        assert_eq!(with, "a = 1\nconnector-x = 2\nconnector-y = 4\nb = 3\n");
        assert!(insert_after_last("a = 1", "connector-", "x").is_err());
    }
}
