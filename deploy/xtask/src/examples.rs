//! The examples in the documentation, which are tests too.
//!
//! Rustdoc reads a whole crate before it knows that there is no example in it, which takes longer
//! than all examples together. So only crates that may have some are asked.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use localpg::{Cluster, TEST_CLUSTER_VARIABLE};

use crate::{run, tree};

pub(crate) fn run(cluster: &Cluster) -> Result<()> {
    let mut examples = run::cargo();
    examples.args(["test", "--doc", "--quiet"]);
    for name in crates()? {
        examples.args(["--package", &name]);
    }
    examples.env(TEST_CLUSTER_VARIABLE, cluster.dir());
    run::step("examples in the documentation", &mut examples)
}

/// The names of the libraries whose sources may hold an example.
fn crates() -> Result<Vec<String>> {
    let manifests = tree::files(tree::root(), |path| path.ends_with("Cargo.toml"))?;
    let mut names = Vec::new();
    for manifest in manifests {
        let folder = manifest.parent().unwrap_or_else(|| tree::root());
        if folder.join("src/lib.rs").is_file() && has_examples(&folder.join("src"))? {
            names.push(name(&manifest)?);
        }
    }
    Ok(names)
}

fn name(manifest: &Path) -> Result<String> {
    let text = fs::read_to_string(manifest)
        .with_context(|| format!("cannot read {}", tree::shown(manifest)))?;
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("name = "))
        .with_context(|| format!("{} names no package", tree::shown(manifest)))?;
    Ok(name.trim_matches('"').to_owned())
}

fn has_examples(sources: &Path) -> Result<bool> {
    let rust = |path: &Path| path.extension().is_some_and(|extension| extension == "rs");
    for file in tree::files(sources, rust)? {
        let text = fs::read_to_string(&file)
            .with_context(|| format!("cannot read {}", tree::shown(&file)))?;
        if text.lines().any(may_begin_an_example) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Rather too often than too seldom: a fence, a line that is set in far enough to be code, a text
/// from elsewhere.
fn may_begin_an_example(line: &str) -> bool {
    let line = line.trim_start();
    let Some(text) = line.strip_prefix("///").or(line.strip_prefix("//!")) else {
        return line.contains("[doc =") || line.starts_with("/**") || line.starts_with("/*!");
    };
    text.contains("```") || text.contains("~~~") || text.starts_with("     ") || text.contains('\t')
}

#[cfg(test)]
mod tests {
    use super::may_begin_an_example;

    #[test]
    fn every_way_to_write_an_example_is_seen() {
        for line in [
            "    /// ```",
            "//! ```no_run",
            "/// ~~~",
            "///     let set_in = 1;",
            "///\tlet set_in = 1;",
            "#![doc = include_str!(\"../README.md\")]",
            "/** A block. */",
        ] {
            assert!(may_begin_an_example(line), "{line}");
        }
        for line in [
            "/// Words.",
            "///   - a list",
            "// ``` no documentation",
            "let x = 1;",
        ] {
            assert!(!may_begin_an_example(line), "{line}");
        }
    }
}
