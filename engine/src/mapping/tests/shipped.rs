//! The mappings that come with the hub.

use std::collections::BTreeSet;

use connector_sdk::{FieldType, Stream, Value};

use super::{accounts, contacts, record, stream};
use crate::catalogue::{Catalogue, Empty, FieldKind, same};
use crate::mapping::{Mapping, Values};
use crate::merge::Rules;

const ACCOUNT: &str = include_str!("../../../../mappings/salesforce/account.toml");
const CONTACT: &str = include_str!("../../../../mappings/salesforce/contact.toml");

fn account_stream(custom: bool) -> Stream {
    let mut stream = stream(
        "Account",
        &[
            ("Id", FieldType::Text),
            ("Name", FieldType::Text),
            ("Industry", FieldType::Choice),
            ("Type", FieldType::Choice),
            ("Phone", FieldType::Phone),
            ("Website", FieldType::Url),
            ("Description", FieldType::LongText),
            ("AnnualRevenue", FieldType::Decimal),
            ("NumberOfEmployees", FieldType::Integer),
            ("BillingStreet", FieldType::Text),
            ("BillingCity", FieldType::Text),
            ("BillingState", FieldType::Text),
            ("BillingPostalCode", FieldType::Text),
            ("BillingCountry", FieldType::Text),
            ("ParentId", FieldType::Reference),
            ("OwnerId", FieldType::Reference),
        ],
    );
    if custom {
        let fields = [
            ("Tier__c", FieldType::Choice),
            ("CSM__c", FieldType::Reference),
            ("Products_Owned__c", FieldType::Choices),
            ("Hub_Id__c", FieldType::Text),
        ];
        stream.fields.extend(super::stream("", &fields).fields);
    }
    stream.fields[1].required = true;
    stream
}

fn contact_stream() -> Stream {
    let mut stream = stream(
        "Contact",
        &[
            ("Id", FieldType::Text),
            ("AccountId", FieldType::Reference),
            ("FirstName", FieldType::Text),
            ("LastName", FieldType::Text),
            ("Email", FieldType::Email),
            ("Phone", FieldType::Phone),
            ("MobilePhone", FieldType::Phone),
            ("Title", FieldType::Text),
            ("Department", FieldType::Text),
            ("HasOptedOutOfEmail", FieldType::Boolean),
            ("MailingStreet", FieldType::Text),
            ("MailingCity", FieldType::Text),
            ("MailingState", FieldType::Text),
            ("MailingPostalCode", FieldType::Text),
            ("MailingCountry", FieldType::Text),
            ("Primary_Contact__c", FieldType::Boolean),
        ],
    );
    stream.fields[3].required = true;
    stream
}

#[test]
fn the_shipped_mappings_fit_core_and_salesforce_without_a_word() {
    let shipped = [
        (ACCOUNT, accounts(), account_stream(true)),
        (ACCOUNT, accounts(), account_stream(false)),
        (CONTACT, contacts(), contact_stream()),
    ];
    for (text, catalogue, stream) in shipped {
        let mapping = Mapping::parse(text).unwrap();
        assert_eq!(
            mapping.check(&catalogue, Some(&stream)),
            [],
            "{}",
            mapping.entity
        );
        assert!(Rules::new(&mapping, &catalogue, Some(&stream)).is_ok());
    }
}

#[test]
fn an_org_without_the_custom_fields_is_not_asked_for_them() {
    let mapping = Mapping::parse(ACCOUNT).unwrap();
    let plain = mapping.fitted(&account_stream(false)).remote_fields();
    assert!(plain.iter().all(|field| !field.contains("__")), "{plain:?}");
    assert!(plain.contains(&"Owner.Name".to_owned()) && plain.contains(&"Id".to_owned()));
    let whole = mapping.fitted(&account_stream(true)).remote_fields();
    assert!(whole.contains(&"CSM__r.Email".to_owned()));
    assert!(whole.contains(&"Hub_Id__c".to_owned()));
    let rules = Rules::new(&mapping, &accounts(), Some(&account_stream(false))).unwrap();
    assert!(rules.field("tier").is_none() && rules.field("name").is_some());
}

#[test]
fn an_account_comes_in_typed_and_goes_out_as_salesforce_has_it() {
    let mapping = Mapping::parse(ACCOUNT).unwrap();
    let manager = Value::Map([("Name".to_owned(), "Ann Lee".into())].into());
    let fields = [
        ("Name", Value::from(" 3M ")),
        ("Website", "https://www.3M.com/us".into()),
        ("AnnualRevenue", Value::number("3.5E8").unwrap()),
        ("NumberOfEmployees", Value::from(95_000_i64)),
        ("Products_Owned__c", "Hub;Desk".into()),
        ("ParentId", "001000000000001AAA".into()),
        ("Owner", manager),
        ("CSM__r", Value::Null),
    ];
    let patch = mapping.inbound(&accounts(), &record(&fields)).unwrap();
    assert_eq!(patch.failed, []);
    assert_eq!(patch.values["name"], "3M".into());
    assert_eq!(patch.values["domain"], "3m.com".into());
    assert_eq!(patch.values["annual_revenue"], Value::from(350_000_000_i64));
    assert_eq!(patch.values["account_manager"], "Ann Lee".into());
    assert_eq!(patch.values["csm_email"], Value::Null);
    assert_eq!(
        patch.values["products"],
        Value::List(vec!["Hub".into(), "Desk".into()])
    );
    assert_eq!(patch.references["parent"].key, "001000000000001AAA");
    assert!(
        !patch.values.contains_key("phone"),
        "what Salesforce did not say is not null"
    );

    let all: BTreeSet<String> = mapping.core_fields().map(str::to_owned).collect();
    let out = mapping.outbound(&accounts(), &patch.values, &all).unwrap();
    assert_eq!(out["Products_Owned__c"], "Hub;Desk".into());
    assert_eq!(out["Website"], "https://www.3M.com/us".into());
    assert!(!out.contains_key("Owner.Name") && !out.contains_key("CSM__r.Email"));
    let one = BTreeSet::from(["phone".to_owned(), "founded".to_owned()]);
    let out = mapping.outbound(&accounts(), &Values::new(), &one).unwrap();
    assert_eq!(
        out.into_iter().collect::<Vec<_>>(),
        [("Phone".to_owned(), Value::Null)]
    );
}

/// Values that try a field: odd texts, blanks, both booleans, numbers with and without fractions.
fn samples(kind: FieldKind) -> Vec<Value> {
    let texts = |texts: &[&str]| texts.iter().map(|text| Value::from(*text)).collect();
    match kind {
        FieldKind::Boolean => vec![Value::Bool(true), Value::Bool(false)],
        FieldKind::Integer => vec![
            Value::from(0_i64),
            Value::from(-1_i64),
            Value::from(1_i64 << 60),
        ],
        FieldKind::Currency => ["0", "0.01", "-3.5", "123456789012345678.25"]
            .map(|number| Value::number(number).unwrap())
            .to_vec(),
        FieldKind::Choices => {
            vec![
                Value::List(vec!["b".into(), "a".into()]),
                Value::List(vec![]),
                Value::List(vec!["x y".into()]),
            ]
        }
        FieldKind::Email => texts(&["Ann@Example.org", " ann@example.org "]),
        FieldKind::Url => texts(&["example.org", "https://Example.org/a?b#c"]),
        _ => texts(&[
            "a",
            " a\t",
            "O'Neil \"🦀\" \\ ; , |",
            "a\r\nb",
            "Ünïcode",
            "",
            "null",
        ]),
    }
}

#[test]
fn what_goes_out_by_a_shipped_mapping_comes_back_the_same() {
    let check = |mapping: &Mapping, catalogue: &Catalogue| {
        let mut kept = 0;
        for row in mapping
            .rows
            .iter()
            .filter(|row| row.direction.writes() && row.reference.is_none())
        {
            let field = catalogue.field(&row.core).unwrap();
            for value in samples(field.kind).into_iter().chain([Value::Null]) {
                assert_eq!(
                    mapping.keeps(catalogue, &row.core, &value),
                    Ok(true),
                    "{} {value:?}",
                    row.core
                );
                kept += 1;
            }
            assert!(!same(
                field,
                &samples(field.kind)[0],
                &Value::Null,
                Empty::Null
            ));
        }
        kept
    };
    // A last name that is null is ignored on the way in, so it cannot be cleared either.
    assert!(check(&Mapping::parse(ACCOUNT).unwrap(), &accounts()) > 80);
    assert!(check(&Mapping::parse(CONTACT).unwrap(), &contacts()) > 80);
}
