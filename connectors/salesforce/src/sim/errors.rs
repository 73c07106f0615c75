//! Errors in the two shapes the API knows: of a whole request, and of one row in it.

use serde_json::{Value as Json, json};

/// Why one row was not written. On single-row calls it becomes an `ApiError`, in collections an
/// entry of `errors` with the key `statusCode`, in Bulk a line `CODE:message:fields--`.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{code}: {message}")]
pub struct RowError {
    pub code: String,
    pub message: String,
    pub fields: Vec<String>,
    /// `duplicateResult` of `DUPLICATES_DETECTED`, sent on single-row calls.
    pub duplicates: Option<Json>,
}

impl RowError {
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            fields: vec![],
            duplicates: None,
        }
    }

    pub(crate) fn on(mut self, field: impl Into<String>) -> Self {
        self.fields.push(field.into());
        self
    }

    /// The entry in a collection's result.
    pub(crate) fn in_collection(&self) -> Json {
        json!({"statusCode": self.code, "message": self.message, "fields": self.fields})
    }

    /// `sf__Error` of a Bulk result.
    pub(crate) fn in_bulk(&self) -> String {
        format!("{}:{}:{}--", self.code, self.message, self.fields.join(","))
    }
}

/// A refusal of a whole request: a status and the usual one-element array.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
    fields: Option<Vec<String>>,
    duplicates: Option<Json>,
}

impl ApiError {
    pub(crate) fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.to_owned(),
            message: message.into(),
            fields: None,
            duplicates: None,
        }
    }

    pub(crate) fn not_found() -> Self {
        Self::new(404, "NOT_FOUND", "The requested resource does not exist")
    }

    pub(crate) fn json(message: impl Into<String>) -> Self {
        Self::new(400, "JSON_PARSER_ERROR", message)
    }

    pub(crate) fn body(&self) -> Json {
        let mut entry = json!({"message": self.message, "errorCode": self.code});
        if let Some(fields) = &self.fields {
            entry["fields"] = json!(fields);
        }
        if let Some(duplicates) = &self.duplicates {
            entry["duplicateResult"] = duplicates.clone();
        }
        json!([entry])
    }
}

impl From<RowError> for ApiError {
    fn from(row: RowError) -> Self {
        let status = match row.code.as_str() {
            "ENTITY_IS_DELETED" | "NOT_FOUND" => 404,
            _ => 400,
        };
        // These two speak about the request as a whole and carry no field list.
        let plain = matches!(row.code.as_str(), "NOT_FOUND" | "INVALID_FIELD");
        Self {
            status,
            fields: (!plain).then_some(row.fields),
            duplicates: row.duplicates,
            code: row.code,
            message: row.message,
        }
    }
}
