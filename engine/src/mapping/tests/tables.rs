//! Lookup tables against picklists.

use connector_sdk::FieldType;

use super::{mapping, stream};
use crate::catalogue::{Catalogue, Field, FieldKind};
use crate::mapping::{ProblemKind, Severity};

fn tiers() -> Catalogue {
    let mut tier = Field::new("tier", "Tier", FieldKind::Choice);
    tier.choices = ["Free", "Premium"].map(str::to_owned).to_vec();
    Catalogue::new("thing", vec![tier]).unwrap()
}

/// What is said about a table, with a remote field of four choices.
fn told(table: &str, pipe: &str) -> Vec<(Severity, ProblemKind, String)> {
    let mapping = mapping(&format!(
        "[[field]]\ncore = \"tier\"\nremote = \"Plan\"\nin = \"{pipe}\"\n[table.plans]\n{table}"
    ));
    let mut known = stream(
        "Thing",
        &[("Plan", FieldType::Choice), ("Id", FieldType::Text)],
    );
    known.fields[0].choices = ["P1", "P2", "P3", "P4"].map(str::to_owned).to_vec();
    let problems = mapping.check(&tiers(), Some(&known)).into_iter();
    problems
        .filter(|problem| problem.message.contains("table"))
        .map(|problem| (problem.severity, problem.kind, problem.message))
        .collect()
}

#[test]
fn a_table_that_covers_both_picklists_is_right() {
    let table = "P1 = \"Free\"\nP2 = \"Premium\"\nP3 = \"Premium\"\nP4 = \"Premium\"\n";
    assert_eq!(told(table, "lookup(plans)\"\nout = \"prefix('P')"), []);
}

#[test]
fn a_table_that_gives_what_is_no_choice_is_not_published() {
    let found = told(
        "P1 = \"Gold\"\nP2 = \"Free\"\n",
        "lookup(plans, 'Iron')\"\nout = \"text",
    );
    assert_eq!(
        found,
        [(
            Severity::Error,
            ProblemKind::TypeMismatch,
            "table plans gives \"Gold\", \"Iron\", which tier does not offer".to_owned()
        )]
    );
}

#[test]
fn choices_without_an_entry_are_named_on_both_ways() {
    let found = told("P1 = \"Free\"\n", "lookup(plans)");
    let messages: Vec<&str> = found
        .iter()
        .map(|(_, _, message)| message.as_str())
        .collect();
    assert_eq!(
        messages,
        [
            "table plans has no entry that is \"Premium\": it cannot be written",
            "table plans has no entry for \"P2\", \"P3\", \"P4\" of Plan",
        ]
    );
    assert!(
        found
            .iter()
            .all(|(severity, ..)| *severity == Severity::Warning)
    );
}
