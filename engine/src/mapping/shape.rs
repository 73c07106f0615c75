//! What kind of value is where in a pipe, as far as can be told without a record.

use connector_sdk::FieldType;

use super::pipe::Pipe;
use super::transform::Transform;
use crate::catalogue::FieldKind;

/// What a value looks like on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Text,
    /// `2026-05-01`.
    Date,
    Instant,
    Number,
    Bool,
    List,
    /// Cannot be told.
    Any,
}

impl Shape {
    pub(super) fn of_remote(kind: FieldType) -> Self {
        match kind {
            FieldType::Text
            | FieldType::LongText
            | FieldType::Email
            | FieldType::Phone
            | FieldType::Url
            | FieldType::Choice
            | FieldType::Reference => Self::Text,
            FieldType::Integer | FieldType::Decimal => Self::Number,
            FieldType::Boolean => Self::Bool,
            FieldType::Date => Self::Date,
            FieldType::Instant => Self::Instant,
            // Some systems send the entries as one text, others as a list.
            FieldType::Choices | FieldType::Other => Self::Any,
        }
    }

    pub(super) fn of_core(kind: FieldKind) -> Self {
        match kind {
            FieldKind::Integer | FieldKind::Decimal | FieldKind::Currency => Self::Number,
            FieldKind::Boolean => Self::Bool,
            FieldKind::Date => Self::Date,
            FieldKind::Instant => Self::Instant,
            FieldKind::Choices => Self::List,
            _ => Self::Text,
        }
    }

    /// Whether a remote field of the kind takes it.
    pub(super) fn may_go_to(self, kind: FieldType) -> bool {
        match Self::of_remote(kind) {
            Self::Any => true,
            // Text takes what is written as text; a system that wants a number's text is given
            // one by `text`.
            Self::Text => matches!(self, Self::Text | Self::Date | Self::Instant | Self::Any),
            wanted => self == wanted || self == Self::Any,
        }
    }

    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Date => "a date",
            Self::Instant => "a date with time",
            Self::Number => "a number",
            Self::Bool => "true or false",
            Self::List => "a list",
            Self::Any => "any value",
        }
    }

    /// Whether a field of the kind can hold it. Text can be anything that is written as text.
    pub(super) fn may_be(self, kind: FieldKind) -> bool {
        match self {
            Self::Any => true,
            Self::Text => kind != FieldKind::Choices,
            Self::Date => matches!(
                kind,
                FieldKind::Date | FieldKind::Text | FieldKind::LongText
            ),
            Self::Instant => {
                matches!(
                    kind,
                    FieldKind::Instant | FieldKind::Text | FieldKind::LongText
                )
            }
            Self::Number => matches!(
                kind,
                FieldKind::Integer
                    | FieldKind::Decimal
                    | FieldKind::Currency
                    | FieldKind::Text
                    | FieldKind::LongText
            ),
            Self::Bool => {
                matches!(
                    kind,
                    FieldKind::Boolean | FieldKind::Text | FieldKind::LongText
                )
            }
            Self::List => kind == FieldKind::Choices,
        }
    }

    fn is_textual(self) -> bool {
        matches!(
            self,
            Self::Text | Self::Date | Self::Instant | Self::List | Self::Any
        )
    }
}

/// What comes out of a pipe; or the first step that cannot take what reaches it.
pub(super) fn shape_of(pipe: &Pipe, start: Shape) -> Result<Shape, (&'static str, Shape)> {
    pipe.steps.iter().try_fold(start, |shape, step| {
        step_shape(step, shape).ok_or_else(|| (step.name(), shape))
    })
}

fn step_shape(step: &Transform, shape: Shape) -> Option<Shape> {
    use Shape::{Any, Bool, Date, Instant, List, Number, Text};
    let kept = |fits: bool| fits.then_some(if shape == List { List } else { Text });
    match step {
        Transform::Default(_) => Some(if shape == List { List } else { Any }),
        Transform::Trim | Transform::NullIf(_) => shape.is_textual().then_some(shape),
        Transform::Lower
        | Transform::Upper
        | Transform::Collapse
        | Transform::Digits
        | Transform::Domain
        | Transform::Replace { .. }
        | Transform::Prefix(_)
        | Transform::StripPrefix(_)
        | Transform::Truncate(_)
        | Transform::FormatDate(_) => kept(shape.is_textual()),
        Transform::Lookup { .. } | Transform::LookupBack { .. } => {
            Some(if shape == List { List } else { Any })
        }
        Transform::Split(_) => matches!(shape, Text | List | Any).then_some(List),
        Transform::Join { .. } => matches!(shape, Text | List | Any).then_some(Text),
        Transform::First | Transform::Last => matches!(shape, List | Any).then_some(Any),
        Transform::Text => kept(true),
        Transform::Number { .. } => matches!(shape, Text | Number | Any).then_some(Number),
        Transform::Multiply(_) | Transform::Divide { .. } | Transform::Round(_) => {
            matches!(shape, Number | Any).then_some(Number)
        }
        Transform::Boolean { .. } => (shape != List).then_some(Bool),
        Transform::BooleanText { .. } => matches!(shape, Bool | Any).then_some(Text),
        Transform::Not => matches!(shape, Bool | Any).then_some(Bool),
        Transform::Date => matches!(shape, Text | Date | Instant | Any).then_some(Date),
        Transform::ParseDate(_) => matches!(shape, Text | Any).then_some(Date),
    }
}
