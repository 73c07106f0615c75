//! What must hold when everything has come to rest.

use std::collections::{BTreeMap, BTreeSet};

use super::{Facts, text};
use crate::ids::RunId;
use crate::simulation::model::{Db, Key, Row, RunRec};
use crate::simulation::workload::Job;
use crate::store::runs::RunState;

impl Facts {
    pub(super) fn check_starts(&mut self, db: &Db) {
        for (number, (run, _)) in &self.started {
            let is_there =
                db.get(&Key::Run(*run)).is_some() || db.get(&Key::Finished(*run)).is_some();
            if !is_there && !self.forgotten.contains(run) {
                self.wrong.push(format!("start {number}: {run} is lost"));
            }
        }
        // Runs that share a dedupe key for a long time are one.
        for (key, row) in db.rows() {
            if let (Key::Dedupe(_, key), Row::Dedupe(dedupe)) = (key, &**row)
                && key.starts_with("once/")
            {
                let same: BTreeSet<_> = self
                    .seen
                    .values()
                    .filter(|run| run.stream.as_ref() == Some(key))
                    .map(|run| run.id)
                    .collect();
                if same != BTreeSet::from([dedupe.run]) {
                    self.wrong.push(format!("{key} started {same:?}"));
                }
            }
        }
        let keys: BTreeSet<_> = self
            .seen
            .values()
            .filter_map(|run| run.stream.clone())
            .collect();
        for key in keys.iter().filter(|key| key.starts_with("once/")) {
            let count = self
                .seen
                .values()
                .filter(|run| run.stream.as_ref() == Some(key))
                .count();
            if count > 1 {
                self.wrong.push(format!("{key} started {count} runs"));
            }
        }
    }

    pub(super) fn check_runs(&mut self, db: &Db) {
        let mut wrong = Vec::new();
        for run in db.open_runs() {
            match run.state {
                RunState::Waiting if run.workflow == "ask" && run.due_at.is_none() => {}
                RunState::Parked => wrong.extend(misparked(run)),
                state => wrong.push(format!("{} {} is {state:?} for ever", run.workflow, run.id)),
            }
            if let Some(parent) = run.woken_parent()
                && db.get(&Key::Run(parent)).is_none()
            {
                wrong.push(format!("{} was called by {parent} and outlives it", run.id));
            }
            if self.cancelled.contains(&run.id) {
                wrong.push(format!("{} was cancelled and is {:?}", run.id, run.state));
            }
        }
        for run in db.finished_runs() {
            if run.state == RunState::Succeeded {
                wrong.extend(misjournaled(db, run));
            } else {
                wrong.extend(self.misended(run));
            }
        }
        self.wrong.append(&mut wrong);
    }

    /// Why a run should not have ended badly.
    fn misended(&self, run: &RunRec) -> Option<String> {
        let class = run.error_class.as_deref().unwrap_or_default();
        let job = serde_json::from_slice::<Job>(&run.input).ok();
        let is_expected = match class {
            "cancelled" => run.cancel_requested,
            "deadline" => run.deadline.is_some(),
            "rejected" => job.is_some_and(|job| job.bad),
            _ => false,
        };
        let error = run.error.as_ref().map(ToString::to_string);
        (!is_expected).then(|| {
            format!(
                "{} {} ended as {:?}: {error:?}",
                run.workflow, run.id, run.state
            )
        })
    }

    pub(super) fn check_effects(&mut self, db: &Db) {
        let mut effects = BTreeMap::new();
        for (key, row) in db.rows() {
            if let (Key::Effect(run, step), Row::Effect(count)) = (key, &**row) {
                effects.insert((*run, step.clone()), *count);
            }
        }
        for (key, row) in db.rows() {
            let (Key::Step(run, _), Row::Step(step)) = (key, &**row) else {
                continue;
            };
            if step.kind == "tx" && step.error.is_none() {
                let count = effects.remove(&(*run, step.key.clone())).unwrap_or(0);
                if count != 1 {
                    let step = &step.key;
                    self.wrong
                        .push(format!("{run} step {step} took effect {count} times"));
                }
            }
        }
        for run in &self.forgotten {
            let input = self.seen.get(run).map(|run| run.input.as_slice());
            let job = serde_json::from_slice::<Job>(input.unwrap_or_default()).unwrap_or_default();
            for step in (0..job.steps).filter(|index| job.counts(*index)) {
                let count = effects.remove(&(*run, step.to_string())).unwrap_or(0);
                if count != 1 {
                    self.wrong
                        .push(format!("{run} step {step} took effect {count} times"));
                }
            }
            let of =
                |key: &Key| matches!(key, Key::Step(of, _) | Key::Attempt(of, ..) if of == run);
            if db.rows().keys().any(of) {
                self.wrong
                    .push(format!("{run} is forgotten, its journal is not"));
            }
        }
        for ((run, step), count) in effects {
            self.wrong.push(format!(
                "{run} step {step} is not journaled and took effect {count} times"
            ));
        }
    }

    pub(super) fn check_signals(&mut self, db: &Db) {
        let mut stored: BTreeMap<(RunId, u32), Option<i32>> = BTreeMap::new();
        for (key, row) in db.rows() {
            if let (Key::Signal(run, _), Row::Signal(signal)) = (key, &**row) {
                let body = serde_json::from_slice(&signal.body).unwrap_or_default();
                if stored.insert((*run, body), signal.taken_seq).is_some() {
                    self.wrong.push(format!("{run} has signal {body} twice"));
                }
            }
        }
        for ((run, body), surely) in &self.sent {
            if *surely && !stored.contains_key(&(*run, *body)) {
                self.wrong.push(format!("{run} lost signal {body}"));
            }
        }
        for ((run, body), taken) in &stored {
            let Some(seq) = taken else {
                if db
                    .get(&Key::Run(*run))
                    .is_some_and(|row| row.run().state == RunState::Waiting)
                {
                    self.wrong
                        .push(format!("{run} waits and signal {body} is there"));
                }
                continue;
            };
            let output = match db.get(&Key::Step(*run, *seq)) {
                Some(row) => text(row.step().output.as_deref()),
                None => "nothing".to_owned(),
            };
            if output != format!("[{body}]") {
                self.wrong.push(format!(
                    "{run} step {seq} took signal {body} and journaled {output}"
                ));
            }
        }
    }

    pub(super) fn check_schedule(&mut self, db: &Db) {
        let mut nominal = BTreeSet::new();
        let mut last = None;
        for (key, row) in db.rows() {
            match (key, &**row) {
                (Key::Dedupe(_, key), Row::Dedupe(_)) => {
                    let at = key
                        .strip_prefix("schedule/")
                        .and_then(|key| key.split_once('/'));
                    nominal.extend(at.and_then(|(_, at)| at.parse::<i64>().ok()));
                }
                (_, Row::Schedule(_, schedule)) => {
                    last = schedule.last_nominal.map(|at| (schedule.created_at, at));
                }
                _ => {}
            }
        }
        let Some((created, last)) = last else { return };
        let step = crate::simulation::world::EVERY.as_secs() as i64;
        let first = created.timestamp().div_euclid(step) + 1;
        let expected: BTreeSet<i64> = (first..=last.timestamp().div_euclid(step))
            .map(|place| place * step)
            .collect();
        let fired = self
            .seen
            .values()
            .filter(|run| run.trigger == "schedule")
            .count();
        if fired != expected.len() {
            let expected = expected.len();
            self.wrong.push(format!(
                "schedule started {fired} runs for {expected} times"
            ));
        }
        if nominal != expected {
            self.wrong
                .push(format!("schedule fired {nominal:?} and not {expected:?}"));
        }
    }
}

/// Why a run should not be parked.
fn misparked(run: &RunRec) -> Option<String> {
    let is_expected = match run.workflow.as_str() {
        "unknown" => true,
        _ => serde_json::from_slice::<Job>(&run.input).is_err(),
    };
    let error = run.error.as_ref().map(ToString::to_string);
    (!is_expected).then(|| format!("{} {} is parked: {error:?}", run.workflow, run.id))
}

/// What a run returned that is not what its journal says.
fn misjournaled(db: &Db, run: &RunRec) -> Option<String> {
    let steps = db
        .rows()
        .range(Key::Step(run.id, i32::MIN)..=Key::Step(run.id, i32::MAX))
        .map(|(_, row)| row.step());
    let wanted: Vec<String> = match run.workflow.as_str() {
        "chain" | "fleeting" | "nap" | "spread" | "shaky" => steps
            .filter(|step| ["step", "tx"].contains(&&*step.kind))
            .map(|step| text(step.output.as_deref()))
            .collect(),
        "ask" => steps
            .filter(|step| step.kind == "signal")
            .map(|step| match text(step.output.as_deref()).as_str() {
                "null" => "null".to_owned(),
                taken => taken.trim_matches(['[', ']']).to_owned(),
            })
            .collect(),
        "family" => steps
            .filter(|step| step.kind == "call")
            .map(|step| match &step.error {
                Some(_) => "0".to_owned(),
                None => text(step.output.as_deref())
                    .trim_matches(['[', ']'])
                    .to_owned(),
            })
            .collect(),
        _ => return None,
    };
    let wanted = format!("[{}]", wanted.join(","));
    let returned = text(run.output.as_deref());
    (wanted != returned).then(|| {
        format!(
            "{} {} returned {returned}, its journal says {wanted}",
            run.workflow, run.id
        )
    })
}
