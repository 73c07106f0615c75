//! `store/claim.sql`, part by part.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::client::Transaction;
use super::db::{Mode, Statement};
use super::error::Stop;
use super::rows::{Key, RunRec};
use crate::ids::{ProcessId, TenantId};
use crate::simulation::planted::{self, Planted};
use crate::store::StoreError;
use crate::store::activations::{self, Claim, Claimed, Lease, Wanted};
use crate::store::runs::RunState;

/// Runs of one tenant, workflow, version and priority.
type Group = (TenantId, String, i16, i16);

#[derive(Clone, Debug)]
struct Room {
    group: Group,
    limited: bool,
    tenant: Option<i64>,
    workflow: Option<i64>,
    hub: Option<i64>,
    used: f64,
    average: f64,
}

#[derive(Clone, Debug)]
struct Found {
    run: RunRec,
    room: Room,
    rank: DateTime<Utc>,
    since: f64,
    turn: i64,
}

fn order(a: &Found, b: &Found) -> Ordering {
    (a.rank, a.run.id).cmp(&(b.rank, b.run.id))
}

impl Transaction {
    pub(crate) async fn claim(
        &mut self,
        owner: ProcessId,
        wanted: &Wanted<'_>,
    ) -> Result<Claim, StoreError> {
        let now = self.now;
        self.statement("claim", |statement| claim(statement, owner, wanted, now))
            .await
    }
}

fn claim(
    statement: &mut Statement<'_>,
    owner: ProcessId,
    wanted: &Wanted<'_>,
    now: DateTime<Utc>,
) -> Result<Claim, Stop> {
    let me = Key::Process(owner);
    let knows = match statement.get(&me) {
        Some(row) if statement.try_lock(&me, Mode::KeyShare) => Some(row.process().knows.clone()),
        _ => None,
    };
    let runs = statement.runs();
    let (walk, last_tenant) = walk(&runs, wanted);
    let mut rooms = Vec::new();
    for group in walk {
        let known = format!("{}/{}", group.1, group.2);
        let knows = knows.as_ref().is_some_and(|knows| knows.contains(&known));
        if knows && runs.iter().any(|run| is_of(run, &group, wanted)) {
            rooms.extend(room(statement, &runs, group, wanted, now));
        }
    }
    let limited = rooms.iter().any(|room| room.limited);
    let (found, most) = find(statement, &runs, &rooms, wanted);
    let chosen = choose(&found, most, wanted);
    let mut per_group = BTreeMap::new();
    for one in &found {
        *per_group.entry(one.room.group.clone()).or_insert(0) += 1;
    }
    let mut claim = Claim {
        more: !chosen.is_empty()
            && (found.len() > chosen.len() || per_group.values().any(|count| *count == most)),
        last_tenant,
        limited,
        ..Claim::default()
    };
    let judged = judge(statement, &runs, chosen, now);
    let mut taken = Vec::new();
    for (one, aside) in judged {
        let Found { mut run, rank, .. } = one;
        if let Some(aside) = aside {
            run.asleep = aside == "time";
            run.behind = aside != "time";
            if run.asleep {
                claim.wakes_at = claim.wakes_at.min(run.due_at).or(run.due_at);
            }
            run.lane = Some(aside).filter(|aside| aside != "time");
            statement.set_run(run)?;
            continue;
        }
        run.state = RunState::Running;
        run.epoch += 1;
        run.owner = Some(owner);
        run.started_at = run.started_at.or(Some(now));
        run.holds_key = run.key.is_some();
        taken.push((rank, run.clone()));
        statement.set_run(run)?;
    }
    taken.sort_by_key(|(rank, run)| (*rank, run.id));
    claim.runs = taken
        .into_iter()
        .map(|(_, run)| Claimed {
            called: run.woken_parent().is_some(),
            keyed: run.key.is_some(),
            lease: Lease {
                tenant: run.tenant,
                id: run.id,
                epoch: run.epoch,
                owner,
            },
            workflow: run.workflow,
            version: run.version,
            input: run.input,
            cancel_requested: run.cancel_requested,
            deadline: run.deadline,
            trigger: run.trigger,
            trace: run.trace,
            priority: run.priority,
            due_at: run.due_at,
        })
        .collect();
    Ok(claim)
}

fn named(group: &activations::Group) -> Group {
    let workflow = group.workflow.clone();
    (group.tenant, workflow, group.version, group.priority)
}

/// Whether a run is ready in this group, at its floor or above.
fn is_of(run: &RunRec, group: &Group, wanted: &Wanted<'_>) -> bool {
    let floor = wanted.floors.iter().find(|of| named(&of.0) == *group);
    run.is_ready()
        && (run.tenant, &run.workflow, run.version, run.priority)
            == (group.0, &group.1, group.2, group.3)
        && floor.is_none_or(|(_, floor)| run.due_at.is_some_and(|due| (due, run.id) >= *floor))
}

/// The groups of the tenants in the window, and its last tenant if others may come after it.
fn walk(runs: &[RunRec], wanted: &Wanted<'_>) -> (Vec<Group>, Option<TenantId>) {
    let after = wanted.after.unwrap_or(TenantId(uuid::Uuid::nil()));
    let ready = runs.iter().filter(|run| run.is_ready());
    let groups: BTreeSet<Group> = ready
        .map(|run| (run.tenant, run.workflow.clone(), run.version, run.priority))
        .chain(wanted.floors.iter().map(|(group, _)| named(group)))
        .filter(|group| group.0 > after)
        .collect();
    let mut window: Vec<Group> = Vec::new();
    let mut tenants: Vec<TenantId> = Vec::new();
    for group in groups {
        if tenants.last() != Some(&group.0) {
            if tenants.len() as i32 == wanted.tenants {
                return (window, tenants.last().copied());
            }
            tenants.push(group.0);
        }
        window.push(group);
        if window.len() == 1000 {
            return (window, tenants.last().copied());
        }
    }
    (window, None)
}

/// What a group's lanes let it do; `None`: nothing.
fn room(
    statement: &mut Statement<'_>,
    runs: &[RunRec],
    group: Group,
    wanted: &Wanted<'_>,
    now: DateTime<Utc>,
) -> Option<Room> {
    let (tenant, workflow) = (group.0, group.1.clone());
    let nobody = TenantId(uuid::Uuid::nil());
    let processes: BTreeSet<_> = statement.processes().iter().map(|one| one.0).collect();
    let running = |of_tenant: Option<TenantId>, of_workflow: Option<&str>| {
        runs.iter()
            .filter(|run| run.state == RunState::Running)
            .filter(|run| of_tenant.is_none_or(|tenant| run.tenant == tenant))
            .filter(|run| {
                of_workflow.is_none_or(|workflow| {
                    run.workflow == workflow
                        && run.owner.is_some_and(|owner| processes.contains(&owner))
                })
            })
            .count() as i64
    };
    let mut room = Room {
        group,
        limited: false,
        tenant: None,
        workflow: None,
        hub: None,
        used: 0.0,
        average: 0.0,
    };
    let mut weight: Option<f64> = None;
    for (own, kind) in [
        (true, "tenant"),
        (true, "workflow"),
        (false, "tenant"),
        (false, "workflow"),
    ] {
        let name = if kind == "tenant" { "" } else { &workflow };
        let Some(lane) = statement.lane(if own { tenant } else { nobody }, kind, name) else {
            continue;
        };
        if lane.is_shut(now) {
            return None;
        }
        if own {
            weight = lane.weight.or(weight);
        }
        let Some(most) = lane.max_running else {
            continue;
        };
        room.limited = true;
        let left = i64::from(most)
            - match (kind, own) {
                ("tenant", _) => running(Some(tenant), None),
                (_, true) => running(Some(tenant), Some(&workflow)),
                (_, false) => running(None, Some(&workflow)),
            };
        let place = match (kind, own) {
            ("tenant", _) => &mut room.tenant,
            (_, true) => &mut room.workflow,
            (_, false) => &mut room.hub,
        };
        *place = Some(place.map_or(left, |before| before.min(left)));
    }
    let used = [tenant.0.to_string(), "others".to_owned()]
        .iter()
        .find_map(|who| wanted.used.get(who.as_str()))
        .cloned()
        .unwrap_or_else(|| serde_json::json!([0, 0]));
    let weight = weight.unwrap_or(1.0);
    room.used = used[0].as_f64().unwrap_or(0.0) / weight;
    room.average = used[1].as_f64().unwrap_or(0.0) / weight;
    Some(room)
}

/// Runs of each group, locked, and how many of a group are looked at.
fn find(
    statement: &mut Statement<'_>,
    runs: &[RunRec],
    rooms: &[Room],
    wanted: &Wanted<'_>,
) -> (Vec<Found>, i64) {
    let tenants: BTreeSet<_> = rooms.iter().map(|room| room.group.0).collect();
    let most = match tenants.len() as i64 {
        0 | 1 => wanted.runs,
        count => 1 + wanted.runs / count,
    };
    let highest = |of: fn(&Room) -> f64| rooms.iter().map(of).fold(f64::MIN, f64::max);
    let least_used = highest(|room| room.used) - 2.0 * highest(|room| room.average);
    let mut found = Vec::new();
    for room in rooms {
        let limit = [room.tenant, room.workflow, room.hub]
            .into_iter()
            .flatten()
            .fold(most, i64::min)
            .max(0);
        let mut ready: Vec<_> = runs
            .iter()
            .filter(|run| is_of(run, &room.group, wanted))
            .collect();
        ready.sort_by_key(|run| (run.due_at, run.id));
        let mut locked = 0;
        for run in ready {
            if locked == limit {
                break;
            }
            if !statement.try_lock(&Key::Run(run.id), Mode::Update) {
                continue;
            }
            locked += 1;
            let ahead = TimeDelta::from_std(wanted.ageing).unwrap_or_default();
            found.push(Found {
                rank: run.due_at.unwrap_or_default() - ahead * i32::from(room.group.3),
                run: run.clone(),
                room: room.clone(),
                since: room.used.max(least_used),
                turn: 0,
            });
        }
    }
    (found, most)
}

/// Who goes first, within what lanes share between groups.
fn choose(found: &[Found], most: i64, wanted: &Wanted<'_>) -> Vec<Found> {
    let before = |one: &Found, same: fn(&Found, &Found) -> bool| {
        found
            .iter()
            .filter(|other| same(one, other) && order(other, one).is_lt())
            .count() as i64
    };
    let mut allowed: Vec<Found> = found
        .iter()
        .filter(|one| {
            one.room.workflow.is_none_or(|room| {
                room > before(one, |a, b| {
                    (a.run.tenant, &a.run.workflow) == (b.run.tenant, &b.run.workflow)
                })
            }) && one
                .room
                .hub
                .is_none_or(|room| room > before(one, |a, b| a.run.workflow == b.run.workflow))
        })
        .cloned()
        .collect();
    allowed.sort_by(order);
    let mut turns: BTreeMap<TenantId, i64> = BTreeMap::new();
    for one in &mut allowed {
        let turn = turns.entry(one.run.tenant).or_default();
        *turn += 1;
        one.turn = *turn;
    }
    allowed.retain(|one| one.room.tenant.is_none_or(|room| one.turn <= room));
    let at = |one: &Found| one.since + (one.turn - 1) as f64 * one.room.average;
    // Of a group with more than was looked at, the next may come before what others have.
    let mut groups: BTreeMap<Group, (i64, f64)> = BTreeMap::new();
    for one in &allowed {
        let (count, last) = groups
            .entry(one.room.group.clone())
            .or_insert((0, f64::MIN));
        *count += 1;
        *last = last.max(at(one) + one.room.average);
    }
    let until = groups
        .values()
        .filter(|(count, _)| *count == most)
        .map(|(_, last)| *last)
        .fold(f64::INFINITY, f64::min);
    allowed.retain(|one| at(one) <= until);
    allowed.sort_by(|a, b| {
        at(a)
            .total_cmp(&at(b))
            .then(a.turn.cmp(&b.turn))
            .then(order(a, b))
    });
    allowed.truncate(usize::try_from(wanted.runs).unwrap_or(usize::MAX));
    allowed
}

/// Why a chosen run is put aside, if it is.
fn judge(
    statement: &mut Statement<'_>,
    runs: &[RunRec],
    chosen: Vec<Found>,
    now: DateTime<Utc>,
) -> Vec<(Found, Option<String>)> {
    let mut stopped: Vec<(Found, Option<String>)> = Vec::new();
    for one in chosen {
        let run = &one.run;
        let connection = run.connection_id.map(|id| id.0.to_string());
        let mut is_shut = |kind: &str, name: Option<&String>| {
            name.and_then(|name| statement.lane(run.tenant, kind, name))
                .is_some_and(|lane| lane.is_shut(now))
        };
        let stop = if run.due_at.is_some_and(|due| due > now) {
            Some("time".to_owned())
        } else if is_shut("connection", connection.as_ref()) {
            connection.map(|name| format!("connection/{name}"))
        } else if is_shut("key", run.key.as_ref()) {
            run.key.as_ref().map(|key| format!("key/{key}"))
        } else {
            None
        };
        stopped.push((one, stop));
    }
    let asking: Vec<(TenantId, Option<String>, DateTime<Utc>, crate::ids::RunId)> = stopped
        .iter()
        .filter(|(one, stop)| stop.is_none() && !one.run.holds_key)
        .map(|(one, _)| (one.run.tenant, one.run.key.clone(), one.rank, one.run.id))
        .collect();
    for (one, stop) in &mut stopped {
        let run = &one.run;
        let (None, Some(key), false) = (&stop, &run.key, run.holds_key) else {
            continue;
        };
        let place = asking
            .iter()
            .filter(|other| (other.0, &other.1) == (run.tenant, &run.key))
            .filter(|other| (other.2, other.3) <= (one.rank, run.id))
            .count() as i64;
        let most = statement.lane(run.tenant, "key", key);
        let most = most.and_then(|lane| lane.max_running).unwrap_or(1);
        let holders = runs
            .iter()
            .filter(|run| run.holds_key)
            .filter(|holder| (holder.tenant, &holder.key) == (run.tenant, &run.key))
            .count() as i64;
        if place > i64::from(most) - holders && !planted::is(Planted::NoKeyLimit) {
            *stop = Some(format!("key/{key}"));
        }
    }
    stopped
}
