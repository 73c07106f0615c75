//! Describe, and a table of fields that changes under way.

use connector_salesforce::sim::schema::{Field, FieldType};
use serde_json::{Value as Json, json};

use crate::harness::Org;

async fn field(org: &Org, object: &str, name: &str) -> Option<Json> {
    let describe = org
        .get(&format!("/sobjects/{object}/describe"))
        .await
        .json();
    describe["fields"]
        .as_array()?
        .iter()
        .find(|field| field["name"] == name)
        .cloned()
}

#[tokio::test]
async fn describe_says_what_the_table_of_fields_says() {
    let org = Org::new();
    let global = org.get("/sobjects").await.json();
    let names: Vec<&str> = global["sobjects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| o["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["Account", "Contact", "Opportunity", "User"]);
    assert_eq!(
        (&global["maxBatchSize"], &global["sobjects"][0]["keyPrefix"]),
        (&json!(200), &json!("001"))
    );

    let hub = field(&org, "Account", "Hub_Id__c").await.unwrap();
    for (key, value) in [
        ("type", json!("string")),
        ("length", json!(64)),
        ("externalId", json!(true)),
        ("unique", json!(true)),
        ("idLookup", json!(true)),
        ("custom", json!(true)),
        ("nillable", json!(true)),
        ("label", json!("Hub Id")),
    ] {
        assert_eq!(hub[key], value, "{key}");
    }
    let owner = field(&org, "Account", "OwnerId").await.unwrap();
    assert_eq!(
        (&owner["referenceTo"], &owner["relationshipName"]),
        (&json!(["User"]), &json!("Owner"))
    );
    assert_eq!(owner["defaultedOnCreate"], true);
    let products = field(&org, "Account", "Products_Owned__c").await.unwrap();
    assert_eq!(
        (&products["type"], &products["restrictedPicklist"]),
        (&json!("multipicklist"), &json!(true))
    );
    assert_eq!(products["picklistValues"][0]["value"], "Billing");
    let name = field(&org, "Contact", "Name").await.unwrap();
    assert_eq!(
        (&name["createable"], &name["nameField"]),
        (&json!(false), &json!(true))
    );
    assert!(field(&org, "User", "IsDeleted").await.is_none());
    // What a client must send to create: createable, not nillable, not defaulted.
    let describe = org.get("/sobjects/Contact/describe").await.json();
    let required: Vec<&Json> = describe["fields"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|f| {
            f["createable"] == true && f["nillable"] == false && f["defaultedOnCreate"] == false
        })
        .map(|f| &f["name"])
        .collect();
    assert_eq!(required, ["LastName"]);
    assert_eq!(org.get("/sobjects/Nothing/describe").await.status, 404);
}

#[tokio::test]
async fn an_unchanged_describe_is_a_304_until_the_fields_change() {
    let org = Org::new();
    let path = "/sobjects/Account/describe";
    let modified = org
        .get(path)
        .await
        .header("last-modified")
        .unwrap()
        .to_owned();
    let since = [("if-modified-since", modified.as_str())];
    let unchanged = org.rest_with("GET", path, &since, Json::Null).await;
    assert_eq!((unchanged.status, unchanged.text.as_str()), (304, ""));
    org.sim.clock.advance(chrono::Duration::seconds(2));
    org.sim
        .add_field(
            "Account",
            Field::new("Region__c", FieldType::String).length(20),
        )
        .unwrap();
    assert_eq!(
        org.rest_with("GET", path, &since, Json::Null).await.status,
        200
    );
}

#[tokio::test]
async fn fields_come_go_hide_and_change_their_type() {
    let org = Org::new();
    let id = org.insert(
        "Account",
        json!({"Name": "a", "Health_Score__c": 42, "Tier__c": "Gold"}),
    );
    let path = format!("/sobjects/Account/{id}");
    org.sim
        .add_field(
            "Account",
            Field::new("Region__c", FieldType::String).length(20),
        )
        .unwrap();
    assert!(
        org.get(&path).await.json()["Region__c"].is_null(),
        "older rows have none"
    );
    assert_eq!(
        org.rest("PATCH", &path, json!({"Region__c": "EMEA"}))
            .await
            .status,
        204
    );
    assert_eq!(
        org.ids("SELECT Id FROM Account WHERE Region__c = 'EMEA'")
            .await,
        std::slice::from_ref(&id)
    );

    org.sim.hide_field("Account", "Region__c", true).unwrap();
    assert_eq!(
        org.query("SELECT Region__c FROM Account").await.code(),
        "INVALID_FIELD"
    );
    assert!(org.get(&path).await.json().get("Region__c").is_none());
    assert_eq!(
        org.rest("PATCH", &path, json!({"Region__c": "x"}))
            .await
            .code(),
        "INVALID_FIELD"
    );
    org.sim.hide_field("Account", "Region__c", false).unwrap();
    assert_eq!(org.get(&path).await.json()["Region__c"], "EMEA");

    org.control(
        "schema",
        json!({"op": "retype", "object": "Account",
        "field": {"name": "Health_Score__c", "type": "string", "length": 10}}),
    )
    .await;
    assert_eq!(org.get(&path).await.json()["Health_Score__c"], "42");
    org.control(
        "schema",
        json!({"op": "add_value", "object": "Account", "name": "Tier__c", "value": "Tin"}),
    )
    .await;
    assert_eq!(
        org.rest("PATCH", &path, json!({"Tier__c": "Tin"}))
            .await
            .status,
        204
    );
    org.control(
        "schema",
        json!({"op": "remove", "object": "Account", "name": "Tier__c"}),
    )
    .await;
    assert_eq!(
        org.rest("PATCH", &path, json!({"Tier__c": "Tin"}))
            .await
            .code(),
        "INVALID_FIELD"
    );
    assert!(org.sim.remove_field("Account", "Tier__c").is_err());
}

#[tokio::test]
async fn a_field_may_truncate_and_normalise_in_silence() {
    let org = Org::new();
    let id = org.insert("Contact", json!({"LastName": "x"}));
    org.control(
        "schema",
        json!({"op": "normalise", "object": "Contact", "name": "Title", "how": "truncate"}),
    )
    .await;
    org.control(
        "schema",
        json!({"op": "length", "object": "Contact", "name": "Title", "length": 5}),
    )
    .await;
    org.control(
        "schema",
        json!({"op": "normalise", "object": "Contact", "name": "Email", "how": "lower"}),
    )
    .await;
    org.control(
        "schema",
        json!({"op": "normalise", "object": "Contact", "name": "Phone", "how": "digits"}),
    )
    .await;
    let written =
        json!({"Title": "Director", "Email": "A@Mail.Example", "Phone": "+1 (555) 01-02"});
    assert_eq!(
        org.rest("PATCH", &format!("/sobjects/Contact/{id}"), written)
            .await
            .status,
        204
    );
    let row = org.sim.get("Contact", &id).unwrap();
    assert_eq!(row["Title"], "Direc");
    assert_eq!(row["Email"], "a@mail.example");
    assert_eq!(row["Phone"], "+15550102");
}

#[tokio::test]
async fn a_field_can_become_a_key() {
    let org = Org::new();
    let id = org.insert("Account", json!({"Name": "a", "Phone": "1"}));
    let path = "/sobjects/Account/Phone/1";
    assert_eq!(org.get(path).await.status, 404);
    org.sim
        .edit_field("Account", "Phone", |field| field.external_id = true)
        .unwrap();
    assert_eq!(org.get(path).await.json()["Id"], id);
}
