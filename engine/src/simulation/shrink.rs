//! Makes a failing plan small: what is not needed for the failure is left out.

use super::plan::Plan;
use super::world::simulate;

/// Plans tried at most.
const TRIES: usize = 300;

/// Whether something goes wrong in this plan.
pub(crate) fn fails(plan: &Plan) -> bool {
    !simulate(plan).wrong.is_empty()
}

/// A plan that fails too, with as few events, processes and oddities as could be found: halves are left
/// out, then quarters, down to single events.
pub(crate) fn shrink(plan: &Plan) -> Plan {
    let mut least = plan.clone();
    let mut tries = 0;
    for simpler in plainer(&least) {
        tries += 1;
        if fails(&simpler) {
            least = simpler;
        }
    }
    let mut size = least.events.len().div_ceil(2);
    while size > 0 {
        let before = least.events.len();
        let mut from = 0;
        while from < least.events.len() && tries < TRIES {
            let mut fewer = least.clone();
            let to = (from + size).min(fewer.events.len());
            fewer.events.drain(from..to);
            tries += 1;
            if fails(&fewer) {
                least = fewer;
            } else {
                from += size;
            }
        }
        // Single events are gone through again as long as any could go.
        if size > 1 {
            size /= 2;
        } else if least.events.len() == before || tries >= TRIES {
            break;
        }
    }
    least
}

/// The same plan without one of its oddities.
fn plainer(plan: &Plan) -> Vec<Plan> {
    let skewless = Plan {
        skews: vec![0; plan.processes],
        ..plan.clone()
    };
    let scheduleless = Plan {
        has_schedule: false,
        ..plan.clone()
    };
    let limitless = Plan {
        key_limit: None,
        ..plan.clone()
    };
    vec![skewless, scheduleless, limitless]
}
