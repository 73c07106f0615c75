//! From a draft to what it did: previewed, published, rolled back.

use axum::http::Method;
use serde_json::{Value as Json, json};

use crate::world::{Answer, Client, World};

/// The mapping of accounts: its path and its text.
pub(crate) async fn account_mapping(world: &World) -> (String, String) {
    let list = world.admin.get("/mappings").await.expect(200);
    let items = list["items"].as_array().unwrap();
    let mapping = items.iter().find(|one| one["entity"] == "account").unwrap();
    let path = format!("/mappings/{}", mapping["id"].as_str().unwrap());
    let text = world.admin.get(&path).await.expect(200)["text"].clone();
    (path, text.as_str().unwrap().to_owned())
}

/// Does something to a mapping as it is now.
pub(crate) async fn with_etag(
    client: &Client,
    method: Method,
    path: &str,
    of: &str,
    body: &Json,
) -> Answer {
    let etag = client.get(of).await.etag();
    client.send(method, path, Some(&etag), Some(body)).await
}

pub(crate) async fn draft(client: &Client, path: &str, text: &str) -> Json {
    let body = json!({"text": text, "publish": false});
    let saved = with_etag(client, Method::PUT, path, path, &body).await;
    saved.expect(200)["newest_version"].clone()
}

pub(crate) async fn publish(
    client: &Client,
    path: &str,
    version: &Json,
    preview: Option<&Json>,
) -> Answer {
    let body = json!({"version": version, "preview_id": preview});
    with_etag(
        client,
        Method::POST,
        &format!("{path}/publish"),
        path,
        &body,
    )
    .await
}

async fn preview(world: &World, path: &str, version: &Json, live: u8) -> Json {
    let order = json!({"version": version, "live": live});
    let started = world.admin.post(&format!("{path}/previews"), &order).await;
    let started = started.expect(202);
    assert_eq!(
        (&started["state"], &started["counts"]),
        (&json!("waiting"), &Json::Null)
    );
    world.work_until_idle().await;
    let one = format!("{path}/previews/{}", started["id"].as_str().unwrap());
    let done = world.admin.get(&one).await.expect(200);
    assert_eq!(done["state"], "done", "{done}");
    done
}

/// Names in capitals.
pub(crate) fn shouting(text: &str) -> String {
    let at = text.find("core = \"name\"").unwrap();
    let (before, row) = text.split_at(at);
    let row = row.replacen("in = \"trim\"", "in = \"trim | upper\"\nout = \"trim\"", 1);
    format!("{before}{row}")
}

#[tokio::test]
async fn a_draft_is_previewed_published_by_it_applied_and_rolled_back() {
    let world = World::new().await;
    let connected = world.pulled().await;
    let (path, text) = account_mapping(&world).await;
    let version = draft(&world.admin, &path, &shouting(&text)).await;
    assert_eq!(version, 2);
    let before = world.admin.get("/accounts").await.expect(200);
    let shown = preview(&world, &path, &version, 3).await;
    assert_eq!(
        world.admin.get("/accounts").await.expect(200),
        before,
        "nothing is written"
    );
    let counts = &shown["counts"];
    assert_eq!(
        (&counts["read"], &counts["updates"]),
        (&json!(12), &json!(12)),
        "{shown}"
    );
    assert_eq!(shown["fields"], json!({"name": 12}));
    assert_eq!(shown["live"]["found"], 3, "{shown}");
    assert_eq!(shown["reads_again"], false);
    let id = &shown["id"];
    let rows_path = format!("{path}/previews/{}/rows", id.as_str().unwrap());
    let rows = world
        .admin
        .get(&format!("{rows_path}?limit=5&live=false"))
        .await
        .expect(200);
    assert_eq!(rows["items"].as_array().unwrap().len(), 5);
    let field = &rows["items"][0]["fields"][0];
    let (was, is) = (
        field["before"].as_str().unwrap(),
        field["after"].as_str().unwrap(),
    );
    assert_eq!(was.to_uppercase(), is);
    assert_ne!(was, is);
    let reason = field["reason"].as_str().unwrap();
    assert!(
        reason.contains("Salesforce changed") && reason.contains("Name"),
        "{reason}"
    );
    let next = rows["next"].as_str().unwrap();
    let more = world
        .admin
        .get(&format!("{rows_path}?limit=200&live=false&cursor={next}"))
        .await;
    assert_eq!(more.expect(200)["items"].as_array().unwrap().len(), 7);
    let conflicts = world
        .admin
        .get(&format!("{rows_path}?conflict=true"))
        .await
        .expect(200);
    assert_eq!(conflicts["items"], json!([]));

    let published = publish(&world.admin, &path, &version, Some(id))
        .await
        .expect(200);
    assert_eq!(
        (&published["version"], &published["draft"]),
        (&json!(2), &json!(false))
    );
    publish(&world.admin, &path, &version, Some(id))
        .await
        .problem(409, "conflict");
    world.work_until_idle().await;
    let publications = world
        .admin
        .get(&format!("{path}/publications"))
        .await
        .expect(200);
    let done = &publications["items"][0];
    assert_eq!(
        (&done["as_previewed"], &done["replaced"]),
        (&json!(true), &json!(1)),
        "{done}"
    );
    assert_eq!(done["counts"], shown["counts"]);
    let run = world
        .admin
        .get(&format!("/runs/{}", done["run_id"].as_str().unwrap()))
        .await;
    let run = run.expect(200);
    assert_eq!(
        (&run["state"], &run["counts"]["updated"]),
        (&json!("succeeded"), &json!(12))
    );
    let accounts = world.admin.get("/accounts").await.expect(200);
    for account in accounts["items"].as_array().unwrap() {
        let name = account["name"].as_str().unwrap();
        assert_eq!(name, name.to_uppercase());
    }

    // The same preview is no ground for another publication, and the text that was there comes back.
    let back = json!({"version": 1});
    let roll_back = format!("{path}/roll-back");
    let rolled = with_etag(&world.admin, Method::POST, &roll_back, &path, &back)
        .await
        .expect(200);
    assert_eq!(
        (&rolled["version"], &rolled["text"]),
        (&json!(3), &json!(text))
    );
    world.work_until_idle().await;
    let versions = world
        .admin
        .get(&format!("{path}/versions"))
        .await
        .expect(200);
    let states: Vec<_> = versions["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["state"].as_str().unwrap(), one["restores"].as_i64()))
        .collect();
    assert_eq!(
        states,
        [
            ("published", Some(1)),
            ("rolled_back", None),
            ("superseded", None)
        ]
    );
    let accounts = world.admin.get("/accounts").await.expect(200);
    let names = |page: &Json| -> Vec<Json> {
        let items = page["items"].as_array().unwrap().iter();
        items.map(|account| account["name"].clone()).collect()
    };
    assert_eq!(names(&accounts), names(&before), "as they were");
    let pushed = connected.salesforce.sim.get(
        "Account",
        before["items"][0]["links"][0]["key"].as_str().unwrap(),
    );
    assert_eq!(
        pushed.unwrap()["Name"],
        before["items"][0]["name"],
        "over there nothing changed"
    );
    let twice = json!({"version": 3});
    with_etag(&world.admin, Method::POST, &roll_back, &path, &twice)
        .await
        .problem(409, "conflict");
    let stale = world
        .admin
        .send(Method::POST, &roll_back, Some("\"1\""), Some(&back))
        .await;
    stale.problem(412, "stale");
}

#[tokio::test]
async fn a_stale_preview_is_no_ground_to_publish() {
    let world = World::new().await;
    let connected = world.pulled().await;
    let (path, text) = account_mapping(&world).await;
    let version = draft(&world.admin, &path, &shouting(&text)).await;
    let rules = json!({"needs_preview": true, "needs_approval": false, "stale_percent": 0});
    let set = with_etag(
        &world.admin,
        Method::PUT,
        "/mappings/rules",
        "/mappings/rules",
        &rules,
    );
    set.await.expect(200);
    let none = publish(&world.admin, &path, &version, None)
        .await
        .problem(409, "conflict");
    assert!(
        none["detail"].as_str().unwrap().contains("preview"),
        "{none}"
    );
    let at_once = json!({"text": text, "publish": true});
    with_etag(&world.admin, Method::PUT, &path, &path, &at_once)
        .await
        .problem(409, "conflict");

    let order = json!({"version": version});
    let early = world
        .admin
        .post(&format!("{path}/previews"), &order)
        .await
        .expect(202);
    let problem = publish(&world.admin, &path, &version, Some(&early["id"])).await;
    let problem = problem.problem(409, "conflict");
    assert!(
        problem["detail"].as_str().unwrap().contains("not complete"),
        "{problem}"
    );

    let shown = preview(&world, &path, &version, 0).await;
    let other = draft(&world.admin, &path, &format!("{text}\n# other\n")).await;
    let problem = publish(&world.admin, &path, &other, Some(&shown["id"])).await;
    let problem = problem.problem(409, "conflict");
    assert!(
        problem["detail"].as_str().unwrap().contains("of version 2"),
        "{problem}"
    );

    // One of twelve records moves.
    let account = world.admin.get("/accounts").await.expect(200)["items"][0].clone();
    let key = account["links"][0]["key"].as_str().unwrap();
    let sim = &connected.salesforce.sim;
    sim.update("Account", key, json!({"Phone": "+1 555 0177"}))
        .unwrap();
    let pull = format!("/connections/{}/streams/Account/pull", connected.id);
    world.admin.post(&pull, &json!({})).await.expect(202);
    world.work_until_idle().await;
    let problem = publish(&world.admin, &path, &version, Some(&shown["id"])).await;
    let problem = problem.problem(409, "conflict");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("1 of 12 records have moved"), "{detail}");
    let rules = json!({"needs_preview": true, "needs_approval": false, "stale_percent": 10});
    let set = with_etag(
        &world.admin,
        Method::PUT,
        "/mappings/rules",
        "/mappings/rules",
        &rules,
    );
    set.await.expect(200);
    publish(&world.admin, &path, &version, Some(&shown["id"]))
        .await
        .expect(200);
    let in_force = json!({"version": version});
    let problem = world
        .admin
        .post(&format!("{path}/previews"), &in_force)
        .await;
    problem.problem(409, "conflict");
    let many = json!({"version": version, "live": 101});
    world
        .admin
        .post(&format!("{path}/previews"), &many)
        .await
        .invalid("/live");
}

#[tokio::test]
async fn a_field_that_is_new_is_read_and_filled_after_publishing() {
    let world = World::new().await;
    let connected = world.pulled().await;
    let (path, text) = account_mapping(&world).await;
    // Snapshots of a mapping without phones hold none.
    let at = text.find("core = \"phone\"").unwrap();
    let from = text[..at].rfind("[[field]]").unwrap();
    let to = text[at..]
        .find("[[field]]")
        .map_or(text.len(), |end| at + end);
    let without = format!("{}{}", &text[..from], &text[to..]);
    let version = draft(&world.admin, &path, &without).await;
    publish(&world.admin, &path, &version, None)
        .await
        .expect(200);
    world.work_until_idle().await;
    let account = world.admin.get("/accounts").await.expect(200)["items"][0].clone();
    let key = account["links"][0]["key"].as_str().unwrap();
    let sim = &connected.salesforce.sim;
    sim.update("Account", key, json!({"Phone": "+1 555 0155"}))
        .unwrap();
    let pull = format!("/connections/{}/streams/Account/pull", connected.id);
    world
        .admin
        .post(&pull, &json!({"full": true}))
        .await
        .expect(202);
    world.work_until_idle().await;
    let one = format!("/accounts/{}", account["id"].as_str().unwrap());
    let phone = world.admin.get(&one).await.expect(200)["fields"]["phone"].clone();
    assert_ne!(phone, "+1 555 0155");

    let version = draft(&world.admin, &path, &text).await;
    let shown = preview(&world, &path, &version, 0).await;
    assert_eq!(shown["reads_again"], true);
    publish(&world.admin, &path, &version, Some(&shown["id"]))
        .await
        .expect(200);
    world.work_until_idle().await;
    let phone = world.admin.get(&one).await.expect(200)["fields"]["phone"].clone();
    assert_eq!(phone, "+1 555 0155", "read and filled");
}
