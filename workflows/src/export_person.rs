//! Gathers what is known of a person, for them.

use domain::subject_exports::{self, EXPORT_WORKFLOW, ExportInput};
use engine::Tx;
use engine::ids::SubjectExportId;
use engine::runtime::{Run, RunError, StepCx, StepError, TxStep, Workflow};

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

    async fn run(&self, _cx: &StepCx, tx: &mut Tx) -> Result<(), StepError> {
        Ok(subject_exports::gather(tx, self.export).await?)
    }
}
