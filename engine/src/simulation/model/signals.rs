//! `store/signals.rs`.

use super::client::Transaction;
use super::db::Mode;
use super::rows::{Key, Row, SignalRec};
use crate::ids::{RunId, SignalId};
use crate::simulation::planted::{self, Planted};
use crate::store::StoreError;
use crate::store::runs::RunState;

impl Transaction {
    /// Locks an open run for a sender; false when it is not open.
    pub(crate) async fn lock_receiver(&mut self, run: RunId) -> Result<bool, StoreError> {
        let tenant = self.tenant();
        self.statement("lock receiver", |statement| {
            if statement.run(run).is_none_or(|run| run.tenant != tenant) {
                return Ok(false);
            }
            statement.lock(&Key::Run(run), Mode::NoKeyUpdate)?;
            Ok(statement.run(run).is_some())
        })
        .await
    }

    pub(crate) async fn insert_signal(
        &mut self,
        run: RunId,
        id: SignalId,
        name: &str,
        body: &[u8],
        dedupe: Option<&str>,
    ) -> Result<bool, StoreError> {
        self.statement("insert signal", |statement| {
            let number = statement.next_signal();
            if let Some(dedupe) = dedupe {
                let key = Key::SentOnce(run, name.to_owned(), dedupe.to_owned());
                statement.lock(&key, Mode::Update)?;
                if statement.get(&key).is_some() {
                    return Ok(false);
                }
                statement.put(key, Row::Sent);
            }
            let signal = SignalRec {
                name: name.to_owned(),
                dedupe: dedupe.map(str::to_owned),
                body: body.to_vec(),
                taken_seq: None,
                number,
            };
            statement.insert(Key::Signal(run, id), Row::Signal(signal))?;
            Ok(true)
        })
        .await
    }

    pub(crate) async fn wake_receiver(&mut self, run: RunId) -> Result<(), StoreError> {
        let now = self.now;
        self.statement("wake receiver", |statement| {
            if let Some(mut run) = statement.run(run)
                && run.state == RunState::Waiting
            {
                run.state = RunState::Queued;
                run.due_at = Some(now);
                statement.set_run(run)?;
            }
            Ok(())
        })
        .await
    }

    pub(crate) async fn first_signal(
        &mut self,
        run: RunId,
        name: &str,
    ) -> Result<Option<(SignalId, Vec<u8>)>, StoreError> {
        self.statement("first signal", |statement| {
            Ok(statement
                .signals(run)
                .into_iter()
                .filter(|(_, signal)| signal.name == name && signal.taken_seq.is_none())
                .min_by_key(|(_, signal)| signal.number)
                .map(|(id, signal)| (id, signal.body)))
        })
        .await
    }

    pub(crate) async fn take_signal(
        &mut self,
        run: RunId,
        id: SignalId,
        seq: i32,
    ) -> Result<(), StoreError> {
        self.statement("take signal", |statement| {
            let taken = statement
                .signals(run)
                .into_iter()
                .find(|(other, _)| *other == id);
            if let Some((_, signal)) = taken {
                let key = Key::Signal(run, id);
                statement.lock(&key, Mode::NoKeyUpdate)?;
                let signal = SignalRec {
                    taken_seq: Some(seq),
                    ..signal
                };
                statement.put(key, Row::Signal(signal));
            }
            Ok(())
        })
        .await?;
        if planted::is(Planted::SignalTakenEarly) {
            self.commit_part(&Key::Signal(run, id));
        }
        Ok(())
    }
}
