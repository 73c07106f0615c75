//! A workflow of one's own, outside the hub: an order is paid, rests, waits to be packed, is shipped.
//!
//! `cargo run -p order -- URL` on an empty database. Kill it anywhere and start it again: it goes on,
//! and nobody pays twice.

use std::time::Duration;
use std::{env, error::Error, io};

use engine::ids::TenantId;
use engine::store::runs::{Dedupe, DedupeMode, DedupeUntil, StartOptions};
use engine::store::tenants;
use engine::{Clock, Engine, Run, RunError, Step, StepCx, StepError, Store, StoreError, Workflow};

/// Calls the bank. A crash may make it call again, so it names the same key each time.
struct Pay(u32);

impl Step for Pay {
    const NAME: &'static str = "pay";
    type Output = String;

    async fn run(&self, cx: &StepCx) -> Result<String, StepError> {
        Ok(format!("{} paid under {}", self.0, cx.idempotency_key()))
    }
}

struct Order;

impl Workflow for Order {
    const NAME: &'static str = "order";
    type Input = u32;
    type Output = String;

    async fn run(cx: &mut Run, number: u32) -> Result<String, RunError> {
        let receipt = cx.step(Pay(number)).await?;
        let a_moment = Duration::from_millis(50);
        cx.sleep("to think twice", a_moment).await?;
        let a_day = Duration::from_secs(86_400);
        let shelf: Option<u32> = cx.signal("packed", Some(a_day.into())).await?;
        Ok(format!("order {receipt}, packed on shelf {shelf:?}"))
    }
}

/// Takes an order, has it packed, and returns what became of it. Asking twice makes one run.
async fn take(url: &str, tenant: TenantId, number: u32) -> Result<String, Box<dyn Error>> {
    let store = Store::connect(url, &Default::default(), Clock::system()).await?;
    store.migrate().await?;
    tenants::ensure(&store, tenant, "shop").await?;
    let engine = Engine::builder(store).register::<Order>().start();
    let mut options = StartOptions::default();
    let (key, mode) = (format!("order/{number}"), DedupeMode::Existing);
    let until = DedupeUntil::Elapsed(Duration::from_secs(3600));
    options.dedupe = Some(Dedupe { key, until, mode });
    let run = engine.start::<Order>(tenant, &number, options).await?.id();
    match engine
        .signal(tenant, run, "packed", &12, Some("first"))
        .await
    {
        // One that is on its way takes no signals any more.
        Ok(_) | Err(StoreError::Conflict(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let shipped = engine.outcome::<Order>(tenant, run).await?;
    engine.shutdown().await;
    Ok(shipped)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = env::args().nth(1).ok_or("which database?")?;
    let shop = "tnt_00000000000000000000000000000001".parse()?;
    let shipped = take(&url, shop, 7).await?;
    Ok(io::Write::write_all(&mut io::stdout(), shipped.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_order_is_shipped_once_however_often_it_is_taken() {
        let db = testdb::TestDb::new().await.unwrap();
        let tenant = TenantId::fresh();
        let shipped = take(&db.url(), tenant, 7).await.unwrap();
        assert!(shipped.starts_with("order 7 paid under run_"), "{shipped}");
        assert!(shipped.ends_with("packed on shelf Some(12)"), "{shipped}");
        assert_eq!(take(&db.url(), tenant, 7).await.unwrap(), shipped);
        assert_ne!(take(&db.url(), tenant, 8).await.unwrap(), shipped);
    }
}
