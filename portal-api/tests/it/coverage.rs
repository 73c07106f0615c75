//! What is known to be complete of a stream, with the simulated Salesforce over the wire.

use connector_salesforce::sim::{Answer, AnswerFault, SimOptions};
use serde_json::{Value as Json, json};

use crate::world::{Connected, World};

async fn coverage(world: &World, connected: &Connected, stream: &str) -> Json {
    let path = format!("/connections/{}/streams/{stream}/coverage", connected.id);
    world.admin.get(&path).await.expect(200)
}

async fn run(world: &World, connected: &Connected, path: &str, body: Json) -> Json {
    let path = format!("/connections/{}/streams/{path}", connected.id);
    let started = world.admin.post(&path, &body).await.expect(202);
    world.ended(&started).await
}

async fn living(world: &World, table: &'static str) -> i64 {
    let sql = match table {
        "accounts" => "select count(*) from accounts where removed_at is null",
        _ => "select count(*) from contacts where removed_at is null",
    };
    let pool = world.db.pool().await.unwrap();
    sqlx::query_scalar(sql).fetch_one(&pool).await.unwrap()
}

async fn open_approvals(world: &World) -> Vec<Json> {
    let list = world.admin.get("/approvals?state=open").await.expect(200);
    list["items"].as_array().unwrap().clone()
}

/// Scenario 7: the permission was narrowed, listing and direct reads answer 200 and nothing.
#[tokio::test]
async fn an_empty_listing_that_succeeds_removes_nothing_and_asks_once_for_all() {
    let world = World::new().await;
    let connected = world.connected_to(SimOptions::default(), 12, 420).await;
    for stream in ["Account", "Contact"] {
        run(&world, &connected, &format!("{stream}/pull"), json!({})).await;
    }
    assert_eq!(living(&world, "contacts").await, 420);
    let sim = &connected.salesforce.sim;
    sim.faults().unshared = vec!["Contact".to_owned()];
    let account = sim.ids("Account").remove(0);
    sim.update("Account", &account, json!({"Phone": "+1 555 0199"}))
        .unwrap();

    let swept = run(&world, &connected, "Contact/sweep", json!({"what": "all"})).await;
    assert_eq!(swept["state"], "succeeded", "{swept}");
    assert_eq!(
        (&swept["counts"]["deleted"], &swept["counts"]["withheld"]),
        (&json!(0), &json!(420)),
        "{swept}"
    );
    assert_eq!(living(&world, "contacts").await, 420);
    let open = open_approvals(&world).await;
    assert_eq!(open.len(), 1, "{open:?}");
    assert_eq!(
        (&open[0]["kind"], &open[0]["count"], &open[0]["stream"]),
        (&json!("delete"), &json!(420), &json!("Contact"))
    );
    // The same answer again is the same question.
    run(&world, &connected, "Contact/sweep", json!({"what": "all"})).await;
    assert_eq!(open_approvals(&world).await[0]["count"], 420);
    // What else there is goes on.
    let read = run(&world, &connected, "Account/pull", json!({})).await;
    assert_eq!(read["counts"]["updated"], 1, "{read}");

    // Somebody agrees, and by then the contacts are shown again.
    sim.faults().unshared.clear();
    let path = format!("/approvals/{}", open[0]["id"].as_str().unwrap());
    let approve = format!("{path}/approve");
    world
        .admin
        .post(&approve, &json!({"count": 420}))
        .await
        .expect(202);
    world.work_until_idle().await;
    assert_eq!(living(&world, "contacts").await, 420);
    let settled = world.admin.get(&path).await.expect(200);
    assert_eq!(
        (
            &settled["state"],
            &settled["applied"],
            &settled["recovered"]
        ),
        (&json!("settled"), &json!(0), &json!(420)),
        "{settled}"
    );
}

/// Scenario 8: page 7 of 30 fails for good.
#[tokio::test]
async fn half_a_listing_holds_the_watermark_and_concludes_nothing() {
    let world = World::new().await;
    let options = SimOptions {
        page_size: 10,
        ..SimOptions::default()
    };
    let connected = world.connected_to(options, 300, 8).await;
    let sim = &connected.salesforce.sim;
    let breaks = |skip| AnswerFault {
        on: Some("query_more".to_owned()),
        skip,
        times: u32::MAX,
        answer: Answer::Error {
            status: 400,
            code: "MALFORMED_QUERY".to_owned(),
            message: "page 7 is broken".to_owned(),
        },
    };
    sim.faults().answers = vec![breaks(5)];
    let read = run(&world, &connected, "Account/pull", json!({})).await;
    assert_eq!(read["state"], "failed", "{read}");
    assert_eq!(living(&world, "accounts").await, 60, "six pages of ten");
    let broken = coverage(&world, &connected, "Account").await;
    assert_eq!(broken["state"], "incomplete", "{broken}");
    assert_eq!(broken["covered_to"], Json::Null, "{broken}");
    let sentence = broken["sentence"].as_str().unwrap();
    assert!(
        sentence.starts_with("The last read broke off"),
        "{sentence}"
    );
    assert_eq!(broken["intervals"][0]["reason"], "incomplete_read");
    assert_eq!(broken["intervals"][0]["covered"], false);
    let began = broken["pass_began_at"].as_str().unwrap().to_owned();

    // Other objects proceed.
    let contacts = run(&world, &connected, "Contact/pull", json!({})).await;
    assert_eq!(contacts["state"], "succeeded");
    let contacts = coverage(&world, &connected, "Contact").await;
    assert_eq!(contacts["state"], "complete", "{contacts}");
    assert_eq!(contacts["intervals"][0]["covered"], true);

    // A sweep that breaks off as well concludes nothing, though a record is really gone.
    let gone = sim.ids("Account").remove(3);
    sim.delete("Account", &gone).unwrap();
    sim.purge("Account", &gone).unwrap();
    sim.faults().answers = vec![breaks(5)];
    let swept = run(&world, &connected, "Account/sweep", json!({"what": "all"})).await;
    assert_eq!(swept["state"], "failed", "{swept}");
    // What it had read by then is compared all the same; nothing is taken for gone.
    assert_eq!(living(&world, "accounts").await, 61);
    assert!(open_approvals(&world).await.is_empty());

    // Mended, the read goes on where it was, and covers up to where it began.
    sim.faults().answers.clear();
    let read = run(&world, &connected, "Account/pull", json!({})).await;
    assert_eq!(read["state"], "succeeded", "{read}");
    assert_eq!(living(&world, "accounts").await, 300);
    let whole = coverage(&world, &connected, "Account").await;
    assert_eq!(whole["state"], "complete", "{whole}");
    assert_eq!(
        whole["covered_to"],
        began.as_str(),
        "not later than the pass began"
    );
    let swept = run(&world, &connected, "Account/sweep", json!({"what": "all"})).await;
    assert_eq!(
        swept["counts"]["deleted"], 1,
        "by a listing from end to end: {swept}"
    );
    assert_eq!(living(&world, "accounts").await, 299);
}

/// The feed of deletions no longer reaches back: what was deleted meanwhile is told by a listing only.
#[tokio::test]
async fn a_lost_feed_is_shown_as_a_gap_and_closed_by_a_listing() {
    let world = World::new().await;
    let connected = world.pulled().await;
    let sim = &connected.salesforce.sim;
    let gone = sim.ids("Account").remove(0);
    sim.delete("Account", &gone).unwrap();
    sim.purge("Account", &gone).unwrap();
    sim.clock.advance(chrono::Duration::hours(2));
    sim.truncate_delete_log(engine::Clock::system().now() + chrono::Duration::hours(1));
    run(&world, &connected, "Account/pull", json!({})).await;
    let gaps = format!("/connections/{}/streams/Account/gaps", connected.id);
    let gaps = world.admin.get(&gaps).await.expect(200);
    let gap = &gaps["items"][0];
    assert_eq!(
        (&gap["reason"], &gap["records"]),
        (&json!("lost"), &Json::Null),
        "{gaps}"
    );
    assert!(
        !gap["from"].is_null() && !gap["closed_at"].is_null(),
        "{gap}"
    );
    let by = world
        .admin
        .get(&format!(
            "/runs/{}",
            gap["closed_by_run_id"].as_str().unwrap()
        ))
        .await
        .expect(200);
    assert_eq!(by["workflow"], "sweep_stream");
    assert_eq!(living(&world, "accounts").await, 11);
    assert_eq!(
        coverage(&world, &connected, "Account").await["state"],
        "complete"
    );
}
