//! Links that are moved, by a person or with records that became one over there.

use axum::http::Method;
use serde_json::{Value as Json, json};

use crate::matches::{MAPPING, PHONE, account, put, timeline, whose};
use crate::world::World;

/// What a link's move could change, as the database has it.
async fn stored(world: &World) -> Vec<String> {
    let pool = world.db.pool().await.unwrap();
    let mut rows = Vec::new();
    for table in [
        "accounts",
        "records",
        "matches",
        "link_events",
        "changes",
        "writes",
        "conflicts",
    ] {
        let sql = format!("select t::text from {table} t order by 1");
        let found: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .fetch_all(&pool)
            .await
            .unwrap();
        rows.extend(found);
    }
    rows
}

#[tokio::test]
async fn a_link_is_moved_as_its_preview_said_and_not_twice() {
    let world = World::new().await;
    let odd = world.scripted_as("Twin", 0, MAPPING).await;
    put(&odd, "a1", &[("Name", "Acme"), ("Phone", PHONE)]);
    world.reads(&odd).await;
    let wrong = whose(&world, &odd, "a1").await.unwrap();
    let right = account(&world, json!({"name": "Acme Holding", "industry": "Steel"})).await;
    let mut wish = json!({
        "connection_id": odd.id, "stream": "Account", "key": "a1",
        "from": wrong, "to": right, "note": "the holding",
    });
    for (name, value, pointer) in [
        ("from", json!("acme"), "/from"),
        (
            "to",
            json!(engine::ids::ContactId::fresh().to_string()),
            "/to",
        ),
        ("to", json!(wrong), "/to"),
    ] {
        let mut bad = wish.clone();
        bad[name] = value;
        world
            .admin
            .post("/links/preview", &bad)
            .await
            .invalid(pointer);
    }
    let mut bad = wish.clone();
    bad.as_object_mut().unwrap().remove("to");
    world.admin.post("/links/preview", &bad).await.invalid("");

    let before = stored(&world).await;
    let preview = world.admin.post("/links/preview", &wish).await.expect(200);
    assert_eq!(stored(&world).await, before, "a preview stores nothing");
    assert_eq!(
        (
            &preview["to"],
            &preview["record"]["act"],
            &preview["record"]["link"]
        ),
        (&json!(right), &json!("update"), &json!("person")),
        "{preview}"
    );
    let fields = preview["record"]["fields"].as_array().unwrap();
    let name = fields
        .iter()
        .find(|field| field["field"] == "name")
        .unwrap();
    assert_eq!(
        (&name["before"], &name["after"]),
        (&json!("Acme Holding"), &json!("Acme"))
    );
    assert_ne!(
        preview["joined"],
        Json::Null,
        "nothing is left of the other"
    );

    // What it goes to was changed since.
    wish["to_version"] = preview["to_version"].clone();
    let edit = json!({"fields": {"industry": "Iron"}});
    let path = format!("/accounts/{right}");
    crate::previews::with_etag(&world.admin, Method::PATCH, &path, &path, &edit)
        .await
        .expect(200);
    world
        .admin
        .post("/links/move", &wish)
        .await
        .problem(412, "stale");
    let again = world.admin.post("/links/preview", &wish).await;
    again.problem(412, "stale");
    wish["to_version"] = Json::Null;
    let preview = world.admin.post("/links/preview", &wish).await.expect(200);
    wish["to_version"] = preview["to_version"].clone();
    let moved = world.admin.post("/links/move", &wish).await.expect(200);
    assert_eq!(moved["record"], preview["record"]);
    assert_eq!(whose(&world, &odd, "a1").await.as_ref(), Some(&right));
    // The one without a record went into the other.
    world
        .admin
        .get(&format!("/accounts/{wrong}"))
        .await
        .problem(404, "not-found");
    let now = world.admin.get(&path).await.expect(200);
    assert_eq!(
        (
            &now["fields"]["name"],
            &now["fields"]["phone"],
            &now["fields"]["industry"]
        ),
        (&json!("Acme"), &json!(PHONE), &json!("Iron"))
    );
    let link = &now["links"][0];
    assert_eq!(
        (
            &link["method"],
            &link["reason"]["from"],
            &link["reason"]["by"]
        ),
        (&json!("person"), &json!(wrong), &json!("admin"))
    );
    let told = timeline(&world, &right).await;
    assert!(
        told.iter()
            .any(|entry| entry.1 == "Linked with Account a1 in Twin by admin"),
        "{told:?}"
    );
    let audit = world.admin.get("/audit?action=move_link").await.expect(200);
    assert_eq!(audit["items"][0]["before"], json!({"entity_id": wrong}));
    assert_eq!(audit["items"][0]["after"], json!({"entity_id": right}));
    world
        .admin
        .post("/links/move", &wish)
        .await
        .problem(412, "stale");
    // And out of it, as one of its own.
    let out = json!({
        "connection_id": odd.id, "stream": "Account", "key": "a1", "from": right, "to": null,
    });
    let moved = world.admin.post("/links/move", &out).await.expect(200);
    assert_eq!((&moved["to"], &moved["joined"]), (&Json::Null, &Json::Null));
    let own = whose(&world, &odd, "a1").await.unwrap();
    assert_ne!(own, right);
    let told = timeline(&world, &right).await;
    let left = "admin linked Account a1 in Twin with another record";
    assert!(
        told.contains(&("unlinked".to_owned(), left.to_owned())),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_preview_says_how_many_writes_a_move_costs() {
    let world = World::new().await;
    let odd = world.scripted_as("Twin", 0, MAPPING).await;
    put(&odd, "a1", &[("Name", "Acme"), ("Phone", PHONE)]);
    world.reads(&odd).await;
    let wrong = whose(&world, &odd, "a1").await.unwrap();
    let web = json!({"name": "Acme Holding", "domain": "acme.example"});
    let right = account(&world, web).await;
    // Another system has the one that it goes to, and will be given what it brings along.
    let mapping = MAPPING.replace("similar = [\"name\", \"phone\"]\n", "");
    let other = world.scripted_as("Other", 0, &mapping).await;
    let fields = [("Name", "Acme Holding"), ("Web", "acme.example")];
    put(&other, "o1", &fields);
    let run = world.reads(&other).await;
    assert_eq!(run["counts"]["linked"], 1, "{run}");
    let wish = json!({
        "connection_id": odd.id, "stream": "Account", "key": "a1", "from": wrong, "to": right,
    });
    let preview = world.admin.post("/links/preview", &wish).await.expect(200);
    let of = |stream: &Json| (stream["connection_name"].clone(), stream["writes"].clone());
    let owed: Vec<(Json, Json)> = preview["owed"].as_array().unwrap().iter().map(of).collect();
    assert!(owed.contains(&(json!("Other"), json!(1))), "{owed:?}");
    let moved = world.admin.post("/links/move", &wish).await.expect(200);
    assert_eq!(moved["owed"], preview["owed"]);
    world.work_until_idle().await;
    let phone = other.script().records["o1"].0["Phone"].clone();
    assert_eq!(phone.as_str(), Some(PHONE));
}

#[tokio::test]
async fn records_that_became_one_there_take_their_links_along() {
    let world = World::new().await;
    let connected = world
        .connected_to(connector_salesforce::sim::SimOptions::default(), 2, 0)
        .await;
    let sim = &connected.salesforce.sim;
    let pull = format!("/connections/{}/streams/Account/pull", connected.id);
    let keys: Vec<String> = {
        world.admin.post(&pull, &json!({})).await.expect(202);
        world.work_until_idle().await;
        let list = world.admin.get("/accounts").await.expect(200);
        let items = list["items"].as_array().unwrap().iter();
        items
            .map(|item| item["links"][0]["key"].as_str().unwrap().to_owned())
            .collect()
    };
    let site = json!({"Website": "https://loser.example"});
    sim.update("Account", &keys[1], site).unwrap();
    world.admin.post(&pull, &json!({})).await.expect(202);
    world.work_until_idle().await;
    let odd = world.scripted_as("Twin", 0, MAPPING).await;
    put(&odd, "o1", &[("Name", "Loser"), ("Web", "loser.example")]);
    let run = world.reads(&odd).await;
    assert_eq!(run["counts"]["linked"], 1, "{run}");
    let loser = whose(&world, &odd, "o1").await.unwrap();

    sim.merge("Account", &keys[0], &keys[1]).unwrap();
    world.admin.post(&pull, &json!({})).await.expect(202);
    world.work_until_idle().await;
    let winner = whose(&world, &odd, "o1").await.unwrap();
    assert_ne!(winner, loser);
    let kept = world
        .admin
        .get(&format!("/accounts/{winner}"))
        .await
        .expect(200);
    let links = kept["links"].as_array().unwrap().iter();
    let mut links: Vec<&str> = links.map(|link| link["key"].as_str().unwrap()).collect();
    links.sort_unstable();
    let mut expected = [keys[0].as_str(), "o1"];
    expected.sort_unstable();
    assert_eq!(links, expected);
    world
        .admin
        .get(&format!("/accounts/{loser}"))
        .await
        .problem(404, "not-found");
    let told = timeline(&world, &winner).await;
    let linked = "Linked with Account o1 in Twin: two records became one";
    assert!(
        told.contains(&("relinked".to_owned(), linked.to_owned())),
        "{told:?}"
    );
}
