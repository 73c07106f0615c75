//! Many rows, and many requests, in one.

use serde_json::{Value as Json, json};

use crate::harness::{Org, text};

fn account(name: &str) -> Json {
    json!({"attributes": {"type": "Account"}, "Name": name})
}

#[tokio::test]
async fn each_row_has_its_own_result() {
    let org = Org::new();
    let body = json!({"allOrNone": false, "records": [account("a"), account(""), account("c")]});
    let answer = org.rest("POST", "/composite/sobjects", body).await;
    assert_eq!(answer.status, 200);
    let results = answer.json();
    assert_eq!(
        (&results[0]["success"], &results[2]["success"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(results[1]["success"], false);
    assert_eq!(
        results[1]["errors"][0]["statusCode"],
        "REQUIRED_FIELD_MISSING"
    );
    assert!(results[1].get("id").is_none());
    assert_eq!((org.sim.count("Account"), org.sim.writes()), (2, 2));

    let ids = [text(&results[0]["id"]), text(&results[2]["id"])];
    let update = json!({"records": [
        {"attributes": {"type": "Account"}, "id": ids[0], "Name": "A"},
        {"attributes": {"type": "Account"}, "id": "0015e00000nobody", "Name": "B"},
        {"attributes": {"type": "Account"}, "Name": "C"}]});
    let results = org
        .rest("PATCH", "/composite/sobjects", update)
        .await
        .json();
    assert_eq!(results[0]["success"], true);
    assert_eq!(results[1]["errors"][0]["statusCode"], "MALFORMED_ID");
    assert_eq!(results[2]["errors"][0]["statusCode"], "MISSING_ARGUMENT");

    let retrieve = json!({"ids": [ids[1], "001000000000000AAA", ids[0]], "fields": ["Name"]});
    let records = org
        .rest("POST", "/composite/sobjects/Account", retrieve)
        .await
        .json();
    assert_eq!(
        (&records[0]["Name"], &records[2]["Name"]),
        (&json!("c"), &json!("A"))
    );
    assert!(records[1].is_null());

    let path = format!(
        "/composite/sobjects?ids={},{},{}&allOrNone=false",
        ids[0], ids[0], ids[1]
    );
    let results = org.rest("DELETE", &path, Json::Null).await.json();
    assert_eq!(results[1]["errors"][0]["statusCode"], "ENTITY_IS_DELETED");
    assert_eq!(org.sim.count("Account"), 0);
}

#[tokio::test]
async fn all_or_none_undoes_the_good_rows() {
    let org = Org::new();
    let kept = org.insert("Account", json!({"Name": "kept"}));
    let body = json!({"allOrNone": true, "records": [account("a"), account("")]});
    let results = org.rest("POST", "/composite/sobjects", body).await.json();
    let code = &results[0]["errors"][0]["statusCode"];
    assert_eq!(
        (&results[0]["success"], code),
        (&json!(false), &json!("ALL_OR_NONE_OPERATION_ROLLED_BACK"))
    );
    assert_eq!((org.sim.count("Account"), org.sim.writes()), (1, 0));

    let path = format!("/composite/sobjects?ids={kept},0015e00000nobody&allOrNone=true");
    let results = org.rest("DELETE", &path, Json::Null).await.json();
    assert_eq!(
        (&results[0]["id"], &results[0]["success"]),
        (&json!(kept), &json!(false))
    );
    assert_eq!(org.sim.count("Account"), 1);
    let deleted = org
        .get("/queryAll?q=SELECT+Id+FROM+Account+WHERE+IsDeleted=true")
        .await
        .json();
    assert_eq!(deleted["totalSize"], 0);
}

#[tokio::test]
async fn a_collection_upserts_by_external_id() {
    let org = Org::new();
    let record = |id: &str, name: &str| json!({"attributes": {"type": "Account"}, "Hub_Id__c": id, "Name": name});
    let body = json!({"records": [record("1", "a"), record("2", "b"), account("no key")]});
    let results = org
        .rest("PATCH", "/composite/sobjects/Account/Hub_Id__c", body)
        .await
        .json();
    assert_eq!(
        (&results[0]["created"], &results[1]["created"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(results[2]["errors"][0]["statusCode"], "MISSING_ARGUMENT");
    let body = json!({"records": [record("1", "A")]});
    let results = org
        .rest("PATCH", "/composite/sobjects/Account/Hub_Id__c", body)
        .await
        .json();
    assert_eq!(results[0]["created"], false);
    assert_eq!(
        org.sim.find("Account", "Hub_Id__c", "1").unwrap()[0]["Name"],
        "A"
    );
}

#[tokio::test]
async fn a_malformed_collection_is_refused_whole() {
    let org = Org::new();
    let many: Vec<Json> = (0..201).map(|_| account("a")).collect();
    let answer = org
        .rest("POST", "/composite/sobjects", json!({"records": many}))
        .await;
    assert_eq!(
        (answer.status, answer.code()),
        (400, "EXCEEDED_MAX_ROWS".to_owned())
    );
    let contact = json!({"attributes": {"type": "Contact"}, "LastName": "x"});
    let mixed: Vec<Json> = (0..12)
        .map(|at| {
            if at % 2 == 0 {
                account("a")
            } else {
                contact.clone()
            }
        })
        .collect();
    let answer = org
        .rest("POST", "/composite/sobjects", json!({"records": mixed}))
        .await;
    assert_eq!(
        (answer.status, answer.code()),
        (400, "INVALID_INPUT".to_owned())
    );
    let untyped = org
        .rest(
            "POST",
            "/composite/sobjects",
            json!({"records": [{"Name": "a"}]}),
        )
        .await;
    assert_eq!(untyped.status, 400);
    assert_eq!(org.sim.count("Account"), 0);
}

#[tokio::test]
async fn a_composite_writes_then_reads_what_it_wrote() {
    let org = Org::new();
    let body = json!({"allOrNone": true, "compositeRequest": [
        {"method": "POST", "url": "/services/data/v62.0/sobjects/Account", "referenceId": "w",
         "body": {"Name": "Acme"}},
        {"method": "POST", "url": "/services/data/v62.0/sobjects/Contact", "referenceId": "c",
         "body": {"LastName": "Ng", "AccountId": "@{w.id}"}},
        {"method": "GET", "referenceId": "r",
         "url": "/services/data/v62.0/sobjects/Contact/@{c.id}?fields=Id,AccountId,SystemModstamp"}]});
    let answer = org.rest("POST", "/composite", body).await.json();
    let parts = answer["compositeResponse"].as_array().unwrap();
    assert_eq!(parts[0]["httpStatusCode"], 201);
    assert!(parts[0]["httpHeaders"]["Location"].is_string());
    assert_eq!(parts[2]["body"]["AccountId"], parts[0]["body"]["id"]);
    assert_eq!(parts[2]["referenceId"], "r");

    let id = text(&parts[0]["body"]["id"]);
    let failing = json!({"allOrNone": true, "compositeRequest": [
        {"method": "PATCH", "url": format!("/services/data/v62.0/sobjects/Account/{id}"),
         "referenceId": "a", "body": {"Name": "Changed"}},
        {"method": "POST", "url": "/services/data/v62.0/sobjects/Account", "referenceId": "b", "body": {}},
        {"method": "GET", "url": "/services/data/v62.0/limits", "referenceId": "c"}]});
    let answer = org.rest("POST", "/composite", failing).await.json();
    let codes: Vec<&str> = answer["compositeResponse"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| part["body"][0]["errorCode"].as_str().unwrap())
        .collect();
    assert_eq!(
        codes,
        [
            "PROCESSING_HALTED",
            "REQUIRED_FIELD_MISSING",
            "PROCESSING_HALTED"
        ]
    );
    assert_eq!(org.sim.get("Account", &id).unwrap()["Name"], "Acme");
}

#[tokio::test]
async fn a_batch_answers_each_part_and_may_halt() {
    let org = Org::new();
    let body = json!({"haltOnError": true, "batchRequests": [
        {"method": "GET", "url": "v62.0/limits"},
        {"method": "GET", "url": "/services/data/v62.0/sobjects/Nothing/describe"},
        {"method": "GET", "url": "v62.0/sobjects/Account/describe"}]});
    let answer = org.rest("POST", "/composite/batch", body).await.json();
    assert_eq!(answer["hasErrors"], true);
    let statuses: Vec<u64> = answer["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["statusCode"].as_u64().unwrap())
        .collect();
    assert_eq!(statuses, [200, 404, 412]);
    assert_eq!(
        answer["results"][2]["result"][0]["errorCode"],
        "BATCH_PROCESSING_HALTED"
    );
}
