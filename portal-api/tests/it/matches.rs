//! Whose records are: held until a person says so, moved, and told of.

use axum::http::Method;
use serde_json::{Value as Json, json};

use crate::odd::{Said, Scripted};
use crate::world::{Client, World};

/// Nothing is made over there by it, so that each test says what is.
pub(crate) const MAPPING: &str = r#"
system = "odd"
stream = "Account"
entity = "account"
first_contact = "remote"

[link]
key = "Id"
strong = ["domain"]
similar = ["name", "phone"]

[[field]]
core = "name"
remote = "Name"

[[field]]
core = "phone"
remote = "Phone"

[[field]]
core = "domain"
remote = "Web"
"#;

pub(crate) const PHONE: &str = "+49 30 5550100";

/// A record of which it is not sure whose it is.
pub(crate) struct Asked {
    pub(crate) id: String,
    /// The account that it looks like.
    pub(crate) account: String,
    pub(crate) odd: Scripted,
}

impl Asked {
    fn path(&self) -> String {
        format!("/matches/{}", self.id)
    }
}

pub(crate) async fn account(world: &World, fields: Json) -> String {
    let body = json!({"fields": fields});
    let made = world.admin.post("/accounts", &body).await.expect(201);
    made["id"].as_str().unwrap().to_owned()
}

/// Puts a record into the system, and tells of it in the feed.
pub(crate) fn put(odd: &Scripted, key: &str, fields: &[(&str, &str)]) {
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, text)| (*name, (*text).into()))
        .collect();
    let mut script = odd.script();
    script.put(key, &fields, None);
    script.feed.push(Said::Changed(key.to_owned()));
}

/// A system with a record that looks like an account which is here.
pub(crate) async fn asked(world: &World) -> Asked {
    let account = account(world, json!({"name": "Acme GmbH", "phone": PHONE})).await;
    let odd = world.scripted_as("Twin", 0, MAPPING).await;
    put(&odd, "a1", &[("Name", "ACME GmbH"), ("Phone", PHONE)]);
    let run = world.reads(&odd).await;
    assert_eq!(
        (&run["counts"]["held"], &run["counts"]["created"]),
        (&json!(1), &json!(0)),
        "{run}"
    );
    let list = world.admin.get("/matches?state=open").await.expect(200);
    let id = list["items"][0]["id"].as_str().unwrap().to_owned();
    Asked { id, account, odd }
}

async fn answer(
    client: &Client,
    asked: &Asked,
    etag: Option<&str>,
    body: Json,
) -> crate::world::Answer {
    let path = format!("{}/answer", asked.path());
    client.send(Method::POST, &path, etag, Some(&body)).await
}

/// A record of which a person said that it is one that is here.
pub(crate) async fn answered(world: &World) -> Asked {
    let asked = asked(world).await;
    let etag = world.admin.get(&asked.path()).await.etag();
    let same = json!({"choice": "same", "entity_id": asked.account});
    answer(&world.admin, &asked, Some(&etag), same)
        .await
        .expect(200);
    asked
}

/// Which account a record of the system is; `None` for one that is not linked.
pub(crate) async fn whose(world: &World, odd: &Scripted, key: &str) -> Option<String> {
    let list = format!("/accounts?connection_id={}", odd.id);
    let list = world.admin.get(&list).await.expect(200);
    let items = list["items"].as_array().unwrap().iter();
    let mut items = items.filter(|item| {
        let links = item["links"].as_array().unwrap();
        links
            .iter()
            .any(|link| link["connection_id"] == odd.id.as_str() && link["key"] == key)
    });
    Some(items.next()?["id"].as_str().unwrap().to_owned())
}

pub(crate) async fn timeline(world: &World, account: &str) -> Vec<(String, String)> {
    let path = format!("/accounts/{account}/timeline");
    let page = world.admin.get(&path).await.expect(200);
    let text = |entry: &Json, name: &str| entry[name].as_str().unwrap().to_owned();
    let entries = page["items"].as_array().unwrap().iter();
    entries
        .map(|entry| (text(entry, "kind"), text(entry, "title")))
        .collect()
}

#[tokio::test]
async fn a_record_that_looks_like_one_that_is_here_waits_and_says_why() {
    let world = World::new().await;
    let asked = asked(&world).await;
    assert_eq!(whose(&world, &asked.odd, "a1").await, None);
    let detail = world.admin.get(&asked.path()).await.expect(200);
    assert_eq!(
        (
            &detail["state"],
            &detail["why"],
            &detail["key"],
            &detail["answer"]
        ),
        (
            &json!("open"),
            &json!("possible"),
            &json!("a1"),
            &Json::Null
        )
    );
    assert_eq!(detail["sentence"], "It looks like a record that is here.");
    let candidate = &detail["candidates"][0];
    assert_eq!(
        (
            &candidate["entity_id"],
            &candidate["entity_name"],
            &candidate["score"]
        ),
        (&json!(asked.account), &json!("Acme GmbH"), &json!(14))
    );
    let sentences: Vec<&Json> = candidate["evidence"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["sentence"])
        .collect();
    assert_eq!(sentences, ["Name is the same", "Phone is the same"]);
    assert_eq!(
        detail["fields"][0],
        json!({
            "name": "name", "label": "Name", "there": "ACME GmbH",
            "here": {(asked.account.as_str()): "Acme GmbH"},
        })
    );
    for (query, expected) in [
        ("state=open".to_owned(), 1),
        ("state=same".to_owned(), 0),
        ("why=possible".to_owned(), 1),
        ("why=taken".to_owned(), 0),
        ("entity=contact".to_owned(), 0),
        ("stream=Contact".to_owned(), 0),
        (format!("connection_id={}&stream=Account", asked.odd.id), 1),
        (
            format!("connection_id={}", engine::ids::ConnectionId::fresh()),
            0,
        ),
    ] {
        let found = world
            .admin
            .get(&format!("/matches?{query}"))
            .await
            .expect(200);
        assert_eq!(
            (found["items"].as_array().unwrap().len(), &found["total"]),
            (expected, &json!(expected)),
            "{query}"
        );
    }
    let list = world.admin.get("/matches?state=mine").await;
    list.invalid("/state");
}

#[tokio::test]
async fn questions_are_listed_page_by_page() {
    let world = World::new().await;
    account(&world, json!({"name": "Acme GmbH", "phone": PHONE})).await;
    let odd = world.scripted_as("Twin", 0, MAPPING).await;
    for key in ["a1", "a2", "a3"] {
        put(&odd, key, &[("Name", "ACME GmbH"), ("Phone", PHONE)]);
    }
    world.reads(&odd).await;
    let (mut keys, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world.admin.get(&format!("/matches?limit=2{cursor}")).await;
        let page = page.expect(200);
        let items = page["items"].as_array().unwrap().iter();
        keys.extend(items.map(|item| item["key"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
    }
    keys.sort();
    assert_eq!(keys, ["a1", "a2", "a3"]);
}

#[tokio::test]
async fn a_person_says_once_that_a_record_is_one_that_is_here() {
    let world = World::new().await;
    let asked = asked(&world).await;
    let same = json!({"choice": "same", "entity_id": asked.account, "note": " the same house "});
    answer(&world.admin, &asked, None, same.clone())
        .await
        .problem(428, "precondition-required");
    let stale = answer(&world.admin, &asked, Some("\"7\""), same.clone()).await;
    let stale = stale.problem(412, "stale");
    assert_eq!(stale["current"]["id"], asked.id.as_str(), "{stale}");
    let etag = world.admin.get(&asked.path()).await.etag();
    let contact = engine::ids::ContactId::fresh().to_string();
    for (body, pointer) in [
        (json!({"choice": "perhaps"}), "/choice"),
        (json!({"choice": "same"}), "/entity_id"),
        (json!({"choice": "same", "entity_id": "acme"}), "/entity_id"),
        (
            json!({"choice": "same", "entity_id": contact}),
            "/entity_id",
        ),
        (
            json!({"choice": "different", "entity_id": asked.account}),
            "/entity_id",
        ),
    ] {
        answer(&world.admin, &asked, Some(&etag), body)
            .await
            .invalid(pointer);
    }
    let nobody = engine::ids::AccountId::fresh().to_string();
    let nobody = json!({"choice": "same", "entity_id": nobody});
    answer(&world.admin, &asked, Some(&etag), nobody)
        .await
        .problem(404, "not-found");

    let said = answer(&world.admin, &asked, Some(&etag), same.clone()).await;
    let etag = said.etag();
    let said = said.expect(200);
    assert_eq!(said["state"], "same");
    let decided = &said["answer"];
    assert_eq!(
        (
            &decided["entity_id"],
            &decided["method"],
            &decided["by"],
            &decided["note"]
        ),
        (
            &json!(asked.account),
            &json!("person"),
            &json!("admin"),
            &json!("the same house")
        )
    );
    assert_eq!(
        whose(&world, &asked.odd, "a1").await.as_ref(),
        Some(&asked.account)
    );
    answer(&world.admin, &asked, Some(&etag), same)
        .await
        .problem(409, "conflict");
    // The link says what it rests on, and so does the timeline.
    let path = format!("/accounts/{}", asked.account);
    let link = world.admin.get(&path).await.expect(200)["links"][0].clone();
    assert_eq!(
        (
            &link["method"],
            &link["reason"]["by"],
            &link["reason"]["score"]
        ),
        (&json!("person"), &json!("admin"), &json!(14)),
        "{link}"
    );
    let told = timeline(&world, &asked.account).await;
    let linked = (
        "linked".to_owned(),
        "Linked with Account a1 in Twin by admin".to_owned(),
    );
    assert_eq!(
        told.iter()
            .filter(|entry| entry.0 == "linked")
            .collect::<Vec<_>>(),
        [&linked]
    );
    let audit = world
        .admin
        .get("/audit?action=answer_match")
        .await
        .expect(200);
    assert_eq!(
        audit["items"][0]["after"],
        json!({"state": "same", "entity_id": asked.account})
    );
    // It is not asked again when the record changes.
    put(&asked.odd, "a1", &[("Name", "Acme AG")]);
    let run = world.reads(&asked.odd).await;
    assert_eq!(run["counts"]["held"], 0, "{run}");
    assert_eq!(whose(&world, &asked.odd, "a1").await, Some(asked.account));
}

#[tokio::test]
async fn a_record_that_is_said_to_be_another_becomes_one_of_its_own() {
    let world = World::new().await;
    let asked = asked(&world).await;
    let etag = world.admin.get(&asked.path()).await.etag();
    let said = answer(
        &world.admin,
        &asked,
        Some(&etag),
        json!({"choice": "different"}),
    )
    .await;
    let said = said.expect(200);
    assert_eq!(
        (&said["state"], &said["answer"]["entity_id"]),
        (&json!("different"), &Json::Null)
    );
    let own = whose(&world, &asked.odd, "a1").await.unwrap();
    assert_ne!(own, asked.account);
    put(&asked.odd, "a1", &[("Phone", "+49 30 5550101")]);
    let run = world.reads(&asked.odd).await;
    assert_eq!(run["counts"]["held"], 0, "{run}");
    assert_eq!(whose(&world, &asked.odd, "a1").await, Some(own));
}

#[tokio::test]
async fn a_record_is_not_linked_with_one_that_has_another_there() {
    let world = World::new().await;
    let asked = asked(&world).await;
    put(
        &asked.odd,
        "b1",
        &[("Name", "Other"), ("Phone", "+49 40 5550102")],
    );
    world.reads(&asked.odd).await;
    let other = whose(&world, &asked.odd, "b1").await.unwrap();
    let etag = world.admin.get(&asked.path()).await.etag();
    let same = json!({"choice": "same", "entity_id": other});
    let refused = answer(&world.admin, &asked, Some(&etag), same).await;
    let refused = refused.problem(409, "conflict");
    assert!(
        refused["detail"]
            .as_str()
            .unwrap()
            .contains("another record"),
        "{refused}"
    );
    let still = world.admin.get(&asked.path()).await.expect(200);
    assert_eq!(still["state"], "open");
}

#[tokio::test]
async fn who_may_not_decide_reads_and_others_find_nothing() {
    let world = World::new().await;
    let asked = asked(&world).await;
    let etag = world.admin.get(&asked.path()).await.etag();
    let viewer = world
        .user(world.tenant, "v@one.example", domain::users::Role::Viewer)
        .await;
    viewer.get(&asked.path()).await.expect(200);
    let different = json!({"choice": "different"});
    answer(&viewer, &asked, Some(&etag), different.clone())
        .await
        .problem(403, "forbidden");
    let other = world.other_tenant().await;
    answer(&other, &asked, Some(&etag), different)
        .await
        .problem(404, "not-found");
    let wish = json!({
        "connection_id": asked.odd.id, "stream": "Account", "key": "a1",
        "from": asked.account, "to": null,
    });
    for action in ["preview", "move"] {
        let path = format!("/links/{action}");
        viewer.post(&path, &wish).await.problem(403, "forbidden");
        other.post(&path, &wish).await.problem(404, "not-found");
        // Nor is a record that waits a link.
        world
            .admin
            .post(&path, &wish)
            .await
            .problem(404, "not-found");
    }
}
