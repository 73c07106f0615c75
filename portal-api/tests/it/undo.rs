use domain::users::Role;
use serde_json::{Value as Json, json};

use crate::world::{Connected, World};

/// Reads accounts again after somebody over there set a phone; the run, the account and its key.
async fn overwritten(
    world: &World,
    connected: &Connected,
    phone: &str,
) -> (String, String, String) {
    let account = world.admin.get("/accounts").await.expect(200)["items"][0].clone();
    let key = account["links"][0]["key"].as_str().unwrap().to_owned();
    let sim = &connected.salesforce.sim;
    sim.update("Account", &key, json!({"Phone": phone}))
        .unwrap();
    let pull = format!("/connections/{}/streams/Account/pull", connected.id);
    let started = world.admin.post(&pull, &json!({})).await.expect(202);
    world.work_until_idle().await;
    let run = started["run_id"].as_str().unwrap().to_owned();
    (run, account["id"].as_str().unwrap().to_owned(), key)
}

fn phone_there(connected: &Connected, key: &str) -> Json {
    connected.salesforce.sim.get("Account", key).unwrap()["Phone"].clone()
}

#[tokio::test]
async fn a_run_is_undone_by_the_numbers_of_its_plan_here_and_over_there() {
    let world = World::new().await;
    let connected = world.pulled().await;
    let before = world.admin.get("/accounts").await.expect(200)["items"][0]["phone"].clone();
    let (run, account, key) = overwritten(&world, &connected, "+1 555 0199").await;
    let path = format!("/runs/{run}/undo");
    let plan = world.admin.get(&path).await.expect(200);
    assert_eq!(
        plan["counts"],
        json!({"restored": 1, "fields": 1, "removed": 0, "revived": 0, "kept": {}})
    );
    let record = &plan["records"][0];
    assert_eq!(
        (&record["id"], &record["act"]),
        (&json!(account), &json!("restore"))
    );
    let field = &record["fields"][0];
    assert_eq!(
        (&field["label"], &field["before"]),
        (&json!("Phone"), &before)
    );
    assert_eq!(field["now"], "+1 555 0199");

    let order = |fields: u64| json!({"restored": 1, "fields": fields, "removed": 0, "revived": 0});
    let problem = world.admin.post(&path, &order(2)).await;
    let problem = problem.problem(409, "conflict");
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("1 values of 1 records"),
        "{problem}"
    );
    let viewer = world
        .user(world.tenant, "viewer@one.example", Role::Viewer)
        .await;
    viewer.get(&path).await.problem(403, "forbidden");
    viewer
        .post(&path, &order(1))
        .await
        .problem(403, "forbidden");
    let other = world.other_tenant().await;
    other.get(&path).await.problem(404, "not-found");
    other.post(&path, &order(1)).await.problem(404, "not-found");

    let started = world.admin.post(&path, &order(1)).await.expect(202);
    let twice = world.admin.post(&path, &order(1)).await.expect(202);
    assert_eq!(started, twice, "it is under way");
    world.work_until_idle().await;
    let undo = started["run_id"].as_str().unwrap();
    let told = world.admin.get(&format!("/runs/{undo}")).await.expect(200);
    assert_eq!(
        (&told["state"], &told["trigger"]),
        (&json!("succeeded"), &json!("undo"))
    );
    assert_eq!(told["counts"]["updated"], 1);
    let account = format!("/accounts/{account}");
    assert_eq!(
        world.admin.get(&account).await.expect(200)["fields"]["phone"],
        before
    );
    assert_eq!(
        phone_there(&connected, &key),
        before,
        "the other system has it too"
    );
    let timeline = world
        .admin
        .get(&format!("{account}/timeline"))
        .await
        .expect(200);
    let undone = timeline["items"].as_array().unwrap().iter();
    let undone: Vec<_> = undone.filter(|entry| entry["kind"] == "undone").collect();
    assert_eq!((undone.len(), &undone[0]["run_id"]), (1, &json!(undo)));
    let provenance = world
        .admin
        .get(&format!("{account}/provenance"))
        .await
        .expect(200);
    let fields = provenance["fields"].as_array().unwrap().iter();
    let phone = fields
        .clone()
        .find(|field| field["name"] == "phone")
        .unwrap();
    let sentence = phone["origin"]["sentence"].as_str().unwrap();
    assert!(sentence.contains("had a run undone"), "{sentence}");

    world
        .admin
        .post(&path, &order(1))
        .await
        .problem(409, "conflict");
    let nothing = json!({"restored": 0, "fields": 0, "removed": 0, "revived": 0});
    world
        .admin
        .post(&path, &nothing)
        .await
        .problem(409, "conflict");

    let again = format!("/runs/{undo}/undo");
    world.admin.post(&again, &order(1)).await.expect(202);
    world.work_until_idle().await;
    assert_eq!(
        world.admin.get(&account).await.expect(200)["fields"]["phone"],
        "+1 555 0199"
    );
    assert_eq!(phone_there(&connected, &key), "+1 555 0199");
}

#[tokio::test]
async fn a_run_that_is_not_over_is_not_undone() {
    let world = World::new().await;
    let connected = world.connected().await;
    let pull = format!("/connections/{}/streams/Account/pull", connected.id);
    let started = world.admin.post(&pull, &json!({})).await.expect(202);
    let path = format!("/runs/{}/undo", started["run_id"].as_str().unwrap());
    world.admin.get(&path).await.problem(409, "conflict");
}

#[tokio::test]
async fn a_first_read_is_undone_as_a_whole_and_stays_so() {
    let world = World::new().await;
    let connected = world.pulled().await;
    let runs = world
        .admin
        .get(&format!("/runs?key=pull/{}/Account", connected.id))
        .await
        .expect(200);
    let run = runs["items"][0]["id"].as_str().unwrap();
    let path = format!("/runs/{run}/undo");
    let plan = world.admin.get(&path).await.expect(200);
    assert_eq!(plan["counts"]["removed"], 12, "{plan}");
    let counts = &plan["counts"];
    let order = json!({
        "restored": counts["restored"], "fields": counts["fields"],
        "removed": counts["removed"], "revived": counts["revived"],
    });
    world.admin.post(&path, &order).await.expect(202);
    world.work_until_idle().await;
    let accounts = world.admin.get("/accounts").await.expect(200);
    assert_eq!(accounts["items"].as_array().unwrap().len(), 0);
    let pull = format!("/connections/{}/streams/Account/pull", connected.id);
    world.admin.post(&pull, &json!({})).await.expect(202);
    world.work_until_idle().await;
    let accounts = world.admin.get("/accounts").await.expect(200);
    assert_eq!(
        accounts["items"].as_array().unwrap().len(),
        0,
        "they stay out"
    );
}
