use axum::body::Body;
use axum::http::Request;
use serde_json::json;

use crate::world::{Answer, World};

async fn get(world: &World, path: &str) -> Answer {
    let request = Request::builder().uri(path).body(Body::empty()).unwrap();
    world.stranger().raw(request).await
}

#[tokio::test]
async fn a_hub_is_alive_without_a_worker_and_ready_with_one() {
    let world = World::new().await;
    assert_eq!(
        get(&world, "/health").await.expect(200),
        json!({"status": "ok"})
    );
    let readiness = get(&world, "/ready").await.expect(503);
    assert_eq!(
        readiness["checks"][0],
        json!({"name": "database", "ok": true, "detail": "migrated"})
    );
    assert_eq!(readiness["checks"][1]["ok"], false);
    let engine = engine::Engine::builder(world.store.clone()).start();
    testkit::until("readiness", std::time::Duration::from_secs(10), || async {
        Ok((get(&world, "/ready").await.status == 200).then_some(()))
    })
    .await
    .unwrap();
    engine.shutdown().await;
}

#[tokio::test]
async fn figures_count_requests_by_route_and_name_no_ids() {
    let world = World::new().await;
    let id = format!("acc_{}", engine::ids::fresh().simple());
    world
        .admin
        .get(&format!("/accounts/{id}"))
        .await
        .problem(404, "not-found");
    let figures = String::from_utf8(get(&world, "/metrics").await.bytes.to_vec()).unwrap();
    assert!(
        figures.contains("syncline_http_requests_total"),
        "{figures}"
    );
    assert!(figures.contains("/api/v1/accounts/{id}"));
    assert!(!figures.contains(&id));
}

#[tokio::test]
async fn refusals_are_counted_from_nought() {
    let world = World::new().await;
    let figures = String::from_utf8(get(&world, "/metrics").await.bytes.to_vec()).unwrap();
    let line = "syncline_refresh_tokens_reused_total 0";
    assert!(figures.lines().any(|it| it == line), "{figures}");
    assert!(figures.contains("# HELP syncline_refresh_tokens_reused_total"));
}

#[tokio::test]
async fn the_document_is_served_and_every_answer_carries_the_security_headers() {
    let world = World::new().await;
    let answer = get(&world, "/api/v1/openapi.json").await;
    assert_eq!(answer.expect(200), portal_api::document());
    for path in ["/health", "/api/v1/accounts", "/api/nothing", "/some/page"] {
        let answer = get(&world, path).await;
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        let own = if path.starts_with("/api/") {
            "'none'"
        } else {
            "'self'"
        };
        for part in [
            format!("default-src {own};"),
            format!("form-action {own}"),
            "frame-ancestors 'none'".to_owned(),
            "base-uri 'none'".to_owned(),
        ] {
            assert!(policy.contains(&part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.headers[name], value, "{path}");
        }
        // Only over https can a browser be told to stay there.
        assert!(!answer.headers.contains_key("strict-transport-security"));
        let caching = answer
            .headers
            .get("cache-control")
            .map(|value| value.to_str().unwrap());
        assert_eq!(
            caching == Some("no-store"),
            path.starts_with("/api/"),
            "{path}"
        );
        assert!(
            answer.headers["x-request-id"]
                .to_str()
                .unwrap()
                .starts_with("req_")
        );
    }
}

#[tokio::test]
async fn the_page_is_never_passed_off_as_a_file_of_another_release() {
    let world = World::new().await;
    let answer = get(&world, "/assets/index-of-another-release.js").await;
    assert_eq!(answer.status, 404);
}
