//! What other processes are doing in the database, as far as an exchange of keys must know. Asked as the
//! role that signed in: it sees its own sessions, the roles of transactions do not.

use chrono::{DateTime, Utc};

use super::{Store, StoreError};

impl Store {
    /// The time by the database's clock.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn database_time(&self) -> Result<DateTime<Utc>, StoreError> {
        let now = sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#);
        Ok(now.fetch_one(self.pool()).await?)
    }

    /// Whether a transaction of this database that began before `moment` has not ended.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn is_under_way_since_before(
        &self,
        moment: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let found = sqlx::query_scalar!(
            r#"select exists (
                   select from pg_stat_activity
                   where datname = current_database() and backend_type = 'client backend'
                     and pid <> pg_backend_pid() and xact_start < $1) as "yes!""#,
            moment,
        );
        Ok(found.fetch_one(self.pool()).await?)
    }
}
