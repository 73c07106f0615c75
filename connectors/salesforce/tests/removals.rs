//! Deleted, merged, undeleted, purged.

use connector_sdk::{Change, ErrorKind, Removal, Source};
use serde_json::json;

use crate::bench::{Org, changes, read_of, upserts};

fn removals(changes: &[Change]) -> Vec<(&str, &Removal)> {
    fn removal(change: &Change) -> Option<(&str, &Removal)> {
        match change {
            Change::Delete(tombstone) => Some((tombstone.key.as_str(), &tombstone.removal)),
            Change::Upsert(_) => None,
        }
    }
    changes.iter().filter_map(removal).collect()
}

fn read(cursor: connector_sdk::Cursor) -> connector_sdk::Read {
    read_of("Account", &["Name"], Some(cursor), 2_000)
}

#[tokio::test]
async fn a_merge_names_the_winner_and_a_delete_does_not() {
    let org = Org::start().await;
    let [winner, loser, deleted] =
        ["Winner", "Loser", "Deleted"].map(|name| org.account(json!({"Name": name})));
    let connector = org.connect(json!({}));
    let (_, cursor) = changes(&connector, read_of("Account", &["Name"], None, 10)).await;
    org.advance(60);
    org.sim.merge("Account", &winner, &loser).unwrap();
    org.sim.delete("Account", &deleted).unwrap();
    org.advance(5);
    let (given, cursor) = changes(&connector, read(cursor)).await;
    let merged = Removal::MergedInto {
        key: winner.clone(),
    };
    let mut told = removals(&given);
    told.sort_by_key(|(key, _)| *key == deleted);
    assert_eq!(
        told,
        [
            (loser.as_str(), &merged),
            (deleted.as_str(), &Removal::Deleted)
        ]
    );
    // The log tells both again, and the same of both.
    org.advance(15 * 60);
    let (given, _) = changes(&connector, read(cursor)).await;
    let mut told = removals(&given);
    told.sort_by_key(|(key, _)| *key == deleted);
    assert_eq!(
        told,
        [
            (loser.as_str(), &merged),
            (deleted.as_str(), &Removal::Deleted)
        ]
    );
}

#[tokio::test]
async fn what_left_the_bin_unseen_is_told_by_the_log() {
    let org = Org::start().await;
    let key = org.account(json!({"Name": "Short-lived"}));
    org.sim.seed_accounts(3);
    let connector = org.connect(json!({}));
    let (_, cursor) = changes(&connector, read_of("Account", &["Name"], None, 10)).await;
    org.advance(120);
    org.sim.delete("Account", &key).unwrap();
    org.sim.purge("Account", &key).unwrap();
    org.advance(60);
    let before = org.sim.requests().of("deleted");
    let (given, cursor) = changes(&connector, read(cursor)).await;
    assert!(given.is_empty(), "the log is not asked at every read");
    assert_eq!(org.sim.requests().of("deleted"), before);
    org.advance(15 * 60);
    let (given, cursor) = changes(&connector, read(cursor)).await;
    assert_eq!(removals(&given), [(key.as_str(), &Removal::Deleted)]);
    org.advance(15 * 60);
    let (given, _) = changes(&connector, read(cursor)).await;
    assert!(given.is_empty(), "the log goes on where it covered");
}

#[tokio::test]
async fn what_was_undeleted_is_there_and_not_removed() {
    let org = Org::start().await;
    let key = org.account(json!({"Name": "Back again"}));
    let connector = org.connect(json!({}));
    let (_, cursor) = changes(&connector, read_of("Account", &["Name"], None, 10)).await;
    org.advance(60);
    org.sim.delete("Account", &key).unwrap();
    org.advance(60);
    let (given, cursor) = changes(&connector, read(cursor)).await;
    assert_eq!(removals(&given).len(), 1);
    org.sim.undelete("Account", &key).unwrap();
    org.advance(15 * 60);
    let (given, _) = changes(&connector, read(cursor)).await;
    assert_eq!(upserts(&given)[0].key, key);
    assert!(
        removals(&given).is_empty(),
        "what is back is not told as removed"
    );
}

#[tokio::test]
async fn a_long_log_comes_in_pages_that_can_be_read_again() {
    let org = Org::start().await;
    org.sim.seed_accounts(30);
    let connector = org.connect(json!({}));
    let (_, cursor) = changes(&connector, read_of("Account", &["Name"], None, 100)).await;
    org.advance(60);
    for id in org.sim.ids("Account").into_iter().take(23) {
        org.sim.delete("Account", &id).unwrap();
        org.sim.purge("Account", &id).unwrap();
        org.advance(1);
    }
    org.advance(15 * 60);
    let mut read = read_of("Account", &["Name"], Some(cursor), 5);
    let mut told = Vec::new();
    loop {
        let page = connector.read(&read).await.unwrap();
        let again = org.connect(json!({})).read(&read).await.unwrap();
        assert_eq!(page.changes, again.changes);
        assert!(page.changes.len() <= 5);
        told.extend(page.changes.iter().map(|change| change.key().to_owned()));
        read.after = Some(page.cursor);
        if !page.more {
            break;
        }
    }
    told.sort();
    told.dedup();
    assert_eq!(told.len(), 23);
}

#[tokio::test]
async fn a_log_that_was_cut_short_asks_for_a_full_read() {
    let org = Org::start().await;
    org.sim.seed_accounts(3);
    let connector = org.connect(json!({}));
    let (_, cursor) = changes(&connector, read_of("Account", &["Name"], None, 10)).await;
    org.advance(30 * 60);
    org.sim.truncate_delete_log(org.sim.clock.now());
    let error = connector.read(&read(cursor.clone())).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Gone);
    assert_eq!(error.code.as_deref(), Some("DELETE_HISTORY_LOST"));
    // Away for longer than the log reaches back is the same.
    org.advance(40 * 24 * 3_600);
    assert_eq!(
        connector.read(&read(cursor)).await.unwrap_err().kind,
        ErrorKind::Gone
    );
    let (given, cursor) = changes(&connector, read_of("Account", &["Name"], None, 10)).await;
    assert_eq!(given.len(), 3);
    org.advance(30 * 60);
    changes(&connector, read(cursor)).await;
}
