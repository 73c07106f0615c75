//! Pausing, limiting and opening what holds runs back; and why a run does not go.

use axum::http::Method;
use domain::users::Role;
use engine::store::lanes::{self, Action, Lane};
use serde_json::{Value as Json, json};

use crate::world::{Client, Connected, World};

/// A queued run of each stream of a connection.
async fn queued(world: &World) -> (Connected, Json) {
    let connected = world.connected().await;
    let mut run = Json::Null;
    for stream in ["Account", "Contact"] {
        let path = format!("/connections/{}/streams/{stream}/pull", connected.id);
        run = world.admin.post(&path, &json!({})).await.expect(202)["run_id"].clone();
    }
    (connected, run)
}

async fn held_by(world: &World, run: &Json) -> Vec<Json> {
    let run = format!("/runs/{}", run.as_str().unwrap());
    let run = world.admin.get(&run).await.expect(200);
    run["held_by"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_lane_is_planned_paused_shown_and_resumed_with_the_same_count() {
    let world = World::new().await;
    let (connected, run) = queued(&world).await;
    let operator = world
        .user(world.tenant, "op@one.example", Role::Operator)
        .await;
    assert_eq!(held_by(&world, &run).await, Vec::<Json>::new());
    let key = format!("pull%2F{}%2FContact", connected.id);
    for (path, runs) in [
        ("/lanes/tenant/all".to_owned(), 2),
        ("/lanes/workflow/pull_stream".to_owned(), 2),
        (format!("/lanes/connection/{}", connected.id), 2),
        (format!("/lanes/key/{key}"), 1),
    ] {
        let touched = json!({"changes": true, "queued": runs, "running": 0, "waiting": 0});
        let plan = format!("{path}/plan");
        let planned = operator.post(&plan, &json!({"action": "pause"})).await;
        assert_eq!(planned.expect(200), touched, "{path}");
        assert_eq!(
            world.admin.get(&path).await.expect(200)["paused"],
            Json::Null
        );
        let reason = json!({"reason": "their system moves"});
        let paused = operator.post(&format!("{path}/pause"), &reason).await;
        let paused = paused.expect(200);
        assert_eq!(paused["touched"], touched, "{path}");
        assert_eq!(paused["lane"]["paused"]["by"], "op");
        assert_eq!(paused["lane"]["paused"]["reason"], "their system moves");
        let listed = world.admin.get("/lanes").await.expect(200);
        assert_eq!(listed["items"], json!([paused["lane"]]), "{path}");
        assert_eq!(held_by(&world, &run).await, [paused["lane"].clone()]);
        let resumed = operator.post(&format!("{path}/resume"), &json!({})).await;
        let resumed = resumed.expect(200);
        assert_eq!(resumed["touched"], touched, "{path}");
        assert_eq!(resumed["lane"]["paused"], Json::Null);
        let again = operator.post(&format!("{path}/resume"), &json!({})).await;
        assert_eq!(again.expect(200)["touched"]["changes"], false, "{path}");
    }
    let listed = world.admin.get("/lanes").await.expect(200);
    assert_eq!(listed["items"], json!([]));
    world.work_until_idle().await;
}

#[tokio::test]
async fn a_limit_is_set_and_cleared_against_the_version_that_was_read() {
    let world = World::new().await;
    let (connected, _) = queued(&world).await;
    let path = "/lanes/workflow/pull_stream";
    let send = async |path: &str, etag: &str, body: Json| {
        world
            .admin
            .send(Method::PATCH, path, Some(etag), Some(&body))
            .await
    };
    let first = world.admin.get(path).await.etag();
    let set = send(path, &first, json!({"max_running": 1})).await;
    let second = set.etag();
    assert_eq!(set.expect(200)["max_running"], 1);
    assert_ne!(first, second);
    let stale = send(path, &first, json!({"max_running": 2})).await;
    assert_eq!(stale.problem(412, "stale")["current"]["max_running"], 1);
    let missing = world
        .admin
        .send(Method::PATCH, path, None, Some(&json!({"max_running": 2})))
        .await;
    missing.problem(428, "precondition-required");
    let none = send(path, &second, json!({})).await;
    assert_eq!(none.expect(200)["max_running"], 1);
    let cleared = send(path, &second, json!({"max_running": null})).await;
    assert_eq!(cleared.etag(), first);
    // Nothing is left of it, also not of a change that changes nothing.
    let cleared = send(path, &first, json!({"max_running": null})).await;
    cleared.expect(200);
    assert_eq!(
        world.admin.get("/lanes").await.expect(200)["items"],
        json!([])
    );
    for bad in [
        json!({"max_running": 0}),
        json!({"max_running": 3_000_000_000_u32}),
    ] {
        send(path, &first, bad).await.invalid("/max_running");
    }
    let connection = format!("/lanes/connection/{}", connected.id);
    let limited = send(&connection, &first, json!({"max_running": 1})).await;
    limited.invalid("/max_running");
    send(path, &first, json!({"weight": 0.5}))
        .await
        .invalid("/weight");
    let plan = json!({"action": "limit", "max_running": 5});
    let planned = world.admin.post(&format!("{path}/plan"), &plan).await;
    assert_eq!(planned.expect(200)["queued"], 2);
}

#[tokio::test]
async fn a_tenant_takes_less_than_its_share_and_never_more() {
    let world = World::new().await;
    let path = "/lanes/tenant/all";
    let set = async |weight: Json| {
        let etag = world.admin.get(path).await.etag();
        let body = json!({"weight": weight});
        world
            .admin
            .send(Method::PATCH, path, Some(&etag), Some(&body))
            .await
    };
    assert_eq!(set(json!(0.5)).await.expect(200)["weight"], 0.5);
    assert_eq!(set(json!(1)).await.expect(200)["weight"], 1.0);
    for bad in [json!(1.5), json!(0), json!(-1)] {
        set(bad).await.invalid("/weight");
    }
    // What whoever runs the hub has given may be lowered.
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    let given = Action::Weight(Some(4.0));
    lanes::act(&mut tx, &Lane::Tenant, &given).await.unwrap();
    tx.commit().await.unwrap();
    set(json!(5)).await.invalid("/weight");
    assert_eq!(set(json!(3)).await.expect(200)["weight"], 3.0);
    assert_eq!(set(Json::Null).await.expect(200)["weight"], Json::Null);
}

#[tokio::test]
async fn a_closed_lane_is_shown_with_its_reason_and_opened() {
    let world = World::new().await;
    let (connected, run) = queued(&world).await;
    let id = connected.id.parse().unwrap();
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    let close = Action::Close {
        until: tx.now() + chrono::TimeDelta::hours(1),
        reason: "limit of the account is reached".into(),
    };
    lanes::act(&mut tx, &Lane::Connection(id), &close)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let path = format!("/lanes/connection/{}", connected.id);
    let lane = world.admin.get(&path).await.expect(200);
    assert_eq!(lane["closed"]["reason"], "limit of the account is reached");
    assert_eq!(held_by(&world, &run).await, [lane]);
    let opened = world.admin.post(&format!("{path}/open"), &json!({})).await;
    let opened = opened.expect(200);
    assert_eq!(opened["touched"]["queued"], 2);
    assert_eq!(opened["lane"]["closed"], Json::Null);
    assert_eq!(held_by(&world, &run).await, Vec::<Json>::new());
    world.work_until_idle().await;
}

#[tokio::test]
async fn lanes_are_read_in_pages() {
    let world = World::new().await;
    for key in ["a", "b%20c", "d%2Fe"] {
        let path = format!("/lanes/key/{key}/pause");
        world.admin.post(&path, &json!({})).await.expect(200);
    }
    let mut names = Vec::new();
    let mut next = "/lanes?limit=2".to_owned();
    for _ in 0..2 {
        let page = world.admin.get(&next).await.expect(200);
        let items = page["items"].as_array().unwrap();
        names.extend(items.iter().map(|lane| lane["name"].clone()));
        next = format!(
            "/lanes?limit=2&cursor={}",
            page["next"].as_str().unwrap_or("end")
        );
    }
    assert_eq!(names, ["a", "b c", "d/e"]);
    assert!(next.ends_with("=end"));
    world.admin.get("/lanes?cursor=x").await.invalid("/cursor");
    world.admin.get("/lanes?limit=0").await.invalid("/limit");
}

async fn refused(client: &Client, path: &str) {
    for (verb, body) in [
        ("pause", json!({})),
        ("resume", json!({})),
        ("open", json!({})),
    ] {
        let answer = client.post(&format!("{path}/{verb}"), &body).await;
        answer.problem(403, "forbidden");
    }
    let body = json!({"max_running": 1});
    let etag = client.get(path).await.etag();
    let answer = client.send(Method::PATCH, path, Some(&etag), Some(&body));
    answer.await.problem(403, "forbidden");
}

#[tokio::test]
async fn a_viewer_reads_and_plans_and_does_nothing() {
    let world = World::new().await;
    let viewer = world
        .user(world.tenant, "eyes@one.example", Role::Viewer)
        .await;
    refused(&viewer, "/lanes/workflow/pull_stream").await;
    viewer.get("/lanes").await.expect(200);
    let plan = json!({"action": "pause"});
    let planned = viewer.post("/lanes/tenant/all/plan", &plan).await;
    planned.expect(200);
}

#[tokio::test]
async fn another_tenant_neither_sees_nor_stops_ours() {
    let world = World::new().await;
    let (connected, run) = queued(&world).await;
    let other = world.other_tenant().await;
    let ours = format!("/lanes/connection/{}", connected.id);
    for answer in [
        other.get(&ours).await,
        other.post(&format!("{ours}/pause"), &json!({})).await,
        other
            .post(&format!("{ours}/plan"), &json!({"action": "pause"}))
            .await,
    ] {
        answer.problem(404, "not-found");
    }
    let paused = other
        .post("/lanes/workflow/pull_stream/pause", &json!({}))
        .await;
    assert_eq!(paused.expect(200)["touched"]["queued"], 0);
    other
        .post("/lanes/tenant/all/pause", &json!({}))
        .await
        .expect(200);
    assert_eq!(held_by(&world, &run).await, Vec::<Json>::new());
    assert_eq!(
        world.admin.get("/lanes").await.expect(200)["items"],
        json!([])
    );
    world.work_until_idle().await;
}

#[tokio::test]
async fn what_is_no_lane_is_not_found() {
    let world = World::new().await;
    for path in [
        "/lanes/tenant/ours",
        "/lanes/colour/red",
        "/lanes/connection/nobody",
        "/lanes/connection/con_00000000000000000000000000000001",
    ] {
        world.admin.get(path).await.problem(404, "not-found");
    }
    let long = format!("/lanes/key/{}", "x".repeat(600));
    world.admin.get(&long).await.problem(404, "not-found");
    let path = "/lanes/key/k/pause";
    let body = json!({"reason": "x".repeat(501)});
    world.admin.post(path, &body).await.invalid("/reason");
    let body = json!({"why": "?"});
    world.admin.post(path, &body).await.invalid("/why");
}

#[tokio::test]
async fn lanes_and_budgets_of_a_connection_go_with_it() {
    let world = World::new().await;
    let (connected, _) = queued(&world).await;
    let path = format!("/lanes/connection/{}", connected.id);
    world
        .admin
        .post(&format!("{path}/pause"), &json!({}))
        .await
        .expect(200);
    // The budget that the system reported when its streams were looked for.
    let budget = format!("/budgets/{}", connected.id);
    world.admin.get(&budget).await.expect(200);
    let connection = format!("/connections/{}", connected.id);
    let etag = world.admin.get(&connection).await.etag();
    world
        .admin
        .send(Method::DELETE, &connection, Some(&etag), None)
        .await
        .expect(204);
    for list in ["/lanes", "/budgets"] {
        assert_eq!(
            world.admin.get(list).await.expect(200)["items"],
            json!([]),
            "{list}"
        );
    }
}
