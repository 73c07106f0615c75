//! The model against Postgres: the same calls of `store` on both, in an order that chance decides,
//! with the same ids and at the same time. What they answer and what the tables hold afterwards must
//! be the same.

mod calls;
mod dump;
mod locks;
mod play;

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{Connection as _, PgConnection, PgPool};
use testdb::TestDb;

use self::calls::{Call, Learned};
use super::clock;
use super::model::{Client, Key, LaneRec, Row, Server, Session};
use super::rng::Rng;
use super::tests::asked;
use crate::clock::Clock;
use crate::ids::{ConnectionId, ProcessId, RunId, ScheduleId, TenantId};
use crate::runtime::cron::Timing;
use crate::store::activations::Lease;
use crate::store::schedules::{self, CatchUp, Overlap, ScheduleSpec};
use crate::store::{Store, StoreOptions};

/// Games of an ordinary test run.
const GAMES: u64 = 4;
/// Calls of one game.
const CALLS: usize = 220;
const PROCESSES: usize = 3;

/// A process that both sides know.
struct Member {
    id: ProcessId,
    lock_key: i64,
    /// While these are there it lives.
    sessions: Option<(Session, PgConnection)>,
}

/// Both sides, and what the game knows of them.
struct Game {
    db: TestDb,
    sql: PgPool,
    model: Store,
    postgres: Store,
    server: Server,
    clock: Clock,
    rng: Rng,
    tenants: Vec<TenantId>,
    connection: ConnectionId,
    members: Vec<Member>,
    runs: Vec<RunId>,
    /// Leases that stood once.
    leases: Vec<Lease>,
    schedules: Vec<ScheduleId>,
    call: u64,
}

impl Game {
    async fn new(seed: u64) -> Self {
        let db = TestDb::new().await.unwrap();
        let at = DateTime::<Utc>::from_timestamp(1_800_000_000, 0).unwrap();
        let clock = Clock::manual(at);
        let options = StoreOptions::default();
        let postgres = Store::connect(&db.url(), &options, clock.clone())
            .await
            .unwrap();
        let server = Server::new(Rng::new(seed), at);
        let client = Client {
            server: server.clone(),
            process: 0,
        };
        let mut game = Self {
            sql: PgPool::connect(&db.url()).await.unwrap(),
            db,
            model: Store::simulated(client, clock.clone()),
            postgres,
            server,
            clock,
            rng: Rng::new(seed),
            tenants: (0..2).map(|_| TenantId::fresh()).collect(),
            connection: ConnectionId::fresh(),
            members: Vec::new(),
            runs: Vec::new(),
            leases: Vec::new(),
            schedules: Vec::new(),
            call: 0,
        };
        for tenant in &game.tenants {
            sqlx::query("insert into tenants (tenant_id, name, created_at) values ($1, '', now())")
                .bind(tenant.0)
                .execute(&game.sql)
                .await
                .unwrap();
        }
        for _ in 0..PROCESSES {
            game.add_process().await;
        }
        game.add_schedule().await;
        game
    }

    async fn add_process(&mut self) {
        let id = ProcessId::fresh();
        let lock_key = id.0.as_u64_pair().1.cast_signed();
        let mut connection = PgConnection::connect(&self.db.url()).await.unwrap();
        sqlx::query("select pg_advisory_lock($1)")
            .bind(lock_key)
            .execute(&mut connection)
            .await
            .unwrap();
        let client = self.model.model().unwrap();
        let session = client.session(lock_key).await.unwrap();
        self.members.push(Member {
            id,
            lock_key,
            sessions: Some((session, connection)),
        });
        let index = self.members.len() - 1;
        self.both(&Call::Register(index)).await;
    }

    async fn add_schedule(&mut self) {
        let overlap = *self
            .rng
            .choose(&[Overlap::Queue, Overlap::Skip, Overlap::CancelPrevious]);
        let spec = ScheduleSpec {
            name: "often".to_owned(),
            workflow: "chain".to_owned(),
            workflow_version: 1,
            input: serde_json::json!({}),
            key: None,
            connection_id: None,
            stream: None,
            timing: Timing::new("* * * * *", "UTC"),
            catch_up: if overlap == Overlap::Queue {
                CatchUp::All
            } else {
                CatchUp::One
            },
            overlap,
            catch_up_limit: 3,
            pause: None,
        };
        let tenant = self.tenants[0];
        let mut tx = self.postgres.begin(tenant).await.unwrap();
        let id = schedules::insert(&mut tx, &spec).await.unwrap();
        let schedule = schedules::get(&mut tx, id).await.unwrap();
        tx.commit().await.unwrap();
        let row = Row::Schedule(tenant, Box::new(schedule));
        self.server.state().db.put(Key::Schedule(id), row);
        self.schedules.push(id);
    }

    /// Sets or removes a lane on both sides.
    async fn set_lane(&mut self) {
        let nobody = TenantId(uuid::Uuid::nil());
        let now = self.clock.now();
        let (tenant, kind, name) = match self.rng.below(5) {
            0 => (*self.rng.choose(&self.tenants), "tenant", String::new()),
            1 => (
                *self.rng.choose(&self.tenants),
                "workflow",
                "chain".to_owned(),
            ),
            2 => (nobody, "workflow", "nap".to_owned()),
            3 => (*self.rng.choose(&self.tenants), "key", "left".to_owned()),
            _ => (self.tenants[0], "connection", self.connection.0.to_string()),
        };
        let lane = LaneRec {
            max_running: (kind != "connection" && self.rng.percent(60))
                .then(|| 1 + self.rng.below(3) as i32),
            weight: (kind == "tenant" && self.rng.percent(30)).then_some(2.5),
            closed_until: self
                .rng
                .percent(30)
                .then(|| now + Duration::from_secs(self.rng.below(20))),
            closed_reason: None,
            paused_at: self.rng.percent(15).then_some(now),
        };
        sqlx::query("delete from lanes where tenant_id = $1 and kind = $2 and name = $3")
            .bind(tenant.0)
            .bind(kind)
            .bind(&name)
            .execute(&self.sql)
            .await
            .unwrap();
        let key = Key::Lane(tenant, kind.to_owned(), name.clone());
        self.server.state().db.take(&key);
        if lane.says_nothing() {
            return;
        }
        sqlx::query(
            "insert into lanes (tenant_id, kind, name, max_running, weight, closed_until, paused_at)
             values ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(tenant.0)
        .bind(kind)
        .bind(&name)
        .bind(lane.max_running)
        .bind(lane.weight)
        .bind(lane.closed_until)
        .bind(lane.paused_at)
        .execute(&self.sql)
        .await
        .unwrap();
        self.server.state().db.put(key, Row::Lane(lane));
    }

    /// Ends everything that is open, on both sides, and forgets the newest process.
    async fn retire(&mut self) {
        for table in [
            "runs",
            "finished_runs",
            "steps",
            "attempts",
            "signals",
            "run_dedupe",
            "cancelled_parents",
        ] {
            let delete = format!("delete from {table}");
            sqlx::query(sqlx::AssertSqlSafe(delete))
                .execute(&self.sql)
                .await
                .unwrap();
        }
        self.server.state().db.retire();
        for member in self.members.split_off(PROCESSES) {
            self.server.state().db.take(&Key::Process(member.id));
            sqlx::query("delete from processes where id = $1")
                .bind(member.id.0)
                .execute(&self.sql)
                .await
                .unwrap();
            if let Some((session, connection)) = member.sessions {
                drop(session);
                connection.close().await.unwrap();
            }
        }
        self.leases.clear();
        self.runs.clear();
    }

    /// Makes a call on both sides and compares all there is.
    async fn both(&mut self, call: &Call) {
        self.call += 1;
        let mut answers = Vec::new();
        let mut learned = Learned::default();
        for store in [&self.model, &self.postgres] {
            // Both make the same ids.
            clock::make_ids(Some(Rng::new(self.call)), None);
            learned = Learned::default();
            let answer = play::play(self, store, call, &mut learned).await;
            clock::make_ids(None, None);
            answers.push(answer);
        }
        assert_eq!(answers[0], answers[1], "call {}: {call:?}", self.call);
        self.runs.append(&mut learned.runs);
        self.leases.append(&mut learned.leases);
        let (model, postgres) = (
            dump::of_model(&self.server),
            dump::of_postgres(&self.sql).await,
        );
        for (table, rows) in &postgres {
            assert_eq!(
                &model[table], rows,
                "{table} after call {}: {call:?}",
                self.call
            );
        }
    }
}

async fn game(seed: u64) {
    let mut game = Game::new(seed).await;
    for _ in 0..CALLS {
        let step = *game
            .rng
            .choose(&[1_u64, 137, 900_001, 3_000_017, 11_000_003]);
        game.clock.advance(Duration::from_micros(step));
        match game.rng.below(30) {
            0 => game.set_lane().await,
            1 => {
                // It dies: both sides hear of that at once.
                let index = game.rng.below(game.members.len() as u64) as usize;
                let lock_key = game.members[index].lock_key;
                if let Some((session, mut connection)) = game.members[index].sessions.take() {
                    drop(session);
                    // A server takes a moment to notice a connection's end, but not this.
                    sqlx::query("select pg_advisory_unlock($1)")
                        .bind(lock_key)
                        .execute(&mut connection)
                        .await
                        .unwrap();
                }
            }
            2 if game.members.len() < 6 => game.add_process().await,
            _ => {
                let call = Call::draw(&mut game);
                game.both(&call).await;
            }
        }
    }
    game.postgres.close().await;
    game.sql.close().await;
}

#[tokio::test]
async fn the_model_answers_as_postgres_does() {
    let from = asked("SYNCLINE_SEED").unwrap_or(1);
    for seed in from..from + asked("SYNCLINE_SEEDS").unwrap_or(GAMES) {
        eprintln!("game {seed}");
        game(seed).await;
    }
}
