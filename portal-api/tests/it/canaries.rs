//! A version tried on some records: stopped at its limit, undone, promoted.

use axum::http::Method;
use serde_json::{Value as Json, json};

use crate::previews::{account_mapping, draft, shouting, with_etag};
use crate::world::World;

async fn canary(world: &World, path: &str, canary: &Json) -> Json {
    let one = format!("{path}/canaries/{}", canary["id"].as_str().unwrap());
    world.admin.get(&one).await.expect(200)
}

async fn names(world: &World) -> Vec<String> {
    let list = world.admin.get("/accounts").await.expect(200);
    let items = list["items"].as_array().unwrap().clone();
    let names = items
        .iter()
        .map(|one| one["name"].as_str().unwrap().to_owned());
    names.collect()
}

fn shouted(names: &[String]) -> usize {
    let is_loud = |name: &&String| **name == name.to_uppercase();
    names.iter().filter(is_loud).count()
}

#[tokio::test]
async fn a_canary_maps_its_records_only_until_it_is_promoted() {
    let world = World::new().await;
    let connected = world.pulled().await;
    let keys = connected.salesforce.sim.ids("Account");
    let (path, text) = account_mapping(&world).await;
    let before = shouted(&names(&world).await);
    let version = draft(&world.admin, &path, &shouting(&text)).await;
    let order = json!({
        "version": version, "keys": [keys[0], keys[1]],
        "limits": {"failures": 5, "conflicts": 5, "near_misses": 5},
    });
    let begun = world
        .admin
        .post(&format!("{path}/canaries"), &order)
        .await
        .expect(201);
    let second = world.admin.post(&format!("{path}/canaries"), &order).await;
    second.problem(409, "conflict");
    world.work_until_idle().await;
    let seen = canary(&world, &path, &begun).await;
    assert_eq!(
        (&seen["state"], &seen["records"]),
        (&json!("running"), &json!(2)),
        "{seen}"
    );
    assert!(!seen["applied_at"].is_null());
    assert_eq!(shouted(&names(&world).await), before + 2);

    let promote = format!("{path}/canaries/{}/promote", begun["id"].as_str().unwrap());
    let done = with_etag(&world.admin, Method::POST, &promote, &path, &json!({})).await;
    assert_eq!(done.expect(200)["version"], version);
    world.work_until_idle().await;
    assert_eq!(shouted(&names(&world).await), 12);
    let seen = canary(&world, &path, &begun).await;
    assert_eq!(seen["state"], "promoted");
    let again = with_etag(&world.admin, Method::POST, &promote, &path, &json!({})).await;
    again.problem(409, "conflict");
}

#[tokio::test]
async fn a_canary_stops_by_itself_beyond_its_limit_and_its_run_is_undone_on_order() {
    let world = World::new().await;
    let connected = world.pulled().await;
    let sim = &connected.salesforce.sim;
    let keys = sim.ids("Account");
    let (path, text) = account_mapping(&world).await;
    let quiet = names(&world).await;
    // Names in capitals; and a number that none of the records' texts is.
    let failing = shouting(&text).replacen(
        "core = \"employees\"\nremote = \"NumberOfEmployees\"",
        "core = \"employees\"\nremote = \"Name\"\ndirection = \"in\"",
        1,
    );
    assert_ne!(failing, shouting(&text), "the shipped mapping has that row");
    let version = draft(&world.admin, &path, &failing).await;
    let order = json!({
        "version": version, "keys": &keys[..3],
        "limits": {"failures": 2, "conflicts": 0, "near_misses": 0},
    });
    let begun = world
        .admin
        .post(&format!("{path}/canaries"), &order)
        .await
        .expect(201);
    world.work_until_idle().await;
    let seen = canary(&world, &path, &begun).await;
    assert_eq!(
        (&seen["state"], &seen["reason"], &seen["seen"]["failures"]),
        (&json!("stopped"), &json!("limit"), &json!(3)),
        "{seen}"
    );
    assert_ne!(names(&world).await, quiet);
    // The version in force maps them from now on; what was done is undone by the ordinary undo.
    let run = format!("/runs/{}/undo", begun["run_id"].as_str().unwrap());
    let plan = world.admin.get(&run).await.expect(200);
    let order = json!({
        "restored": plan["counts"]["restored"], "fields": plan["counts"]["fields"],
        "removed": plan["counts"]["removed"], "revived": plan["counts"]["revived"],
    });
    world.admin.post(&run, &order).await.expect(202);
    world.work_until_idle().await;
    assert_eq!(names(&world).await, quiet);
    let stop = format!("{path}/canaries/{}/stop", begun["id"].as_str().unwrap());
    world
        .admin
        .post(&stop, &json!({}))
        .await
        .problem(409, "conflict");
}

#[tokio::test]
async fn what_is_no_canary_is_refused() {
    let world = World::new().await;
    world.pulled().await;
    let (path, text) = account_mapping(&world).await;
    let version = draft(&world.admin, &path, &shouting(&text)).await;
    let canaries = format!("{path}/canaries");
    for (body, pointer) in [
        (json!({"version": version}), "/share"),
        (json!({"version": version, "share": 0}), "/share"),
        (json!({"version": version, "share": 51}), "/share"),
        (
            json!({"version": version, "share": 10, "keys": ["a"]}),
            "/keys",
        ),
        (json!({"version": version, "keys": [""]}), "/keys"),
        (json!({"version": version, "keys": ["a\u{0}b"]}), "/keys/0"),
        (
            json!({"version": version, "keys": vec!["a"; 1_001]}),
            "/keys",
        ),
    ] {
        world.admin.post(&canaries, &body).await.invalid(pointer);
    }
    let order = json!({"version": 1, "share": 10});
    world
        .admin
        .post(&canaries, &order)
        .await
        .problem(409, "conflict");
    let order = json!({"version": 77, "share": 10});
    world
        .admin
        .post(&canaries, &order)
        .await
        .problem(404, "not-found");
}
