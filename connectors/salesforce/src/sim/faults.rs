//! The nasty habits, off by default. Set from a test ([`super::Simulator::faults`]) or by
//! `POST /__control/faults` with the same names in JSON.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::schema::Object;
use super::store::Row;
use super::values::push_json;

/// What the simulator does wrong on purpose.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Answers given instead of, or after, the real work. Each is used up by its `times`.
    pub answers: Vec<AnswerFault>,
    /// Every session dies after this many REST calls, also between two pages.
    pub expire_session_after: Option<u64>,
    /// Every REST call is refused as over the daily limit.
    pub daily_limit_reached: bool,
    pub limit_header: LimitHeader,
    /// Writes refused with `UNABLE_TO_LOCK_ROW`.
    pub locks: Vec<LockFault>,
    /// A write to an account (or to a child of it) within this many milliseconds of another
    /// request's write to the same account is refused with `UNABLE_TO_LOCK_ROW`.
    pub lock_window_ms: Option<i64>,
    pub validations: Vec<Validation>,
    pub duplicates: Vec<DuplicateRule>,
    pub flows: Vec<Flow>,
    /// Writes by other users commit this long after their stamp.
    pub late_ms: i64,
    /// Query pages are shorter than asked for, each differently.
    pub short_pages: bool,
    /// `totalSize` grows from page to page.
    pub drifting_total: bool,
    /// Query locators die at this age instead of after two days.
    pub locator_ttl_ms: Option<i64>,
    pub bulk: BulkFaults,
    /// Objects of which no row is shared with the caller: queries find nothing, and say so with 200.
    pub unshared: Vec<String>,
    /// Ids of records that take no change any more, as a lead that was converted: each is refused with
    /// `CANNOT_UPDATE_CONVERTED_LEAD`.
    pub converted: Vec<String>,
}

/// A wrong answer to some requests.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerFault {
    /// The kind of request, as [`super::Simulator::requests`] names it; any if absent.
    #[serde(default)]
    pub on: Option<String>,
    /// Requests of that kind that pass first.
    #[serde(default)]
    pub skip: u32,
    #[serde(default = "once")]
    pub times: u32,
    pub answer: Answer,
}

fn once() -> u32 {
    1
}

/// How a request is answered wrongly.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Answer {
    /// An error in the API's shape; nothing is done.
    Error {
        status: u16,
        code: String,
        message: String,
    },
    /// 403 with the text of the concurrent limit; nothing is done.
    ConcurrentLimit,
    /// The work is done, then the answer is an error.
    ErrorAfterCommit { status: u16 },
    /// An HTML page, as a proxy gives; nothing is done.
    Html { status: u16 },
    /// A status without a body; nothing is done.
    Empty { status: u16 },
    /// The work is done; the body stops half-way and the connection breaks.
    Cut,
    /// Nothing is done and nothing is answered for this long, then the connection breaks.
    Hang { ms: u64 },
    /// The work is done at once; the answer comes after this long.
    Slow { ms: u64 },
}

/// How `Sforce-Limit-Info` looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitHeader {
    #[default]
    Plain,
    Bursts,
    PerApp,
    Absent,
}

/// Refuses writes as locked.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LockFault {
    pub object: String,
    /// Only this record, of any length of id.
    #[serde(default)]
    pub id: Option<String>,
    /// Rows refused before the lock is free.
    #[serde(default = "once")]
    pub times: u32,
}

/// A validation rule: refuses a row that meets the condition after the write.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Validation {
    pub object: String,
    pub field: String,
    pub when: Condition,
    pub message: String,
}

/// A condition on one field's value.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Equal to this, as JSON shows the field.
    Is(Json),
    /// Null, or not (`false`).
    Blank(bool),
    /// The JSON text contains this.
    Contains(String),
}

impl Condition {
    pub(crate) fn met(&self, object: &Object, field: &str, row: &Row) -> bool {
        let Some(field) = object.field(field) else {
            return false;
        };
        let mut text = String::new();
        push_json(&mut text, field, row);
        match self {
            Self::Is(value) => serde_json::from_str::<Json>(&text).is_ok_and(|is| is == *value),
            Self::Blank(blank) => (text == "null") == *blank,
            Self::Contains(part) => text.contains(part.as_str()),
        }
    }
}

/// A duplicate rule: a second live record with the same value of a field.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DuplicateRule {
    pub object: String,
    pub field: String,
    /// The client may save all the same with `Sforce-Duplicate-Rule-Header: allowSave=true`.
    #[serde(default)]
    pub allow_save: bool,
}

/// A flow: a write to the object sets another field in the same transaction.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Flow {
    pub object: String,
    /// Only when the write names this field.
    #[serde(default)]
    pub on_field: Option<String>,
    pub set_field: String,
    pub value: Json,
}

/// Bulk jobs gone wrong.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct BulkFaults {
    /// How many polls of a job say `InProgress` before it completes.
    pub in_progress_polls: u32,
    /// Jobs end `Failed` without a message.
    pub fail: bool,
    /// Query jobs find nothing: a header, no row, locator `null`.
    pub empty: bool,
    /// The header row is repeated after this many rows of a page.
    pub repeat_header_every: Option<usize>,
}

impl Faults {
    /// Whether rows of the object are shown to the caller.
    pub(crate) fn shows(&self, object: &Object) -> bool {
        !self.unshared.contains(&object.name)
    }

    /// The wrong answer due for a request of this kind, used up by being returned.
    pub(crate) fn take_answer(&mut self, kind: &str) -> Option<Answer> {
        let matching = |fault: &AnswerFault| fault.on.as_deref().is_none_or(|on| on == kind);
        let mut due = None;
        for fault in self.answers.iter_mut().filter(|fault| matching(fault)) {
            if fault.skip > 0 {
                fault.skip -= 1;
            } else if due.is_none() && fault.times > 0 {
                fault.times -= 1;
                due = Some(fault.answer.clone());
            }
        }
        self.answers.retain(|fault| fault.times > 0);
        due
    }
}
