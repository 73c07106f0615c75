//! Rows that a system refuses, over the wire.

use axum::http::Method;
use connector_salesforce::sim::{Condition, LockFault, SimOptions, Validation};
use serde_json::{Value as Json, json};

use crate::world::{Connected, World};

/// Accounts as the hub shows them, all of them.
async fn accounts(world: &World) -> Vec<Json> {
    let mut accounts = Vec::new();
    let mut path = "/accounts?limit=100".to_owned();
    loop {
        let page = world.admin.get(&path).await.expect(200);
        accounts.extend(page["items"].as_array().unwrap().iter().cloned());
        let Some(next) = page["next"].as_str() else {
            return accounts;
        };
        path = format!("/accounts?limit=100&cursor={next}");
    }
}

async fn pulled(world: &World, count: usize) -> Connected {
    let connected = world.connected_to(SimOptions::default(), count, 0).await;
    let path = format!("/connections/{}/streams/Account/pull", connected.id);
    world.admin.post(&path, &json!({})).await.expect(202);
    world.work_until_idle().await;
    connected
}

async fn set_phone(world: &World, account: &Json, phone: &str) {
    let path = format!("/accounts/{}", account["id"].as_str().unwrap());
    let etag = world.admin.get(&path).await.etag();
    let change = json!({"fields": {"phone": phone}});
    world
        .admin
        .send(Method::PATCH, &path, Some(&etag), Some(&change))
        .await
        .expect(200);
}

fn key(account: &Json) -> String {
    account["links"][0]["key"].as_str().unwrap().to_owned()
}

async fn classes(world: &World) -> Vec<Json> {
    let list = world.admin.get("/failure-classes?state=open").await;
    list.expect(200)["items"].as_array().unwrap().clone()
}

/// How often the hub has tried to write to one account.
async fn attempts(world: &World, account: &Json) -> Vec<i32> {
    let pool = world.db.pool().await.unwrap();
    let id = account["id"].as_str().unwrap().trim_start_matches("acc_");
    let attempts =
        "select attempt from writes where replace(entity_id::text, '-', '') = $1 order by id";
    sqlx::query_scalar(attempts)
        .bind(id)
        .fetch_all(&pool)
        .await
        .unwrap()
}

/// Leads are no stream of the connector's yet: an account stands for one.
#[tokio::test]
async fn scenario_10_a_record_that_refuses_every_write_for_ever_is_parked_once_as_a_class() {
    let world = World::new().await;
    let connected = pulled(&world, 3).await;
    let sim = &connected.salesforce.sim;
    let accounts = accounts(&world).await;
    sim.faults().converted = accounts[..2].iter().map(key).collect();
    for (at, account) in accounts.iter().enumerate() {
        set_phone(&world, account, &format!("+49 30 {at}")).await;
    }
    for _ in 0..3 {
        world.work_until_idle().await;
    }
    let open = classes(&world).await;
    assert_eq!(open.len(), 1, "{open:?}");
    let class = &open[0];
    assert_eq!(
        (&class["kind"], &class["code"], &class["records"]),
        (
            &json!("rejected"),
            &json!("CANNOT_UPDATE_CONVERTED_LEAD"),
            &json!(2)
        )
    );
    assert_eq!(class["failures"], 2, "{class}");
    for account in &accounts {
        assert_eq!(attempts(&world, account).await, [1], "{account}");
    }
    assert_eq!(
        sim.get("Account", &key(&accounts[2])).unwrap()["Phone"],
        "+49 30 2"
    );
    // Reading it again asks for no further attempt.
    let path = format!("/connections/{}/streams/Account/pull", connected.id);
    let full = json!({"full": true});
    world.admin.post(&path, &full).await.expect(202);
    world.work_until_idle().await;
    assert_eq!(attempts(&world, &accounts[0]).await, [1]);
    assert_eq!(classes(&world).await[0]["records"], 2);
}

#[tokio::test]
async fn scenario_20_one_row_of_two_hundred_is_refused_and_a_retry_touches_that_alone() {
    let world = World::new().await;
    let connected = pulled(&world, 200).await;
    let sim = &connected.salesforce.sim;
    let accounts = accounts(&world).await;
    assert_eq!(accounts.len(), 200);
    sim.faults().validations = vec![Validation {
        object: "Account".to_owned(),
        field: "Phone".to_owned(),
        when: Condition::Contains("999".to_owned()),
        message: "No such number".to_owned(),
    }];
    sim.faults().locks = accounts[100..111]
        .iter()
        .map(|account| LockFault {
            object: "Account".to_owned(),
            id: Some(key(account)),
            times: 1,
        })
        .collect();
    let before = sim.writes();
    for (at, account) in accounts.iter().enumerate() {
        let phone = if at == 7 { "+49 999" } else { "+49 30 1" };
        set_phone(&world, account, phone).await;
    }
    world.work_until_idle().await;
    assert_eq!(sim.writes() - before, 199, "each that was taken, once");
    let runs = world
        .admin
        .get(&format!("/runs?key=push/{}/Account", connected.id))
        .await
        .expect(200);
    let counts = |name: &str| {
        let runs = runs["items"].as_array().unwrap().iter();
        runs.map(|run| run["counts"][name].as_i64().unwrap_or(0))
            .sum::<i64>()
    };
    assert_eq!((counts("written"), counts("failed")), (199, 1), "{runs}");
    let states = runs["items"].as_array().unwrap().iter();
    let mut states: Vec<&str> = states.map(|run| run["state"].as_str().unwrap()).collect();
    states.retain(|state| *state != "succeeded");
    assert_eq!(states, ["partial"], "a refused row is no failed run");
    let open = classes(&world).await;
    assert_eq!(open.len(), 1, "{open:?}");
    let class = &open[0];
    assert_eq!(
        (&class["code"], &class["about"], &class["records"]),
        (
            &json!("FIELD_CUSTOM_VALIDATION_EXCEPTION"),
            &json!("Phone"),
            &json!(1)
        ),
        "{class}"
    );
    assert_eq!(class["remedy"]["who"], "person");

    sim.faults().validations.clear();
    let before = sim.writes();
    let retry = format!("/failure-classes/{}/retry", class["id"].as_str().unwrap());
    let plan = world.admin.get(&retry).await.expect(200);
    assert_eq!(plan["count"], 1);
    world
        .admin
        .post(&retry, &json!({"count": 1}))
        .await
        .expect(202);
    world.work_until_idle().await;
    assert_eq!(sim.writes() - before, 1);
    assert!(classes(&world).await.is_empty());
}
