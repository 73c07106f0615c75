//! Comparing records with their system: gaps of a feed, rounds, causes, and listings that go wrong.

use axum::http::Method;
use engine::sdk::{Gap, GapReason};
use serde_json::{Value as Json, json};

use crate::odd::{Said, Scripted};
use crate::world::World;

async fn phones(world: &World, phone: &str) -> i64 {
    let pool = world.db.pool().await.unwrap();
    let count =
        sqlx::query_scalar("select count(*) from accounts where phone = $1 and removed_at is null");
    count.bind(phone).fetch_one(&pool).await.unwrap()
}

async fn get(world: &World, scripted: &Scripted, rest: &str) -> Json {
    world.admin.get(&scripted.path(rest)).await.expect(200)
}

fn now() -> chrono::DateTime<chrono::Utc> {
    engine::Clock::system().now()
}

/// A data loader changes many rows; the feed says only that it was too much.
fn load(scripted: &Scripted, records: usize) -> usize {
    let mut script = scripted.script();
    let keys: Vec<String> = script.records.keys().take(records).cloned().collect();
    for key in &keys {
        script.put(key, &[("Phone", "5559999".into())], Some(now()));
    }
    keys.len()
}

fn overflow() -> Said {
    Said::Gap(Gap {
        reason: GapReason::Overflow,
        from: None,
        to: None,
        keys: Vec::new(),
    })
}

/// Scenario 13: an overflow event without ids, over the whole hub. 140,000 rows in the story, some
/// hundred here.
#[tokio::test]
async fn an_overflow_without_ids_is_shown_as_uncovered_until_a_sweep_has_closed_it() {
    let world = World::new().await;
    let scripted = world.scripted(520).await;
    world.reads(&scripted).await;
    assert_eq!(
        get(&world, &scripted, "/coverage").await["state"],
        "complete"
    );
    let loaded = load(&scripted, 410);
    scripted.script().feed.push(overflow());

    // Sweeps are held back, so that what is shown meanwhile can be looked at.
    let lane = "/lanes/workflow/sweep_stream";
    let reason = json!({"reason": "to look"});
    world
        .admin
        .post(&format!("{lane}/pause"), &reason)
        .await
        .expect(200);
    let started = world.admin.post(&scripted.path("/pull"), &json!({})).await;
    let started = started.expect(202);
    let engine = world.worker().await;
    let run = format!("/runs/{}", started["run_id"].as_str().unwrap());
    testkit::until(
        "the read's end",
        std::time::Duration::from_secs(20),
        || async {
            let run = world.admin.get(&run).await.expect(200);
            Ok((run["state"] == "succeeded").then_some(()))
        },
    )
    .await
    .unwrap();
    assert_eq!(
        phones(&world, "5559999").await,
        0,
        "the feed did not say which"
    );
    let shown = get(&world, &scripted, "/coverage").await;
    assert_eq!(shown["state"], "uncovered", "{shown}");
    let uncovered = shown["intervals"].as_array().unwrap();
    assert!(
        uncovered.iter().any(|one| one["reason"] == "overflow"),
        "{shown}"
    );
    let metrics = world.text("/metrics").await;
    let gaps = format!("connection=\"{}\",stream=\"Account\"}} 1", scripted.id);
    assert!(
        metrics.contains("syncline_open_gaps{") && metrics.contains(&gaps),
        "{metrics}"
    );

    engine.shutdown().await;
    world
        .admin
        .post(&format!("{lane}/resume"), &json!({}))
        .await
        .expect(200);
    world.work_until_idle().await;
    assert_eq!(
        phones(&world, "5559999").await,
        i64::try_from(loaded).unwrap()
    );
    let shown = get(&world, &scripted, "/coverage").await;
    assert_eq!(shown["state"], "complete", "{shown}");
    let gap = get(&world, &scripted, "/gaps").await["items"][0].clone();
    assert!(!gap["closed_at"].is_null(), "{gap}");
    assert_eq!(
        scripted.script().listings,
        1,
        "the sweep read what changed since, not all"
    );
}

#[tokio::test]
async fn a_gap_that_names_its_records_is_closed_by_reading_those() {
    let world = World::new().await;
    let scripted = world.scripted(30).await;
    world.reads(&scripted).await;
    load(&scripted, 3);
    scripted.script().feed.push(Said::Gap(Gap {
        reason: GapReason::Gap,
        from: None,
        to: None,
        keys: vec![
            "k00002".to_owned(),
            "k00000".to_owned(),
            "k00002".to_owned(),
        ],
    }));
    scripted.script().fetched.clear();
    world.reads(&scripted).await;
    assert_eq!(
        phones(&world, "5559999").await,
        2,
        "the third was not named"
    );
    assert_eq!(scripted.script().fetched, ["k00000", "k00002"]);
    assert_eq!(
        get(&world, &scripted, "/gaps").await["items"][0]["records"],
        2
    );
}

#[tokio::test]
async fn a_round_finds_what_was_missed_says_why_and_mends_it_by_the_merge() {
    let world = World::new().await;
    let scripted = world.scripted(250).await;
    world.reads(&scripted).await;
    // Changed long ago, and the feed never said so.
    scripted
        .script()
        .put("k00007", &[("Phone", "5557777".into())], None);
    let run = world.sweeps(&scripted, "part").await;
    assert_eq!(run["state"], "succeeded", "{run}");
    assert_eq!(run["counts"]["read"], 200, "a part, not all: {run}");
    assert_eq!(phones(&world, "5557777").await, 1);
    let found = get(&world, &scripted, "/differences").await;
    let one = &found["items"][0];
    assert_eq!(
        (&one["cause"], &one["fields"], &one["key"]),
        (&json!("missed_change"), &json!(["phone"]), &json!("k00007")),
        "{found}"
    );
    assert!(one["entity_id"].as_str().unwrap().starts_with("acc_"));
    let shown = get(&world, &scripted, "/coverage").await;
    assert_eq!(shown["drift"], 1, "{shown}");
    assert_eq!(shown["sweep"]["checked"], 200);
    assert_eq!(shown["sweep"]["round_ended_at"], Json::Null);

    // The rest of the round, and its number stands until the next round's end.
    world.sweeps(&scripted, "part").await;
    let shown = get(&world, &scripted, "/coverage").await;
    assert_eq!(shown["sweep"]["last_checked"], 250, "{shown}");
    assert_eq!(shown["drift"], 1);
    assert!(shown["oldest_comparison_seconds"].as_i64().unwrap() < 60);
    let metrics = world.text("/metrics").await;
    let line = format!("connection=\"{}\",stream=\"Account\"}} 1", scripted.id);
    assert!(
        metrics.contains("syncline_drift_records{") && metrics.contains(&line),
        "{metrics}"
    );
    assert!(metrics.contains("syncline_oldest_comparison_seconds{"));
    for _ in 0..2 {
        world.sweeps(&scripted, "part").await;
    }
    let shown = get(&world, &scripted, "/coverage").await;
    assert_eq!(
        (&shown["drift"], &shown["sweep"]["last_checked"]),
        (&json!(0), &json!(250))
    );
}

#[tokio::test]
async fn a_write_that_was_lost_in_silence_is_owed_again_and_not_given_up() {
    let world = World::new().await;
    let scripted = world.scripted(3).await;
    world.reads(&scripted).await;
    let list = world.admin.get("/accounts").await.expect(200);
    let id = list["items"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/accounts/{id}");
    let etag = world.admin.get(&path).await.etag();
    let edit = json!({"fields": {"phone": "5554444"}});
    scripted.script().loses_writes = true;
    world
        .admin
        .send(Method::PATCH, &path, Some(&etag), Some(&edit))
        .await
        .expect(200);
    world.work_until_idle().await;
    let held = |scripted: &Scripted| {
        let script = scripted.script();
        let phones = script
            .records
            .values()
            .map(|(fields, _)| fields["Phone"].clone());
        phones.filter(|phone| *phone == "5554444".into()).count()
    };
    assert_eq!(held(&scripted), 0, "it was said to be stored");
    scripted.script().loses_writes = false;
    world.sweeps(&scripted, "part").await;
    let found = get(&world, &scripted, "/differences").await;
    assert_eq!(found["items"][0]["cause"], "lost_write", "{found}");
    assert_eq!(held(&scripted), 1, "the same merge owed it again");
    assert_eq!(phones(&world, "5554444").await, 1, "the edit stands");
}

#[tokio::test]
async fn a_record_that_only_the_listing_leaves_out_is_not_removed() {
    let world = World::new().await;
    let scripted = world.scripted(30).await;
    world.reads(&scripted).await;
    {
        let mut script = scripted.script();
        script.unlisted = vec!["k00004".to_owned()];
        script.records.remove("k00005");
        script.doubles = true;
    }
    let run = world.sweeps(&scripted, "all").await;
    assert_eq!(run["counts"]["deleted"], 1, "{run}");
    assert_eq!(phones(&world, "5550001").await, 29);
    let found = get(&world, &scripted, "/differences").await;
    let causes: Vec<&Json> = found["items"].as_array().unwrap().iter().collect();
    assert_eq!(causes.len(), 1, "{found}");
    assert_eq!(
        (&causes[0]["cause"], &causes[0]["key"]),
        (&json!("missing"), &json!("k00005"))
    );
    let pool = world.db.pool().await.unwrap();
    let left: i64 = sqlx::query_scalar(
        "select (select count(*) from listed) + (select count(*) from absences)",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(left, 0, "a sweep that is over leaves nothing behind");
}

#[tokio::test]
async fn a_listing_that_goes_in_circles_or_breaks_off_is_told_and_removes_nothing() {
    let world = World::new().await;
    let scripted = world.scripted(30).await;
    world.reads(&scripted).await;
    scripted.script().records.remove("k00005");
    scripted.script().circles = true;
    let run = world.sweeps(&scripted, "all").await;
    assert_eq!(run["state"], "failed", "{run}");
    assert!(
        run.to_string().contains("comes back to where it was"),
        "{run}"
    );
    scripted.script().circles = false;
    scripted.script().breaks_at = Some(2);
    let run = world.sweeps(&scripted, "all").await;
    assert_eq!(run["state"], "failed", "{run}");
    assert_eq!(phones(&world, "5550001").await, 30);

    // The same of a read.
    scripted.script().breaks_at = None;
    scripted.script().circles = true;
    let full = json!({"full": true});
    let started = world.admin.post(&scripted.path("/pull"), &full).await;
    let run = world.ended(&started.expect(202)).await;
    assert_eq!(run["state"], "failed", "{run}");
    assert!(
        run.to_string().contains("comes back to where it was"),
        "{run}"
    );
    assert_eq!(
        get(&world, &scripted, "/coverage").await["state"],
        "incomplete"
    );
}

/// Scenario 14, as far as the core goes: a feed that says that it lost our place. What it would have told
/// is found by reading everything, as a comparison.
#[tokio::test]
async fn scenario_14_a_feed_that_forgot_leaves_no_gap_and_makes_nothing_twice() {
    let world = World::new().await;
    let scripted = world.scripted(30).await;
    world.reads(&scripted).await;
    // One was cancelled before the feed was lost.
    scripted.script().records.remove("k00003");
    world.sweeps(&scripted, "all").await;
    assert_eq!(phones(&world, "5550001").await, 29);

    {
        let mut script = scripted.script();
        script.forgets = true;
        script.records.remove("k00011");
        script.put("k00005", &[("Phone", "5559999".into())], Some(now()));
        script.put("k90000", &[("Name", "New".into())], Some(now()));
    }
    let run = world.reads(&scripted).await;
    assert_eq!(run["state"], "succeeded", "{run}");
    // By the read or by the sweep that it asked for, whichever came first: the cancelled ones are not
    // back, what changed is here, and nothing is here twice.
    assert_eq!(phones(&world, "5550001").await, 27);
    assert_eq!(phones(&world, "5559999").await, 1);
    let pool = world.db.pool().await.unwrap();
    let (all, living): (i64, i64) =
        sqlx::query_as("select count(*), count(*) filter (where removed_at is null) from accounts")
            .fetch_one(&pool)
            .await
            .unwrap();
    assert_eq!((all, living), (31, 29));
    let gap = get(&world, &scripted, "/gaps").await["items"][0].clone();
    assert_eq!(gap["reason"], "lost", "{gap}");
    assert!(!gap["closed_at"].is_null(), "{gap}");
    let coverage = get(&world, &scripted, "/coverage").await;
    assert_eq!(coverage["state"], "complete", "{coverage}");

    // From there on the feed is read as before.
    let listings = {
        let mut script = scripted.script();
        script.forgets = false;
        script.put("k00006", &[("Phone", "5559999".into())], Some(now()));
        script.feed.push(Said::Changed("k00006".to_owned()));
        script.listings
    };
    let run = world.reads(&scripted).await;
    assert_eq!(run["counts"]["updated"], 1, "{run}");
    assert_eq!(phones(&world, "5559999").await, 2);
    assert_eq!(scripted.script().listings, listings);
}

#[tokio::test]
async fn settings_are_checked_and_versioned_and_a_pause_is_obeyed() {
    let world = World::new().await;
    let scripted = world.scripted(3).await;
    let path = scripted.path("/sweep");
    let put = async |tag: &str, body: Json| {
        world
            .admin
            .send(Method::PUT, &path, Some(tag), Some(&body))
            .await
    };
    let default = world.admin.get(&path).await;
    assert_eq!(default.etag(), "\"0\"");
    assert_eq!(default.expect(200)["within_minutes"], 7 * 24 * 60);
    for minutes in [-1, 0, 525_601, i64::MAX] {
        put("\"0\"", json!({"within_minutes": minutes}))
            .await
            .invalid("/within_minutes");
    }
    let set = put("\"0\"", json!({"within_minutes": 30, "paused": true})).await;
    assert_eq!(set.expect(200)["within_minutes"], 30);
    put("\"0\"", json!({"within_minutes": 5}))
        .await
        .problem(412, "stale");
    let start = world.admin.post(&path, &json!({"what": "all"})).await;
    start.problem(409, "conflict");
    let odd = world
        .admin
        .post(&path, &json!({"what": "everything"}))
        .await;
    assert_eq!(odd.status, 422, "{odd:?}");
    let nowhere = format!("/connections/{}/streams/Nothing", scripted.id);
    for rest in ["/coverage", "/gaps", "/differences", "/sweep", "/drifts"] {
        let answer = world.admin.get(&format!("{nowhere}{rest}")).await;
        answer.problem(404, "not-found");
    }
    let bad = world.admin.get(&scripted.path("/gaps?cursor=x")).await;
    bad.invalid("/cursor");
}

#[tokio::test]
async fn a_sweep_under_way_rests_when_it_is_paused() {
    let world = World::new().await;
    let scripted = world.scripted(30).await;
    world.reads(&scripted).await;
    let path = scripted.path("/sweep");
    let started = world.admin.post(&path, &json!({"what": "all"})).await;
    let run = started.expect(202)["run_id"].clone();
    let pause = json!({"within_minutes": 60, "paused": true});
    world
        .admin
        .send(Method::PUT, &path, Some("\"0\""), Some(&pause))
        .await
        .expect(200);
    let engine = world.worker().await;
    let run = format!("/runs/{}", run.as_str().unwrap());
    testkit::until("rest", std::time::Duration::from_secs(20), || async {
        let run = world.admin.get(&run).await.expect(200);
        let steps = run["steps"].as_array().unwrap();
        let sleeps = steps.iter().any(|step| step["name"] == "rest");
        Ok(sleeps.then_some(()))
    })
    .await
    .unwrap();
    engine.shutdown().await;
    assert_eq!(
        scripted.script().listings,
        1,
        "nothing was asked but the first read"
    );
    let cancelled = world.admin.post(&format!("{run}/cancel"), &json!({})).await;
    assert!(cancelled.status < 300, "{cancelled:?}");
}

#[tokio::test]
async fn rounds_go_on_by_themselves_with_the_reads() {
    let world = World::new().await;
    let scripted = world.scripted(3).await;
    world.reads(&scripted).await;
    let pool = world.db.pool().await.unwrap();
    let sweeps = async || -> i64 {
        let count =
            sqlx::query_scalar("select count(*) from all_runs where workflow = 'sweep_stream'");
        count.fetch_one(&pool).await.unwrap()
    };
    world.reads(&scripted).await;
    assert_eq!(sweeps().await, 0, "nothing is due yet");
    sqlx::query("update streams set sweep_due_at = now() - interval '1 minute'")
        .execute(&pool)
        .await
        .unwrap();
    world.reads(&scripted).await;
    world.reads(&scripted).await;
    assert_eq!(sweeps().await, 1);
    let shown = get(&world, &scripted, "/coverage").await;
    assert_eq!(shown["sweep"]["last_checked"], 3, "{shown}");
}
