//! What the doors to the database lead to: Postgres, or, in the engine's own tests, the simulation's
//! model of it.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use sqlx::{PgConnection, PgPool, Postgres, SqlSafeStr, Transaction};
use tokio::runtime::Handle;

use super::StoreError;
use super::dedicated::Lent;

type Begun = Result<Transaction<'static, Postgres>, sqlx::Error>;

/// Begins a transaction on a connection of the pool, with statements of its own.
///
/// # Errors
/// As of [`PgPool::begin_with`].
pub(crate) async fn begin(pool: &PgPool, statements: impl SqlSafeStr) -> Begun {
    // Whoever does not wait any more leaves the queue for connections.
    let connection = pool.acquire().await?;
    let statements = Some(statements.into_sql_str());
    Answered(Some(Transaction::begin(connection, statements))).await
}

/// A `begin` that is waited for to its answer, though nobody wants it any more: sqlx 0.9 knows of a
/// transaction once that has come, and gives a connection back before it as if there were none; what the
/// next one does there is done inside of it (<https://github.com/transact-rs/sqlx/issues/4393>).
struct Answered(Option<BoxFuture<'static, Begun>>);

impl Future for Answered {
    type Output = Begun;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Begun> {
        let Some(begin) = &mut self.0 else {
            return Poll::Pending;
        };
        let answer = begin.as_mut().poll(cx);
        if answer.is_ready() {
            self.0 = None;
        }
        answer
    }
}

impl Drop for Answered {
    fn drop(&mut self) {
        // Without a runtime the connection is gone too.
        if let (Some(begin), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(begin);
        }
    }
}

/// What a transaction is made on.
pub(super) enum Inner {
    Postgres(Transaction<'static, Postgres>),
    Dedicated(Lent),
    /// Its one statement is a transaction by itself.
    Alone(Lent),
    #[cfg(test)]
    Model(crate::simulation::Transaction),
}

impl Inner {
    pub(super) fn conn(&mut self) -> &mut PgConnection {
        match self {
            Self::Postgres(tx) => tx,
            Self::Dedicated(lent) | Self::Alone(lent) => lent.connection(),
            #[cfg(test)]
            Self::Model(_) => panic!("the model does not know this statement"),
        }
    }

    #[cfg(test)]
    pub(super) fn model(&mut self) -> Option<&mut crate::simulation::Transaction> {
        match self {
            Self::Postgres(_) | Self::Dedicated(_) | Self::Alone(_) => None,
            Self::Model(model) => Some(model),
        }
    }

    pub(super) async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Postgres(tx) => Ok(tx.commit().await?),
            Self::Dedicated(lent) => Ok(lent.commit().await?),
            Self::Alone(lent) => {
                lent.give_back();
                Ok(())
            }
            #[cfg(test)]
            Self::Model(model) => model.commit().await,
        }
    }
}

#[cfg(test)]
impl super::Store {
    /// A store on the model of the database; its pool leads nowhere.
    pub(crate) fn simulated(client: crate::simulation::Client, clock: crate::Clock) -> Self {
        let pool = sqlx::postgres::PgPoolOptions::new()
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_lazy_with(sqlx::postgres::PgConnectOptions::new_without_pgpass());
        let patience = std::time::Duration::from_secs(30);
        let connect = sqlx::postgres::PgConnectOptions::new_without_pgpass;
        Self {
            claims: super::Dedicated::new(connect(), patience, &super::dedicated::CLAIMS),
            journal: super::Dedicated::new(connect(), patience, &super::dedicated::JOURNAL),
            starts: super::Dedicated::new(connect(), patience, &super::dedicated::STARTS),
            feed: crate::feed::Feed::simulated(pool.clone(), client.clone()),
            pool,
            clock,
            limits: super::Limits::DEFAULT,
            simulated: Some(client),
        }
    }

    pub(crate) fn model(&self) -> Option<&crate::simulation::Client> {
        self.simulated.as_ref()
    }
}
