//! How fast runs go: no-op runs of one tenant and of 200 of which one has half, and runs of five steps
//! that are durable one by one.
//!
//! `cargo run --release -p engine --example steps -- URL [RUNS] [AT_ONCE]`; the database must exist
//! and be empty, it is migrated.

use std::error::Error;
use std::io::Write;
use std::time::{Duration, Instant};

use engine::ids::TenantId;
use engine::store::runs::{self, NewRun, StartOptions};
use engine::{
    Clock, Engine, Run, RunError, Step, StepCx, StepError, Store, StoreOptions, Tx, TxStep,
    Workflow,
};

struct Noop;

impl Workflow for Noop {
    const NAME: &'static str = "noop";
    type Input = u32;
    type Output = ();

    async fn run(_cx: &mut Run, _number: u32) -> Result<(), RunError> {
        Ok(())
    }
}

struct Next(u64);

impl Step for Next {
    const NAME: &'static str = "next";
    type Output = u64;

    async fn run(&self, _cx: &StepCx) -> Result<u64, StepError> {
        Ok(self.0 + 1)
    }
}

struct FiveSteps;

impl Workflow for FiveSteps {
    const NAME: &'static str = "five_steps";
    type Input = u32;
    type Output = u64;

    async fn run(cx: &mut Run, number: u32) -> Result<u64, RunError> {
        let mut value = u64::from(number);
        for _ in 0..5 {
            value = cx.step(Next(value)).await?;
        }
        Ok(value)
    }
}

struct NextTx(u64);

impl TxStep for NextTx {
    const NAME: &'static str = "next_tx";
    type Output = u64;

    async fn run(&self, _cx: &StepCx, _tx: &mut Tx) -> Result<u64, StepError> {
        Ok(self.0 + 1)
    }
}

struct FiveTx;

impl Workflow for FiveTx {
    const NAME: &'static str = "five_tx";
    type Input = u32;
    type Output = u64;

    async fn run(cx: &mut Run, number: u32) -> Result<u64, RunError> {
        let mut value = u64::from(number);
        for _ in 0..5 {
            value = cx.tx(NextTx(value)).await?;
        }
        Ok(value)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments
        .next()
        .ok_or("the first argument is the URL of an empty database")?;
    let runs: u32 = arguments.next().map_or(Ok(20_000), |text| text.parse())?;
    let at_once: usize = arguments.next().map_or(Ok(50), |text| text.parse())?;
    let store = Store::connect(&url, &StoreOptions::default(), Clock::system()).await?;
    store.migrate().await?;
    let tenants = make_tenants(&store, 200).await?;
    let tenant = &tenants[..1];
    let noop = drain::<Noop>(&store, tenant, runs, at_once).await?;
    tell(&format!("no-op runs, {at_once} at once: {noop:.0} runs/s"))?;
    let shared = drain::<Noop>(&store, &tenants, runs, at_once).await?;
    tell(&format!(
        "the same of 200 tenants, one of them with half: {shared:.0} runs/s"
    ))?;
    let steps = drain::<FiveSteps>(&store, tenant, runs / 2, at_once).await? * 5.0;
    tell(&format!(
        "five-step runs, {at_once} at once: {steps:.0} durable steps/s"
    ))?;
    let tx_steps = drain::<FiveTx>(&store, tenant, runs / 10, at_once).await? * 5.0;
    tell(&format!(
        "five-transaction runs, {at_once} at once: {tx_steps:.0} steps/s"
    ))?;
    Ok(())
}

async fn make_tenants(store: &Store, count: usize) -> Result<Vec<TenantId>, Box<dyn Error>> {
    let tenants: Vec<_> = (0..count).map(|_| TenantId::fresh()).collect();
    let mut tx = store.begin_system().await?;
    for tenant in &tenants {
        sqlx::query(
            "insert into tenants (tenant_id, name, created_at) values ($1, 'bench', now())",
        )
        .bind(tenant.0)
        .execute(tx.conn())
        .await?;
    }
    tx.commit().await?;
    Ok(tenants)
}

/// Works off runs that were queued before, half of them the first tenant's; returns runs a second.
async fn drain<W: Workflow<Input = u32>>(
    store: &Store,
    tenants: &[TenantId],
    count: u32,
    at_once: usize,
) -> Result<f64, Box<dyn Error>> {
    let others = u32::try_from(tenants.len() - 1)?;
    for (number, &tenant) in tenants.iter().enumerate() {
        let its = match (number, others) {
            (_, 0) => count,
            (0, _) => count / 2,
            _ => count / 2 / others,
        };
        let inputs: Vec<u32> = (0..its).collect();
        for part in inputs.chunks(5_000) {
            let new = part
                .iter()
                .map(|input| NewRun::of::<W>(input, StartOptions::default()))
                .collect::<Result<Vec<_>, _>>()?;
            let mut tx = store.begin(tenant).await?;
            runs::start_many(&mut tx, &new).await?;
            tx.commit().await?;
        }
    }
    let engine = Engine::builder(store.clone())
        .concurrency(at_once)
        .register::<W>()
        .start();
    while !engine.is_running() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let begun = Instant::now();
    loop {
        let mut tx = store.begin_system().await?;
        let open: bool = sqlx::query_scalar(
            "select exists (select from runs where state = 'queued' and not behind)
                    or exists (select from runs where state = 'running')",
        )
        .fetch_one(tx.conn())
        .await?;
        tx.commit().await?;
        if !open {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let rate = f64::from(count) / begun.elapsed().as_secs_f64();
    engine.shutdown().await;
    Ok(rate)
}

fn tell(line: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{line}")
}
