//! Whose lanes: a tenant's, or those of all tenants.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::Lane;
use crate::store::{StoreError, SystemTx, Tx};

/// Whose lanes a transaction has in hand. Not for others to implement.
pub trait Scope: Send {
    #[doc(hidden)]
    fn owner(&self) -> Uuid;
    #[doc(hidden)]
    fn moment(&self) -> DateTime<Utc>;
    #[doc(hidden)]
    fn connection(&mut self) -> &mut PgConnection;
    /// To be told once this has committed.
    #[doc(hidden)]
    fn touched(&mut self, lane: &Lane);
    #[doc(hidden)]
    fn check(&self, lane: &Lane) -> Result<(), StoreError>;
}

impl Scope for Tx {
    fn owner(&self) -> Uuid {
        self.tenant().0
    }

    fn moment(&self) -> DateTime<Utc> {
        self.now()
    }

    fn connection(&mut self) -> &mut PgConnection {
        self.conn()
    }

    fn touched(&mut self, lane: &Lane) {
        self.ring();
        self.changed("lane", lane);
    }

    fn check(&self, _lane: &Lane) -> Result<(), StoreError> {
        Ok(())
    }
}

impl Scope for SystemTx {
    fn owner(&self) -> Uuid {
        Uuid::nil()
    }

    fn moment(&self) -> DateTime<Utc> {
        self.now()
    }

    fn connection(&mut self) -> &mut PgConnection {
        self.conn()
    }

    fn touched(&mut self, _lane: &Lane) {
        self.ring();
    }

    fn check(&self, lane: &Lane) -> Result<(), StoreError> {
        match lane {
            Lane::Tenant | Lane::Workflow(_) => Ok(()),
            Lane::Connection(_) | Lane::Key(_) => Err(StoreError::Conflict(
                "lane of a connection or key belongs to a tenant".into(),
            )),
        }
    }
}
