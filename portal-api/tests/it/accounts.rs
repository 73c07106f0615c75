use axum::http::Method;
use serde_json::{Value as Json, json};

use crate::world::{Client, World};

async fn make(client: &Client, fields: Json) -> String {
    let made = client
        .post("/accounts", &json!({"fields": fields}))
        .await
        .expect(201);
    made["id"].as_str().unwrap().to_owned()
}

fn names(list: &Json) -> Vec<&str> {
    list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["name"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn accounts_are_searched_filtered_sorted_and_paged_without_gaps() {
    let world = World::new().await;
    for (name, industry, country) in [
        ("beta", "Energy", "France"),
        ("Alpha", "Energy", "Germany"),
        ("Ärger", "Retail", "Germany"),
        ("gamma 50% _", "Retail", "France"),
        ("alpha", "Banking", "Italy"),
    ] {
        make(
            &world.admin,
            json!({"name": name, "industry": industry, "billing_country": country}),
        )
        .await;
    }
    let all = world.admin.get("/accounts").await.expect(200);
    assert_eq!(all["total"], 5);
    for sort in ["name", "-name", "updated_at", "-updated_at"] {
        let whole = world
            .admin
            .get(&format!("/accounts?sort={sort}"))
            .await
            .expect(200);
        let mut paged = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = world
                .admin
                .get(&format!("/accounts?sort={sort}&limit=2{cursor}"))
                .await
                .expect(200);
            paged.extend(page["items"].as_array().unwrap().clone());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(Json::Array(paged), whole["items"], "{sort}");
    }
    let cursor = world.admin.get("/accounts?limit=1").await.expect(200)["next"]
        .as_str()
        .unwrap()
        .to_owned();
    world
        .admin
        .get(&format!("/accounts?sort=-name&cursor={cursor}"))
        .await
        .invalid("/cursor");
    for (query, expected) in [
        ("industry=Energy", vec!["Alpha", "beta"]),
        ("country=Germany&industry=Retail", vec!["Ärger"]),
        ("q=50%25%20_", vec!["gamma 50% _"]),
        ("q=%25", vec!["gamma 50% _"]),
        ("q=nobody", vec![]),
        ("updated_since=2100-01-01T00:00:00Z", vec![]),
    ] {
        let found = world
            .admin
            .get(&format!("/accounts?{query}"))
            .await
            .expect(200);
        assert_eq!(names(&found), expected, "{query}");
    }
}

#[tokio::test]
async fn an_edit_needs_the_version_that_was_read() {
    let world = World::new().await;
    let id = make(
        &world.admin,
        json!({"name": "Acme", "annual_revenue": "12345678901234567890.12"}),
    )
    .await;
    let path = format!("/accounts/{id}");
    let read = world.admin.get(&path).await;
    let etag = read.etag();
    let account = read.expect(200);
    assert_eq!(
        account["fields"]["annual_revenue"],
        "12345678901234567890.12"
    );
    assert_eq!(account["fields"]["industry"], Json::Null);
    let change = json!({"fields": {"industry": "Energy", "employees": 5}});
    let patch = |etag| world.admin.send(Method::PATCH, &path, etag, Some(&change));
    patch(None).await.problem(428, "precondition-required");
    let changed = patch(Some(etag.as_str())).await.expect(200);
    assert_eq!(
        (
            &changed["fields"]["industry"],
            &changed["fields"]["employees"]
        ),
        (&json!("Energy"), &json!("5"))
    );
    let stale = patch(Some(etag.as_str())).await.problem(412, "stale");
    assert_eq!(stale["current"], changed);
    let cleared = json!({"fields": {"industry": null}});
    let etag = world.admin.get(&path).await.etag();
    let cleared = world
        .admin
        .send(Method::PATCH, &path, Some(&etag), Some(&cleared))
        .await
        .expect(200);
    assert_eq!(cleared["fields"]["industry"], Json::Null);
}

#[tokio::test]
async fn provenance_tells_each_side_and_an_edit_reaches_the_system() {
    let world = World::new().await;
    let connected = world.pulled().await;
    let list = world
        .admin
        .get(&format!("/accounts?connection_id={}", connected.id))
        .await
        .expect(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 12);
    let row = &list["items"][0];
    assert_eq!(
        (&row["conflicts"], &row["pending_writes"]),
        (&json!(0), &json!(0))
    );
    let (id, key) = (
        row["id"].as_str().unwrap(),
        row["links"][0]["key"].as_str().unwrap().to_owned(),
    );
    let path = format!("/accounts/{id}");
    let field = |provenance: &Json, name: &str| {
        provenance["fields"]
            .as_array()
            .unwrap()
            .iter()
            .find(|field| field["name"] == name)
            .unwrap()
            .clone()
    };
    let before = world
        .admin
        .get(&format!("{path}/provenance"))
        .await
        .expect(200);
    assert_eq!(before["connections"][0]["key"], key.as_str());
    let phone = field(&before, "phone");
    assert_eq!(phone["origin"]["kind"], "connection");
    assert_eq!(phone["origin"]["mapping_version"], 1);
    assert_eq!(
        (&phone["agrees"], &phone["sides"][0]["value"]),
        (&json!(true), &phone["value"])
    );
    assert!(!phone["origin"]["sentence"].as_str().unwrap().is_empty());

    let etag = world.admin.get(&path).await.etag();
    let change = json!({"fields": {"phone": "+49 30 1234567"}});
    world
        .admin
        .send(Method::PATCH, &path, Some(&etag), Some(&change))
        .await
        .expect(200);
    let pending = field(
        &world
            .admin
            .get(&format!("{path}/provenance"))
            .await
            .expect(200),
        "phone",
    );
    assert_eq!(
        (&pending["agrees"], &pending["sides"][0]["pending"]),
        (&json!(false), &json!(true)),
        "{pending}"
    );
    assert_eq!(
        (&pending["origin"]["kind"], &pending["origin"]["user"]),
        (&json!("user"), &json!("admin"))
    );
    world.work_until_idle().await;
    let pushes = world
        .admin
        .get("/runs?workflow=push_writes")
        .await
        .expect(200);
    assert_eq!(pushes["items"][0]["state"], "succeeded", "{pushes}");
    let stored = connected.salesforce.sim.get("Account", &key).unwrap();
    assert_eq!(stored["Phone"], "+49 30 1234567");
    let settled = field(
        &world
            .admin
            .get(&format!("{path}/provenance"))
            .await
            .expect(200),
        "phone",
    );
    assert_eq!(settled["sides"][0]["pending"], false, "{settled}");

    let timeline = world
        .admin
        .get(&format!("{path}/timeline"))
        .await
        .expect(200);
    let kinds: Vec<_> = timeline["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["kind"].as_str().unwrap())
        .collect();
    for kind in ["created", "linked", "edited", "written"] {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
    let first = world
        .admin
        .get(&format!("{path}/timeline?limit=1"))
        .await
        .expect(200);
    let next = format!(
        "{path}/timeline?limit=1&cursor={}",
        first["next"].as_str().unwrap()
    );
    assert_eq!(
        world.admin.get(&next).await.expect(200)["items"][0],
        timeline["items"][1]
    );
}
