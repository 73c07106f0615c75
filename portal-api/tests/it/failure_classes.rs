use axum::http::Method;
use connector_salesforce::sim::{Answer, AnswerFault, Condition, Validation};
use domain::users::Role;
use serde_json::{Value as Json, json};

use crate::world::{Client, Connected, World};

/// The open classes.
async fn open(client: &Client) -> Vec<Json> {
    let list = client.get("/failure-classes?state=open").await.expect(200);
    list["items"].as_array().unwrap().clone()
}

async fn only(client: &Client) -> Json {
    let mut classes = open(client).await;
    assert_eq!(classes.len(), 1, "{classes:?}");
    classes.remove(0)
}

fn path(class: &Json) -> String {
    format!("/failure-classes/{}", class["id"].as_str().unwrap())
}

/// Tries a class again by the number of its plan.
async fn retried(world: &World, class: &Json) -> Json {
    let path = format!("{}/retry", path(class));
    let plan = world.admin.get(&path).await.expect(200);
    let order = json!({"count": plan["count"]});
    world.admin.post(&path, &order).await.expect(202);
    world.work_until_idle().await;
    plan
}

async fn set_phone(world: &World, account: &Json, phone: &str) {
    let path = format!("/accounts/{}", account["id"].as_str().unwrap());
    let etag = world.admin.get(&path).await.etag();
    let change = json!({"fields": {"phone": phone}});
    world
        .admin
        .send(Method::PATCH, &path, Some(&etag), Some(&change))
        .await
        .expect(200);
}

async fn pull(world: &World, connected: &Connected) {
    let path = format!("/connections/{}/streams/Account/pull", connected.id);
    world
        .admin
        .post(&path, &json!({"full": true}))
        .await
        .expect(202);
    world.work_until_idle().await;
}

#[tokio::test]
async fn refused_writes_are_one_class_that_closes_when_they_are_written() {
    let world = World::new().await;
    let connected = world.pulled().await;
    assert!(open(&world.admin).await.is_empty());
    connected.salesforce.sim.faults().validations = vec![Validation {
        object: "Account".to_owned(),
        field: "Phone".to_owned(),
        when: Condition::Contains("999".to_owned()),
        message: "No such number".to_owned(),
    }];
    let accounts = world.admin.get("/accounts").await.expect(200)["items"].clone();
    for at in 0..2 {
        set_phone(&world, &accounts[at], &format!("+49 999 {at}")).await;
    }
    world.work_until_idle().await;
    let class = only(&world.admin).await;
    assert_eq!(
        (&class["source"], &class["kind"], &class["code"]),
        (
            &json!("write"),
            &json!("rejected"),
            &json!("FIELD_CUSTOM_VALIDATION_EXCEPTION")
        )
    );
    assert_eq!(
        (&class["records"], &class["failures"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(class["remedy"]["who"], "person");
    assert_eq!(class["samples"].as_array().unwrap().len(), 2);
    let records = format!("{}/records", path(&class));
    let first = world
        .admin
        .get(&format!("{records}?limit=1"))
        .await
        .expect(200);
    let next = first["next"].as_str().unwrap();
    let second = world
        .admin
        .get(&format!("{records}?limit=1&cursor={next}"))
        .await
        .expect(200);
    assert_eq!(second["next"], Json::Null);
    let mut failing = [&first, &second].map(|page| page["items"][0]["entity_id"].clone());
    failing.sort_by_key(ToString::to_string);
    let mut edited = [0, 1].map(|at| accounts[at]["id"].clone());
    edited.sort_by_key(ToString::to_string);
    assert_eq!(failing, edited);

    // One comes right by itself, and another has failed twice by now: still one record.
    set_phone(&world, &accounts[0], "+49 30 1").await;
    set_phone(&world, &accounts[1], "+49 999 5").await;
    world.work_until_idle().await;
    let class = only(&world.admin).await;
    assert_eq!(
        (&class["records"], &class["failures"]),
        (&json!(1), &json!(2))
    );

    connected.salesforce.sim.faults().validations.clear();
    let retry = format!("{}/retry", path(&class));
    let problem = world.admin.post(&retry, &json!({"count": 2})).await;
    let problem = problem.problem(409, "conflict");
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("1 record by now"),
        "{problem}"
    );
    let plan = retried(&world, &class).await;
    assert_eq!(plan["count"], 1, "{plan}");
    assert!(open(&world.admin).await.is_empty());
    let key = accounts[1]["links"][0]["key"].as_str().unwrap();
    let there = connected.salesforce.sim.get("Account", key).unwrap();
    assert_eq!(there["Phone"], "+49 999 5");
    let closed = world.admin.get(&path(&class)).await.expect(200);
    assert_eq!(
        (&closed["state"], &closed["records"]),
        (&json!("closed"), &json!(0))
    );
    assert!(closed["closed_at"].is_string());
    world
        .admin
        .post(&retry, &json!({"count": 0}))
        .await
        .problem(409, "conflict");
}

#[tokio::test]
async fn fields_that_cannot_be_mapped_are_mapped_again_without_asking_the_system() {
    let world = World::new().await;
    let connected = world.pulled().await;
    let mappings = world.admin.get("/mappings").await.expect(200);
    let mappings = mappings["items"].as_array().unwrap();
    let mapping = mappings.iter().find(|one| one["entity"] == "account");
    let mapping = format!("/mappings/{}", mapping.unwrap()["id"].as_str().unwrap());
    let right = world.admin.get(&mapping).await.expect(200)["text"].clone();
    let right = right.as_str().unwrap();
    let wrong = right.replace(
        "remote = \"NumberOfEmployees\"",
        "remote = \"Name\"\ndirection = \"in\"",
    );
    let publish = async |text: &str| {
        let etag = world.admin.get(&mapping).await.etag();
        let body = json!({"text": text, "publish": true});
        world
            .admin
            .send(Method::PUT, &mapping, Some(&etag), Some(&body))
            .await
            .expect(200);
    };
    publish(&wrong).await;
    pull(&world, &connected).await;
    let class = only(&world.admin).await;
    assert_eq!(
        (&class["source"], &class["about"], &class["records"]),
        (&json!("field"), &json!("employees"), &json!(12)),
        "{class}"
    );
    assert_eq!(class["next_try_at"], Json::Null);

    // With the same mapping the same fails: trying again changes nothing, and asks nobody.
    let asked = connected.salesforce.sim.requests().total();
    let plan = retried(&world, &class).await;
    assert_eq!(plan["count"], 12);
    let again = only(&world.admin).await;
    assert_eq!(
        (&again["records"], &again["first_seen_at"]),
        (&json!(12), &class["first_seen_at"])
    );
    assert!(again["last_seen_at"].as_str() > class["last_seen_at"].as_str());

    assert_eq!(connected.salesforce.sim.requests().total(), asked);

    // What is published is applied to what failed, too.
    publish(right).await;
    world.work_until_idle().await;
    assert!(open(&world.admin).await.is_empty());
}

#[tokio::test]
async fn a_flow_that_stopped_is_one_class_however_often_it_was_tried() {
    let world = World::new().await;
    let connected = world.pulled().await;
    let refusal = AnswerFault {
        on: Some("query".to_owned()),
        skip: 0,
        times: 1000,
        answer: Answer::Error {
            status: 403,
            code: "INSUFFICIENT_ACCESS".to_owned(),
            message: "not allowed".to_owned(),
        },
    };
    connected.salesforce.sim.faults().answers = vec![refusal];
    pull(&world, &connected).await;
    pull(&world, &connected).await;
    let class = only(&world.admin).await;
    assert_eq!(
        (&class["source"], &class["about"]),
        (&json!("run"), &json!("pull_stream")),
        "{class}"
    );
    assert_eq!(
        (&class["records"], &class["failures"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(class["remedy"]["who"], "tenant", "{class}");
    connected.salesforce.sim.faults().answers.clear();
    retried(&world, &class).await;
    assert!(open(&world.admin).await.is_empty());
}

#[tokio::test]
async fn a_class_is_hidden_by_a_person_and_goes_on_failing() {
    let world = World::new().await;
    let connected = world.pulled().await;
    let class = failed_write(&world, &connected).await;
    let path = path(&class);
    let mute = json!({"muted": true, "note": "the customer moves on Monday"});
    let patch = |etag: Option<&'static str>| {
        let (admin, path, mute) = (&world.admin, &path, &mute);
        async move { admin.send(Method::PATCH, path, etag, Some(mute)).await }
    };
    patch(None).await.problem(428, "precondition-required");
    let muted = patch(Some("\"1\"")).await.expect(200);
    assert_eq!(
        (&muted["muted"], &muted["muted_by"], &muted["state"]),
        (&json!(true), &json!("admin"), &json!("open"))
    );
    let stale = patch(Some("\"1\"")).await.problem(412, "stale");
    assert_eq!(stale["current"]["muted"], true);
    let shown = world
        .admin
        .get("/failure-classes?muted=false")
        .await
        .expect(200);
    assert_eq!(shown["items"], json!([]));
    assert_eq!(only(&world.admin).await["records"], 1);

    let viewer = world
        .user(world.tenant, "viewer@one.example", Role::Viewer)
        .await;
    assert_eq!(only(&viewer).await["id"], class["id"]);
    let order = json!({"count": 1});
    let retry = format!("{path}/retry");
    viewer.post(&retry, &order).await.problem(403, "forbidden");
    viewer
        .send(Method::PATCH, &path, Some("\"2\""), Some(&mute))
        .await
        .problem(403, "forbidden");
    let other = world.other_tenant().await;
    assert!(open(&other).await.is_empty());
    other.get(&path).await.problem(404, "not-found");
}

/// A write that failed for good; its class.
pub(crate) async fn failed_write(world: &World, connected: &Connected) -> Json {
    connected.salesforce.sim.faults().validations = vec![Validation {
        object: "Account".to_owned(),
        field: "Phone".to_owned(),
        when: Condition::Contains("999".to_owned()),
        message: "No such number".to_owned(),
    }];
    let account = world.admin.get("/accounts").await.expect(200)["items"][0].clone();
    set_phone(world, &account, "+49 999 1").await;
    world.work_until_idle().await;
    only(&world.admin).await
}
