//! Tenants as whoever runs the hub manages them, settings, and pages of other sites.

use axum::body::Body;
use axum::http::{Method, Request};
use domain::tenants;
use domain::users::Role;
use serde_json::{Value as Json, json};

use crate::world::{Client, World};

/// Somebody who looks after all tenants, and is no admin of one.
pub(crate) async fn operator(world: &World) -> Client {
    let client = world
        .user(world.tenant, "op@hub.example", Role::Viewer)
        .await;
    let id = client.get("/session").await.expect(200)["user"]["id"].clone();
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    tenants::set_operator(&mut tx, id.as_str().unwrap().parse().unwrap(), true)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    client
}

fn new(name: &str, email: &str) -> Json {
    json!({"name": name, "environment": "production", "admin": {"email": email, "name": "Ada"}})
}

#[tokio::test]
async fn a_tenant_is_made_suspended_and_goes_on_by_whoever_runs_the_hub_alone() {
    let world = World::new().await;
    world.admin.get("/tenants").await.problem(403, "forbidden");
    world
        .admin
        .post("/tenants", &new("Mine", "x@three.example"))
        .await
        .problem(403, "forbidden");
    let operator = operator(&world).await;
    let made = operator
        .post("/tenants", &new("Three", "ada@three.example"))
        .await
        .expect(201);
    let id = made["tenant"]["id"].as_str().unwrap();
    let path = format!("/tenants/{id}");
    for bad in [
        json!({"name": "x"}),
        new("", "a@b.example"),
        new("x", "nobody"),
        json!({"name": "x", "environment": "y", "admin": {"email": "a@b", "name": "n"}, "id": id}),
    ] {
        operator
            .post("/tenants", &bad)
            .await
            .problem(422, "invalid-field");
    }
    // An address that signs in already makes no half of a tenant.
    operator
        .post("/tenants", &new("Four", "ada@three.example"))
        .await
        .problem(409, "conflict");
    let list = operator.get("/tenants").await.expect(200);
    assert_eq!(list["total"], 2);
    let mut ada = world.stranger();
    let link = made["invitation"]["link"].as_str().unwrap();
    let token = link.split('#').nth(1).unwrap();
    let password = json!({"token": token, "password": crate::world::PASSWORD});
    ada.post("/session/link", &password).await.expect(204);
    ada.sign_in("ada@three.example", crate::world::PASSWORD)
        .await
        .expect(200);
    ada.get("/tenants").await.problem(403, "forbidden");

    let suspend = format!("{path}/suspend");
    operator
        .post(&suspend, &json!({"reason": " "}))
        .await
        .invalid("/reason");
    let reason = json!({"reason": "unpaid"});
    assert_eq!(
        operator.post(&suspend, &reason).await.expect(200)["is_suspended"],
        true
    );
    operator.post(&suspend, &reason).await.expect(200);
    ada.get("/overview").await.problem(401, "unauthenticated");
    let mut again = world.stranger();
    let refused = again
        .sign_in("ada@three.example", crate::world::PASSWORD)
        .await;
    refused.problem(401, "unauthenticated");
    let own = format!("/tenants/{}/suspend", world.tenant);
    operator.post(&own, &reason).await.problem(409, "conflict");
    operator
        .post(&format!("{path}/resume"), &json!({}))
        .await
        .expect(200);
    let lanes = ada.get("/lanes").await.expect(200);
    assert!(!lanes.to_string().contains("unpaid"), "{lanes}");
    let audit = ada.get("/audit?action=suspend_tenant").await.expect(200);
    assert_eq!(audit["items"][0]["after"]["reason"], "unpaid");
    assert_eq!(audit["items"][0]["actor"]["name"], "op");

    let rename = json!({"name": "Drei"});
    let etag = operator.get(&path).await.etag();
    let send = async |tag: &str| {
        operator
            .send(Method::PATCH, &path, Some(tag), Some(&rename))
            .await
    };
    send("\"99\"").await.problem(412, "stale");
    assert_eq!(send(&etag).await.expect(200)["name"], "Drei");
    let nobody = format!("/tenants/tnt_{}", "0".repeat(32));
    operator.get(&nobody).await.problem(404, "not-found");
    let suspended = operator.post(&format!("{nobody}/suspend"), &reason).await;
    suspended.problem(404, "not-found");
}

#[tokio::test]
async fn suspending_leaves_a_pause_of_the_tenants_own_alone() {
    let world = World::new().await;
    let operator = operator(&world).await;
    let other = world.other_tenant().await;
    let mine = json!({"reason": "maintenance"});
    let lane = "/lanes/tenant/all";
    let paused = other.post(&format!("{lane}/pause"), &mine).await;
    let paused_at = if paused.status == 200 {
        lane.to_owned()
    } else {
        panic!("{}", paused.body)
    };
    let id = other.get("/session").await.expect(200)["tenant"]["id"].clone();
    let path = format!("/tenants/{}", id.as_str().unwrap());
    operator
        .post(&format!("{path}/suspend"), &json!({"reason": "unpaid"}))
        .await
        .expect(200);
    operator
        .post(&format!("{path}/resume"), &json!({}))
        .await
        .expect(200);
    let lane = other.get(&paused_at).await.expect(200);
    assert!(lane.to_string().contains("maintenance"), "{lane}");
}

#[tokio::test]
async fn an_operator_is_no_admin_of_the_tenants_and_no_key_is_one() {
    let world = World::new().await;
    let operator = operator(&world).await;
    operator.get("/users").await.problem(403, "forbidden");
    let session = operator.get("/session").await.expect(200);
    assert_eq!(session["is_operator"], true);
    // The admin of the tenant cannot take the operator over.
    let id = session["user"]["id"].as_str().unwrap();
    let path = format!("/users/{id}");
    let link = world.admin.post(&format!("{path}/link"), &json!({})).await;
    link.problem(403, "forbidden");
    let etag = world.admin.get(&path).await.etag();
    let role = json!({"role": "admin"});
    let changed = world
        .admin
        .send(Method::PATCH, &path, Some(&etag), Some(&role))
        .await;
    changed.problem(403, "forbidden");
    let grant = json!({"grants": ["platform"]});
    let own = world
        .admin
        .send(Method::PATCH, &path, Some(&etag), Some(&grant))
        .await;
    own.invalid("/grants/0");
    let key = json!({"name": "k", "permissions": ["platform"]});
    world
        .admin
        .post("/keys", &key)
        .await
        .invalid("/permissions/0");
}

#[tokio::test]
async fn settings_are_checked_and_pages_call_from_the_sites_they_name_only() {
    let world = World::new().await;
    let settings = |origins: Json| json!({"locale": "de-CH", "time_zone": "Europe/Zurich", "contact_email": null, "origins": origins});
    let put = async |tag: &str, body: Json| {
        world
            .admin
            .send(Method::PUT, "/settings", Some(tag), Some(&body))
            .await
    };
    put("\"0\"", settings(json!(["https://*.example"])))
        .await
        .invalid("/origins/0");
    let many: Vec<_> = (0..30).map(|n| format!("https://s{n}.example")).collect();
    put("\"0\"", settings(json!(many)))
        .await
        .invalid("/origins");
    put("\"0\"", settings(json!(["https://shop.example"])))
        .await
        .expect(200);
    put("\"0\"", settings(json!([])))
        .await
        .problem(412, "stale");

    let key = json!({"name": "k", "permissions": ["records.read", "records.write"]});
    let secret = world.admin.post("/keys", &key).await.expect(201)["secret"].clone();
    let bearer = format!("Bearer {}", secret.as_str().unwrap());
    let call = |method: Method, origin: &'static str, bearer: Option<&str>| {
        let mut request = Request::builder()
            .method(method.clone())
            .uri("/api/v1/accounts")
            .header("origin", origin);
        if let Some(bearer) = bearer {
            request = request
                .header("authorization", bearer)
                .header("sec-fetch-site", "cross-site");
        } else {
            request = request.header("access-control-request-method", "POST");
        }
        if method == Method::POST {
            request = request.header("content-type", "application/json");
        }
        let body = Body::from(r#"{"fields": {"name": "A"}}"#);
        let stranger = world.stranger();
        async move { stranger.raw(request.body(body).unwrap()).await }
    };
    let asked = call(Method::OPTIONS, "https://shop.example", None).await;
    assert_eq!(
        (asked.status, &asked.headers["access-control-allow-origin"]),
        (204, &"https://shop.example".parse().unwrap())
    );
    assert!(
        !asked
            .headers
            .contains_key("access-control-allow-credentials")
    );
    let asked = call(Method::OPTIONS, "https://evil.example", None).await;
    assert!(!asked.headers.contains_key("access-control-allow-origin"));
    assert_eq!(asked.status, 403);
    let made = call(Method::POST, "https://shop.example", Some(&bearer)).await;
    assert_eq!(
        made.headers["access-control-allow-origin"],
        "https://shop.example"
    );
    made.expect(201);
    let refused = call(Method::POST, "https://evil.example", Some(&bearer)).await;
    assert!(!refused.headers.contains_key("access-control-allow-origin"));
    refused.problem(403, "forbidden");
    // Another tenant's site is not this tenant's.
    let other = world.other_tenant().await;
    let key = other.post("/keys", &key).await.expect(201)["secret"].clone();
    let bearer = format!("Bearer {}", key.as_str().unwrap());
    call(Method::GET, "https://shop.example", Some(&bearer))
        .await
        .problem(403, "forbidden");
    // A cookie never crosses sites.
    let request = Request::builder()
        .method(Method::POST)
        .uri("/api/v1/accounts")
        .header("origin", "https://shop.example")
        .header("sec-fetch-site", "cross-site")
        .header("content-type", "application/json")
        .body(Body::from(r#"{"fields": {"name": "A"}}"#));
    world
        .admin
        .raw(request.unwrap())
        .await
        .problem(403, "forbidden");
}

#[tokio::test]
async fn the_seed_makes_two_tenants_that_see_nothing_of_each_other_once() {
    let world = World::new().await;
    let hash = world
        .passwords
        .hash(crate::world::PASSWORD.into())
        .await
        .unwrap();
    let made = domain::seed::seed(&world.store, &domain::core_tables(), &hash)
        .await
        .unwrap();
    assert_eq!(made.len(), 2);
    assert!(
        domain::seed::seed(&world.store, &domain::core_tables(), &hash)
            .await
            .unwrap()
            .is_empty()
    );
    let mut names = Vec::new();
    for tenant in &made {
        for email in &tenant.people {
            let mut client = world.stranger();
            let session = client
                .sign_in(email, crate::world::PASSWORD)
                .await
                .expect(200);
            assert_eq!(session["tenant"]["name"], tenant.name.as_str());
            let change = json!({"current": crate::world::PASSWORD, "new": "another pass phrase"});
            let answer = client.post("/session/password", &change).await;
            assert!(answer.status < 300, "{}", answer.body);
            let total = client.get("/accounts").await.expect(200)["total"]
                .as_u64()
                .unwrap();
            let expected = match session["user"]["role"].as_str().unwrap() {
                "partner" => 8,
                role if role.starts_with("customer") => 1,
                _ => tenant.accounts as u64,
            };
            assert_eq!(total, expected, "{email}");
            if email.starts_with("admin@") {
                let list = client.get("/accounts?limit=200").await.expect(200);
                let items = list["items"].as_array().unwrap().clone();
                names.push(
                    items
                        .iter()
                        .map(|item| item["name"].clone())
                        .collect::<Vec<_>>(),
                );
                assert_eq!(client.get("/brands").await.expect(200)["total"], 2);
                assert_eq!(client.get("/teams").await.expect(200)["total"], 2);
            }
        }
    }
    assert!(names[0].iter().all(|name| !names[1].contains(name)));
}
