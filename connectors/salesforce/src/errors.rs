//! Salesforce's error codes, and who must act on each.
//!
//! The code is read first, then the status: the same code comes with different statuses.

use std::time::Duration;

use connector_sdk::ErrorKind::{
    Auth, Config, Conflict, Gone, RateLimited, Rejected, Transient, Unsupported,
};
use connector_sdk::{ConnectorError, ErrorKind, Reply, between};
use serde::Deserialize;

/// A code, the kind it belongs to, and what to do about it.
type Row = (&'static str, ErrorKind, &'static str);

/// Sorted by what must happen. A code that ends with `*` stands for all that begin so.
#[rustfmt::skip]
const TABLE: &[Row] = &[
    ("INVALID_SESSION_ID", Auth, "the session is refused again after a new sign-in: authorise the connection anew"),
    ("INVALID_AUTH_HEADER", Auth, "authorise the connection anew"),
    ("INVALID_LOGIN", Auth, "authorise the connection anew"),
    ("invalid_grant", Auth, "authorise the connection anew"),
    ("invalid_client*", Auth, "check the client id and secret"),
    ("inactive_*", Auth, "activate the user or org, then authorise the connection anew"),

    ("REQUEST_LIMIT_EXCEEDED", RateLimited, "the org's request limit is used up"),
    ("LIMIT_EXCEEDED", RateLimited, "a limit of the org is used up"),
    ("TXN_SECURITY_METERING_ERROR", RateLimited, "a transaction security policy of the org limits the hub's user: exempt it"),

    ("API_DISABLED_FOR_ORG", Config, "the org's edition has no API access"),
    ("API_CURRENTLY_DISABLED", Config, "the API is switched off for the org or the user"),
    ("INSUFFICIENT_ACCESS*", Config, "give the hub's user access to the object and its fields"),
    ("FUNCTIONALITY_NOT_ENABLED", Config, "the feature is not enabled in the org"),
    ("INVALID_FIELD", Config, "the field does not exist or is hidden from the hub's user: check the mapping and field-level security"),
    ("INVALID_TYPE", Config, "the object does not exist or is hidden from the hub's user"),
    ("MALFORMED_QUERY", Config, "the query is refused: check the field names of the mapping"),
    ("STORAGE_LIMIT_EXCEEDED", Config, "the org's storage is full"),
    ("UNSUPPORTED_API_VERSION", Config, "the pinned API version is retired: raise api_version"),

    ("UNABLE_TO_LOCK_ROW", Transient, "the record or its parent is being written by somebody else"),
    ("QUERY_TIMEOUT", Transient, "the query takes too long: a smaller window is read"),
    ("OPERATION_TOO_LARGE", Transient, "the query touches too much: a smaller window is read"),
    ("QUERY_TOO_COMPLICATED", Transient, "the query is too complicated: fewer fields or a smaller window"),
    ("SERVER_UNAVAILABLE", Transient, "the service is not available at the moment"),
    ("UNKNOWN_EXCEPTION", Transient, "the service failed"),
    ("EXCEEDED_ID_LIMIT", Transient, "too many ids in the window: a smaller window is read"),
    ("INVALID_REPLICATION_DATE", Transient, "the window is refused: it is corrected with the next read"),
    ("ENTITY_IS_LOCKED", Transient, "the record is locked by an approval process"),
    ("PROCESSING_HALTED", Transient, "another row of the request stopped it"),
    ("ALL_OR_NONE_OPERATION_ROLLED_BACK", Transient, "another row of the request stopped it"),
    ("BATCH_PROCESSING_HALTED", Transient, "another row of the request stopped it"),

    ("INVALID_QUERY_LOCATOR", Gone, "the query's cursor has expired"),
    ("ENTITY_IS_DELETED", Gone, "the record is deleted"),
    ("NOT_FOUND", Gone, "the record does not exist or is hidden from the hub's user"),

    ("REQUIRED_FIELD_MISSING", Rejected, "fill the required field or map it"),
    ("FIELD_CUSTOM_VALIDATION_EXCEPTION", Rejected, "a validation rule of the org refuses the record"),
    ("FIELD_INTEGRITY_EXCEPTION", Rejected, "a field's value does not fit the others"),
    ("FIELD_FILTER_VALIDATION_EXCEPTION", Rejected, "a lookup filter of the org refuses the reference"),
    ("STRING_TOO_LONG", Rejected, "the text is longer than the field"),
    ("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", Rejected, "the value is not in the picklist: map it or add it in Salesforce"),
    ("INVALID_EMAIL_ADDRESS", Rejected, "correct the email address"),
    ("NUMBER_OUTSIDE_VALID_RANGE", Rejected, "the number does not fit the field"),
    ("INVALID_FIELD_FOR_INSERT_UPDATE", Rejected, "the field cannot be written by the hub's user: take it out of the mapping"),
    ("CANNOT_EXECUTE_FLOW_TRIGGER", Rejected, "a flow of the org fails on the record"),
    ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", Rejected, "a trigger of the org fails on the record"),
    ("DUPLICATES_DETECTED", Rejected, "a duplicate rule of the org finds the record there already: link it"),
    ("DUPLICATE_VALUE", Rejected, "another record has the unique value already: link it"),
    ("DUPLICATE_EXTERNAL_ID", Rejected, "several records carry the hub's id: keep it on one"),
    ("INVALID_CROSS_REFERENCE_KEY", Rejected, "the record it refers to is missing: bring that one first"),
    ("MALFORMED_ID", Rejected, "the id is not one of this object"),
    ("JSON_PARSER_ERROR", Rejected, "a value does not fit the type of its field"),
    ("INVALID_TYPE_ON_FIELD_IN_RECORD", Rejected, "a value does not fit the type of its field"),
    ("CANNOT_UPDATE_CONVERTED_LEAD", Rejected, "the lead was converted and stays as it is: link the contact that it became"),
    ("DELETE_FAILED", Rejected, "other records hold on to the record"),
    ("PRECONDITION_FAILED", Conflict, "the record changed there meanwhile"),

    ("METHOD_NOT_ALLOWED", Unsupported, "the object does not allow this"),
    ("CANNOT_DELETE*", Unsupported, "the object does not allow deleting"),
];

/// How long to stay away once the day's requests are used up: one probe a quarter of an hour.
const DAILY: Duration = Duration::from_secs(15 * 60);
/// A record under approval stays locked for a person's time.
const APPROVAL: Duration = Duration::from_secs(60 * 60);

/// One entry of an error body; collections say `statusCode` where the rest says `errorCode`.
#[derive(Debug, Deserialize)]
pub(crate) struct Fault {
    #[serde(alias = "statusCode", alias = "exceptionCode")]
    #[serde(rename = "errorCode")]
    pub(crate) code: String,
    #[serde(default, alias = "exceptionMessage")]
    message: Option<String>,
    #[serde(default)]
    fields: Vec<String>,
}

fn look_up(code: &str) -> Option<&'static Row> {
    let fits = |name: &str| match name.strip_suffix('*') {
        Some(stem) => code.starts_with(stem),
        None => code == name,
    };
    TABLE.iter().find(|(name, _, _)| fits(name))
}

impl Fault {
    /// The error this fault is. `status` decides where the code is not known.
    pub(crate) fn into_error(self, status: u16) -> ConnectorError {
        let Self {
            code,
            message,
            fields,
        } = self;
        let told = message.unwrap_or_default();
        let (kind, remedy) = match look_up(&code) {
            Some((_, kind, remedy)) => (*kind, (*remedy).to_owned()),
            None => by_status(status),
        };
        let wait = match code.as_str() {
            "REQUEST_LIMIT_EXCEEDED" if told.contains("Concurrent") => {
                Some(between(Duration::from_secs(5), Duration::from_secs(60)))
            }
            _ if kind == RateLimited => Some(DAILY),
            "ENTITY_IS_LOCKED" => Some(APPROVAL),
            _ => None,
        };
        let mut error = ConnectorError::new(kind, message_of(&code, &remedy, &fields))
            .with_code(code)
            .with_fields(fields);
        error.retry_after = wait;
        if !told.is_empty() {
            // What the system says may quote the record: it goes to the chain, not the message.
            error = error.with_source(Told(told));
        }
        error
    }
}

/// The system's own words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Told(String);

fn message_of(code: &str, remedy: &str, fields: &[String]) -> String {
    if fields.is_empty() {
        format!("{remedy} ({code})")
    } else {
        format!("{remedy} ({code}: {})", fields.join(", "))
    }
}

fn by_status(status: u16) -> (ErrorKind, String) {
    let (kind, remedy) = match status {
        401 => (
            Auth,
            "the session is refused, authorise the connection anew",
        ),
        403 => (Config, "the hub's user may not do this"),
        404 => (Gone, "there is no such thing"),
        410 => (
            Config,
            "the pinned API version is retired: raise api_version",
        ),
        412 => (Conflict, "the record changed there meanwhile"),
        414 | 431 => (Config, "the request is too long: map fewer fields"),
        429 => (RateLimited, "the system asks to slow down"),
        300 => (
            Rejected,
            "several records carry the hub's id: keep it on one",
        ),
        406 | 408 | 420 | 500.. => (Transient, "the service failed"),
        _ => (Rejected, "the request is refused"),
    };
    (kind, remedy.to_owned())
}

/// What a failing answer means.
pub(crate) fn of_reply(reply: &Reply) -> ConnectorError {
    let status = reply.status.as_u16();
    let mut error = match first_fault(&reply.body) {
        Some(fault) => fault.into_error(status),
        None => {
            let (kind, remedy) = by_status(status);
            ConnectorError::new(kind, format!("{remedy} (status {status})"))
        }
    };
    if let Some(asked) = reply.retry_after() {
        error.retry_after = Some(asked);
    } else if error.kind == RateLimited && error.retry_after.is_none() {
        error.retry_after = Some(Duration::from_secs(30));
    }
    error
}

/// The code of a failing answer, if it has one.
pub(crate) fn code_of(reply: &Reply) -> Option<String> {
    first_fault(&reply.body).map(|fault| fault.code)
}

/// Most calls answer a list of faults, a few a bare one, proxies neither.
fn first_fault(body: &[u8]) -> Option<Fault> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Body {
        List(Vec<Fault>),
        One(Fault),
    }
    match serde_json::from_slice(body).ok()? {
        Body::List(faults) => faults.into_iter().next(),
        Body::One(fault) => Some(fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reference's table of codes and actions, by what must happen.
    const REFERENCE: &[(&[&str], ErrorKind)] = &[
        (&["INVALID_SESSION_ID"], Auth),
        (
            &[
                "invalid_grant",
                "invalid_client",
                "invalid_client_id",
                "inactive_user",
                "inactive_org",
            ],
            Auth,
        ),
        (
            &[
                "REQUEST_LIMIT_EXCEEDED",
                "LIMIT_EXCEEDED",
                "TXN_SECURITY_METERING_ERROR",
            ],
            RateLimited,
        ),
        (
            &[
                "API_DISABLED_FOR_ORG",
                "API_CURRENTLY_DISABLED",
                "INSUFFICIENT_ACCESS",
                "INSUFFICIENT_ACCESS_OR_READONLY",
                "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
            ],
            Config,
        ),
        (&["UNABLE_TO_LOCK_ROW"], Transient),
        (
            &[
                "QUERY_TIMEOUT",
                "OPERATION_TOO_LARGE",
                "QUERY_TOO_COMPLICATED",
            ],
            Transient,
        ),
        (&["SERVER_UNAVAILABLE", "UNKNOWN_EXCEPTION"], Transient),
        (&["INVALID_QUERY_LOCATOR"], Gone),
        (
            &["MALFORMED_QUERY", "INVALID_FIELD", "INVALID_TYPE"],
            Config,
        ),
        (
            &[
                "REQUIRED_FIELD_MISSING",
                "FIELD_CUSTOM_VALIDATION_EXCEPTION",
                "FIELD_INTEGRITY_EXCEPTION",
                "STRING_TOO_LONG",
                "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
                "INVALID_EMAIL_ADDRESS",
                "NUMBER_OUTSIDE_VALID_RANGE",
                "INVALID_FIELD_FOR_INSERT_UPDATE",
                "CANNOT_EXECUTE_FLOW_TRIGGER",
                "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
                "DUPLICATES_DETECTED",
                "DUPLICATE_VALUE",
                "INVALID_CROSS_REFERENCE_KEY",
                "CANNOT_UPDATE_CONVERTED_LEAD",
            ],
            Rejected,
        ),
        (&["ENTITY_IS_DELETED", "NOT_FOUND"], Gone),
        (
            &[
                "ENTITY_IS_LOCKED",
                "EXCEEDED_ID_LIMIT",
                "INVALID_REPLICATION_DATE",
            ],
            Transient,
        ),
        (&["STORAGE_LIMIT_EXCEEDED"], Config),
    ];

    fn reply(status: u16, body: &str) -> Reply {
        Reply {
            status: http::StatusCode::from_u16(status).unwrap(),
            headers: http::HeaderMap::new(),
            body: bytes::Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    #[test]
    fn every_code_of_the_reference_has_its_kind_and_a_remedy() {
        for (codes, kind) in REFERENCE {
            for code in *codes {
                let body = format!(r#"[{{"message":"m","errorCode":"{code}","fields":["F"]}}]"#);
                // An odd status: the code decides.
                let error = of_reply(&reply(499, &body));
                assert_eq!(error.kind, *kind, "{code}");
                assert_eq!(error.code.as_deref(), Some(*code));
                assert_eq!(error.fields, ["F"]);
                assert!(
                    look_up(code).is_some_and(|(_, _, remedy)| !remedy.is_empty()),
                    "{code}"
                );
            }
        }
    }

    #[test]
    fn statuses_without_a_code_have_a_kind() {
        for (status, kind) in [
            (300, Rejected),
            (401, Auth),
            (403, Config),
            (404, Gone),
            (406, Transient),
            (410, Config),
            (412, Conflict),
            (414, Config),
            (420, Transient),
            (429, RateLimited),
            (431, Config),
            (502, Transient),
            (504, Transient),
        ] {
            let error = of_reply(&reply(status, "<html><body>no</body></html>"));
            assert_eq!(error.kind, kind, "{status}");
        }
    }

    #[test]
    fn the_shapes_of_single_calls_collections_and_bulk_are_read() {
        for body in [
            r#"[{"message":"m","errorCode":"STRING_TOO_LONG"}]"#,
            r#"{"message":"m","errorCode":"STRING_TOO_LONG","fields":[]}"#,
            r#"[{"message":"m","statusCode":"STRING_TOO_LONG","fields":[]}]"#,
            r#"{"exceptionCode":"STRING_TOO_LONG","exceptionMessage":"m"}"#,
        ] {
            assert_eq!(
                code_of(&reply(400, body)).as_deref(),
                Some("STRING_TOO_LONG"),
                "{body}"
            );
        }
    }

    #[test]
    fn the_two_request_limits_wait_differently() {
        let limit = |message: &str| {
            let body =
                format!(r#"[{{"message":"{message}","errorCode":"REQUEST_LIMIT_EXCEEDED"}}]"#);
            of_reply(&reply(403, &body))
        };
        let daily = limit("TotalRequests Limit exceeded.");
        assert_eq!((daily.kind, daily.retry_after), (RateLimited, Some(DAILY)));
        let crowd = limit("ConcurrentRequests (Concurrent API Requests) Limit exceeded.");
        let wait = crowd.retry_after.unwrap().as_secs_f64();
        assert!((5.0..=60.0).contains(&wait));
    }

    #[test]
    fn what_the_system_says_about_a_record_stays_out_of_the_message() {
        let body =
            r#"[{"message":"Ada's salary is 12","errorCode":"FIELD_CUSTOM_VALIDATION_EXCEPTION"}]"#;
        assert!(!of_reply(&reply(400, body)).to_string().contains("Ada"));
    }
}
