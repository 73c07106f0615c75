//! The ceiling: what a hand-written worker reaches that does nothing but the work at hand. No
//! retries, no timers, no fairness, no fences, no API.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;

use super::figures::Latency;

/// Claims at the same moment.
const CLAIMERS: usize = 4;
/// Jobs of one claim.
const BATCH: i64 = 500;
/// Group commits at the same moment.
const LANES: usize = 2;

const SCHEMA: &str = "
    create table job (
        id bigint generated always as identity primary key,
        due_at timestamptz not null default now(),
        state smallint not null default 0,
        input bytea not null
    ) with (fillfactor = 70);
    create index job_ready on job (due_at, id) where state = 0;
    create table done (
        id bigint primary key, due_at timestamptz not null, input bytea not null,
        done_at timestamptz not null
    );
    create table journal (
        job_id bigint not null, seq integer not null, output bytea not null,
        primary key (job_id, seq)
    );
";

const CLAIM: &str = "
    update job set state = 1
    where ctid = any(array(
        select ctid from job where state = 0 and due_at <= now()
        order by due_at, id limit $1 for update skip locked))
    returning id, input";

/// What becomes of a job that is done.
#[derive(Clone, Copy)]
pub(super) enum Done {
    /// It is deleted.
    Gone,
    /// It is moved to a table of its own, as people want to see later what was done.
    Kept,
}

impl Done {
    const fn statement(self) -> &'static str {
        match self {
            Self::Gone => "delete from job where id = any($1)",
            Self::Kept => {
                "with gone as (delete from job where id = any($1) returning id, due_at, input)
                 insert into done (id, due_at, input, done_at)
                 select id, due_at, input, now() from gone"
            }
        }
    }
}

pub(super) struct Ceiling {
    pool: PgPool,
}

impl Ceiling {
    /// On an empty database.
    pub(super) async fn new(pool: PgPool) -> Result<Self> {
        sqlx::raw_sql(SCHEMA).execute(&pool).await?;
        Ok(Self { pool })
    }

    pub(super) async fn fill(&self, jobs: usize) -> Result<()> {
        sqlx::query("insert into job (input) select '0'::bytea from generate_series(1, $1)")
            .bind(i64::try_from(jobs)?)
            .execute(&self.pool)
            .await?;
        // As the engine's side is: neither vacuumed nor written out by somebody else meanwhile.
        for sql in ["vacuum analyze job", "checkpoint"] {
            sqlx::raw_sql(sql).execute(&self.pool).await?;
        }
        Ok(())
    }

    /// Works off what [`Self::fill`] made; jobs a second.
    pub(super) async fn drain(&self, jobs: usize, done: Done) -> Result<f64> {
        let begun = Instant::now();
        let mut claimers = JoinSet::new();
        for _ in 0..CLAIMERS {
            let pool = self.pool.clone();
            claimers.spawn(async move {
                loop {
                    let claimed: Vec<(i64, Vec<u8>)> =
                        relaxed(&pool, sqlx::query_as(CLAIM).bind(BATCH)).await?;
                    if claimed.is_empty() {
                        return anyhow::Ok(());
                    }
                    let mut ids = Vec::with_capacity(claimed.len());
                    for (id, input) in claimed {
                        std::hint::black_box(serde_json::from_slice::<u32>(&input)?);
                        ids.push(id);
                    }
                    sqlx::query(done.statement())
                        .bind(&ids)
                        .execute(&pool)
                        .await?;
                }
            });
        }
        while let Some(ended) = claimers.join_next().await {
            ended??;
        }
        Ok(jobs as f64 / begun.elapsed().as_secs_f64())
    }

    /// Runs of five steps, each durable before the next begins; steps a second.
    pub(super) async fn steps(&self, runs: usize, at_once: usize) -> Result<f64> {
        let pool = self.pool.clone();
        let journal = Arc::new(Group::new(move |rows: Vec<(i64, i32, bool)>| {
            let pool = pool.clone();
            async move { write_journal(&pool, &rows).await }
        }));
        let begun = Instant::now();
        let slots = Arc::new(Semaphore::new(at_once));
        let done = Arc::new(AtomicUsize::new(0));
        let mut under_way = JoinSet::new();
        let mut claimed = VecDeque::new();
        loop {
            if claimed.is_empty() {
                let more: Vec<(i64, Vec<u8>)> =
                    relaxed(&self.pool, sqlx::query_as(CLAIM).bind(BATCH)).await?;
                if more.is_empty() {
                    break;
                }
                claimed.extend(more);
            }
            while let Some((id, input)) = claimed.pop_front() {
                let slot = Arc::clone(&slots).acquire_owned().await?;
                let (journal, done) = (Arc::clone(&journal), Arc::clone(&done));
                under_way.spawn(async move {
                    std::hint::black_box(serde_json::from_slice::<u32>(&input)?);
                    for seq in 0..5 {
                        journal.put((id, seq, seq == 4)).await?;
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                    drop(slot);
                    anyhow::Ok(())
                });
            }
        }
        while let Some(ended) = under_way.join_next().await {
            ended??;
        }
        anyhow::ensure!(done.load(Ordering::Relaxed) == runs, "runs were lost");
        Ok(5.0 * runs as f64 / begun.elapsed().as_secs_f64())
    }

    /// `callers` who each wait for the one before to be durable; jobs a second.
    pub(super) async fn enqueue(&self, jobs: usize, callers: usize) -> Result<f64> {
        let pool = self.pool.clone();
        let group = Arc::new(Group::new(move |inputs: Vec<Vec<u8>>| {
            let pool = pool.clone();
            async move {
                sqlx::query("insert into job (input) select unnest($1::bytea[])")
                    .bind(&inputs)
                    .execute(&pool)
                    .await?;
                Ok(())
            }
        }));
        let begun = Instant::now();
        let mut under_way = JoinSet::new();
        for _ in 0..callers {
            let group = Arc::clone(&group);
            under_way.spawn(async move {
                for number in 0..jobs / callers {
                    group.put(number.to_string().into_bytes()).await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(ended) = under_way.join_next().await {
            ended??;
        }
        Ok(jobs as f64 / begun.elapsed().as_secs_f64())
    }

    /// From the call that enqueues until the work begins, one job at a time.
    pub(super) async fn latency(&self, jobs: usize) -> Result<Latency> {
        let mut rings = PgListener::connect_with(&self.pool).await?;
        rings.listen("job").await?;
        let (started, mut starts) = mpsc::channel(1);
        let pool = self.pool.clone();
        let worker = tokio::spawn(async move {
            loop {
                rings.recv().await?;
                let claimed: Vec<(i64, Vec<u8>)> =
                    relaxed(&pool, sqlx::query_as(CLAIM).bind(BATCH)).await?;
                for _ in &claimed {
                    if started.send(Instant::now()).await.is_err() {
                        return anyhow::Ok(());
                    }
                }
                let done: Vec<i64> = claimed.into_iter().map(|(id, _)| id).collect();
                sqlx::query(Done::Gone.statement())
                    .bind(&done)
                    .execute(&pool)
                    .await?;
            }
        });
        let mut taken = Vec::with_capacity(jobs);
        for _ in 0..jobs {
            let begun = Instant::now();
            let mut tx = self.pool.begin().await?;
            sqlx::query("insert into job (input) values ('0')")
                .execute(&mut *tx)
                .await?;
            sqlx::query("notify job").execute(&mut *tx).await?;
            tx.commit().await?;
            let at = starts
                .recv()
                .await
                .ok_or_else(|| anyhow::anyhow!("no worker"))?;
            taken.push(at - begun);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        worker.abort();
        Ok(Latency::of(taken))
    }
}

/// A claim that is lost is only made again: no wait for the disk.
async fn relaxed<T>(
    pool: &PgPool,
    query: sqlx::query::QueryAs<'_, sqlx::Postgres, T, sqlx::postgres::PgArguments>,
) -> Result<Vec<T>>
where
    T: for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow> + Send + Unpin,
{
    let mut tx = pool
        .begin_with("begin; set local synchronous_commit = off")
        .await?;
    let rows = query.fetch_all(&mut *tx).await?;
    tx.commit().await?;
    Ok(rows)
}

async fn write_journal(pool: &PgPool, rows: &[(i64, i32, bool)]) -> Result<()> {
    let ids: Vec<i64> = rows.iter().map(|row| row.0).collect();
    let seqs: Vec<i32> = rows.iter().map(|row| row.1).collect();
    let ended: Vec<i64> = rows.iter().filter(|row| row.2).map(|row| row.0).collect();
    sqlx::query(
        "with ended as (delete from job where id = any($3))
         insert into journal (job_id, seq, output) select *, '1'::bytea from unnest($1::bigint[], $2::int[])",
    )
    .bind(&ids)
    .bind(&seqs)
    .bind(&ended)
    .execute(pool)
    .await?;
    Ok(())
}

/// Callers who arrive while one write is in flight share the next.
struct Group<T> {
    to: mpsc::UnboundedSender<(T, oneshot::Sender<()>)>,
}

impl<T: Send + 'static> Group<T> {
    fn new<F>(write: impl Fn(Vec<T>) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let (to, mut items) = mpsc::unbounded_channel::<(T, oneshot::Sender<()>)>();
        let lanes = Arc::new(Semaphore::new(LANES));
        tokio::spawn(async move {
            loop {
                let Ok(lane) = Arc::clone(&lanes).acquire_owned().await else {
                    return;
                };
                let mut waiting = Vec::new();
                if items.recv_many(&mut waiting, 1_000).await == 0 {
                    return;
                }
                let (batch, told): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
                let writing = write(batch);
                tokio::spawn(async move {
                    // Whoever waits hears of a failure by the dropped sender.
                    if writing.await.is_ok() {
                        for caller in told {
                            caller.send(()).ok();
                        }
                    }
                    drop(lane);
                });
            }
        });
        Self { to }
    }

    async fn put(&self, item: T) -> Result<()> {
        let (told, written) = oneshot::channel();
        self.to.send((item, told)).ok();
        Ok(written.await?)
    }
}
