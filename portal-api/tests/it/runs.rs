use serde_json::{Value as Json, json};

use crate::world::World;

#[tokio::test]
async fn runs_are_listed_filtered_and_told_step_by_step() {
    let world = World::new().await;
    let connected = world.pulled().await;
    let list = world
        .admin
        .get("/runs?workflow=pull_stream&state=succeeded")
        .await
        .expect(200);
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 2, "{list}");
    assert!(items[0]["created_at"].as_str() >= items[1]["created_at"].as_str());
    for (query, expected) in [
        ("state=failed".to_owned(), 0),
        ("state=partial".to_owned(), 0),
        ("workflow=nosuch".to_owned(), 0),
        (format!("connection_id={}", connected.id), 2),
        ("error_class=auth".to_owned(), 0),
        ("since=2000-01-01T00:00:00Z".to_owned(), 2),
        ("until=2000-01-01T00:00:00Z".to_owned(), 0),
        (format!("key=pull/{}/Account", connected.id), 1),
    ] {
        let path = format!("/runs?workflow=pull_stream&{query}")
            .replace("workflow=pull_stream&workflow", "workflow");
        let found = world.admin.get(&path).await.expect(200);
        assert_eq!(
            found["items"].as_array().unwrap().len(),
            expected,
            "{query}"
        );
    }
    let first = world.admin.get("/runs?limit=1").await.expect(200);
    let next = format!("/runs?limit=200&cursor={}", first["next"].as_str().unwrap());
    let rest = world.admin.get(&next).await.expect(200);
    assert!(
        !rest["items"]
            .to_string()
            .contains(first["items"][0]["id"].as_str().unwrap())
    );

    let path = format!("/runs/{}", items[0]["id"].as_str().unwrap());
    let run = world.admin.get(&path).await.expect(200);
    assert_eq!(run["input"]["connection"], connected.id.as_str());
    let steps = run["steps"].as_array().unwrap();
    assert!(steps.len() >= 2, "{run}");
    assert!(steps.iter().all(|step| step["state"] == "done" && !step["attempts"].as_array().unwrap().is_empty()));
    let children = world
        .admin
        .get(&format!("{path}/children"))
        .await
        .expect(200);
    assert_eq!(
        children["items"].as_array().unwrap().len() as u64,
        run["children"].as_u64().unwrap()
    );
    world
        .admin
        .post(&format!("{path}/retry"), &json!({}))
        .await
        .problem(409, "conflict");
    world
        .admin
        .post(&format!("{path}/cancel"), &json!({}))
        .await
        .problem(409, "conflict");
}

#[tokio::test]
async fn a_run_is_cancelled_and_goes_on_when_it_is_retried() {
    let world = World::new().await;
    let connected = world.connected().await;
    let pull = format!("/connections/{}/streams/Account/pull", connected.id);
    let started = world.admin.post(&pull, &json!({})).await.expect(202);
    let path = format!("/runs/{}", started["run_id"].as_str().unwrap());
    world
        .admin
        .post(&format!("{path}/cancel"), &Json::Null)
        .await
        .expect(202);
    let run = world.admin.get(&path).await.expect(200);
    assert_eq!(
        (run["state"].as_str(), run["error"]["class"].as_str()),
        (Some("cancelled"), Some("cancelled"))
    );
    world
        .admin
        .post(&format!("{path}/retry"), &Json::Null)
        .await
        .expect(202);
    world.work_until_idle().await;
    assert_eq!(
        world.admin.get(&path).await.expect(200)["state"],
        "succeeded"
    );
}

#[tokio::test]
async fn a_failed_run_says_who_must_act() {
    let world = World::new().await;
    let connected = world.connected().await;
    let path = format!("/connections/{}", connected.id);
    let mut config = connected.salesforce.config();
    config["auth"]["client_secret"] = json!("revoked");
    let body = json!({"config": config});
    let etag = world.admin.get(&path).await.etag();
    world
        .admin
        .send(axum::http::Method::PATCH, &path, Some(&etag), Some(&body))
        .await
        .expect(200);
    world
        .admin
        .post(&format!("{path}/streams/Account/pull"), &json!({}))
        .await
        .expect(202);
    world.work_until_idle().await;
    let failed = world
        .admin
        .get("/runs?state=failed&error_class=auth")
        .await
        .expect(200);
    let error = &failed["items"][0]["error"];
    assert_eq!(
        (error["class"].as_str(), error["who"].as_str()),
        (Some("auth"), Some("tenant")),
        "{failed}"
    );
    let overview = world.admin.get("/overview").await.expect(200);
    assert_eq!(overview["flows"][0]["state"], "stopped", "{overview}");
}

#[tokio::test]
async fn a_run_is_restarted_forked_and_told_from_its_copy() {
    let world = World::new().await;
    let connected = world.connected().await;
    let pull = format!("/connections/{}/streams/Account/pull", connected.id);
    let started = world.admin.post(&pull, &json!({})).await.expect(202);
    let id = started["run_id"].as_str().unwrap().to_owned();
    let path = format!("/runs/{id}");
    world.work_until_idle().await;
    let restart = format!("{path}/restart");
    for (body, pointer) in [
        (json!({"from": "step"}), "/step"),
        (json!({"from": "start", "step": 1}), "/step"),
        (json!({"from": "nowhere"}), "/from"),
    ] {
        world.admin.post(&restart, &body).await.invalid(pointer);
    }
    world
        .admin
        .post(&restart, &json!({"from": "step", "step": 99}))
        .await
        .problem(404, "not-found");
    world
        .admin
        .post(&restart, &json!({"from": "failed"}))
        .await
        .problem(409, "conflict");
    world
        .admin
        .post(&restart, &json!({"from": "start"}))
        .await
        .expect(202);
    world.work_until_idle().await;
    let run = world.admin.get(&path).await.expect(200);
    assert_eq!(
        (run["state"].as_str(), &run["forked_from"]),
        (Some("succeeded"), &Json::Null)
    );
    let forked = world
        .admin
        .post(&format!("{path}/fork"), &json!({"from": "step", "step": 1}))
        .await
        .expect(202);
    world.work_until_idle().await;
    let copy = format!("/runs/{}", forked["run_id"].as_str().unwrap());
    let copy = world.admin.get(&copy).await.expect(200);
    assert_eq!(
        (copy["state"].as_str(), copy["forked_from"].as_str()),
        (Some("succeeded"), Some(id.as_str()))
    );
    // One that has ended takes no signals.
    let signal = json!({"name": "go", "body": null});
    world
        .admin
        .post(&format!("{path}/signals"), &signal)
        .await
        .problem(409, "conflict");
}

#[tokio::test]
async fn what_a_filter_matches_is_counted_and_done_by_a_run() {
    let world = World::new().await;
    let connected = world.connected().await;
    let pull = format!("/connections/{}/streams/Account/pull", connected.id);
    let started = world.admin.post(&pull, &json!({})).await.expect(202);
    let path = format!("/runs/{}", started["run_id"].as_str().unwrap());
    let signal = json!({"name": "go", "body": {"a": 1}, "dedupe_key": "x"});
    let signals = format!("{path}/signals");
    for sent in [true, false] {
        let answer = world.admin.post(&signals, &signal).await.expect(202);
        assert_eq!(answer["sent"], sent);
    }
    let filter = json!({"workflow": "pull_stream", "connection_id": connected.id});
    let plan = world
        .admin
        .post(
            "/runs/bulk/plan",
            &json!({"operation": "cancel", "filter": filter}),
        )
        .await
        .expect(200);
    assert_eq!(plan, json!({"eligible": 1, "skipped": 0}));
    let body = json!({"name": "stop", "operation": "cancel", "filter": filter});
    world
        .admin
        .post(&format!("{path}/cancel"), &Json::Null)
        .await
        .expect(202);
    let bulk = world.admin.post("/runs/bulk", &body).await.expect(202);
    world.work_until_idle().await;
    let bulk = format!("/runs/{}", bulk["run_id"].as_str().unwrap());
    let run = world.admin.get(&bulk).await.expect(200);
    assert_eq!(
        run["output"],
        json!({"plan": {"eligible": 0, "skipped": 1}, "acted": 0, "skipped": 1}),
        "{run}"
    );
    world
        .admin
        .post(
            "/runs/bulk/plan",
            &json!({"operation": "cancel", "filter": {"states": ["partial"]}}),
        )
        .await
        .invalid("/filter/states/0");
    world
        .admin
        .post(
            "/runs/bulk",
            &json!({"name": "x", "operation": "cancel", "filter": {"workflw": "x"}}),
        )
        .await
        .invalid("/filter/workflw");
}
