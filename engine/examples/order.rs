//! A workflow of one's own, outside the hub: an order is paid, waits to be packed, is shipped.
//!
//! `cargo run -p engine --example order -- URL` on an empty database. Kill it anywhere and start it
//! again: it goes on, and nobody pays twice.

use std::error::Error;
use std::io::Write as _;
use std::time::Duration;

use engine::clock::Deadline;
use engine::ids::TenantId;
use engine::store::runs::{self, Dedupe, DedupeMode, DedupeUntil, StartOptions};
use engine::{
    Clock, Engine, Run, RunError, Step, StepCx, StepError, Store, StoreError, StoreOptions,
    Workflow,
};

/// Calls the bank. A crash may make it call again, so it names the same key each time.
struct Pay(u32);

impl Step for Pay {
    const NAME: &'static str = "pay";
    type Output = String;

    async fn run(&self, cx: &StepCx) -> Result<String, StepError> {
        Ok(format!(
            "order {} paid under {}",
            self.0,
            cx.idempotency_key()
        ))
    }
}

struct Order;

impl Workflow for Order {
    const NAME: &'static str = "order";
    type Input = u32;
    type Output = String;

    async fn run(cx: &mut Run, number: u32) -> Result<String, RunError> {
        let receipt = cx.step(Pay(number)).await?;
        let a_day = Deadline::After(Duration::from_secs(86_400));
        let shelf: Option<String> = cx.signal("packed", Some(a_day)).await?;
        Ok(match shelf {
            Some(shelf) => format!("{receipt}, shipped from {shelf}"),
            None => format!("{receipt}, refunded: nobody packed it"),
        })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("which database?")?;
    let store = Store::connect(&url, &StoreOptions::default(), Clock::system()).await?;
    store.migrate().await?;
    let tenant: TenantId = TenantId(sqlx::types::Uuid::from_u128(1));
    let mut tx = store.begin_system().await?;
    let shop = "insert into tenants (tenant_id, name, created_at) values ($1, 'shop', now()) \
                on conflict do nothing";
    sqlx::query(shop).bind(tenant.0).execute(tx.conn()).await?;
    tx.commit().await?;

    let engine = Engine::builder(store.clone()).register::<Order>().start();
    // Asking twice for the same order makes one run.
    let once = Dedupe {
        key: "order/7".to_owned(),
        until: DedupeUntil::Elapsed(Duration::from_secs(3_600)),
        mode: DedupeMode::Existing,
    };
    let options = StartOptions {
        dedupe: Some(once),
        ..StartOptions::default()
    };
    let run = engine.start::<Order>(tenant, &7, options).await?.id();
    let packed = engine.signal(tenant, run, "packed", &"shelf 12", Some("first"));
    match packed.await {
        // An order that is on its way takes no signals any more.
        Ok(_) | Err(StoreError::Conflict(_)) => {}
        Err(error) => return Err(error.into()),
    }
    loop {
        let mut tx = store.begin(tenant).await?;
        if let Some(output) = runs::get(&mut tx, run).await?.output {
            writeln!(std::io::stdout(), "{}", String::from_utf8_lossy(&output))?;
            break;
        }
        drop(tx);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    engine.shutdown().await;
    Ok(())
}
