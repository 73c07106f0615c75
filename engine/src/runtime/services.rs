//! What steps need from their process (connectors, a vault, settings), by type.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::sync::Arc;

use super::error::{Class, RunError, StepError};

/// A step asked for a service that the process was started without.
#[derive(Debug, thiserror::Error)]
#[error("service {0} was not given to the engine")]
pub struct MissingService(&'static str);

impl From<MissingService> for StepError {
    fn from(error: MissingService) -> Self {
        Self::bug(error.to_string())
    }
}

impl From<MissingService> for RunError {
    fn from(error: MissingService) -> Self {
        Self::new(Class::Bug, error.to_string())
    }
}

/// Services by type, one of each; set when the engine is built.
#[derive(Clone, Default)]
pub struct Services(Arc<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>);

impl Services {
    /// # Errors
    /// [`MissingService`] when the engine was built without one.
    pub fn get<T: Any + Send + Sync>(&self) -> Result<Arc<T>, MissingService> {
        self.0
            .get(&TypeId::of::<T>())
            .and_then(|service| Arc::clone(service).downcast().ok())
            .ok_or(MissingService(type_name::<T>()))
    }

    pub(crate) fn insert<T: Any + Send + Sync>(&mut self, service: Arc<T>) {
        Arc::make_mut(&mut self.0).insert(TypeId::of::<T>(), service);
    }
}
