//! What a version has to pass: fixtures, and a second person.

use axum::http::Method;
use domain::users::Role;
use serde_json::{Value as Json, json};

use crate::previews::{account_mapping, draft, publish, shouting, with_etag};
use crate::world::{Client, World};

#[tokio::test]
async fn a_version_that_makes_something_else_of_a_pinned_record_is_not_put_in_force() {
    let world = World::new().await;
    world.pulled().await;
    let (path, text) = account_mapping(&world).await;
    let account = world.admin.get("/accounts").await.expect(200)["items"][0].clone();
    let key = &account["links"][0]["key"];
    let fixtures = format!("{path}/fixtures");
    let pin = json!({"name": "A usual one", "key": key});
    let pinned = world.admin.post(&fixtures, &pin).await.expect(201);
    world
        .admin
        .post(&fixtures, &pin)
        .await
        .problem(409, "conflict");
    let nobody = json!({"name": "Nobody", "key": "no such"});
    world
        .admin
        .post(&fixtures, &nobody)
        .await
        .problem(404, "not-found");
    world
        .admin
        .post(&fixtures, &json!({"name": " ", "key": key}))
        .await
        .invalid("/name");
    let list = world.admin.get(&fixtures).await.expect(200);
    assert_eq!(
        (&list["items"][0]["green"], &list["total"]),
        (&json!(true), &json!(1))
    );

    let version = draft(&world.admin, &path, &shouting(&text)).await;
    let list = world.admin.get(&fixtures).await.expect(200);
    assert_eq!(list["items"][0]["green"], false);
    assert_eq!(list["items"][0]["differences"][0]["field"], "name");
    let refused = publish(&world.admin, &path, &version, None).await;
    let refused = refused.problem(422, "invalid-field");
    let message = refused["errors"][0]["message"].as_str().unwrap();
    assert!(
        message.contains("A usual one") && message.contains("name"),
        "{message}"
    );
    let mapping = world.admin.get(&path).await.expect(200);
    assert_eq!(mapping["version"], 1, "nothing happened");

    let one = format!("{fixtures}/{}", pinned["id"].as_str().unwrap());
    let gone = world.admin.send(Method::DELETE, &one, None, None).await;
    assert_eq!(gone.status, 204);
    publish(&world.admin, &path, &version, None)
        .await
        .expect(200);
}

#[tokio::test]
async fn a_second_person_approves_the_text_that_was_seen() {
    let world = World::new().await;
    world.pulled().await;
    let (path, text) = account_mapping(&world).await;
    let rules = json!({"needs_preview": false, "needs_approval": true, "stale_percent": 5});
    let rules_path = "/mappings/rules";
    with_etag(&world.admin, Method::PUT, rules_path, rules_path, &rules)
        .await
        .expect(200);
    let version = draft(&world.admin, &path, &shouting(&text)).await;
    let problem = publish(&world.admin, &path, &version, None)
        .await
        .problem(409, "conflict");
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("approve version 2"),
        "{problem}"
    );

    let approvals = format!("{path}/approvals");
    let question = json!({"version": version, "note": "louder names"});
    let asked = world.admin.post(&approvals, &question).await.expect(201);
    world
        .admin
        .post(&approvals, &question)
        .await
        .problem(409, "conflict");
    let one = format!("{approvals}/{}", asked["id"].as_str().unwrap());
    let answer = |approve: bool, hash: &Json| json!({"approve": approve, "text_hash": hash});
    let own = world
        .admin
        .post(&one, &answer(true, &asked["text_hash"]))
        .await;
    let own = own.problem(409, "conflict");
    assert!(
        own["detail"].as_str().unwrap().contains("second person"),
        "{own}"
    );
    let second = world
        .user(world.tenant, "second@one.example", Role::Admin)
        .await;
    let other = second
        .post(&one, &answer(true, &json!("00")))
        .await
        .problem(409, "conflict");
    assert!(
        other["detail"].as_str().unwrap().contains("another"),
        "{other}"
    );
    let viewer = world
        .user(world.tenant, "viewer@one.example", Role::Viewer)
        .await;
    viewer
        .post(&one, &answer(true, &asked["text_hash"]))
        .await
        .problem(403, "forbidden");
    let waiting = publish(&world.admin, &path, &version, None)
        .await
        .problem(409, "conflict");
    assert!(
        waiting["detail"]
            .as_str()
            .unwrap()
            .contains("nobody has answered"),
        "{waiting}"
    );

    let seen = second.get(&format!("{path}/versions/2")).await.expect(200)["text_hash"].clone();
    let approved = second.post(&one, &answer(true, &seen)).await.expect(200);
    assert_eq!(
        (&approved["state"], &approved["decided_by"]),
        (&json!("approved"), &json!("second"))
    );
    let twice = second
        .post(&one, &answer(false, &seen))
        .await
        .problem(409, "conflict");
    assert!(
        twice["detail"]
            .as_str()
            .unwrap()
            .contains("approved already by second"),
        "{twice}"
    );
    publish(&world.admin, &path, &version, None)
        .await
        .expect(200);

    // An answer that comes when the version is behind says so.
    let third = draft(&world.admin, &path, &format!("{text}\n# three\n")).await;
    let late = world
        .admin
        .post(&approvals, &json!({"version": third}))
        .await
        .expect(201);
    let fourth = draft(&world.admin, &path, &format!("{text}\n# four\n")).await;
    let asked = world
        .admin
        .post(&approvals, &json!({"version": fourth}))
        .await
        .expect(201);
    let one = format!("{approvals}/{}", asked["id"].as_str().unwrap());
    second
        .post(&one, &answer(true, &asked["text_hash"]))
        .await
        .expect(200);
    publish(&world.admin, &path, &fourth, None)
        .await
        .expect(200);
    let one = format!("{approvals}/{}", late["id"].as_str().unwrap());
    let late = second
        .post(&one, &answer(true, &late["text_hash"]))
        .await
        .problem(409, "conflict");
    assert!(
        late["detail"].as_str().unwrap().contains("too late"),
        "{late}"
    );
    let old = publish(&world.admin, &path, &third, None)
        .await
        .problem(409, "conflict");
    assert!(
        old["detail"]
            .as_str()
            .unwrap()
            .contains("no draft any more"),
        "{old}"
    );
    // A draft that was passed over was never in force.
    let back = json!({"version": third});
    let roll_back = format!("{path}/roll-back");
    with_etag(&world.admin, Method::POST, &roll_back, &path, &back)
        .await
        .problem(409, "conflict");
    let list = world.admin.get(&approvals).await.expect(200);
    assert_eq!(list["total"], 3);
}

#[tokio::test]
async fn nobody_takes_the_rule_of_approvals_away_alone() {
    let world = World::new().await;
    let at = "/mappings/rules";
    let rules = |needed: bool| json!({"needs_preview": false, "needs_approval": needed, "stale_percent": 5});
    let put = async |who: &Client, needed: bool| {
        with_etag(who, Method::PUT, at, at, &rules(needed))
            .await
            .expect(200)
    };
    put(&world.admin, true).await;
    let own = world.admin.get("/session").await.expect(200)["user"]["id"].clone();
    // Asked once or again by the same person, it stands.
    for _ in 0..2 {
        let now = put(&world.admin, false).await;
        assert_eq!(
            (&now["needs_approval"], &now["release_asked_by"]),
            (&json!(true), &own)
        );
    }
    let second = world
        .user(world.tenant, "second@one.example", Role::Admin)
        .await;
    let now = put(&second, false).await;
    assert_eq!(
        (&now["needs_approval"], &now["release_asked_by"]),
        (&json!(false), &Json::Null)
    );
    // Changing one's mind takes the question back.
    put(&world.admin, true).await;
    put(&world.admin, false).await;
    assert_eq!(
        put(&world.admin, true).await["release_asked_by"],
        Json::Null
    );
    assert_eq!(put(&second, false).await["needs_approval"], true);
    let mut forged = rules(false);
    forged["release_asked_by"] = own;
    let etag = second.get(at).await.etag();
    let answer = second
        .send(Method::PUT, at, Some(&etag), Some(&forged))
        .await;
    answer.invalid("/release_asked_by");
}
