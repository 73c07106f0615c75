//! The three grants, rotation, sessions that end, limits.

use std::sync::Arc;

use connector_salesforce::sim::{Answer, LimitHeader, SimOptions};
use connector_sdk::{Connector, ErrorKind, MemoryTokens, Source, Usage};
use serde_json::{Value as Json, json};

use crate::bench::{Org, consent, drain, open, options, read_of, stored};

const PRIVATE_KEY: &str = include_str!("../fixtures/jwt_test_key.pem");
const PUBLIC_KEY: &str = include_str!("../fixtures/jwt_test_key.pub.pem");

fn memory() -> Arc<MemoryTokens> {
    Arc::new(MemoryTokens::default())
}

#[tokio::test]
async fn an_app_signs_in_only_at_its_own_domain() {
    let org = Org::start().await;
    org.connect(json!({})).check().await.unwrap();
    let login_hosts = vec!["127.0.0.1".to_owned()];
    let shared = Org::with(SimOptions {
        login_hosts,
        ..options()
    })
    .await;
    let error = shared.connect(json!({})).check().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Auth);
    assert_eq!(error.code.as_deref(), Some("invalid_grant"));
}

#[tokio::test]
async fn a_wrong_secret_is_the_tenants_to_mend() {
    let org = Org::start().await;
    let mut auth = org.app();
    auth["client_secret"] = Json::from("not the secret");
    let error = open(org.config(auth, json!({})), memory())
        .check()
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Auth);
    assert!(!format!("{error:?}").contains("not the secret"));
}

#[tokio::test]
async fn a_signed_assertion_signs_in() {
    let org = Org::start().await;
    let assertion = |key: &str| {
        json!({
            "kind": "jwt_bearer", "client_id": org.sim.client_id(),
            "username": org.sim.username(), "private_key": key,
        })
    };
    let connector = open(org.config(assertion(PRIVATE_KEY), json!({})), memory());
    let error = connector.check().await.unwrap_err();
    assert_eq!(
        error.kind,
        ErrorKind::Auth,
        "the user has not been authorised yet"
    );
    org.sim.register_jwt_key(&org.sim.username(), PUBLIC_KEY);
    connector.check().await.unwrap();
    let config = serde_json::from_value(org.config(assertion("no key"), json!({}))).unwrap();
    let http = connector_sdk::conformance::http();
    let error = connector_salesforce::Salesforce::open(config, http, memory())
        .err()
        .unwrap();
    assert_eq!(error.kind, ErrorKind::Config);
}

#[tokio::test]
async fn rotating_tokens_are_stored_and_shared_by_two_processes() {
    let org = Org::with(SimOptions {
        rotate_refresh_tokens: true,
        ..options()
    })
    .await;
    let tokens = memory();
    consent(&org, &tokens).await;
    let config = org.config(org.consented(), json!({}));
    let here = open(config.clone(), tokens.clone());
    let there = open(config, tokens.clone());
    let mut refresh_tokens = vec![stored(&tokens).await["refresh_token"].clone()];
    for _ in 0..3 {
        org.sim.expire_sessions();
        let asked = org.sim.requests().of("token");
        let (one, other) = tokio::join!(here.check(), there.check());
        one.unwrap();
        other.unwrap();
        assert_eq!(
            org.sim.requests().of("token"),
            asked + 1,
            "one of them refreshed"
        );
        let now = stored(&tokens).await["refresh_token"].clone();
        assert!(!refresh_tokens.contains(&now), "the new one is stored");
        refresh_tokens.push(now);
    }
}

#[tokio::test]
async fn a_connection_without_consent_says_so() {
    let org = Org::start().await;
    let connector = open(org.config(org.consented(), json!({})), memory());
    let error = connector.check().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Auth);
    assert!(error.message.contains("not authorised yet"), "{error}");
}

#[tokio::test]
async fn a_session_refused_twice_is_not_tried_a_third_time() {
    let org = Org::start().await;
    let connector = org.connect(json!({}));
    connector.check().await.unwrap();
    let before = org.sim.requests();
    org.error("limits", 5, 401, "INVALID_SESSION_ID");
    let error = connector.check().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Auth);
    let after = org.sim.requests();
    assert_eq!(after.of("limits") - before.of("limits"), 2);
    assert_eq!(after.of("token") - before.of("token"), 1);
}

#[tokio::test]
async fn other_refusals_of_a_session_are_not_cured_by_a_new_one() {
    let org = Org::start().await;
    let connector = org.connect(json!({}));
    connector.check().await.unwrap();
    let before = org.sim.requests().of("token");
    org.error("limits", 1, 401, "INVALID_AUTH_HEADER");
    assert_eq!(connector.check().await.unwrap_err().kind, ErrorKind::Auth);
    assert_eq!(org.sim.requests().of("token"), before);
}

#[tokio::test]
async fn a_session_that_ends_between_pages_repeats_the_same_page() {
    let org = Org::start().await;
    org.sim.seed_accounts(23);
    org.sim.faults().expire_session_after = Some(3);
    let connector = org.connect(json!({}));
    let pages = drain(&connector, read_of("Account", &["Name"], None, 5)).await;
    let keys: std::collections::BTreeSet<_> = pages
        .iter()
        .flat_map(|page| &page.changes)
        .map(connector_sdk::Change::key)
        .collect();
    assert_eq!(keys.len(), 23);
    assert!(org.sim.requests().of("token") > 3, "sessions did end");
}

#[tokio::test]
async fn a_token_endpoint_in_trouble_is_waited_for() {
    let org = Org::start().await;
    for (answer, kind) in [
        (Answer::Html { status: 503 }, ErrorKind::Transient),
        (Answer::Empty { status: 429 }, ErrorKind::RateLimited),
        (Answer::Html { status: 200 }, ErrorKind::Config),
        (Answer::Cut, ErrorKind::Transient),
    ] {
        org.sim.faults().answers.clear();
        org.fault("token", 10, answer.clone());
        let error = org.connect(json!({})).check().await.unwrap_err();
        assert_eq!(error.kind, kind, "{answer:?}");
    }
}

#[tokio::test]
async fn usage_is_told_whatever_else_the_header_says() {
    let org = Org::start().await;
    let connector = org.connect(json!({}));
    assert_eq!(connector.usage(), None);
    let mut last = 0;
    for header in [
        LimitHeader::Plain,
        LimitHeader::Bursts,
        LimitHeader::PerApp,
        LimitHeader::Absent,
    ] {
        org.sim.faults().limit_header = header;
        connector.check().await.unwrap();
        let Usage { used, limit } = connector.usage().unwrap();
        assert_eq!(limit, 1_000_000, "{header:?}");
        assert!(used > last || header == LimitHeader::Absent, "{header:?}");
        last = used;
    }
}

#[tokio::test]
async fn a_crowd_waits_seconds_and_a_spent_day_a_quarter_of_an_hour() {
    let org = Org::start().await;
    let connector = org.connect(json!({}));
    org.fault("query", 1, Answer::ConcurrentLimit);
    let read = read_of("Account", &["Name"], None, 5);
    let error = connector.read(&read).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::RateLimited);
    assert!(error.retry_after.unwrap().as_secs() <= 60);
    org.sim.faults().daily_limit_reached = true;
    let error = connector.read(&read).await.unwrap_err();
    assert_eq!(error.retry_after.unwrap().as_secs(), 900);
}
