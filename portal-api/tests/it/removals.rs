use axum::http::Method;
use chrono::SecondsFormat;
use domain::users::Role;
use serde_json::{Value as Json, json};

use crate::world::{Client, World};

async fn delete(client: &Client, path: &str, etag: Option<&str>) -> crate::world::Answer {
    client.send(Method::DELETE, path, etag, None).await
}

/// Lets removals here delete over there.
async fn deleting(world: &World, connection: &str) {
    let path = format!("/connections/{connection}/streams/Account");
    let streams = world
        .admin
        .get(&format!("/connections/{connection}/streams"))
        .await
        .expect(200);
    let streams = streams.as_array().unwrap();
    let stream = streams
        .iter()
        .find(|one| one["stream"] == "Account")
        .unwrap();
    assert_eq!(stream["on_remove"], "keep");
    let etag = format!("\"{}\"", stream["version"]);
    let body = json!({"enabled": true, "entity": "account", "on_remove": "delete"});
    let stored = world
        .admin
        .send(Method::PUT, &path, Some(&etag), Some(&body))
        .await
        .expect(200);
    assert_eq!(stored["on_remove"], "delete");
}

#[tokio::test]
async fn an_account_is_removed_here_and_there_by_its_plan_and_comes_back() {
    let world = World::new().await;
    let connected = world.pulled().await;
    deleting(&world, &connected.id).await;
    let account = world.admin.get("/accounts").await.expect(200)["items"][0].clone();
    let key = account["links"][0]["key"].as_str().unwrap();
    let path = format!("/accounts/{}", account["id"].as_str().unwrap());
    let plan = world
        .admin
        .get(&format!("{path}/removal"))
        .await
        .expect(200);
    assert_eq!(
        (&plan["records"][0]["key"], &plan["records"][0]["deleted"]),
        (&json!(key), &json!(true))
    );
    let unlink = world
        .admin
        .get(&format!("{path}/removal?kind=unlink"))
        .await
        .expect(200);
    assert_eq!(unlink["records"][0]["deleted"], false);
    world
        .admin
        .get(&format!("{path}/removal?kind=erase"))
        .await
        .problem(422, "invalid-field");

    let etag = world.admin.get(&path).await.etag();
    delete(&world.admin, &path, None)
        .await
        .problem(428, "precondition-required");
    delete(&world.admin, &path, Some("\"99\""))
        .await
        .problem(412, "stale");
    let viewer = world
        .user(world.tenant, "viewer@one.example", Role::Viewer)
        .await;
    delete(&viewer, &path, Some(&etag))
        .await
        .problem(403, "forbidden");
    let other = world.other_tenant().await;
    delete(&other, &path, Some(&etag))
        .await
        .problem(404, "not-found");
    delete(&world.admin, &path, Some(&etag)).await.expect(204);
    world.admin.get(&path).await.problem(404, "not-found");
    delete(&world.admin, &path, Some(&etag))
        .await
        .problem(404, "not-found");
    world.work_until_idle().await;
    let sim = &connected.salesforce.sim;
    let there = sim.get("Account", key).unwrap();
    assert_eq!(there["IsDeleted"], true, "it is in the bin over there");

    let now = engine::Clock::system().now();
    let now = now.to_rfc3339_opts(SecondsFormat::Micros, true);
    let gone = world
        .admin
        .get(&format!("{path}/as-of?at={now}"))
        .await
        .expect(200);
    assert_eq!(gone["removed"], true);
    let etag = format!("\"{}\"", gone["version"]);
    let restore = format!("{path}/restore");
    let post = |client: &Client, etag: &str| {
        let (client, restore, etag) = (client.clone(), restore.clone(), etag.to_owned());
        async move { client.send(Method::POST, &restore, Some(&etag), None).await }
    };
    post(&other, &etag).await.problem(404, "not-found");
    post(&world.admin, "\"1\"").await.problem(412, "stale");
    let back = post(&world.admin, &etag).await.expect(200);
    assert_eq!(back["fields"]["name"], account["name"]);
    let again = format!("\"{}\"", back["version"]);
    post(&world.admin, &again).await.problem(409, "conflict");
    world.work_until_idle().await;
    let links = world.admin.get(&path).await.expect(200)["links"].clone();
    let living: Vec<&Json> = links
        .as_array()
        .unwrap()
        .iter()
        .filter(|link| link["removed_at"].is_null())
        .collect();
    assert_eq!(living.len(), 1, "{links}");
    assert_ne!(living[0]["key"], key, "made again over there");
    assert_eq!(
        links.as_array().unwrap().len(),
        2,
        "and the old link is history"
    );
    let accounts = world.admin.get("/accounts").await.expect(200);
    assert_eq!(accounts["items"].as_array().unwrap().len(), 12);
    let timeline = world
        .admin
        .get(&format!("{path}/timeline"))
        .await
        .expect(200);
    let kinds: Vec<_> = timeline["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["kind"].as_str().unwrap())
        .collect();
    assert!(
        kinds.contains(&"removed") && kinds.contains(&"restored"),
        "{kinds:?}"
    );
}

#[tokio::test]
async fn an_unlinked_contact_stays_here_and_is_left_alone() {
    let world = World::new().await;
    let connected = world.pulled().await;
    let contact = world.admin.get("/contacts").await.expect(200)["items"][0].clone();
    let key = contact["links"][0]["key"].as_str().unwrap();
    let path = format!("/contacts/{}", contact["id"].as_str().unwrap());
    let etag = world.admin.get(&path).await.etag();
    let unlink = format!("{path}?kind=unlink");
    delete(&world.admin, &unlink, Some(&etag)).await.expect(204);
    let sim = &connected.salesforce.sim;
    sim.update("Contact", key, json!({"Title": "Somebody else"}))
        .unwrap();
    let pull = format!("/connections/{}/streams/Contact/pull", connected.id);
    world.admin.post(&pull, &json!({})).await.expect(202);
    world.work_until_idle().await;
    let read = world.admin.get(&path).await.expect(200);
    assert_ne!(read["fields"]["title"], "Somebody else");
    let contacts = world.admin.get("/contacts").await.expect(200);
    assert_eq!(
        contacts["items"].as_array().unwrap().len(),
        20,
        "no second one"
    );
}
