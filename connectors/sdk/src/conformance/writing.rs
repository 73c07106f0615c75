//! Writes and what the system made of them.

use super::{
    Bench, Subject, Target, Trouble, create, open, pages, records, update, write_of, write_one,
};
use crate::{ErrorKind, Sink, Value, WriteOp};

pub async fn a_repeated_create_is_one_record<B: Bench>(bench: &B) {
    let (connector, subject) = (open(bench), bench.subject());
    let before = bench.count();
    let write = create(&subject, "hub-7", "Once");
    let first = write_one(&connector, &subject, &write)
        .await
        .expect("it is created");
    let second = write_one(&open(bench), &subject, &write)
        .await
        .expect("it is there");
    assert_eq!(first.key, second.key);
    assert!(first.created && !second.created);
    assert_eq!(bench.count(), before + 1);
}

pub async fn a_create_whose_answer_was_lost_is_found<B: Bench>(bench: &B) {
    let (connector, subject) = (open(bench), bench.subject());
    let before = bench.count();
    let write = create(&subject, "hub-8", "Lost");
    bench.spoil(Target::Writes, Trouble::FailedAfterWork).await;
    let error = write_one(&connector, &subject, &write)
        .await
        .expect_err("the answer is a failure");
    assert!(error.outcome_unknown, "{error}");
    let fields = std::slice::from_ref(&subject.name);
    let found = connector.find(&subject.stream, "hub-8", fields).await;
    let found = found
        .expect("it can be looked for")
        .expect("it was created");
    assert_eq!(found.fields[&subject.name], Value::from("Lost"));
    let again = write_one(&connector, &subject, &write)
        .await
        .expect("repeating is harmless");
    assert_eq!(again.key, found.key);
    assert_eq!(bench.count(), before + 1);
}

pub async fn null_clears_and_absent_leaves<B: Bench>(bench: &B) {
    let (connector, subject) = (open(bench), bench.subject());
    let key = bench.seed(1).remove(0);
    bench.edit(&key, &subject.optional, "555 0100");
    let name = bench.peek(&key, &subject.name);
    let write = update(&key, &subject.name, Value::from("Renamed"));
    write_one(&connector, &subject, &write)
        .await
        .expect("it is written");
    assert_eq!(
        bench.peek(&key, &subject.optional),
        Some(Value::from("555 0100"))
    );
    assert_ne!(bench.peek(&key, &subject.name), name);
    let write = update(&key, &subject.optional, Value::Null);
    write_one(&connector, &subject, &write)
        .await
        .expect("it is written");
    assert_eq!(bench.peek(&key, &subject.optional), Some(Value::Null));
    assert_eq!(
        bench.peek(&key, &subject.name),
        Some(Value::from("Renamed"))
    );
    bench.settle();
    let all = pages(&connector, &subject, None).await;
    let read = &records(&all)[key.as_str()].fields;
    assert_eq!(
        read[&subject.optional],
        Value::Null,
        "a null is told, not left out"
    );
}

/// A text with everything that gets lost on the way: quotes, line breaks, letters of four bytes.
fn long_text(subject: &Subject) -> String {
    let piece = "It's \"quoted\" \\ back,\r\nnext; \u{1f680} \u{e9}\u{df} <b>&amp;</b> ";
    let mut text: String = piece.chars().cycle().take(subject.longest - 1).collect();
    text.push('!');
    text
}

pub async fn a_long_text_survives<B: Bench>(bench: &B) {
    let (connector, subject) = (open(bench), bench.subject());
    let key = bench.seed(1).remove(0);
    let text = long_text(&subject);
    let write = update(&key, &subject.long, Value::from(text.as_str()));
    write_one(&connector, &subject, &write)
        .await
        .expect("it is written");
    let fields = std::slice::from_ref(&subject.long);
    let fetched = connector
        .fetch(&subject.stream, std::slice::from_ref(&key), fields)
        .await;
    let fetched = fetched
        .expect("it is fetched")
        .remove(0)
        .expect("it is there");
    assert!(
        fetched.fields[&subject.long] == Value::Text(text),
        "the text is the same"
    );
}

pub async fn more_rows_than_a_batch_are_all_written<B: Bench>(bench: &B) {
    let (connector, subject) = (open(bench), bench.subject());
    let before = bench.count();
    let count = B::Connector::BATCH + 3;
    let writes: Vec<_> = (0..count)
        .map(|at| create(&subject, &format!("many-{at}"), &format!("Row {at}")))
        .collect();
    let answers = connector
        .write(&subject.stream, &writes)
        .await
        .expect("they are taken");
    assert_eq!(answers.len(), count);
    assert_eq!(bench.count(), before + count);
    for (at, answer) in answers.into_iter().enumerate() {
        let receipt = answer.expect("each is written");
        let name = bench.peek(&receipt.key, &subject.name);
        assert_eq!(
            name,
            Some(Value::from(format!("Row {at}"))),
            "answers are in order"
        );
    }
}

pub async fn a_row_that_cannot_be_written_stops_no_other<B: Bench>(bench: &B) {
    let (connector, subject) = (open(bench), bench.subject());
    let keys = bench.seed(3);
    let writes = [
        update(&keys[0], &subject.name, Value::from("First")),
        update(&keys[1], "NoSuchField__x", Value::from("x")),
        update(&subject.missing, &subject.name, Value::from("x")),
        update(&keys[2], &subject.name, Value::from("Last")),
    ];
    let answers = connector
        .write(&subject.stream, &writes)
        .await
        .expect("rows are decided on");
    assert!(answers[0].is_ok() && answers[3].is_ok());
    let error = answers[1].as_ref().expect_err("there is no such field");
    assert_eq!(error.fields, ["NoSuchField__x"], "the field is named");
    let error = answers[2].as_ref().expect_err("there is no such record");
    assert!(!error.is_retryable(), "{error}");
    assert_eq!(
        bench.peek(&keys[2], &subject.name),
        Some(Value::from("Last"))
    );
}

pub async fn a_repeated_delete_succeeds<B: Bench>(bench: &B) {
    let (connector, subject) = (open(bench), bench.subject());
    let key = bench.seed(1).remove(0);
    let before = bench.count();
    let write = write_of("hub-9", WriteOp::Delete { key });
    for _ in 0..2 {
        write_one(&connector, &subject, &write)
            .await
            .expect("it is gone");
        assert_eq!(bench.count(), before - 1);
    }
}

pub async fn a_receipt_tells_what_is_stored<B: Bench>(bench: &B) {
    let (connector, subject) = (open(bench), bench.subject());
    let write = create(&subject, "hub-10", "Stored");
    let receipt = write_one(&connector, &subject, &write)
        .await
        .expect("it is created");
    let stored = receipt.stored.expect("it is read back");
    assert_eq!(stored.key, receipt.key);
    assert_eq!(stored.fields[&subject.name], Value::from("Stored"));
    assert!(receipt.version.is_some() && stored.version == receipt.version);
    let too_long = "x".repeat(subject.longest + 1);
    let write = update(&receipt.key, &subject.long, Value::from(too_long));
    let error = write_one(&connector, &subject, &write)
        .await
        .expect_err("it is too long");
    assert_eq!(error.kind, ErrorKind::Rejected);
}
