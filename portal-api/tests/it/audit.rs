use axum::http::Method;
use domain::users::Role;
use engine::StoreError;
use engine::store::audit::{self, Broken, Verified};
use serde_json::json;

use crate::world::World;

async fn verify(world: &World) -> Result<Verified, Broken> {
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    audit::verify(&mut tx, None).await.unwrap()
}

#[tokio::test]
async fn every_change_is_noted_with_who_what_and_from_which_request() {
    let world = World::new().await;
    let made = world
        .admin
        .post("/accounts", &json!({"fields": {"name": "Acme"}}))
        .await;
    let request = made.headers["x-request-id"].to_str().unwrap().to_owned();
    let made = made.expect(201);
    // A refusal changes nothing and notes nothing.
    world
        .admin
        .post("/accounts", &json!({"fields": {"name": null}}))
        .await
        .invalid("/fields/name");
    let page = world
        .admin
        .get("/audit?action=create_account")
        .await
        .expect(200);
    let entries = page["items"].as_array().unwrap();
    assert_eq!(entries.len(), 1);
    let entry = &entries[0];
    assert_eq!(entry["request"], request);
    assert_eq!(entry["actor"]["name"], "admin");
    assert_eq!(entry["subject_kind"], "accounts");
    assert_eq!(entry["subject_id"], made["id"]);
    assert_eq!(entry["after"], json!({"name": "Acme"}));
    let seen = world.admin.get("/audit?action=sign_in").await.expect(200);
    assert_eq!(seen["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn secrets_do_not_reach_the_trail() {
    let world = World::new().await;
    let connected = world.connected().await;
    let body = json!({"current": "correct horse battery", "new": "canary password"});
    world
        .admin
        .post("/session/password", &body)
        .await
        .expect(204);
    let everything = world.admin.get("/audit.csv").await;
    assert_eq!(
        everything.headers["content-type"],
        "text/csv; charset=utf-8"
    );
    let text = String::from_utf8(everything.bytes.to_vec()).unwrap();
    assert!(
        text.contains("create_connection") && text.contains("change_password"),
        "{text}"
    );
    let secret = connected.salesforce.config()["auth"]["client_secret"]
        .as_str()
        .unwrap()
        .to_owned();
    for secret in [secret.as_str(), "canary password", "correct horse battery"] {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn entries_are_filtered_paged_and_belong_to_their_tenant() {
    let world = World::new().await;
    for name in ["One", "Two", "Three"] {
        let body = json!({"fields": {"name": name}});
        world.admin.post("/accounts", &body).await.expect(201);
    }
    let page = world
        .admin
        .get("/audit?action=create_account&limit=2")
        .await
        .expect(200);
    assert_eq!(page["items"].as_array().unwrap().len(), 2);
    assert_eq!(page["items"][0]["after"]["name"], "Three");
    let next = page["next"].as_str().unwrap();
    let path = format!("/audit?action=create_account&limit=2&cursor={next}");
    let page = world.admin.get(&path).await.expect(200);
    assert_eq!(page["items"][0]["after"]["name"], "One");
    assert!(page["next"].is_null());
    let me = world.admin.get("/session").await.expect(200)["user"]["id"].clone();
    let mine = format!(
        "/audit?actor={}&since=2020-01-01T00:00:00Z",
        me.as_str().unwrap()
    );
    assert!(
        !world.admin.get(&mine).await.expect(200)["items"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    let none = world
        .admin
        .get("/audit?until=2020-01-01T00:00:00Z")
        .await
        .expect(200);
    assert_eq!(none["items"], json!([]));
    world.admin.get("/audit?actor=ada").await.invalid("/actor");
    world.admin.get("/audit?cursor=x").await.invalid("/cursor");
    let other = world.other_tenant().await;
    let theirs = other.get("/audit?action=create_account").await.expect(200);
    assert_eq!(theirs["items"], json!([]));
    let operator = world
        .user(world.tenant, "op@one.example", Role::Operator)
        .await;
    operator.get("/audit").await.problem(403, "forbidden");
    operator.get("/audit.csv").await.problem(403, "forbidden");
}

#[tokio::test]
async fn the_roles_of_the_hub_cannot_change_or_delete_entries() {
    let world = World::new().await;
    for statement in [
        "update audit_entries set action = 'x'",
        "delete from audit_entries",
        "truncate audit_entries",
        "delete from audit_anchors",
        "insert into audit_anchors (seq, hash) values (9, '')",
    ] {
        let mut tx = world.store.begin(world.tenant).await.unwrap();
        let refused = sqlx::query(statement).execute(tx.conn()).await.unwrap_err();
        assert!(
            StoreError::from(refused).to_string().contains("database"),
            "{statement}"
        );
        let mut tx = world.store.begin_system().await.unwrap();
        let refused = sqlx::query(statement).execute(tx.conn()).await.unwrap_err();
        let code = refused.as_database_error().and_then(|error| error.code());
        assert_eq!(code.as_deref(), Some("42501"), "{statement}: {refused}");
    }
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    let prune = sqlx::query("select prune_audit($1, now())").bind(world.tenant.0);
    assert!(prune.execute(tx.conn()).await.is_err());
}

#[tokio::test]
async fn tampering_shows_where_it_was_done() {
    let world = World::new().await;
    for name in ["One", "Two", "Three"] {
        let body = json!({"fields": {"name": name}});
        world.admin.post("/accounts", &body).await.expect(201);
    }
    let whole = verify(&world).await.unwrap();
    assert_eq!(whole.entries, 4);
    let head = whole.head.unwrap();
    let pool = world.db.pool().await.unwrap();
    let run = async |statement: &'static str| {
        sqlx::query(statement).execute(&pool).await.unwrap();
    };
    run("create table kept as select * from audit_entries").await;
    let restore = async || {
        run("truncate audit_entries").await;
        run("insert into audit_entries select * from kept").await;
    };
    for (tampering, shows) in [
        (
            "update audit_entries set actor_name = 'Eve' where seq = 2",
            Broken::Changed(2),
        ),
        (
            "update audit_entries set after = null where seq = 3",
            Broken::Changed(3),
        ),
        (
            "update audit_entries set at = at + interval '1 second' where seq = 2",
            Broken::Changed(2),
        ),
        (
            "delete from audit_entries where seq = 2",
            Broken::Missing(2),
        ),
        (
            "delete from audit_entries where seq = 1",
            Broken::Missing(1),
        ),
        (
            "update audit_entries set previous_hash = hash where seq = 4",
            Broken::Unlinked(4),
        ),
        (
            "update audit_entries set seq = 5 - seq where seq in (2, 3)",
            Broken::Unlinked(2),
        ),
    ] {
        // Numbers are exchanged in one statement only where the key lets them.
        run("alter table audit_entries drop constraint if exists audit_entries_pkey").await;
        run(tampering).await;
        assert_eq!(verify(&world).await.unwrap_err(), shows, "{tampering}");
        restore().await;
        assert!(verify(&world).await.is_ok());
    }
    // The end cut off: only who kept the head sees it.
    run("delete from audit_entries where seq = 4").await;
    assert!(verify(&world).await.is_ok());
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    let kept = audit::verify(&mut tx, Some(&head)).await.unwrap();
    assert_eq!(kept.unwrap_err(), Broken::Missing(4));
    let other = audit::Head {
        seq: 2,
        hash: vec![0; 32],
    };
    let rewritten = audit::verify(&mut tx, Some(&other)).await.unwrap();
    assert_eq!(rewritten.unwrap_err(), Broken::Rewritten(2));
}

#[tokio::test]
async fn whoever_reads_the_trail_can_ask_whether_it_is_whole() {
    let world = World::new().await;
    let ask = async || world.admin.get("/audit/verification").await.expect(200);
    let answer = ask().await;
    assert_eq!(
        (&answer["whole"], &answer["entries"]),
        (&json!(true), &json!(1))
    );
    assert_eq!(answer["pruned_until"], 0);
    let page = world.admin.get("/audit").await.expect(200);
    let last = &page["items"][0];
    assert_eq!(
        answer["head"],
        json!({"seq": last["seq"], "hash": last["hash"]})
    );
    let pool = world.db.pool().await.unwrap();
    let tampering = sqlx::query("update audit_entries set actor_name = 'Eve' where seq = 1");
    tampering.execute(&pool).await.unwrap();
    let answer = ask().await;
    assert_eq!(answer["whole"], false);
    assert_eq!(answer["broken"], json!({"seq": 1, "kind": "changed"}));
    assert!(answer["head"].is_null() && answer["entries"].is_null());
    // Another tenant's trail is not touched by that.
    let other = world.other_tenant().await;
    let theirs = other.get("/audit/verification").await.expect(200);
    assert_eq!(theirs["whole"], true);
    let operator = world
        .user(world.tenant, "op@one.example", Role::Operator)
        .await;
    operator
        .get("/audit/verification")
        .await
        .problem(403, "forbidden");
}

#[tokio::test]
async fn retention_takes_the_beginning_and_the_chain_goes_on() {
    let world = World::with_clock(engine::Clock::manual(
        "2020-01-01T00:00:00Z".parse().unwrap(),
    ))
    .await;
    for name in ["One", "Two"] {
        let body = json!({"fields": {"name": name}});
        world.admin.post("/accounts", &body).await.expect(201);
    }
    let prune = async |cut: &str| {
        let mut system = world.store.begin_system().await.unwrap();
        let gone = audit::prune(&mut system, world.tenant, cut.parse().unwrap()).await;
        system.commit().await.unwrap();
        gone.unwrap()
    };
    assert_eq!(prune("2019-12-31T00:00:00Z").await, 0);
    // All three are older, but the last one holds the chain.
    assert_eq!(prune("2021-01-01T00:00:00Z").await, 2);
    let left = verify(&world).await.unwrap();
    assert_eq!((left.from, left.entries), (2, 1));
    let body = json!({"fields": {"name": "Three"}});
    world.admin.post("/accounts", &body).await.expect(201);
    let left = verify(&world).await.unwrap();
    assert_eq!((left.from, left.entries), (2, 2));
    let mut system = world.store.begin_system().await.unwrap();
    let soon = audit::prune(
        &mut system,
        world.tenant,
        "2999-01-01T00:00:00Z".parse().unwrap(),
    );
    assert!(soon.await.is_err());
}

#[tokio::test]
async fn concurrent_changes_make_one_chain() {
    let world = World::new().await;
    let post = |name: String| {
        let admin = world.admin.clone();
        async move {
            admin
                .post("/accounts", &json!({"fields": {"name": name}}))
                .await
                .expect(201)
        }
    };
    let all = (0..16).map(|number| tokio::spawn(post(format!("Account {number}"))));
    for made in all.collect::<Vec<_>>() {
        made.await.unwrap();
    }
    assert_eq!(verify(&world).await.unwrap().entries, 17);
    let page = world
        .admin
        .send(Method::GET, "/audit?limit=200", None, None)
        .await
        .expect(200);
    assert_eq!(page["items"].as_array().unwrap().len(), 17);
}

#[tokio::test]
async fn an_edit_is_noted_with_the_values_before_and_after_and_others_with_what_was_asked() {
    let world = World::new().await;
    let account = json!({"fields": {"name": "Acme", "phone": "1"}});
    let account = world.admin.post("/accounts", &account).await.expect(201);
    let path = format!("/accounts/{}", account["id"].as_str().unwrap());
    let edit = json!({"fields": {"phone": "2"}});
    let tag = format!("\"{}\"", account["version"]);
    let edited = world
        .admin
        .send(Method::PATCH, &path, Some(&tag), Some(&edit));
    edited.await.expect(200);
    let page = world
        .admin
        .get("/audit?action=update_account")
        .await
        .expect(200);
    let entry = &page["items"][0];
    assert_eq!(entry["subject_id"], account["id"]);
    assert_eq!(entry["before"], json!({"phone": "1"}));
    assert_eq!(entry["after"], json!({"phone": "2"}));
    let pause = json!({"reason": "maintenance"});
    let paused = world
        .admin
        .post("/lanes/workflow/pull_stream/pause", &pause)
        .await;
    paused.expect(200);
    let page = world
        .admin
        .get("/audit?action=pause_lane")
        .await
        .expect(200);
    assert_eq!(page["items"][0]["after"], pause);
}
