//! What people say of whose records are, and merges that are followed.

use anyhow::Result;
use chrono::TimeDelta;
use engine::StoreError;
use engine::ids::{ConnectionId, EntityId, MatchId, RunId};
use engine::sync::identity::{self, FOLLOW_WAITS, FollowInput, Place, Wish};
use engine::sync::{SyncError, outbox};
use sqlx::types::Uuid;

use super::peer::NAME;
use super::plan::{Fault, Set};
use super::planted::Planted;
use super::{At, Flight, STREAM, Went, World};

/// The wait before the follow-up's try of this number. Those of hours show no more than two minutes do.
pub(super) fn follow_wait(tries: u32) -> TimeDelta {
    let number = usize::try_from(tries).ok();
    let wait = number.and_then(|number| FOLLOW_WAITS.get(number.checked_sub(1)?));
    let wait = wait.and_then(|wait| TimeDelta::from_std(*wait).ok());
    wait.unwrap_or_default().min(TimeDelta::minutes(2))
}

/// A record that was made in one system to be the same as that of another: system and key of both.
#[derive(Clone, Debug)]
pub(crate) struct Twin {
    pub(crate) one: (usize, String),
    pub(crate) other: (usize, String),
}

/// A question about a record: its id, its version, what it may be.
type Question = (Uuid, i64, Vec<Uuid>);

impl World<'_> {
    /// Somebody makes a record in a system that is there in another one already.
    pub(crate) fn twin(&mut self, peer: usize, record: usize) {
        let peer = peer % self.peers.len();
        let other = (peer + 1) % self.peers.len();
        let living = self.peers[other].state().living();
        let Some(key) = living.get(record % living.len().max(1)) else {
            return;
        };
        let name = self.peers[other].state().records[key].fields()["Name"].clone();
        let values = vec![
            (NAME, name.clone()),
            (1, self.tokens.value(1, Set::Fresh)),
            (4, self.tokens.value(4, Set::Fresh)),
        ];
        let made = self.peers[peer].state().create(values);
        self.note(format!(
            "{peer}/{made} is made as {other}/{key} is: {name:?}"
        ));
        self.twins.push(Twin {
            one: (peer, made),
            other: (other, key.clone()),
        });
    }

    pub(crate) async fn questions(&self) -> Result<Vec<Question>> {
        let rows = sqlx::query_as(
            "select id, version, candidate_ids from matches
             where tenant_id = $1 and state = 'open' order by id",
        );
        Ok(rows
            .bind(self.tenant.0)
            .fetch_all(&self.server.pool)
            .await?)
    }

    /// A person says whose a held record is: how, by number.
    pub(crate) async fn decide(&mut self, question: usize, how: usize) -> Result<()> {
        let open = self.questions().await?;
        let Some((id, version, candidates)) = open.get(question % open.len().max(1)) else {
            return Ok(());
        };
        let is = match how % 3 {
            0 => candidates.first(),
            1 => None,
            _ => candidates.last(),
        };
        let is = is.copied().map(EntityId);
        let asked = (MatchId(*id), *version);
        let mut answer = is;
        let done = loop {
            let mut tx = self.begin().await?;
            let (tables, by) = (&self.server.tables, self.user);
            match identity::decide(&mut tx, tables, asked, answer, None, by).await {
                Ok(applied) => {
                    outbox::start_pushes(&mut tx, &applied.owed, "match").await?;
                    tx.commit().await?;
                    break applied;
                }
                // It has another record there by now, or is gone.
                Err(SyncError::Store(StoreError::Conflict(_) | StoreError::NotFound(_)))
                    if answer.is_some() =>
                {
                    answer = None;
                }
                Err(error) => return Err(error.into()),
            }
        };
        self.note(format!(
            "a record is said to be {answer:?}: {:?}",
            done.counts
        ));
        self.learn_all().await
    }

    /// A person says that a linked record is another entity, or one of its own.
    pub(crate) async fn relink(&mut self, record: usize, to: usize) -> Result<()> {
        let rows: Vec<(Uuid, String, Uuid)> = sqlx::query_as(
            "select connection_id, key, entity_id from records
             where tenant_id = $1 and removed_at is null order by connection_id, key",
        )
        .bind(self.tenant.0)
        .fetch_all(&self.server.pool)
        .await?;
        let Some((connection, key, from)) = rows.get(record % rows.len().max(1)) else {
            return Ok(());
        };
        let mut others: Vec<EntityId> = self.entities.clone();
        others.retain(|other| other.0 != *from);
        let wish = Wish {
            from: EntityId(*from),
            to: others.get(to % (others.len() + 1)).copied(),
        };
        let place = Place {
            connection: ConnectionId(*connection),
            stream: STREAM.to_owned(),
            key: key.clone(),
        };
        self.relink_to(&place, wish).await
    }

    pub(crate) async fn relink_to(&mut self, place: &Place, wish: Wish) -> Result<()> {
        let mut tx = self.begin().await?;
        let tables = &self.server.tables;
        let moved = identity::relink(&mut tx, tables, place, wish, None, self.user).await;
        let (from, to) = (self.name(wish.from), wish.to.map(|to| self.name(to)));
        let line = format!("{} goes from {from} to {to:?}", place.key);
        match moved {
            Ok(moved) => {
                outbox::start_pushes(&mut tx, &moved.applied.owed, "match").await?;
                tx.commit().await?;
                let joined = moved.joined;
                self.note(format!("{line}: {:?}, {joined:?}", moved.applied.counts));
                if self.is(Planted::RelinkedBaseKept) {
                    self.server
                        .spoil(
                            self.tenant,
                            "update records r set base = (
                                 select jsonb_object_agg(key, value) from jsonb_each(jsonb_build_object(
                                     'name', a.name, 'phone', a.phone, 'description', a.description))
                                 where value <> 'null')
                             from accounts a
                             where r.tenant_id = $1 and a.id = r.entity_id and r.link_method = 'person'",
                        )
                        .await?;
                }
                self.learn_all().await
            }
            Err(SyncError::Store(StoreError::Conflict(_) | StoreError::NotFound(_))) => {
                self.note(format!("{line}: it may not"));
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn learn_all(&mut self) -> Result<()> {
        for peer in 0..self.peers.len() {
            self.learn(peer).await?;
        }
        Ok(())
    }

    /// Begins following a merge that a page has learned of.
    pub(crate) async fn follow(&mut self, run: Uuid, peer: usize) -> Result<()> {
        let input: Vec<u8> =
            sqlx::query_scalar("select input from runs where id = $1 and tenant_id = $2")
                .bind(run)
                .bind(self.tenant.0)
                .fetch_one(&self.server.pool)
                .await?;
        let input: FollowInput = serde_json::from_slice(&input)?;
        self.server.begun(run).await?;
        if self.is(Planted::MergesNotFollowed) {
            return Ok(());
        }
        self.flights.push(Flight {
            run: RunId(run),
            peer,
            at: At::Follow { input, tries: 0 },
            not_before: self.now() + TimeDelta::milliseconds(1),
            tries: 0,
        });
        Ok(())
    }

    /// The step of `workflows::follow_merge`.
    pub(crate) async fn follow_step(
        &mut self,
        run: RunId,
        (input, tries): (FollowInput, u32),
        fault: Fault,
    ) -> Result<Went<At>> {
        let at = |tries| At::Follow {
            input: input.clone(),
            tries,
        };
        let mut tx = self.begin().await?;
        let is_last = tries as usize == FOLLOW_WAITS.len();
        let followed = identity::follow(&mut tx, &self.server.tables, run, &input, is_last).await?;
        outbox::start_pushes(&mut tx, &followed.owed, "merge").await?;
        if matches!(fault, Fault::Dies | Fault::DiesAfterCall) {
            drop(tx);
            self.note("dies while a merge is followed".to_owned());
            return Ok(Went::On(at(tries)));
        }
        tx.commit().await?;
        let loser = self.name(input.loser);
        self.note(format!("{loser} goes after {}: {followed:?}", input.key));
        Ok(if followed.is_early && !is_last {
            Went::Again(at(tries + 1))
        } else {
            Went::Over
        })
    }
}
