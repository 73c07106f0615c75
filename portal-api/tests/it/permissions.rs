//! Every operation of the interface, asked by everybody who may not and everybody who may.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request};
use domain::permissions::Permission;
use domain::users::Role;
use engine::Clock;
use engine::ids::fresh;
use serde_json::{Value as Json, json};
use tower::ServiceExt as _;

use crate::world::{Client, World};

/// Open to everybody. A line here is a decision.
const OPEN: [&str; 24] = [
    "sign_in",
    "get_sign_in_options",
    "start_sso",
    "sso_callback",
    "finish_sso",
    "saml_acs",
    "saml_sign_out",
    "saml_sign_out_form",
    "get_saml_metadata",
    "sso_backchannel_logout",
    // The ticket of the first stage says for whom; it is no session.
    "sign_in_second",
    "get_second_stage",
    "send_second_code",
    "ask_second_passkey",
    "sign_in_second_passkey",
    "ask_passkey",
    "sign_in_passkey",
    // The token says for whom.
    "refresh_tokens",
    "redeem_link",
    "request_password_reset",
    "openapi",
    "health",
    "ready",
    "metrics",
];

struct Operation {
    name: String,
    method: Method,
    path: String,
    access: String,
    security: Json,
}

fn operations() -> Vec<Operation> {
    let document = portal_api::document();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap().to_owned();
            let access = operation["x-permission"].as_str().unwrap_or_else(|| {
                panic!(
                    "{name} declares no permission: let its handler take `May<…>` first, and \
                     register it with `crate::permit::routes!` in place of `utoipa_axum::routes!`"
                )
            });
            found.push(Operation {
                method: method.to_uppercase().parse().unwrap(),
                path: concrete(path),
                access: access.to_owned(),
                security: operation["security"].clone(),
                name,
            });
        }
    }
    found
}

/// A path with some id in it, which need not exist.
fn concrete(path: &str) -> String {
    let noun = path.trim_start_matches("/api/v1").split('/').nth(1);
    let prefix = match noun.unwrap() {
        "connections" => "con",
        "mappings" => "map",
        "schedules" => "sch",
        "runs" => "run",
        "accounts" => "acc",
        "contacts" => "ctc",
        "breakers" => "brk",
        "users" => "usr",
        "groups" => "grp",
        "keys" => "key",
        "teams" => "tea",
        "partners" => "ptn",
        "brands" => "brd",
        "erasures" => "ers",
        "subject-exports" => "sar",
        "tenants" => "tnt",
        "sessions" => "ses",
        "session" => "idn",
        "domains" => "dom",
        "identity-providers" | "sso" => "idp",
        "passkeys" => "psk",
        "devices" => "dev",
        "tokens" => "tok",
        _ => "cfl",
    };
    path.replace("{session}", &format!("ses_{}", fresh().simple()))
        .replace("{id}", &format!("{prefix}_{}", fresh().simple()))
        .replace("{stream}", "Account")
        .replace("{entity}", "account")
        .replace("{version}", "1")
        .replace("{kind}", "workflow")
        .replace("{name}", "pull_stream")
        .replace("{assignment}", &format!("asg_{}", fresh().simple()))
}

/// The status of an answer; its body may be endless.
async fn status(client: &Client, operation: &Operation) -> u16 {
    let mut request = Request::builder()
        .method(operation.method.clone())
        .uri(&operation.path)
        .header("content-type", "application/json")
        .header("if-match", "\"1\"")
        .header("sec-fetch-site", "same-origin");
    if let Some(cookie) = &client.cookie {
        request = request.header("cookie", cookie);
    }
    let request = request.body(Body::from("{}")).unwrap();
    let answer = client.router.clone().oneshot(request).await.unwrap();
    answer.status().as_u16()
}

#[tokio::test]
async fn every_operation_declares_who_may_call_it_and_refuses_a_stranger() {
    let world = World::new().await;
    let mut asked = 0;
    for operation in operations() {
        let is_open = OPEN.contains(&operation.name.as_str());
        assert_eq!(operation.access == "open", is_open, "{}", operation.name);
        assert_eq!(operation.security.is_null(), is_open, "{}", operation.name);
        if !is_open {
            let known = ["own", "platform"].contains(&operation.access.as_str())
                || operation.access.parse::<Permission>().is_ok();
            assert!(known, "{}: {}", operation.name, operation.access);
            assert_eq!(
                status(&world.stranger(), &operation).await,
                401,
                "{}",
                operation.name
            );
            asked += 1;
        }
    }
    assert!(asked > 70, "{asked}");
}

#[tokio::test]
async fn every_operation_refuses_an_expired_session() {
    let clock = Clock::manual("2026-11-20T08:00:00Z".parse().unwrap());
    let world = World::with_clock(clock.clone()).await;
    world.admin.get("/overview").await.expect(200);
    clock.advance(Duration::from_secs(31 * 60));
    for operation in operations() {
        if operation.access != "open" {
            assert_eq!(
                status(&world.admin, &operation).await,
                401,
                "{}",
                operation.name
            );
        }
    }
}

#[tokio::test]
async fn every_operation_serves_the_roles_that_may_and_no_others() {
    let world = World::new().await;
    let operations = operations();
    for role in Role::ALL {
        let email = format!("a-{role}@one.example");
        let client = world.user(world.tenant, &email, role).await;
        for operation in &operations {
            if operation.access == "platform" {
                let status = status(&client, operation).await;
                assert_eq!(status, 403, "{role}: {}", operation.name);
            }
            let Ok(permission) = operation.access.parse::<Permission>() else {
                continue;
            };
            let status = status(&client, operation).await;
            let is_refused = status == 403;
            let may = role.scope().narrow(role.permissions()).has(permission);
            assert_eq!(
                is_refused, !may,
                "{role}: {} answered {status}",
                operation.name
            );
            assert_ne!(status, 401, "{role}: {}", operation.name);
            assert!(
                status < 500 || status == 502,
                "{role}: {} {status}",
                operation.name
            );
        }
    }
}

#[test]
fn permissions_md_is_what_the_handlers_and_roles_say() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/permissions.md");
    let committed = std::fs::read_to_string(path).unwrap();
    assert!(
        committed == portal_api::permission_matrix(),
        "permissions.md is not current: run `cargo x gen`"
    );
}

#[tokio::test]
async fn a_grant_a_group_and_a_role_count_from_the_next_request_on() {
    let world = World::new().await;
    let viewer = world
        .user(world.tenant, "viewer@one.example", Role::Viewer)
        .await;
    let account = json!({"fields": {"name": "Acme"}});
    let id = viewer.get("/session").await.expect(200)["user"]["id"].clone();
    let path = format!("/users/{}", id.as_str().unwrap());
    let change = async |body: Json| {
        let etag = world.admin.get(&path).await.etag();
        let answer = world
            .admin
            .send(Method::PATCH, &path, Some(&etag), Some(&body));
        answer.await.expect(200)
    };
    viewer
        .post("/accounts", &account)
        .await
        .problem(403, "forbidden");
    change(json!({"grants": ["records.write"]})).await;
    viewer.post("/accounts", &account).await.expect(201);
    let session = viewer.get("/session").await.expect(200);
    assert!(
        session["permissions"]
            .as_array()
            .unwrap()
            .contains(&json!("records.write"))
    );
    change(json!({"grants": []})).await;
    viewer
        .post("/accounts", &account)
        .await
        .problem(403, "forbidden");

    let group = json!({"name": "Editors", "permissions": ["records.write"]});
    let group = world.admin.post("/groups", &group).await.expect(201);
    change(json!({"groups": [group["id"]]})).await;
    viewer.post("/accounts", &account).await.expect(201);
    let path_of_group = format!("/groups/{}", group["id"].as_str().unwrap());
    let emptied = json!({"name": "Editors", "permissions": []});
    let tag = world.admin.get(&path_of_group).await.etag();
    world
        .admin
        .send(Method::PUT, &path_of_group, Some(&tag), Some(&emptied))
        .await
        .expect(200);
    viewer
        .post("/accounts", &account)
        .await
        .problem(403, "forbidden");

    change(json!({"role": "operator"})).await;
    viewer.post("/accounts", &account).await.expect(201);
}
