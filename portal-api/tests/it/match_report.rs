//! What is told of a stream's links, and what of questions and links stays how long.

use axum::http::Method;
use serde_json::json;

use crate::matches::{account, answered, asked, put, whose};
use crate::world::World;

#[tokio::test]
async fn the_report_counts_links_questions_gaps_and_duplicates() {
    let world = World::new().await;
    let linked = account(
        &world,
        json!({"name": "Linked", "domain": "linked.example"}),
    )
    .await;
    for name in ["Twice", "Twice again"] {
        account(&world, json!({"name": name, "domain": "Twice.example"})).await;
        // Anybody has a mailbox there: it names nobody.
        account(
            &world,
            json!({"name": format!("{name} free"), "domain": "gmail.com"}),
        )
        .await;
    }
    let asked = asked(&world).await;
    put(
        &asked.odd,
        "l1",
        &[("Name", "Whatever"), ("Web", "LINKED.example")],
    );
    put(&asked.odd, "n1", &[("Name", "Neu")]);
    put(
        &asked.odd,
        "t1",
        &[("Name", "Nobody"), ("Web", "twice.example")],
    );
    let run = world.reads(&asked.odd).await;
    assert_eq!(
        (
            &run["counts"]["linked"],
            &run["counts"]["held"],
            &run["counts"]["created"]
        ),
        (&json!(1), &json!(1), &json!(1)),
        "{run}"
    );
    assert_eq!(whose(&world, &asked.odd, "l1").await, Some(linked));
    let report = asked.odd.path("/match-report");
    let report = world.admin.get(&report).await.expect(200);
    assert_eq!(report["entity"], "account");
    assert_eq!(
        report["linked_by"],
        json!({"strong_key": 1, "first_read": 1})
    );
    assert_eq!(report["waiting"], json!({"possible": 1, "ambiguous": 1}));
    assert_eq!(report["creates"], false);
    // Two of each domain and the one that is asked about.
    assert_eq!(report["without_record"], 5);
    assert_eq!(report["duplicates_in_all"], 1);
    let duplicate = &report["duplicates"][0];
    assert_eq!(
        (
            &duplicate["field"],
            &duplicate["value"],
            &duplicate["count"]
        ),
        (&json!("domain"), &json!("twice.example"), &json!(2))
    );
    assert_eq!(duplicate["entities"][0]["name"], "Twice");
    let unknown = format!("/connections/{}/streams/Nothing/match-report", asked.odd.id);
    world.admin.get(&unknown).await.problem(404, "not-found");
}

#[tokio::test]
async fn nothing_of_a_connection_that_is_removed_stays() {
    let world = World::new().await;
    let asked = answered(&world).await;
    let path = format!("/connections/{}", asked.odd.id);
    let etag = world.admin.get(&path).await.etag();
    let gone = world
        .admin
        .send(Method::DELETE, &path, Some(&etag), None)
        .await;
    assert!(gone.status < 300, "{}", gone.body);
    let pool = world.db.pool().await.unwrap();
    for table in ["matches", "link_events"] {
        let sql = format!("select count(*) from {table}");
        let left: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .fetch_one(&pool)
            .await
            .unwrap();
        assert_eq!(left, 0, "{table}");
    }
}

#[tokio::test]
async fn retention_leaves_the_answer_and_takes_what_was_compared() {
    let world = World::new().await;
    answered(&world).await;
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    domain::retention::set(
        &mut tx,
        &[("matches".to_owned(), 1), ("links".to_owned(), 1)].into(),
    )
    .await
    .unwrap();
    assert_eq!(
        domain::retention::take_away(&mut tx, 10).await.unwrap(),
        [].into()
    );
    for (table, column) in [("matches", "decided_at"), ("link_events", "at")] {
        let sql = format!("update {table} set {column} = now() - interval '2 days'");
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .execute(tx.conn())
            .await
            .unwrap();
    }
    let gone = domain::retention::take_away(&mut tx, 10).await.unwrap();
    assert_eq!(
        gone,
        [("matches".to_owned(), 1), ("links".to_owned(), 1)].into()
    );
    assert_eq!(
        domain::retention::take_away(&mut tx, 10).await.unwrap(),
        [].into()
    );
    tx.commit().await.unwrap();
    let pool = world.db.pool().await.unwrap();
    let left: Vec<String> =
        sqlx::query_scalar("select state || candidates::text || raw::text from matches")
            .fetch_all(&pool)
            .await
            .unwrap();
    assert_eq!(left, ["same[]{}"]);
}
