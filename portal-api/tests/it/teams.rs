use axum::http::Method;
use domain::users::Role;
use serde_json::{Value as Json, json};

use crate::world::World;

async fn user(world: &World, email: &str) -> String {
    let client = world.user(world.tenant, email, Role::Csm).await;
    let session = client.get("/session").await.expect(200);
    session["user"]["id"].as_str().unwrap().to_owned()
}

async fn accounts(world: &World, names: &[&str]) -> Vec<String> {
    let mut ids = Vec::new();
    for name in names {
        let body = json!({"fields": {"name": name, "tier": "gold"}});
        let made = world.admin.post("/accounts", &body).await.expect(201);
        ids.push(made["id"].as_str().unwrap().to_owned());
    }
    ids
}

#[tokio::test]
async fn a_team_is_made_changed_and_removed_once_nothing_is_assigned_to_it() {
    let world = World::new().await;
    let ada = user(&world, "ada@one.example").await;
    let body = |name: &str, members: Json| json!({"name": name, "members": members});
    let one = json!([{"user_id": ada, "lead": true}]);
    let team = world
        .admin
        .post("/teams", &body(" North ", one.clone()))
        .await
        .expect(201);
    assert_eq!((&team["name"], &team["members"]), (&json!("North"), &one));
    let bad = [
        (body("NORTH", json!([])), 409),
        (body("", json!([])), 422),
        (body("x", json!([{"user_id": ada}, {"user_id": ada}])), 422),
        (
            body("x", json!([{"user_id": format!("usr_{}", "0".repeat(32))}])),
            422,
        ),
        (json!({"name": "x", "members": [], "tenant_id": "y"}), 422),
    ];
    for (body, status) in bad {
        assert_eq!(
            world.admin.post("/teams", &body).await.status,
            status,
            "{body}"
        );
    }
    let path = format!("/teams/{}", team["id"].as_str().unwrap());
    let account = &accounts(&world, &["A"]).await[0];
    let assigned = json!({"to": team["id"]});
    let assignments = format!("/accounts/{account}/assignments");
    world.admin.post(&assignments, &assigned).await.expect(200);
    let delete = async |tag: &str| {
        world
            .admin
            .send(Method::DELETE, &path, Some(tag), None)
            .await
    };
    delete("\"1\"").await.problem(409, "conflict");
    let history = world.admin.get(&assignments).await.expect(200);
    let end = format!(
        "{assignments}/{}",
        history["items"][0]["id"].as_str().unwrap()
    );
    world
        .admin
        .send(Method::DELETE, &end, None, None)
        .await
        .expect(204);
    delete("\"9\"").await.problem(412, "stale");
    delete("\"1\"").await.expect(204);
    // The history still tells of it.
    let history = world.admin.get(&assignments).await.expect(200);
    assert_eq!(history["items"][0]["name"], "a team that is gone");
    let partner = world
        .admin
        .post("/partners", &json!({"name": "P"}))
        .await
        .expect(201);
    let path = format!("/partners/{}", partner["id"].as_str().unwrap());
    let rename = json!({"name": "Q"});
    let send = async |tag: &str| {
        world
            .admin
            .send(Method::PUT, &path, Some(tag), Some(&rename))
            .await
    };
    send("\"2\"").await.problem(412, "stale");
    assert_eq!(send("\"1\"").await.expect(200)["name"], "Q");
}

#[tokio::test]
async fn many_accounts_are_transferred_as_planned_or_not_at_all() {
    let world = World::new().await;
    let (ada, bob) = (
        user(&world, "ada@one.example").await,
        user(&world, "bob@one.example").await,
    );
    let ids = accounts(&world, &["A", "B", "C"]).await;
    let order = |digest: Option<&Json>, from: Option<&str>, to: Option<&str>| json!({"accounts": {"tier": "gold"}, "from": from, "to": to, "digest": digest});
    let plan = async |from: Option<&str>, to: Option<&str>| {
        world
            .admin
            .post("/assignments/plan", &order(None, from, to))
            .await
    };
    let planned = plan(None, Some(&ada)).await.expect(200);
    assert_eq!(
        (&planned["accounts"], &planned["made"], &planned["ended"]),
        (&json!(3), &json!(3), &json!(0))
    );
    world
        .admin
        .post("/assignments", &order(None, None, Some(&ada)))
        .await
        .invalid("/digest");
    // Another account comes in between.
    let more = accounts(&world, &["D"]).await;
    let stale = order(Some(&planned["digest"]), None, Some(&ada));
    world
        .admin
        .post("/assignments", &stale)
        .await
        .problem(412, "stale");
    let planned = plan(None, Some(&ada)).await.expect(200);
    let order_now = order(Some(&planned["digest"]), None, Some(&ada));
    assert_eq!(
        world
            .admin
            .post("/assignments", &order_now)
            .await
            .expect(200),
        planned
    );
    // The same order again is another one by now.
    world
        .admin
        .post("/assignments", &order_now)
        .await
        .problem(412, "stale");

    let planned = plan(Some(&ada), Some(&bob)).await.expect(200);
    assert_eq!(
        (&planned["made"], &planned["ended"]),
        (&json!(4), &json!(4))
    );
    let transfer = order(Some(&planned["digest"]), Some(&ada), Some(&bob));
    world
        .admin
        .post("/assignments", &transfer)
        .await
        .expect(200);
    let of = async |who: &str| {
        world
            .admin
            .get(&format!("/accounts?assigned_to={who}"))
            .await
            .expect(200)["total"]
            .clone()
    };
    assert_eq!((of(&ada).await, of(&bob).await), (json!(0), json!(4)));
    let history = world
        .admin
        .get(&format!("/accounts/{}/assignments", more[0]))
        .await
        .expect(200);
    assert_eq!(
        (
            &history["items"][0]["holder_id"],
            &history["items"][1]["holder_id"]
        ),
        (&json!(bob), &json!(ada))
    );
    assert_eq!(ids.len(), 3);
    let planned = plan(Some(&bob), None).await.expect(200);
    let release = order(Some(&planned["digest"]), Some(&bob), None);
    world.admin.post("/assignments", &release).await.expect(200);
    assert_eq!(of("nobody").await, 4);
    plan(None, None).await.invalid("/to");
    plan(Some(&ada), Some(&ada)).await.problem(409, "conflict");
    plan(None, Some("usr_1")).await.invalid("/to");
    plan(None, Some(&format!("tea_{}", "0".repeat(32))))
        .await
        .invalid("/to");
    let audit = world
        .admin
        .get("/audit?action=transfer_accounts")
        .await
        .expect(200);
    assert_eq!(audit["items"][0]["after"]["accounts"], 4);
}

#[tokio::test]
async fn accounts_of_an_order_are_named_one_by_one_too() {
    let world = World::new().await;
    let ada = user(&world, "ada@one.example").await;
    let ids = accounts(&world, &["A", "B", "C"]).await;
    let plan = async |ids: Json| {
        let order = json!({"accounts": {"ids": ids}, "to": ada});
        world.admin.post("/assignments/plan", &order).await
    };
    let planned = plan(json!(ids[..2])).await.expect(200);
    assert_eq!(planned["accounts"], 2);
    let order = json!({"accounts": {"ids": ids[..2]}, "to": ada, "digest": planned["digest"]});
    world.admin.post("/assignments", &order).await.expect(200);
    let list = world
        .admin
        .get(&format!("/accounts?assigned_to={ada}"))
        .await;
    let list = list.expect(200);
    let names: Vec<_> = list["items"].as_array().unwrap().iter().collect();
    assert_eq!(
        (&names[0]["name"], &names[1]["name"], &list["total"]),
        (&json!("A"), &json!("B"), &json!(2))
    );
    // Another tenant's is none of these.
    let other = world.other_tenant().await;
    let body = json!({"fields": {"name": "Theirs"}});
    let foreign = other.post("/accounts", &body).await.expect(201)["id"].clone();
    let planned = plan(json!([foreign])).await.expect(200);
    assert_eq!(planned["accounts"], 0);
    plan(json!([])).await.invalid("/accounts/ids");
    plan(json!(vec![&ids[0]; 1_001]))
        .await
        .invalid("/accounts/ids");
    plan(json!(["acc_1"])).await.invalid("/accounts/ids/0");
    plan(json!("acc_1")).await.invalid("/accounts/ids");
}

#[tokio::test]
async fn an_assignment_names_people_and_accounts_of_this_tenant() {
    let world = World::new().await;
    let account = &accounts(&world, &["A"]).await[0];
    let other = world.other_tenant().await;
    let foreign = other.get("/session").await.expect(200)["user"]["id"].clone();
    let path = format!("/accounts/{account}/assignments");
    world
        .admin
        .post(&path, &json!({"to": foreign}))
        .await
        .invalid("/to");
    other
        .post(&path, &json!({"to": foreign}))
        .await
        .problem(404, "not-found");
    let order = json!({"accounts": {}, "to": foreign});
    world
        .admin
        .post("/assignments/plan", &order)
        .await
        .invalid("/to");
    let list = format!("/accounts?assigned_to={}", foreign.as_str().unwrap());
    assert_eq!(world.admin.get(&list).await.expect(200)["total"], 0);
}
