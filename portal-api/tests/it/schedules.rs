use axum::http::Method;
use serde_json::{Value as Json, json};

use crate::world::World;

#[tokio::test]
async fn a_schedule_shows_its_next_times_and_is_paused_run_and_removed() {
    let world = World::new().await;
    let connected = world.connected().await;
    let body = json!({
        "name": "Nightly", "connection_id": connected.id, "stream": "Account",
        "cron": "0 3 * * *", "time_zone": "Europe/Berlin",
    });
    let made = world.admin.post("/schedules", &body).await;
    let etag = made.etag();
    let made = made.expect(201);
    assert_eq!(made["next"].as_array().unwrap().len(), 5);
    assert_eq!(
        (&made["overlap"], &made["catch_up"]),
        (&json!("skip"), &json!("one"))
    );
    let path = format!("/schedules/{}", made["id"].as_str().unwrap());
    assert_eq!(
        world.admin.get("/schedules").await.expect(200)["items"][0],
        made
    );

    let pause = json!({"paused": true});
    let patch = |etag| world.admin.send(Method::PATCH, &path, etag, Some(&pause));
    patch(None).await.problem(428, "precondition-required");
    let paused = patch(Some(etag.as_str())).await.expect(200);
    assert_eq!(
        (&paused["paused"], &paused["next"]),
        (&json!(true), &json!([]))
    );
    assert_eq!(
        patch(Some(etag.as_str())).await.problem(412, "stale")["current"],
        paused
    );

    let run = world
        .admin
        .post(&format!("{path}/run"), &json!({}))
        .await
        .expect(202);
    let run = world
        .admin
        .get(&format!("/runs/{}", run["run_id"].as_str().unwrap()))
        .await
        .expect(200);
    assert_eq!(
        (&run["workflow"], &run["stream"]),
        (&json!("pull_stream"), &json!("Account"))
    );
    world.work_until_idle().await;
    let run = world
        .admin
        .get(&format!("/runs/{}", run["id"].as_str().unwrap()))
        .await
        .expect(200);
    assert_eq!(run["state"], "succeeded", "{run}");

    let current = world.admin.get(&path).await;
    world
        .admin
        .send(Method::DELETE, &path, Some("\"99\""), None)
        .await
        .problem(412, "stale");
    let etag = current.etag();
    world
        .admin
        .send(Method::DELETE, &path, Some(&etag), None)
        .await
        .expect(204);
    world.admin.get(&path).await.problem(404, "not-found");
}

#[tokio::test]
async fn a_schedule_that_cannot_be_is_refused_where_it_is_wrong() {
    let world = World::new().await;
    let connected = world.connected().await;
    let good = json!({
        "name": "x", "connection_id": connected.id, "stream": "Account", "cron": "0 3 * * *",
    });
    for (field, value, pointer) in [
        ("name", json!(""), "/name"),
        ("cron", json!("every day"), "/cron"),
        ("cron", json!("* * * * * *"), "/cron"),
        ("time_zone", json!("Mars/Olympus"), "/time_zone"),
        ("workflow", json!("drop_tables"), "/workflow"),
        ("stream", json!("Nosuch"), "/stream"),
        ("stream", Json::Null, "/stream"),
        ("connection_id", Json::Null, "/connection_id"),
        ("overlap", json!("always"), "/overlap"),
    ] {
        let mut body = good.clone();
        body[field] = value;
        world.admin.post("/schedules", &body).await.invalid(pointer);
    }
}
