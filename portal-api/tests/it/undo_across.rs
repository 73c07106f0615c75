//! Scenario 21 over the wire, with a tenth of its accounts: a wrong run is undone in two systems.

use axum::http::Method;
use connector_salesforce::sim::{Condition, SimOptions, Validation};
use domain::mails::{Letter, MailKind, Outbox};
use engine::ids::{RunId, UserId};
use serde_json::{Value as Json, json};

use crate::mails::Mailbox;
use crate::world::{Connected, World};

const WRONG: usize = 340;
const MENDED: usize = 25;
const REFUSED: usize = 40;
const MAILS: usize = 60;

/// What an account of this place earns, and what the wrong run made of it.
fn right(place: usize) -> i64 {
    i64::try_from(place).unwrap() * 1_000 + 1_000
}

fn wrong(place: usize) -> i64 {
    right(place) * 100
}

/// The first of the accounts have a name that a rule will refuse; those after them people mend.
fn name(place: usize) -> String {
    if place < REFUSED {
        format!("Held {place:03}")
    } else {
        format!("Account {place:03}")
    }
}

/// Accounts that people make in the hub, which both systems are given.
async fn make(world: &World) {
    for place in 0..WRONG {
        let fields = json!({"name": name(place), "annual_revenue": right(place)});
        let account = json!({"fields": fields});
        world.admin.post("/accounts", &account).await.expect(201);
    }
    world.work_until_idle().await;
}

/// Somebody's job over there.
fn spoil(connected: &Connected) {
    let sim = &connected.salesforce.sim;
    for key in sim.ids("Account") {
        let record = sim.get("Account", &key).unwrap();
        let amount = record["AnnualRevenue"].as_f64().unwrap() * 100.0;
        sim.update("Account", &key, json!({"AnnualRevenue": amount}))
            .unwrap();
    }
}

/// By name, what accounts earn according to a system.
fn there(connected: &Connected) -> std::collections::BTreeMap<String, i64> {
    let sim = &connected.salesforce.sim;
    let earns = |key: String| {
        let record = sim.get("Account", &key).unwrap();
        let amount = record["AnnualRevenue"].as_f64().unwrap();
        #[expect(clippy::cast_possible_truncation, reason = "the amounts are whole")]
        let amount = amount as i64;
        (record["Name"].as_str().unwrap().to_owned(), amount)
    };
    sim.ids("Account").into_iter().map(earns).collect()
}

async fn pulled(world: &World, connected: &Connected) -> Json {
    let path = format!("/connections/{}/streams/Account/pull", connected.id);
    let started = world.admin.post(&path, &json!({})).await.expect(202);
    world.ended(&started).await
}

/// People mend accounts in the hub.
async fn mend(world: &World) {
    for place in REFUSED..REFUSED + MENDED {
        let list = format!("/accounts?q={}", name(place).replace(' ', "%20"));
        let found = world.admin.get(&list).await.expect(200);
        let path = format!("/accounts/{}", found["items"][0]["id"].as_str().unwrap());
        let etag = world.admin.get(&path).await.etag();
        let change = json!({"fields": {"annual_revenue": 7}});
        world
            .admin
            .send(Method::PATCH, &path, Some(&etag), Some(&change))
            .await
            .expect(200);
    }
    world.work_until_idle().await;
}

/// What a step of the run does that tells people of what it found.
async fn post_mails(world: &World, run: &str) {
    let outbox = Outbox::new(world.vault.clone());
    let run: RunId = run.parse().unwrap();
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    for number in 0..MAILS {
        let letter = Letter {
            recipient: format!("customer{number}@one.example"),
            subject: format!("Your revenue has changed ({number})"),
            text: "It is a hundred times what it was.".to_owned(),
        };
        let kind = MailKind::ErasureFailed;
        outbox
            .post(&mut tx, kind, UserId::fresh(), &letter, Some(run))
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
    world.work_until_idle().await;
}

fn order(plan: &Json) -> Json {
    let counts = &plan["counts"];
    json!({
        "restored": counts["restored"], "fields": counts["fields"],
        "removed": counts["removed"], "revived": counts["revived"],
    })
}

#[tokio::test]
async fn scenario_21_an_undo_restores_skips_what_was_mended_parks_what_is_refused_and_lists_mails()
{
    let mailbox = Mailbox::default();
    let world = World::with_mail(mailbox.start().await).await;
    let other = world
        .connected_as("Other", SimOptions::default(), 0, 0)
        .await;
    let one = world.connected_to(SimOptions::default(), 0, 0).await;
    for connected in [&other, &one] {
        pulled(&world, connected).await;
    }
    make(&world).await;
    for connected in [&other, &one] {
        assert_eq!(there(connected).len(), WRONG);
        // What a system adds by itself, such as an owner, is no work of the run that goes wrong.
        pulled(&world, connected).await;
    }

    one.salesforce
        .sim
        .clock
        .advance(chrono::TimeDelta::seconds(5));
    spoil(&one);
    let run = pulled(&world, &one).await;
    assert_eq!(run["counts"]["updated"], WRONG, "{run}");
    assert_eq!(there(&other)[&name(0)], wrong(0), "and brought there");
    let run = run["id"].as_str().unwrap();
    post_mails(&world, run).await;
    assert_eq!(mailbox.mails().len(), MAILS);
    mend(&world).await;

    other.salesforce.sim.faults().validations = vec![Validation {
        object: "Account".to_owned(),
        field: "Name".to_owned(),
        when: Condition::Contains("Held".to_owned()),
        message: "This account is held".to_owned(),
    }];
    let path = format!("/runs/{run}/undo");
    let plan = world.admin.get(&path).await.expect(200);
    let back = WRONG - MENDED;
    assert_eq!(
        plan["counts"],
        json!({
            "restored": back, "fields": back, "removed": 0, "revived": 0,
            "kept": {"changed": MENDED},
        })
    );
    assert_eq!(plan["irreversible"]["mails"], MAILS);
    let first = plan["irreversible"]["first"].as_array().unwrap();
    assert_eq!(first.len(), 50);
    assert!(first.iter().all(|mail| mail["sent_at"].is_string()));
    assert_eq!(first[0]["subject"], "Your revenue has changed (0)");
    let started = world.admin.post(&path, &order(&plan)).await.expect(202);
    let undone = world.ended(&started).await;
    assert_eq!(undone["state"], "succeeded", "{undone}");

    let expected = |place: usize, refused: i64| match place {
        _ if place < REFUSED => refused,
        _ if place < REFUSED + MENDED => 7,
        _ => right(place),
    };
    let (here, beyond) = (there(&one), there(&other));
    for place in 0..WRONG {
        let name = name(place);
        assert_eq!(here[&name], expected(place, right(place)), "{name}");
        assert_eq!(beyond[&name], expected(place, wrong(place)), "{name}");
    }
    let classes = world.admin.get("/failure-classes?state=open").await;
    let classes = classes.expect(200)["items"].clone();
    assert_eq!(classes.as_array().unwrap().len(), 1, "{classes}");
    assert_eq!(classes[0]["records"], REFUSED);

    // Once is enough.
    let again = world.admin.get(&path).await.expect(200);
    assert_eq!(again["counts"]["fields"], 0, "{again}");
    assert_eq!(again["irreversible"]["mails"], MAILS);
    world
        .admin
        .post(&path, &order(&again))
        .await
        .problem(409, "conflict");
    let (writes, mails) = (other.salesforce.sim.writes(), mailbox.mails().len());
    pulled(&world, &one).await;
    pulled(&world, &other).await;
    assert_eq!(other.salesforce.sim.writes(), writes);
    assert_eq!(mailbox.mails().len(), mails);

    // What was parked goes when the rule is gone and somebody tries it again.
    other.salesforce.sim.faults().validations.clear();
    let retry = format!(
        "/failure-classes/{}/retry",
        classes[0]["id"].as_str().unwrap()
    );
    let plan = world.admin.get(&retry).await.expect(200);
    assert_eq!(plan["count"], REFUSED);
    let count = json!({"count": REFUSED});
    world.admin.post(&retry, &count).await.expect(202);
    world.work_until_idle().await;
    let beyond = there(&other);
    for place in 0..REFUSED {
        assert_eq!(beyond[&name(place)], right(place));
    }
    let classes = world.admin.get("/failure-classes?state=open").await;
    assert_eq!(classes.expect(200)["items"], json!([]));
}
