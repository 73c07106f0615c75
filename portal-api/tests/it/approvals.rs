use axum::http::Method;
use connector_salesforce::sim::{Answer, AnswerFault};
use domain::users::Role;
use serde_json::{Value as Json, json};

use crate::world::{Connected, World};

async fn pull(world: &World, connected: &Connected, stream: &str) -> Json {
    let path = format!("/connections/{}/streams/{stream}/pull", connected.id);
    let started = world.admin.post(&path, &json!({})).await.expect(202);
    world.work_until_idle().await;
    let run = format!("/runs/{}", started["run_id"].as_str().unwrap());
    world.admin.get(&run).await.expect(200)
}

async fn open(world: &World) -> Vec<Json> {
    let list = world.admin.get("/approvals?state=open").await.expect(200);
    list["items"].as_array().unwrap().clone()
}

async fn accounts(world: &World) -> usize {
    let list = world.admin.get("/accounts").await.expect(200);
    list["items"].as_array().unwrap().len()
}

/// Everything goes over there, and a run asks; the approval.
pub(crate) async fn asked(world: &World, connected: &Connected) -> Json {
    let sim = &connected.salesforce.sim;
    for key in sim.ids("Account") {
        sim.delete("Account", &key).unwrap();
    }
    let run = pull(world, connected, "Account").await;
    assert_eq!(
        (&run["counts"]["deleted"], &run["counts"]["withheld"]),
        (&json!(0), &json!(12)),
        "{run}"
    );
    let mut open = open(world).await;
    assert_eq!(open.len(), 1);
    open.remove(0)
}

#[tokio::test]
async fn a_mass_of_removals_is_one_question_and_approving_looks_again() {
    let world = World::new().await;
    let connected = world.pulled().await;
    let sim = &connected.salesforce.sim;
    let keys = sim.ids("Account");
    let approval = asked(&world, &connected).await;
    assert_eq!(accounts(&world).await, 12);
    assert_eq!(
        (&approval["kind"], &approval["count"], &approval["stream"]),
        (&json!("delete"), &json!(12), &json!("Account"))
    );
    let sentence = approval["sentence"].as_str().unwrap();
    assert!(
        sentence.starts_with("12 records of Account are gone"),
        "{sentence}"
    );
    let path = format!("/approvals/{}", approval["id"].as_str().unwrap());
    let records = world
        .admin
        .get(&format!("{path}/records?limit=5"))
        .await
        .expect(200);
    assert_eq!(records["items"].as_array().unwrap().len(), 5);
    let record = &records["items"][0];
    assert!(record["entity_id"].as_str().unwrap().starts_with("acc_"));

    // Eleven are there again by the time somebody agrees.
    for key in &keys[1..] {
        sim.undelete("Account", key).unwrap();
    }
    let approve = format!("{path}/approve");
    let order = |count: u64| json!({"count": count});
    let viewer = world
        .user(world.tenant, "viewer@one.example", Role::Viewer)
        .await;
    viewer
        .post(&approve, &order(12))
        .await
        .problem(403, "forbidden");
    let other = world.other_tenant().await;
    other
        .post(&approve, &order(12))
        .await
        .problem(404, "not-found");
    world
        .admin
        .post(&approve, &order(0))
        .await
        .invalid("/count");
    world.admin.post(&approve, &order(12)).await.expect(202);
    let twice = world.admin.post(&approve, &order(12)).await;
    let twice = twice.problem(409, "conflict");
    let detail = twice["detail"].as_str().unwrap();
    assert!(detail.contains("was approved already, at 20"), "{detail}");
    world.work_until_idle().await;
    assert_eq!(accounts(&world).await, 11, "only the one that is gone");
    let settled = world.admin.get(&path).await.expect(200);
    assert_eq!(
        (
            &settled["state"],
            &settled["applied"],
            &settled["recovered"]
        ),
        (&json!("settled"), &json!(1), &json!(11)),
        "{settled}"
    );
    assert_eq!(settled["decided_by"], "admin");
    let late = world.admin.post(&approve, &order(12)).await;
    late.problem(409, "conflict");
    assert!(open(&world).await.is_empty());
}

#[tokio::test]
async fn when_the_system_has_recovered_by_itself_there_is_nothing_to_approve() {
    let world = World::new().await;
    let connected = world.pulled().await;
    let sim = &connected.salesforce.sim;
    let keys = sim.ids("Account");
    let approval = asked(&world, &connected).await;
    for key in &keys {
        sim.undelete("Account", key).unwrap();
    }
    pull(&world, &connected, "Account").await;
    assert_eq!(accounts(&world).await, 12);
    let path = format!("/approvals/{}", approval["id"].as_str().unwrap());
    let read = world.admin.get(&path).await.expect(200);
    assert_eq!(
        (&read["count"], &read["recovered"]),
        (&json!(0), &json!(12)),
        "{read}"
    );
    let approve = format!("{path}/approve");
    let refused = world.admin.post(&approve, &json!({"count": 12})).await;
    refused.problem(409, "conflict");
}

#[tokio::test]
async fn what_is_declined_stays_as_it_is_here() {
    let world = World::new().await;
    let connected = world.pulled().await;
    let approval = asked(&world, &connected).await;
    let path = format!("/approvals/{}", approval["id"].as_str().unwrap());
    let note = json!({"note": "a mistake over there"});
    let declined = world
        .admin
        .post(&format!("{path}/decline"), &note)
        .await
        .expect(200);
    assert_eq!(
        (&declined["state"], &declined["count"], &declined["note"]),
        (&json!("declined"), &json!(0), &note["note"])
    );
    let late = world
        .admin
        .post(&format!("{path}/approve"), &json!({"count": 12}))
        .await;
    let late = late.problem(409, "conflict");
    let detail = late["detail"].as_str().unwrap();
    assert!(detail.contains("was declined already"), "{detail}");
    assert_eq!(accounts(&world).await, 12);
    let records = world
        .admin
        .get(&format!("{path}/records"))
        .await
        .expect(200);
    assert_eq!(records["items"][0]["state"], "declined");
}

#[tokio::test]
async fn caps_are_set_per_stream_and_hold_for_the_next_run() {
    let world = World::new().await;
    let connected = world.pulled().await;
    let path = format!("/connections/{}/streams/Account/caps", connected.id);
    let read = world.admin.get(&path).await;
    assert_eq!(read.etag(), "\"0\"");
    let mut caps = read.expect(200);
    assert_eq!(caps["deletes"], json!({"count": 10, "share": 10}));
    caps["deletes"] = json!({"count": 10, "share": 101});
    let put = |etag: Option<&'static str>, caps: Json| {
        let (admin, path) = (&world.admin, &path);
        async move { admin.send(Method::PUT, path, etag, Some(&caps)).await }
    };
    put(Some("\"0\""), caps.clone())
        .await
        .invalid("/deletes/share");
    caps["deletes"] = json!({"count": 12, "share": 0});
    put(None, caps.clone())
        .await
        .problem(428, "precondition-required");
    let stored = put(Some("\"0\""), caps.clone()).await;
    assert_eq!(stored.etag(), "\"1\"");
    put(Some("\"0\""), caps.clone()).await.problem(412, "stale");
    let nothing = format!("/connections/{}/streams/Nothing/caps", connected.id);
    world.admin.get(&nothing).await.problem(404, "not-found");
    let viewer = world
        .user(world.tenant, "viewer@one.example", Role::Viewer)
        .await;
    viewer
        .send(Method::PUT, &path, Some("\"1\""), Some(&caps))
        .await
        .problem(403, "forbidden");
    let sim = &connected.salesforce.sim;
    for key in sim.ids("Account") {
        sim.delete("Account", &key).unwrap();
    }
    let run = pull(&world, &connected, "Account").await;
    assert_eq!(run["counts"]["deleted"], 12, "{run}");
    assert_eq!(accounts(&world).await, 0);
}

/// Scenario 8 of the ways in which synchronising breaks.
#[tokio::test]
async fn half_a_listing_moves_no_cursor_past_what_was_not_read_and_removes_nothing() {
    let world = World::new().await;
    let connected = world.pulled().await;
    let sim = &connected.salesforce.sim;
    for number in 0..30 {
        let fields = json!({"Name": format!("New {number}")});
        sim.insert("Account", fields).unwrap();
    }
    let refusal = AnswerFault {
        on: Some("query_more".to_owned()),
        skip: 0,
        times: 1_000,
        answer: Answer::Error {
            status: 403,
            code: "INSUFFICIENT_ACCESS".to_owned(),
            message: "not allowed".to_owned(),
        },
    };
    {
        let mut faults = sim.faults();
        faults.short_pages = true;
        faults.answers = vec![refusal];
    }
    let half = pull(&world, &connected, "Account").await;
    assert_eq!(half["state"], "failed", "{half}");
    assert!(accounts(&world).await >= 12, "nothing is concluded");
    assert!(open(&world).await.is_empty());
    let classes = world
        .admin
        .get("/failure-classes?state=open")
        .await
        .expect(200);
    assert_eq!(classes["items"][0]["stream"], "Account", "{classes}");
    {
        let mut faults = sim.faults();
        faults.short_pages = false;
    }
    let contacts = pull(&world, &connected, "Contact").await;
    assert_eq!(contacts["state"], "succeeded", "other streams proceed");
    sim.faults().answers.clear();
    let whole = pull(&world, &connected, "Account").await;
    assert_eq!(whole["state"], "succeeded");
    assert_eq!(accounts(&world).await, 42, "and nothing was skipped");
}
