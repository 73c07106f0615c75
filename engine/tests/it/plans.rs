//! How the claim finds its runs: by index whatever is queued, and no dearer for a long queue.

use serde_json::Value as Json;
use sqlx::{Postgres, Row, Transaction};

use crate::support::World;

/// A transaction with the settings that the claim runs with, and the claim prepared in it.
async fn prepared(world: &World) -> Transaction<'static, Postgres> {
    let mut tx = world.sql.begin().await.unwrap();
    sqlx::raw_sql(
        "set local role syncline_system; set local enable_seqscan = off;
         set local enable_bitmapscan = off; set local enable_hashjoin = off;
         set local enable_mergejoin = off; set local jit = off;
         set local plan_cache_mode = force_generic_plan",
    )
    .execute(&mut *tx)
    .await
    .unwrap();
    let prepare = concat!(
        "prepare claim(uuid, timestamptz, bigint, uuid, integer, interval, jsonb, uuid[], text[],
                       smallint[], smallint[], timestamptz[], uuid[]) as ",
        include_str!("../../src/store/claim.sql")
    );
    sqlx::raw_sql(prepare).execute(&mut *tx).await.unwrap();
    tx
}

/// A prepared statement outlives its transaction.
async fn forget(mut tx: Transaction<'static, Postgres>) {
    sqlx::raw_sql("deallocate claim")
        .execute(&mut *tx)
        .await
        .unwrap();
}

async fn plan(world: &World) -> String {
    let mut tx = prepared(world).await;
    let explain = "explain execute claim('00000000-0000-0000-0000-000000000001', now(), 200,
        '00000000-0000-0000-0000-000000000000', 64, '1 minute', '{}',
        '{}', '{}', '{}', '{}', '{}', '{}')";
    let rows = sqlx::raw_sql(explain).fetch_all(&mut *tx).await.unwrap();
    forget(tx).await;
    let lines: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    lines.join("\n")
}

/// Pages that a claim of 50 runs touches, and how many it gets; nothing stays claimed.
async fn pages(world: &World) -> (i64, i64) {
    pages_from(world, "'{}', '{}', '{}', '{}', '{}', '{}'").await
}

/// [`pages`] with these floors.
async fn pages_from(world: &World, floors: &str) -> (i64, i64) {
    let mut tx = prepared(world).await;
    let explain = format!(
        "explain (analyze, buffers, format json)
         execute claim('00000000-0000-0000-0000-000000000001', now(), 50,
                       '00000000-0000-0000-0000-000000000000', 64, '1 minute', '{{}}', {floors})"
    );
    let explain = sqlx::AssertSqlSafe(explain);
    let row = sqlx::raw_sql(explain).fetch_one(&mut *tx).await.unwrap();
    forget(tx).await;
    let plan: Json = row.get(0);
    let plan = &plan[0]["Plan"];
    let count = |name: &str| plan[name].as_i64().unwrap();
    (
        count("Shared Hit Blocks") + count("Shared Read Blocks"),
        // Written with decimals from Postgres 18 on.
        plan["Actual Rows"].as_f64().unwrap() as i64,
    )
}

/// Tenants of which the first has half of the queued runs; keys, connections, other states, lanes.
async fn fill(world: &World, tenants: i32, runs: i32) {
    sqlx::raw_sql("truncate runs, lanes, processes, tenants cascade")
        .execute(&world.sql)
        .await
        .unwrap();
    let statements = [
        "insert into tenants (tenant_id, name, created_at)
         select md5(n::text)::uuid, 'test', now() from generate_series(1, $1) as n where $2 > 0",
        "insert into runs (tenant_id, id, workflow, version, state, priority, due_at, trigger,
                           input, created_at, key, connection_id, asleep)
         select md5((case when n % 2 = 0 then 1 else 1 + n % $1 end)::text)::uuid,
                gen_random_uuid(), 'noop', 1,
                case when n % 3 = 0 then 'parked' else 'queued' end, n % 5 / 4,
                now() - make_interval(secs => n), 'test', '\x31', now(),
                case when n % 2 = 0 then n::text end,
                case when n % 4 < 2 then md5(n::text)::uuid end, n % 30 = 1
         from generate_series(1, $2) as n",
        "insert into lanes (tenant_id, kind, name, max_running)
         select md5(n::text)::uuid, 'workflow', 'noop', 1000
         from generate_series(1, $1) as n where $2 > 0",
        "insert into lanes (tenant_id, kind, name, closed_until)
         select md5((1 + n % $1)::text)::uuid, 'connection', md5(n::text)::uuid::text,
                now() - interval '1 hour'
         from generate_series(1, least($2, 2000)) as n",
        "insert into processes (id, host, lock_key, started_at, seen_at, knows)
         select case n when 1 then '00000000-0000-0000-0000-000000000001'::uuid
                else gen_random_uuid() end, 'test', n, now(), now(), '{noop/1}'
         from generate_series(1, 3) as n where $1 + $2 > 0",
    ];
    for sql in statements {
        sqlx::query(sql)
            .bind(tenants)
            .bind(runs)
            .execute(&world.sql)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn the_claim_scans_no_table_whatever_is_queued() {
    let world = World::new().await;
    for (tenants, runs) in [(1, 10), (200, 100_000), (1, 100_000), (3, 0)] {
        fill(&world, tenants, runs).await;
        for analyzed in [false, true] {
            if analyzed {
                sqlx::raw_sql("analyze runs, lanes, processes")
                    .execute(&world.sql)
                    .await
                    .unwrap();
            }
            let plan = plan(&world).await;
            for bad in [
                "Seq Scan on runs",
                "Seq Scan on lanes",
                "Seq Scan on processes",
                "Hash Join",
                "Merge Join",
                "Bitmap",
            ] {
                assert!(!plan.contains(bad), "{tenants} {runs} {bad}: {plan}");
            }
            for good in ["runs_claim", "Tid Scan", "lanes_pkey", "processes_pkey"] {
                assert!(plan.contains(good), "{tenants} {runs} {good}: {plan}");
            }
        }
    }
}

#[tokio::test]
async fn a_claim_of_a_long_queue_touches_no_more_than_of_a_short_one() {
    let world = World::new().await;
    let mut touched = Vec::new();
    for runs in [5_000, 150_000] {
        fill(&world, 200, runs).await;
        sqlx::raw_sql("analyze runs, lanes")
            .execute(&world.sql)
            .await
            .unwrap();
        let (pages, claimed) = pages(&world).await;
        assert_eq!(claimed, 50);
        touched.push(pages);
    }
    // An index grows by a level.
    assert!(touched[1] < touched[0] * 3 / 2, "{touched:?}");
    assert!(touched[1] < 6000, "{touched:?}");
}

#[tokio::test]
async fn a_claim_from_floors_walks_over_no_dead_rows_of_an_open_snapshot() {
    let world = World::new().await;
    fill(&world, 3, 30_000).await;
    let mut holder = world.sql.begin().await.unwrap();
    sqlx::raw_sql("set transaction isolation level repeatable read; select count(*) from tenants")
        .execute(&mut *holder)
        .await
        .unwrap();
    sqlx::raw_sql(
        "delete from runs;
         insert into runs (tenant_id, id, workflow, version, state, due_at, trigger, input,
                           created_at)
         select t.tenant_id, gen_random_uuid(), 'noop', 1, 'queued', now() + interval '1 second', 'test',
                '\x31', now()
         from tenants t cross join generate_series(1, 50)",
    )
    .execute(&world.sql)
    .await
    .unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let (everywhere, all) = pages(&world).await;
    // Of the two priorities that the dead rows had, for each tenant.
    let tenants: Vec<String> = sqlx::query_scalar("select tenant_id::text from tenants")
        .fetch_all(&world.sql)
        .await
        .unwrap();
    let floors = format!(
        "'{{{0},{0}}}', array_fill('noop'::text, array[6]), array_fill(1::smallint, array[6]),
         '{{0,0,0,1,1,1}}', array_fill(now() - interval '10 seconds', array[6]),
         array_fill('00000000-0000-0000-0000-000000000000'::uuid, array[6])",
        tenants.join(",")
    );
    let (from_floors, same) = pages_from(&world, &floors).await;
    holder.rollback().await.unwrap();
    assert_eq!((all, same), (50, 50));
    assert!(from_floors * 5 < everywhere, "{from_floors} {everywhere}");
}
