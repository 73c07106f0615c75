//! Every case of one field, against the rules written down a second time, as simply as they go.

use chrono::{DateTime, TimeDelta, Utc};
use connector_sdk::Value;

use super::{applied, merged, patch, rules};
use crate::merge::{Clock, Context, Pin, Rules, Values};

/// A side's value: none, null, or one of three letters.
type Slot = Option<Option<char>>;

const NOTHING: Slot = None;
const NULL: Slot = Some(None);
const A: Slot = Some(Some('a'));
const B: Slot = Some(Some('b'));
const C: Slot = Some(Some('c'));

#[derive(Clone, Copy, Debug)]
struct Case {
    base: Slot,
    core: Slot,
    remote: Slot,
    direction: &'static str,
    /// A policy, `owner core` or `owner remote`.
    policy: &'static str,
    first_contact: &'static str,
    pinned: bool,
    /// How much later the peer changed, in seconds.
    later: i64,
    trusted: bool,
}

#[derive(Debug, PartialEq)]
struct Outcome {
    core: Option<String>,
    base: Slot,
    push: bool,
    conflict: bool,
}

#[derive(PartialEq)]
enum Wins {
    Core,
    Remote,
    Union,
    Nobody,
}

/// The rules of the merge for one field.
fn oracle(case: &Case) -> Outcome {
    let word = |slot: Slot| slot.flatten().map(String::from);
    let Case {
        base,
        core,
        remote,
        direction,
        policy,
        ..
    } = *case;
    let still = Outcome {
        core: word(core),
        base,
        push: false,
        conflict: false,
    };
    if core == NOTHING {
        return match remote {
            Some(_) if direction != "out" => Outcome {
                core: word(remote),
                base: remote,
                ..still
            },
            _ => Outcome {
                base: NOTHING,
                ..still
            },
        };
    }
    if direction == "out" {
        return Outcome {
            push: core.flatten() != base.flatten(),
            ..still
        };
    }
    let both_ways = direction == "both";
    if remote == NOTHING {
        let owed = base.is_some() && core != base && both_ways && policy != "owner remote";
        return Outcome {
            push: owed,
            ..still
        };
    }
    if core == remote {
        return Outcome {
            base: remote,
            ..still
        };
    }
    let met = base.is_some();
    let wins = who_wins(case);
    match wins {
        Wins::Remote if !met && remote == NULL => Outcome {
            push: both_ways && policy != "owner remote",
            ..still
        },
        Wins::Remote => Outcome {
            core: word(remote),
            base: remote,
            ..still
        },
        Wins::Core if !met && core == NULL => still,
        Wins::Core => Outcome {
            push: both_ways,
            ..still
        },
        Wins::Union => {
            let (mine, theirs) = (word(core), word(remote));
            let all = match (&mine, &theirs) {
                (Some(mine), Some(theirs)) => format!("{mine};{theirs}"),
                (one, other) => one.clone().or(other.clone()).unwrap_or_default(),
            };
            let equal = theirs.as_deref() == Some(all.as_str());
            let base = if equal { remote } else { base };
            Outcome {
                core: Some(all),
                base,
                push: !equal && both_ways,
                conflict: false,
            }
        }
        Wins::Nobody => Outcome {
            conflict: true,
            ..still
        },
    }
}

fn who_wins(case: &Case) -> Wins {
    let Case {
        base,
        core,
        remote,
        direction,
        policy,
        ..
    } = *case;
    let only_in = direction == "in";
    if only_in && base.is_some() && remote != base && !case.pinned {
        return Wins::Remote;
    }
    match policy {
        "owner core" => return Wins::Core,
        "owner remote" => return Wins::Remote,
        _ => {}
    }
    if case.pinned {
        return Wins::Core;
    }
    if base == NOTHING {
        return match (core, remote) {
            (_, NULL) => Wins::Core,
            (NULL, _) => Wins::Remote,
            _ if only_in || case.first_contact == "remote" => Wins::Remote,
            _ if case.first_contact == "core" => Wins::Core,
            _ => Wins::Nobody,
        };
    }
    if remote == base {
        return Wins::Core;
    }
    if core == base {
        return Wins::Remote;
    }
    match policy {
        "newest" if case.trusted && case.later > 5 => Wins::Remote,
        "newest" if case.trusted && case.later < -5 => Wins::Core,
        "union" | "append" | "text_merge" => Wins::Union,
        "max" | "min" if core == NULL => Wins::Remote,
        "max" | "min" if remote == NULL => Wins::Core,
        "max" if core > remote => Wins::Core,
        "max" => Wins::Remote,
        "min" if core < remote => Wins::Core,
        "min" => Wins::Remote,
        _ => Wins::Nobody,
    }
}

fn field_of(policy: &str) -> &'static str {
    match policy {
        "union" => "tags",
        "max" | "min" => "count",
        "append" | "text_merge" => "notes",
        _ => "name",
    }
}

/// The letter as the field holds it.
fn value(field: &str, letter: Option<char>) -> Value {
    match (field, letter) {
        (_, None) => Value::Null,
        ("tags", Some(letter)) => Value::List(vec![Value::text(letter)]),
        ("count", Some(letter)) => Value::from(i64::from(u32::from(letter))),
        (_, Some(letter)) => Value::text(letter),
    }
}

fn letters(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::Null => None,
        Value::List(values) => Some(
            values
                .iter()
                .map(Value::to_string)
                .collect::<Vec<_>>()
                .join(";"),
        ),
        Value::Number(number) => {
            let code = u32::try_from(*number).unwrap();
            Some(char::from_u32(code).unwrap().to_string())
        }
        // Lines of a text as the entries of a list.
        value => Some(value.to_string().replace('\n', ";")),
    }
}

fn values(field: &str, slot: Slot) -> Values {
    slot.map(|letter| (field.to_owned(), value(field, letter)))
        .into_iter()
        .collect()
}

fn check(rules: &Rules, case: &Case) {
    let field = field_of(case.policy);
    let core_at = DateTime::<Utc>::from_timestamp(1_700_000_000, 0).unwrap();
    let context = Context {
        core_changed_at: [(field.to_owned(), core_at)].into(),
        clock: Clock {
            trusted: case.trusted,
            skew: TimeDelta::seconds(5),
        },
        pins: case
            .pinned
            .then(|| {
                (
                    field.to_owned(),
                    Pin {
                        reason: "a person said so".to_owned(),
                    },
                )
            })
            .into_iter()
            .collect(),
        ..Context::default()
    };
    let mut patch = patch(values(field, case.remote));
    patch.changed_at = Some(core_at + TimeDelta::seconds(case.later));
    let base = values(field, case.base);
    let core = case.core.map(|_| values(field, case.core));
    let merged = merged(rules, Some(&base), core.as_ref(), &patch, &context);

    let after = applied(core.as_ref(), &merged);
    let found = Outcome {
        core: letters(after.get(field)),
        base: merged
            .base
            .get(field)
            .map(|value| letters(Some(value)).and_then(|l| l.chars().next())),
        push: !merged.push.is_empty(),
        conflict: !merged.conflicts.is_empty(),
    };
    assert_eq!(found, oracle(case), "{case:?}\n{merged:?}");

    let has_news = !merged.changes.is_empty() || found.push || found.conflict;
    assert!(
        !has_news || !merged.decisions.is_empty(),
        "nothing happens without a reason: {case:?}"
    );

    let again = super::merged(rules, Some(&merged.base), Some(&after), &patch, &context);
    assert!(
        again.changes.is_empty(),
        "a second time changes something: {case:?}\n{again:?}"
    );
}

#[test]
fn every_case_of_one_field_follows_the_written_rules() {
    let policies = [
        "ask",
        "newest",
        "union",
        "append",
        "text_merge",
        "max",
        "min",
        "owner core",
        "owner remote",
    ];
    let mut cases = 0;
    for policy in policies {
        for direction in ["in", "out", "both"] {
            // The checker refuses owners that the direction contradicts.
            if matches!(
                (policy, direction),
                ("owner core", "in") | ("owner remote", "out")
            ) {
                continue;
            }
            for first_contact in ["remote", "core", "ask"] {
                let line = match policy.strip_prefix("owner ") {
                    Some(owner) => format!("owner = \"{owner}\"\ndirection = \"{direction}\""),
                    None => format!("policy = \"{policy}\"\ndirection = \"{direction}\""),
                };
                let rules = rules(first_contact, &[(field_of(policy), &line)]);
                for base in [NOTHING, NULL, A, B] {
                    for core in [NOTHING, NULL, A, B] {
                        for remote in [NOTHING, NULL, A, B, C] {
                            for (later, trusted) in
                                [(60, true), (-60, true), (5, true), (-5, true), (60, false)]
                            {
                                for pinned in [false, true] {
                                    let case = Case {
                                        base,
                                        core,
                                        remote,
                                        direction,
                                        policy,
                                        first_contact,
                                        pinned,
                                        later,
                                        trusted,
                                    };
                                    check(&rules, &case);
                                    cases += 1;
                                }
                            }
                        }
                    }
                }
            }
        }
    }
    assert_eq!(cases, 25 * 3 * 4 * 4 * 5 * 5 * 2);
}
