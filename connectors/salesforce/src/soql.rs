//! Text of queries: names, literals, windows. Pure.

use chrono::{DateTime, SecondsFormat, Utc};
use connector_sdk::{ConnectorError, Result};

/// Checks that a name can stand in a query: letters, digits, underscores, dots between.
///
/// # Errors
/// `Config` naming it.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let part = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphabetic())
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    if name.len() <= 255 && name.split('.').all(part) {
        return Ok(());
    }
    let shown: String = name.chars().take(40).collect();
    Err(ConnectorError::config(format!(
        "{shown} is not the name of a field"
    )))
}

/// A text literal.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for letter in text.chars() {
        match letter {
            '\'' | '\\' => quoted.extend(['\\', letter]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            _ => quoted.push(letter),
        }
    }
    quoted.push('\'');
    quoted
}

/// An instant as queries, versions and values carry it: RFC 3339 in UTC, without a zero fraction.
pub(crate) fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// A row's place in the order of a pass.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Place {
    pub(crate) stamp: DateTime<Utc>,
    pub(crate) id: String,
}

/// What rows a query asks for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Window<'a> {
    pub(crate) from: Option<DateTime<Utc>>,
    pub(crate) to: Option<DateTime<Utc>>,
    /// Rows up to this one are done with.
    pub(crate) after: Option<&'a Place>,
    /// Ordered by id alone, this many rows: for a second that holds more than a query can sort.
    pub(crate) by_id: Option<usize>,
}

impl Window<'_> {
    fn conditions(&self) -> Vec<String> {
        let mut all = Vec::new();
        match (self.after, self.by_id) {
            (Some(place), None) => {
                let (stamp, id) = (instant(place.stamp), quote(&place.id));
                all.push(format!(
                    "((SystemModstamp = {stamp} AND Id > {id}) OR SystemModstamp > {stamp})"
                ));
            }
            (after, _) => {
                all.extend(
                    self.from
                        .map(|from| format!("SystemModstamp >= {}", instant(from))),
                );
                all.extend(after.map(|place| format!("Id > {}", quote(&place.id))));
            }
        }
        all.extend(
            self.to
                .map(|to| format!("SystemModstamp < {}", instant(to))),
        );
        all
    }

    fn filter(&self) -> String {
        let all = self.conditions();
        if all.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", all.join(" AND "))
        }
    }
}

/// A query in the order of change, or by id where the window says so.
pub(crate) fn select(fields: &[String], object: &str, window: &Window<'_>) -> String {
    let order = match window.by_id {
        None => " ORDER BY SystemModstamp ASC, Id ASC".to_owned(),
        Some(rows) => format!(" ORDER BY Id ASC LIMIT {rows}"),
    };
    format!(
        "SELECT {} FROM {object}{}{order}",
        fields.join(","),
        window.filter()
    )
}

/// A query without order, as bulk queries are split best.
pub(crate) fn select_unordered(fields: &[String], object: &str, window: &Window<'_>) -> String {
    format!(
        "SELECT {} FROM {object}{}",
        fields.join(","),
        window.filter()
    )
}

/// The query string of a path.
pub(crate) fn query_string(soql: &str) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .append_pair("q", soql)
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_window_begins_at_its_bound_and_goes_on_after_its_last_row() {
        let fields = ["Id".to_owned(), "Name".to_owned()];
        let mut window = Window {
            from: Some(at("2026-05-01T00:00:00Z")),
            to: Some(at("2026-05-01T01:00:00Z")),
            ..Window::default()
        };
        assert_eq!(
            select(&fields, "Account", &window),
            "SELECT Id,Name FROM Account WHERE SystemModstamp >= 2026-05-01T00:00:00Z \
             AND SystemModstamp < 2026-05-01T01:00:00Z ORDER BY SystemModstamp ASC, Id ASC"
        );
        let place = Place {
            stamp: at("2026-05-01T00:30:00Z"),
            id: "001A".to_owned(),
        };
        window.after = Some(&place);
        assert_eq!(
            select_unordered(&fields, "Account", &window),
            "SELECT Id,Name FROM Account WHERE ((SystemModstamp = 2026-05-01T00:30:00Z \
             AND Id > '001A') OR SystemModstamp > 2026-05-01T00:30:00Z) \
             AND SystemModstamp < 2026-05-01T01:00:00Z"
        );
        window.by_id = Some(200);
        assert!(select(&fields, "Account", &window).ends_with(
            "SystemModstamp >= 2026-05-01T00:00:00Z AND Id > '001A' \
             AND SystemModstamp < 2026-05-01T01:00:00Z ORDER BY Id ASC LIMIT 200"
        ));
    }

    #[test]
    fn nothing_escapes_from_a_literal_or_a_name() {
        assert_eq!(quote(r"it's a \ b"), r"'it\'s a \\ b'");
        for name in ["Name", "Owner.Name", "A__c", "CSM__r.Email"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "a b", "Name,Id", "1x", ".Name", "Name.", "Name)--"] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_query_string_keeps_signs() {
        assert_eq!(
            query_string("SELECT Id FROM A WHERE B > 'x+y'"),
            "q=SELECT+Id+FROM+A+WHERE+B+%3E+%27x%2By%27"
        );
    }
}
