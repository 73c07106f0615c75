//! Lists by keyset: a page starts after the last thing of the page before it.

use uuid::Uuid;

/// The last thing seen: what the list is ordered by, as text, and the id that settles ties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct After {
    pub value: String,
    pub id: Uuid,
}

/// Some things of a list, and where it goes on.
#[derive(Clone, Debug)]
pub struct Slice<T> {
    pub items: Vec<T>,
    pub next: Option<After>,
    /// In all; not counted for every list.
    pub total: Option<i64>,
}

impl<T> Slice<T> {
    /// Makes a slice of `rows`, which were read with one more than `limit`.
    pub fn cut(mut rows: Vec<T>, limit: i64, place: impl FnOnce(&T) -> After) -> Self {
        let limit = usize::try_from(limit).unwrap_or(0);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = if more { rows.last().map(place) } else { None };
        Self {
            items: rows,
            next,
            total: None,
        }
    }

    #[must_use]
    pub fn with_total(mut self, total: Option<i64>) -> Self {
        self.total = total;
        self
    }
}

/// An instant as text that [`instant`] reads back exactly.
pub fn instant_text(at: chrono::DateTime<chrono::Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}

/// The instant of a keyset that orders by time.
///
/// # Errors
/// [`super::StoreError::Conflict`] when the text is none: the keyset was not made by us.
pub fn instant(text: &str) -> Result<chrono::DateTime<chrono::Utc>, super::StoreError> {
    chrono::DateTime::parse_from_rfc3339(text)
        .map(|at| at.to_utc())
        .map_err(|_text| super::StoreError::Conflict("this is no cursor of this list".to_owned()))
}

/// `%text%` for `ilike`, with the text taken literally.
pub fn contains_pattern(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_knows_whether_there_is_more() {
        let place = |id: &u128| After {
            value: id.to_string(),
            id: Uuid::from_u128(*id),
        };
        let slice = Slice::cut(vec![1, 2, 3], 2, place);
        assert_eq!(slice.items, [1, 2]);
        assert_eq!(slice.next.unwrap().value, "2");
        assert_eq!(Slice::cut(vec![1, 2], 2, place).next, None);
    }

    #[test]
    fn a_pattern_matches_its_signs_literally() {
        assert_eq!(contains_pattern(r"50%_\"), r"%50\%\_\\%");
    }
}
