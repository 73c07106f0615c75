//! Pages by keyset: a list goes on after the last thing seen, whatever was added meanwhile.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use engine::store::keyset::{After, Slice};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::error::ApiError;

/// Things on a page unless the caller says otherwise.
pub(crate) const DEFAULT_LIMIT: u32 = 50;
/// Most things on a page.
pub(crate) const MAX_LIMIT: u32 = 200;

/// Which page of a list that has no filters.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Params {
    pub(crate) limit: Option<u32>,
    pub(crate) cursor: Option<String>,
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// Give it as `cursor` to read on; null at the end.
    pub(crate) next: Option<String>,
    /// How many there are in all; null where counting costs too much.
    pub(crate) total: Option<i64>,
}

impl<T> Page<T> {
    /// The page of a slice that was read in the order `sort`.
    pub(crate) fn new<R>(slice: Slice<R>, sort: &str, show: impl FnMut(R) -> T) -> Self {
        Self {
            next: slice.next.map(|after| encode(sort, after)),
            total: slice.total,
            items: slice.items.into_iter().map(show).collect(),
        }
    }

    /// A list that is always shown whole.
    pub(crate) fn whole(items: Vec<T>) -> Self {
        Self {
            total: i64::try_from(items.len()).ok(),
            items,
            next: None,
        }
    }
}

/// The number of things wanted.
pub(crate) fn limit(limit: Option<u32>) -> Result<i64, ApiError> {
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    if (1..=MAX_LIMIT).contains(&limit) {
        return Ok(i64::from(limit));
    }
    Err(ApiError::invalid(
        "/limit",
        format!("limit must be between 1 and {MAX_LIMIT}"),
    ))
}

/// Opaque to callers; bound to the order it was made in.
#[derive(Serialize, Deserialize)]
struct Place(String, String, uuid::Uuid);

fn encode(sort: &str, after: After) -> String {
    let place = Place(sort.to_owned(), after.value, after.id);
    let json = serde_json::to_vec(&place).expect("texts and an id are JSON");
    URL_SAFE_NO_PAD.encode(json)
}

/// Where a list in the order `sort` goes on.
pub(crate) fn after(cursor: Option<&str>, sort: &str) -> Result<Option<After>, ApiError> {
    let Some(cursor) = cursor else {
        return Ok(None);
    };
    let place: Option<Place> = URL_SAFE_NO_PAD
        .decode(cursor)
        .ok()
        .and_then(|json| serde_json::from_slice(&json).ok());
    match place {
        Some(Place(made_for, value, id)) if made_for == sort => Ok(Some(After { value, id })),
        Some(_) => Err(ApiError::invalid(
            "/cursor",
            "the cursor belongs to another order",
        )),
        None => Err(ApiError::invalid(
            "/cursor",
            "this is no cursor of this list",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_place_in_its_order_only() {
        let place = After {
            value: "Ärger \"x\"".to_owned(),
            id: uuid::Uuid::max(),
        };
        let cursor = encode("name", place.clone());
        assert_eq!(after(Some(&cursor), "name").unwrap(), Some(place));
        assert!(after(Some(&cursor), "-name").is_err());
        for broken in ["", "x", "e30", &cursor[..cursor.len() - 3]] {
            assert!(after(Some(broken), "name").is_err(), "{broken}");
        }
    }

    #[test]
    fn a_limit_outside_of_its_bounds_is_refused() {
        assert_eq!(limit(None).unwrap(), 50);
        assert!(limit(Some(0)).is_err());
        assert!(limit(Some(201)).is_err());
    }
}
