//! The nasty habits, each once.

use connector_salesforce::sim::{
    Answer, AnswerFault, Condition, DuplicateRule, Flow, LimitHeader, LockFault, SimOptions,
    Validation,
};
use serde_json::{Value as Json, json};

use crate::harness::{Org, text};

#[tokio::test]
async fn a_session_dies_between_two_pages_and_the_page_can_be_repeated() {
    let org = Org::with(SimOptions {
        page_size: 10,
        ..SimOptions::default()
    });
    org.sim.seed_accounts(30);
    org.sim.faults().expire_session_after = Some(2);
    let first = org.query("SELECT Id FROM Account").await.json();
    let second = org.get(&text(&first["nextRecordsUrl"])).await.json();
    let next = text(&second["nextRecordsUrl"]);
    let dead = org.get(&next).await;
    assert_eq!(
        (dead.status, dead.code()),
        (401, "INVALID_SESSION_ID".to_owned())
    );
    let org = Org {
        token: org.sim.access_token(),
        ..org
    };
    assert_eq!(org.get(&next).await.json()["done"], true);
    org.sim.expire_sessions();
    assert_eq!(org.get("/limits").await.status, 401);
}

#[tokio::test]
async fn limits_are_403_without_retry_after() {
    let org = Org::with(SimOptions {
        daily_limit: 3,
        ..SimOptions::default()
    });
    assert_eq!(
        org.get("/limits").await.header("sforce-limit-info"),
        Some("api-usage=1/3")
    );
    let left = org.get("/limits").await.json();
    assert_eq!(left["DailyApiRequests"], json!({"Max": 3, "Remaining": 1}));
    org.sim.faults().limit_header = LimitHeader::Bursts;
    let third = org.get("/limits").await;
    assert_eq!(
        third.header("sforce-limit-info"),
        Some("api-usage=3/3; api-bursts=1/750")
    );
    let over = org.get("/limits").await;
    assert_eq!(
        (over.status, over.code()),
        (403, "REQUEST_LIMIT_EXCEEDED".to_owned())
    );
    assert_eq!(over.json()[0]["message"], "TotalRequests Limit exceeded.");
    assert!(over.header("retry-after").is_none());
    org.sim.faults().limit_header = LimitHeader::Absent;
    assert!(
        org.get("/limits")
            .await
            .header("sforce-limit-info")
            .is_none()
    );
    let versions = org.send("GET", "/services/data/", &[], String::new()).await;
    assert_eq!(versions.status, 200, "the list of versions is free");
    assert!(versions.header("sforce-limit-info").is_none());
    assert!(versions.json().as_array().unwrap().contains(
        &json!({"label": "Summer '26", "url": "/services/data/v67.0", "version": "67.0"})
    ));

    let org = Org::new();
    let limit = json!({"answers": [{"on": "query", "answer": {"kind": "concurrent_limit"}}]});
    org.control("faults", limit).await;
    let over = org.query("SELECT Id FROM Account").await;
    assert!(
        over.status == 403 && text(&over.json()[0]["message"]).starts_with("ConcurrentRequests")
    );
    assert_eq!(
        org.query("SELECT Id FROM Account").await.status,
        200,
        "used up"
    );
}

#[tokio::test]
async fn rows_are_locked_for_a_while() {
    let org = Org::new();
    let id = org.insert("Account", json!({"Name": "a"}));
    let path = format!("/sobjects/Account/{id}");
    let lock = LockFault {
        object: "Account".to_owned(),
        id: Some(id[..15].to_owned()),
        times: 2,
    };
    org.sim.faults().locks.push(lock);
    for _ in 0..2 {
        let answer = org.rest("PATCH", &path, json!({"Name": "b"})).await;
        assert_eq!(
            (answer.status, answer.code()),
            (400, "UNABLE_TO_LOCK_ROW".to_owned())
        );
        assert!(text(&answer.json()[0]["message"]).ends_with(&id));
    }
    assert_eq!(
        org.rest("PATCH", &path, json!({"Name": "b"})).await.status,
        204
    );

    // Two requests that touch one account and its children within the window.
    org.sim.faults().lock_window_ms = Some(60_000);
    assert_eq!(
        org.rest("PATCH", &path, json!({"Name": "c"})).await.status,
        204
    );
    let contact = json!({"LastName": "x", "AccountId": id});
    let answer = org.rest("POST", "/sobjects/Contact", contact.clone()).await;
    assert_eq!(
        answer.code(),
        "UNABLE_TO_LOCK_ROW",
        "the account was written just now"
    );
    org.sim.clock.advance(chrono::Duration::minutes(2));
    assert_eq!(
        org.rest("POST", "/sobjects/Contact", contact.clone())
            .await
            .status,
        201
    );
    assert_eq!(
        org.rest("POST", "/sobjects/Contact", contact).await.code(),
        "UNABLE_TO_LOCK_ROW"
    );
}

#[tokio::test]
async fn rules_refuse_rows_and_a_flow_changes_them() {
    let org = Org::new();
    org.sim.faults().validations.push(Validation {
        object: "Account".to_owned(),
        field: "Industry".to_owned(),
        when: Condition::Is(json!("Media")),
        message: "Media is not served".to_owned(),
    });
    let answer = org
        .rest(
            "POST",
            "/sobjects/Account",
            json!({"Name": "a", "Industry": "Media"}),
        )
        .await;
    assert_eq!(
        (answer.status, answer.code()),
        (400, "FIELD_CUSTOM_VALIDATION_EXCEPTION".to_owned())
    );
    assert_eq!(answer.json()[0]["message"], "Media is not served");

    org.sim.faults().duplicates.push(DuplicateRule {
        object: "Contact".to_owned(),
        field: "Email".to_owned(),
        allow_save: true,
    });
    let twin = json!({"LastName": "x", "Email": "x@mail.example"});
    assert_eq!(
        org.rest("POST", "/sobjects/Contact", twin.clone())
            .await
            .status,
        201
    );
    let answer = org.rest("POST", "/sobjects/Contact", twin.clone()).await;
    assert_eq!(answer.code(), "DUPLICATES_DETECTED");
    let found =
        &answer.json()[0]["duplicateResult"]["matchResults"][0]["matchRecords"][0]["record"]["Id"];
    assert!(found.is_string());
    let header = [(
        "sforce-duplicate-rule-header",
        "allowSave=true; includeRecordDetails=true",
    )];
    assert_eq!(
        org.rest_with("POST", "/sobjects/Contact", &header, twin)
            .await
            .status,
        201
    );

    org.sim.faults().flows.push(Flow {
        object: "Account".to_owned(),
        on_field: Some("Industry".to_owned()),
        set_field: "Tier__c".to_owned(),
        value: json!("Bronze"),
    });
    let created = org
        .rest(
            "POST",
            "/sobjects/Account",
            json!({"Name": "b", "Industry": "Energy"}),
        )
        .await;
    let row = org
        .sim
        .get("Account", &text(&created.json()["id"]))
        .unwrap();
    assert_eq!(row["Tier__c"], "Bronze");
    let restricted = json!({"Name": "c", "Tier__c": "Wood"});
    let answer = org.rest("POST", "/sobjects/Account", restricted).await;
    assert_eq!(answer.code(), "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST");
}

fn answer(on: &str, skip: u32, answer: Answer) -> AnswerFault {
    AnswerFault {
        on: Some(on.to_owned()),
        skip,
        times: 1,
        answer,
    }
}

#[tokio::test]
async fn answers_go_wrong_before_and_after_the_work() {
    let org = Org::new();
    let create = json!({"Name": "a"});
    org.sim.faults().answers = vec![answer(
        "row_create",
        0,
        Answer::ErrorAfterCommit { status: 500 },
    )];
    let lost = org.rest("POST", "/sobjects/Account", create.clone()).await;
    assert_eq!(
        (lost.status, lost.code()),
        (500, "UNKNOWN_EXCEPTION".to_owned())
    );
    assert_eq!(
        (org.sim.count("Account"), org.sim.writes()),
        (1, 1),
        "the row is there all the same"
    );

    org.sim.faults().answers = vec![answer("row_create", 1, Answer::Html { status: 502 })];
    assert_eq!(
        org.rest("POST", "/sobjects/Account", create.clone())
            .await
            .status,
        201
    );
    let html = org.rest("POST", "/sobjects/Account", create.clone()).await;
    assert!(html.status == 502 && html.text.starts_with("<html>"));
    assert_eq!(html.header("content-type"), Some("text/html;charset=UTF-8"));
    assert_eq!(org.sim.count("Account"), 2);

    org.sim.faults().answers = vec![answer("limits", 0, Answer::Empty { status: 406 })];
    let empty = org.get("/limits").await;
    assert_eq!((empty.status, empty.text.as_str()), (406, ""));

    let error = Answer::Error {
        status: 400,
        code: "QUERY_TIMEOUT".to_owned(),
        message: "Your query request was running for too long.".to_owned(),
    };
    org.sim.faults().answers = vec![answer("query", 0, error)];
    assert_eq!(
        org.query("SELECT Id FROM Account").await.code(),
        "QUERY_TIMEOUT"
    );

    org.sim.faults().answers = vec![answer("query", 0, Answer::Cut)];
    let cut = org.query("SELECT Id FROM Account").await;
    assert!(cut.cut && cut.status == 200);

    org.sim.faults().answers = vec![answer("query", 0, Answer::Hang { ms: 50 })];
    let began = std::time::Instant::now();
    assert!(org.query("SELECT Id FROM Account").await.cut);
    assert!(began.elapsed().as_millis() >= 50);

    org.sim.faults().answers = vec![answer("query", 0, Answer::Slow { ms: 50 })];
    let began = std::time::Instant::now();
    assert_eq!(org.query("SELECT Id FROM Account").await.status, 200);
    assert!(began.elapsed().as_millis() >= 50);
    assert!(org.sim.faults().answers.is_empty());
}

#[tokio::test]
async fn pages_are_short_and_the_total_drifts() {
    let org = Org::with(SimOptions {
        page_size: 50,
        ..SimOptions::default()
    });
    org.sim.seed_accounts(300);
    org.control(
        "faults",
        json!({"short_pages": true, "drifting_total": true}),
    )
    .await;
    let first = org.query("SELECT Id FROM Account").await.json();
    let length = first["records"].as_array().map_or(0, Vec::len);
    assert!(length < 50 && first["done"] == false, "{length}");
    let later = org.get(&text(&first["nextRecordsUrl"])).await.json();
    assert_ne!(later["totalSize"], first["totalSize"]);
    let mut ids = org.ids("SELECT Id FROM Account").await;
    ids.dedup();
    assert_eq!(ids.len(), 300, "nothing is lost or doubled");
    org.sim.faults().locator_ttl_ms = Some(1000);
    org.sim.clock.advance(chrono::Duration::seconds(2));
    let gone = org.get(&text(&first["nextRecordsUrl"])).await;
    assert_eq!(gone.code(), "INVALID_QUERY_LOCATOR");
}

#[tokio::test]
async fn thousands_of_rows_share_one_stamp() {
    let org = Org::new();
    org.sim.seed_accounts(3000);
    let body =
        json!({"op": "touch", "object": "Account", "count": 2500, "stamp": "2026-05-01T00:00:00Z"});
    assert_eq!(org.control("rows", body).await, json!({"touched": 2500}));
    let soql = "SELECT Id FROM Account WHERE SystemModstamp = 2026-05-01T00:00:00Z ORDER BY SystemModstamp, Id";
    let ids = org.ids(soql).await;
    assert_eq!(ids.len(), 2500);
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
}

#[tokio::test]
async fn the_control_endpoint_refuses_what_it_does_not_know() {
    let org = Org::new();
    let send = async |path: &str, body: Json| {
        org.send("POST", &format!("/__control/{path}"), &[], body.to_string())
            .await
    };
    assert_eq!(
        send("faults", json!({"shrot_pages": true})).await.status,
        400
    );
    assert_eq!(
        send("clock", json!({"advance_seconds": i64::MAX}))
            .await
            .status,
        400
    );
    assert_eq!(send("nothing", json!({})).await.status, 404);
    let fields = json!({"Name": "by control"});
    let made = org
        .control(
            "rows",
            json!({"op": "insert", "object": "Account", "fields": fields}),
        )
        .await;
    let shown = format!("/__control/rows/Account/{}", text(&made["id"]));
    assert_eq!(
        org.send("GET", &shown, &[], String::new()).await.json()["Name"],
        "by control"
    );
    let seen = org
        .control("seed", json!({"accounts": 5, "contacts": 3}))
        .await;
    assert_eq!(
        (&seen["rows"]["Account"], &seen["rows"]["Contact"]),
        (&json!(6), &json!(3))
    );
    org.control("clock", json!({"pin": "2026-05-01T00:00:00Z"}))
        .await;
    assert_eq!(
        org.sim.clock.now().to_rfc3339(),
        "2026-05-01T00:00:00+00:00"
    );
    org.control("clock", json!("release")).await;
    org.control("faults", json!({"daily_limit_reached": true}))
        .await;
    assert_eq!(org.get("/limits").await.status, 403);
    let cleared = org
        .send("DELETE", "/__control/faults", &[], String::new())
        .await;
    assert_eq!(cleared.json()["daily_limit_reached"], false);
    assert_eq!(org.get("/limits").await.status, 200);
}

#[tokio::test]
async fn an_open_transaction_holds_its_rows() {
    let org = Org::new();
    let id = org.insert("Account", json!({"Name": "a", "Phone": "1"}));
    let path = format!("/sobjects/Account/{id}");
    org.sim.faults().late_ms = 60_000;
    org.sim
        .update("Account", &id, json!({"Phone": "2"}))
        .unwrap();
    org.sim
        .update("Account", &id, json!({"Name": "b"}))
        .unwrap();
    assert_eq!(org.get(&path).await.json()["Phone"], "1", "not committed");
    let locked = org.rest("PATCH", &path, json!({"Phone": "3"})).await;
    assert_eq!(locked.code(), "UNABLE_TO_LOCK_ROW");
    org.sim.clock.advance(chrono::Duration::minutes(2));
    let row = org.get(&path).await.json();
    assert_eq!(
        (&row["Name"], &row["Phone"]),
        (&json!("b"), &json!("2")),
        "both changes"
    );
    assert_eq!(
        org.rest("PATCH", &path, json!({"Phone": "3"})).await.status,
        204
    );
}

#[tokio::test]
async fn an_address_may_not_be_endless() {
    let org = Org::new();
    let soql = format!(
        "SELECT Id FROM Account WHERE Name = '{}'",
        "x".repeat(17_000)
    );
    assert_eq!(org.query(&soql).await.status, 414);
}
