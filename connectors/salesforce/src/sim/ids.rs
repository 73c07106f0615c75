//! Record ids: 15 case-sensitive characters, or 18 with a checksum that survives case folding.

use std::fmt;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const CHECKS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
/// Characters 4 and 5 of every id of this organisation.
const POD: &[u8; 2] = b"5e";
const SERIAL_BITS: u32 = 44;
/// The serial of ids that are well formed but belong to another organisation: never handed out.
const FOREIGN: u64 = (1 << SERIAL_BITS) - 1;

/// A record's id, packed: the object's three-character prefix and a serial number. Ordered as the
/// API orders ids.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(u64);

impl Id {
    /// The `serial`-th id of the object with this prefix, such as `001`.
    pub(crate) fn new(prefix: [u8; 3], serial: u64) -> Self {
        let code = prefix
            .iter()
            .fold(0, |code, &letter| code * 62 + digit(letter).unwrap_or(0));
        Self(code << SERIAL_BITS | serial.min(FOREIGN))
    }

    /// Reads 15 or 18 characters; `None` when they cannot be an id (length, letters, checksum).
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() != 15 && bytes.len() != 18 {
            return None;
        }
        if !bytes.iter().all(u8::is_ascii_alphanumeric) {
            return None;
        }
        let short: [u8; 15] = bytes[..15].try_into().ok()?;
        if bytes.len() == 18 && !bytes[15..].eq_ignore_ascii_case(&checksum(&short)) {
            return None;
        }
        let prefix = [short[0], short[1], short[2]];
        if &short[3..5] != POD {
            return Some(Self::new(prefix, FOREIGN));
        }
        let serial = short[5..].iter().try_fold(0_u64, |serial, &letter| {
            serial.checked_mul(62)?.checked_add(digit(letter)?)
        });
        Some(Self::new(prefix, serial.unwrap_or(FOREIGN)))
    }

    /// The id as one number, for files; [`Id::unpacked`] reads it.
    pub(crate) fn packed(self) -> u64 {
        self.0
    }

    pub(crate) fn unpacked(number: u64) -> Self {
        Self(number)
    }

    pub(crate) fn prefix(self) -> [u8; 3] {
        let code = self.0 >> SERIAL_BITS;
        [letter(code / 3844), letter(code / 62), letter(code)]
    }

    pub(crate) fn serial(self) -> u64 {
        self.0 & FOREIGN
    }

    /// The 18 characters.
    pub(crate) fn bytes(self) -> [u8; 18] {
        let mut out = [b'0'; 18];
        out[..3].copy_from_slice(&self.prefix());
        out[3..5].copy_from_slice(POD);
        let mut serial = self.serial();
        for place in (5..15).rev() {
            out[place] = letter(serial);
            serial /= 62;
        }
        let mut short = [0; 15];
        short.copy_from_slice(&out[..15]);
        out[15..].copy_from_slice(&checksum(&short));
        out
    }

    pub(crate) fn push_to(self, out: &mut String) {
        out.extend(self.bytes().map(char::from));
    }

    /// The 15-character form some messages use.
    pub(crate) fn short(self) -> String {
        self.bytes()[..15].iter().copied().map(char::from).collect()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.bytes().map(char::from).iter().collect::<String>())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn digit(letter: u8) -> Option<u64> {
    Some(u64::from(match letter {
        b'0'..=b'9' => letter - b'0',
        b'A'..=b'Z' => letter - b'A' + 10,
        b'a'..=b'z' => letter - b'a' + 36,
        _ => return None,
    }))
}

fn letter(digit: u64) -> u8 {
    ALPHABET[usize::try_from(digit % 62).unwrap_or(0)]
}

/// Three characters that say which of the fifteen are capitals.
fn checksum(short: &[u8; 15]) -> [u8; 3] {
    let mut out = [0; 3];
    for (group, check) in short.chunks(5).zip(&mut out) {
        let bits = group.iter().enumerate().fold(0, |bits, (place, c)| {
            bits | usize::from(c.is_ascii_uppercase()) << place
        });
        *check = CHECKS[bits];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_agrees_with_the_vendors_examples() {
        assert_eq!(&checksum(b"001R0000005hDFY"), b"IA2");
        assert_eq!(&checksum(b"001xx000003DGb2"), b"AAG");
    }

    #[test]
    fn fifteen_and_eighteen_characters_are_one_id() {
        for serial in [0, 1, 61, 62, 200_000, 9_999_999] {
            let id = Id::new(*b"003", serial);
            assert_eq!(Id::parse(&id.to_string()), Some(id));
            assert_eq!(Id::parse(&id.short()), Some(id));
            assert_eq!(id.serial(), serial);
            assert_eq!(&id.prefix(), b"003");
        }
    }

    #[test]
    fn what_cannot_be_an_id_is_refused() {
        assert_eq!(Id::parse("001"), None);
        assert_eq!(Id::parse("0015e00000tW1f0ZZZ"), None);
        assert_eq!(Id::parse("0015e00000tW1f-"), None);
        assert!(
            Id::parse("001R0000005hDFYIA2").is_some(),
            "another organisation's id is an id"
        );
    }

    #[test]
    fn ids_order_as_their_text_does() {
        let ids: Vec<Id> = [0, 9, 10, 35, 36, 61, 62, 4000]
            .map(|n| Id::new(*b"001", n))
            .into();
        assert!(
            ids.windows(2)
                .all(|w| w[0] < w[1] && w[0].to_string() < w[1].to_string())
        );
    }
}
