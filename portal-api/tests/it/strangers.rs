//! Whoever is not signed in gets nothing, whatever is asked.

use axum::http::Method;
use engine::ids::fresh;
use serde_json::json;

use crate::world::World;

/// Open to everybody.
const OPEN: [&str; 5] = ["sign_in", "openapi", "health", "ready", "metrics"];

#[tokio::test]
async fn every_operation_refuses_a_stranger() {
    let world = World::new().await;
    let document = portal_api::document();
    let mut asked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if OPEN.contains(&operation["operationId"].as_str().unwrap()) {
                continue;
            }
            assert_eq!(operation["security"], json!([{"session": []}]), "{path}");
            let method: Method = method.to_uppercase().parse().unwrap();
            let path = concrete(path.strip_prefix("/api/v1").unwrap());
            let answer = world
                .stranger()
                .send(method, &path, Some("\"1\""), Some(&json!({})))
                .await;
            answer.problem(401, "unauthenticated");
            asked += 1;
        }
    }
    assert!(asked > 45, "{asked}");
}

/// A path with some id in it, which need not exist.
fn concrete(path: &str) -> String {
    let prefix = match path.split('/').nth(1).unwrap() {
        "connections" => "con",
        "mappings" => "map",
        "schedules" => "sch",
        "runs" => "run",
        "accounts" => "acc",
        "contacts" => "ctc",
        "failure-classes" => "fcl",
        "approvals" => "apr",
        _ => "cfl",
    };
    path.replace("{id}", &format!("{prefix}_{}", fresh().simple()))
        .replace("{stream}", "Account")
        .replace("{entity}", "account")
        .replace("{version}", "1")
        .replace("{kind}", "workflow")
        .replace("{name}", "pull_stream")
}
