//! SOQL and paging.

use connector_salesforce::sim::SimOptions;
use serde_json::json;

use crate::harness::{Org, text};

/// Four accounts with known values; the ids in order of creation.
fn four_accounts(org: &Org) -> Vec<String> {
    [
        json!({"Name": "Alpha", "AnnualRevenue": 100, "Industry": "Banking", "Active__c": true}),
        json!({"Name": "beta's", "AnnualRevenue": 350_000_000, "Products_Owned__c": "CRM;Billing"}),
        json!({"Name": "Gamma_1", "Renewal_Date__c": "2026-05-01", "Tier__c": "Gold"}),
        json!({"Name": "Gamma%2", "Industry": "Energy", "Health_Score__c": 12.5}),
    ]
    .map(|fields| org.insert("Account", fields))
    .into()
}

#[tokio::test]
async fn conditions_select_what_they_say() {
    let org = Org::new();
    let ids = four_accounts(&org);
    let cases = [
        ("Name = 'ALPHA'", vec![0]),
        ("Name = 'beta\\'s'", vec![1]),
        ("Name LIKE 'gamma%'", vec![2, 3]),
        ("Name LIKE 'gamma\\_1'", vec![2]),
        ("Name LIKE '%\\%%'", vec![3]),
        ("Name LIKE '_lpha'", vec![0]),
        ("AnnualRevenue = null", vec![2, 3]),
        ("AnnualRevenue != null", vec![0, 1]),
        ("AnnualRevenue > 100", vec![1]),
        ("AnnualRevenue >= 1e2 AND AnnualRevenue < 3.5E8", vec![0]),
        ("Industry != 'Banking'", vec![1, 2, 3]),
        ("Industry IN ('banking', 'Energy')", vec![0, 3]),
        ("Industry NOT IN ('Banking', 'Energy')", vec![1, 2]),
        ("NOT Name LIKE 'g%'", vec![0, 1]),
        (
            "(Name = 'Alpha' OR Tier__c = 'Gold') AND Active__c = false",
            vec![2],
        ),
        ("Active__c = TRUE", vec![0]),
        ("Products_Owned__c INCLUDES ('CRM;Billing')", vec![1]),
        ("Products_Owned__c INCLUDES ('CRM', 'Mobile')", vec![1]),
        ("Products_Owned__c EXCLUDES ('CRM')", vec![0, 2, 3]),
        ("Renewal_Date__c <= 2026-05-01", vec![2]),
        ("CreatedDate > 2020-01-01T00:00:00Z", vec![0, 1, 2, 3]),
        (
            "CreatedDate > 2020-01-01T00:00:00+02:00 AND Name = 'Alpha'",
            vec![0],
        ),
        (
            "Owner.Name = 'Organization Admin' AND Name = 'Alpha'",
            vec![0],
        ),
    ];
    for (filter, expected) in cases {
        let found = org
            .ids(&format!("SELECT Id FROM Account WHERE {filter}"))
            .await;
        let expected: Vec<String> = expected
            .into_iter()
            .map(|at: usize| ids[at].clone())
            .collect();
        assert_eq!(found, expected, "{filter}");
    }
}

#[tokio::test]
async fn order_limit_and_offset_cut_the_list() {
    let org = Org::new();
    let ids = four_accounts(&org);
    let at = |places: &[usize]| places.iter().map(|at| ids[*at].clone()).collect::<Vec<_>>();
    for (tail, expected) in [
        ("ORDER BY Name DESC", at(&[2, 3, 1, 0])),
        ("ORDER BY AnnualRevenue ASC, Name DESC", at(&[2, 3, 0, 1])),
        (
            "ORDER BY AnnualRevenue DESC NULLS LAST, Id",
            at(&[1, 0, 2, 3]),
        ),
        ("ORDER BY AnnualRevenue NULLS LAST LIMIT 1", at(&[0])),
        ("ORDER BY Id LIMIT 2 OFFSET 1", at(&[1, 2])),
    ] {
        assert_eq!(
            org.ids(&format!("SELECT Id FROM Account {tail}")).await,
            expected,
            "{tail}"
        );
    }
    let counted = org
        .query("SELECT COUNT() FROM Account WHERE Name LIKE 'G%'")
        .await
        .json();
    assert_eq!(
        counted,
        json!({"totalSize": 2, "done": true, "records": []})
    );
}

#[tokio::test]
async fn records_nest_the_fields_of_a_relationship() {
    let org = Org::new();
    let account = org.insert(
        "Account",
        json!({"Name": "Alpha", "AnnualRevenue": 350_000_000}),
    );
    let soql = "select name, AnnualRevenue, Owner.Name, Owner.Email, CSM__r.Email, ParentId, \
                BillingAddress FROM Account";
    let answer = org.query(soql).await;
    assert!(
        answer.text.contains("\"AnnualRevenue\":3.5E8"),
        "{}",
        answer.text
    );
    let record = &answer.json()["records"][0];
    assert_eq!(record["Name"], "Alpha", "the field's own spelling");
    assert_eq!(record["attributes"]["type"], "Account");
    let url = format!("/services/data/v62.0/sobjects/Account/{account}");
    assert_eq!(record["attributes"]["url"], url);
    assert_eq!(record["Owner"]["attributes"]["type"], "User");
    assert_eq!(record["Owner"]["Name"], "Organization Admin");
    assert!(record["CSM__r"].is_null() && record["ParentId"].is_null());
    assert!(record["BillingAddress"].is_null());
}

#[tokio::test]
async fn a_wrong_query_is_refused_with_row_and_column() {
    let org = Org::new();
    let answer = org.query("SELECT Foo__c FROM Account").await;
    assert_eq!(
        (answer.status, answer.code()),
        (400, "INVALID_FIELD".to_owned())
    );
    let message = text(&answer.json()[0]["message"]);
    let start = "\nSELECT Foo__c FROM Account\n       ^\nERROR at Row:1:Column:8\nNo such column \
                 'Foo__c' on entity 'Account'.";
    assert!(message.starts_with(start), "{message}");
    for (soql, code) in [
        ("SELECT Id FRM Account", "MALFORMED_QUERY"),
        (
            "SELECT Id FROM Account WHERE Name = 'a' AND Id != null OR Name = 'b'",
            "MALFORMED_QUERY",
        ),
        (
            "SELECT Id FROM Account WHERE Name = 'unclosed",
            "MALFORMED_QUERY",
        ),
        ("SELECT Id FROM Account LIMIT many", "MALFORMED_QUERY"),
        ("SELECT Id FROM Nothing", "INVALID_TYPE"),
        ("SELECT Parentage.Name FROM Account", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE Name = 5", "INVALID_FIELD"),
        (
            "SELECT Id FROM Account WHERE AnnualRevenue = '5'",
            "INVALID_FIELD",
        ),
        (
            "SELECT Id FROM Account WHERE SystemModstamp > 2026-05-01",
            "INVALID_FIELD",
        ),
        (
            "SELECT Id FROM Account WHERE Notes__c = 'x'",
            "INVALID_FIELD",
        ),
        (
            "SELECT Id FROM Account WHERE Id = 'x'",
            "INVALID_QUERY_FILTER_OPERATOR",
        ),
        (
            "SELECT Id FROM Account WHERE AnnualRevenue LIKE 'x'",
            "INVALID_QUERY_FILTER_OPERATOR",
        ),
        (
            "SELECT Id FROM Account OFFSET 2001",
            "NUMBER_OUTSIDE_VALID_RANGE",
        ),
    ] {
        let answer = org.query(soql).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, code),
            "{soql}"
        );
    }
    let deep = format!("SELECT Id FROM Account WHERE {}Id = null", "(".repeat(5000));
    assert_eq!(org.query(&deep).await.code(), "MALFORMED_QUERY");
}

#[tokio::test]
async fn pages_follow_the_batch_size_and_the_last_may_be_exactly_full() {
    let org = Org::new();
    org.sim.seed_accounts(600);
    let first = org
        .rest_with(
            "GET",
            "/query?q=SELECT+Id+FROM+Account",
            &[("sforce-query-options", "batchSize=200")],
            json!(null),
        )
        .await
        .json();
    assert_eq!(first["records"].as_array().map(Vec::len), Some(200));
    assert_eq!(
        (&first["totalSize"], &first["done"]),
        (&json!(600), &json!(false))
    );
    let next = text(&first["nextRecordsUrl"]);
    assert!(
        next.starts_with("/services/data/v62.0/query/0r8") && next.ends_with("-200"),
        "{next}"
    );
    let second = org.get(&next).await.json();
    // A client that repeats `q` on the locator is not confused.
    let third = org
        .get(&format!("{}?q=SELECT", text(&second["nextRecordsUrl"])))
        .await
        .json();
    assert_eq!(third["records"].as_array().map(Vec::len), Some(200));
    assert_eq!(third["done"], true);
    assert!(third.get("nextRecordsUrl").is_none());
    // The same page may be read again.
    assert_eq!(org.get(&next).await.json(), second);
}

#[tokio::test]
async fn a_cursor_keeps_its_snapshot_and_expires() {
    let org = Org::with(SimOptions {
        page_size: 2,
        ..SimOptions::default()
    });
    let ids = four_accounts(&org);
    let first = org
        .query("SELECT Id, Name FROM Account ORDER BY Id")
        .await
        .json();
    let next = text(&first["nextRecordsUrl"]);
    org.sim
        .update("Account", &ids[2], json!({"Name": "Renamed"}))
        .unwrap();
    org.sim.delete("Account", &ids[3]).unwrap();
    let second = org.get(&next).await.json();
    assert_eq!(second["records"][0]["Name"], "Gamma_1");
    assert_eq!(second["records"][1]["Id"], ids[3]);
    org.sim.clock.advance(chrono::Duration::days(2));
    let org = Org {
        token: org.sim.access_token(),
        ..org
    };
    let answer = org.get(&next).await;
    assert_eq!(
        (answer.status, answer.code()),
        (400, "INVALID_QUERY_LOCATOR".to_owned())
    );
    assert_eq!(
        org.get("/query/0r8nonsense-2").await.code(),
        "INVALID_QUERY_LOCATOR"
    );
}

#[tokio::test]
async fn query_all_shows_the_recycle_bin_and_its_link_still_says_query() {
    let org = Org::with(SimOptions {
        page_size: 3,
        ..SimOptions::default()
    });
    let ids = four_accounts(&org);
    org.sim.delete("Account", &ids[1]).unwrap();
    assert_eq!(org.ids("SELECT Id FROM Account").await.len(), 3);
    let all = org
        .get("/queryAll?q=SELECT+Id,IsDeleted+FROM+Account")
        .await
        .json();
    assert_eq!(all["totalSize"], 4);
    assert_eq!(all["records"][1]["IsDeleted"], true);
    let next = text(&all["nextRecordsUrl"]);
    assert!(next.contains("/query/"), "{next}");
    assert_eq!(
        org.get(&next.replace("/query/", "/queryAll/")).await.json()["done"],
        true
    );
}
