use axum::http::Method;
use serde_json::{Value as Json, json};

use crate::world::World;

async fn account_mapping(world: &World) -> Json {
    let list = world.admin.get("/mappings").await.expect(200);
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    items
        .iter()
        .find(|mapping| mapping["entity"] == "account")
        .unwrap()
        .clone()
}

#[tokio::test]
async fn a_mapping_is_read_drafted_published_and_keeps_its_versions() {
    let world = World::new().await;
    world.connected().await;
    let id = account_mapping(&world).await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/mappings/{id}");
    let answer = world.admin.get(&path).await;
    let etag = answer.etag();
    let mapping = answer.expect(200);
    let rows = mapping["rows"].as_array().unwrap();
    let name = rows.iter().find(|row| row["core"] == "name").unwrap();
    assert_eq!(
        (name["remote"][0].as_str(), name["core_label"].as_str()),
        (Some("Name"), Some("Name"))
    );
    assert_eq!(
        (&mapping["draft"], &mapping["published_text"]),
        (&json!(false), &mapping["text"])
    );

    let text = format!("{}\n# a note\n", mapping["text"].as_str().unwrap());
    let body = |publish: bool| json!({"text": text, "publish": publish});
    let put = |etag: Option<String>, body: Json| {
        let (admin, path) = (world.admin.clone(), path.clone());
        async move {
            admin
                .send(Method::PUT, &path, etag.as_deref(), Some(&body))
                .await
        }
    };
    put(None, body(false))
        .await
        .problem(428, "precondition-required");
    let drafted = put(Some(etag.clone()), body(false)).await;
    let newer = drafted.etag();
    let drafted = drafted.expect(200);
    assert_eq!(
        (&drafted["draft"], &drafted["version"]),
        (&json!(true), &json!(1))
    );
    assert_eq!(drafted["published_text"], mapping["text"]);
    let stale = put(Some(etag), body(true)).await.problem(412, "stale");
    assert_eq!(stale["current"]["draft"], true);
    let published = put(Some(newer), body(true)).await.expect(200);
    assert_eq!(
        (&published["draft"], &published["version"]),
        (&json!(false), &json!(3))
    );

    let versions = world
        .admin
        .get(&format!("{path}/versions"))
        .await
        .expect(200);
    let states: Vec<_> = versions["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|version| version["state"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(states, ["published", "superseded", "superseded"]);
    let first = world
        .admin
        .get(&format!("{path}/versions/1"))
        .await
        .expect(200);
    assert_eq!(
        (&first["text"], &first["created_by"]),
        (&mapping["text"], &json!("Syncline"))
    );
    world
        .admin
        .get(&format!("{path}/versions/9"))
        .await
        .problem(404, "not-found");
}

#[tokio::test]
async fn a_text_with_mistakes_is_refused_with_lines_and_columns() {
    let world = World::new().await;
    let connected = world.connected().await;
    let id = account_mapping(&world).await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/mappings/{id}");
    let text = world.admin.get(&path).await.expect(200)["text"]
        .as_str()
        .unwrap()
        .to_owned();
    let unparsable = text.replace("core = \"name\"", "core = \"name\"\nnonsense = 1");
    let put = |text: String, publish: bool| {
        let (admin, path) = (world.admin.clone(), path.clone());
        async move {
            let body = json!({"text": text, "publish": publish});
            admin
                .send(Method::PUT, &path, Some("\"1\""), Some(&body))
                .await
        }
    };
    let problem = put(unparsable.clone(), false)
        .await
        .problem(422, "invalid-field");
    let error = &problem["errors"][0];
    let line = u64::try_from(
        unparsable
            .lines()
            .position(|line| line.starts_with("nonsense"))
            .unwrap(),
    )
    .unwrap()
        + 1;
    assert_eq!(
        (&error["pointer"], &error["line"], &error["column"]),
        (&json!("/text"), &json!(line), &json!(1))
    );

    // A name that is nobody's field may be drafted, not published.
    let unknown = text.replace("core = \"name\"", "core = \"nobodys_field\"");
    let problem = put(unknown.clone(), true)
        .await
        .problem(422, "invalid-field");
    assert!(problem.to_string().contains("nobodys_field"), "{problem}");
    put(unknown.clone(), false).await.expect(200);

    let check = json!({"connection_id": connected.id, "stream": "Account", "text": unknown});
    let checked = world
        .admin
        .post("/mappings/check", &check)
        .await
        .expect(200);
    let problems = checked["problems"].as_array().unwrap();
    assert!(
        problems
            .iter()
            .any(|problem| problem["severity"] == "error"),
        "{checked}"
    );
    assert!(!checked["rows"].as_array().unwrap().is_empty());
    let check = json!({"connection_id": connected.id, "stream": "Contact", "text": text});
    let elsewhere = world
        .admin
        .post("/mappings/check", &check)
        .await
        .expect(200);
    assert!(
        elsewhere["problems"].to_string().contains("Contact"),
        "{elsewhere}"
    );
}

#[tokio::test]
async fn a_stream_has_one_mapping() {
    let world = World::new().await;
    let connected = world.connected().await;
    let mapping = account_mapping(&world).await;
    let text = world
        .admin
        .get(&format!("/mappings/{}", mapping["id"].as_str().unwrap()))
        .await;
    let text = text.expect(200)["text"].clone();
    let body = json!({"connection_id": connected.id, "stream": "Account", "text": text});
    world
        .admin
        .post("/mappings", &body)
        .await
        .problem(409, "conflict");
    let body = json!({"connection_id": connected.id, "stream": "Case", "text": text});
    world
        .admin
        .post("/mappings", &body)
        .await
        .problem(404, "not-found");
}
