//! The steps of `workflows::sweep_stream`, in its order: what closes the gaps of a feed, and a listing
//! of everything.

use anyhow::Result;
use chrono::{DateTime, Utc};
use connector_sdk::{Change, Cursor, ErrorKind, Opened, Page, Read, Record};
use engine::ids::{GapId, RunId};
use engine::store::{StoreError, coverage, sweeps};
use engine::sync::SyncError;
use engine::sync::outbox;
use engine::sync::page::{Applied, Ledger, Origin};
use engine::sync::sweep::{self, Compared, Found, SweepInput, What};

use super::peer::FIELDS;
use super::plan::Fault;
use super::planted::Planted;
use super::{Flight, STREAM, Went, World};

/// Records of one page of a listing, and of one direct read.
const PART: i64 = 3;

/// Where a sweep stands.
#[derive(Clone)]
pub(crate) enum At {
    Begin {
        what: What,
    },
    /// Before `ComparePart` reads these records directly.
    These {
        so_far: SoFar,
        keys: Vec<String>,
    },
    /// Before `ListPage` reads.
    List {
        so_far: SoFar,
        after: Option<Cursor>,
    },
    /// Before `ListPage` compares what it read.
    Compare {
        so_far: SoFar,
        after: Option<Cursor>,
        page: Box<Page>,
        asked_at: DateTime<Utc>,
    },
    Suspect {
        so_far: SoFar,
    },
    /// Before `ConfirmPart`.
    Confirm {
        so_far: SoFar,
        after: String,
    },
    /// Before `RemovePart`.
    Remove {
        so_far: SoFar,
        after: String,
    },
    End {
        so_far: SoFar,
    },
}

/// What its journal holds.
#[derive(Clone)]
pub(crate) struct SoFar {
    gaps: Vec<GapId>,
    began_at: DateTime<Utc>,
    /// Reads what changed since, and not everything.
    since: Option<DateTime<Utc>>,
    /// Everything was listed: what was not is suspected to be gone.
    is_whole: bool,
    ledger: Ledger,
}

impl World<'_> {
    /// Starts what a read that was told of a gap starts.
    pub(crate) async fn start_sweep(&self, peer: usize, what: What) -> Result<()> {
        let mut tx = self.begin().await?;
        let input = SweepInput {
            connection: self.connections[peer],
            stream: STREAM.to_owned(),
            what,
        };
        sweep::start(&mut tx, input, "pull").await?;
        tx.commit().await?;
        Ok(())
    }

    /// Starts a sweep where a gap is open and nobody is about to close it, as the next part of a round
    /// does; says whether there was one.
    pub(crate) async fn close_gaps(&mut self) -> Result<bool> {
        let mut is_any = false;
        for peer in 0..self.peers.len() {
            let mut tx = self.begin().await?;
            let open = coverage::open(&mut tx, self.connections[peer], STREAM).await?;
            tx.commit().await?;
            if !open.is_empty() {
                self.start_sweep(peer, What::Gaps).await?;
                is_any = true;
            }
        }
        Ok(is_any)
    }

    /// Begins a sweep of a system, unless one is under way.
    pub(crate) fn sweep(&mut self, run: RunId, peer: usize, what: What) -> bool {
        let is_swept =
            |flight: &Flight| flight.peer == peer && matches!(flight.at, super::At::Sweep(_));
        if self.flights.iter().any(is_swept) {
            return false;
        }
        self.note(format!("{peer}: a sweep begins: {what:?}"));
        self.flights.push(Flight {
            run,
            peer,
            at: super::At::Sweep(At::Begin { what }),
            not_before: self.now(),
            tries: 0,
        });
        true
    }

    pub(crate) async fn sweep_step(
        &mut self,
        run: RunId,
        peer: usize,
        at: At,
        fault: Fault,
    ) -> Result<Went<At>> {
        if fault == Fault::Cancelled {
            self.note(format!("{peer}: the sweep is cancelled"));
            return Ok(Went::Over);
        }
        let dies = fault == Fault::DiesAfterCall;
        match at {
            At::Begin { what } => self.begin_sweep(peer, what).await,
            At::These { so_far, keys } => self.compare_these(run, peer, so_far, keys, dies).await,
            At::List { so_far, after } => self.list(peer, so_far, after).await,
            At::Compare { so_far, after, .. } if fault == Fault::Dies => {
                self.note(format!("{peer}: dies with a listed page in hand"));
                Ok(Went::On(At::List { so_far, after }))
            }
            At::Compare {
                so_far,
                after,
                page,
                asked_at,
            } => {
                let read = (after, *page, asked_at);
                self.compare(run, peer, so_far, read, dies).await
            }
            At::Suspect { so_far } => self.suspect(run, peer, so_far).await,
            At::Confirm { so_far, after } => self.confirm(run, peer, so_far, after, dies).await,
            At::Remove { so_far, after } => self.remove_absent(run, peer, so_far, after).await,
            At::End { so_far } => self.end_sweep(run, peer, so_far).await,
        }
    }

    async fn begin_sweep(&mut self, peer: usize, what: What) -> Result<Went<At>> {
        let connection = self.connections[peer];
        let mut tx = self.begin().await?;
        sweeps::tidy(&mut tx, connection, STREAM).await?;
        let began_at = tx.now();
        let open = coverage::open(&mut tx, connection, STREAM).await?;
        tx.commit().await?;
        if open.is_empty() && what == What::Gaps {
            return Ok(Went::Over);
        }
        let is_lost = open
            .iter()
            .any(|gap| gap.reason == connector_sdk::GapReason::Lost);
        let from: Option<Vec<DateTime<Utc>>> = open.iter().map(|gap| gap.from_at).collect();
        let from = from.and_then(|from| from.into_iter().min());
        let named: Option<Vec<Vec<String>>> = open.iter().map(|gap| gap.keys.clone()).collect();
        let named = named.filter(|_| what == What::Gaps);
        let since = from.filter(|_| what == What::Gaps && !is_lost);
        let so_far = SoFar {
            gaps: open.into_iter().map(|gap| gap.id).collect(),
            began_at,
            is_whole: named.is_none() && since.is_none(),
            since,
            ledger: Ledger::default(),
        };
        Ok(Went::On(match named {
            Some(named) => At::These {
                so_far,
                keys: named.concat(),
            },
            None => At::List {
                so_far,
                after: None,
            },
        }))
    }

    /// What is there by these keys; `None` if that cannot be read now.
    async fn asked(&mut self, peer: usize, keys: &[String]) -> Option<Vec<Option<Record>>> {
        let names: Vec<String> = FIELDS.iter().map(|(_, name)| (*name).to_owned()).collect();
        match self.peers[peer].fetch(&STREAM.into(), keys, &names).await {
            Ok(found) => Some(found),
            Err(error) => {
                self.note(format!("{peer}: a direct read fails: {error}"));
                None
            }
        }
    }

    async fn compare_these(
        &mut self,
        run: RunId,
        peer: usize,
        mut so_far: SoFar,
        mut keys: Vec<String>,
        dies: bool,
    ) -> Result<Went<At>> {
        keys.sort_unstable();
        keys.dedup();
        self.note(format!("{peer}: asks for {keys:?}"));
        let asked_at = self.now();
        let Some(found) = self.asked(peer, &keys).await else {
            return Ok(Went::Again(At::These { so_far, keys }));
        };
        if dies {
            return Ok(Went::On(At::These { so_far, keys }));
        }
        let connection = self.connections[peer];
        let answers = keys.iter().zip(&found);
        let missing = answers.filter(|(_, record)| record.is_none());
        let missing: Vec<String> = missing.map(|(key, _)| key.clone()).collect();
        let mut tx = self.begin().await?;
        sweeps::suspect(&mut tx, connection, STREAM, run, &missing).await?;
        let found = Found {
            connection,
            stream: STREAM.to_owned(),
            run,
            changes: found.into_iter().flatten().map(Change::Upsert).collect(),
            origin: Origin::Records(asked_at),
        };
        let compared = sweep::compare(&mut tx, &self.server.tables, found, so_far.ledger).await;
        let Some(compared) = settled(compared)? else {
            return Ok(Went::Again(At::These { so_far, keys }));
        };
        self.owe(&mut tx, &compared.applied).await?;
        tx.commit().await?;
        self.learn(peer).await?;
        so_far.ledger = compared.applied.ledger;
        Ok(Went::On(At::Suspect { so_far }))
    }

    async fn list(
        &mut self,
        peer: usize,
        so_far: SoFar,
        after: Option<Cursor>,
    ) -> Result<Went<At>> {
        let stream = STREAM.into();
        let place = match (&after, so_far.since) {
            (None, Some(at)) => self.peers[peer].since(&stream, at)?,
            _ => after.clone(),
        };
        let read = Read {
            stream,
            fields: FIELDS.iter().map(|(_, name)| (*name).to_owned()).collect(),
            after: place,
            limit: usize::try_from(PART)?,
        };
        let asked_at = self.now();
        match self.peers[peer].read(&read).await {
            Ok(page) => {
                let keys: Vec<&str> = page.changes.iter().map(Change::key).collect();
                let rest = if page.more { " …" } else { "" };
                self.note(format!("{peer}: lists {keys:?}{rest}"));
                Ok(Went::On(At::Compare {
                    so_far,
                    after,
                    page: Box::new(page),
                    asked_at,
                }))
            }
            Err(error) if error.kind == ErrorKind::Gone => {
                anyhow::bail!("a cursor of a listing was not understood: {error}")
            }
            Err(error) => {
                self.note(format!("{peer}: the listing fails: {error}"));
                Ok(match self.planted {
                    Some(Planted::HalfListingBelieved) => Went::On(At::Suspect { so_far }),
                    Some(Planted::FailedPageSealed) => Went::On(At::End { so_far }),
                    _ => Went::Again(At::List { so_far, after }),
                })
            }
        }
    }

    async fn compare(
        &mut self,
        run: RunId,
        peer: usize,
        mut so_far: SoFar,
        (after, page, asked_at): (Option<Cursor>, Page, DateTime<Utc>),
        dies: bool,
    ) -> Result<Went<At>> {
        let connection = self.connections[peer];
        let mut tx = self.begin().await?;
        if so_far.is_whole {
            let living = page.changes.iter().filter_map(|change| match change {
                Change::Upsert(record) => Some(record.key.clone()),
                Change::Delete(_) => None,
            });
            let keys: Vec<String> = living.collect();
            sweeps::list(&mut tx, connection, STREAM, run, &keys).await?;
        }
        coverage::note(&mut tx, connection, STREAM, run, &page.gaps).await?;
        let found = Found {
            connection,
            stream: STREAM.to_owned(),
            run,
            changes: page.changes,
            origin: Origin::Listing(asked_at),
        };
        let compared = sweep::compare(&mut tx, &self.server.tables, found, so_far.ledger).await;
        let Some(compared) = settled(compared)? else {
            return Ok(Went::Again(At::List { so_far, after }));
        };
        self.owe(&mut tx, &compared.applied).await?;
        if dies {
            drop(tx);
            self.note(format!("{peer}: dies before the listed page is committed"));
            return Ok(Went::On(At::List { so_far, after }));
        }
        tx.commit().await?;
        self.learn(peer).await?;
        self.note(format!(
            "{peer}: compared, differing: {:?}",
            compared.differing
        ));
        so_far.ledger = compared.applied.ledger;
        Ok(Went::On(if page.more {
            At::List {
                so_far,
                after: Some(page.cursor),
            }
        } else {
            At::Suspect { so_far }
        }))
    }

    async fn owe(&self, tx: &mut engine::Tx, applied: &Applied) -> Result<()> {
        outbox::start_pushes(tx, &applied.owed, "sweep").await?;
        Ok(())
    }

    async fn suspect(&mut self, run: RunId, peer: usize, so_far: SoFar) -> Result<Went<At>> {
        let connection = self.connections[peer];
        let mut tx = self.begin().await?;
        let began_at = so_far.began_at;
        let count = if so_far.is_whole {
            sweeps::suspect_unlisted(&mut tx, connection, STREAM, run, began_at).await?
        } else {
            0
        };
        if self.is(Planted::HalfListingBelieved) {
            let place = (connection, STREAM);
            let all = sweeps::absent(&mut tx, place, run, false, "", 1_000).await?;
            sweeps::confirm(&mut tx, place, run, &all).await?;
        }
        tx.commit().await?;
        if count > 0 {
            self.note(format!("{peer}: {count} records were not listed"));
        }
        let after = String::new();
        Ok(Went::On(At::Confirm { so_far, after }))
    }

    async fn confirm(
        &mut self,
        run: RunId,
        peer: usize,
        mut so_far: SoFar,
        after: String,
        dies: bool,
    ) -> Result<Went<At>> {
        let place = (self.connections[peer], STREAM);
        let mut tx = self.begin().await?;
        let keys = sweeps::absent(&mut tx, place, run, false, &after, PART).await?;
        tx.commit().await?;
        let asked_at = self.now();
        let Some(found) = self.asked(peer, &keys).await else {
            return Ok(Went::Again(At::Confirm { so_far, after }));
        };
        if dies {
            return Ok(Went::On(At::Confirm { so_far, after }));
        }
        let next = keys.last().cloned();
        let is_full = i64::try_from(keys.len())? >= PART;
        let (mut there, mut gone) = (Vec::new(), Vec::new());
        for (key, record) in keys.into_iter().zip(found) {
            match record {
                Some(record) => there.push(Change::Upsert(record)),
                None => gone.push(key),
            }
        }
        let mut tx = self.begin().await?;
        sweeps::confirm(&mut tx, place, run, &gone).await?;
        let found = Found {
            connection: place.0,
            stream: STREAM.to_owned(),
            run,
            changes: there,
            origin: Origin::Records(asked_at),
        };
        let compared = sweep::compare(&mut tx, &self.server.tables, found, so_far.ledger).await;
        let Some(compared) = settled(compared)? else {
            return Ok(Went::Again(At::Confirm { so_far, after }));
        };
        self.owe(&mut tx, &compared.applied).await?;
        tx.commit().await?;
        so_far.ledger = compared.applied.ledger;
        Ok(Went::On(match next.filter(|_| is_full) {
            Some(after) => At::Confirm { so_far, after },
            None => At::Remove {
                so_far,
                after: String::new(),
            },
        }))
    }

    async fn remove_absent(
        &mut self,
        run: RunId,
        peer: usize,
        mut so_far: SoFar,
        after: String,
    ) -> Result<Went<At>> {
        let place = (self.connections[peer], STREAM);
        let tables = &self.server.tables;
        let mut tx = self.begin().await?;
        let keys = sweeps::absent(&mut tx, place, run, true, &after, PART).await?;
        let next = keys.last().cloned();
        let is_full = i64::try_from(keys.len())? >= PART;
        let all = sweeps::count_confirmed(&mut tx, place.0, STREAM, run).await?;
        let removed = sweep::remove(&mut tx, tables, place, run, keys, so_far.ledger, all).await;
        let Some(removed) = settled(removed)? else {
            return Ok(Went::Again(At::Remove { so_far, after }));
        };
        self.owe(&mut tx, &removed.applied).await?;
        tx.commit().await?;
        so_far.ledger = removed.applied.ledger;
        Ok(Went::On(match next.filter(|_| is_full) {
            Some(after) => At::Remove { so_far, after },
            None => At::End { so_far },
        }))
    }

    async fn end_sweep(&mut self, run: RunId, peer: usize, so_far: SoFar) -> Result<Went<At>> {
        let connection = self.connections[peer];
        let mut tx = self.begin().await?;
        let closed = coverage::close(&mut tx, &so_far.gaps, run).await?;
        sweeps::forget(&mut tx, connection, STREAM).await?;
        tx.commit().await?;
        self.note(format!(
            "{peer}: the sweep is over and closes {closed} gaps"
        ));
        Ok(Went::Over)
    }
}

/// What comparing came to; `None` when it is to be tried again.
fn settled(compared: Result<Compared, SyncError>) -> Result<Option<Compared>> {
    match compared {
        Ok(compared) => Ok(Some(compared)),
        Err(SyncError::Store(StoreError::Stale(_))) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
