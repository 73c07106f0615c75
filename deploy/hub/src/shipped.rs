//! The mappings that come with the program.

use domain::mappings::Shipped;

/// All of them.
pub(crate) fn mappings() -> Shipped {
    Shipped::of(
        [
            include_str!("../../../mappings/salesforce/account.toml"),
            include_str!("../../../mappings/salesforce/contact.toml"),
        ]
        .map(str::to_owned),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_mappings_are_there_by_system_and_stream() {
        let shipped = mappings();
        for stream in ["Account", "Contact"] {
            assert!(shipped.get("salesforce", stream).is_some(), "{stream}");
        }
    }
}
