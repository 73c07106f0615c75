//! All systems of this build. Written by `cargo x gen` from the folders beside this one; never edited.

use connector_sdk::Registry;

/// Every connector, by name.
#[must_use]
pub fn all() -> Registry {
    Registry::default().two_way::<connector_salesforce::Salesforce>()
}
