//! Deleting a tenant: nothing of it is left in any table there is, and nothing else is gone.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::tenants::deletion::{Step, carry_out};
use domain::users::Role;
use engine::Clock;
use serde_json::{Value as Json, json};

use crate::tenancy::operator;
use crate::world::{Answer, Client, World};

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
pub(crate) struct Doomed {
    pub(crate) world: World,
    pub(crate) other: Client,
    pub(crate) operator: Client,
    pub(crate) second: Client,
    pub(crate) path: String,
}

impl Doomed {
    pub(crate) async fn new() -> Self {
        Self::with_clock(Clock::system()).await
    }

    pub(crate) async fn with_clock(clock: Clock) -> Self {
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

    pub(crate) async fn ask(&self, body: Json) -> Answer {
        self.operator.post(&self.path, &body).await
    }

    pub(crate) async fn act(&self, by: &Client, action: &str) -> Answer {
        by.post(&format!("{}/{action}", self.path), &json!({}))
            .await
    }

    /// Fills the doomed tenant, and gives the other one some of the same.
    async fn fill(&self) {
        let world = &self.world;
        let connected = world.pulled().await;
        crate::failure_classes::failed_write(world, &connected).await;
        crate::matches::answered(world).await;
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

pub(crate) async fn other_tenant_id(world: &World) -> engine::ids::TenantId {
    let pool = world.db.pool().await.unwrap();
    let id: sqlx::types::Uuid =
        sqlx::query_scalar("select tenant_id from tenants where name = 'Two'")
            .fetch_one(&pool)
            .await
            .unwrap();
    engine::ids::TenantId(id)
}

pub(crate) fn wish(hold_days: i32) -> Json {
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
        "link_events",
        "mapping_versions",
        "matches",
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
