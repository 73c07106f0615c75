//! Mapping and merging alone, on one core, in memory: the shipped mapping of accounts.

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::{Result, ensure};
use connector_sdk::{Record, Value};
use engine::catalogue::Catalogue;
use engine::entity::CoreTable;
use engine::mapping::Mapping;
use engine::merge::{Context, MergeInput, Rules, merge};

pub(crate) fn run() -> Result<()> {
    let mapping = Mapping::parse(include_str!("../../../mappings/salesforce/account.toml"))?;
    let catalogue = Catalogue::of("account", domain::accounts::Accounts::FIELDS, [])?;
    let rules = Rules::new(&mapping, &catalogue, None)
        .map_err(|problems| anyhow::anyhow!("the mapping does not fit: {problems:?}"))?;
    let mut fields: Vec<(&str, Value)> = [
        "Industry",
        "Type",
        "Phone",
        "Description",
        "BillingStreet",
        "BillingCity",
        "BillingState",
        "BillingPostalCode",
        "BillingCountry",
        "Tier__c",
    ]
    .map(|name| (name, Value::from("some value of usual length")))
    .to_vec();
    fields.extend([
        ("Name", "Umbrella & Sons Ltd".into()),
        ("Website", "https://www.umbrella.example/about".into()),
        ("AnnualRevenue", Value::number("1234567.89")?),
        ("NumberOfEmployees", Value::from(4200_i64)),
        ("Owner.Name", "Ann Lee".into()),
        ("CSM__r.Email", "ann@example.org".into()),
        ("Products_Owned__c", "Hub;Desk".into()),
    ]);
    let record = Record {
        key: "1".to_owned(),
        version: None,
        changed_at: None,
        fields: fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    };
    let context = Context::default();
    let rounds = 20_000;
    let rate = |name: &str, run: &mut dyn FnMut() -> usize| {
        let started = Instant::now();
        let fields: usize = (0..rounds).map(|_| run()).sum();
        let seconds = started.elapsed().as_secs_f64();
        println!("{name:<34}{:>12.0} fields/s", fields as f64 / seconds);
    };
    let first = mapping.inbound(&catalogue, &record)?;
    ensure!(
        first.failed.is_empty(),
        "the record does not map: {:?}",
        first.failed
    );
    let count = first.values.len();
    rate("map in", &mut || {
        mapping
            .inbound(&catalogue, &record)
            .map_or(0, |patch| patch.values.len())
    });
    let all: BTreeSet<String> = mapping.core_fields().map(str::to_owned).collect();
    rate("map out", &mut || {
        mapping
            .outbound(&catalogue, &first.values, &all)
            .map_or(0, |fields| fields.len())
    });
    let input = MergeInput {
        rules: &rules,
        base: None,
        core: None,
        patch: &first,
        context: &context,
    };
    rate("merge new", &mut || merge(&input).base.len());
    let same = MergeInput {
        base: Some(&first.values),
        core: Some(&first.values),
        ..input
    };
    rate("merge unchanged", &mut || merge(&same).base.len());
    let mut other = first.clone();
    for value in other.values.values_mut() {
        if let Value::Text(text) = value
            && !text.contains('@')
        {
            text.push('x');
        }
    }
    let changed = MergeInput {
        patch: &other,
        ..same
    };
    ensure!(merge(&changed).changes.len() > 8, "too little changed");
    rate("merge changed", &mut || {
        if merge(&changed).changes.is_empty() {
            0
        } else {
            count
        }
    });
    Ok(())
}
