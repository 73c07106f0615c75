use connector_sdk::Described;

use super::*;
use crate::catalogue::Field;

const TEXT: &str = r#"
system = "crm"
stream = "Account"
entity = "account"
create = true

[link]
key = "Id"
hub_id = "Hub_Id__c"

# The name.
[[field]]
core = "name"
remote = "Name"

[[field]]
core = "plan"
remote = "Plan__c"
in = "lookup(plans)"

[[field]]
core = "employees"
remote = "Staff"

[[field]]
core = "city"
remote = "City"
group = "address"

[[field]]
core = "street"
remote = "Street"
group = "address"

[[field]]
core = "tier"
remote = "Tier__c"
requires = "Tier__c"

[constants]
Source = "Hub"

[table.plans]
P1 = "Premium"
"#;

fn field(name: &str, kind: FieldType) -> StreamField {
    StreamField {
        name: name.to_owned(),
        label: name.to_owned(),
        kind,
        nullable: true,
        can_create: true,
        can_update: true,
        required: false,
        max_length: None,
        scale: None,
        choices: Vec::new(),
        references: Vec::new(),
        custom: false,
    }
}

fn stream() -> Stream {
    let mut plan = field("Plan__c", FieldType::Choice);
    plan.choices = vec!["P1".to_owned()];
    Stream {
        name: "Account".into(),
        label: "Account".to_owned(),
        key_field: "Id".to_owned(),
        can_create: true,
        can_update: true,
        can_delete: true,
        fields: vec![
            field("Id", FieldType::Text),
            field("Hub_Id__c", FieldType::Text),
            field("Name", FieldType::Text),
            plan,
            field("Staff", FieldType::Integer),
            field("City", FieldType::Text),
            field("Street", FieldType::Text),
            field("Tier__c", FieldType::Text),
            field("Source", FieldType::Text),
            field("Unmapped", FieldType::Text),
        ],
    }
}

fn catalogue() -> Catalogue {
    let fields = [
        ("name", FieldKind::Text),
        ("plan", FieldKind::Text),
        ("employees", FieldKind::Integer),
        ("city", FieldKind::Text),
        ("street", FieldKind::Text),
        ("tier", FieldKind::Text),
    ];
    let fields = fields.map(|(name, kind)| Field::new(name, name, kind));
    Catalogue::new("account", fields.to_vec()).unwrap()
}

/// What a change of one field comes to: its kind, and what stands still.
fn told(change: impl FnOnce(&mut Stream)) -> Vec<(String, Kind, Vec<String>)> {
    let mut after = stream();
    change(&mut after);
    let after = Described::of(after).unwrap().stream;
    let mapping = Mapping::parse(TEXT).unwrap();
    let found = drifts(&stream(), &after, &mapping, &catalogue());
    let tell = |drift: Drift| {
        let held = drift.core_fields.into_iter().collect();
        (drift.field, drift.kind, held)
    };
    found.into_iter().map(tell).collect()
}

fn named<'s>(stream: &'s mut Stream, name: &str) -> &'s mut StreamField {
    let mut fields = stream.fields.iter_mut();
    fields.find(|field| field.name == name).unwrap()
}

fn without(name: &str) -> impl FnOnce(&mut Stream) {
    move |stream| stream.fields.retain(|field| field.name != name)
}

fn one(field: &str, kind: Kind, held: &[&str]) -> Vec<(String, Kind, Vec<String>)> {
    let held = held.iter().map(|name| (*name).to_owned()).collect();
    vec![(field.to_owned(), kind, held)]
}

#[test]
fn what_no_row_reads_may_change_as_it_likes() {
    assert_eq!(told(|_| {}), []);
    assert_eq!(told(without("Unmapped")), []);
    assert_eq!(
        told(|stream| named(stream, "Unmapped").kind = FieldType::Date),
        []
    );
    assert_eq!(
        told(|stream| stream.fields.push(field("New", FieldType::Other))),
        []
    );
    assert_eq!(
        told(|stream| named(stream, "Name").label = "Called".to_owned()),
        []
    );
    // A row that says it needs its field goes with it.
    assert_eq!(told(without("Tier__c")), []);
}

#[test]
fn a_field_that_changes_stands_still_with_its_group() {
    let retyped = told(|stream| named(stream, "Staff").kind = FieldType::Text);
    assert_eq!(retyped, one("Staff", Kind::Type, &["employees"]));
    let unknown = told(|stream| named(stream, "City").kind = FieldType::Other);
    assert_eq!(unknown, one("City", Kind::Type, &["city", "street"]));
    let twice = told(|stream| stream.fields.push(field("Staff", FieldType::Date)));
    assert_eq!(twice, one("Staff", Kind::Type, &["employees"]));
    let gone = told(without("Street"));
    assert_eq!(gone, one("Street", Kind::Removed, &["city", "street"]));
}

#[test]
fn what_only_new_records_need_holds_nothing_but_their_making() {
    let mut region = field("Region__c", FieldType::Text);
    region.required = true;
    let required = told(|stream| stream.fields.push(region.clone()));
    assert_eq!(required, one("Region__c", Kind::Required, &[]));
    assert_eq!(told(without("Source")), one("Source", Kind::Removed, &[]));
    assert_eq!(
        told(without("Hub_Id__c")),
        one("Hub_Id__c", Kind::Removed, &[])
    );
    // What is written anyway may be asked for.
    assert_eq!(told(|stream| named(stream, "Name").required = true), []);
}

#[test]
fn a_choice_matters_where_the_mapping_has_no_word_for_it() {
    let chosen = told(|stream| named(stream, "Plan__c").choices.push("P2".to_owned()));
    assert_eq!(chosen, one("Plan__c", Kind::Choice, &["plan"]));
    assert_eq!(told(|stream| named(stream, "Plan__c").choices.clear()), []);
}

/// The text that is proposed for a change.
fn proposed(change: impl FnOnce(&mut Stream)) -> Proposal {
    let mut after = stream();
    change(&mut after);
    let after = Described::of(after).unwrap().stream;
    let mapping = Mapping::parse(TEXT).unwrap();
    let found = drifts(&stream(), &after, &mapping, &catalogue());
    assert!(!found.is_empty());
    let proposal = propose(TEXT, &found, &after, &catalogue());
    assert_eq!(proposal.edits.len(), found.len());
    let problems = Mapping::parse(&proposal.text)
        .unwrap()
        .check(&catalogue(), Some(&after));
    let errors = problems
        .iter()
        .filter(|problem| problem.severity == crate::mapping::Severity::Error);
    assert_eq!(errors.count(), 0, "{problems:#?}\n{}", proposal.text);
    assert!(
        proposal.text.contains("# The name."),
        "the rest stays as it was"
    );
    proposal
}

#[test]
fn a_proposal_fits_what_is_there_by_now() {
    let gone = proposed(without("Street"));
    assert!(!gone.text.contains("Street"));
    let renamed = proposed(|stream| named(stream, "Street").name = "Streets".to_owned());
    assert!(
        renamed.text.contains("remote = \"Streets\""),
        "{}",
        renamed.text
    );
    assert!(
        renamed.edits[0].sentence.contains("read Streets"),
        "{:?}",
        renamed.edits
    );
    let retyped = proposed(|stream| named(stream, "Staff").kind = FieldType::Text);
    assert!(retyped.text.contains("in = \"number\""), "{}", retyped.text);
    let hopeless = proposed(|stream| named(stream, "Staff").kind = FieldType::Boolean);
    assert!(!hopeless.text.contains("Staff"), "{}", hopeless.text);
    let as_it_is = proposed(|stream| named(stream, "Name").kind = FieldType::Choice);
    assert_eq!(as_it_is.text, TEXT);
    let chosen = proposed(|stream| named(stream, "Plan__c").choices.push("P2".to_owned()));
    assert!(chosen.text.contains("P2 = \"P2\""), "{}", chosen.text);
    let needed = proposed(|stream| {
        let mut region = field("Region__c", FieldType::Text);
        region.required = true;
        stream.fields.push(region);
    });
    assert!(
        needed.text.contains("Region__c = \"unknown\""),
        "{}",
        needed.text
    );
    let cannot = proposed(|stream| {
        let mut owner = field("Owner__c", FieldType::Reference);
        owner.required = true;
        stream.fields.push(owner);
    });
    assert!(cannot.text.contains("create = false"), "{}", cannot.text);
    let constant = proposed(without("Source"));
    assert!(!constant.text.contains("Source"), "{}", constant.text);
}
