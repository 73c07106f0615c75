//! What those who manage users see and do beyond the user's own values.

use axum::http::Method;
use domain::users::Role;
use serde_json::{Value as Json, json};

use crate::world::{Client, PASSWORD, World};

async fn id_of(client: &Client) -> String {
    let session = client.get("/session").await.expect(200);
    session["user"]["id"].as_str().unwrap().to_owned()
}

async fn sessions(world: &World, id: &str) -> Vec<Json> {
    let page = world.admin.get(&format!("/users/{id}/sessions")).await;
    page.expect(200)["items"].as_array().unwrap().clone()
}

async fn delete(client: &Client, path: &str) -> crate::world::Answer {
    client.send(Method::DELETE, path, None, None).await
}

#[tokio::test]
async fn an_admin_sees_and_ends_the_sessions_of_a_user() {
    let world = World::new().await;
    let mut ada = world
        .user(world.tenant, "ada@one.example", Role::Viewer)
        .await;
    let id = id_of(&ada).await;
    let first = ada.clone();
    ada.sign_in("ada@one.example", PASSWORD).await.expect(200);
    let open = sessions(&world, &id).await;
    assert_eq!(open.len(), 2);
    assert!(open.iter().all(|session| session["current"] == false));
    // The last used is the first of the list: it is the one that signed in just now.
    let newest = open[0]["id"].as_str().unwrap();
    delete(&world.admin, &format!("/users/{id}/sessions/{newest}"))
        .await
        .expect(204);
    delete(&world.admin, &format!("/users/{id}/sessions/{newest}"))
        .await
        .problem(404, "not-found");
    ada.get("/session").await.problem(401, "unauthenticated");
    first.get("/session").await.expect(200);
    delete(&world.admin, &format!("/users/{id}/sessions"))
        .await
        .expect(204);
    first.get("/session").await.problem(401, "unauthenticated");
    assert!(sessions(&world, &id).await.is_empty());
    let noted = world.admin.get("/audit?action=end_user_sessions").await;
    assert_eq!(noted.expect(200)["items"][0]["subject_id"], id);
    let own = id_of(&world.admin).await;
    assert_eq!(sessions(&world, &own).await[0]["current"], true);
}

#[tokio::test]
async fn a_session_is_ended_only_as_its_own_users_and_by_who_may_do_as_much() {
    let world = World::new().await;
    let ada = world
        .user(world.tenant, "ada@one.example", Role::Viewer)
        .await;
    let manager = world
        .user(world.tenant, "mia@one.example", Role::Manager)
        .await;
    let (ada, mia) = (id_of(&ada).await, id_of(&manager).await);
    let session = sessions(&world, &ada).await[0]["id"].clone();
    let path = format!("/users/{mia}/sessions/{}", session.as_str().unwrap());
    delete(&world.admin, &path).await.problem(404, "not-found");
    // Who may read users may not end what they do.
    let list = format!("/users/{ada}/sessions");
    manager.get(&list).await.problem(403, "forbidden");
    delete(&manager, &list).await.problem(403, "forbidden");
    // Nor who manages users, where the user may do more.
    let path = format!("/users/{mia}");
    let tag = world.admin.get(&path).await.etag();
    let grant = json!({"grants": ["users.manage"]});
    let granted = world
        .admin
        .send(Method::PATCH, &path, Some(&tag), Some(&grant));
    granted.await.expect(200);
    let admin = id_of(&world.admin).await;
    let theirs = format!("/users/{admin}/sessions");
    delete(&manager, &theirs).await.problem(403, "forbidden");
    let unlock = format!("/users/{admin}/unlock");
    manager
        .post(&unlock, &json!({}))
        .await
        .problem(403, "forbidden");
    delete(&manager, &list).await.expect(204);
}

#[tokio::test]
async fn a_locked_user_is_let_in_again_by_an_admin() {
    let world = World::new().await;
    let mut ada = world
        .user(world.tenant, "ada@one.example", Role::Viewer)
        .await;
    let id = id_of(&ada).await;
    let pool = world.db.pool().await.unwrap();
    let lock = "update users set locked_until = now() + interval '1 hour' where email = $1";
    let lock = sqlx::query(lock).bind("ada@one.example");
    lock.execute(&pool).await.unwrap();
    let user = world.admin.get(&format!("/users/{id}")).await.expect(200);
    assert!(user["locked_until"].is_string());
    let unlock = format!("/users/{id}/unlock");
    let user = world.admin.post(&unlock, &json!({})).await.expect(200);
    assert!(user["locked_until"].is_null());
    assert_eq!(user["state"], "active");
    ada.sign_in("ada@one.example", PASSWORD).await.expect(200);
    // Unlocking who is not locked changes nothing: it is noted as asked for, not as done.
    let again = world.admin.post(&unlock, &json!({})).await.expect(200);
    assert_eq!(again["version"], user["version"]);
    let noted = world
        .admin
        .get("/audit?action=unlock_user&subject_kind=user")
        .await;
    let noted = noted.expect(200);
    assert_eq!(noted["items"].as_array().unwrap().len(), 1);
    assert!(noted["items"][0]["before"]["locked_until"].is_string());
}

#[tokio::test]
async fn users_are_found_by_group_and_by_second_factor() {
    let world = World::new().await;
    world
        .user(world.tenant, "ada@one.example", Role::Viewer)
        .await;
    let group = json!({"name": "Auditors", "permissions": ["audit.read"]});
    let group = world.admin.post("/groups", &group).await.expect(201)["id"].clone();
    let group = group.as_str().unwrap();
    let mia = json!({
        "email": "mia@one.example", "name": "Mia", "role": "viewer", "groups": [group],
    });
    world.admin.post("/users", &mia).await.expect(201);
    let found = async |query: &str| {
        let page = world.admin.get(&format!("/users?{query}")).await;
        let page = page.expect(200);
        let emails = page["items"].as_array().unwrap().iter();
        let emails = emails.map(|user| user["email"].as_str().unwrap().to_owned());
        emails.collect::<Vec<_>>()
    };
    assert_eq!(found(&format!("group={group}")).await, ["mia@one.example"]);
    assert_eq!(found("has_factor=false").await.len(), 3);
    assert!(found("has_factor=true").await.is_empty());
    let pool = world.db.pool().await.unwrap();
    let set_up = sqlx::query("update users set has_factor = true where email = $1");
    set_up.bind("ada@one.example").execute(&pool).await.unwrap();
    assert_eq!(found("has_factor=true").await, ["ada@one.example"]);
    assert_eq!(found("has_factor=false").await.len(), 2);
    world.admin.get("/users?group=x").await.invalid("/group");
    world
        .admin
        .get("/users?has_factor=maybe")
        .await
        .invalid("/has_factor");
}

#[tokio::test]
async fn roles_are_listed_with_what_they_allow() {
    let world = World::new().await;
    let page = world.admin.get("/roles").await.expect(200);
    let roles = page["items"].as_array().unwrap();
    assert_eq!(roles.len(), Role::ALL.len());
    let role = |name: &str| roles.iter().find(|role| role["role"] == name).unwrap();
    let session = world.admin.get("/session").await.expect(200);
    assert_eq!(role("admin")["permissions"], session["permissions"]);
    assert_eq!(role("admin")["side"], "staff");
    assert_eq!(role("partner")["side"], "partner");
    assert_eq!(
        role("customer_user")["permissions"],
        json!(["records.read"])
    );
    let viewer = world
        .user(world.tenant, "v@one.example", Role::Viewer)
        .await;
    viewer.get("/roles").await.problem(403, "forbidden");
}

#[tokio::test]
async fn users_are_found_by_team_and_by_partner() {
    let world = World::new().await;
    let lou = world.user(world.tenant, "lou@one.example", Role::Csm).await;
    let team = json!({"name": "North", "members": [{"user_id": id_of(&lou).await}]});
    let team = world.admin.post("/teams", &team).await.expect(201)["id"].clone();
    let partner = json!({"name": "Partner"});
    let partner = world.admin.post("/partners", &partner).await.expect(201)["id"].clone();
    let user = json!({
        "email": "pat@one.example", "name": "Pat", "role": "partner", "partner_id": partner,
    });
    world.admin.post("/users", &user).await.expect(201);
    let found = async |name: &str, id: &Json, more: &str| {
        let query = format!("/users?{name}={}{more}", id.as_str().unwrap());
        let page = world.admin.get(&query).await.expect(200);
        let emails = page["items"].as_array().unwrap().iter();
        let emails = emails.map(|user| user["email"].as_str().unwrap().to_owned());
        emails.collect::<Vec<_>>()
    };
    assert_eq!(found("team", &team, "").await, ["lou@one.example"]);
    assert_eq!(found("partner", &partner, "").await, ["pat@one.example"]);
    assert!(found("team", &team, "&role=admin").await.is_empty());
    for bad in ["team=x", "partner=x", "team=ptn_1"] {
        let (name, _) = bad.split_once('=').unwrap();
        let refused = world.admin.get(&format!("/users?{bad}")).await;
        refused.invalid(&format!("/{name}"));
    }
}
