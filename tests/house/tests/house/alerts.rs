//! Alerts that can ring: on figures that the program records, each with what to do about it.

use std::collections::BTreeSet;
use std::fs;

const FOLDER: &str = "deploy/alerts";

fn read(name: &str) -> String {
    fs::read_to_string(house::root().join(FOLDER).join(name)).unwrap()
}

#[test]
fn every_figure_of_an_alert_is_recorded_somewhere() {
    let rules = read("rules.yaml");
    let mut asked = BTreeSet::new();
    for line in rules.lines().filter(|line| !line.trim().starts_with('#')) {
        let words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        asked.extend(
            words.filter(|word| word.starts_with("syncline_") || word.starts_with("engine_")),
        );
    }
    assert!(asked.len() > 10, "{asked:?}");
    let sources = house::sources().unwrap();
    let texts: Vec<String> = sources
        .iter()
        .filter(|file| file.name.ends_with(".rs") && !file.name.contains("tests/"))
        .map(|file| file.text().unwrap())
        .collect();
    let missing: Vec<String> = asked
        .into_iter()
        .filter(|figure| {
            !texts
                .iter()
                .any(|text| text.contains(&format!("\"{figure}\"")))
        })
        .map(str::to_owned)
        .collect();
    house::assert_none("figures that nothing records", &missing);
}

#[test]
fn every_alert_has_its_place_in_the_runbook_and_the_other_way_round() {
    let (rules, runbook) = (read("rules.yaml"), read("runbook.md"));
    let alerts: BTreeSet<&str> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    let places: BTreeSet<&str> = runbook
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .collect();
    assert_eq!(alerts, places);
    let missing: Vec<String> = alerts
        .iter()
        .map(|alert| format!("runbook: {FOLDER}/runbook.md#{}", alert.to_lowercase()))
        .filter(|named| !rules.contains(named.as_str()))
        .collect();
    house::assert_none("alerts that do not name their place", &missing);
}
