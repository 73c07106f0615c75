//! Sees everything that happens in a simulated world and says what should not have.

mod rest;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use chrono::TimeDelta;

use crate::ids::{ProcessId, RunId};
use crate::locked::locked;
use crate::runtime::{StepCx, Workflow as _};
use crate::simulation::model::{Db, Key, Moment, ProcessRec, Row, RunRec, Server};
use crate::simulation::workload::{Fleeting, Job};
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
    /// Runs that succeeded and of which nothing stays.
    forgotten: BTreeSet<RunId>,
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
            facts.note_forgotten(db, key, before, after, moment.by.is_none());
            facts.judge(key, before, after, moment.by.is_none());
            facts.note_cancelled(before, after, moment.by.is_none());
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
            (Key::Step(run, seq), Some(_), None) if !self.forgotten.contains(run) => {
                format!("{run} step {seq} left the journal")
            }
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

    /// Only a run that succeeded, and whose end nobody waits for, leaves nothing.
    fn note_forgotten(
        &mut self,
        db: &Db,
        key: &Key,
        before: Option<&Row>,
        after: Option<&Row>,
        crash: bool,
    ) {
        let Key::Run(id) = key else { return };
        match (before, after) {
            (Some(Row::Run(run)), None) if !crash && db.get(&Key::Finished(*id)).is_none() => {
                let job = serde_json::from_slice::<Job>(&run.input).ok();
                let may = run.workflow == Fleeting::NAME
                    && run.state == RunState::Running
                    && run.woken_parent().is_none()
                    && job.is_some_and(|job| !job.bad);
                if !may {
                    let workflow = &run.workflow;
                    self.wrong.push(format!("{workflow} {id} leaves nothing"));
                }
                self.forgotten.insert(*id);
            }
            (None, Some(_)) if self.forgotten.remove(id) && !crash => {
                self.wrong.push(format!("{id} had succeeded and is back"));
            }
            _ => {}
        }
    }

    /// A crash may lose that somebody asked: what a pulse asks for need not be on the disk.
    fn note_cancelled(&mut self, before: Option<&Row>, after: Option<&Row>, crash: bool) {
        let (Some(Row::Run(before)), Some(Row::Run(after))) = (before, after) else {
            return;
        };
        if after.cancel_requested && !before.cancel_requested {
            self.asked_to_stop.insert(after.id, after.epoch);
        } else if crash && before.cancel_requested && !after.cancel_requested {
            self.asked_to_stop.remove(&after.id);
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
}
