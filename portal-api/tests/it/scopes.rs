//! What is out of somebody's scope is not there: in lists, counts, searches, histories and writes.

use axum::http::Method;
use domain::users::Role;
use serde_json::{Value as Json, json};

use crate::world::{Client, World};

/// Somebody with a scope, signed in.
pub(crate) async fn somebody(
    world: &World,
    email: &str,
    role: Role,
    change: Json,
) -> (Client, String) {
    let client = world.user(world.tenant, email, role).await;
    let session = client.get("/session").await.expect(200);
    let id = session["user"]["id"].as_str().unwrap().to_owned();
    set(world, &id, change).await.expect(200);
    (client, id)
}

async fn set(world: &World, id: &str, change: Json) -> crate::world::Answer {
    let path = format!("/users/{id}");
    let etag = world.admin.get(&path).await.etag();
    world
        .admin
        .send(Method::PATCH, &path, Some(&etag), Some(&change))
        .await
}

pub(crate) async fn account(world: &World, name: &str) -> String {
    let body = json!({"fields": {"name": name}});
    let made = world.admin.post("/accounts", &body).await.expect(201);
    made["id"].as_str().unwrap().to_owned()
}

pub(crate) async fn contact(world: &World, name: &str, account: &str) -> String {
    let body = json!({"fields": {"last_name": name, "account": account}});
    let made = world.admin.post("/contacts", &body).await.expect(201);
    made["id"].as_str().unwrap().to_owned()
}

pub(crate) async fn assign(world: &World, account: &str, to: &str) -> Json {
    let path = format!("/accounts/{account}/assignments");
    world
        .admin
        .post(&path, &json!({"to": to}))
        .await
        .expect(200)
}

async fn partner(world: &World, name: &str) -> String {
    let made = world.admin.post("/partners", &json!({"name": name})).await;
    made.expect(201)["id"].as_str().unwrap().to_owned()
}

async fn team(world: &World, name: &str, members: &[&str]) -> String {
    let members: Vec<_> = members.iter().map(|id| json!({"user_id": id})).collect();
    let body = json!({"name": name, "members": members});
    let made = world.admin.post("/teams", &body).await.expect(201);
    made["id"].as_str().unwrap().to_owned()
}

pub(crate) fn names(page: &Json, field: &str) -> Vec<String> {
    let items = page["items"].as_array().unwrap().iter();
    items
        .map(|item| item[field].as_str().unwrap().to_owned())
        .collect()
}

/// One of each who does not see all, all of whom see the account `ours`.
pub(crate) async fn everybody(world: &World, ours: &str) -> Vec<(&'static str, Client)> {
    let organisation = partner(world, "Partners").await;
    let of_partner = json!({"partner_id": organisation});
    let (by_partner, _) = somebody(world, "p@one.example", Role::Partner, of_partner).await;
    let assigned = json!({"scope": "assigned"});
    let (csm, csm_id) = somebody(world, "csm@one.example", Role::Csm, assigned).await;
    let (manager, id) = somebody(
        world,
        "m@one.example",
        Role::Manager,
        json!({"scope": "team"}),
    )
    .await;
    let together = team(world, "North", &[&id]).await;
    let (mate, mate_id) = somebody(
        world,
        "o@one.example",
        Role::Operator,
        json!({"scope": "team"}),
    )
    .await;
    let other_team = team(world, "South", &[&mate_id, &csm_id]).await;
    assert_ne!(together, other_team);
    let mut all = vec![
        ("partner", by_partner),
        ("csm", csm),
        ("manager", manager),
        ("operator", mate),
    ];
    for holder in [&organisation, &csm_id, &together] {
        assign(world, ours, holder).await;
    }
    for (name, role) in [
        ("customer admin", Role::CustomerAdmin),
        ("customer manager", Role::CustomerManager),
        ("customer", Role::CustomerUser),
    ] {
        let email = format!("{role}@one.example");
        let (client, _) = somebody(world, &email, role, json!({"account_id": ours})).await;
        all.push((name, client));
    }
    all
}

#[tokio::test]
async fn assigning_and_ending_count_with_the_next_request_and_stay_in_the_history() {
    let world = World::new().await;
    let ours = account(&world, "Ours").await;
    let path = format!("/accounts/{ours}");
    let scope = json!({"scope": "assigned"});
    let (csm, id) = somebody(&world, "csm@one.example", Role::Csm, scope).await;
    csm.get(&path).await.problem(404, "not-found");
    let history = assign(&world, &ours, &id).await;
    csm.get(&path).await.expect(200);
    // Again changes nothing.
    assert_eq!(assign(&world, &ours, &id).await, history);
    let row = world
        .admin
        .get(&format!("/accounts?assigned_to={id}"))
        .await
        .expect(200);
    assert_eq!(
        row["items"][0]["assignees"],
        json!([{"kind": "user", "id": id, "name": "csm"}])
    );
    let assignment = history["items"][0]["id"].as_str().unwrap();
    let end = format!("{path}/assignments/{assignment}");
    let ended = world.admin.send(Method::DELETE, &end, None, None).await;
    ended.expect(204);
    csm.get(&path).await.problem(404, "not-found");
    let ended = world.admin.send(Method::DELETE, &end, None, None).await;
    ended.problem(404, "not-found");
    assign(&world, &ours, &id).await;
    let history = csm.get(&format!("{path}/assignments")).await.expect(200);
    assert_eq!(history["total"], 2);
    assert_eq!(history["items"][0]["ended_at"], Json::Null);
    assert_ne!(history["items"][1]["ended_at"], Json::Null);
    // A scope that is taken away, too.
    set(&world, &id, json!({"scope": null})).await.expect(200);
    let other = account(&world, "Other").await;
    csm.get(&format!("/accounts/{other}")).await.expect(200);
    csm.get("/overview").await.expect(200);
    set(&world, &id, json!({"scope": "assigned"}))
        .await
        .expect(200);
    csm.get(&format!("/accounts/{other}"))
        .await
        .problem(404, "not-found");
    csm.get("/overview").await.problem(403, "forbidden");
}

#[tokio::test]
async fn a_team_sees_what_it_and_its_members_have() {
    let world = World::new().await;
    let (lead, lead_id) = somebody(
        &world,
        "lead@one.example",
        Role::Manager,
        json!({"scope": "team"}),
    )
    .await;
    let (mate, mate_id) = somebody(
        &world,
        "mate@one.example",
        Role::Csm,
        json!({"scope": "assigned"}),
    )
    .await;
    let of_team = account(&world, "Of the team").await;
    let of_mate = account(&world, "Of the mate").await;
    account(&world, "Of nobody").await;
    let north = team(&world, "North", &[&lead_id, &mate_id]).await;
    assign(&world, &of_team, &north).await;
    assign(&world, &of_mate, &mate_id).await;
    let seen = |page: Json| names(&page, "name");
    assert_eq!(
        seen(lead.get("/accounts").await.expect(200)),
        ["Of the mate", "Of the team"]
    );
    assert_eq!(
        seen(mate.get("/accounts").await.expect(200)),
        ["Of the mate"]
    );
    // Who leaves the team sees it no more.
    let path = format!("/teams/{north}");
    let etag = world.admin.get(&path).await.etag();
    let body = json!({"name": "North", "members": [{"user_id": mate_id, "lead": true}]});
    let left = world
        .admin
        .send(Method::PUT, &path, Some(&etag), Some(&body))
        .await;
    assert_eq!(left.expect(200)["members"].as_array().unwrap().len(), 1);
    assert!(seen(lead.get("/accounts").await.expect(200)).is_empty());
}

#[tokio::test]
async fn who_does_not_see_all_writes_within_the_scope_only() {
    let world = World::new().await;
    let ours = account(&world, "Ours").await;
    let theirs = account(&world, "Theirs").await;
    let scope = json!({"scope": "assigned"});
    let (csm, id) = somebody(&world, "csm@one.example", Role::Csm, scope).await;
    assign(&world, &ours, &id).await;
    let made = csm
        .post("/accounts", &json!({"fields": {"name": "New"}}))
        .await;
    let new = made.expect(201)["id"].as_str().unwrap().to_owned();
    let history = csm
        .get(&format!("/accounts/{new}/assignments"))
        .await
        .expect(200);
    assert_eq!(history["items"][0]["holder_id"], id.as_str());
    let contact = |account: Json| json!({"fields": {"last_name": "Doe", "account": account}});
    let made = csm.post("/contacts", &contact(json!(ours))).await;
    let doe = format!("/contacts/{}", made.expect(201)["id"].as_str().unwrap());
    for foreign in [json!(theirs), Json::Null] {
        csm.post("/contacts", &contact(foreign.clone()))
            .await
            .invalid("/fields/account");
        let move_there = json!({"fields": {"account": foreign}});
        let etag = csm.get(&doe).await.etag();
        let moved = csm
            .send(Method::PATCH, &doe, Some(&etag), Some(&move_there))
            .await;
        moved.invalid("/fields/account");
    }
    let without = json!({"fields": {"last_name": "Doe"}});
    csm.post("/contacts", &without)
        .await
        .invalid("/fields/account");
    let parent = json!({"fields": {"parent": theirs}});
    let path = format!("/accounts/{ours}");
    let etag = csm.get(&path).await.etag();
    let answer = csm
        .send(Method::PATCH, &path, Some(&etag), Some(&parent))
        .await;
    answer.invalid("/fields/parent");
    let rename = json!({"fields": {"name": "Ours still"}});
    csm.send(Method::PATCH, &path, Some(&etag), Some(&rename))
        .await
        .expect(200);
    // A partner reads.
    let organisation = partner(&world, "Partners").await;
    let of_it = json!({"partner_id": organisation});
    let (reader, _) = somebody(&world, "p@one.example", Role::Partner, of_it).await;
    assign(&world, &ours, &organisation).await;
    let etag = reader.get(&path).await.etag();
    let answer = reader
        .send(Method::PATCH, &path, Some(&etag), Some(&rename))
        .await;
    answer.problem(403, "forbidden");
}

#[tokio::test]
async fn a_key_sees_what_its_owner_sees_and_own_things_stay_in_reach() {
    let world = World::new().await;
    let ours = account(&world, "Ours").await;
    account(&world, "Theirs").await;
    let admin = json!({"grants": ["keys.manage"]});
    let (csm, id) = somebody(&world, "csm@one.example", Role::Csm, admin).await;
    let key = json!({"name": "k", "permissions": ["records.read"]});
    let secret = csm.post("/keys", &key).await.expect(201)["secret"].clone();
    set(&world, &id, json!({"scope": "assigned"}))
        .await
        .expect(200);
    assign(&world, &ours, &id).await;
    let request = axum::http::Request::builder()
        .uri("/api/v1/accounts")
        .header(
            "authorization",
            format!("Bearer {}", secret.as_str().unwrap()),
        );
    let answer = world
        .stranger()
        .raw(request.body(axum::body::Body::empty()).unwrap())
        .await;
    assert_eq!(names(&answer.expect(200), "name"), ["Ours"]);
    // Sessions and the password of one's own.
    assert_eq!(
        csm.get("/sessions").await.expect(200)["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let change = json!({"current": crate::world::PASSWORD, "new": "quite another password"});
    let answer = csm.post("/session/password", &change).await;
    assert!(answer.status < 300, "{}", answer.body);
}

#[tokio::test]
async fn a_scope_fits_the_role_and_nobody_changes_their_own() {
    let world = World::new().await;
    let ours = account(&world, "Ours").await;
    let organisation = partner(&world, "Partners").await;
    let invite = |role: &str, more: Json| {
        let mut body = json!({"email": "x@one.example", "name": "X", "role": role});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let admin = world.admin.clone();
        async move { admin.post("/users", &body).await }
    };
    invite("partner", json!({"scope": "all"}))
        .await
        .invalid("/scope");
    invite("customer_user", json!({"scope": "assigned"}))
        .await
        .invalid("/scope");
    invite("csm", json!({"scope": "own"}))
        .await
        .invalid("/scope");
    invite("csm", json!({"scope": "everything"}))
        .await
        .invalid("/scope");
    invite("csm", json!({"account_id": ours}))
        .await
        .invalid("/account_id");
    invite("csm", json!({"partner_id": organisation}))
        .await
        .invalid("/partner_id");
    let other = world.other_tenant().await;
    let body = json!({"fields": {"name": "Elsewhere"}});
    let elsewhere = other.post("/accounts", &body).await.expect(201)["id"].clone();
    invite("customer_user", json!({"account_id": elsewhere}))
        .await
        .invalid("/account_id");
    invite("partner", json!({"is_operator": true}))
        .await
        .invalid("/is_operator");
    let invited = invite("partner", json!({"partner_id": organisation}))
        .await
        .expect(201);
    assert_eq!(invited["user"]["scope"], "assigned");
    assert_eq!(invited["user"]["permissions"], json!(["records.read"]));

    let session = world.admin.get("/session").await.expect(200);
    let own = session["user"]["id"].as_str().unwrap();
    set(&world, own, json!({"scope": "team"}))
        .await
        .problem(403, "forbidden");
    // Somebody who may manage users, but sees few accounts, manages nobody.
    let narrow = json!({"scope": "assigned", "grants": ["users.manage", "users.read"]});
    let (csm, id) = somebody(&world, "csm@one.example", Role::Csm, narrow).await;
    csm.get("/users").await.problem(403, "forbidden");
    let path = format!("/users/{id}");
    let wish = json!({"scope": "all"});
    let answer = csm
        .send(Method::PATCH, &path, Some("\"1\""), Some(&wish))
        .await;
    answer.problem(403, "forbidden");
    let refused = world
        .admin
        .get("/audit?action=refused:update_user")
        .await
        .expect(200);
    assert_eq!(refused["items"][0]["after"]["scope"], "team", "{refused}");
}

/// Whatever holds rows of accounts is narrowed by Postgres itself, also what comes later.
#[tokio::test]
async fn every_table_that_holds_rows_of_accounts_has_a_policy_for_scopes() {
    let world = World::new().await;
    let pool = world.db.pool().await.unwrap();
    let open: Vec<String> = sqlx::query_scalar(
        "select distinct c.relname::text from pg_class c
         join pg_attribute a on a.attrelid = c.oid and not a.attisdropped
         where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
           and not c.relispartition
           and a.attname in ('entity_id', 'account_id', 'account', 'raw', 'record', 'output')
           and not exists (
               select from pg_policy p
               where p.polrelid = c.oid and not p.polpermissive
                 and p.polroles @> array['syncline_scoped'::regrole::oid])",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    // The ledger of echoes holds hashes of values only; users name their own account.
    let open: Vec<_> = open.into_iter().filter(|name| name != "echoes").collect();
    assert!(
        open.is_empty(),
        "tables without a policy for scopes: {open:?}"
    );
}
