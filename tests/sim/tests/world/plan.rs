//! What happens in a world: how its systems behave, and one thing after the other.

use super::rng::Rng;

/// A field by its place in [`super::peer::FIELDS`].
pub(crate) type Field = usize;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) peers: Vec<Habits>,
    pub(crate) events: Vec<Event>,
    /// Whether a person answers all conflicts in the end.
    pub(crate) is_resolved: bool,
}

/// How a system behaves. The default is one that is no trouble.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Habits {
    /// Its clock against the hub's.
    pub(crate) skew_ms: i64,
    /// Its stamps have no fraction, so that many are tied.
    pub(crate) whole_seconds: bool,
    /// Its lists show a change up to so much later, and until then what was before.
    pub(crate) late_ms: u64,
    /// Records in one page at most; zero is no limit.
    pub(crate) page: usize,
    pub(crate) trims: bool,
    pub(crate) titles: bool,
    pub(crate) truncates: bool,
    pub(crate) formats_phones: bool,
    /// Lists say only what changed.
    pub(crate) is_partial: bool,
    /// Lists bring records twice and in disorder.
    pub(crate) doubles: bool,
    pub(crate) reads_back: bool,
    /// It has no room for the hub's id, so that nothing can be found by it.
    pub(crate) is_unsearchable: bool,
    /// Writes of ours after which an automation sets another value, as our user.
    pub(crate) automates: u32,
    /// A flow sets this value, as our user, after every write of ours that leaves another there.
    pub(crate) insists: Option<(Field, connector_sdk::Value)>,
    /// How it keeps a write from going over what nobody has seen.
    pub(crate) guard: Guard,
    /// A second version of its mapping is tried on half of its records; it bears so many conflicts.
    pub(crate) canary: Option<i64>,
    /// Owner and policies of its mapping.
    pub(crate) rules: Rules,
    /// What its mapping takes a name for.
    pub(crate) names: Names,
}

/// What a system does about a change between a look and a write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Guard {
    /// Writes only over the version that was looked at.
    #[default]
    Condition,
    /// Writes over everything, and tells afterwards what was there.
    History,
}

/// Which fields of a system's mapping are decided how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Rules {
    #[default]
    Ask,
    /// The system owns its industry; of name and description the newest stands.
    OwnsIndustry,
    /// The hub owns the industry, and wins at first contact.
    HubOwns,
}

/// What the name of a record says of whose it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Names {
    #[default]
    Nothing,
    /// It is the one of that name.
    Entity,
    /// It may be the one of that name: a person is asked.
    Question,
}

/// A value somebody sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Set {
    /// One that nobody has set before.
    Fresh,
    Null,
    Empty,
}

/// Positions are taken modulo what there is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    EditThere {
        peer: usize,
        record: usize,
        field: Field,
        set: Set,
    },
    /// A record is stamped anew without a change.
    Touch {
        peer: usize,
        record: usize,
    },
    CreateThere {
        peer: usize,
        parent: Option<usize>,
    },
    DeleteThere {
        peer: usize,
        record: usize,
    },
    Undelete {
        peer: usize,
        record: usize,
    },
    /// A record is merged into another.
    MergeThere {
        peer: usize,
        loser: usize,
        winner: usize,
    },
    EditHere {
        entity: usize,
        fields: Vec<(Field, Set)>,
    },
    CreateHere,
    /// A person answers an open conflict; how, by number.
    Answer {
        conflict: usize,
        how: usize,
    },
    /// A read of a system begins; `full` is a read of everything.
    Pull {
        peer: usize,
        full: bool,
    },
    /// One of the runs under way goes a step further.
    Step {
        pick: usize,
        fault: Fault,
    },
    Pass {
        ms: u64,
    },
    /// A data loader changes records, or purges one; the feed says only that it does not say what.
    Load {
        peer: usize,
        record: usize,
        count: usize,
        purges: bool,
    },
    /// A sweep of everything begins.
    Sweep {
        peer: usize,
    },
    /// A record is made in a system that is there in the next one.
    TwinThere {
        peer: usize,
        record: usize,
    },
    /// A person says whose a held record is; how, by number.
    Decide {
        question: usize,
        how: usize,
    },
    /// A person says that a linked record is another entity, or one of its own.
    Relink {
        record: usize,
        to: usize,
    },
}

/// What goes wrong in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// The process dies before the step commits, a call included.
    Dies,
    /// A call takes effect and the process dies before it knows.
    DiesAfterCall,
    /// The run is cancelled for good.
    Cancelled,
    /// The system is over its limits.
    Limited,
    /// A call times out; it has taken effect.
    TimesOut,
    /// A call times out without effect.
    Unreachable,
    /// Every other row is locked.
    Locked,
    /// The next page is read already before this one is applied.
    ReadsAhead,
}

/// What a world is about besides edits and crashes: a million seeds each.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Edits,
    /// What feeds do not tell, and sweeps.
    Feeds,
    /// Whose records are.
    Identity,
}

impl Family {
    const SEEDS: u64 = 1_000_000;

    fn of(seed: u64) -> Self {
        match seed.saturating_sub(1) / Self::SEEDS {
            1 => Self::Feeds,
            2 => Self::Identity,
            _ => Self::Edits,
        }
    }

    /// The first seed of the family.
    pub(crate) fn first(self) -> u64 {
        match self {
            Self::Edits => 1,
            Self::Feeds => Self::SEEDS + 1,
            Self::Identity => 2 * Self::SEEDS + 1,
        }
    }
}

impl Plan {
    pub(crate) fn of(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let peers = 2 + usize::from(rng.percent(35));
        let mut peers: Vec<Habits> = (0..peers).map(|place| habits(&mut rng, place)).collect();
        // From numbers of their own: worlds that were known keep their events.
        let mut more = Rng::new(seed ^ 0x5eed_0002);
        for peer in &mut peers {
            if more.percent(50) {
                peer.guard = Guard::History;
            }
            if more.percent(20) {
                peer.canary = Some(i64::from(more.percent(50)));
            }
            if peer.reads_back && more.percent(12) {
                peer.insists = Some((super::peer::INSISTED, "t0x always so".into()));
            }
        }
        let mut events = vec![Event::CreateHere];
        for peer in 0..peers.len() {
            events.push(Event::CreateThere { peer, parent: None });
        }
        events.extend((0..8).map(|_| step(&mut rng, false)));
        let count = 25 + rng.below(30);
        let is_nasty = rng.percent(80);
        for _ in 0..count {
            events.push(event(&mut rng, peers.len(), is_nasty));
        }
        let plan = Self {
            seed,
            peers,
            events,
            is_resolved: rng.percent(60),
        };
        match Family::of(seed) {
            Family::Edits => plan,
            Family::Feeds => plan.uncovered(&mut rng),
            Family::Identity => plan.identified(&mut rng),
        }
    }

    /// The same with records that are in several systems from the beginning, people who say which are the
    /// same and change their minds, and more merges.
    fn identified(mut self, rng: &mut Rng) -> Self {
        for habits in &mut self.peers {
            habits.names = if rng.percent(50) {
                Names::Entity
            } else {
                Names::Question
            };
            // A name that comes after the record itself has made an entity already.
            (habits.late_ms, habits.is_partial) = (0, false);
            habits.canary = None;
        }
        for _ in 0..4 + rng.below(6) {
            let (peer, one, other) = (rng.pick(), rng.pick(), rng.pick());
            let event = match rng.below(10) {
                0..5 => Event::TwinThere { peer, record: one },
                5..7 => Event::Decide {
                    question: one,
                    how: other,
                },
                7 => Event::Relink {
                    record: one,
                    to: other,
                },
                _ => Event::MergeThere {
                    peer,
                    loser: one,
                    winner: other,
                },
            };
            let place = rng.pick() % (self.events.len() + 1);
            self.events.insert(place, event);
        }
        self
    }

    /// The same with a feed that does not tell everything, and sweeps. Its lists tell all of a record at
    /// once, values stay as they are written, and removals are those that no list tells: what lags, what
    /// normalises and what people decide about removals is for the other worlds.
    fn uncovered(mut self, rng: &mut Rng) -> Self {
        for habits in &mut self.peers {
            habits.late_ms = 0;
            habits.is_partial = false;
            (habits.trims, habits.titles) = (false, false);
            (habits.truncates, habits.formats_phones) = (false, false);
        }
        self.events.retain(|event| {
            !matches!(
                event,
                Event::DeleteThere { .. } | Event::MergeThere { .. } | Event::Undelete { .. }
            )
        });
        self.is_resolved = false;
        for _ in 0..2 + rng.below(5) {
            let (peer, record) = (rng.pick() % self.peers.len(), rng.pick());
            let event = match rng.below(4) {
                0 => Event::Sweep { peer },
                1 => Event::Load {
                    peer,
                    record,
                    count: 1,
                    purges: true,
                },
                _ => Event::Load {
                    peer,
                    record,
                    count: 1 + rng.pick() % 4,
                    purges: false,
                },
            };
            let mut events = vec![event, Event::Pull { peer, full: false }];
            // Half of them are heard of at once, while calls fail.
            let steps = rng.below(2) * 16;
            events.extend((0..steps).map(|_| Event::Step {
                pick: rng.pick(),
                fault: match rng.below(6) {
                    0 => Fault::Unreachable,
                    1 => Fault::Limited,
                    _ => Fault::None,
                },
            }));
            let place = rng.pick() % (self.events.len() + 1);
            self.events.splice(place..place, events);
        }
        self
    }
}

fn habits(rng: &mut Rng, place: usize) -> Habits {
    let skews = [0, 0, 0, 2_000, -2_000, 3_600_000, -3_600_000];
    // Where the hub cannot read what became of a write, it takes another form for somebody's change, and
    // cannot always tell a list that lags from a change back.
    let reads_back = rng.percent(75);
    let rewrites = |rng: &mut Rng, of_hundred| rng.percent(of_hundred) && reads_back;
    Habits {
        skew_ms: skews[rng.pick() % skews.len()],
        whole_seconds: rng.percent(30),
        late_ms: [0, 0, 500, 30_000][rng.pick() % 4] * u64::from(reads_back),
        page: [0, 1, 2][rng.pick() % 3],
        trims: rewrites(rng, 30),
        titles: rewrites(rng, 20),
        truncates: rewrites(rng, 20),
        formats_phones: rng.percent(30),
        is_partial: rng.percent(25),
        doubles: rng.percent(25),
        reads_back,
        is_unsearchable: false,
        automates: [0, 0, 1, 2][rng.pick() % 4],
        insists: None,
        canary: None,
        names: Names::Nothing,
        guard: Guard::Condition,
        rules: match (place, rng.below(3)) {
            (_, 0) => Rules::Ask,
            (0, _) => Rules::OwnsIndustry,
            _ => Rules::HubOwns,
        },
    }
}

fn step(rng: &mut Rng, is_nasty: bool) -> Event {
    let fault = match rng.below(100) {
        0..70 if is_nasty => Fault::None,
        70..76 if is_nasty => Fault::Dies,
        76..82 if is_nasty => Fault::DiesAfterCall,
        82..84 if is_nasty => Fault::Cancelled,
        84..87 if is_nasty => Fault::Limited,
        87..90 if is_nasty => Fault::TimesOut,
        90..92 if is_nasty => Fault::Unreachable,
        92..96 if is_nasty => Fault::Locked,
        96..100 => Fault::ReadsAhead,
        _ => Fault::None,
    };
    Event::Step {
        pick: rng.pick(),
        fault,
    }
}

fn set(rng: &mut Rng) -> Set {
    match rng.below(10) {
        0 => Set::Null,
        1 => Set::Empty,
        _ => Set::Fresh,
    }
}

fn event(rng: &mut Rng, peers: usize, is_nasty: bool) -> Event {
    let peer = rng.pick() % peers;
    let (one, other) = (rng.pick(), rng.pick());
    match rng.below(100) {
        0..14 => Event::EditThere {
            peer,
            record: one,
            field: other,
            set: set(rng),
        },
        14..16 => Event::Touch { peer, record: one },
        16..18 => Event::CreateThere {
            peer,
            parent: rng.percent(50).then_some(one),
        },
        18..20 => Event::DeleteThere { peer, record: one },
        20..21 => Event::Undelete { peer, record: one },
        21..22 => Event::MergeThere {
            peer,
            loser: one,
            winner: other,
        },
        22..36 => Event::EditHere {
            entity: one,
            fields: (0..1 + rng.below(2))
                .map(|_| (rng.pick(), set(rng)))
                .collect(),
        },
        36..38 => Event::CreateHere,
        38..41 => Event::Answer {
            conflict: one,
            how: other,
        },
        41..51 => Event::Pull {
            peer,
            full: rng.percent(15),
        },
        51..57 => Event::Pass {
            ms: [10, 700, 4_000, 60_000, 1_000_000][rng.pick() % 5],
        },
        _ => step(rng, is_nasty),
    }
}
