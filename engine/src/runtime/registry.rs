//! The workflows a process can run, by name and version.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::Workflow;
use super::error::{Class, RunError};
use super::run::{Exit, Run};
use crate::store::StoreError;

/// How a workflow's function came to an end, or did not.
pub(super) enum Finish {
    Output(Vec<u8>),
    Failed(RunError),
    /// It asked for something that ends the activation.
    Exit(Exit),
    Panicked,
    /// The stored input is not what this workflow takes.
    BadInput(String),
}

pub(super) struct Finished {
    pub(super) run: Run,
    pub(super) finish: Finish,
}

/// A workflow without its types.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) run: fn(Run, Vec<u8>) -> BoxFuture<'static, Finished>,
    pub(super) key: fn(&[u8]) -> Result<Option<String>, StoreError>,
    /// Whether runs that succeeded stay to be read.
    pub(super) history: bool,
}

#[derive(Default)]
pub(super) struct Registry(BTreeMap<(&'static str, u16), Entry>);

impl Registry {
    pub(super) fn add<W: Workflow>(&mut self) {
        let entry = Entry {
            run: |run, input| Box::pin(drive::<W>(run, input)),
            key: |input| {
                let input = serde_json::from_slice(input)
                    .map_err(|error| StoreError::Conflict(describe(W::NAME, &error)))?;
                Ok(W::key(&input))
            },
            history: W::HISTORY,
        };
        self.0.insert((W::NAME, W::VERSION), entry);
    }

    pub(super) fn get(&self, name: &str, version: u16) -> Option<Entry> {
        // The names of the map live for ever, the one asked for does not: hence no `get`.
        self.0
            .iter()
            .find(|((known, number), _)| *known == name && *number == version)
            .map(|(_, entry)| *entry)
    }

    /// What this process can run, as `name/version`.
    pub(super) fn known(&self) -> Vec<String> {
        self.0
            .keys()
            .map(|(name, version)| format!("{name}/{version}"))
            .collect()
    }

    /// Every workflow's newest version.
    pub(super) fn newest(&self) -> BTreeMap<&'static str, u16> {
        self.0.keys().copied().collect()
    }
}

/// What is wrong with an input, without a word of the input itself.
fn describe(workflow: &str, error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Data => "does not have the fields and types",
        _ => "is not the JSON",
    };
    let place = place_of(error);
    format!("input {what} that workflow {workflow} takes {place}")
}

/// Where JSON is not as wanted, without a word of it.
pub(super) fn place_of(error: &serde_json::Error) -> String {
    format!("(line {}, column {})", error.line(), error.column())
}

async fn drive<W: Workflow>(mut run: Run, input: Vec<u8>) -> Finished {
    let input = match serde_json::from_slice::<W::Input>(&input) {
        Ok(input) => input,
        Err(error) => {
            let finish = Finish::BadInput(describe(W::NAME, &error));
            return Finished { run, finish };
        }
    };
    let mut exit = run.exit_wanted();
    let ended = {
        let body = AssertUnwindSafe(Box::pin(W::run(&mut run, input))).catch_unwind();
        tokio::select! {
            // First: an activation that has ended must not go on, whatever its code would do next.
            biased;
            exit = &mut exit => Err(exit),
            ended = body => Ok(ended),
        }
    };
    let finish = match (ended, exit.try_recv()) {
        (Err(Ok(wanted)), _) | (Ok(_), Ok(wanted)) => Finish::Exit(wanted),
        (Err(Err(_)), _) => Finish::Exit(Exit::Lost),
        // What it said went to the panic hook; it may hold data and is not stored.
        (Ok(Err(_panic)), _) => Finish::Panicked,
        (Ok(Ok(Err(error))), _) => Finish::Failed(error),
        (Ok(Ok(Ok(output))), _) => match serde_json::to_vec(&output) {
            Ok(output) => Finish::Output(output),
            Err(_) => Finish::Failed(RunError::new(
                Class::Bug,
                "output cannot be written as JSON",
            )),
        },
    };
    Finished { run, finish }
}
