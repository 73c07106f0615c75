//! Pages, cursors, changes.

use std::collections::BTreeSet;

use super::{Bench, changes, last, open, page, pages, read_of, records, update};
use crate::{Change, Connector, Cursor, ErrorKind, Sink, Source, StreamName, Value};

pub async fn every_record_arrives_though_pages_are_small<B: Bench>(bench: &B) {
    let subject = bench.subject();
    let keys: BTreeSet<String> = bench.seed(subject.page * 2 + 7).into_iter().collect();
    bench.settle();
    let all = pages(&open(bench), &subject, None).await;
    let given: Vec<&str> = changes(&all).map(Change::key).collect();
    let distinct: BTreeSet<String> = given.iter().map(|&key| key.to_owned()).collect();
    assert_eq!(distinct, keys, "the keys are the system's");
    assert_eq!(
        given.len(),
        keys.len(),
        "nothing comes twice in a first read"
    );
    assert!(
        all.iter().all(|page| page.changes.len() <= subject.page),
        "pages keep the limit"
    );
}

pub async fn a_read_goes_on_from_any_cursor_it_returned<B: Bench>(bench: &B) {
    let subject = bench.subject();
    bench.seed(subject.page * 3 + 3);
    bench.settle();
    let first = open(bench);
    let mut cursor = None;
    loop {
        let read = read_of(&subject, cursor.clone());
        let given = page(&first, &read).await;
        if cursor.is_some() {
            // As after a crash: another process, the same place.
            let again = page(&open(bench), &read).await;
            let keys = |page: &crate::Page| -> Vec<String> {
                page.changes
                    .iter()
                    .map(|change| change.key().to_owned())
                    .collect()
            };
            assert_eq!(
                keys(&again),
                keys(&given),
                "the same cursor gives the same page"
            );
        }
        if !given.more {
            break;
        }
        cursor = Some(given.cursor);
    }
}

pub async fn edits_and_removals_follow_the_first_read<B: Bench>(bench: &B) {
    let subject = bench.subject();
    let keys = bench.seed(5);
    bench.settle();
    let connector = open(bench);
    let first = pages(&connector, &subject, None).await;
    bench.edit(&keys[1], &subject.name, "edited over there");
    bench.remove(&keys[2]);
    bench.settle();
    let next = pages(&connector, &subject, last(&first)).await;
    let edited = records(&next)[keys[1].as_str()];
    assert_eq!(
        edited.fields[&subject.name],
        Value::from("edited over there")
    );
    assert_ne!(edited.version, records(&first)[keys[1].as_str()].version);
    let removed: Vec<&str> = changes(&next)
        .filter(|change| matches!(change, Change::Delete(_)))
        .map(Change::key)
        .collect();
    assert_eq!(removed, [keys[2].as_str()]);
}

pub async fn a_field_that_was_not_asked_for_does_not_come<B: Bench>(bench: &B) {
    let subject = bench.subject();
    bench.seed(1);
    bench.settle();
    let connector = open(bench);
    let mut read = read_of(&subject, None);
    read.fields = vec![subject.optional.clone()];
    let mut given = page(&connector, &read).await;
    while given.changes.is_empty() && given.more {
        read.after = Some(given.cursor);
        given = page(&connector, &read).await;
    }
    let Some(Change::Upsert(record)) = given.changes.first() else {
        panic!("one record was put there");
    };
    assert!(
        record.fields.keys().eq([&subject.optional]),
        "absent means not asked for"
    );
}

pub async fn a_cursor_of_something_else_is_gone<B: Bench>(bench: &B) {
    let subject = bench.subject();
    let connector = open(bench);
    for text in ["", "null", "{}", "{\"v\":250}", "\u{0}", "[1,2,3]"] {
        let read = read_of(&subject, Some(Cursor(text.to_owned())));
        let error = connector.read(&read).await.expect_err("no cursor of ours");
        assert_eq!(error.kind, ErrorKind::Gone, "{text}");
    }
}

pub async fn an_unknown_stream_is_an_error<B: Bench>(bench: &B) {
    let connector = open(bench);
    let subject = bench.subject();
    for name in ["NoSuchStream", "", "../Account", "Account WHERE Name = 'x'"] {
        let stream = StreamName::from(name);
        let mut read = read_of(&subject, None);
        read.stream = stream.clone();
        let error = connector.read(&read).await.expect_err("no such stream");
        assert_eq!(error.kind, ErrorKind::Config, "{name}");
        let write = update(&subject.missing, &subject.name, Value::from("x"));
        assert!(connector.write(&stream, &[write]).await.is_err(), "{name}");
        let fields = std::slice::from_ref(&subject.name);
        assert!(
            connector
                .fetch(&stream, std::slice::from_ref(&subject.missing), fields)
                .await
                .is_err(),
            "{name}"
        );
        assert!(
            connector.find(&stream, "hub-1", fields).await.is_err(),
            "{name}"
        );
    }
}

pub async fn a_missing_record_is_none<B: Bench>(bench: &B) {
    let connector = open(bench);
    let subject = bench.subject();
    let fields = std::slice::from_ref(&subject.name);
    let fetched = connector
        .fetch(
            &subject.stream,
            std::slice::from_ref(&subject.missing),
            fields,
        )
        .await;
    assert_eq!(fetched.expect("missing is an answer"), [None]);
    let found = connector
        .find(&subject.stream, "hub-id-of-nobody", fields)
        .await;
    assert_eq!(found.expect("missing is an answer"), None);
}

pub async fn discover_names_the_stream_and_its_fields<B: Bench>(bench: &B) {
    let connector = open(bench);
    connector.check().await.expect("the credentials work");
    let subject = bench.subject();
    let streams = connector.discover().await.expect("streams are told");
    let ours = streams.iter().find(|stream| stream.name == subject.stream);
    let ours = ours.expect("the subject is among them");
    let field = |name: &String| {
        let found = ours.fields.iter().find(|field| field.name == *name);
        found.expect("the subject's fields are told")
    };
    assert!(field(&subject.name).can_update && field(&subject.optional).nullable);
    assert!(ours.fields.iter().any(|field| field.name == ours.key_field));
}
