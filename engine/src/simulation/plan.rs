//! What happens in a simulated world, and when: drawn from the seed before it begins, so that parts of
//! it can be left out.

use std::time::Duration;

use super::model::Lost;
use super::rng::Rng;
use super::workload::Job;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    /// From the beginning of the world.
    pub(crate) at: Duration,
    pub(crate) what: What,
}

/// How a start's dedupe key is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Once {
    Existing,
    Replace,
    UntilEnded,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    Start {
        workflow: &'static str,
        job: Job,
        once: Option<(Once, u8)>,
        deadline: Option<Duration>,
        /// Through an engine, with other callers' starts, or in a transaction of its own.
        together: bool,
    },
    /// To a run by the number of its start.
    Signal {
        start: u32,
        body: u32,
    },
    Cancel {
        start: u32,
    },
    /// A process dies, at once or after so many polls of its tasks, and comes back.
    Kill {
        process: usize,
        polls: u64,
        down: Duration,
    },
    /// A process is asked to stop, and comes back.
    ShutDown {
        process: usize,
        down: Duration,
    },
    /// A process stands still.
    Freeze {
        process: usize,
        time: Duration,
    },
    /// Its network is cut; neither side is told.
    Cut {
        process: usize,
        time: Duration,
    },
    /// Its connections are reset, with or without the one that holds its lock.
    Reset {
        process: usize,
        with_session: bool,
    },
    LoseCommit {
        process: usize,
        how: Lost,
        /// The next one that journals a step; else the next one.
        of_step: bool,
    },
    /// The database restarts, or crashes.
    Restart {
        down: Duration,
        crash: bool,
    },
    /// A process's clock is set.
    Jump {
        process: usize,
        by_millis: i64,
    },
    /// The clock of a process, or of all, is wrong by hours until somebody sets it right.
    Astray {
        process: Option<usize>,
        by_millis: i64,
        time: Duration,
    },
    /// Notifications get lost.
    Deaf {
        time: Duration,
    },
}

impl What {
    /// Whether it is something that goes wrong.
    pub(crate) fn is_fault(&self) -> bool {
        !matches!(
            self,
            Self::Start { .. } | Self::Signal { .. } | Self::Cancel { .. }
        )
    }
}

impl What {
    /// So long a run may be late that saw a clock that was wrong by hours.
    fn late(&self) -> Duration {
        match self {
            Self::Astray { by_millis, .. } => Duration::from_millis(by_millis.unsigned_abs()),
            _ => Duration::ZERO,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) processes: usize,
    pub(crate) concurrency: usize,
    /// Longest way of a statement in ordinary times.
    pub(crate) slowest: Duration,
    /// Of each process's clock against the server's, in milliseconds.
    pub(crate) skews: Vec<i64>,
    /// Limit of the shared key, where it is not one.
    pub(crate) key_limit: Option<i32>,
    pub(crate) has_schedule: bool,
    pub(crate) events: Vec<Event>,
}

/// Starts and faults end here; the schedule fires some times until then.
pub(crate) const HORIZON: Duration = Duration::from_secs(100);

fn millis(rng: &mut Rng, from: u64, to: u64) -> Duration {
    Duration::from_millis(from + rng.below(to - from))
}

impl Plan {
    pub(crate) fn of(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let processes = *rng.choose(&[1, 2, 2, 3, 3]);
        let mut plan = Self {
            seed,
            processes,
            concurrency: *rng.choose(&[1, 2, 4, 8]),
            slowest: Duration::from_millis(*rng.choose(&[1, 3, 20])),
            skews: (0..processes)
                .map(|_| rng.below(6_000) as i64 - 3_000)
                .collect(),
            key_limit: rng.percent(30).then_some(2),
            has_schedule: rng.percent(50),
            events: Vec::new(),
        };
        plan.add_faults(&mut rng);
        plan.add_astray(&mut rng);
        plan.add_work(&mut rng);
        plan.events.sort_by_key(|event| event.at);
        plan
    }

    /// So long runs may be late for want of right clocks.
    pub(crate) fn late(&self) -> Duration {
        self.events.iter().map(|event| event.what.late()).sum()
    }

    fn add(&mut self, at: Duration, what: What) {
        self.events.push(Event { at, what });
    }

    fn add_work(&mut self, rng: &mut Rng) {
        let faults: Vec<Duration> = self.events.iter().map(|event| event.at).collect();
        let starts = 8 + rng.below(14) as u32;
        for number in 0..starts {
            let mut at = millis(rng, 0, 80_000);
            if !faults.is_empty() && rng.percent(50) {
                // What goes wrong is to find somebody at work.
                at = rng.choose(&faults).saturating_sub(millis(rng, 0, 1_500));
            }
            let workflow = *rng.choose(&[
                "chain",
                "chain",
                "chain",
                "fleeting",
                "nap",
                "ask",
                "ask",
                "family",
                "forlorn",
                "spread",
                "shaky",
                "unknown",
                "unreadable",
            ]);
            let job = Job {
                number,
                steps: 1 + rng.below(6) as u8,
                flaky: rng
                    .percent(40)
                    .then(|| (rng.below(3) as u8, 1 + rng.below(4) as u8)),
                bad: rng.percent(10) && workflow != "forlorn",
                slow: *rng.choose(&[0, 0, 5, 200, 2_000, 9_000]),
                key: (!["family", "forlorn"].contains(&workflow) && rng.percent(50))
                    .then(|| (*rng.choose(&["left", "right"])).to_owned()),
                rest: rng.percent(50).then(|| 200 + rng.below(6_000)),
            };
            if workflow == "ask" {
                for body in 0..rng.below(u64::from(job.steps) + 2) as u32 {
                    let at = at + millis(rng, 1, 12_000);
                    let body = number * 100 + body;
                    self.add(
                        at,
                        What::Signal {
                            start: number,
                            body,
                        },
                    );
                    if rng.percent(30) {
                        self.add(
                            at + millis(rng, 1, 900),
                            What::Signal {
                                start: number,
                                body,
                            },
                        );
                    }
                }
            }
            if rng.percent(15) {
                let at = at + millis(rng, 1, 8_000);
                self.add(at, What::Cancel { start: number });
            }
            let once = *rng.choose(&[Once::Existing, Once::Replace, Once::UntilEnded]);
            let start = What::Start {
                workflow,
                job,
                once: rng.percent(25).then(|| (once, rng.below(3) as u8)),
                // Nothing else ends one that is forlorn.
                deadline: (rng.percent(10) || workflow == "forlorn")
                    .then(|| millis(rng, 500, 20_000)),
                together: rng.percent(50),
            };
            self.add(at, start);
        }
    }

    fn add_faults(&mut self, rng: &mut Rng) {
        let kinds: Vec<u64> = (0..8).filter(|_| rng.percent(55)).collect();
        if kinds.is_empty() {
            return;
        }
        for _ in 0..3 + rng.below(12) {
            let at = millis(rng, 200, 90_000);
            let process = rng.below(self.processes as u64) as usize;
            let down = millis(rng, 5, 6_000);
            let long = Duration::from_millis(
                *rng.choose(&[300, 1_500, 5_500, 13_500, 16_500, 18_000, 26_000]),
            );
            let what = match rng.choose(&kinds) {
                0 => What::Kill {
                    process,
                    polls: *rng.choose(&[0, 1, 3, 10, 40, 150]),
                    down,
                },
                1 => What::ShutDown { process, down },
                2 => What::Freeze {
                    process,
                    time: long,
                },
                3 => What::Cut {
                    process,
                    time: long,
                },
                4 => What::Reset {
                    process,
                    with_session: rng.percent(50),
                },
                5 => What::LoseCommit {
                    process,
                    of_step: rng.percent(60),
                    how: match rng.below(3) {
                        0 => Lost::Before,
                        1 => Lost::After,
                        _ => Lost::Late(millis(rng, 5, 3_000)),
                    },
                },
                6 => What::Restart {
                    down: millis(rng, 20, 4_000),
                    crash: rng.percent(60),
                },
                _ if rng.percent(50) => What::Deaf { time: long },
                _ => What::Jump {
                    process,
                    by_millis: rng.below(8_000) as i64 - 4_000,
                },
            };
            self.add(at, what);
        }
    }

    /// In one world of eight: each costs as many runs of the schedule as there are minutes.
    fn add_astray(&mut self, rng: &mut Rng) {
        if !rng.percent(12) {
            return;
        }
        let hours = *rng.choose(&[1, 1, 3]) * 3_600_000;
        let process = rng.below(self.processes as u64) as usize;
        let astray = What::Astray {
            process: rng.percent(50).then_some(process),
            by_millis: if rng.percent(50) { hours } else { -hours },
            time: millis(rng, 300, 26_000),
        };
        self.add(millis(rng, 200, 60_000), astray);
    }
}
