//! Locks in one order: whoever may make or link entities of a kind takes its turn first, then rows of
//! records, then entities. A page that came to the turn with rows would wait for its holder, who may be
//! waiting for those very rows.

use crate::store::canaries::Running;
use crate::store::plans::Plan;
use crate::store::{StoreError, Tx, matches, records};

/// Takes the turn of the plan's kind where records with these keys may have to be looked for: the mapping
/// says by what, and one of them is not linked yet. Those that bring linked records alone do not wait for
/// each other. What is unlinked after this look takes the turn when it is looked for.
///
/// # Errors
/// [`StoreError`].
pub(in crate::sync) async fn take(
    tx: &mut Tx,
    plan: &Plan,
    canary: Option<&Running>,
    keys: &[String],
) -> Result<(), StoreError> {
    // The canary's mapping may look for records where the one in force does not.
    let may_look = canary.is_some() || plan.mapping.link.looks();
    if may_look && records::is_any_unlinked(tx, plan.connection, &plan.stream, keys).await? {
        matches::in_turn(tx, &plan.entity).await?;
    }
    Ok(())
}
