//! A customer's organisation in the hands of its own administrators: all of it, and nothing beyond.

use axum::http::Method;
use domain::users::Role;
use serde_json::{Value as Json, json};

use crate::scopes::{account, somebody};
use crate::world::{Answer, Client, PASSWORD, World};

/// Two organisations with an administrator each.
struct Two {
    world: World,
    ours: String,
    theirs: String,
    admin: Client,
    admin_id: String,
    stranger: Client,
    stranger_id: String,
}

impl Two {
    async fn new() -> Self {
        let world = World::new().await;
        let ours = account(&world, "Ours").await;
        let theirs = account(&world, "Theirs").await;
        let of = |account: &str| json!({"account_id": account});
        let role = Role::CustomerAdmin;
        let (admin, admin_id) = somebody(&world, "ann@ours.example", role, of(&ours)).await;
        let (stranger, stranger_id) =
            somebody(&world, "tom@theirs.example", role, of(&theirs)).await;
        Self {
            world,
            ours,
            theirs,
            admin,
            admin_id,
            stranger,
            stranger_id,
        }
    }

    /// Somebody of ours who is signed in.
    async fn colleague(&self, email: &str, role: Role) -> (Client, String) {
        somebody(&self.world, email, role, json!({"account_id": self.ours})).await
    }

    /// What is noted as refused, newest first.
    async fn refused(&self, action: &str) -> Vec<Json> {
        let path = format!("/audit?action=refused:{action}");
        let page = self.world.admin.get(&path).await.expect(200);
        page["items"].as_array().unwrap().clone()
    }
}

fn person(id: &str) -> String {
    format!("/organisation/people/{id}")
}

async fn change(client: &Client, path: &str, body: Json) -> Answer {
    let tag = client.get(path).await.headers.get("etag").cloned();
    let tag = tag.map_or("\"1\"".to_owned(), |tag| tag.to_str().unwrap().to_owned());
    client
        .send(Method::PATCH, path, Some(&tag), Some(&body))
        .await
}

fn emails(page: &Json) -> Vec<String> {
    let items = page["items"].as_array().unwrap().iter();
    items
        .map(|user| user["email"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn an_administrator_invites_people_who_belong_to_the_organisation() {
    let two = Two::new().await;
    let shown = two.admin.get("/organisation").await.expect(200);
    assert_eq!(shown["name"], "Ours");
    assert_eq!(shown["account_id"], two.ours);
    assert_eq!(shown["permissions"], json!(["records.read"]));
    assert_eq!(
        shown["roles"],
        json!(["customer_admin", "customer_manager", "customer_user"])
    );
    let body = json!({"email": "bea@ours.example", "name": "Bea", "role": "customer_user"});
    let made = two.admin.post("/organisation/people", &body).await;
    let made = made.expect(201);
    assert_eq!(made["user"]["account_id"], two.ours);
    assert_eq!(made["user"]["scope"], "own");
    let link = made["invitation"]["link"].as_str().unwrap();
    let token = link.split('#').nth(1).unwrap();
    let redeem = json!({"token": token, "password": "another long password"});
    let mut bea = two.world.stranger();
    bea.post("/session/link", &redeem).await.expect(204);
    bea.sign_in("bea@ours.example", "another long password")
        .await
        .expect(200);
    bea.get(&format!("/accounts/{}", two.ours))
        .await
        .expect(200);
    bea.get(&format!("/accounts/{}", two.theirs))
        .await
        .problem(404, "not-found");
    bea.get("/organisation").await.problem(403, "forbidden");
    let all = two.admin.get("/organisation/people").await.expect(200);
    assert_eq!(emails(&all), ["ann@ours.example", "bea@ours.example"]);
    let theirs = two.stranger.get("/organisation/people").await.expect(200);
    assert_eq!(emails(&theirs), ["tom@theirs.example"]);
    // The tenant's own people see it in the trail and in their list.
    let noted = two.world.admin.get("/audit?action=invite_user").await;
    assert_eq!(noted.expect(200)["items"][0]["actor"]["name"], "ann");
    let list = format!("/users?account={}", two.ours);
    let list = two.world.admin.get(&list).await.expect(200);
    assert_eq!(emails(&list), emails(&all));
}

#[tokio::test]
async fn deactivating_ends_what_is_open_at_once_and_reactivating_lets_in_again() {
    let two = Two::new().await;
    let (bea, id) = two.colleague("bea@ours.example", Role::CustomerUser).await;
    let path = person(&id);
    let act = async |action: &str| {
        let path = format!("{path}/{action}");
        two.admin.post(&path, &json!({})).await
    };
    assert_eq!(act("deactivate").await.expect(200)["state"], "deactivated");
    bea.get("/session").await.problem(401, "unauthenticated");
    let mut again = two.world.stranger();
    again
        .sign_in("bea@ours.example", PASSWORD)
        .await
        .problem(401, "unauthenticated");
    assert_eq!(act("reactivate").await.expect(200)["state"], "active");
    again
        .sign_in("bea@ours.example", PASSWORD)
        .await
        .expect(200);
    // Who has a password is given no link by somebody else.
    act("link").await.problem(409, "conflict");
}

#[tokio::test]
async fn groups_and_grants_count_with_the_next_request() {
    let two = Two::new().await;
    // The tenant's own people let the administrator give more than reading.
    let all = [
        "records.read",
        "records.write",
        "conflicts.read",
        "conflicts.resolve",
    ];
    let of_admin = format!("/users/{}", two.admin_id);
    let grants = json!({"grants": &all[1..]});
    change(&two.world.admin, &of_admin, grants)
        .await
        .expect(200);
    let shown = two.admin.get("/organisation").await.expect(200);
    assert_eq!(shown["permissions"], json!(all));
    let (bea, id) = two.colleague("bea@ours.example", Role::CustomerUser).await;
    let path = person(&id);
    let edit = format!("/accounts/{}", two.ours);
    let may = async || {
        let session = bea.get("/session").await.expect(200);
        session["permissions"].clone()
    };
    assert_eq!(may().await, json!(["records.read"]));
    // Each that can be given can be stored, alone and by group: the database has the same list.
    for permission in all {
        let given = change(&two.admin, &path, json!({"grants": [permission]})).await;
        assert_eq!(given.expect(200)["grants"], json!([permission]));
    }
    change(&two.admin, &path, json!({"grants": ["records.write"]}))
        .await
        .expect(200);
    assert_eq!(may().await, json!(["records.read", "records.write"]));
    let tag = bea.get(&edit).await.etag();
    let rename = json!({"fields": {"phone": "1"}});
    bea.send(Method::PATCH, &edit, Some(&tag), Some(&rename))
        .await
        .expect(200);
    change(&two.admin, &path, json!({"grants": []}))
        .await
        .expect(200);
    assert_eq!(may().await, json!(["records.read"]));

    let group = json!({"name": "Editors", "permissions": all});
    let group = two.admin.post("/organisation/groups", &group).await;
    let group = group.expect(201);
    assert_eq!(group["account_id"], two.ours);
    let in_it = json!({"groups": [group["id"]]});
    change(&two.admin, &path, in_it.clone()).await.expect(200);
    assert_eq!(may().await, json!(all));
    let of_group = format!("/organisation/groups/{}", group["id"].as_str().unwrap());
    let fewer = json!({"name": "Editors", "permissions": ["conflicts.read"]});
    let put = two
        .admin
        .send(Method::PUT, &of_group, Some("\"1\""), Some(&fewer));
    put.await.expect(200);
    assert_eq!(may().await, json!(["records.read", "conflicts.read"]));
    let stale = two
        .admin
        .send(Method::PUT, &of_group, Some("\"1\""), Some(&fewer));
    stale.await.problem(412, "stale");

    // The other organisation may have a group of this name, and neither sees nor joins this one.
    let same = json!({"name": "editors", "permissions": []});
    two.stranger
        .post("/organisation/groups", &same)
        .await
        .expect(201);
    two.admin
        .post("/organisation/groups", &same)
        .await
        .problem(409, "conflict");
    two.stranger.get(&of_group).await.problem(404, "not-found");
    two.stranger
        .send(Method::DELETE, &of_group, Some("\"2\""), None)
        .await
        .problem(404, "not-found");
    assert_eq!(two.refused("delete_organisation_group").await.len(), 1);
    let theirs = json!({
        "email": "x@theirs.example", "name": "X", "role": "customer_user", "groups": [group["id"]],
    });
    two.stranger
        .post("/organisation/people", &theirs)
        .await
        .invalid("/groups");
    assert_eq!(two.refused("join_group").await.len(), 1);

    // Whoever moves to the other account leaves it; there it cannot be given.
    let moved = json!({"account_id": two.theirs});
    let of_user = format!("/users/{id}");
    let moved = change(&two.world.admin, &of_user, moved).await.expect(200);
    assert_eq!(moved["groups"], json!([]));
    change(&two.world.admin, &of_user, in_it)
        .await
        .invalid("/groups");
    two.admin.get(&path).await.problem(404, "not-found");
    two.admin
        .send(Method::DELETE, &of_group, Some("\"2\""), None)
        .await
        .expect(204);
}

#[tokio::test]
async fn every_attempt_at_more_is_refused_and_noted() {
    let two = Two::new().await;
    let (bea, id) = two.colleague("bea@ours.example", Role::CustomerUser).await;
    let path = person(&id);
    let refused = |answer: Answer| answer.problem(403, "forbidden");
    // A permission they do not have; one that no customer has; a role of the tenant's own people.
    for body in [
        json!({"grants": ["records.write"]}),
        json!({"grants": ["users.manage"]}),
        json!({"grants": ["organisation.manage"]}),
        json!({"role": "viewer"}),
        json!({"role": "admin"}),
        json!({"role": "partner"}),
    ] {
        refused(change(&two.admin, &path, body).await);
    }
    let noted = two.refused("update_organisation_person").await;
    assert_eq!(noted.len(), 6);
    assert_eq!(noted[0]["actor"]["name"], "ann");
    assert_eq!(noted[0]["subject_id"], id);
    // Nobody raises or lowers themselves; their own name they may change.
    let own = person(&two.admin_id);
    for body in [
        json!({"grants": ["records.read"]}),
        json!({"role": "customer_user"}),
    ] {
        refused(change(&two.admin, &own, body).await);
    }
    let renamed = change(&two.admin, &own, json!({"name": "Ann B"})).await;
    assert_eq!(renamed.expect(200)["name"], "Ann B");
    // What is not there for them is not to be had by mass assignment either.
    for extra in [
        json!({"account_id": two.theirs}),
        json!({"scope": "all"}),
        json!({"is_operator": true}),
    ] {
        let answer = change(&two.admin, &path, extra).await;
        assert_eq!(answer.status, 422);
    }
    let group = json!({"name": "Power", "permissions": ["records.write"]});
    refused(two.admin.post("/organisation/groups", &group).await);
    assert_eq!(two.refused("create_organisation_group").await.len(), 1);
    let body = json!({"email": "n@ours.example", "name": "N", "role": "admin"});
    refused(two.admin.post("/organisation/people", &body).await);
    assert_eq!(two.refused("invite_organisation_person").await.len(), 1);
    // Somebody who may do more than they do.
    let of_user = format!("/users/{id}");
    change(
        &two.world.admin,
        &of_user,
        json!({"grants": ["records.write"]}),
    )
    .await
    .expect(200);
    refused(
        two.admin
            .post(&format!("{path}/deactivate"), &json!({}))
            .await,
    );
    refused(change(&two.admin, &path, json!({"name": "Mine"})).await);
    // Who does not look after the organisation has none of it, nor the tenant's own interface.
    refused(bea.get("/organisation/people").await);
    refused(two.admin.get("/users").await);
    refused(two.admin.get("/groups").await);
}

#[tokio::test]
async fn nobody_of_another_organisation_or_of_the_tenant_is_there() {
    let two = Two::new().await;
    let session = two.world.admin.get("/session").await.expect(200);
    let staff = session["user"]["id"].as_str().unwrap().to_owned();
    for id in [&two.stranger_id, &staff] {
        let path = person(id);
        two.admin.get(&path).await.problem(404, "not-found");
        change(&two.admin, &path, json!({"name": "Mine"}))
            .await
            .problem(404, "not-found");
        for action in ["deactivate", "reactivate", "link"] {
            two.admin
                .post(&format!("{path}/{action}"), &json!({}))
                .await
                .problem(404, "not-found");
        }
    }
    for action in [
        "update_organisation_person",
        "deactivate_organisation_person",
        "reactivate_organisation_person",
        "create_organisation_link",
    ] {
        assert_eq!(two.refused(action).await.len(), 2, "{action}");
    }
    let q = two
        .admin
        .get("/organisation/people?q=tom")
        .await
        .expect(200);
    assert_eq!(q["items"], json!([]));
    // The tenant's own people have no organisation, whatever they may do.
    for path in [
        "/organisation",
        "/organisation/people",
        "/organisation/groups",
    ] {
        two.world.admin.get(path).await.problem(404, "not-found");
    }
    // Nor somebody of another tenant.
    let other = two.world.other_tenant().await;
    other
        .get(&person(&two.admin_id))
        .await
        .problem(404, "not-found");
}

#[tokio::test]
async fn an_organisation_keeps_an_administrator() {
    let two = Two::new().await;
    let own = person(&two.admin_id);
    let leave = format!("{own}/deactivate");
    let answer = two.admin.post(&leave, &json!({})).await;
    let problem = answer.problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("last active"));
    // The one of another organisation does not count, nor somebody invited.
    let body = json!({"email": "b@ours.example", "name": "B", "role": "customer_admin"});
    let invited = two.admin.post("/organisation/people", &body).await;
    invited.expect(201);
    let answer = two.admin.post(&leave, &json!({})).await;
    answer.problem(409, "conflict");
    let (second, second_id) = two.colleague("s@ours.example", Role::CustomerUser).await;
    let raised = json!({"role": "customer_admin"});
    change(&two.admin, &person(&second_id), raised)
        .await
        .expect(200);
    // It counts with the next request.
    second.get("/organisation/people").await.expect(200);
    // Each takes the other's place away at the same moment: one of them stays.
    let lower = json!({"role": "customer_user"});
    let (second_path, first_path) = (person(&second_id), own.clone());
    let (one, two_) = tokio::join!(
        change(&two.admin, &second_path, lower.clone()),
        change(&second, &first_path, lower.clone()),
    );
    let done = [one.status, two_.status];
    assert_eq!(
        done.iter().filter(|status| **status == 200).count(),
        1,
        "{done:?}"
    );
    let list = format!(
        "/users?account={}&role=customer_admin&state=active",
        two.ours
    );
    let left = two.world.admin.get(&list).await.expect(200);
    assert_eq!(left["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn who_may_manage_users_makes_somebody_an_administrator_and_takes_it_away() {
    let two = Two::new().await;
    let (bea, id) = two.colleague("bea@ours.example", Role::CustomerUser).await;
    bea.get("/organisation").await.problem(403, "forbidden");
    let path = format!("/users/{id}");
    let raise = json!({"role": "customer_admin"});
    // Whoever manages users but has not got this permission cannot give it.
    let mia = two
        .world
        .user(two.world.tenant, "mia@one.example", Role::Manager)
        .await;
    let mia_id = mia.get("/session").await.expect(200)["user"]["id"].clone();
    let of_mia = format!("/users/{}", mia_id.as_str().unwrap());
    change(
        &two.world.admin,
        &of_mia,
        json!({"grants": ["users.manage"]}),
    )
    .await
    .expect(200);
    change(&mia, &path, raise.clone())
        .await
        .problem(403, "forbidden");
    change(&two.world.admin, &path, raise).await.expect(200);
    bea.get("/organisation").await.expect(200);
    // The tenant's own people may leave an organisation without one.
    for id in [&id, &two.admin_id] {
        let path = format!("/users/{id}/deactivate");
        two.world.admin.post(&path, &json!({})).await.expect(200);
    }
    bea.get("/organisation")
        .await
        .problem(401, "unauthenticated");
}

#[tokio::test]
async fn the_database_holds_a_customer_to_their_organisation() {
    let two = Two::new().await;
    let (_bea, id) = two.colleague("bea@ours.example", Role::CustomerUser).await;
    let user = |id: &str| id.parse::<engine::ids::UserId>().unwrap();
    let store = &two.world.store;
    let tenant = two.world.tenant;
    let run = async |by: &str, sql: &'static str, id: &str| {
        let mut tx = store.begin_scoped(tenant, user(by), "own").await.unwrap();
        let done = sqlx::query(sql).bind(user(id).0).execute(tx.conn()).await;
        done.map(|done| done.rows_affected()).map_err(|_error| ())
    };
    let rename = "update users set name = 'x' where id = $1";
    assert_eq!(run(&two.admin_id, rename, &id).await, Ok(1));
    assert_eq!(run(&two.admin_id, rename, &two.stranger_id).await, Ok(0));
    let sessions = "delete from sessions where user_id = $1";
    assert_eq!(run(&two.admin_id, sessions, &two.stranger_id).await, Ok(0));
    assert_eq!(run(&two.admin_id, sessions, &id).await, Ok(1));
    assert_eq!(run(&id, sessions, &two.admin_id).await, Ok(0));
    assert_eq!(run(&id, rename, &two.admin_id).await, Ok(0));
    for out in [
        "update users set role = 'admin' where id = $1",
        "update users set account_id = gen_random_uuid() where id = $1",
    ] {
        assert_eq!(run(&two.admin_id, out, &id).await, Err(()), "{out}");
    }
    let give = "insert into user_grants (user_id, permission, granted_at)
                values ($1, 'users.manage', now())";
    assert_eq!(run(&two.admin_id, give, &id).await, Err(()));
    let give = "insert into user_grants (user_id, permission, granted_at)
                values ($1, 'records.write', now())";
    assert_eq!(run(&two.admin_id, give, &id).await, Ok(1));
    assert_eq!(run(&two.admin_id, give, &two.admin_id).await, Err(()));
    assert_eq!(run(&two.admin_id, give, &two.stranger_id).await, Err(()));
    assert_eq!(run(&id, give, &id).await, Err(()));
}
