//! Failures: each has the kind that says who must act, and none of them tells a secret.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::{
    Bench, PATIENCE, Target, Trouble, create, http, last, open, pages, read_of, records, shown,
    update, write_one,
};
use crate::{Connector, ConnectorError, ErrorKind, MemoryTokens, Source, Value};

async fn failed_read<B: Bench>(bench: &B, connector: &B::Connector) -> ConnectorError {
    let read = read_of(&bench.subject(), None);
    connector.read(&read).await.expect_err("the read fails")
}

pub async fn an_expired_session_is_renewed_unseen<B: Bench>(bench: &B) {
    let (connector, subject) = (open(bench), bench.subject());
    let keys = bench.seed(subject.page * 2);
    bench.settle();
    let mut read = read_of(&subject, None);
    let mut all = Vec::new();
    loop {
        bench.spoil(Target::Reads, Trouble::SessionExpired).await;
        let page = super::page(&connector, &read).await;
        read.after = Some(page.cursor.clone());
        let more = page.more;
        all.push(page);
        if !more {
            break;
        }
    }
    assert_eq!(records(&all).len(), keys.len());
    bench.spoil(Target::Writes, Trouble::SessionExpired).await;
    let write = update(&keys[0], &subject.name, Value::from("After"));
    write_one(&connector, &subject, &write)
        .await
        .expect("it is written");
}

pub async fn revoked_credentials_are_the_tenants_to_mend<B: Bench>(bench: &B) {
    let connector = open(bench);
    connector.check().await.expect("they work at first");
    bench
        .spoil(Target::Reads, Trouble::CredentialsRevoked)
        .await;
    assert_eq!(failed_read(bench, &connector).await.kind, ErrorKind::Auth);
    let error = connector.check().await.expect_err("they are refused");
    assert_eq!(error.kind, ErrorKind::Auth);
    let error = open(bench)
        .check()
        .await
        .expect_err("a new process is refused as well");
    assert_eq!(error.kind, ErrorKind::Auth);
}

pub async fn a_limit_says_how_long_to_stay_away<B: Bench>(bench: &B) {
    let connector = open(bench);
    bench.spoil(Target::Reads, Trouble::RateLimited).await;
    let error = failed_read(bench, &connector).await;
    assert_eq!(error.kind, ErrorKind::RateLimited);
    assert!(
        error.retry_after.is_some_and(|wait| !wait.is_zero()),
        "{error}"
    );
}

pub async fn a_web_page_instead_of_an_answer_is_transient<B: Bench>(bench: &B) {
    let connector = open(bench);
    connector.check().await.expect("the credentials work");
    for trouble in [Trouble::Html, Trouble::BadGateway] {
        bench.spoil(Target::Reads, trouble).await;
        let error = failed_read(bench, &connector).await;
        assert_eq!(error.kind, ErrorKind::Transient, "{trouble:?}");
        assert!(
            !shown(&error).contains("<html"),
            "the page stays out of the message"
        );
    }
}

pub async fn a_hanging_system_is_given_up<B: Bench>(bench: &B) {
    let connector = open(bench);
    connector.check().await.expect("the credentials work");
    bench.spoil(Target::Reads, Trouble::Hang).await;
    let begun = Instant::now();
    let error = failed_read(bench, &connector).await;
    assert_eq!(error.kind, ErrorKind::Transient);
    assert!(
        begun.elapsed() < PATIENCE * 3,
        "given up after {:?}",
        begun.elapsed()
    );
}

pub async fn a_cut_answer_is_transient_and_loses_nothing<B: Bench>(bench: &B) {
    let (connector, subject) = (open(bench), bench.subject());
    let keys = bench.seed(subject.page + 1);
    bench.settle();
    connector.check().await.expect("the credentials work");
    bench.spoil(Target::Reads, Trouble::Cut).await;
    assert_eq!(
        failed_read(bench, &connector).await.kind,
        ErrorKind::Transient
    );
    let all = pages(&connector, &subject, None).await;
    assert_eq!(records(&all).len(), keys.len());
    bench.edit(&keys[0], &subject.name, "edited");
    bench.settle();
    let read = read_of(&subject, last(&all));
    bench.spoil(Target::Reads, Trouble::Cut).await;
    let error = connector.read(&read).await.expect_err("the body is cut");
    assert_eq!(error.kind, ErrorKind::Transient);
    let next = pages(&connector, &subject, last(&all)).await;
    assert!(
        records(&next).contains_key(keys[0].as_str()),
        "the same cursor reads it"
    );
}

pub async fn a_failing_write_says_that_its_outcome_is_unknown<B: Bench>(bench: &B) {
    let (connector, subject) = (open(bench), bench.subject());
    // What it needs to know beforehand is known.
    let first = create(&subject, "hub-20", "Known");
    write_one(&connector, &subject, &first)
        .await
        .expect("it is written");
    for (at, trouble) in [Trouble::Cut, Trouble::FailedAfterWork, Trouble::Hang]
        .into_iter()
        .enumerate()
    {
        bench.spoil(Target::Writes, trouble).await;
        let write = create(&subject, &format!("hub-2{}", at + 1), "Perhaps");
        let error = write_one(&connector, &subject, &write)
            .await
            .expect_err("no good answer");
        assert_eq!(error.kind, ErrorKind::Transient, "{trouble:?}");
        assert!(error.outcome_unknown, "{trouble:?}");
        write_one(&connector, &subject, &write)
            .await
            .expect("repeating is harmless");
    }
}

/// Takes every log line of every crate.
#[derive(Clone, Default)]
struct Ears(Arc<Mutex<Vec<u8>>>);

impl Ears {
    fn heard(&self) -> String {
        let heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&heard).into_owned()
    }
}

impl io::Write for Ears {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub async fn secrets_are_never_seen<B: Bench>(bench: &B) {
    let ears = Ears::default();
    let writer = ears.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let listening = tracing::subscriber::set_default(subscriber);
    tracing::info!("listening");
    let tokens = Arc::new(MemoryTokens::default());
    let connector = bench
        .open(http(), tokens.clone())
        .expect("the configuration fits");
    let (subject, mut seen) = (bench.subject(), String::new());
    let keys = bench.seed(2);
    pages(&connector, &subject, None).await;
    for trouble in [
        Trouble::SessionExpired,
        Trouble::Cut,
        Trouble::Html,
        Trouble::CredentialsRevoked,
    ] {
        bench.spoil(Target::Reads, trouble).await;
        if let Err(error) = connector.read(&read_of(&subject, None)).await {
            seen.push_str(&shown(&error));
        }
        let write = update(&keys[0], &subject.name, Value::from("x"));
        if let Err(error) = write_one(&connector, &subject, &write).await {
            seen.push_str(&shown(&error));
        }
    }
    let stored = crate::TokenStore::load(tokens.as_ref())
        .await
        .expect("memory answers");
    seen.push_str(&format!("{stored:?}"));
    drop(listening);
    seen.push_str(&ears.heard());
    assert!(seen.contains("listening"), "the log is heard");
    assert!(
        seen.contains("system") || seen.contains("answer"),
        "errors are seen"
    );
    for secret in bench.secrets() {
        assert!(
            !secret.is_empty() && !seen.contains(&secret),
            "a secret is seen"
        );
    }
}
