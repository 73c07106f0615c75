//! Record ids: 15 characters with case, or the same with 3 more that keep the case.

use std::borrow::Cow;

const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";

/// The 18-character form, which is how the hub knows records; `None` for what is no id.
pub(crate) fn canonical(id: &str) -> Option<Cow<'_, str>> {
    if !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    match id.len() {
        18 => Some(Cow::Borrowed(id)),
        15 => {
            let mut full = id.to_owned();
            for group in id.as_bytes().chunks(5) {
                let bits = group
                    .iter()
                    .enumerate()
                    .map(|(at, byte)| usize::from(byte.is_ascii_uppercase()) << at);
                full.push(char::from(LETTERS[bits.sum::<usize>()]));
            }
            Some(Cow::Owned(full))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_ids_grow_as_the_vendor_says() {
        assert_eq!(canonical("001R0000005hDFY").unwrap(), "001R0000005hDFYIA2");
        assert_eq!(canonical("001xx000003DGb2").unwrap(), "001xx000003DGb2AAG");
        assert_eq!(
            canonical("001xx000003DGb2AAG").unwrap(),
            "001xx000003DGb2AAG"
        );
        for id in ["", "001", "001xx000003DGb2AA", "001xx000003DG'2"] {
            assert_eq!(canonical(id), None, "{id}");
        }
    }
}
