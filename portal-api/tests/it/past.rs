use axum::http::Method;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value as Json, json};

use crate::world::World;

fn now() -> String {
    let now = engine::Clock::system().now();
    now.to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn field<'a>(record: &'a Json, name: &str) -> &'a Json {
    let fields = record["fields"].as_array().unwrap();
    fields.iter().find(|field| field["name"] == name).unwrap()
}

/// Sets an account's phone.
async fn call(world: &World, path: &str, phone: &str) {
    let etag = world.admin.get(path).await.etag();
    let change = json!({"fields": {"phone": phone}});
    world
        .admin
        .send(Method::PATCH, path, Some(&etag), Some(&change))
        .await
        .expect(200);
}

#[tokio::test]
async fn a_record_is_told_as_of_a_moment_with_the_origins_of_then() {
    let world = World::new().await;
    world.pulled().await;
    let account = world.admin.get("/accounts").await.expect(200)["items"][0].clone();
    let path = format!("/accounts/{}", account["id"].as_str().unwrap());
    let read = now();
    call(&world, &path, "+49 30 1").await;
    let first = now();
    call(&world, &path, "+49 30 2").await;

    let as_of = |at: &str| {
        let (path, admin) = (format!("{path}/as-of?at={at}"), &world.admin);
        async move { admin.get(&path).await }
    };
    let told = world.admin.get(&path).await.expect(200);
    let seen = as_of(&now()).await.expect(200);
    assert_eq!(field(&seen, "phone")["value"], told["fields"]["phone"]);
    let seen = as_of(&first).await.expect(200);
    assert_eq!(field(&seen, "phone")["value"], "+49 30 1");
    assert_eq!(field(&seen, "phone")["origin"]["user"], "admin");
    let seen = as_of(&read).await.expect(200);
    assert_eq!(
        (&seen["removed"], &seen["removed_at"]),
        (&json!(false), &Json::Null)
    );
    assert_eq!(field(&seen, "phone")["value"], account["phone"]);
    let origin = &field(&seen, "phone")["origin"];
    assert_eq!(
        (&origin["kind"], &origin["mapping_version"]),
        (&json!("connection"), &json!(1)),
        "{origin}"
    );

    let diff = world
        .admin
        .get(&format!("{path}/diff?from={read}"))
        .await
        .expect(200);
    let fields = diff["fields"].as_array().unwrap();
    assert_eq!(fields.len(), 1, "{diff}");
    assert_eq!(
        (&fields[0]["from"], &fields[0]["to"]),
        (&account["phone"], &json!("+49 30 2"))
    );
    assert_eq!(fields[0]["changes"], 2);
    let causes = fields[0]["causes"].as_array().unwrap();
    let news: Vec<_> = causes.iter().map(|cause| &cause["new"]).collect();
    assert_eq!(news, ["+49 30 2", "+49 30 1"]);
    assert_eq!(causes[0]["kind"], "edited");
    assert_eq!(causes[0]["origin"]["user"], "admin");
    let nothing = world
        .admin
        .get(&format!("{path}/diff?from={first}&to={first}"))
        .await
        .expect(200);
    assert_eq!(nothing["fields"], json!([]));
}

#[tokio::test]
async fn moments_that_a_record_does_not_have_are_refused_each_in_its_own_way() {
    let world = World::new().await;
    let connected = world.pulled().await;
    let account = world.admin.get("/accounts").await.expect(200)["items"][0].clone();
    let path = format!("/accounts/{}", account["id"].as_str().unwrap());
    let get = |rest: &str| {
        let path = format!("{path}/{rest}");
        let admin = &world.admin;
        async move { admin.get(&path).await }
    };
    let problem = get("as-of?at=2001-01-01T00:00:00Z").await;
    let problem = problem.problem(404, "not-found");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("before it was made at"), "{detail}");
    get("diff?from=2001-01-01T00:00:00Z")
        .await
        .problem(404, "not-found");
    get("as-of?at=2100-01-01T00:00:00Z").await.invalid("/at");
    get("as-of?at=yesterday").await.invalid("/at");
    get("as-of").await.problem(422, "invalid-field");
    let (now, earlier) = (now(), "2001-01-01T00:00:00Z");
    get(&format!("diff?from={now}&to={earlier}"))
        .await
        .invalid("/from");
    get(&format!("diff?from={earlier}&to=2100-01-01T00:00:00Z"))
        .await
        .invalid("/to");

    let key = account["links"][0]["key"].as_str().unwrap();
    connected.salesforce.sim.delete("Account", key).unwrap();
    let pull = format!("/connections/{}/streams/Account/pull", connected.id);
    world.admin.post(&pull, &json!({})).await.expect(202);
    world.work_until_idle().await;
    let later = self::now();
    world.admin.get(&path).await.problem(404, "not-found");
    let gone = get(&format!("as-of?at={later}")).await.expect(200);
    assert_eq!(gone["removed"], true, "{gone}");
    let removed: DateTime<Utc> = gone["removed_at"].as_str().unwrap().parse().unwrap();
    assert!(removed > now.parse::<DateTime<Utc>>().unwrap());
    assert_eq!(field(&gone, "name")["value"], account["name"]);
    let before = get(&format!("as-of?at={now}")).await.expect(200);
    assert_eq!(before["removed"], false);
    let diff = get(&format!("diff?from={now}&to={later}"))
        .await
        .expect(200);
    assert_eq!(
        (&diff["removed_from"], &diff["removed_to"]),
        (&Json::Null, &gone["removed_at"])
    );

    let other = world.other_tenant().await;
    for rest in [format!("as-of?at={now}"), format!("diff?from={now}")] {
        let answer = other.get(&format!("{path}/{rest}")).await;
        answer.problem(404, "not-found");
    }
}
