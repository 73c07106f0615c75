//! What a tenant may use, where it is used, and how it is counted.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value as Json, json};

use crate::tenancy::operator;
use crate::world::{Answer, Client, World};

async fn set_quotas(operator: &Client, world: &World, quotas: Json) -> Answer {
    let path = format!("/tenants/{}/quotas", world.tenant);
    let etag = operator.get(&path).await.etag();
    operator
        .send(Method::PUT, &path, Some(&etag), Some(&quotas))
        .await
}

fn quotas(records: Json, connections: Json, storage: Json, calls: Json) -> Json {
    json!({"records": records, "connections": connections, "storage": storage, "calls_per_day": calls})
}

#[tokio::test]
async fn quotas_hold_where_things_are_made_and_usage_tells() {
    let world = World::new().await;
    let operator = operator(&world).await;
    let none = Json::Null;
    let bad = quotas(json!(-1), none.clone(), none.clone(), none.clone());
    set_quotas(&operator, &world, bad).await.invalid("/records");
    let tight = quotas(json!(2), json!(0), json!(10), none.clone());
    set_quotas(&operator, &world, tight).await.expect(200);
    let account = json!({"fields": {"name": "A"}});
    for _ in 0..2 {
        world.admin.post("/accounts", &account).await.expect(201);
    }
    let refused = world
        .admin
        .post("/accounts", &account)
        .await
        .problem(403, "quota-exceeded");
    assert_eq!(refused["detail"], "the quota of 2 records is used up");
    let usage = world.admin.get("/usage").await.expect(200);
    assert_eq!(usage["records"], json!({"used": 2, "limit": 2}));
    assert_eq!(world.admin.get("/accounts").await.expect(200)["total"], 2);
    let salesforce = json!({"system": "salesforce", "name": "S", "config": {
        "login_url": "https://login.salesforce.com",
        "auth": {"kind": "client_credentials", "client_id": "x", "client_secret": "y"},
    }});
    world
        .admin
        .post("/connections", &salesforce)
        .await
        .problem(403, "quota-exceeded");
    let brand = json!({
        "name": "B", "domain": null, "accent": "#000000", "on_accent": "#ffffff",
        "background": "#ffffff", "foreground": "#000000",
    });
    let brand = world.admin.post("/brands", &brand).await.expect(201);
    let request = Request::builder()
        .method(Method::PUT)
        .uri(format!(
            "/api/v1/brands/{}/logo",
            brand["id"].as_str().unwrap()
        ))
        .body(Body::from(&b"\x89PNG\r\n\x1a\nimage"[..]));
    world
        .admin
        .raw(request.unwrap())
        .await
        .problem(403, "quota-exceeded");
    // A tenant does not set its own, and an old version not a new one.
    let path = format!("/tenants/{}/quotas", world.tenant);
    let wish = quotas(none.clone(), none.clone(), none.clone(), none.clone());
    let own = world
        .admin
        .send(Method::PUT, &path, Some("\"1\""), Some(&wish))
        .await;
    own.problem(403, "forbidden");
    let stale = operator
        .send(Method::PUT, &path, Some("\"9\""), Some(&wish))
        .await;
    stale.problem(412, "stale");
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    let set = sqlx::query("update tenant_quotas set records = null")
        .execute(tx.conn())
        .await;
    assert!(set.is_err(), "a tenant's transaction set its own quota");
    drop(tx);
    // Calls of a day.
    let calls = world.admin.get("/usage").await.expect(200)["calls_today"]["used"]
        .as_i64()
        .unwrap();
    let a_few = quotas(none.clone(), none.clone(), none.clone(), json!(calls + 5));
    set_quotas(&operator, &world, a_few).await.expect(200);
    let mut answer = world.admin.get("/accounts").await;
    for _ in 0..8 {
        answer = world.admin.get("/accounts").await;
    }
    assert!(answer.headers.contains_key("retry-after"));
    let problem = answer.problem(429, "rate-limited");
    assert!(
        problem["detail"].as_str().unwrap().contains("this day"),
        "{problem}"
    );
}

#[tokio::test]
async fn a_pull_stops_at_the_quota_with_nothing_half_applied_and_goes_on_when_it_is_raised() {
    let world = World::new().await;
    let operator = operator(&world).await;
    let none = Json::Null;
    let five = quotas(json!(5), none.clone(), none.clone(), none.clone());
    set_quotas(&operator, &world, five).await.expect(200);
    let connected = world.connected().await;
    let pull = format!("/connections/{}/streams/Account/pull", connected.id);
    world.admin.post(&pull, &json!({})).await.expect(202);
    world.work_until_idle().await;
    let runs = world.admin.get("/runs").await.expect(200);
    assert!(
        runs["items"][0].to_string().contains("quota of 5 records"),
        "{runs}"
    );
    let list = world.admin.get("/accounts").await.expect(200);
    assert_eq!(list["total"], 0);
    let more = quotas(json!(500), none.clone(), none.clone(), none.clone());
    set_quotas(&operator, &world, more).await.expect(200);
    world.admin.post(&pull, &json!({})).await.expect(202);
    world.work_until_idle().await;
    assert_eq!(world.admin.get("/accounts").await.expect(200)["total"], 12);
    assert_eq!(
        world.admin.get("/usage").await.expect(200)["records"]["used"],
        12
    );
}

#[tokio::test]
async fn a_count_mends_what_drifted_also_while_records_are_made() {
    let world = World::new().await;
    let operator = operator(&world).await;
    let none = Json::Null;
    let three = quotas(json!(3), none.clone(), none.clone(), none.clone());
    set_quotas(&operator, &world, three).await.expect(200);
    let account = json!({"fields": {"name": "A"}});
    for _ in 0..2 {
        world.admin.post("/accounts", &account).await.expect(201);
    }
    let pool = world.db.pool().await.unwrap();
    sqlx::query("update tenant_usage set records = 40, storage = 7")
        .execute(&pool)
        .await
        .unwrap();
    world
        .admin
        .post("/accounts", &account)
        .await
        .problem(403, "quota-exceeded");
    let recount = format!("/tenants/{}/recount", world.tenant);
    let own = world.admin.post(&recount, &json!({})).await;
    own.problem(403, "forbidden");
    let nobody = format!("/tenants/tnt_{}/recount", "0".repeat(32));
    operator
        .post(&nobody, &json!({}))
        .await
        .problem(404, "not-found");
    let usage = operator.post(&recount, &json!({})).await.expect(200);
    assert_eq!(usage["records"], json!({"used": 2, "limit": 3}));
    assert_eq!(usage["storage"]["used"], 0);
    assert_ne!(usage["counted_at"], Json::Null);
    let audit = world.admin.get("/audit?action=recount").await.expect(200);
    assert_eq!(
        (&audit["items"][0]["before"], &audit["items"][0]["after"]),
        (&json!({"records": 40}), &json!({"records": 2}))
    );
    let unbounded = quotas(none.clone(), none.clone(), none.clone(), none.clone());
    set_quotas(&operator, &world, unbounded).await.expect(200);
    let making = async {
        for _ in 0..20 {
            world.admin.post("/accounts", &account).await.expect(201);
        }
    };
    let counting = async {
        for _ in 0..20 {
            operator.post(&recount, &json!({})).await.expect(200);
        }
    };
    tokio::join!(making, counting);
    let usage = world.admin.get("/usage").await.expect(200);
    assert_eq!(usage["records"]["used"], 22);
    // And from now on daily.
    let schedules = world.admin.get("/schedules").await.expect(200);
    assert_eq!(schedules["items"][0]["workflow"], "apply_retention");
}
