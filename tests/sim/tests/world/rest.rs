//! A world from its first event to its rest.

use std::time::Duration;

use anyhow::Result;
use engine::store::rewrites;

use super::World;
use super::oracle;
use super::plan::{Event, Fault, Plan};
use super::planted::Planted;
use super::server::Server;

/// After edits have stopped, writing stops within two rounds per hop; from one system to another it
/// is two hops.
pub(crate) const ROUNDS: u32 = 4;
/// Steps until what is under way has come to its end.
const MOST_STEPS: u32 = 2_000;
/// Longer than anything waits for its next attempt, than lists lag, and than half of an echo's life.
const ROUND: Duration = Duration::from_secs(31 * 60);

/// What kind of thing is wrong.
pub(crate) fn kind(wrong: &str) -> &str {
    wrong.split(':').next().unwrap_or(wrong)
}

/// What became of a world.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) wrong: Vec<String>,
    pub(crate) trace: Vec<String>,
    /// Rows that systems took.
    pub(crate) written: u64,
    pub(crate) edits: usize,
    /// Edits that a write of ours went over unseen, in the moment between look and write, where a system
    /// keeps only a history; each is found all the same.
    pub(crate) unseen: usize,
    /// Writes that were refused, because their record had changed since the look.
    pub(crate) refused: u64,
    pub(crate) conflicts: usize,
    /// Rounds until all was quiet.
    pub(crate) rounds: u32,
}

/// Plays a plan.
pub(crate) async fn simulate(server: &Server, plan: &Plan, planted: Option<Planted>) -> Outcome {
    let mut outcome = Outcome::default();
    match World::of(server, plan, planted).await {
        Ok(mut world) => {
            if let Err(error) = world
                .play(&plan.events, plan.is_resolved, &mut outcome)
                .await
            {
                world.wrong.push(format!("error: {error:#}"));
            }
            world.sum_up(&mut outcome);
        }
        Err(error) => outcome.wrong.push(format!("there is no world: {error:#}")),
    }
    outcome
}

impl World<'_> {
    async fn play(
        &mut self,
        events: &[Event],
        is_resolved: bool,
        outcome: &mut Outcome,
    ) -> Result<()> {
        for event in events {
            self.happen(event).await?;
        }
        outcome.rounds = self.come_to_rest(is_resolved).await?;
        outcome.conflicts = oracle::look(self).await?;
        Ok(())
    }

    fn sum_up(self, outcome: &mut Outcome) {
        outcome.wrong.extend(self.wrong);
        outcome.trace = self.trace;
        outcome.edits = self.edits.len();
        for (place, peer) in self.peers.iter().enumerate() {
            let state = peer.state();
            outcome.written += state.written;
            outcome.edits += state.edits.len();
            if state.habits.guard == super::plan::Guard::Condition && !state.unseen.is_empty() {
                let unseen = &state.unseen;
                outcome.wrong.push(format!(
                    "unseen edit: system {place} writes under a condition: {unseen:?}"
                ));
            }
            outcome.unseen += state.unseen.len();
            outcome.refused += state.refused;
            outcome.wrong.extend(
                state
                    .wrong
                    .iter()
                    .map(|wrong| format!("second create: system {place}: {wrong}")),
            );
        }
    }

    /// Runs everything that is due to its end, without faults.
    pub(crate) async fn drain(&mut self) -> Result<()> {
        for _ in 0..MOST_STEPS {
            self.pass(Duration::from_millis(1));
            self.begin_due().await?;
            if self.flights.is_empty() {
                return Ok(());
            }
            let now = self.now();
            let Some(place) = self
                .flights
                .iter()
                .position(|flight| flight.not_before <= now)
            else {
                self.pass(Duration::from_secs(1));
                continue;
            };
            let flight = self.flights.remove(place);
            self.advance(flight, Fault::None).await?;
        }
        anyhow::bail!("runs go on for ever")
    }

    /// Reads every system and sends what is owed.
    pub(crate) async fn round(&mut self) -> Result<()> {
        self.pass(ROUND);
        for peer in 0..self.peers.len() {
            self.pull(peer, false);
            self.drain().await?;
        }
        if self.close_gaps().await? {
            self.pass(ROUND);
            self.drain().await?;
        }
        Ok(())
    }

    /// Lets all end that is under way, answers conflicts if asked to, and counts the rounds until nothing
    /// is written and nothing changes any more.
    pub(crate) async fn come_to_rest(&mut self, is_resolved: bool) -> Result<u32> {
        self.note("edits and faults have stopped".to_owned());
        self.drain().await?;
        // A pass that was cancelled goes on where it was, up to where it would have ended; what came
        // after that is read by the next.
        self.round().await?;
        if is_resolved {
            self.round().await?;
            for _ in 0..20 {
                let open = oracle::open_conflicts(self).await?.len();
                let questions = self.questions().await?.len();
                if open + questions == 0 {
                    break;
                }
                for place in 0..questions {
                    self.decide(0, place).await?;
                }
                for place in 0..open {
                    self.happen(&Event::Answer {
                        conflict: 0,
                        how: place,
                    })
                    .await?;
                }
                self.round().await?;
            }
        }
        let mut round = 0;
        loop {
            let before = self.extent().await?;
            self.round().await?;
            if self.extent().await? == before {
                return Ok(round);
            }
            self.note(format!("round {round} is over and was not quiet"));
            if round >= self.most_rounds().await? {
                self.wrong
                    .push(format!("unrest: still writing after {round} rounds"));
                return Ok(round);
            }
            round += 1;
        }
    }

    /// A value that a system sets again after each write of ours may be written once in each round until
    /// the hub has counted that as a loop and frozen the field; one more is for what its owner then says.
    /// Where the hub counts no loop nothing has that excuse.
    async fn most_rounds(&self) -> Result<u32> {
        let is_loop: bool = sqlx::query_scalar(
            "select exists (select from rewrites
                            where tenant_id = $1 and (repeats > 1 or frozen_at is not null))",
        )
        .bind(self.tenant.0)
        .fetch_one(&self.server.pool)
        .await?;
        let most = u32::try_from(rewrites::MOST)?;
        Ok(if is_loop { most + 1 } else { ROUNDS })
    }

    /// What grows with every write and with every change of the core.
    async fn extent(&self) -> Result<(u64, i64)> {
        let written = self.peers.iter().map(|peer| peer.state().written).sum();
        let versions = sqlx::query_scalar(
            "select coalesce(sum(version), 0)::bigint from accounts where tenant_id = $1",
        );
        let versions = versions
            .bind(self.tenant.0)
            .fetch_one(&self.server.pool)
            .await?;
        Ok((written, versions))
    }
}
