//! How long values may be.

use super::StoreError;

/// How long values may be. Bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of a run's input and a signal's body; longer ones are refused.
    pub input: usize,
    /// Of a step's and a run's output; a run with a longer one is parked.
    pub output: usize,
}

impl Limits {
    /// 8 MiB in, 32 MiB out.
    pub const DEFAULT: Self = Self {
        input: 8 << 20,
        output: 32 << 20,
    };

    /// # Errors
    /// [`StoreError::TooLarge`], naming `what`.
    pub(crate) fn check_input(&self, what: &str, size: usize) -> Result<(), StoreError> {
        if size <= self.input {
            return Ok(());
        }
        Err(StoreError::TooLarge {
            what: what.to_owned(),
            size,
            limit: self.input,
        })
    }
}
