//! Two hundred thousand accounts: seeding, memory, a Bulk read. Run alone with `--nocapture`, it
//! prints figures; what it asserts is only that nothing grows with the square of the rows.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Org, text};

const ROWS: usize = 200_000;
/// Many times what it takes on a busy machine without optimisation.
const PATIENCE: Duration = Duration::from_secs(120);

/// Resident memory in MB, where the system tells.
fn resident_mb() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace()
        .next()?
        .parse::<usize>()
        .ok()
        .map(|kb| kb / 1024)
}

/// CPU seconds of this process, user and system.
pub(crate) fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: f64 = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    Some(ticks / 100.0)
}

#[tokio::test]
async fn two_hundred_thousand_accounts_are_seeded_and_read_in_bulk() {
    let org = Org::new();
    let (before, start) = (resident_mb(), Instant::now());
    let (began, cpu) = (start, cpu_seconds());
    org.sim.seed_accounts(ROWS);
    let used = cpu_seconds().zip(cpu).map(|(now, then)| now - then);
    eprintln!(
        "seed: {:?}, {used:?} CPU s, resident {before:?} -> {:?} MB",
        began.elapsed(),
        resident_mb()
    );

    let (cpu, began) = (cpu_seconds(), Instant::now());
    let soql = "SELECT Id, Name, Type, ParentId, BillingStreet, BillingCity, BillingState, \
                BillingPostalCode, BillingCountry, Phone, Website, Industry, AnnualRevenue, \
                NumberOfEmployees, OwnerId, CSM__c, Products_Owned__c, Tier__c, CreatedDate, \
                LastModifiedDate, SystemModstamp, IsDeleted FROM Account";
    let new = json!({"operation": "query", "query": soql});
    let id = text(&org.rest("POST", "/jobs/query", new).await.json()["id"]);
    assert_eq!(
        org.get(&format!("/jobs/query/{id}")).await.json()["state"],
        "JobComplete"
    );
    let mut url = format!("/jobs/query/{id}/results?maxRecords=50000");
    let (mut bytes, mut rows) = (0, 0);
    loop {
        let page = org.get(&url).await;
        bytes += page.text.len();
        rows += page
            .header("sforce-numberofrecords")
            .unwrap()
            .parse::<usize>()
            .unwrap();
        let locator = page.header("sforce-locator").unwrap();
        if locator == "null" {
            break;
        }
        url = format!("/jobs/query/{id}/results?maxRecords=50000&locator={locator}");
    }
    assert_eq!(rows, ROWS);
    let used = cpu_seconds().zip(cpu).map(|(now, then)| now - then);
    eprintln!(
        "bulk: {:?}, {used:?} CPU s, {} MB, resident {:?} MB",
        began.elapsed(),
        bytes >> 20,
        resident_mb()
    );

    let began = Instant::now();
    let soql = "SELECT Id FROM Account WHERE SystemModstamp > 2999-01-01T00:00:00Z \
                ORDER BY SystemModstamp, Id";
    assert_eq!(org.query(soql).await.json()["totalSize"], 0);
    eprintln!(
        "incremental query that finds nothing: {:?}",
        began.elapsed()
    );
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
}
