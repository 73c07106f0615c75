use std::collections::BTreeMap;

use anyhow::Result;
use chrono::{DateTime, Utc};
use connector_sdk::Value;
use domain::past;
use engine::entity::Entity;
use engine::ids::{EntityId, RunId};
use engine::provenance::Origin;
use engine::sync::remove::{self, Removing};
use engine::sync::undo::{self, Place, Undoing};

use super::world::{World, deleted, later, record, stored, stored_as};

const SEEDS: u64 = 20;
const STEPS: usize = 25;
const KEYS: [&str; 2] = ["1", "2"];
const HOW: [Removing; 2] = [Removing::Archive, Removing::Unlink];

/// Random numbers that a seed decides (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize;
        high % sides
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len())]
    }
}

/// What an entity was when somebody looked.
#[derive(Clone, Debug)]
struct Recorded {
    at: DateTime<Utc>,
    entity: Entity,
}

fn now() -> DateTime<Utc> {
    engine::Clock::system().now()
}

fn origins(entity: &Entity) -> BTreeMap<String, Origin> {
    let fields = entity.provenance.fields();
    let pairs = fields.filter_map(|field| Some((field, entity.provenance.of(field)?)));
    pairs
        .map(|(field, origin)| (field.to_owned(), origin.clone()))
        .collect()
}

fn value(dice: &mut Dice) -> Value {
    match dice.roll(5) {
        0 => Value::Null,
        other => format!("555000{other}").as_str().into(),
    }
}

/// One thing that happens; what can be undone later is noted.
async fn step(world: &World, dice: &mut Dice, undoable: &mut Vec<Undoing>) -> Result<()> {
    let key = dice.pick(&KEYS);
    let from = now();
    let run = RunId::fresh();
    match dice.roll(12) {
        0..=2 => {
            let fields = [
                ("Name", dice.pick(&["One", "Two"]).into()),
                ("Phone", value(dice)),
                ("Industry", dice.pick(&["Rail", "Air"]).into()),
                ("BillingCity", dice.pick(&["Bern", "Lyon"]).into()),
            ];
            let by = from - chrono::DateTime::UNIX_EPOCH;
            let change = later(by, record(key, &fields));
            world.pull_as(run, world.connection, vec![change]).await?;
        }
        3 => {
            world
                .pull_as(run, world.connection, vec![deleted(key)])
                .await?;
        }
        4..=6 => {
            let Ok(account) = world.account(key).await else {
                return Ok(());
            };
            let phone = value(dice);
            // Of one that was removed there is nothing to edit.
            let edited = world.try_edit(&account, &[("phone", phone)]).await;
            assert_eq!(edited.is_err(), account.removed_at.is_some());
            return Ok(());
        }
        7 => {
            let batch = world.claim().await?;
            let outcomes = batch.outgoing.into_iter().map(|outgoing| {
                let key = match &outgoing.write.op {
                    connector_sdk::WriteOp::Update { key, .. }
                    | connector_sdk::WriteOp::Delete { key } => key.clone(),
                    connector_sdk::WriteOp::Create { .. } => outgoing.id.to_string(),
                };
                let outcome = if dice.roll(2) == 0 {
                    stored(&outgoing, &key)
                } else {
                    stored_as(&outgoing, &key, &[("Phone", "+1 555".into())])
                };
                (outgoing, outcome)
            });
            let outcomes = outcomes.collect();
            world.settle(outcomes).await?;
            return Ok(());
        }
        8 | 9 => {
            let Ok(account) = world.account(key).await else {
                return Ok(());
            };
            let what = ("account", account.id);
            let (tables, version, user) = (&world.tables, account.version, world.user);
            let mut tx = world.begin().await?;
            let done = match account.removed_at {
                Some(_) => remove::restore(&mut tx, tables, what, version, user).await,
                None => remove::remove(&mut tx, tables, what, version, dice.pick(&HOW), user).await,
            };
            done?;
            tx.commit().await?;
            return Ok(());
        }
        _ => {
            let Some(undoing) = undoable.pop() else {
                return Ok(());
            };
            let mut place = Some(Place::default());
            while let Some(from) = place {
                let mut tx = world.begin().await?;
                let by = (run, world.user);
                let done = undo::apply(&mut tx, &world.tables, &undoing, &from, 50, by).await?;
                tx.commit().await?;
                place = done.next;
            }
        }
    }
    undoable.push(Undoing {
        run,
        source: Some((world.connection, "Account".to_owned())),
        from,
        to: now(),
    });
    Ok(())
}

async fn everything(world: &World) -> Result<Vec<Entity>> {
    let ids: Vec<sqlx::types::Uuid> =
        sqlx::query_scalar("select id from accounts where tenant_id = $1")
            .bind(world.tenant.0)
            .fetch_all(&world.db.pool().await?)
            .await?;
    let ids: Vec<EntityId> = ids.into_iter().map(EntityId).collect();
    let mut tx = world.begin().await?;
    Ok(world.tables.kind("account")?.load(&mut tx, &ids).await?)
}

#[tokio::test]
async fn whatever_happened_every_past_moment_is_told_as_it_was() -> Result<()> {
    let world = World::new().await?;
    for seed in 1..=SEEDS {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let (mut recorded, mut undoable): (Vec<Recorded>, _) = (Vec::new(), Vec::new());
        for _ in 0..STEPS {
            step(&world, &mut dice, &mut undoable).await?;
            let at = now();
            let seen = everything(&world).await?.into_iter();
            recorded.extend(seen.map(|entity| Recorded { at, entity }));
        }
        assert!(
            recorded.len() > STEPS / 2,
            "seed {seed}: too little happened"
        );
        for Recorded { at, entity } in recorded {
            let mut tx = world.begin().await?;
            let was = past::was(&mut tx, &world.tables, "account", entity.id, at).await?;
            let when = format!("seed {seed}, {at}");
            assert_eq!(was.past.values, entity.values, "{when}");
            assert_eq!(was.past.origins, origins(&entity), "{when}");
            assert_eq!(was.removed_at, entity.removed_at, "{when}");
        }
    }
    Ok(())
}
