//! What a statement touches does not grow with what is stored: the work of an engine and the reads of
//! people cost the same beside ten finished runs and beside a million.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use engine::ids::{ConnectionId, RunId};
use engine::store::runs::{self, RunFilter, RunPage, RunState, StartOptions};
use engine::store::{attempts, steps};
use engine::{Clock, Run, RunError, Step, StepCx, StepError, Store, Workflow};
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection, PgConnection, PgPool};

use crate::support::{World, eventually};

struct Nothing;

impl Step for Nothing {
    const NAME: &'static str = "nothing";
    type Output = ();

    async fn run(&self, _cx: &StepCx) -> Result<(), StepError> {
        Ok(())
    }
}

/// Is claimed twice, so that its history is loaded.
struct Twice;

impl Workflow for Twice {
    const NAME: &'static str = "twice";
    type Input = u32;
    type Output = ();

    async fn run(cx: &mut Run, _number: u32) -> Result<(), RunError> {
        cx.step(Nothing).await?;
        cx.sleep("a moment", Duration::from_millis(1)).await?;
        cx.step(Nothing).await
    }
}

/// What was read so far of the tables of runs and their journals, by all sessions that have ended.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
struct Touched {
    /// Rows read by scanning tables from end to end.
    scanned: i64,
    /// Blocks of tables and indexes.
    blocks: i64,
}

const TOUCHED: &str = "select
    (select sum(seq_tup_read) from pg_stat_user_tables
     where relname ~ '^(runs|finished_runs|steps|attempts|signals)')::bigint as scanned,
    (select sum(coalesce(heap_blks_hit, 0) + coalesce(heap_blks_read, 0)
                + coalesce(idx_blks_hit, 0) + coalesce(idx_blks_read, 0))
     from pg_statio_user_tables
     where relname ~ '^(runs|finished_runs|steps|attempts|signals)')::bigint as blocks";

/// Past work of a tenant, over thirty days, and a backlog that is due tomorrow.
struct Past {
    world: World,
    /// One connection, the only one that is left between two measurements.
    sql: PgPool,
    connection: ConnectionId,
}

impl Past {
    async fn new() -> Self {
        let world = World::new().await;
        world.store.close().await;
        world.sql.close().await;
        let mut sql = PgConnection::connect(&world.db.url()).await.unwrap();
        sqlx::raw_sql(
            "select add_run_day((now() at time zone 'UTC')::date - n) from generate_series(2, 30) n;
             -- The vacuum's own reading counts like ours.
             do $$ declare t regclass; begin
                 for t in select oid from pg_class where relkind = 'r'
                          and relname ~ '^(runs|finished_runs|steps|attempts|signals)' loop
                     execute format('alter table %s set (autovacuum_enabled = false)', t);
                 end loop;
             end $$",
        )
        .execute(&mut sql)
        .await
        .unwrap();
        sql.close().await.unwrap();
        let one = PgPoolOptions::new().max_connections(1);
        Self {
            sql: one.connect(&world.db.url()).await.unwrap(),
            world,
            connection: ConnectionId::fresh(),
        }
    }

    /// A run of two weeks ago.
    async fn one(&self) -> RunId {
        let floor = RunId::floor(Utc::now() - TimeDelta::days(14));
        let mut sql = self.session().await;
        let one = "select id from finished_runs where tenant_id = $1 and id < $2
                   order by id desc limit 1";
        let id = sqlx::query_scalar(one)
            .bind(self.world.tenant.0)
            .bind(floor.0)
            .fetch_one(&mut sql)
            .await
            .unwrap();
        sql.close().await.unwrap();
        RunId(id)
    }

    async fn fill(&self, from: i64, to: i64) {
        let mut sql = self.session().await;
        sqlx::query("set synchronous_commit = off")
            .execute(&mut sql)
            .await
            .unwrap();
        let finished = "with past as (
                 insert into finished_runs
                     (tenant_id, id, workflow, version, state, priority, epoch, attempt,
                      cancel_requested, connection_id, wakes_parent, trigger, input, created_at,
                      finished_at)
                 select $1, (substr(id_floor(at)::text, 1, 24) || lpad(to_hex(n), 12, '0'))::uuid,
                        'noop', 1, case when n % 100 = 0 then 'failed' else 'succeeded' end, 0, 1,
                        0, false, case when n % 1000 = 0 then $4 end, false, 'test', '\\x31', at, at
                 from (select n, now() - n * interval '29 days' / $3 as at
                       from generate_series($2, $3) as n) as moments
                 returning tenant_id, id, created_at
             )
             insert into steps (tenant_id, run_id, seq, name, kind, attempt, started_at, finished_at)
             select tenant_id, id, 0, 'nothing', 'step', 1, created_at, created_at from past";
        sqlx::query(finished)
            .bind(self.world.tenant.0)
            .bind(from)
            .bind(to)
            .bind(self.connection.0)
            .execute(&mut sql)
            .await
            .unwrap();
        let backlog = "insert into runs
                 (tenant_id, id, workflow, version, state, asleep, priority, due_at, trigger, input,
                  created_at)
             select $1, (substr(id_floor(now())::text, 1, 24) || lpad(to_hex(n), 12, '0'))::uuid, 'twice', 1, 'queued', true, n % 3,
                    now() + interval '1 day' + make_interval(secs => n), 'test', '\\x31', now()
             from generate_series($2, least($3, 100000)) as n";
        sqlx::query(backlog)
            .bind(self.world.tenant.0)
            .bind(from)
            .bind(to)
            .execute(&mut sql)
            .await
            .unwrap();
        sqlx::query("analyze runs, finished_runs, steps")
            .execute(&mut sql)
            .await
            .unwrap();
        sql.close().await.unwrap();
    }

    /// What the sessions of a store of its own touch.
    async fn touched(&self, work: impl AsyncFnOnce(&Store)) -> Touched {
        self.only_session().await;
        let before = self.read().await;
        let store = self.world.db.store(Clock::system()).await.unwrap();
        work(&store).await;
        store.close().await;
        drop(store);
        self.only_session().await;
        let after = self.read().await;
        Touched {
            scanned: after.scanned - before.scanned,
            blocks: after.blocks - before.blocks,
        }
    }

    async fn read(&self) -> Touched {
        sqlx::query_as(TOUCHED).fetch_one(&self.sql).await.unwrap()
    }

    /// A session has counted everything when it has ended.
    async fn only_session(&self) {
        eventually("the sessions have ended", || async {
            let others = "select count(*) from pg_stat_activity
                 where datname = current_database() and pid <> pg_backend_pid()
                   and backend_type = 'client backend'";
            let others: i64 = sqlx::query_scalar(others)
                .fetch_one(&self.sql)
                .await
                .unwrap();
            others == 0
        })
        .await;
    }

    /// For reads and writes of our own: what `sql` does is counted later, as if the measured had done it.
    async fn session(&self) -> PgConnection {
        PgConnection::connect(&self.world.db.url()).await.unwrap()
    }

    /// Removes what work left dead, which is not what is measured; nobody else cleans up here.
    async fn clean(&self) {
        let mut sql = self.session().await;
        sqlx::raw_sql("vacuum (index_cleanup on) runs")
            .execute(&mut sql)
            .await
            .unwrap();
        sql.close().await.unwrap();
    }

    /// Works off runs with an engine of its own.
    async fn work(&self, store: &Store, count: u32) {
        let engine = engine::Engine::builder(store.clone())
            .register::<Twice>()
            .start();
        let inputs: Vec<u32> = (0..count).collect();
        let tenant = self.world.tenant;
        let ids = engine
            .start_many::<Twice>(tenant, &inputs, &StartOptions::default())
            .await
            .unwrap();
        for id in ids {
            let is_done = || async {
                let mut tx = store.begin(tenant).await.unwrap();
                let done = sqlx::query_scalar::<_, bool>(
                    "select not exists (select from runs where tenant_id = $1 and id = $2)",
                )
                .bind(tenant.0)
                .bind(id.id().0)
                .fetch_one(tx.conn())
                .await
                .unwrap();
                tx.commit().await.unwrap();
                done
            };
            eventually("the runs end", is_done).await;
        }
        engine.shutdown().await;
    }

    /// Blocks of one list.
    async fn list(&self, filter: RunFilter, after: Option<RunId>, expected: usize) -> Touched {
        self.touched(async |store| {
            let mut tx = store.begin(self.world.tenant).await.unwrap();
            let page = RunPage { after, limit: 50 };
            let rows = runs::list(&mut tx, &filter, page).await.unwrap();
            assert_eq!(rows.len(), expected, "{filter:?}");
            tx.commit().await.unwrap();
        })
        .await
    }
}

/// Plans that hold for all parameters, under the settings of the statement.
async fn plan(pool: &PgPool, types: &str, sql: &'static str, arguments: usize) -> String {
    let mut tx = pool.begin().await.unwrap();
    let prepare = format!(
        "set local role syncline_system; set local enable_seqscan = off;
         set local plan_cache_mode = force_generic_plan;
         prepare statement({types}) as {sql}"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(prepare))
        .execute(&mut *tx)
        .await
        .unwrap();
    let nulls = vec!["null"; arguments].join(", ");
    let explain = format!("explain execute statement({nulls})");
    let rows = sqlx::raw_sql(sqlx::AssertSqlSafe(explain))
        .fetch_all(&mut *tx)
        .await
        .unwrap();
    sqlx::raw_sql("deallocate statement")
        .execute(&mut *tx)
        .await
        .unwrap();
    let lines: Vec<String> = rows.iter().map(|row| sqlx::Row::get(row, 0)).collect();
    tx.rollback().await.unwrap();
    lines.join("\n")
}

async fn plans_go_by_index(pool: &PgPool) {
    let record = plan(
        pool,
        "uuid[], uuid[], bigint[], uuid[],
         uuid[], uuid[], bigint[], uuid[], text[], bytea[], jsonb[], text[], jsonb[], jsonb[],
         integer[], timestamptz,
         uuid[], uuid[], integer[], text[], text[], text[], integer[], bytea[], jsonb[],
         timestamptz[], timestamptz[],
         uuid[], boolean[]",
        include_str!("../../src/store/record.sql"),
        29,
    )
    .await;
    assert_eq!(
        record.matches("using runs_pkey on runs").count(),
        2,
        "{record}"
    );
    assert!(record.contains("hashed SubPlan"), "{record}");
    let histories = plan(
        pool,
        "uuid[], uuid[], uuid, uuid",
        include_str!("../../src/store/histories.sql"),
        4,
    )
    .await;
    assert!(histories.contains("Subplans Removed"), "{histories}");
    for plan in [record, histories] {
        assert!(!plan.contains("Seq Scan"), "{plan}");
    }
}

#[tokio::test]
async fn neither_work_nor_reading_costs_more_the_more_has_been_done() {
    const RUNS: u32 = 200;
    let past = Past::new().await;
    let tenant = past.world.tenant;
    let mut filled = 0;
    let mut first = None;
    for size in [10, 100_000, 1_000_000] {
        past.fill(filled + 1, size).await;
        filled = size;
        plans_go_by_index(&past.sql).await;
        let work = past
            .touched(async |store| past.work(store, RUNS).await)
            .await;
        let per_run = work.blocks / i64::from(RUNS);
        let least = *first.get_or_insert(per_run);
        assert!(
            per_run < 2 * least,
            "{size}: {per_run} blocks a run, {least}"
        );
        past.clean().await;
        let id = past.one().await;
        let one = past
            .touched(async |store| {
                let mut tx = store.begin(tenant).await.unwrap();
                runs::get(&mut tx, id).await.unwrap();
                assert_eq!(steps::of_run(&mut tx, id).await.unwrap().len(), 1);
                assert!(attempts::of_run(&mut tx, id).await.unwrap().is_empty());
                tx.commit().await.unwrap();
            })
            .await;
        assert!(one.blocks < 40, "{size}: {one:?}");
        let state = |state| RunFilter {
            states: vec![state],
            ..RunFilter::default()
        };
        let mut scanned = vec![
            ("work".to_owned(), work.scanned),
            ("one".to_owned(), one.scanned),
        ];
        for (filter, after, expected) in [
            (RunFilter::default(), None, 50),
            (RunFilter::default(), Some(id), 50),
            (state(RunState::Failed), None, 50),
            (state(RunState::Parked), None, 0),
            (
                RunFilter {
                    connection_id: Some(past.connection),
                    ..RunFilter::default()
                },
                None,
                50,
            ),
            (
                RunFilter {
                    created_before: Some(Utc::now() - TimeDelta::days(7)),
                    ..RunFilter::default()
                },
                None,
                50,
            ),
            (
                RunFilter {
                    parent_id: Some(id),
                    ..RunFilter::default()
                },
                None,
                0,
            ),
        ] {
            if size < 100_000 {
                continue;
            }
            let what = format!("{size}: {filter:?}");
            let list = past.list(filter, after, expected).await;
            assert!(list.blocks < 500, "{what}: {list:?}");
            scanned.push((what, list.scanned));
        }
        // The few runs that are open may be read from end to end; a day's finished ones not.
        let is_flat = size < 100_000 || scanned.iter().all(|(_, rows)| *rows < 1_000);
        assert!(is_flat, "{size}: rows were scanned: {scanned:?}");
    }
}
