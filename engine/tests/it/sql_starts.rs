//! `start_run`: runs started by SQL, from other languages and from triggers.

use std::time::Duration;

use engine::ids::{RunId, TenantId};
use engine::store::runs::RunState;
use engine::{Run, RunError, Workflow};
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use crate::support::{Trace, World};

struct Greet;

impl Workflow for Greet {
    const NAME: &'static str = "greet";
    type Input = serde_json::Value;
    type Output = ();

    async fn run(cx: &mut Run, input: serde_json::Value) -> Result<(), RunError> {
        cx.service::<Trace>()?.add(input["name"].to_string());
        Ok(())
    }
}

/// As another program would work: with the hub's role for one tenant.
async fn sign_in(sql: &mut PgConnection, tenant: TenantId) {
    sqlx::query("begin").execute(&mut *sql).await.unwrap();
    sqlx::query(
        "select set_config('role', 'syncline_app', true), set_config('hub.tenant', $1, true)",
    )
    .bind(tenant.0.to_string())
    .execute(sql)
    .await
    .unwrap();
}

async fn end(sql: &mut PgConnection, how: &'static str) {
    sqlx::query(how).execute(sql).await.unwrap();
}

async fn ask(sql: &mut PgConnection, query: &'static str) -> Result<RunId, String> {
    let row = sqlx::query(query)
        .fetch_one(sql)
        .await
        .map_err(|error| match error {
            sqlx::Error::Database(error) => {
                format!("{} {}", error.code().unwrap(), error.message())
            }
            error => panic!("{error}"),
        })?;
    Ok(RunId(row.get::<Uuid, _>(0)))
}

#[tokio::test]
async fn sql_starts_a_run_in_its_transaction_and_for_its_tenant() {
    let world = World::new().await;
    let trace = Trace::new();
    let builder = world.engine().await.service(trace.clone());
    let engine = builder.register::<Greet>().start();
    let mut sql = world.sql.acquire().await.unwrap();
    sign_in(&mut sql, world.tenant).await;
    let lost = ask(&mut sql, r#"select start_run('greet', '{"name": "lost"}')"#).await;
    lost.unwrap();
    end(&mut sql, "rollback").await;
    sign_in(&mut sql, world.tenant).await;
    let kept = ask(
        &mut sql,
        r#"select start_run('greet', '{"name": "kept"}', key => 'one', priority => 7)"#,
    );
    let kept = kept.await.unwrap();
    end(&mut sql, "commit").await;
    // Nobody is notified; the look around once a second finds it.
    let run = world.until(kept, RunState::Succeeded).await;
    assert_eq!(trace.lines(), ["\"kept\""]);
    assert_eq!(kept.0.get_version_num(), 7);
    assert_eq!(
        (run.key.as_deref(), run.priority, run.version),
        (Some("one"), 7, 1)
    );
    assert_eq!((run.trigger.as_str(), run.tenant), ("sql", world.tenant));
    let late = run.started_at.unwrap() - run.created_at;
    assert!(late.to_std().unwrap_or_default() < Duration::from_secs(5));
    engine.shutdown().await;
}

#[tokio::test]
async fn a_trigger_starts_a_run_for_each_row() {
    let world = World::new().await;
    let mut sql = world.sql.acquire().await.unwrap();
    for statement in [
        "create table orders (number integer)",
        "grant insert on orders to syncline_app",
        "create function on_order() returns trigger language plpgsql as $$ begin
             perform start_run('greet', jsonb_build_object('name', new.number),
                               dedupe_key => 'order/' || new.number);
             return null; end $$",
        "create trigger on_order after insert on orders for each row execute function on_order()",
    ] {
        sqlx::query(statement).execute(&mut *sql).await.unwrap();
    }
    sign_in(&mut sql, world.tenant).await;
    end(
        &mut sql,
        "insert into orders select i % 10 from generate_series(1, 30) i",
    )
    .await;
    end(&mut sql, "commit").await;
    let right = "select count(*) from all_runs where workflow = 'greet' and due_at is not null";
    assert_eq!(world.count(right).await, 10);
}

#[tokio::test]
async fn sql_knows_the_modes_of_dedupe_keys() {
    let world = World::new().await;
    let mut sql = world.sql.acquire().await.unwrap();
    sign_in(&mut sql, world.tenant).await;
    let first = ask(
        &mut sql,
        "select start_run('greet', '1', dedupe_key => 'k', due_at => now() + '1 hour')",
    );
    let first = first.await.unwrap();
    for same in [
        "select start_run('greet', '2', dedupe_key => 'k')",
        "select start_run('greet', '3', dedupe_key => 'k', dedupe_mode => 'replace')",
        "select start_run('greet', '4', dedupe_key => 'k', dedupe_until => '1 hour')",
        "select start_run('greet', '5', dedupe_key => 'k', dedupe_mode => 'debounce')",
    ] {
        assert_eq!(ask(&mut sql, same).await.unwrap(), first, "{same}");
    }
    end(&mut sql, "commit").await;
    assert_eq!(world.run(first).await.input.unwrap(), b"5");

    sign_in(&mut sql, world.tenant).await;
    let again = "select start_run('greet', '6', dedupe_key => 'k', dedupe_mode => 'reject')";
    let refused = ask(&mut sql, again).await.unwrap_err();
    assert_eq!(
        refused,
        format!(
            "23505 run {} was started with this dedupe key already",
            first.0
        )
    );
    end(&mut sql, "rollback").await;
}

#[tokio::test]
async fn sql_starts_nothing_without_a_tenant_or_with_nonsense() {
    let world = World::new().await;
    let mut sql = world.sql.acquire().await.unwrap();
    let plain = "select start_run('greet', '1')";
    let refused = ask(&mut sql, plain).await.unwrap_err();
    assert_eq!(refused, "22023 hub.tenant names no tenant");
    for (query, code) in [
        ("select start_run('', '1')", "22023"),
        ("select start_run('greet', null)", "22023"),
        (
            "select start_run('greet', '1', dedupe_mode => 'often')",
            "22023",
        ),
        (
            "select start_run('greet', '1', dedupe_mode => 'debounce')",
            "22023",
        ),
        (
            "select start_run('greet', '1', dedupe_key => 'k', dedupe_until => 'soon')",
            "22007",
        ),
        (
            "select start_run('greet', '1', priority => 100000)",
            "22003",
        ),
        (
            "select insert_runs(array[row(gen_random_uuid(), gen_random_uuid(), 'w', 1, null, 0, now(), \
          null, null, false, 'sql', null, null, '1', null, null, null, null, null, null, null, null)::new_run], now())",
            "42501",
        ),
    ] {
        sign_in(&mut sql, world.tenant).await;
        let refused = ask(&mut sql, query).await.unwrap_err();
        assert!(refused.starts_with(code), "{query}: {refused}");
        end(&mut sql, "rollback").await;
    }
    // A role without a grant.
    sqlx::query("set role pg_monitor")
        .execute(&mut *sql)
        .await
        .unwrap();
    let refused = ask(&mut sql, plain).await.unwrap_err();
    assert!(refused.starts_with("42501"), "{refused}");
    assert_eq!(world.count("select count(*) from all_runs").await, 0);
}
