//! What accounts at other systems allow, as an operator sees and sets it.

use std::time::{Duration, Instant};

use axum::http::Method;
use domain::users::Role;
use serde_json::{Value as Json, json};

use crate::world::{Connected, World};

fn figures() -> Json {
    json!({"capacity": 100, "refill_per_second": 0})
}

#[tokio::test]
async fn a_budget_is_made_shown_changed_and_removed() {
    let world = World::new().await;
    let connected = world.connected().await;
    let pull = format!("/connections/{}/streams/Account/pull", connected.id);
    world.admin.post(&pull, &json!({})).await.expect(202);
    let path = format!("/budgets/{}", connected.id);
    let plan = format!("{path}/plan");
    let put = async |etag: Option<&str>, body: Json| {
        world
            .admin
            .send(Method::PUT, &path, etag, Some(&body))
            .await
    };
    // What the system reported while its streams were looked for.
    let reported = world.admin.get(&path).await.etag();
    let removed = world
        .admin
        .send(Method::DELETE, &path, Some(&reported), None)
        .await;
    removed.expect(204);
    world.admin.get(&path).await.problem(404, "not-found");
    let planned = world
        .admin
        .post(&plan, &json!({"figures": figures()}))
        .await;
    assert_eq!(planned.expect(200), json!({"changes": true, "runs": 1}));
    let made = put(None, figures()).await;
    let first = made.etag();
    let made = made.expect(201);
    assert_eq!(made["connection_id"], connected.id.as_str());
    assert_eq!(
        (&made["tokens"], &made["reported"]),
        (&json!(100.0), &json!(false))
    );
    let lanes: Vec<_> = made["lanes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|lane| {
            let available = lane["available"].as_f64().unwrap().round();
            (lane["lane"].as_str().unwrap(), available)
        })
        .collect();
    let expected = [
        ("interactive", 100.0),
        ("webhook", 95.0),
        ("incremental", 85.0),
        ("backfill", 70.0),
        ("reconcile", 50.0),
    ];
    assert_eq!(lanes, expected);
    assert_eq!(
        world.admin.get("/budgets").await.expect(200)["items"],
        json!([made])
    );
    let same = world
        .admin
        .post(&plan, &json!({"figures": figures()}))
        .await;
    assert_eq!(same.expect(200), json!({"changes": false, "runs": 0}));
    put(None, figures())
        .await
        .problem(428, "precondition-required");
    let less = json!({
        "capacity": 40, "refill_per_second": 0,
        "reserve": {"interactive": 0, "webhook": 0, "incremental": 0, "backfill": 0.5, "reconcile": 0.5},
    });
    let changed = put(Some(&first), less.clone()).await;
    let second = changed.etag();
    let changed = changed.expect(200);
    assert_eq!(changed["tokens"], 40.0);
    assert_eq!(changed["lanes"][3]["available"], 20.0);
    let stale = put(Some(&first), less).await.problem(412, "stale");
    assert_eq!(stale["current"], changed);
    let removing = world.admin.post(&plan, &json!({"figures": null})).await;
    assert_eq!(removing.expect(200), json!({"changes": true, "runs": 1}));
    let delete = |etag: String| {
        let (admin, path) = (world.admin.clone(), path.clone());
        async move { admin.send(Method::DELETE, &path, Some(&etag), None).await }
    };
    delete(first).await.problem(412, "stale");
    delete(second.clone()).await.expect(204);
    delete(second).await.problem(404, "not-found");
}

#[tokio::test]
async fn figures_that_make_no_budget_are_pointed_at() {
    let world = World::new().await;
    let put = async |body: Json| {
        world
            .admin
            .send(Method::PUT, "/budgets/account", None, Some(&body))
            .await
    };
    let reserve = |last: f64| json!({"interactive": 0, "webhook": 0.1, "incremental": 0.2, "backfill": 0.3, "reconcile": last});
    for (body, place) in [
        (json!({"capacity": 0, "refill_per_second": 1}), "/capacity"),
        (
            json!({"capacity": 1, "refill_per_second": -1}),
            "/refill_per_second",
        ),
        (
            json!({"capacity": 1, "refill_per_second": 1, "reserve": reserve(0.2)}),
            "/reserve",
        ),
        (
            json!({"capacity": 1, "refill_per_second": 1, "reserve": reserve(1.0)}),
            "/reserve",
        ),
    ] {
        put(body).await.invalid(place);
    }
    let unknown = "/budgets/con_00000000000000000000000000000001";
    let answer = world
        .admin
        .send(Method::PUT, unknown, None, Some(&figures()))
        .await;
    answer.problem(404, "not-found");
}

#[tokio::test]
async fn viewers_and_other_tenants_change_nothing() {
    let world = World::new().await;
    let viewer = world
        .user(world.tenant, "eyes@one.example", Role::Viewer)
        .await;
    let other = world.other_tenant().await;
    let path = "/budgets/account".to_owned();
    let made = world
        .admin
        .send(Method::PUT, &path, None, Some(&figures()))
        .await;
    let etag = made.etag();
    made.expect(201);
    for (client, status, slug) in [(&viewer, 403, "forbidden"), (&other, 404, "not-found")] {
        for (method, body) in [(Method::PUT, Some(figures())), (Method::DELETE, None)] {
            let answer = client.send(method, &path, Some(&etag), body.as_ref()).await;
            answer.problem(status, slug);
        }
    }
    viewer.get(&path).await.expect(200);
    other.get(&path).await.problem(404, "not-found");
    assert_eq!(other.get("/budgets").await.expect(200)["items"], json!([]));
    let planned = other
        .post(&format!("{path}/plan"), &json!({"figures": null}))
        .await;
    assert_eq!(planned.expect(200), json!({"changes": false, "runs": 0}));
}

#[tokio::test]
async fn budgets_are_read_in_pages() {
    let world = World::new().await;
    for name in ["a", "b", "c"] {
        let path = format!("/budgets/{name}");
        world
            .admin
            .send(Method::PUT, &path, None, Some(&figures()))
            .await
            .expect(201);
    }
    let first = world.admin.get("/budgets?limit=2").await.expect(200);
    let next = format!(
        "/budgets?limit=2&cursor={}",
        first["next"].as_str().unwrap()
    );
    let second = world.admin.get(&next).await.expect(200);
    assert_eq!(second["items"][0]["name"], "c");
    assert_eq!(second["next"], Json::Null);
}

/// Sets a connection's budget, from which every lane may take all.
async fn allow(world: &World, connected: &Connected, capacity: u32, refill: u32) {
    let path = format!("/budgets/{}", connected.id);
    let none = json!({
        "interactive": 0, "webhook": 0, "incremental": 0, "backfill": 0, "reconcile": 0,
    });
    let body = json!({"capacity": capacity, "refill_per_second": refill, "reserve": none});
    let there = world.admin.get(&path).await;
    let etag = (there.status == 200).then(|| there.etag());
    let put = world
        .admin
        .send(Method::PUT, &path, etag.as_deref(), Some(&body))
        .await;
    assert!(put.status < 300, "{}", put.body);
}

async fn pull(world: &World, connected: &Connected, stream: &str) -> String {
    let path = format!("/connections/{}/streams/{stream}/pull", connected.id);
    let started = world.admin.post(&path, &json!({})).await.expect(202);
    format!("/runs/{}", started["run_id"].as_str().unwrap())
}

/// Waits until a run is as wanted.
async fn until(world: &World, run: &str, wanted: impl Fn(&Json) -> bool) -> Json {
    testkit::until("run", Duration::from_secs(30), || async {
        let found = world.admin.get(run).await.expect(200);
        Ok(wanted(&found).then_some(found))
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn what_the_system_reports_becomes_the_connections_budget() {
    let world = World::new().await;
    let connected = world.pulled().await;
    let path = format!("/budgets/{}", connected.id);
    let read = world.admin.get(&path).await;
    let etag = read.etag();
    let budget = read.expect(200);
    // The simulated organisation's daily limit, less what was used of it.
    assert_eq!(
        (&budget["reported"], &budget["capacity"]),
        (&json!(true), &json!(1e6))
    );
    let tokens = budget["tokens"].as_f64().unwrap();
    assert!(tokens < 1e6 - 1.0 && tokens > 1e6 - 100.0, "{budget}");
    // Figures of an operator stand, whatever is reported later.
    let body = json!({"capacity": 500, "refill_per_second": 100});
    world
        .admin
        .send(Method::PUT, &path, Some(&etag), Some(&body))
        .await
        .expect(200);
    pull(&world, &connected, "Account").await;
    world.work_until_idle().await;
    let budget = world.admin.get(&path).await.expect(200);
    assert_eq!(
        (&budget["reported"], &budget["capacity"]),
        (&json!(false), &json!(500.0))
    );
}

#[tokio::test]
async fn a_pull_without_budget_waits_without_a_worker_until_there_is_some() {
    let world = World::new().await;
    let connected = world.connected().await;
    allow(&world, &connected, 1, 0).await;
    let worker = world.worker().await;
    let first = pull(&world, &connected, "Account").await;
    until(&world, &first, |run| run["state"] == "succeeded").await;
    let asked = connected.salesforce.sim.requests().total();
    let second = pull(&world, &connected, "Account").await;
    let waits = until(&world, &second, |run| {
        run["state"] == "queued"
            && run["steps"]
                .as_array()
                .is_some_and(|steps| steps.len() == 2)
    })
    .await;
    let error = &waits["steps"][1]["attempts"][0]["error"];
    assert_eq!(
        (&error["code"], &error["who"]),
        (&json!("budget"), &json!("wait"))
    );
    assert_eq!(worker.active(), 0);
    assert_eq!(connected.salesforce.sim.requests().total(), asked);
    // What is set counts at once, not when it would have asked again.
    let set = Instant::now();
    allow(&world, &connected, 10, 10).await;
    until(&world, &second, |run| run["state"] == "succeeded").await;
    assert!(
        set.elapsed() < Duration::from_secs(10),
        "{:?}",
        set.elapsed()
    );
    worker.shutdown().await;
}

#[tokio::test]
async fn two_processes_share_a_connections_budget() {
    let world = World::new().await;
    let connected = world.pulled().await;
    let (capacity, refill, rounds) = (4, 4, 10);
    allow(&world, &connected, capacity, refill).await;
    let workers = [world.worker().await, world.worker().await];
    let begun = Instant::now();
    for _ in 0..rounds {
        let runs = [
            pull(&world, &connected, "Account").await,
            pull(&world, &connected, "Contact").await,
        ];
        for run in &runs {
            until(&world, run, |run| run["state"] == "succeeded").await;
        }
    }
    // Each pull is a call at least: all but the first ones had to wait for what comes back.
    let calls = 2 * rounds;
    let least = Duration::from_secs(u64::from((calls - capacity) / refill - 1));
    assert!(begun.elapsed() >= least, "{:?}", begun.elapsed());
    assert!(
        begun.elapsed() < Duration::from_secs(60),
        "{:?}",
        begun.elapsed()
    );
    for worker in workers {
        worker.shutdown().await;
    }
}
