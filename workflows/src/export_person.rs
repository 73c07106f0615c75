//! Gathers what is known of a person, for them.

use domain::subject_exports::{self, EXPORT_WORKFLOW, ExportError, ExportInput};
use engine::Tx;
use engine::ids::SubjectExportId;
use engine::runtime::{Class, Run, RunError, StepCx, StepError, TxStep, Workflow};

use crate::hub::Hub;

/// See the module.
pub struct ExportPerson;

impl Workflow for ExportPerson {
    const NAME: &'static str = EXPORT_WORKFLOW;
    type Input = ExportInput;
    type Output = ();

    async fn run(cx: &mut Run, input: ExportInput) -> Result<(), RunError> {
        cx.tx(Gather {
            export: input.export,
        })
        .await
    }
}

struct Gather {
    export: SubjectExportId,
}

impl TxStep for Gather {
    const NAME: &'static str = "gather";
    type Output = ();

    async fn run(&self, cx: &StepCx, tx: &mut Tx) -> Result<(), StepError> {
        let vault = &Hub::of(cx)?.vault;
        match subject_exports::gather(tx, vault, self.export).await {
            Ok(()) => Ok(()),
            Err(ExportError::Store(error)) => Err(error.into()),
            Err(error @ ExportError::Vault(_)) => {
                Err(StepError::permanent(Class::Config, error.to_string()))
            }
        }
    }
}
