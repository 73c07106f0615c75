//! A tenant that is to be deleted: closed at once, held, and kept if somebody says so.

use std::time::Duration;

use axum::http::Method;
use domain::tenants::deletion::{Step, carry_out};
use engine::Clock;
use serde_json::{Value as Json, json};

use crate::tenant_deletion::{Doomed, other_tenant_id, wish};
use crate::world::PASSWORD;

#[tokio::test]
async fn a_tenant_that_is_to_be_deleted_is_closed_held_and_can_be_kept() {
    let clock = Clock::manual("2026-11-20T08:00:00Z".parse().unwrap());
    let doomed = Doomed::with_clock(clock.clone()).await;
    let world = &doomed.world;
    let domain = crate::domains::domain(&world.admin, "www.one.example").await;
    assert!(domain["id"].is_string());
    doomed.ask(wish(30)).await.expect(201);
    // Closed at once, and not opened by the back door.
    world
        .admin
        .get("/session")
        .await
        .problem(401, "unauthenticated");
    let mut again = world.stranger();
    again
        .sign_in("admin@one.example", PASSWORD)
        .await
        .problem(401, "unauthenticated");
    let resume = format!("/tenants/{}/resume", world.tenant);
    doomed
        .operator
        .post(&resume, &json!({}))
        .await
        .problem(409, "conflict");
    let mut system = world.store.begin_system().await.unwrap();
    let by_header = domain::tenant_domains::exists(&mut system, world.tenant).await;
    assert!(!by_header.unwrap());
    drop(system);
    let paused: bool = {
        let pool = world.db.pool().await.unwrap();
        sqlx::query_scalar(
            "select paused_at is not null from lanes where kind = 'tenant' and tenant_id = $1",
        )
        .bind(world.tenant.0)
        .fetch_one(&pool)
        .await
        .unwrap()
    };
    assert!(paused);
    // Nothing is due while nobody agreed, nor while it is held.
    assert_eq!(carry_out(&world.store, 10).await.unwrap(), Step::Nothing);
    let held = doomed.act(&doomed.second, "approve").await.expect(200);
    assert_eq!(held["hold_until"], "2026-12-20T08:00:00Z");
    doomed
        .act(&doomed.second, "approve")
        .await
        .problem(409, "conflict");
    assert_eq!(carry_out(&world.store, 10).await.unwrap(), Step::Nothing);
    let kept = doomed.act(&doomed.operator, "withdraw").await.expect(200);
    assert_eq!(kept["state"], "withdrawn");
    assert_eq!(kept["withdrawn_by"], "op");
    world.admin.get("/session").await.expect(200);
    let trail = world
        .admin
        .get("/audit?action=withdraw_tenant_deletion")
        .await;
    assert_eq!(trail.expect(200)["items"][0]["actor"]["name"], "op");
    // It can be asked for again, and from when it is destroyed there is no way back.
    let asked = doomed.ask(wish(1)).await.expect(201);
    assert_eq!(asked["state"], "asked");
    doomed.act(&doomed.second, "approve").await.expect(200);
    clock.advance(Duration::from_secs(24 * 3600));
    let mut operator = world.stranger();
    operator
        .sign_in("op@two.example", PASSWORD)
        .await
        .expect(200);
    assert!(matches!(
        carry_out(&world.store, 10).await.unwrap(),
        Step::Begun(_)
    ));
    doomed
        .act(&operator, "withdraw")
        .await
        .problem(409, "conflict");
}

#[tokio::test]
async fn a_suspended_tenant_that_is_kept_stays_suspended() {
    let doomed = Doomed::new().await;
    let world = &doomed.world;
    let tenant = format!("/tenants/{}", world.tenant);
    let reason = json!({"reason": "unpaid"});
    doomed
        .operator
        .post(&format!("{tenant}/suspend"), &reason)
        .await
        .expect(200);
    doomed.ask(wish(30)).await.expect(201);
    doomed.act(&doomed.operator, "withdraw").await.expect(200);
    world
        .admin
        .get("/session")
        .await
        .problem(401, "unauthenticated");
    doomed
        .operator
        .post(&format!("{tenant}/resume"), &json!({}))
        .await
        .expect(200);
    world.admin.get("/session").await.expect(200);
    let lanes = world.admin.get("/lanes").await.expect(200);
    assert!(!lanes.to_string().contains("to be deleted"), "{lanes}");
}

#[tokio::test]
async fn a_deletion_is_asked_for_with_the_name_typed_and_agreed_to_by_somebody_else() {
    let doomed = Doomed::new().await;
    let world = &doomed.world;
    for (bad, pointer) in [
        (json!({"confirm": "one", "reason": "x"}), "/confirm"),
        (json!({"confirm": "", "reason": "x"}), "/confirm"),
        (json!({"confirm": "One", "reason": " "}), "/reason"),
        (
            json!({"confirm": "One", "reason": "x", "hold_days": -1}),
            "/hold_days",
        ),
        (
            json!({"confirm": "One", "reason": "x", "hold_days": 366}),
            "/hold_days",
        ),
    ] {
        doomed.ask(bad).await.invalid(pointer);
    }
    world.admin.get("/session").await.expect(200);
    // Not by an admin of a tenant, not one's own, not one that is not there.
    world
        .admin
        .post(&doomed.path, &wish(0))
        .await
        .problem(403, "forbidden");
    let own = other_tenant_id(world).await;
    let wish_two = json!({"confirm": "Two", "reason": "x"});
    doomed
        .operator
        .post(&format!("/tenants/{own}/deletion"), &wish_two)
        .await
        .problem(409, "conflict");
    let nobody = format!("/tenants/tnt_{}/deletion", "0".repeat(32));
    doomed.operator.get(&nobody).await.problem(404, "not-found");
    doomed
        .operator
        .post(&nobody, &wish(0))
        .await
        .problem(404, "not-found");
    for action in ["approve", "withdraw"] {
        let path = format!("{nobody}/{action}");
        doomed
            .operator
            .post(&path, &json!({}))
            .await
            .problem(404, "not-found");
    }
    let asked = doomed.ask(wish(0)).await.expect(201);
    assert_eq!(asked["hold_until"], Json::Null);
    doomed.ask(wish(0)).await.problem(409, "conflict");
    doomed
        .act(&doomed.operator, "approve")
        .await
        .problem(409, "conflict");
    assert_eq!(carry_out(&world.store, 10).await.unwrap(), Step::Nothing);
    doomed.act(&doomed.operator, "withdraw").await.expect(200);
    // A tenant that asks for no second person is held at once.
    let tag = world.admin.get("/settings").await.etag();
    let settings = json!({
        "locale": "en", "time_zone": "UTC", "contact_email": null, "origins": [],
        "deletion_needs_approval": false,
    });
    world
        .admin
        .send(Method::PUT, "/settings", Some(&tag), Some(&settings))
        .await
        .expect(200);
    let asked = doomed.ask(wish(30)).await.expect(201);
    assert_eq!(asked["state"], "approved");
    assert_ne!(asked["hold_until"], Json::Null);
}

#[tokio::test]
async fn no_schedule_of_a_closed_tenant_fires_while_those_of_others_do() {
    let clock = Clock::manual("2026-11-20T08:00:00Z".parse().unwrap());
    let doomed = Doomed::with_clock(clock.clone()).await;
    let world = &doomed.world;
    let other = other_tenant_id(world).await;
    for client in [&world.admin, &doomed.other] {
        let tag = client.get("/retention").await.etag();
        let days = json!({"days": {"history": 365}});
        client
            .send(Method::PUT, "/retention", Some(&tag), Some(&days))
            .await
            .expect(200);
    }
    doomed.ask(wish(30)).await.expect(201);
    // Both are due a moment later, and one look finds both.
    clock.advance(Duration::from_secs(19 * 3600 + 17 * 60 + 10));
    let pool = world.db.pool().await.unwrap();
    let fired = async |tenant: engine::ids::TenantId| {
        let sql = "select count(*) from all_runs where tenant_id = $1 and workflow = $2";
        sqlx::query_scalar::<_, i64>(sql)
            .bind(tenant.0)
            .bind(domain::retention::RETENTION_WORKFLOW)
            .fetch_one(&pool)
            .await
            .unwrap()
    };
    let engine = world.worker().await;
    testkit::until("the other's turn", Duration::from_secs(30), || async {
        Ok((fired(other).await > 0).then_some(()))
    })
    .await
    .unwrap();
    engine.shutdown().await;
    assert_eq!(fired(world.tenant).await, 0);
}
