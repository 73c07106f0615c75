//! What holds for any values.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use connector_sdk::Value;
use proptest::prelude::*;

use super::{applied, catalogue, merged, patch, rules};
use crate::catalogue::{Empty, same};
use crate::merge::{Context, Pin, Rules, Values};

static RULES: LazyLock<[Rules; 3]> = LazyLock::new(|| {
    ["remote", "core", "ask"].map(|first_contact| {
        let rows = [
            ("name", "policy = \"newest\""),
            ("phone", "owner = \"core\""),
            ("email", "policy = \"ask\""),
            ("count", "policy = \"max\""),
            ("tags", "policy = \"union\""),
            ("since", "direction = \"in\""),
            ("street", "group = \"address\""),
            ("city", "group = \"address\""),
            ("zip", "group = \"address\""),
            ("stage", "group = \"state\"\nowner = \"remote\""),
            ("reason", "group = \"state\"\nowner = \"remote\""),
        ];
        rules(first_contact, &rows)
    })
});

/// A value of the field, often equal to another of it up to spelling.
fn value_of(name: &'static str) -> BoxedStrategy<Value> {
    let texts = |texts: &'static [&'static str]| {
        proptest::sample::select(texts)
            .prop_map(Value::from)
            .boxed()
    };
    let some = match name {
        "phone" => texts(&["(0) 1 23", "0123", "+49 30 1", "call me"]),
        "email" => texts(&["a@x.org", "A@X.org ", "b@x.org"]),
        "count" => proptest::sample::select(&[1_i64, 2, 3][..])
            .prop_map(Value::from)
            .boxed(),
        "tags" => proptest::collection::vec(texts(&["a", "b", "c"]), 0..3)
            .prop_map(Value::List)
            .boxed(),
        "since" => texts(&[
            "2026-05-01T00:00:00Z",
            "2026-05-01T02:00:00+02:00",
            "2026-05-02T00:00:00Z",
        ]),
        _ => texts(&["a", " a", "b", "c", ""]),
    };
    prop_oneof![1 => Just(Value::Null), 4 => some].boxed()
}

fn some_values() -> BoxedStrategy<Values> {
    let names = [
        "name", "phone", "email", "count", "tags", "since", "street", "city", "zip", "stage",
        "reason",
    ];
    let fields: Vec<_> = names
        .into_iter()
        .map(|name| {
            proptest::option::weighted(0.8, value_of(name)).prop_map(move |value| (name, value))
        })
        .collect();
    fields
        .prop_map(|fields| {
            let said = |(name, value): (&str, Option<Value>)| Some((name.to_owned(), value?));
            fields.into_iter().filter_map(said).collect()
        })
        .boxed()
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        ".*".prop_map(Value::Text),
        Just(Value::text("\0")),
        Just(Value::text("9999-99-99")),
        Just(Value::text("+999999-01-01T00:00:00Z")),
        Just(Value::number("79228162514264337593543950335").unwrap()),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            proptest::collection::btree_map(".{0,4}", inner, 0..4).prop_map(Value::Map),
        ]
    })
}

fn pins(pinned: bool) -> Context {
    let pin = (
        "street".to_owned(),
        Pin {
            reason: "moved".to_owned(),
        },
    );
    Context {
        pins: pinned.then_some(pin).into_iter().collect(),
        ..Context::default()
    }
}

/// The values of a group's fields, each in the form it is compared in.
fn shape(rules: &Rules, group: &str, values: &Values) -> Vec<String> {
    let group = rules.group(group).unwrap();
    let catalogue = catalogue();
    let of = |name: &str| {
        let value = values.get(name).cloned().unwrap_or_default();
        let field = catalogue.field(name).unwrap();
        crate::catalogue::canonical(field, &value)
            .unwrap_or(value)
            .to_string()
    };
    group.fields.iter().map(|field| of(&field.name)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn merging_the_same_again_changes_nothing(
        base in proptest::option::of(some_values()),
        core in proptest::option::of(some_values()),
        remote in some_values(),
        first_contact in 0_usize..3,
        pinned in any::<bool>(),
    ) {
        let (rules, patch, context) = (&RULES[first_contact], patch(remote), pins(pinned));
        let first = merged(rules, base.as_ref(), core.as_ref(), &patch, &context);
        let after = applied(core.as_ref(), &first);
        let second = merged(rules, Some(&first.base), Some(&after), &patch, &context);
        prop_assert!(second.changes.is_empty(), "{second:?}");
        // A new entity is not owed to the peer it came from; later what it lacks there may be.
        if core.is_some() {
            prop_assert_eq!(&second.base, &first.base);
            prop_assert_eq!(second.conflicts.len(), first.conflicts.len());
        }
    }

    #[test]
    fn groups_that_change_apart_may_change_in_any_order(
        base in some_values(),
        core in some_values(),
        remote in some_values(),
        first_contact in 0_usize..3,
        mask in any::<u16>(),
    ) {
        let rules = &RULES[first_contact];
        let context = Context::default();
        let mut halves = [Values::new(), Values::new()];
        for (place, group) in rules.groups().iter().enumerate() {
            for field in &group.fields {
                if let Some(value) = remote.get(&*field.name) {
                    let half = usize::from(mask >> place & 1);
                    halves[half].insert(field.name.to_string(), value.clone());
                }
            }
        }
        let run = |patches: [&Values; 2]| {
            let mut state = (base.clone(), core.clone());
            for values in patches {
                let done = merged(rules, Some(&state.0), Some(&state.1), &patch(values.clone()), &context);
                state = (done.base.clone(), applied(Some(&state.1), &done));
            }
            state
        };
        let one_way = run([&halves[0], &halves[1]]);
        prop_assert_eq!(&one_way, &run([&halves[1], &halves[0]]));
        let at_once = merged(rules, Some(&base), Some(&core), &patch(remote), &context);
        prop_assert_eq!(one_way, (at_once.base.clone(), applied(Some(&core), &at_once)));
    }

    #[test]
    fn a_group_is_one_sides_or_the_others_never_a_mixture(
        base in some_values(),
        core in some_values(),
        remote in some_values(),
        first_contact in 0_usize..3,
        pinned in any::<bool>(),
    ) {
        let rules = &RULES[first_contact];
        let done = merged(rules, Some(&base), Some(&core), &patch(remote.clone()), &pins(pinned));
        let after = applied(Some(&core), &done);
        let mut theirs = base;
        theirs.extend(remote);
        for group in ["address", "state"] {
            let found = shape(rules, group, &after);
            prop_assert!(
                found == shape(rules, group, &core) || found == shape(rules, group, &theirs),
                "{group}: {found:?} in {done:?}"
            );
            let fields: Vec<_> = rules.group(group).unwrap().fields.iter().collect();
            let pushed = fields.iter().filter(|field| done.push.contains(&*field.name)).count();
            prop_assert!(pushed == 0 || pushed == fields.len());
        }
    }

    #[test]
    fn what_a_record_does_not_say_stays_as_it_is(
        base in some_values(),
        core in some_values(),
        remote in some_values(),
        first_contact in 0_usize..3,
    ) {
        let rules = &RULES[first_contact];
        let done = merged(rules, Some(&base), Some(&core), &patch(remote.clone()), &Context::default());
        for change in &done.changes {
            let group = rules.group_of(&change.field).unwrap();
            let said = group.fields.iter().any(|field| remote.contains_key(&*field.name));
            prop_assert!(said, "{change:?}");
        }
        let silent = merged(rules, Some(&base), Some(&core), &patch(Values::new()), &Context::default());
        prop_assert!(silent.changes.is_empty());
        prop_assert!(silent.conflicts.is_empty());
        prop_assert_eq!(silent.base, base);
    }

    #[test]
    fn the_base_moves_only_to_what_both_sides_hold(
        base in some_values(),
        core in some_values(),
        remote in some_values(),
        first_contact in 0_usize..3,
    ) {
        let rules = &RULES[first_contact];
        let done = merged(rules, Some(&base), Some(&core), &patch(remote), &Context::default());
        let after = applied(Some(&core), &done);
        let catalogue = catalogue();
        for (name, value) in &done.base {
            if base.get(name) != Some(value) {
                let held = after.get(name).cloned().unwrap_or_default();
                let field = catalogue.field(name).unwrap();
                prop_assert!(same(field, &held, value, Empty::Null), "{name}: {held:?} {value:?}");
            }
        }
    }

    #[test]
    fn nothing_a_side_may_hold_makes_the_merge_panic(
        base in proptest::collection::btree_map("name|phone|email|count|tags|since|street|city", anything(), 0..8),
        core in proptest::collection::btree_map("name|phone|email|count|tags|since|street|city", anything(), 0..8),
        remote in proptest::collection::btree_map("name|phone|email|count|tags|since|street|city", anything(), 0..8),
    ) {
        let (base, core, remote): (BTreeMap<_, _>, BTreeMap<_, _>, BTreeMap<_, _>) = (base, core, remote);
        let done = merged(&RULES[0], Some(&base), Some(&core), &patch(remote), &Context::default());
        let json = serde_json::to_string(&done).unwrap();
        prop_assert!(serde_json::from_str::<crate::merge::Merged>(&json).is_ok());
    }
}
