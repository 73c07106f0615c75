//! Sees everything that happens in a simulated world and says what should not have.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use chrono::TimeDelta;

use super::model::{Db, Key, Moment, ProcessRec, Row, RunRec, Server};
use crate::ids::{ProcessId, RunId};
use crate::runtime::{StepCx, locked};
use crate::store::runs::RunState;

/// Whoever gives no sign of life for so long is dead: what the design says, not what the code says.
const SILENCE: TimeDelta = TimeDelta::seconds(15);

#[derive(Default)]
struct Facts {
    wrong: Vec<String>,
    /// Numbers given to steps.
    given: u64,
    failures: BTreeMap<(RunId, i32), u8>,
    panics: BTreeMap<RunId, u32>,
    /// Runs by the number of their start, and what they were started as.
    started: BTreeMap<u32, (RunId, &'static str)>,
    /// Signals that were accepted, and those that may have been.
    sent: BTreeMap<(RunId, u32), bool>,
    cancelled: BTreeSet<RunId>,
    /// Running ones that were asked to stop, and in which epoch.
    asked_to_stop: BTreeMap<RunId, i64>,
    /// Every run there ever was.
    seen: BTreeMap<RunId, RunRec>,
}

/// Of one world.
pub(crate) struct Witness {
    server: Server,
    /// Processes between whom and the database something was broken on purpose: until they hear that
    /// they lost a lease, they may begin a step.
    cut_off: BTreeSet<usize>,
    facts: Mutex<Facts>,
}

impl Witness {
    pub(crate) fn new(server: Server, cut_off: BTreeSet<usize>) -> Arc<Self> {
        let witness = Arc::new(Self {
            server: server.clone(),
            cut_off,
            facts: Mutex::default(),
        });
        let watching = Arc::downgrade(&witness);
        server.state().watcher = Some(Box::new(move |moment| {
            if let Some(witness) = watching.upgrade() {
                witness.see(moment);
            }
        }));
        witness
    }

    pub(crate) fn wrong(&self, what: String) {
        locked(&self.facts).wrong.push(what);
    }

    /// What was wrong so far.
    pub(crate) fn verdict(&self) -> Vec<String> {
        locked(&self.facts).wrong.clone()
    }

    pub(crate) fn fresh(&self) -> u64 {
        let mut facts = locked(&self.facts);
        facts.given += 1;
        facts.given
    }

    pub(crate) fn failures(&self, cx: &StepCx) -> u8 {
        let facts = locked(&self.facts);
        let place = (cx.run_id(), cx.seq);
        facts.failures.get(&place).copied().unwrap_or_default()
    }

    pub(crate) fn note_failure(&self, cx: &StepCx) {
        let mut facts = locked(&self.facts);
        *facts.failures.entry((cx.run_id(), cx.seq)).or_default() += 1;
    }

    /// How often the run has panicked before; it is about to.
    pub(crate) fn panicked(&self, run: RunId) -> u32 {
        let mut facts = locked(&self.facts);
        let panics = facts.panics.entry(run).or_default();
        *panics += 1;
        *panics - 1
    }

    pub(crate) fn started(&self, number: u32, run: RunId, workflow: &'static str) {
        locked(&self.facts).started.insert(number, (run, workflow));
    }

    pub(crate) fn run_of(&self, number: u32) -> Option<RunId> {
        locked(&self.facts)
            .started
            .get(&number)
            .map(|(run, _)| *run)
    }

    /// A signal was accepted, or may have been.
    pub(crate) fn sent(&self, run: RunId, body: u32, surely: bool) {
        let mut facts = locked(&self.facts);
        *facts.sent.entry((run, body)).or_default() |= surely;
    }

    pub(crate) fn cancelled(&self, run: RunId) {
        locked(&self.facts).cancelled.insert(run);
    }

    /// A step that touches the outside begins in this process.
    pub(crate) fn step_begins(&self, cx: &StepCx, process: usize) {
        let state = self.server.state();
        let (run, seq) = (cx.run_id(), cx.seq);
        let journaled = state.db.get(&Key::Step(run, seq)).is_some();
        let (owner, epoch) = match state.db.get(&Key::Run(run)) {
            Some(row) => (row.run().owner, row.run().epoch),
            None => (None, 0),
        };
        let host = owner
            .and_then(|owner| state.db.get(&Key::Process(owner)))
            .map(|row| row.process().host.clone());
        let holds = host == Some(host_of(process));
        drop(state);
        if journaled && holds {
            self.wrong(format!("{run} step {seq} is journaled and runs again"));
        }
        let cancelled_in = locked(&self.facts).asked_to_stop.get(&run).copied();
        if cancelled_in.is_some_and(|before| before < epoch) && holds {
            self.wrong(format!("{run} was cancelled and begins step {seq}"));
        }
        if !holds && !self.cut_off.contains(&process) {
            self.wrong(format!(
                "{run} step {seq} begins in p{process}, which has lost it"
            ));
        }
    }

    fn see(&self, moment: &Moment<'_>) {
        let db = moment.db;
        let mut facts = locked(&self.facts);
        for (key, before, after) in moment.changes {
            let (before, after) = (before.as_deref(), after.as_deref());
            facts.judge(key, before, after, moment.by.is_none());
            facts.note_cancelled(before, after);
            if let (Key::Process(id), Some(before), None) = (key, before, after) {
                facts.check_burial(*id, before.process(), moment);
            }
            if let Key::Run(id) | Key::Finished(id) = key
                && db.get(&Key::Run(*id)).is_some()
                && db.get(&Key::Finished(*id)).is_some()
            {
                facts.wrong.push(format!("{id} has ended and is open"));
            }
            if let (Key::Run(_), None, Some(Row::Run(run)), Some(_)) =
                (key, before, after, moment.by)
            {
                facts.check_call(db, run);
            }
            if let Some(Row::Run(run)) = after {
                facts.seen.insert(run.id, (**run).clone());
                facts.check_key(db, run);
            }
        }
    }

    /// What must hold when everything has come to rest.
    pub(crate) fn judge_end(&self) {
        let state = self.server.state();
        let mut facts = locked(&self.facts);
        facts.check_starts(&state.db);
        facts.check_runs(&state.db);
        facts.check_effects(&state.db);
        facts.check_signals(&state.db);
        facts.check_schedule(&state.db);
    }
}

/// The name of a process's machine.
pub(crate) fn host_of(process: usize) -> String {
    format!("p{process}")
}

fn text(output: Option<&[u8]>) -> String {
    output.map_or_else(String::new, |output| {
        String::from_utf8_lossy(output).into_owned()
    })
}

impl Facts {
    fn judge(&mut self, key: &Key, before: Option<&Row>, after: Option<&Row>, crash: bool) {
        let wrong = match (key, before, after) {
            (Key::Step(run, seq), Some(_), Some(_)) => {
                format!("{run} step {seq} is journaled twice")
            }
            (Key::Step(run, seq), Some(_), None) => format!("{run} step {seq} left the journal"),
            (Key::Finished(run), Some(_), _) if !crash => format!("{run} has ended twice"),
            (Key::Effect(run, step), _, None) => format!("{run} lost the effect of step {step}"),
            (Key::Signal(run, _), Some(_), None) => format!("{run} lost a signal"),
            (Key::Run(run), Some(before), Some(after))
                if !crash && before.run().epoch > after.run().epoch =>
            {
                format!("{run} went back to an earlier epoch")
            }
            _ => return,
        };
        self.wrong.push(wrong);
    }

    fn note_cancelled(&mut self, before: Option<&Row>, after: Option<&Row>) {
        if let (Some(Row::Run(before)), Some(Row::Run(after))) = (before, after)
            && after.cancel_requested
            && !before.cancel_requested
        {
            self.asked_to_stop.insert(after.id, after.epoch);
        }
    }

    /// Only who is gone or silent for long is taken for dead by others.
    fn check_burial(&mut self, id: ProcessId, process: &ProcessRec, moment: &Moment<'_>) {
        let by_itself = moment.by.map(host_of).as_ref() == Some(&process.host);
        let lives = moment.sessions.contains(&process.lock_key);
        let silent = moment.now - process.seen_at;
        if moment.by.is_some() && !by_itself && lives && silent < SILENCE {
            let seconds = silent.as_seconds_f64();
            self.wrong.push(format!(
                "{id} lives, was silent for {seconds} s and is buried"
            ));
        }
    }

    fn check_key(&mut self, db: &Db, changed: &RunRec) {
        let Some(key) = changed.key.as_ref().filter(|_| changed.holds_key) else {
            return;
        };
        let lane = Key::Lane(changed.tenant, "key".to_owned(), key.clone());
        let most = match db.get(&lane) {
            Some(row) => row.lane().max_running.unwrap_or(1),
            None => 1,
        };
        let holders: Vec<_> = db
            .open_runs()
            .filter(|run| run.holds_key && run.key.as_ref() == Some(key))
            .map(|run| run.id.to_string())
            .collect();
        if holders.len() > most as usize {
            let holders = holders.join(", ");
            self.wrong
                .push(format!("key {key} is held by {holders}, more than {most}"));
        }
    }

    /// Whoever is to stop calls nobody: who called it has been told already to cancel what it had.
    fn check_call(&mut self, db: &Db, run: &RunRec) {
        let Some(parent) = run.woken_parent() else {
            return;
        };
        let open = db.get(&Key::Run(parent)).map(Row::run);
        if open.is_none_or(|parent| parent.cancel_requested) {
            self.wrong.push(format!(
                "{} is called by {parent}, which is to stop",
                run.id
            ));
        }
    }

    fn check_starts(&mut self, db: &Db) {
        for (number, (run, _)) in &self.started {
            if db.get(&Key::Run(*run)).is_none() && db.get(&Key::Finished(*run)).is_none() {
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

    fn check_runs(&mut self, db: &Db) {
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
        let job = serde_json::from_slice::<super::workload::Job>(&run.input).ok();
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

    fn check_effects(&mut self, db: &Db) {
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
        for ((run, step), count) in effects {
            self.wrong.push(format!(
                "{run} step {step} is not journaled and took effect {count} times"
            ));
        }
    }

    fn check_signals(&mut self, db: &Db) {
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

    fn check_schedule(&mut self, db: &Db) {
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
        let step = super::world::EVERY.as_secs() as i64;
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
        _ => serde_json::from_slice::<super::workload::Job>(&run.input).is_err(),
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
        "chain" | "nap" | "spread" | "shaky" => steps
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
