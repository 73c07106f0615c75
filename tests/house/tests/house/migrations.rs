//! An applied migration is never edited: databases out there have run it. `migrations/CHECKSUMS`
//! has a line for each, written once by `cargo x gen`; a change shows as a changed line in review.

use std::fs;

use sha2::{Digest, Sha256};

#[test]
fn migrations_are_as_they_were_applied() {
    let dir = house::root().join("migrations");
    let mut expected = String::new();
    let mut names: Vec<String> = fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".sql"))
        .collect();
    names.sort();
    for name in &names {
        let hash = Sha256::digest(fs::read(dir.join(name)).unwrap());
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        expected.push_str(&format!("{hash}  {name}\n"));
    }
    let written = fs::read_to_string(dir.join("CHECKSUMS")).unwrap_or_default();
    assert_eq!(
        written, expected,
        "a new migration: cargo x gen; a changed one: add another"
    );
}

#[test]
fn migrations_are_named_by_time_verb_and_noun() {
    let mut findings = Vec::new();
    for file in house::files().unwrap() {
        let Some(name) = file.name.strip_prefix("migrations/") else {
            continue;
        };
        let Some(name) = name.strip_suffix(".sql") else {
            continue;
        };
        let good = name.split_once('_').is_some_and(|(time, what)| {
            time.len() == 14 && time.chars().all(|c| c.is_ascii_digit()) && what.contains('_')
        });
        if !good {
            findings.push(file.name);
        }
    }
    house::assert_none("names that are not YYYYMMDDHHMMSS_verb_noun.sql", &findings);
}
