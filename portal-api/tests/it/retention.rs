use std::time::Duration;

use axum::http::Method;
use engine::Clock;
use serde_json::{Value as Json, json};

use crate::world::{Client, World};

#[tokio::test]
async fn retention_takes_away_what_is_older_by_a_schedule_that_it_makes() {
    let clock = Clock::manual("2026-11-20T08:00:00Z".parse().unwrap());
    let world = World::with_clock(clock.clone()).await;
    let put = async |client: &Client, tag: &str, days: Json| {
        client
            .send(
                Method::PUT,
                "/retention",
                Some(tag),
                Some(&json!({"days": days})),
            )
            .await
    };
    let etag = world.admin.get("/retention").await.etag();
    put(&world.admin, &etag, json!({"accounts": 3}))
        .await
        .invalid("/days/accounts");
    put(&world.admin, &etag, json!({"history": 0}))
        .await
        .invalid("/days/history");
    put(&world.admin, &etag, json!({"history": 30, "mails": 7}))
        .await
        .expect(200);
    put(&world.admin, &etag, json!({}))
        .await
        .problem(412, "stale");
    let made = json!({"fields": {"name": "A"}});
    let account = world.admin.post("/accounts", &made).await.expect(201);
    let path = format!("/accounts/{}", account["id"].as_str().unwrap());
    let edit = json!({"fields": {"name": "B"}});
    world
        .admin
        .send(Method::PATCH, &path, Some("\"1\""), Some(&edit))
        .await
        .expect(200);
    let schedules = world.admin.get("/schedules").await.expect(200);
    assert_eq!(schedules["items"][0]["workflow"], "apply_retention");
    // People time and pause it; what it does is not theirs to change.
    let path = format!(
        "/schedules/{}",
        schedules["items"][0]["id"].as_str().unwrap()
    );
    let etag = world.admin.get(&path).await.etag();
    let change = json!({"cron": "5 4 * * *", "paused": true, "paused_reason": "an inquiry"});
    let changed = world
        .admin
        .send(Method::PATCH, &path, Some(&etag), Some(&change))
        .await;
    let etag = changed.etag();
    assert_eq!(changed.expect(200)["workflow"], "apply_retention");
    let change = json!({"paused": false});
    world
        .admin
        .send(Method::PATCH, &path, Some(&etag), Some(&change))
        .await
        .expect(200);
    clock.advance(Duration::from_secs(40 * 86_400));
    let mut admin = world.stranger();
    admin
        .sign_in("admin@one.example", crate::world::PASSWORD)
        .await
        .expect(200);
    let schedule = format!(
        "/schedules/{}/run",
        schedules["items"][0]["id"].as_str().unwrap()
    );
    let answer = admin.post(&schedule, &json!({})).await;
    assert!(answer.status < 300, "{}", answer.body);
    let engine = world.worker().await;
    testkit::until("retention", Duration::from_secs(30), || async {
        let runs = admin
            .get("/runs?workflow=apply_retention")
            .await
            .expect(200);
        let states = runs["items"].as_array().unwrap().iter();
        Ok(states
            .clone()
            .any(|run| run["state"] == "succeeded")
            .then_some(()))
    })
    .await
    .unwrap();
    engine.shutdown().await;
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    let left: i64 = sqlx::query_scalar("select count(*) from changes")
        .fetch_one(tx.conn())
        .await
        .unwrap();
    assert_eq!(left, 0);
    let usage = admin.get("/usage").await.expect(200);
    assert_eq!(usage["records"]["used"], 1);
    assert_ne!(usage["counted_at"], Json::Null);
}
