//! Deleting a tenant: nothing of it is left in any table there is, and nothing else is gone.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::Method;
use domain::tenants::deletion::{Step, carry_out};
use domain::users::Role;
use engine::Clock;
use serde_json::{Value as Json, json};

use crate::tenancy::operator;
use crate::world::{Answer, Client, PASSWORD, World};

/// Rows of each tenant in each table that has any, as the catalogue of the database knows them.
async fn rows(world: &World) -> BTreeMap<(String, String), String> {
    let pool = world.db.pool().await.unwrap();
    let tables: Vec<String> = sqlx::query_scalar(
        "select c.table_name::text from information_schema.columns c
         join information_schema.tables t using (table_schema, table_name)
         where c.table_schema = 'public' and c.column_name = 'tenant_id'
           and t.table_type = 'BASE TABLE'",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert!(tables.len() > 60, "{tables:?}");
    let mut rows = BTreeMap::new();
    for table in tables {
        let sql = format!(
            "select tenant_id::text, count(*) || ' ' || md5(string_agg(t::text, ' ' order by t::text))
             from {table} t group by 1"
        );
        let found: Vec<(String, String)> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .fetch_all(&pool)
            .await
            .unwrap();
        for (tenant, content) in found {
            rows.insert((tenant, table.clone()), content);
        }
    }
    rows
}

fn of(rows: &BTreeMap<(String, String), String>, tenant: &str) -> BTreeMap<String, String> {
    rows.iter()
        .filter(|((of, _), _)| of == tenant)
        .map(|((_, table), content)| (table.clone(), content.clone()))
        .collect()
}

/// A tenant full of everything, whoever looks after all tenants in another one, and a second of them.
struct Doomed {
    world: World,
    other: Client,
    operator: Client,
    second: Client,
    path: String,
}

impl Doomed {
    async fn new() -> Self {
        Self::with_clock(Clock::system()).await
    }

    async fn with_clock(clock: Clock) -> Self {
        let world = World::with_clock(clock).await;
        let other = world.other_tenant().await;
        let tenant = other_tenant_id(&world).await;
        let mut operators = Vec::new();
        for email in ["op@two.example", "op2@two.example"] {
            let client = world.user(tenant, email, Role::Viewer).await;
            let id = client.get("/session").await.expect(200)["user"]["id"].clone();
            let mut tx = world.store.begin(tenant).await.unwrap();
            let id = id.as_str().unwrap().parse().unwrap();
            domain::tenants::set_operator(&mut tx, id, true)
                .await
                .unwrap();
            tx.commit().await.unwrap();
            operators.push(client);
        }
        let second = operators.pop().unwrap();
        let operator = operators.pop().unwrap();
        let path = format!("/tenants/{}/deletion", world.tenant);
        Self {
            world,
            other,
            operator,
            second,
            path,
        }
    }

    async fn ask(&self, body: Json) -> Answer {
        self.operator.post(&self.path, &body).await
    }

    async fn act(&self, by: &Client, action: &str) -> Answer {
        by.post(&format!("{}/{action}", self.path), &json!({}))
            .await
    }

    /// Fills the doomed tenant, and gives the other one some of the same.
    async fn fill(&self) {
        let world = &self.world;
        let connected = world.pulled().await;
        crate::failure_classes::failed_write(world, &connected).await;
        let account = json!({"fields": {"name": "Kept"}});
        self.other.post("/accounts", &account).await.expect(201);
        for client in [&world.admin, &self.other] {
            let group = json!({"name": "Editors", "permissions": ["records.write"]});
            client.post("/groups", &group).await.expect(201);
            let key = json!({"name": "CI", "permissions": ["runs.read"]});
            client.post("/keys", &key).await.expect(201);
            let id = client.get("/session").await.expect(200)["user"]["id"].clone();
            let team = json!({"name": "North", "members": [{"user_id": id}]});
            client.post("/teams", &team).await.expect(201);
            let partner = json!({"name": "Partners"});
            client.post("/partners", &partner).await.expect(201);
            let tokens = json!({"name": "CI", "permissions": ["runs.read"]});
            client.post("/tokens", &tokens).await.expect(201);
        }
        let accounts = world.admin.get("/accounts").await.expect(200);
        let account = accounts["items"][0]["id"].as_str().unwrap().to_owned();
        let own = world.admin.get("/session").await.expect(200)["user"]["id"].clone();
        crate::scopes::assign(world, &account, own.as_str().unwrap()).await;
    }
}

async fn other_tenant_id(world: &World) -> engine::ids::TenantId {
    let pool = world.db.pool().await.unwrap();
    let id: sqlx::types::Uuid =
        sqlx::query_scalar("select tenant_id from tenants where name = 'Two'")
            .fetch_one(&pool)
            .await
            .unwrap();
    engine::ids::TenantId(id)
}

fn wish(hold_days: i32) -> Json {
    json!({"confirm": "One", "reason": "the contract ended", "hold_days": hold_days})
}

async fn to_the_end(world: &World, most: i64) -> u64 {
    let mut rows = 0;
    loop {
        match carry_out(&world.store, most).await.unwrap() {
            Step::Begun(_) => {}
            Step::Went(_, gone) => rows += gone,
            Step::Done(_) => return rows,
            Step::Nothing => panic!("the deletion is not due"),
        }
    }
}

#[tokio::test]
async fn no_table_has_a_row_of_a_deleted_tenant_and_the_others_have_all_of_theirs() {
    let doomed = Doomed::new().await;
    doomed.fill().await;
    let world = &doomed.world;
    let tenant = world.tenant.0.to_string();
    let head = world.admin.get("/audit?limit=1").await.expect(200);
    assert!(head["items"][0]["seq"].as_i64().unwrap() > 5);
    doomed.ask(wish(0)).await.expect(201);
    doomed.act(&doomed.second, "approve").await.expect(200);
    let before = rows(world).await;
    let full = of(&before, &tenant);
    for table in [
        "accounts",
        "api_keys",
        "account_assignments",
        "audit_entries",
        "changes",
        "connections",
        "failure_classes",
        "finished_runs",
        "lanes",
        "mapping_versions",
        "records",
        "schedules",
        "sessions",
        "steps",
        "streams",
        "team_members",
        "token_families",
        "users",
        "writes",
    ] {
        assert!(
            full.contains_key(table),
            "{table} is empty before: {:?}",
            full.keys()
        );
    }
    let others: Vec<String> = before
        .keys()
        .map(|(of, _)| of.clone())
        .filter(|of| *of != tenant)
        .collect();
    assert!(!others.is_empty());

    // A few rows, then whoever is at it dies in the middle of a transaction, and again between two.
    assert!(matches!(
        carry_out(&world.store, 40).await.unwrap(),
        Step::Begun(_)
    ));
    assert!(matches!(
        carry_out(&world.store, 40).await.unwrap(),
        Step::Went(_, 40)
    ));
    let killed = {
        let store = world.db.store(world.store.clock().clone()).await.unwrap();
        tokio::spawn(async move { carry_out(&store, 1_000_000).await.map(drop) })
    };
    tokio::time::sleep(Duration::from_millis(3)).await;
    killed.abort();
    let ended = killed.await;
    let half = of(&rows(world).await, &tenant);
    if ended.is_err() {
        assert!(
            !half.is_empty(),
            "what was cut short has destroyed everything"
        );
    }
    // Another process goes on; two of them do not count a row twice.
    let gone = to_the_end(world, 500).await;

    let after = rows(world).await;
    assert_eq!(of(&after, &tenant), BTreeMap::new());
    // All but what the tests' own sign of life moves: last use of a session.
    for table in [
        "accounts",
        "audit_entries",
        "api_keys",
        "teams",
        "users",
        "user_groups",
        "token_families",
        "partners",
        "changes",
        "lanes",
        "tenants",
        "group_members",
        "team_members",
    ] {
        for other in &others {
            let place = (other.clone(), table.to_owned());
            assert_eq!(after.get(&place), before.get(&place), "{table}");
        }
    }
    let count = |rows: &BTreeMap<(String, String), String>| {
        rows.iter()
            .filter(|((of, _), _)| *of != tenant)
            .map(|(place, content)| (place.clone(), content.split(' ').next().unwrap().to_owned()))
            .collect::<BTreeMap<_, _>>()
    };
    assert_eq!(count(&after), count(&before));

    // One line stays.
    let log = doomed.operator.get("/tenant-deletions").await.expect(200);
    let line = &log["items"][0];
    assert_eq!(line["state"], "done");
    assert_eq!(line["name"], "One");
    assert_eq!(line["asked_by"], "op");
    assert_eq!(line["approved_by"], "op2");
    assert_eq!(line["last_audit_hash"].as_str().unwrap().len(), 64);
    assert!(line["last_audit_seq"].as_i64() > head["items"][0]["seq"].as_i64());
    let counts = line["destroyed"].as_object().unwrap();
    let sum: i64 = counts.values().map(|rows| rows.as_i64().unwrap()).sum();
    assert!(sum >= 40 + i64::try_from(gone).unwrap(), "{counts:?}");
    assert_eq!(counts["tenants"], 1);
    assert_eq!(
        counts["users"],
        full["users"]
            .split(' ')
            .next()
            .unwrap()
            .parse::<i64>()
            .unwrap()
    );
    // Its address is free again, and nothing is due.
    assert_eq!(carry_out(&world.store, 500).await.unwrap(), Step::Nothing);
    doomed
        .operator
        .get(&format!("/tenants/{}", world.tenant))
        .await
        .problem(404, "not-found");
    world
        .admin
        .get("/session")
        .await
        .problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_table_that_a_later_migration_adds_is_emptied_too() {
    let doomed = Doomed::new().await;
    let world = &doomed.world;
    let pool = world.db.pool().await.unwrap();
    // One that refers to users, so that the order matters, and one that refers to that.
    sqlx::raw_sql(
        "create table later_things (tenant_id uuid not null, id uuid not null, user_id uuid,
             primary key (tenant_id, id),
             foreign key (tenant_id, user_id) references users (tenant_id, id));
         create table a_later_part (tenant_id uuid not null, thing uuid not null,
             primary key (tenant_id, thing),
             foreign key (tenant_id, thing) references later_things (tenant_id, id));
         insert into later_things select tenant_id, id, id from users;
         insert into a_later_part select tenant_id, id from later_things",
    )
    .execute(&pool)
    .await
    .unwrap();
    doomed.ask(wish(0)).await.expect(201);
    doomed.act(&doomed.second, "approve").await.expect(200);
    to_the_end(world, 500).await;
    let rows = rows(world).await;
    assert_eq!(of(&rows, &world.tenant.0.to_string()), BTreeMap::new());
    let other = other_tenant_id(world).await.0.to_string();
    assert!(rows.contains_key(&(other, "a_later_part".to_owned())));
}

#[tokio::test]
async fn what_comes_in_behind_a_deletion_goes_too() {
    let clock = Clock::manual("2026-11-20T08:00:00Z".parse().unwrap());
    let doomed = Doomed::with_clock(clock.clone()).await;
    let world = &doomed.world;
    doomed.ask(wish(0)).await.expect(201);
    doomed.act(&doomed.second, "approve").await.expect(200);
    to_the_end(world, 500).await;
    let pool = world.db.pool().await.unwrap();
    sqlx::query("insert into run_dedupe (tenant_id, key, run_id, expires_at) values ($1, 'late', $1, now())")
        .bind(world.tenant.0)
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(carry_out(&world.store, 500).await.unwrap(), Step::Nothing);
    clock.advance(Duration::from_secs(61));
    assert!(matches!(
        carry_out(&world.store, 500).await.unwrap(),
        Step::Went(_, 1)
    ));
    let left: i64 = sqlx::query_scalar("select count(*) from run_dedupe where tenant_id = $1")
        .bind(world.tenant.0)
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_tenant_that_is_to_be_deleted_is_closed_held_and_can_be_kept() {
    let clock = Clock::manual("2026-11-20T08:00:00Z".parse().unwrap());
    let doomed = Doomed::with_clock(clock.clone()).await;
    let world = &doomed.world;
    let domain = crate::domains::domain(&world.admin, "www.one.example").await;
    assert!(domain["id"].is_string());
    doomed.ask(wish(30)).await.expect(201);
    // Closed at once, and not opened by the back door.
    world
        .admin
        .get("/session")
        .await
        .problem(401, "unauthenticated");
    let mut again = world.stranger();
    again
        .sign_in("admin@one.example", PASSWORD)
        .await
        .problem(401, "unauthenticated");
    let resume = format!("/tenants/{}/resume", world.tenant);
    doomed
        .operator
        .post(&resume, &json!({}))
        .await
        .problem(409, "conflict");
    let mut system = world.store.begin_system().await.unwrap();
    let by_header = domain::tenant_domains::exists(&mut system, world.tenant).await;
    assert!(!by_header.unwrap());
    drop(system);
    let paused: bool = {
        let pool = world.db.pool().await.unwrap();
        sqlx::query_scalar(
            "select paused_at is not null from lanes where kind = 'tenant' and tenant_id = $1",
        )
        .bind(world.tenant.0)
        .fetch_one(&pool)
        .await
        .unwrap()
    };
    assert!(paused);
    // Nothing is due while nobody agreed, nor while it is held.
    assert_eq!(carry_out(&world.store, 10).await.unwrap(), Step::Nothing);
    let held = doomed.act(&doomed.second, "approve").await.expect(200);
    assert_eq!(held["hold_until"], "2026-12-20T08:00:00Z");
    doomed
        .act(&doomed.second, "approve")
        .await
        .problem(409, "conflict");
    assert_eq!(carry_out(&world.store, 10).await.unwrap(), Step::Nothing);
    let kept = doomed.act(&doomed.operator, "withdraw").await.expect(200);
    assert_eq!(kept["state"], "withdrawn");
    assert_eq!(kept["withdrawn_by"], "op");
    world.admin.get("/session").await.expect(200);
    let trail = world
        .admin
        .get("/audit?action=withdraw_tenant_deletion")
        .await;
    assert_eq!(trail.expect(200)["items"][0]["actor"]["name"], "op");
    // It can be asked for again, and from when it is destroyed there is no way back.
    let asked = doomed.ask(wish(1)).await.expect(201);
    assert_eq!(asked["state"], "asked");
    doomed.act(&doomed.second, "approve").await.expect(200);
    clock.advance(Duration::from_secs(24 * 3600));
    let mut operator = world.stranger();
    operator
        .sign_in("op@two.example", PASSWORD)
        .await
        .expect(200);
    assert!(matches!(
        carry_out(&world.store, 10).await.unwrap(),
        Step::Begun(_)
    ));
    doomed
        .act(&operator, "withdraw")
        .await
        .problem(409, "conflict");
}

#[tokio::test]
async fn a_suspended_tenant_that_is_kept_stays_suspended() {
    let doomed = Doomed::new().await;
    let world = &doomed.world;
    let tenant = format!("/tenants/{}", world.tenant);
    let reason = json!({"reason": "unpaid"});
    doomed
        .operator
        .post(&format!("{tenant}/suspend"), &reason)
        .await
        .expect(200);
    doomed.ask(wish(30)).await.expect(201);
    doomed.act(&doomed.operator, "withdraw").await.expect(200);
    world
        .admin
        .get("/session")
        .await
        .problem(401, "unauthenticated");
    doomed
        .operator
        .post(&format!("{tenant}/resume"), &json!({}))
        .await
        .expect(200);
    world.admin.get("/session").await.expect(200);
    let lanes = world.admin.get("/lanes").await.expect(200);
    assert!(!lanes.to_string().contains("to be deleted"), "{lanes}");
}

#[tokio::test]
async fn a_deletion_is_asked_for_with_the_name_typed_and_agreed_to_by_somebody_else() {
    let doomed = Doomed::new().await;
    let world = &doomed.world;
    for (bad, pointer) in [
        (json!({"confirm": "one", "reason": "x"}), "/confirm"),
        (json!({"confirm": "", "reason": "x"}), "/confirm"),
        (json!({"confirm": "One", "reason": " "}), "/reason"),
        (
            json!({"confirm": "One", "reason": "x", "hold_days": -1}),
            "/hold_days",
        ),
        (
            json!({"confirm": "One", "reason": "x", "hold_days": 366}),
            "/hold_days",
        ),
    ] {
        doomed.ask(bad).await.invalid(pointer);
    }
    world.admin.get("/session").await.expect(200);
    // Not by an admin of a tenant, not one's own, not one that is not there.
    world
        .admin
        .post(&doomed.path, &wish(0))
        .await
        .problem(403, "forbidden");
    let own = other_tenant_id(world).await;
    let wish_two = json!({"confirm": "Two", "reason": "x"});
    doomed
        .operator
        .post(&format!("/tenants/{own}/deletion"), &wish_two)
        .await
        .problem(409, "conflict");
    let nobody = format!("/tenants/tnt_{}/deletion", "0".repeat(32));
    doomed.operator.get(&nobody).await.problem(404, "not-found");
    doomed
        .operator
        .post(&nobody, &wish(0))
        .await
        .problem(404, "not-found");
    for action in ["approve", "withdraw"] {
        let path = format!("{nobody}/{action}");
        doomed
            .operator
            .post(&path, &json!({}))
            .await
            .problem(404, "not-found");
    }
    let asked = doomed.ask(wish(0)).await.expect(201);
    assert_eq!(asked["hold_until"], Json::Null);
    doomed.ask(wish(0)).await.problem(409, "conflict");
    doomed
        .act(&doomed.operator, "approve")
        .await
        .problem(409, "conflict");
    assert_eq!(carry_out(&world.store, 10).await.unwrap(), Step::Nothing);
    doomed.act(&doomed.operator, "withdraw").await.expect(200);
    // A tenant that asks for no second person is held at once.
    let tag = world.admin.get("/settings").await.etag();
    let settings = json!({
        "locale": "en", "time_zone": "UTC", "contact_email": null, "origins": [],
        "deletion_needs_approval": false,
    });
    world
        .admin
        .send(Method::PUT, "/settings", Some(&tag), Some(&settings))
        .await
        .expect(200);
    let asked = doomed.ask(wish(30)).await.expect(201);
    assert_eq!(asked["state"], "approved");
    assert_ne!(asked["hold_until"], Json::Null);
}

#[tokio::test]
async fn only_a_tenant_that_is_being_destroyed_is_destroyed() {
    let world = World::new().await;
    let _operator = operator(&world).await;
    let mut tx = world.store.begin_system().await.unwrap();
    let refused = sqlx::query("select * from destroy_tenant_rows($1, 10)")
        .bind(world.tenant.0)
        .execute(tx.conn())
        .await;
    let why = refused.unwrap_err().to_string();
    assert!(why.contains("is not being deleted"), "{why}");
    drop(tx);
    // Nor by anybody who works for a tenant.
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    let refused = sqlx::query("select * from destroy_tenant_rows($1, 10)")
        .bind(world.tenant.0)
        .execute(tx.conn())
        .await;
    let why = refused.unwrap_err().to_string();
    assert!(why.contains("permission denied"), "{why}");
}
