//! Forgetting somebody who signs in: what they did stays, by nobody known.

use axum::http::Method;
use domain::users::Role;
use serde_json::{Value as Json, json};

use crate::privacy::{forget, places_of, second_admin};
use crate::scopes::{account, assign, contact, somebody};
use crate::world::{Client, PASSWORD, World};

const EMAIL: &str = "canaryuser@person.example";
const NAME: &str = "Canaryname Lovelace";
const CANARIES: [&str; 3] = ["canaryuser", EMAIL, NAME];

/// A user with one of everything that hangs on a user, who did this and that.
async fn busy(world: &World, role: Role) -> (Client, String) {
    let (ada, id) = somebody(world, EMAIL, role, json!({"name": NAME})).await;
    let team = json!({"name": "North", "members": [{"user_id": id}]});
    world.admin.post("/teams", &team).await.expect(201);
    let group = json!({"name": "Editors", "permissions": ["records.write"]});
    let group = world.admin.post("/groups", &group).await.expect(201);
    let path = format!("/users/{id}");
    let etag = world.admin.get(&path).await.etag();
    let more = json!({"groups": [group["id"]], "grants": ["keys.manage", "records.write"]});
    world
        .admin
        .send(Method::PATCH, &path, Some(&etag), Some(&more))
        .await
        .expect(200);
    let key = json!({"name": format!("{NAME}'s CI"), "permissions": ["runs.read"]});
    let secret = ada.post("/keys", &key).await.expect(201)["secret"].clone();
    assert!(secret.is_string());
    let tokens = json!({"name": "CI", "permissions": ["runs.read"]});
    ada.post("/tokens", &tokens).await.expect(201);
    let ours = account(world, "Ours").await;
    assign(world, &ours, &id).await;
    let edit = json!({"fields": {"phone": "1"}});
    let path = format!("/accounts/{ours}");
    let etag = ada.get(&path).await.etag();
    ada.send(Method::PATCH, &path, Some(&etag), Some(&edit))
        .await
        .expect(200);
    world
        .admin
        .post(&format!("/users/{id}/link"), &json!({}))
        .await
        .expect(200);
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    sqlx::query(
        "insert into outgoing_mails (id, kind, recipient, subject, created_at)
         select $1, 'invitation', upper($2), 'Welcome', now()",
    )
    .bind(engine::ids::fresh())
    .bind(EMAIL)
    .execute(tx.conn())
    .await
    .unwrap();
    tx.commit().await.unwrap();
    (ada, id)
}

/// Tables with rows that hang on the user, as the catalogue of the database has it.
async fn hanging(world: &World, id: &str) -> Vec<String> {
    let pool = world.db.pool().await.unwrap();
    let tables: Vec<String> = sqlx::query_scalar(
        "select distinct f.conrelid::regclass::text from pg_constraint f
         where f.contype = 'f' and f.confrelid = 'users'::regclass and f.confdeltype = 'c'",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert!(tables.len() > 12, "{tables:?}");
    let id: engine::ids::UserId = id.parse().unwrap();
    let mut found = Vec::new();
    for table in tables {
        let sql = format!("select count(*) from {table} where user_id = $1");
        let rows: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .bind(id.0)
            .fetch_one(&pool)
            .await
            .unwrap();
        if rows > 0 {
            found.push(table);
        }
    }
    found
}

async fn erase(world: &World, second: &Client, user: &str, reason: &str) -> Json {
    let wish = json!({"kind": "erase", "user_id": user, "reason": reason, "hold_hours": 0});
    let asked = world.admin.post("/erasures", &wish).await.expect(201);
    let path = format!("/erasures/{}", asked["id"].as_str().unwrap());
    let own = format!("{path}/approve");
    world
        .admin
        .post(&own, &json!({}))
        .await
        .problem(409, "conflict");
    second.post(&own, &json!({})).await.expect(200);
    world.work_until_idle().await;
    world.admin.get(&path).await.expect(200)
}

#[tokio::test]
async fn no_column_holds_an_erased_user_and_what_they_did_stays_by_nobody_known() {
    let world = World::new().await;
    let second = second_admin(&world).await;
    let (ada, id) = busy(&world, Role::Manager).await;
    let before = places_of(&world, &CANARIES).await;
    for table in ["users", "audit_entries", "api_keys", "outgoing_mails"] {
        let found = before.iter().any(|place| place.starts_with(table));
        assert!(found, "{table}: {before:?}");
    }
    let hangs = hanging(&world, &id).await;
    for table in [
        "api_keys",
        "group_members",
        "sessions",
        "team_members",
        "token_families",
        "user_grants",
        "user_links",
    ] {
        assert!(hangs.contains(&table.to_owned()), "{table}: {hangs:?}");
    }
    let plan = world.admin.get(&format!("/users/{id}/erasure")).await;
    let plan = plan.expect(200)["destroyed"].clone();
    assert_eq!(places_of(&world, &CANARIES).await, before);
    let entries = format!("/audit?actor={id}");
    let did = world.admin.get(&entries).await.expect(200);
    let did = did["items"].as_array().unwrap().len();
    assert!(did >= 3, "{did}");

    let done = erase(&world, &second, &id, &format!("{NAME} asked for it")).await;
    assert_eq!(done["state"], "done", "{done}");
    assert_eq!(done["user_id"], id);
    assert_eq!(done["contact_id"], Json::Null);
    assert_eq!(done["reason"], "••• asked for it");
    for place in ["users", "api_keys", "mails", "sessions", "team_members"] {
        assert_eq!(plan[place], done["destroyed"][place], "{place}: {plan}");
        assert_ne!(plan[place], json!(0), "{place}");
    }
    assert_eq!(places_of(&world, &CANARIES).await, Vec::<String>::new());
    assert_eq!(hanging(&world, &id).await, Vec::<String>::new());

    // Nobody signs in, and nobody finds them.
    ada.get("/session").await.problem(401, "unauthenticated");
    world.forgive();
    let mut again = world.stranger();
    again
        .sign_in(EMAIL, PASSWORD)
        .await
        .problem(401, "unauthenticated");
    let path = format!("/users/{id}");
    world.admin.get(&path).await.problem(404, "not-found");
    for action in ["reactivate", "link"] {
        let path = format!("{path}/{action}");
        let answer = world.admin.post(&path, &json!({})).await;
        answer.problem(404, "not-found");
    }
    let found = world.admin.get("/users?q=erased").await.expect(200);
    assert_eq!(found["items"], json!([]));
    // What they did is there, by nobody known, and the chain holds.
    let still = world.admin.get(&entries).await.expect(200);
    let still = still["items"].as_array().unwrap().clone();
    assert_eq!(still.len(), did);
    assert!(
        still
            .iter()
            .all(|entry| entry["actor"]["name"] == "Erased user"),
        "{still:?}"
    );
    let check = world.admin.get("/audit/verification").await.expect(200);
    assert_eq!(check["whole"], true, "{check}");
    assert!(check["redacted"].as_i64().unwrap() >= i64::try_from(did).unwrap());
    // The address is kept out.
    let body = json!({"email": " CanaryUser@person.example", "name": "Back", "role": "viewer"});
    let back = world.admin.post("/users", &body).await;
    let why = back.problem(409, "conflict");
    assert!(
        why["detail"].as_str().unwrap().contains("forgotten"),
        "{why}"
    );
    let again = json!({"kind": "erase", "user_id": id, "reason": "again"});
    world
        .admin
        .post("/erasures", &again)
        .await
        .problem(404, "not-found");
}

#[tokio::test]
async fn who_signs_in_with_the_address_of_a_forgotten_contact_is_forgotten_with_it() {
    let world = World::new().await;
    let second = second_admin(&world).await;
    let (ada, id) = busy(&world, Role::Viewer).await;
    let ours = account(&world, "Theirs").await;
    let person = contact(&world, "Canarylast", &ours).await;
    let path = format!("/contacts/{person}");
    let etag = world.admin.get(&path).await.etag();
    let email =
        json!({"fields": {"email": "CANARYUSER@person.example", "first_name": "Canaryname"}});
    world
        .admin
        .send(Method::PATCH, &path, Some(&etag), Some(&email))
        .await
        .expect(200);
    let plan = world.admin.get(&format!("{path}/erasure")).await;
    assert_eq!(plan.expect(200)["destroyed"]["users"], 1);
    let done = forget(&world, &second, &person, "anonymise", 0, "asked").await;
    world.work_until_idle().await;
    let done = world.admin.get(&done).await.expect(200);
    assert_eq!(done["state"], "done", "{done}");
    assert_eq!(done["destroyed"]["users"], 1);
    assert_eq!(places_of(&world, &CANARIES).await, Vec::<String>::new());
    assert_eq!(hanging(&world, &id).await, Vec::<String>::new());
    ada.get("/session").await.problem(401, "unauthenticated");
    let check = world.admin.get("/audit/verification").await.expect(200);
    assert_eq!(check["whole"], true, "{check}");
}

#[tokio::test]
async fn what_was_masked_cannot_be_changed_again_unseen() {
    let world = World::new().await;
    let second = second_admin(&world).await;
    let (_ada, id) = busy(&world, Role::Manager).await;
    let done = erase(&world, &second, &id, "asked").await;
    assert_eq!(done["state"], "done", "{done}");
    let pool = world.db.pool().await.unwrap();
    let whole = async || {
        let check = world.admin.get("/audit/verification").await.expect(200);
        (check["whole"] == true, check["broken"]["kind"].clone())
    };
    assert!(whole().await.0);
    // One that was masked, changed once more; one that was not, passed off as masked.
    for (which, to) in [
        ("actor_name = 'Erased user'", "Somebody else"),
        (
            "actor_name <> 'Erased user' and action <> 'redact_audit'",
            "Erased user",
        ),
    ] {
        let pick = format!(
            "select seq, actor_name from audit_entries where tenant_id = $1 and {which} limit 1"
        );
        let (seq, was): (i64, String) = sqlx::query_as(sqlx::AssertSqlSafe(pick))
            .bind(world.tenant.0)
            .fetch_one(&pool)
            .await
            .unwrap();
        let set = async |name: &str| {
            sqlx::query(
                "update audit_entries set actor_name = $3 where tenant_id = $1 and seq = $2",
            )
            .bind(world.tenant.0)
            .bind(seq)
            .bind(name)
            .execute(&pool)
            .await
            .unwrap();
        };
        set(to).await;
        assert_eq!(whole().await, (false, json!("changed")), "{which}");
        set(&was).await;
        assert!(whole().await.0, "{which}");
    }
    // Nobody who works for a tenant or for the hub changes an entry.
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    for statement in [
        "update audit_entries set actor_name = 'x'",
        "select redact_audit(current_tenant(), '{1}', '{x}', '{x}', '{x}', '{x}')",
        "update privacy_log set action = 'ask'",
    ] {
        let refused = sqlx::raw_sql(statement).execute(tx.conn()).await;
        let why = refused.unwrap_err().to_string();
        assert!(why.contains("permission denied"), "{statement}: {why}");
        drop(tx);
        tx = world.store.begin(world.tenant).await.unwrap();
    }
}

#[tokio::test]
async fn the_last_admin_and_whoever_may_more_are_not_erased() {
    let world = World::new().await;
    let session = world.admin.get("/session").await.expect(200);
    let own = session["user"]["id"].as_str().unwrap().to_owned();
    let wish = |id: &str| json!({"kind": "erase", "user_id": id, "reason": "asked"});
    let last = world.admin.post("/erasures", &wish(&own)).await;
    let why = last.problem(409, "conflict");
    assert!(
        why["detail"]
            .as_str()
            .unwrap()
            .contains("last active admin"),
        "{why}"
    );
    // A contact with the address of the last admin is no way around it.
    let ours = account(&world, "Ours").await;
    let person = contact(&world, "Boss", &ours).await;
    let path = format!("/contacts/{person}");
    let etag = world.admin.get(&path).await.etag();
    let email = json!({"fields": {"email": "admin@one.example"}});
    world
        .admin
        .send(Method::PATCH, &path, Some(&etag), Some(&email))
        .await
        .expect(200);
    let by_contact = json!({"kind": "erase", "contact_id": person, "reason": "asked"});
    world
        .admin
        .post("/erasures", &by_contact)
        .await
        .problem(409, "conflict");
    // Somebody who may ask for erasures asks for that of somebody who may more.
    second_admin(&world).await;
    let grants = json!({"grants": ["privacy.manage"]});
    let (mia, _) = somebody(&world, "mia@one.example", Role::Manager, grants).await;
    mia.post("/erasures", &wish(&own))
        .await
        .problem(403, "forbidden");
    let noted = world.admin.get("/audit?action=refused:ask_erasure").await;
    assert_eq!(noted.expect(200)["items"][0]["subject_id"], own);
    for bad in [
        json!({"kind": "erase", "reason": "x"}),
        json!({"kind": "erase", "reason": "x", "user_id": own, "contact_id": person}),
    ] {
        world
            .admin
            .post("/erasures", &bad)
            .await
            .invalid("/contact_id");
    }
    let other = world.other_tenant().await;
    other
        .post("/erasures", &wish(&own))
        .await
        .problem(404, "not-found");
}

#[tokio::test]
async fn a_value_that_lost_once_is_the_persons_too() {
    let world = World::new().await;
    let second = second_admin(&world).await;
    let ours = account(&world, "Ours").await;
    let person = contact(&world, "Canarylast", &ours).await;
    let id: engine::ids::ContactId = person.parse().unwrap();
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    let change = sqlx::query(
        r#"insert into changes (entity_id, id, entity, kind, at, fields)
           values ($1, $2, 'contact', 'merge', now(), $3)"#,
    )
    .bind(id.0)
    .bind(engine::ids::fresh())
    .bind(json!([{"field": "email", "old": null, "new": null, "lost": "lost@person.example"}]))
    .execute(tx.conn())
    .await
    .unwrap();
    assert_ne!(change.rows_affected(), 0);
    tx.commit().await.unwrap();
    let done = forget(&world, &second, &person, "erase", 0, "asked").await;
    world.work_until_idle().await;
    assert_eq!(world.admin.get(&done).await.expect(200)["state"], "done");
    let fields = json!({"fields": {"last_name": "Somebody", "email": "lost@person.example"}});
    let back = world.admin.post("/contacts", &fields).await;
    let why = back.problem(409, "conflict");
    assert!(
        why["detail"].as_str().unwrap().starts_with("suppressed"),
        "{why}"
    );
}
