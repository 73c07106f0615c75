//! What is known to be complete of a stream, as people read it: intervals, gaps, sweeps, differences,
//! and changes of what its system says of it.

use chrono::{DateTime, TimeDelta, Utc};
use engine::entity::CoreTables;
use engine::ids::{ConnectionId, GapId, MappingId, RunId};
use engine::reconcile::drift;
use engine::sdk::{Described, GapReason, Stream};
use engine::store::coverage::{self, Covered, GapRow};
use engine::store::keyset::{After, Slice};
use engine::store::mappings::{self, Author};
use engine::store::sweeps::{self, DifferenceRow, SweepRow};
use engine::store::{drifts, streams};
use engine::sync::sweep::{self, SweepInput, What};
use engine::sync::{SyncError, drift as compare};
use engine::{Store, StoreError, Tx};
use serde::Serialize;

use crate::show;

/// How a stream stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It was never read to its end.
    Never,
    /// A read is under way.
    Reading,
    /// Everything up to the last read is there.
    Complete,
    /// Some changes did not come; a sweep is to bring them.
    Uncovered,
    /// The last read broke off: what lies behind its place is not there.
    Incomplete,
}

/// Why an interval is not covered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    Overflow,
    Gap,
    Lost,
    /// A read broke off.
    IncompleteRead,
    /// It is still to be read.
    NotRead,
}

impl From<GapReason> for Reason {
    fn from(reason: GapReason) -> Self {
        match reason {
            GapReason::Overflow => Self::Overflow,
            GapReason::Gap => Self::Gap,
            GapReason::Lost => Self::Lost,
        }
    }
}

/// A stretch of time, covered or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interval {
    /// `None`: from the beginning.
    pub from: Option<DateTime<Utc>>,
    /// `None`: until now.
    pub to: Option<DateTime<Utc>>,
    /// `None`: it is covered.
    pub reason: Option<Reason>,
    pub gap: Option<GapId>,
}

/// What is known of a stream's completeness.
#[derive(Clone, Debug)]
pub struct Coverage {
    pub state: State,
    pub sentence: String,
    pub covered: Covered,
    pub intervals: Vec<Interval>,
    pub sweep: SweepRow,
    /// Records of which the hub was wrong, in the last round of sweeps that ended, or else so far.
    pub drift: u64,
    /// When the record was compared that was compared the longest time ago.
    pub oldest_at: Option<DateTime<Utc>>,
    /// Fields that stand still.
    pub held: u64,
}

/// What is known of a stream's completeness.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn of_stream(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
) -> Result<Coverage, StoreError> {
    let covered = coverage::of_stream(tx, connection, stream).await?;
    let open = coverage::open(tx, connection, stream).await?;
    let sweep = sweeps::get(tx, connection, stream).await?;
    let oldest_at = sweeps::oldest(tx, connection, stream).await?;
    let held = drifts::open(tx, connection, stream).await?.len() as u64;
    let state = state(&covered, &open);
    let counted = sweep.last_differing.as_ref().unwrap_or(&sweep.differing);
    Ok(Coverage {
        sentence: sentence(state, &covered, &open),
        state,
        intervals: intervals(&covered, &open),
        drift: drift(counted),
        covered,
        sweep,
        oldest_at,
        held,
    })
}

fn state(covered: &Covered, open: &[GapRow]) -> State {
    if covered.failed.is_some() {
        State::Incomplete
    } else if !open.is_empty() {
        State::Uncovered
    } else if covered.pass_began_at.is_some() {
        State::Reading
    } else if covered.covered_to.is_none() {
        State::Never
    } else {
        State::Complete
    }
}

fn sentence(state: State, covered: &Covered, open: &[GapRow]) -> String {
    let failed = covered.failed.as_ref();
    match state {
        State::Never => "It was not read to its end yet.".to_owned(),
        State::Reading => "It is being read.".to_owned(),
        State::Complete => "Everything up to the last read is here.".to_owned(),
        State::Uncovered => match open.len() {
            1 => "Some changes did not come: a sweep is to bring them.".to_owned(),
            many => format!("Changes of {many} stretches did not come: a sweep is to bring them."),
        },
        State::Incomplete => match failed.and_then(|failed| failed.message.as_deref()) {
            Some(message) => format!("The last read broke off: {message}."),
            None => "The last read broke off.".to_owned(),
        },
    }
}

/// The stretches of a stream's time in their order: covered up to the last complete read, but for the
/// open gaps. Gaps that overlap are told one after the other, none of them hidden.
fn intervals(covered: &Covered, open: &[GapRow]) -> Vec<Interval> {
    let mut found = Vec::new();
    let mut gaps: Vec<&GapRow> = open.iter().collect();
    gaps.sort_by_key(|gap| (gap.from_at, gap.to_at));
    let mut place = None;
    let is_covered = |from, to| Interval {
        from,
        to: Some(to),
        reason: None,
        gap: None,
    };
    for gap in gaps {
        if let (Some(from), Some(end)) = (gap.from_at, covered.covered_to) {
            let to = from.min(end);
            if place.is_none_or(|place| place < to) {
                found.push(is_covered(place, to));
                place = Some(to);
            }
        }
        found.push(Interval {
            from: gap.from_at,
            to: Some(gap.to_at),
            reason: Some(gap.reason.into()),
            gap: Some(gap.id),
        });
        place = place.max(Some(gap.to_at));
    }
    if let Some(end) = covered.covered_to
        && place.is_none_or(|place| place < end)
    {
        found.push(is_covered(place, end));
    }
    found.push(Interval {
        from: covered.covered_to,
        to: None,
        reason: Some(match covered.failed {
            Some(_) => Reason::IncompleteRead,
            None => Reason::NotRead,
        }),
        gap: None,
    });
    found
}

/// Gaps of a stream, newest first.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn gaps(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    limit: i64,
    after: Option<&After>,
) -> Result<Slice<GapRow>, StoreError> {
    streams::get(tx, connection, stream).await?;
    coverage::list(tx, connection, stream, limit, after).await
}

/// A difference as it is shown.
#[derive(Clone, Debug)]
pub struct Difference {
    pub row: DifferenceRow,
    /// With the prefix of its kind.
    pub entity_id: String,
}

/// Differences that sweeps of a stream found, newest first.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn differences(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    limit: i64,
    after: Option<&After>,
) -> Result<Slice<Difference>, StoreError> {
    streams::get(tx, connection, stream).await?;
    let slice = sweeps::differences(tx, connection, stream, limit, after).await?;
    let tell = |row: DifferenceRow| Difference {
        entity_id: show::id(&row.entity, row.entity_id),
        row,
    };
    Ok(Slice {
        items: slice.items.into_iter().map(tell).collect(),
        next: slice.next,
        total: None,
    })
}

/// How the records of a stream are compared.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn sweep_of(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
) -> Result<SweepRow, StoreError> {
    streams::get(tx, connection, stream).await?;
    sweeps::get(tx, connection, stream).await
}

/// Sets how often every record is compared, and whether that rests. The caller read this version.
///
/// # Errors
/// [`StoreError::NotFound`], [`StoreError::Stale`].
pub async fn set_sweep(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    settings: (TimeDelta, bool),
    version: i64,
) -> Result<SweepRow, StoreError> {
    streams::get(tx, connection, stream).await?;
    sweeps::put(tx, connection, stream, settings, version).await?;
    sweeps::get(tx, connection, stream).await
}

/// Starts a sweep now.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Conflict`] for a stream that cannot be read, and where
/// sweeps rest.
pub async fn start_sweep(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    what: What,
) -> Result<RunId, StoreError> {
    let row = streams::get(tx, connection, stream).await?;
    if let Some(hindrance) = crate::streams::hindrance(&row) {
        return Err(StoreError::Conflict(hindrance.to_owned()));
    }
    if sweeps::get(tx, connection, stream).await?.paused {
        let message = "sweeps of the stream are paused: let them go on first";
        return Err(StoreError::Conflict(message.to_owned()));
    }
    let input = SweepInput {
        connection,
        stream: stream.to_owned(),
        what,
    };
    sweep::start(tx, input, "manual").await
}

/// Takes over what a system says of its streams by now; fields whose change touches a mapping stand
/// still.
///
/// # Errors
/// [`SyncError`].
pub async fn describe(
    tx: &mut Tx,
    tables: &CoreTables,
    connection: ConnectionId,
    found: &[Stream],
) -> Result<(), SyncError> {
    for stream in found {
        let name = stream.name.as_str();
        // What cannot be compared is told when the stream is read.
        let Ok(described) = Described::of(stream.clone()) else {
            tracing::warn!(
                stream = name,
                "description cannot be taken: it is left as it was"
            );
            continue;
        };
        let compared = compare::compare(tx, tables, connection, name, &described, None).await?;
        if compared.recovered > 0 {
            crate::mappings::remap(tx, connection, name).await?;
        }
    }
    Ok(())
}

/// Stores the proposed answer to the open drifts of a stream as a draft of its mapping, to be previewed
/// and published like any other.
///
/// # Errors
/// [`SyncError`]; [`StoreError::Conflict`] where nothing waits for an answer.
pub async fn draft(
    tx: &mut Tx,
    tables: &CoreTables,
    connection: ConnectionId,
    stream: &str,
    author: Author<'_>,
) -> Result<(MappingId, i32), SyncError> {
    let row = streams::get(tx, connection, stream).await?;
    let proposal = compare::proposal(tx, tables, connection, stream).await?;
    let (Some(proposal), Some(mapping)) = (proposal, row.mapping_id) else {
        let message = format!("nothing of {stream:?} waits for an answer");
        return Err(StoreError::Conflict(message).into());
    };
    let known = mappings::get(tx, mapping).await?;
    let version =
        mappings::append(tx, mapping, known.version, &proposal.text, author, None).await?;
    tx.changed("mapping", mapping);
    Ok((mapping, version))
}

/// Figures of all streams of all tenants in the Prometheus text format.
///
/// # Errors
/// [`StoreError`].
pub async fn figures(store: &Store) -> Result<String, StoreError> {
    let mut tx = store.begin_system().await?;
    let figures = sweeps::figures(&mut tx).await?;
    let now = tx.now();
    tx.commit().await?;
    let mut text = String::new();
    let family = |text: &mut String, name: &str, help: &str, lines: Vec<String>| {
        if lines.is_empty() {
            return;
        }
        text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} gauge\n"));
        for line in lines {
            text.push_str(&format!("{name}{line}\n"));
        }
    };
    let labels = |figure: &sweeps::Figure| {
        // Names of streams come from systems.
        let stream = figure.stream.replace('\\', "\\\\").replace('"', "\\\"");
        let stream = stream.replace('\n', "\\n");
        let connection = figure.connection;
        format!("{{connection=\"{connection}\",stream=\"{stream}\"}}")
    };
    let each = |value: &dyn Fn(&sweeps::Figure) -> Option<i64>| -> Vec<String> {
        let line = |figure: &sweeps::Figure| Some(format!("{} {}", labels(figure), value(figure)?));
        figures.iter().filter_map(line).collect()
    };
    family(
        &mut text,
        "syncline_drift_records",
        "Records of which the hub was wrong, by the last round of sweeps.",
        each(&|figure| Some(figure.drift)),
    );
    family(
        &mut text,
        "syncline_oldest_comparison_seconds",
        "Age of the comparison that is the oldest of a stream.",
        each(&|figure| figure.oldest_at.map(|at| (now - at).num_seconds())),
    );
    family(
        &mut text,
        "syncline_open_gaps",
        "Stretches of a feed of which not every change was seen.",
        each(&|figure| Some(figure.open_gaps)),
    );
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::store::coverage::Failed;

    fn at(minute: u32) -> DateTime<Utc> {
        format!("2026-11-20T10:{minute:02}:00Z").parse().unwrap()
    }

    fn gap(from: Option<u32>, to: u32) -> GapRow {
        GapRow {
            id: GapId::fresh(),
            reason: GapReason::Overflow,
            from_at: from.map(at),
            to_at: at(to),
            keys: None,
            found_at: at(to),
            run_id: None,
            closed_at: None,
            closed_by: None,
        }
    }

    fn covered(to: Option<u32>) -> Covered {
        Covered {
            covered_to: to.map(at),
            pass_began_at: None,
            sweep_due_at: None,
            failed: None,
        }
    }

    fn told(covered: &Covered, open: &[GapRow]) -> Vec<(Option<u32>, Option<u32>, Option<Reason>)> {
        use chrono::Timelike as _;
        let minute = |at: Option<DateTime<Utc>>| at.map(|at| at.minute());
        let tell = |one: Interval| (minute(one.from), minute(one.to), one.reason);
        intervals(covered, open).into_iter().map(tell).collect()
    }

    #[test]
    fn what_lies_before_the_last_complete_read_is_covered_but_for_the_gaps() {
        let rest = |from| (from, None, Some(Reason::NotRead));
        let lost = Some(Reason::Overflow);
        assert_eq!(told(&covered(None), &[]), [rest(None)]);
        assert_eq!(
            told(&covered(Some(30)), &[]),
            [(None, Some(30), None), rest(Some(30))]
        );
        assert_eq!(
            told(&covered(Some(30)), &[gap(Some(20), 25), gap(Some(5), 10)]),
            [
                (None, Some(5), None),
                (Some(5), Some(10), lost),
                (Some(10), Some(20), None),
                (Some(20), Some(25), lost),
                (Some(25), Some(30), None),
                rest(Some(30)),
            ]
        );
        // Overlapping, and up to now.
        assert_eq!(
            told(&covered(Some(30)), &[gap(Some(5), 20), gap(Some(10), 40)]),
            [
                (None, Some(5), None),
                (Some(5), Some(20), lost),
                (Some(10), Some(40), lost),
                rest(Some(30)),
            ]
        );
        assert_eq!(
            told(&covered(Some(30)), &[gap(None, 20)]),
            [
                (None, Some(20), lost),
                (Some(20), Some(30), None),
                rest(Some(30)),
            ]
        );
    }

    #[test]
    fn a_stream_says_how_it_stands() {
        let failed = Covered {
            failed: Some(Failed {
                run_id: RunId::fresh(),
                message: Some("page cannot be read".to_owned()),
            }),
            pass_began_at: Some(at(1)),
            ..covered(Some(30))
        };
        assert_eq!(state(&failed, &[]), State::Incomplete);
        assert!(sentence(State::Incomplete, &failed, &[]).contains("page cannot be read"));
        assert_eq!(told(&failed, &[])[1].2, Some(Reason::IncompleteRead));
        assert_eq!(state(&covered(None), &[]), State::Never);
        assert_eq!(state(&covered(Some(1)), &[]), State::Complete);
        assert_eq!(state(&covered(Some(1)), &[gap(None, 1)]), State::Uncovered);
    }
}
