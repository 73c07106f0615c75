//! The steps of `workflows::pull_stream`, in its order.
//!
//! Between two steps a run is what its journal holds. A page that is read and not applied is in memory
//! only, like the one after it that may have been read ahead.

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};
use connector_sdk::{Change, Cursor, ErrorKind, Opened, Page, Read, Record, Value};
use engine::ids::{EntityId, RunId};
use engine::store::coverage;
use engine::store::plans::{self, Pass, Phase};
use engine::sync::page::{self, Applied, Origin, Waited};
use engine::sync::sweep::{self, SweepInput, What};
use engine::sync::{SyncError, outbox};
use engine::{StoreError, Tx};
use sqlx::types::Uuid;

use super::peer::{FIELDS, HUB_ID};
use super::plan::Fault;
use super::planted::Planted;
use super::{STREAM, Went, World};

/// Records that wait for a reference, looked at in one step.
const WAITING: usize = 2;

/// Where a read stands.
pub(crate) enum At {
    /// Before `FindPlace`.
    Find { full: bool },
    /// Before `ApplyPage` reads.
    Read {
        after: Place,
        ahead: Option<Box<Ahead>>,
    },
    /// Before `ApplyPage` applies what it read.
    Apply {
        after: Place,
        page: Box<Asked>,
        ahead: Option<Box<Ahead>>,
    },
    /// Before `ApplyWaiting`.
    Waiting { looks: bool, from: String },
}

#[derive(Clone, Debug)]
pub(crate) struct Place {
    cursor: Option<Cursor>,
    phase: Phase,
    /// When the run began.
    began_at: DateTime<Utc>,
    /// Whether it has brought anything.
    is_any_news: bool,
}

/// A page that was read while the one before it was applied.
pub(crate) struct Ahead {
    after: Cursor,
    page: Asked,
}

/// A page, and when it was asked for.
pub(crate) struct Asked {
    page: Page,
    at: DateTime<Utc>,
}

impl World<'_> {
    pub(crate) async fn pull_step(
        &mut self,
        run: RunId,
        peer: usize,
        at: At,
        fault: Fault,
    ) -> Result<Went<At>> {
        if fault == Fault::Cancelled {
            self.note(format!("{peer}: the read is cancelled"));
            return Ok(Went::Over);
        }
        match at {
            At::Find { full } => self.find_place(peer, full).await,
            At::Read { after, ahead } => self.read_page(peer, after, ahead, fault).await,
            At::Apply { after, .. } if fault == Fault::Dies => {
                self.note(format!("{peer}: dies with a page in hand"));
                Ok(Went::On(At::Read { after, ahead: None }))
            }
            At::Apply { after, page, ahead } => {
                let dies = fault == Fault::DiesAfterCall;
                self.apply_page(run, peer, (after, *page, ahead), dies)
                    .await
            }
            At::Waiting { looks, from } => self.apply_waiting(run, peer, looks, from).await,
        }
    }

    async fn find_place(&mut self, peer: usize, full: bool) -> Result<Went<At>> {
        let mut tx = self.begin().await?;
        let plan = plans::of_stream(&mut tx, self.connections[peer], STREAM).await?;
        tx.commit().await?;
        let plan = plan.ok_or_else(|| anyhow::anyhow!("the stream has no plan"))?;
        let began_at = self.now();
        let after = if full || plan.cursor.is_none() {
            Place {
                cursor: None,
                phase: Phase::Full,
                began_at,
                is_any_news: false,
            }
        } else {
            Place {
                cursor: plan.cursor,
                phase: plan.phase,
                began_at,
                is_any_news: false,
            }
        };
        Ok(Went::On(At::Read { after, ahead: None }))
    }

    async fn ask(&self, peer: usize, after: Option<Cursor>) -> connector_sdk::Result<Asked> {
        let at = self.now();
        let read = Read {
            stream: STREAM.into(),
            fields: FIELDS.iter().map(|(_, name)| (*name).to_owned()).collect(),
            after,
            limit: 4_000,
        };
        let page = self.peers[peer].read(&read).await?;
        Ok(Asked { page, at })
    }

    async fn read_page(
        &mut self,
        peer: usize,
        after: Place,
        ahead: Option<Box<Ahead>>,
        fault: Fault,
    ) -> Result<Went<At>> {
        let ready = ahead.filter(|ahead| after.cursor.as_ref() == Some(&ahead.after));
        let page = match ready {
            Some(ahead) => Ok(ahead.page),
            None => self.ask(peer, after.cursor.clone()).await,
        };
        let page = match page {
            Ok(page) => page,
            Err(error) if error.kind == ErrorKind::Gone => {
                anyhow::bail!("a cursor was not understood: {error}")
            }
            Err(error) => {
                self.note(format!("{peer}: the read fails: {error}"));
                return Ok(Went::Again(At::Read { after, ahead: None }));
            }
        };
        let Asked { page, at } = page;
        let read: Vec<String> = page.changes.iter().map(told).collect();
        self.note(format!(
            "{peer}: reads {read:?}{}",
            if page.more { " …" } else { "" }
        ));
        let mut ahead = None;
        if page.more && fault == Fault::ReadsAhead {
            let next = self.ask(peer, Some(page.cursor.clone())).await;
            let after = page.cursor.clone();
            ahead = next.ok().map(|page| Box::new(Ahead { after, page }));
        }
        if self.is(Planted::CursorRunsAhead) {
            let mut tx = self.begin().await?;
            let (connection, cursor) = (self.connections[peer], Some(&page.cursor));
            let run = RunId::fresh();
            let moved = (Phase::Incremental, None);
            plans::advance(&mut tx, connection, STREAM, cursor, moved, run).await?;
            tx.commit().await?;
            if fault == Fault::Dies {
                return Ok(Went::Over);
            }
        }
        let page = Box::new(Asked { page, at });
        Ok(Went::On(At::Apply { after, page, ahead }))
    }

    async fn apply_page(
        &mut self,
        run: RunId,
        peer: usize,
        (after, Asked { page, at }, ahead): (Place, Asked, Option<Box<Ahead>>),
        dies: bool,
    ) -> Result<Went<At>> {
        let phase = if page.more {
            after.phase
        } else {
            Phase::Incremental
        };
        let mut next = Place {
            cursor: Some(page.cursor.clone()),
            phase,
            ..after.clone()
        };
        let more = page.more;
        let pass = Pass {
            began_at: after.began_at,
            is_anew: after.cursor.is_none(),
            is_over: !more,
        };
        let mut tx = self.begin().await?;
        let cursor = Some(((page.cursor, phase), pass));
        let origin = Origin::of_read(after.phase, at);
        let applied = self
            .apply(&mut tx, run, peer, (page.changes, origin), cursor)
            .await?;
        let mut is_gap_open = false;
        if applied.is_some() && !page.gaps.is_empty() && !self.is(Planted::GapsIgnored) {
            let connection = self.connections[peer];
            let noted = coverage::note(&mut tx, connection, STREAM, run, &page.gaps).await?;
            is_gap_open = noted > 0;
        }
        if is_gap_open || applied.as_ref().is_some_and(|applied| applied.in_doubt > 0) {
            let input = SweepInput {
                connection: self.connections[peer],
                stream: STREAM.to_owned(),
                what: What::Gaps,
            };
            sweep::start(&mut tx, input, "pull").await?;
        }
        let Some(applied) = applied else {
            return Ok(Went::Again(At::Read { after, ahead: None }));
        };
        if dies {
            drop(tx);
            self.note(format!("{peer}: dies before the page is committed"));
            return Ok(Went::On(At::Read { after, ahead: None }));
        }
        tx.commit().await?;
        self.spoil().await?;
        if applied.counts.created > 0 {
            self.learn(peer).await?;
        }
        self.note(format!("{peer}: applied {:?}", applied.counts));
        next.is_any_news |= applied.counts.is_any_news();
        if more {
            return Ok(Went::On(At::Read { after: next, ahead }));
        }
        let pending = applied.pending;
        let looks = pending.looks(next.is_any_news);
        if !looks && !pending.is_any_unsent {
            return Ok(Went::Over);
        }
        Ok(Went::On(At::Waiting {
            looks,
            from: String::new(),
        }))
    }

    /// `page::apply` and the pushes it asks for; `None` when it is to be tried again.
    pub(crate) async fn apply(
        &mut self,
        tx: &mut Tx,
        run: RunId,
        peer: usize,
        (changes, origin): (Vec<Change>, Origin),
        cursor: Option<((Cursor, Phase), Pass)>,
    ) -> Result<Option<Applied>> {
        let connection = self.connections[peer];
        let page = page::Page {
            connection,
            stream: STREAM.to_owned(),
            run,
            changes: self.spoilt(peer, changes).into(),
            pass: cursor.as_ref().map(|(_, pass)| *pass),
            cursor: cursor.map(|(cursor, _)| cursor),
            origin,
        };
        let mut applied = match page::apply(tx, &self.server.tables, page).await {
            Ok(applied) => applied,
            Err(SyncError::Store(StoreError::Stale(_))) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let is_push = matches!(origin, Origin::Records(_));
        if is_push {
            applied.owed.remove(&(connection, STREAM.to_owned()));
        }
        let trigger = if is_push { "push" } else { "pull" };
        outbox::start_pushes(tx, &applied.owed, trigger).await?;
        Ok(Some(applied))
    }

    /// The changes as a core with a planted fault takes them.
    fn spoilt(&self, peer: usize, mut changes: Vec<Change>) -> Vec<Change> {
        let soon = self.now() - TimeDelta::seconds(10);
        changes.retain(|change| {
            let written = self.written_at.get(&(peer, change.key().to_owned()));
            let is_echo = written.is_some_and(|written| *written > soon);
            let is_removal = matches!(change, Change::Delete(_));
            !(self.is(Planted::EchoByTime) && is_echo
                || self.is(Planted::RemovalsMissed) && is_removal)
        });
        for change in &mut changes {
            let Change::Upsert(record) = change else {
                continue;
            };
            if self.is(Planted::MissingIsNull) {
                for (_, name) in &FIELDS[1..] {
                    let name = (*name).to_owned();
                    record.fields.entry(name).or_insert(Value::Null);
                }
            }
            if self.is(Planted::OldPagesApplied) {
                record.changed_at = None;
            }
        }
        changes
    }

    async fn apply_waiting(
        &mut self,
        run: RunId,
        peer: usize,
        looks: bool,
        from: String,
    ) -> Result<Went<At>> {
        let mut tx = self.begin().await?;
        let connection = self.connections[peer];
        let tables = &self.server.tables;
        let mut waited = Waited::default();
        if looks {
            waited = page::apply_waiting(&mut tx, tables, connection, STREAM, run, &from, WAITING)
                .await?;
        }
        if waited.next.is_none() {
            if looks {
                plans::waited(&mut tx, connection, &[STREAM.to_owned()]).await?;
            }
            outbox::start_push_when_due(&mut tx, connection, STREAM).await?;
        }
        outbox::start_pushes(&mut tx, &waited.applied.owed, "pull").await?;
        tx.commit().await?;
        self.note(format!(
            "{peer}: looked at those that wait: {:?}",
            waited.applied.counts
        ));
        Ok(match waited.next {
            Some(from) => Went::On(At::Waiting { looks, from }),
            None => Went::Over,
        })
    }

    /// What a core with a planted fault does to a page it has applied.
    pub(crate) async fn spoil(&self) -> Result<()> {
        let statement = match self.planted {
            Some(Planted::ConflictsOverwritten) => {
                "update conflicts set state = 'resolved', fields = '{}'
                 where tenant_id = $1 and state = 'open'"
            }
            Some(Planted::LossForgotten) => {
                "update changes
                 set fields = (select jsonb_agg(field - 'lost' - 'old')
                               from jsonb_array_elements(fields) as field)
                 where tenant_id = $1 and jsonb_array_length(fields) > 0"
            }
            Some(Planted::RemovalBeatsEdit) => {
                "with beaten as (
                     update conflicts set state = 'resolved', fields = '{}'
                     where tenant_id = $1 and kind = 'delete' and state = 'open'
                     returning entity_id
                 )
                 update accounts set removed_at = now()
                 where tenant_id = $1 and id in (select entity_id from beaten)"
            }
            Some(Planted::BreakerNeverTrips) => "delete from rewrites where tenant_id = $1",
            Some(Planted::CanaryGoesOn) => {
                "update canaries set state = 'running', reason = null where tenant_id = $1"
            }
            Some(Planted::OriginForgotten) => {
                "update accounts set provenance = '{}' where tenant_id = $1"
            }
            _ => return Ok(()),
        };
        self.server.spoil(self.tenant, statement).await
    }

    /// Entities that the page has made.
    pub(crate) async fn learn(&mut self, peer: usize) -> Result<()> {
        let made: Vec<Uuid> = sqlx::query_scalar(
            "select entity_id from records where tenant_id = $1 and connection_id = $2 order by key",
        )
        .bind(self.tenant.0)
        .bind(self.connections[peer].0)
        .fetch_all(&self.server.pool)
        .await?;
        for entity in made {
            self.heard_of(EntityId(entity));
        }
        Ok(())
    }
}

fn told(change: &Change) -> String {
    match change {
        Change::Upsert(record) => shown(record),
        Change::Delete(_) => format!("{} is gone", change.key()),
    }
}

/// A record in a few words: its key, its stamp, its values.
pub(super) fn shown(record: &Record) -> String {
    let stamp = record.changed_at.map(|at| at.format("%T%.3f").to_string());
    let values = record.fields.iter().filter(|(_, value)| !value.is_null());
    let values: Vec<String> = values
        .filter(|(name, _)| *name != "Id" && *name != HUB_ID)
        .map(|(name, value)| format!("{name}={value:?}"))
        .collect();
    let stamp = stamp.unwrap_or_default();
    format!("{} at {stamp}: {}", record.key, values.join(" "))
}
