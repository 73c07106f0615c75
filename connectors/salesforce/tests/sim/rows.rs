//! Single rows: create, read, update, delete, upsert; values as they come back.

use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};

use crate::harness::{Org, text};

#[tokio::test]
async fn a_row_lives_and_dies() {
    let org = Org::new();
    let created = org
        .rest(
            "POST",
            "/sobjects/Contact",
            json!({"LastName": "Ng", "FirstName": "An"}),
        )
        .await;
    assert_eq!(created.status, 201);
    let id = text(&created.json()["id"]);
    assert_eq!(
        created.json(),
        json!({"id": id, "success": true, "errors": []})
    );
    assert!(
        created
            .header("location")
            .is_some_and(|location| location.ends_with(&id))
    );

    let path = format!("/sobjects/Contact/{id}");
    let read = org.get(&path).await.json();
    assert_eq!(read["Name"], "An Ng");
    assert!(
        read["Email"].is_null() && read.get("Email").is_some(),
        "nulls are present"
    );
    assert!(
        text(&read["SystemModstamp"]).ends_with(".000+0000"),
        "{}",
        read["SystemModstamp"]
    );

    let patched = org
        .rest("PATCH", &path, json!({"Email": "an@mail.example"}))
        .await;
    assert_eq!((patched.status, patched.text.as_str()), (204, ""));
    let some = org.get(&format!("{path}?fields=Id,Email")).await.json();
    assert_eq!(some.as_object().map(serde_json::Map::len), Some(3));
    assert_eq!(some["Email"], "an@mail.example");

    // Fifteen characters name the same row and come back as eighteen.
    let short = org
        .get(&format!("/sobjects/Contact/{}", &id[..15]))
        .await
        .json();
    assert_eq!(short["Id"], id);

    assert_eq!(org.rest("DELETE", &path, Json::Null).await.status, 204);
    let again = org.rest("DELETE", &path, Json::Null).await;
    assert_eq!(
        (again.status, again.code()),
        (404, "ENTITY_IS_DELETED".to_owned())
    );
    assert_eq!(org.sim.writes(), 3);
}

#[tokio::test]
async fn bad_rows_are_refused_with_code_and_fields() {
    let org = Org::new();
    let user = org.sim.user_id();
    let gone = org.insert("Account", json!({"Name": "gone"}));
    org.sim.delete("Account", &gone).unwrap();
    for (fields, code, named) in [
        (json!({}), "REQUIRED_FIELD_MISSING", json!(["LastName"])),
        (
            json!({"LastName": "x".repeat(81)}),
            "STRING_TOO_LONG",
            json!(["LastName"]),
        ),
        (
            json!({"LastName": "a", "Email": "nobody"}),
            "INVALID_EMAIL_ADDRESS",
            json!(["Email"]),
        ),
        (
            json!({"LastName": "a", "Nope__c": 1}),
            "INVALID_FIELD",
            Json::Null,
        ),
        (
            json!({"LastName": "a", "IsDeleted": true}),
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            json!(["IsDeleted"]),
        ),
        (
            json!({"LastName": "a", "AccountId": "x"}),
            "MALFORMED_ID",
            json!(["AccountId"]),
        ),
        (
            json!({"LastName": "a", "AccountId": user}),
            "FIELD_INTEGRITY_EXCEPTION",
            json!(["AccountId"]),
        ),
        (
            json!({"LastName": "a", "AccountId": gone}),
            "INVALID_CROSS_REFERENCE_KEY",
            json!(["AccountId"]),
        ),
        (
            json!({"LastName": "a", "DoNotCall": "perhaps"}),
            "JSON_PARSER_ERROR",
            json!(["DoNotCall"]),
        ),
        (
            json!({"LastName": "a", "Account": {"Hub_Id__c": "nobody"}}),
            "INVALID_FIELD",
            Json::Null,
        ),
    ] {
        let answer = org.rest("POST", "/sobjects/Contact", fields.clone()).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, code),
            "{fields}"
        );
        assert_eq!(answer.json()[0]["fields"], named, "{fields}");
    }
    let broken = org
        .send(
            "POST",
            "/services/data/v62.0/sobjects/Contact",
            &[("authorization", &format!("Bearer {}", org.token))],
            "{\"LastName\":".to_owned(),
        )
        .await;
    assert_eq!(
        (broken.status, broken.code()),
        (400, "JSON_PARSER_ERROR".to_owned())
    );
    assert_eq!(org.sim.writes(), 0);
    assert_eq!(
        org.get("/sobjects/Account/0015e00000nobody").await.status,
        404
    );
    assert_eq!(
        org.get("/sobjects/Nothing/0015e00000nobody").await.code(),
        "NOT_FOUND"
    );
}

#[tokio::test]
async fn values_come_back_normalised() {
    let org = Org::new();
    let account = org.insert(
        "Account",
        json!({"Name": "  Acme \"Ö\" 🚀 ", "AnnualRevenue": "123456789012345678",
            "Health_Score__c": 12.345, "BillingStreet": "1 Main\nFloor 2", "BillingCity": "Bonn",
            "Products_Owned__c": "portal;CRM;CRM", "Phone": "", "NumberOfEmployees": 42,
            "Last_Review__c": "2026-05-01T12:00:00.987+02:00", "Renewal_Date__c": "2028-02-29",
            "Notes__c": "n".repeat(131_072)}),
    );
    let answer = org.get(&format!("/sobjects/Account/{account}")).await;
    assert!(
        answer
            .text
            .contains("\"AnnualRevenue\":1.23456789012345678E17"),
        "{}",
        answer.text
    );
    let row = answer.json();
    assert_eq!(row["Name"], "Acme \"Ö\" 🚀");
    assert_eq!(row["Health_Score__c"], 12.35);
    assert_eq!(row["BillingStreet"], "1 Main\r\nFloor 2");
    assert_eq!(row["BillingAddress"]["city"], "Bonn");
    assert_eq!(row["Products_Owned__c"], "CRM;Portal");
    assert!(row["Phone"].is_null());
    assert_eq!(row["NumberOfEmployees"], 42);
    assert_eq!(row["Last_Review__c"], "2026-05-01T10:00:00.000+0000");
    assert_eq!(row["Renewal_Date__c"], "2028-02-29");
    assert_eq!(row["Active__c"], false);
    assert_eq!(text(&row["Notes__c"]).len(), 131_072);
}

#[tokio::test]
async fn upsert_creates_then_updates_and_refuses_an_ambiguous_key() {
    let org = Org::new();
    let path = "/sobjects/Account/Hub_Id__c/cust%2F1";
    let created = org.rest("PATCH", path, json!({"Name": "One"})).await;
    assert_eq!(
        (created.status, &created.json()["created"]),
        (201, &json!(true))
    );
    let id = text(&created.json()["id"]);
    let updated = org.rest("PATCH", path, json!({"Name": "Uno"})).await;
    assert_eq!(
        (updated.status, updated.json()),
        (
            200,
            json!({"id": id, "success": true, "errors": [], "created": false})
        )
    );
    assert_eq!(org.get(path).await.json()["Hub_Id__c"], "cust/1");
    let old = org
        .rest(
            "PATCH",
            "/services/data/v45.0/sobjects/Account/Hub_Id__c/CUST%2f1",
            json!({}),
        )
        .await;
    assert_eq!(old.status, 204, "46.0 brought the body, and keys fold case");

    let only = org
        .rest(
            "PATCH",
            "/sobjects/Account/Hub_Id__c/new?updateOnly=true",
            json!({}),
        )
        .await;
    assert_eq!(only.status, 404);
    let twice = org
        .rest(
            "POST",
            "/sobjects/Account",
            json!({"Name": "x", "Hub_Id__c": "cust/1"}),
        )
        .await;
    assert_eq!(
        (twice.status, twice.code()),
        (400, "DUPLICATE_VALUE".to_owned())
    );
    assert!(twice.text.contains(&id[..15]), "{}", twice.text);

    for name in ["a", "b"] {
        org.insert("Account", json!({"Name": name, "Legacy_Id__c": "L1"}));
    }
    let writes = org.sim.writes();
    let several = org
        .rest(
            "PATCH",
            "/sobjects/Account/Legacy_Id__c/L1",
            json!({"Name": "c"}),
        )
        .await;
    assert_eq!(
        (several.status, several.json().as_array().map(Vec::len)),
        (300, Some(2))
    );
    assert_eq!(org.sim.writes(), writes);

    let child = json!({"LastName": "Ng", "Account": {"Hub_Id__c": "cust/1"}});
    let child = org.rest("POST", "/sobjects/Contact", child).await.json();
    let child = org.sim.get("Contact", &text(&child["id"])).unwrap();
    assert_eq!(
        child["AccountId"], id,
        "a parent may be named by its external id"
    );
}

#[tokio::test]
async fn preconditions_guard_an_update() {
    let org = Org::new();
    let start: DateTime<Utc> = "2026-05-02T10:11:12Z".parse().unwrap();
    org.sim.clock.pin(start);
    let org = Org {
        token: org.sim.access_token(),
        ..org
    };
    let id = org.insert("Account", json!({"Name": "One"}));
    let path = format!("/sobjects/Account/{id}");
    let read = org.get(&path).await;
    assert_eq!(
        read.header("last-modified"),
        Some("Sat, 02 May 2026 10:11:12 GMT")
    );
    assert_eq!(read.header("date"), Some("Sat, 02 May 2026 10:11:12 GMT"));
    let etag = read.header("etag").unwrap().to_owned();
    org.sim.clock.advance(chrono::Duration::seconds(5));
    org.sim
        .update("Account", &id, json!({"Name": "Two"}))
        .unwrap();
    let stale = [("if-unmodified-since", "Sat, 02 May 2026 10:11:12 GMT")];
    assert_eq!(
        org.rest_with("PATCH", &path, &stale, json!({"Name": "x"}))
            .await
            .status,
        412
    );
    let stale = [("if-match", etag.as_str())];
    assert_eq!(
        org.rest_with("PATCH", &path, &stale, json!({"Name": "x"}))
            .await
            .status,
        412
    );
    let fresh = [("if-unmodified-since", "Sat, 02 May 2026 10:11:17 GMT")];
    assert_eq!(
        org.rest_with("PATCH", &path, &fresh, json!({"Name": "x"}))
            .await
            .status,
        204
    );
    let unchanged = [("if-modified-since", "Sat, 02 May 2026 10:11:17 GMT")];
    assert_eq!(
        org.rest_with("GET", &path, &unchanged, Json::Null)
            .await
            .status,
        304
    );
}
