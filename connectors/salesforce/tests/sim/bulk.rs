//! Bulk 2.0: query jobs with locators, ingest jobs with their three results.

use connector_salesforce::sim::SimOptions;
use serde_json::{Value as Json, json};

use crate::harness::{Answer, Org, ROOT, text};

/// A finished query job's id.
async fn query_job(org: &Org, soql: &str) -> String {
    let new = json!({"operation": "query", "query": soql});
    let job = org.rest("POST", "/jobs/query", new).await;
    assert_eq!(
        (job.status, &job.json()["state"]),
        (200, &json!("UploadComplete")),
        "{}",
        job.text
    );
    let id = text(&job.json()["id"]);
    let done = org.get(&format!("/jobs/query/{id}")).await.json();
    assert_eq!(
        (&done["state"], &done["jobType"]),
        (&json!("JobComplete"), &json!("V2Query"))
    );
    id
}

/// The result of an ingest job over this CSV, polled until it ends.
async fn ingest(org: &Org, new: Json, csv: &str) -> (String, Json) {
    let job = org.rest("POST", "/jobs/ingest", new).await;
    assert_eq!(
        (job.status, &job.json()["state"]),
        (200, &json!("Open")),
        "{}",
        job.text
    );
    let job = job.json();
    let id = text(&job["id"]);
    let url = text(&job["contentUrl"]);
    assert_eq!(url, format!("services/data/v62.0/jobs/ingest/{id}/batches"));
    let bearer = format!("Bearer {}", org.token);
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "text/csv"),
    ];
    let put = org
        .send("PUT", &format!("/{url}"), &headers, csv.to_owned())
        .await;
    assert_eq!((put.status, put.text.as_str()), (201, ""));
    let path = format!("/jobs/ingest/{id}");
    let closed = org
        .rest("PATCH", &path, json!({"state": "UploadComplete"}))
        .await
        .json();
    assert_eq!(closed["state"], "UploadComplete");
    loop {
        let info = org.get(&path).await.json();
        if !matches!(
            info["state"].as_str(),
            Some("UploadComplete" | "InProgress")
        ) {
            return (id, info);
        }
    }
}

fn rows(answer: &Answer) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(answer.text.as_bytes());
    reader
        .records()
        .map(|row| row.expect("CSV").iter().map(str::to_owned).collect())
        .collect()
}

#[tokio::test]
async fn a_result_is_read_page_by_page_to_the_locator_null() {
    let org = Org::new();
    org.sim.seed_accounts(2500);
    let job = query_job(
        &org,
        "SELECT Id, Name, Owner.Name, AnnualRevenue, CreatedDate FROM Account",
    )
    .await;
    let path = format!("/jobs/query/{job}/results?maxRecords=1000");
    let mut names = vec![];
    let mut url = path.clone();
    for expected in [1000, 1000, 500] {
        let page = org.get(&url).await;
        assert_eq!(page.header("content-type"), Some("text/csv"));
        assert_eq!(
            page.header("sforce-numberofrecords"),
            Some(expected.to_string().as_str())
        );
        let rows = rows(&page);
        assert_eq!(
            rows[0],
            ["Id", "Name", "Owner.Name", "AnnualRevenue", "CreatedDate"]
        );
        assert_eq!(rows.len(), expected + 1);
        assert!(rows[1][4].ends_with(".000Z"), "{}", rows[1][4]);
        names.extend(rows.into_iter().skip(1).map(|mut row| row.swap_remove(1)));
        url = format!("{path}&locator={}", page.header("sforce-locator").unwrap());
    }
    assert!(url.ends_with("locator=null"), "{url}");
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 2500);
    let wrong = org
        .get(&format!("/services/data/v61.0/jobs/query/{job}/results"))
        .await;
    assert_eq!(wrong.status, 409, "another version than the job's");
    assert_eq!(
        org.rest("DELETE", &format!("/jobs/query/{job}"), Json::Null)
            .await
            .status,
        204
    );
    assert_eq!(org.get(&format!("/jobs/query/{job}")).await.status, 404);
}

#[tokio::test]
async fn a_job_keeps_its_snapshot_and_quotes_what_needs_it() {
    let org = Org::new();
    let id = org.insert(
        "Account",
        json!({"Name": "a \"b\", c", "BillingStreet": "1\n2"}),
    );
    let job = query_job(
        &org,
        "SELECT Id, Name, BillingStreet, Phone, Active__c FROM Account",
    )
    .await;
    org.sim
        .update("Account", &id, json!({"Name": "later"}))
        .unwrap();
    let page = org.get(&format!("/jobs/query/{job}/results")).await;
    assert_eq!(
        rows(&page)[1],
        [id.as_str(), "a \"b\", c", "1\r\n2", "", "false"]
    );
}

#[tokio::test]
async fn what_bulk_cannot_do_is_refused_at_creation() {
    let org = Org::new();
    for (soql, code) in [
        ("SELECT BillingAddress FROM Account", "API_ERROR"),
        ("SELECT COUNT() FROM Account", "API_ERROR"),
        ("SELECT Nope FROM Account", "INVALID_FIELD"),
    ] {
        let new = json!({"operation": "query", "query": soql});
        let answer = org.rest("POST", "/jobs/query", new).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, code),
            "{soql}"
        );
    }
    let new = json!({"operation": "query", "query": "SELECT Id FROM Account"});
    let id = text(&org.rest("POST", "/jobs/query", new).await.json()["id"]);
    let early = org.get(&format!("/jobs/query/{id}/results")).await;
    assert_eq!(early.code(), "INVALIDJOBSTATE");
    let aborted = org
        .rest(
            "PATCH",
            &format!("/jobs/query/{id}"),
            json!({"state": "Aborted"}),
        )
        .await;
    assert_eq!(aborted.json()["state"], "Aborted");
}

#[tokio::test]
async fn an_upsert_job_reports_every_row() {
    let org = Org::new();
    let new =
        json!({"object": "Account", "operation": "upsert", "externalIdFieldName": "Hub_Id__c"});
    let csv = "Hub_Id__c,Name,AnnualRevenue,Phone\nc-1,\"Acme, Inc.\",350000000,1\nc-2,,5,2\nc-3,Third,many,3\n";
    let (id, info) = ingest(&org, new.clone(), csv).await;
    assert_eq!(info["state"], "JobComplete");
    assert_eq!(
        (
            &info["numberRecordsProcessed"],
            &info["numberRecordsFailed"]
        ),
        (&json!(3), &json!(2))
    );
    let good = rows(
        &org.get(&format!("/jobs/ingest/{id}/successfulResults/"))
            .await,
    );
    assert_eq!(
        good[0],
        [
            "sf__Id",
            "sf__Created",
            "Hub_Id__c",
            "Name",
            "AnnualRevenue",
            "Phone"
        ]
    );
    assert_eq!(
        good[1][1..],
        ["true", "c-1", "Acme, Inc.", "350000000", "1"]
    );
    let bad = rows(&org.get(&format!("/jobs/ingest/{id}/failedResults/")).await);
    assert_eq!(
        bad[1][1],
        "REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name--"
    );
    assert_eq!(bad.len(), 3);
    let none = rows(
        &org.get(&format!("/jobs/ingest/{id}/unprocessedrecords/"))
            .await,
    );
    assert_eq!(none.len(), 1);

    // `#N/A` clears, an empty cell leaves.
    let (_, info) = ingest(&org, new, "Hub_Id__c,Phone,AnnualRevenue\nc-1,#N/A,\n").await;
    assert_eq!(info["numberRecordsFailed"], 0);
    let row = &org.sim.find("Account", "Hub_Id__c", "c-1").unwrap()[0];
    assert!(row["Phone"].is_null());
    assert_eq!(row["AnnualRevenue"], 350_000_000.0);
    let account = text(&row["Id"]);

    let new = json!({"object": "Contact", "operation": "insert"});
    let (_, info) = ingest(&org, new, "LastName,Account.Hub_Id__c\nNg,c-1\n").await;
    assert_eq!(info["numberRecordsFailed"], 0);
    assert_eq!(
        org.sim
            .find("Contact", "AccountId", account.as_str())
            .unwrap()
            .len(),
        1
    );

    let new = json!({"object": "Account", "operation": "delete"});
    let (_, info) = ingest(&org, new, &format!("Id\n{account}\n0015e00000nobody\n")).await;
    assert_eq!(
        (
            &info["numberRecordsProcessed"],
            &info["numberRecordsFailed"]
        ),
        (&json!(2), &json!(1))
    );
    assert_eq!(org.sim.count("Account"), 0);
}

#[tokio::test]
async fn a_large_ingest_is_worked_off_in_steps() {
    let org = Org::new();
    let mut csv = String::from("Name\n");
    for at in 0..30_000 {
        csv.push_str(&format!("Company {at}\n"));
    }
    let new = json!({"object": "Account", "operation": "insert"});
    let (_, info) = ingest(&org, new, &csv).await;
    assert_eq!(info["numberRecordsProcessed"], 30_000);
    assert_eq!(org.sim.count("Account"), 30_000);
    assert_eq!(
        org.sim.requests().of("bulk_ingest"),
        5,
        "create, upload, close, two polls"
    );
}

#[tokio::test]
async fn jobs_go_wrong_on_demand() {
    let org = Org::with(SimOptions {
        bulk_page_cap: 5,
        ..SimOptions::default()
    });
    org.sim.seed_accounts(20);
    let soql = "SELECT Id FROM Account";
    let new = json!({"operation": "query", "query": soql});

    org.sim.faults().bulk.in_progress_polls = 2;
    let id = text(&org.rest("POST", "/jobs/query", new.clone()).await.json()["id"]);
    let mut states = vec![];
    for _ in 0..3 {
        states.push(text(
            &org.get(&format!("/jobs/query/{id}")).await.json()["state"],
        ));
    }
    assert_eq!(states, ["InProgress", "InProgress", "JobComplete"]);

    org.control("faults", json!({"bulk": {"fail": true}})).await;
    let id = text(&org.rest("POST", "/jobs/query", new.clone()).await.json()["id"]);
    let failed = org.get(&format!("/jobs/query/{id}")).await.json();
    assert_eq!(
        (&failed["state"], failed.get("errorMessage")),
        (&json!("Failed"), None)
    );

    org.control("faults", json!({"bulk": {"empty": true}}))
        .await;
    let job = query_job(&org, soql).await;
    let page = org.get(&format!("/jobs/query/{job}/results")).await;
    assert_eq!(
        (page.text.as_str(), page.header("sforce-locator")),
        ("\"Id\"\n", Some("null"))
    );

    org.control("faults", json!({"bulk": {"repeat_header_every": 2}}))
        .await;
    let job = query_job(&org, soql).await;
    let path = format!("{ROOT}/jobs/query/{job}/results?maxRecords=10");
    let page = org.get(&path).await;
    assert_eq!(
        page.header("sforce-numberofrecords"),
        Some("5"),
        "fewer than asked for"
    );
    assert_eq!(page.text.matches("\"Id\"").count(), 3);
}
