//! Whoever knows one connector finds his way in all: the same files in each, and the registry
//! knows them all.

use std::fs;

/// Each either as a file or, past 300 lines, as a folder with a `mod.rs`.
const MODULES: [&str; 3] = ["client", "streams", "sim"];
const FILES: [&str; 3] = ["README.md", "src/lib.rs", "tests/conformance.rs"];

#[test]
fn connectors_have_the_same_files() {
    let mut findings = Vec::new();
    for system in house::systems().unwrap() {
        let dir = house::root().join("connectors").join(&system);
        for file in FILES {
            if !dir.join(file).is_file() {
                findings.push(format!("{system} has no {file}"));
            }
        }
        for module in MODULES {
            let file = dir.join(format!("src/{module}.rs"));
            let folder = dir.join(format!("src/{module}/mod.rs"));
            if !file.is_file() && !folder.is_file() {
                findings.push(format!("{system} has no src/{module}.rs"));
            }
        }
    }
    house::assert_none("connectors that differ", &findings);
}

#[test]
fn the_registry_lists_every_connector() {
    let registry = house::root().join("connectors/registry/src/lib.rs");
    let source = fs::read_to_string(registry).unwrap();
    let findings: Vec<_> = house::systems()
        .unwrap()
        .into_iter()
        .filter(|system| !source.contains(&format!("connector_{}::", system.replace('-', "_"))))
        .map(|system| format!("{system}: cargo x gen"))
        .collect();
    house::assert_none("connectors missing from the registry", &findings);
}
