//! What a schedule costs before it is made.

use axum::http::Method;
use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn a_schedule_is_shown_with_its_cost_and_made_only_as_it_was_shown() {
    let world = World::new().await;
    let connected = world.pulled().await;
    let schedule = json!({
        "name": "Often", "connection_id": connected.id, "stream": "Account", "cron": "*/5 * * * *",
    });
    let order = json!({"schedule": schedule});
    let shown = world
        .admin
        .post("/schedules/preview", &order)
        .await
        .expect(200);
    assert_eq!(shown["next"].as_array().unwrap().len(), 5);
    let runs = shown["runs_per_day"].as_u64().unwrap();
    assert!((287..=288).contains(&runs), "{shown}");
    assert_eq!(shown["calls_per_run"], 1, "{shown}");
    assert_eq!(shown["calls_per_day"], runs);

    // A budget that is too small for it.
    let budget = json!({"capacity": 10.0, "refill_per_second": 0.001});
    let path = format!("/budgets/{}", connected.id);
    let known = world.admin.get(&path).await;
    let etag = (known.status == 200).then(|| known.etag());
    let set = world
        .admin
        .send(Method::PUT, &path, etag.as_deref(), Some(&budget))
        .await;
    assert!([200, 201].contains(&set.status), "{}", set.body);
    let tight = world
        .admin
        .post("/schedules/preview", &order)
        .await
        .expect(200);
    assert_eq!(tight["budget_per_day"], 73, "{tight}");
    assert_eq!(tight["over_budget"], true);

    // What was shown before holds no more, and what is shown now does.
    let with = |token: &serde_json::Value| {
        let mut schedule = schedule.clone();
        schedule["preview"] = token.clone();
        schedule
    };
    let stale = world.admin.post("/schedules", &with(&shown["token"])).await;
    stale.problem(409, "conflict");
    let made = world
        .admin
        .post("/schedules", &with(&tight["token"]))
        .await
        .expect(201);

    // One that would fire together with it says so.
    let mut second = schedule.clone();
    second["name"] = json!("Too");
    second["cron"] = json!("*/10 * * * *");
    let order = json!({"schedule": second});
    let meets = world
        .admin
        .post("/schedules/preview", &order)
        .await
        .expect(200);
    let names: Vec<&str> = meets["overlaps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"Often"), "{meets}");
    assert!(meets["others_per_day"].as_u64().unwrap() >= runs, "{meets}");

    // A change of the first by what is shown of it.
    let mut hourly = schedule.clone();
    hourly["cron"] = json!("0 * * * *");
    let order = json!({"schedule": hourly, "replaces": made["id"]});
    let change = world
        .admin
        .post("/schedules/preview", &order)
        .await
        .expect(200);
    let path = format!("/schedules/{}", made["id"].as_str().unwrap());
    let etag = world.admin.get(&path).await.etag();
    let body = json!({"cron": "0 * * * *", "preview": change["token"]});
    let other = json!({"cron": "1 * * * *", "preview": change["token"]});
    let refused = world
        .admin
        .send(Method::PATCH, &path, Some(&etag), Some(&other))
        .await;
    refused.problem(409, "conflict");
    world
        .admin
        .send(Method::PATCH, &path, Some(&etag), Some(&body))
        .await
        .expect(200);
}

#[tokio::test]
async fn what_cannot_be_a_schedule_has_no_preview() {
    let world = World::new().await;
    let connected = world.pulled().await;
    let order = |cron: &str, stream: &str| {
        json!({"schedule": {
            "name": "Odd", "connection_id": connected.id, "stream": stream, "cron": cron,
        }})
    };
    for (cron, stream, pointer) in [
        ("every day", "Account", "/cron"),
        ("0 0 30 2 *", "Account", "/cron"),
        ("0 0 * * *", "Nothing", "/stream"),
    ] {
        let answer = world
            .admin
            .post("/schedules/preview", &order(cron, stream))
            .await;
        answer.invalid(pointer);
    }
}
