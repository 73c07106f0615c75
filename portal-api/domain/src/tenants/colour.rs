//! Colours of brands, and whether text on them can be read (WCAG 2.2, 1.4.3).

use std::fmt;
use std::str::FromStr;

/// A colour: red, green, blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour([u8; 3]);

/// The least contrast between text and what it stands on.
pub(super) const LEAST_CONTRAST: f64 = 4.5;

impl Colour {
    /// Contrast of two colours, from 1 (the same) to 21 (black on white).
    pub fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    fn luminance(self) -> f64 {
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 {
                part / 12.92
            } else {
                ((part + 0.055) / 1.055).powf(2.4)
            }
        };
        let [red, green, blue] = self.0;
        0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

/// A text that is no colour.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no colour of the form #rrggbb")]
pub struct BadColour(String);

impl FromStr for Colour {
    type Err = BadColour;

    fn from_str(text: &str) -> Result<Self, BadColour> {
        let bad = || BadColour(text.chars().take(20).collect());
        let digits = text.strip_prefix('#').ok_or_else(bad)?;
        if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(bad());
        }
        let all = u32::from_str_radix(digits, 16).map_err(|_digits| bad())?;
        let [_, red, green, blue] = all.to_be_bytes();
        Ok(Self([red, green, blue]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colour(text: &str) -> Colour {
        text.parse().unwrap()
    }

    #[test]
    fn a_colour_reads_back_what_it_prints_and_nothing_else_is_one() {
        assert_eq!(colour("#0A64c8").to_string(), "#0a64c8");
        let long = format!("#{}", "f".repeat(10_000));
        for bad in [
            "", "red", "#fff", "#ggg000", "#+12345", "#12345é", "url(x)", &long,
        ] {
            assert!(bad.parse::<Colour>().is_err(), "{bad:.20}");
        }
    }

    #[test]
    fn contrast_is_that_of_the_guidelines() {
        // The figures of the guidelines' own examples.
        assert!((colour("#000000").contrast(colour("#ffffff")) - 21.0).abs() < 1e-9);
        assert!((colour("#777777").contrast(colour("#ffffff")) - 4.48).abs() < 0.005);
        assert!((colour("#767676").contrast(colour("#ffffff")) - 4.54).abs() < 0.005);
        assert!((colour("#ff0000").contrast(colour("#ffffff")) - 4.0).abs() < 0.005);
    }
}
