//! Whether what steps did agrees with what the journal says they did.

use std::collections::{BTreeMap, HashMap, HashSet};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value as Json;
use uuid::Uuid;

use super::workflows::Effect;
use super::world::World;

/// What was found where nothing was wrong.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Found {
    pub(crate) runs: usize,
    pub(crate) steps: usize,
    /// Executions of a step that its process did not live to journal. Allowed: that is what
    /// idempotency keys are for.
    pub(crate) repeated: usize,
}

/// Steps in the journal of a run that has succeeded.
const STEPS: [(&str, usize); 8] = [
    ("five", 5),
    ("five_tx", 5),
    ("sleeper", 3),
    ("child", 2),
    ("parent", 4),
    ("retrying", 2),
    ("keyed", 4),
    ("one", 1),
];

/// A place in a run.
type Place = (Uuid, i32);

pub(super) async fn verify(world: &World) -> Result<Found> {
    let runs = runs(world).await?;
    let mut found = Found {
        runs: runs.len(),
        ..Found::default()
    };
    finishes(world, &runs).await?;
    let journal = journal(world).await?;
    for (run, workflow) in &runs {
        let seqs: Vec<i32> = journal
            .range((*run, i32::MIN)..=(*run, i32::MAX))
            .map(|((_, seq), _)| *seq)
            .collect();
        let wanted = STEPS.iter().find(|(name, _)| name == workflow);
        let wanted = wanted.context("unknown workflow")?.1;
        ensure!(
            seqs == (0..i32::try_from(wanted)?).collect::<Vec<_>>(),
            "{workflow} {run} has steps {seqs:?}"
        );
        found.steps += seqs.len();
    }
    let effects = effects(world)?;
    found.repeated = executions(world, &effects, &journal).await?;
    inserts(world, &journal).await?;
    alone(&effects)?;
    Ok(found)
}

/// All runs by id: as many as were started, and all of them succeeded.
async fn runs(world: &World) -> Result<BTreeMap<Uuid, String>> {
    let rows: Vec<(Uuid, String, String, Option<Json>)> =
        sqlx::query_as("select id, workflow, state, error from evidence.runs")
            .fetch_all(&world.sql)
            .await?;
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    for (id, workflow, state, error) in &rows {
        ensure!(
            state == "succeeded",
            "{workflow} {id} is {state}: {error:?}"
        );
        *counts.entry(workflow.as_str()).or_default() += 1;
    }
    let expected: BTreeMap<&str, i64> = world
        .expected
        .iter()
        .map(|(name, count)| (*name, *count))
        .filter(|(_, count)| *count > 0)
        .collect();
    ensure!(
        counts == expected,
        "{expected:?} were started, there are {counts:?}"
    );
    Ok(rows.into_iter().map(|row| (row.0, row.1)).collect())
}

async fn finishes(world: &World, runs: &BTreeMap<Uuid, String>) -> Result<()> {
    let finishes: Vec<(Uuid, i64)> =
        sqlx::query_as("select run_id, count(*) from evidence.finishes group by run_id")
            .fetch_all(&world.sql)
            .await?;
    ensure!(
        finishes.len() == runs.len(),
        "{} of {} runs have ended",
        finishes.len(),
        runs.len()
    );
    if let Some((run, times)) = finishes.iter().find(|(_, times)| *times != 1) {
        bail!("run {run} ended {times} times");
    }
    Ok(())
}

struct Journaled {
    kind: String,
    attempt: i32,
    output: Option<Vec<u8>>,
}

async fn journal(world: &World) -> Result<BTreeMap<Place, Journaled>> {
    type Row = (Uuid, i32, String, i32, Option<Vec<u8>>);
    let rows: Vec<Row> = sqlx::query_as("select run_id, seq, kind, attempt, output from steps")
        .fetch_all(&world.sql)
        .await?;
    Ok(rows
        .into_iter()
        .map(|(run, seq, kind, attempt, output)| {
            let journaled = Journaled {
                kind,
                attempt,
                output,
            };
            ((run, seq), journaled)
        })
        .collect())
}

fn effects(world: &World) -> Result<Vec<Effect>> {
    let text = world.effects()?;
    text.lines()
        .map(|line| serde_json::from_str(line).with_context(|| format!("effect {line:?}")))
        .collect()
}

/// What the journal holds of a step is its last execution: had it run again after that was written,
/// there would be a later one. The same for failed attempts. Returns how many executions there are
/// beside those journaled.
async fn executions(
    world: &World,
    effects: &[Effect],
    journal: &BTreeMap<Place, Journaled>,
) -> Result<usize> {
    let mut last: HashMap<Place, &Effect> = HashMap::new();
    let mut last_of_attempt: HashMap<(Uuid, i32, u32), &Effect> = HashMap::new();
    for effect in effects {
        last.insert((effect.run, effect.seq), effect);
        last_of_attempt.insert((effect.run, effect.seq, effect.attempt), effect);
    }
    let mut journaled = 0;
    for (place, step) in journal.iter().filter(|(_, step)| step.kind == "step") {
        let output = step.output.as_deref().context("a step without output")?;
        let token: Uuid = serde_json::from_slice(output)?;
        let effect = last.remove(place).context("a step without effect")?;
        ensure!(
            effect.token == token && i64::from(effect.attempt) == i64::from(step.attempt),
            "step {place:?} ran again after it was journaled: {token}, then {effect:?}"
        );
        journaled += 1;
    }
    ensure!(last.is_empty(), "effects of unknown steps: {last:?}");
    let failed: Vec<(Uuid, i32, i32, String)> =
        sqlx::query_as("select run_id, seq, attempt, error ->> 'message' from attempts")
            .fetch_all(&world.sql)
            .await?;
    for (run, seq, attempt, token) in failed {
        // Attempts of other steps fail when the server is away.
        let Ok(token) = token.parse::<Uuid>() else {
            continue;
        };
        let effect = last_of_attempt.get(&(run, seq, u32::try_from(attempt)?));
        let effect = effect.context("an attempt without effect")?;
        ensure!(
            effect.token == token,
            "attempt {attempt} of {run} {seq} ran again after it was journaled"
        );
        journaled += 1;
    }
    Ok(effects.len().saturating_sub(journaled))
}

/// Every transactional step has one row, the one whose token is journaled.
async fn inserts(world: &World, journal: &BTreeMap<Place, Journaled>) -> Result<()> {
    let rows: Vec<(Uuid, i32, Uuid)> =
        sqlx::query_as("select run_id, seq, token from evidence.inserts")
            .fetch_all(&world.sql)
            .await?;
    let mut inserted: HashMap<Place, Uuid> = HashMap::new();
    for (run, seq, token) in rows {
        let other = inserted.insert((run, seq), token);
        ensure!(other.is_none(), "step {seq} of {run} took effect twice");
    }
    for (place, step) in journal.iter().filter(|(_, step)| step.kind == "tx") {
        let output = step.output.as_deref().context("a step without output")?;
        let token: Uuid = serde_json::from_slice(output)?;
        let effect = inserted.remove(place);
        ensure!(
            effect == Some(token),
            "step {place:?} is journaled, its effect is {effect:?}"
        );
    }
    ensure!(
        inserted.is_empty(),
        "effects of unknown steps: {inserted:?}"
    );
    Ok(())
}

/// Runs of a key come one after another: none comes again after another one has begun.
fn alone(effects: &[Effect]) -> Result<()> {
    let mut inside: HashMap<u32, Uuid> = HashMap::new();
    let mut gone: HashSet<Uuid> = HashSet::new();
    for effect in effects {
        let Some(key) = effect.key else { continue };
        ensure!(
            !gone.contains(&effect.run),
            "run {} was not alone with key {key}",
            effect.run
        );
        let before = inside.insert(key, effect.run);
        gone.extend(before.filter(|before| *before != effect.run));
    }
    Ok(())
}
