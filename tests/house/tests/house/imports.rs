//! Who may import whom: the arrows of `use` point down only. A connector does not know the core
//! tables, the engine knows neither a system nor a business noun, workflows know neither HTTP nor
//! SQL. Whoever needs two of these at once is in the wrong crate.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand, Package};

/// `*` stands for every connector of a system; test crates are in [`TESTS`].
const MAY_IMPORT: [(&str, &[&str]); 13] = [
    ("connector-sdk", &[]),
    ("connector-*", &["connector-sdk"]),
    ("connector-registry", &["connector-sdk", "connector-*"]),
    ("engine", &["connector-sdk"]),
    ("domain", &["engine"]),
    ("workflows", &["engine", "domain", "connector-sdk"]),
    // The example of use outside the hub.
    ("order", &["engine"]),
    ("identity", &["connector-sdk"]),
    ("saml", &["identity"]),
    ("portal-api", &["engine", "domain", "identity"]),
    ("localpg", &[]),
    ("xtask", &["localpg"]),
    (
        "hub",
        &[
            "connector-sdk",
            "connector-*",
            "connector-registry",
            "engine",
            "domain",
            "identity",
            "workflows",
            "portal-api",
            "saml",
            "localpg",
        ],
    ),
];

/// May import everything, and are imported by tests only.
pub(crate) const TESTS: [&str; 7] = ["testkit", "testdb", "house", "e2e", "sim", "crash", "bench"];

pub(crate) fn packages() -> Vec<Package> {
    let mut command = MetadataCommand::new();
    let metadata = command.current_dir(house::root()).no_deps().exec().unwrap();
    metadata.packages
}

/// A system's connector by its pattern, everything else by its name.
fn kind_of(package: &str) -> &str {
    let is_system = package.starts_with("connector-")
        && !["connector-sdk", "connector-registry"].contains(&package);
    if is_system { "connector-*" } else { package }
}

#[test]
fn crates_import_only_what_lies_below_them() {
    let table: BTreeMap<_, _> = MAY_IMPORT.into_iter().collect();
    let packages = packages();
    let ours: BTreeSet<String> = packages
        .iter()
        .map(|package| package.name.to_string())
        .collect();
    let mut findings = Vec::new();
    for package in packages
        .iter()
        .filter(|package| !TESTS.contains(&package.name.as_str()))
    {
        let Some(allowed) = table.get(kind_of(&package.name)) else {
            findings.push(format!("{} is not in the table of this rule", package.name));
            continue;
        };
        for dependency in &package.dependencies {
            let name = dependency.name.as_str();
            // A crate's integration tests may use what lies above it.
            let in_its_tests = dependency.kind == DependencyKind::Development;
            if ours.contains(name) && !allowed.contains(&kind_of(name)) && !in_its_tests {
                findings.push(format!("{} imports {name}", package.name));
            }
        }
    }
    house::assert_none("imports that point up", &findings);
}
