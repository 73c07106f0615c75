//! Makes a failing plan small: what is not needed for the failure is left out.

use super::plan::{Event, Fault, Habits, Plan};
use super::planted::Planted;
use super::rest::{kind, simulate};
use super::server::Server;

/// Plans tried at most.
const TRIES: usize = 250;

/// A plan that fails too, with as few events, faults and oddities as could be found: halves of the
/// events are left out, then quarters, down to single ones; then faults and habits, one by one.
/// `wrong` is what is to go wrong still.
pub(crate) async fn shrink(
    server: &Server,
    plan: &Plan,
    wrong: &str,
    planted: Option<Planted>,
) -> Plan {
    let mut shrinker = Shrinker {
        server,
        planted,
        kind: kind(wrong),
        least: plan.clone(),
        tries: 0,
    };
    shrinker.events().await;
    shrinker.faults().await;
    shrinker.habits().await;
    shrinker.events().await;
    shrinker.least
}

struct Shrinker<'a> {
    server: &'a Server,
    planted: Option<Planted>,
    kind: &'a str,
    least: Plan,
    tries: usize,
}

impl Shrinker<'_> {
    /// Keeps a plan if the same kind of thing goes wrong in it too.
    async fn keeps(&mut self, plan: Plan) -> bool {
        if self.tries >= TRIES || plan == self.least {
            return false;
        }
        self.tries += 1;
        let outcome = simulate(self.server, &plan, self.planted).await;
        let fails = outcome.wrong.iter().any(|wrong| kind(wrong) == self.kind);
        if fails {
            self.least = plan;
        }
        fails
    }

    async fn events(&mut self) {
        let mut size = self.least.events.len().div_ceil(2);
        while size > 0 {
            let mut from = 0;
            while from < self.least.events.len() {
                let mut fewer = self.least.clone();
                let to = (from + size).min(fewer.events.len());
                fewer.events.drain(from..to);
                if !self.keeps(fewer).await {
                    from += size;
                }
            }
            size /= 2;
        }
    }

    async fn faults(&mut self) {
        for place in 0..self.least.events.len() {
            let mut calmer = self.least.clone();
            if let Event::Step { fault, .. } = &mut calmer.events[place] {
                *fault = Fault::None;
                self.keeps(calmer).await;
            }
        }
    }

    async fn habits(&mut self) {
        for place in 0..self.least.peers.len() {
            // What a mapping says is no oddity: without it other things go wrong.
            let Habits { rules, names, .. } = self.least.peers[place];
            let plainest = Habits {
                rules,
                names,
                reads_back: true,
                ..Habits::default()
            };
            if self.with(place, plainest).await {
                continue;
            }
            let plainer: [fn(&mut Habits); 9] = [
                |habits| habits.skew_ms = 0,
                |habits| habits.whole_seconds = false,
                |habits| habits.late_ms = 0,
                |habits| habits.page = 0,
                |habits| (habits.trims, habits.titles, habits.truncates) = (false, false, false),
                |habits| habits.formats_phones = false,
                |habits| (habits.is_partial, habits.doubles) = (false, false),
                |habits| habits.reads_back = true,
                |habits| habits.automates = 0,
            ];
            for make in plainer {
                let mut habits = self.least.peers[place].clone();
                make(&mut habits);
                self.with(place, habits).await;
            }
        }
    }

    async fn with(&mut self, place: usize, habits: Habits) -> bool {
        let mut plan = self.least.clone();
        plan.peers[place] = habits;
        self.keeps(plan).await
    }
}
