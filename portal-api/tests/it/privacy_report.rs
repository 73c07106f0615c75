//! What is done about people's data is told by month, and a failure to everybody who must know.

use domain::users::Role;
use serde_json::json;

use crate::privacy::{forget, second_admin};
use crate::scopes::{account, contact, somebody};
use crate::world::{Client, World};

async fn report(client: &Client, month: &str) -> Vec<Vec<String>> {
    let answer = client.get(&format!("/privacy-report?month={month}")).await;
    assert_eq!(answer.status, 200);
    let text = String::from_utf8(answer.bytes.to_vec()).unwrap();
    let line = |line: &str| {
        let cells = line
            .split(',')
            .map(|cell| cell.trim_matches('"').to_owned());
        cells.collect()
    };
    text.lines().map(line).collect()
}

fn this_month() -> String {
    engine::Clock::system().now().format("%Y-%m").to_string()
}

#[tokio::test]
async fn what_is_done_about_peoples_data_is_reported_by_month() {
    let world = World::new().await;
    let second = second_admin(&world).await;
    let ours = account(&world, "Ours").await;
    let person = contact(&world, "Canarylast", &ours).await;
    let wish = json!({"contact_id": person, "reason": "Canarylast asked"});
    let export = world
        .admin
        .post("/subject-exports", &wish)
        .await
        .expect(202);
    world.work_until_idle().await;
    let file = format!("/subject-exports/{}/csv", export["id"].as_str().unwrap());
    assert_eq!(second.get(&file).await.status, 200);
    let wish = json!({"kind": "erase", "contact_id": person, "reason": "Canarylast asked"});
    let refused = world.admin.post("/erasures", &wish).await.expect(201);
    let stop = format!("/erasures/{}/stop", refused["id"].as_str().unwrap());
    second.post(&stop, &json!({})).await.expect(200);
    forget(&world, &second, &person, "anonymise", 0, "Canarylast asked").await;
    world.work_until_idle().await;
    let rows = report(&world.admin, &this_month()).await;
    assert_eq!(
        rows[0].join(","),
        "at,action,actor_id,actor,request,kind,scope,state,destroyed,failure"
    );
    let told: Vec<String> = rows[1..]
        .iter()
        .map(|row| {
            [&row[1], &row[3], &row[5], &row[6], &row[7]]
                .map(String::as_str)
                .join(" ")
        })
        .collect();
    assert_eq!(
        told,
        [
            "ask admin export contact asked",
            "hand_out second export contact done",
            "ask admin erase contact asked",
            "refuse second erase contact refused",
            "ask admin anonymise contact asked",
            "approve second anonymise contact approved",
            "carry_out syncline anonymise contact done",
        ]
    );
    assert_ne!(rows[7][8], "");
    assert!(!format!("{rows:?}").contains("Canarylast"));
    assert_eq!(report(&world.admin, "2020-01").await.len(), 1);
    for bad in ["2026-13", "november", "2026-11-01", ""] {
        let answer = world
            .admin
            .get(&format!("/privacy-report?month={bad}"))
            .await;
        answer.problem(422, "invalid-field");
    }
    world
        .admin
        .get("/privacy-report")
        .await
        .problem(422, "invalid-field");
    let other = world.other_tenant().await;
    assert_eq!(report(&other, &this_month()).await.len(), 1);
    let noted = world
        .admin
        .get("/audit?action=hand_out_privacy_report")
        .await;
    assert_ne!(noted.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn an_erasure_that_fails_says_so_to_everybody_who_must_know() {
    // No mail gets there: what waits to be sent is looked at.
    let world = World::with_mail("smtp://127.0.0.1:1".to_owned()).await;
    let second = second_admin(&world).await;
    let session = second.get("/session").await.expect(200);
    let id = session["user"]["id"].as_str().unwrap().to_owned();
    let grants = json!({"grants": ["privacy.manage", "privacy.approve"]});
    let (mia, _) = somebody(&world, "mia@one.example", Role::Manager, grants).await;
    let wish = json!({"kind": "erase", "user_id": id, "reason": "asked", "hold_hours": 0});
    let asked = world.admin.post("/erasures", &wish).await.expect(201);
    let path = format!("/erasures/{}", asked["id"].as_str().unwrap());
    mia.post(&format!("{path}/approve"), &json!({}))
        .await
        .expect(200);
    // Meanwhile whom it is about became the last admin.
    let pool = world.db.pool().await.unwrap();
    let role = async |role: &str| {
        sqlx::query("update users set role = $1 where email = 'admin@one.example'")
            .bind(role)
            .execute(&pool)
            .await
            .unwrap();
    };
    role("operator").await;
    let engine = world.worker().await;
    testkit::until(
        "a failed erasure",
        std::time::Duration::from_secs(30),
        || async {
            let now = second.get(&path).await.expect(200);
            Ok((now["state"] == "failed").then_some(()))
        },
    )
    .await
    .unwrap();
    engine.shutdown().await;
    let mails: Vec<(String, String)> = sqlx::query_as(
        "select recipient, subject from outgoing_mails where kind = 'erasure_failed'",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(
        mails,
        [(
            "second@one.example".to_owned(),
            "An erasure could not be carried out".to_owned()
        )]
    );
    let rows = report(&second, &this_month()).await;
    let last = rows.last().unwrap();
    assert_eq!(
        (&*last[1], &*last[7], &*last[9]),
        ("fail", "failed", "conflict")
    );
    let metrics = world.text("/metrics").await;
    assert!(
        metrics.contains("syncline_erasures_failed_total{class=\"conflict\"}"),
        "{metrics}"
    );
    let run = second.get(&path).await.expect(200)["run_id"].clone();
    let run = format!("/runs/{}", run.as_str().unwrap());
    let failed = second.get(&run).await.expect(200);
    assert_eq!(failed["state"], "failed", "{failed}");
    assert_eq!(failed["error"]["class"], "conflict", "{failed}");
    // With another admin the run is tried again and does it.
    role("admin").await;
    world
        .admin
        .post(&format!("{run}/retry"), &json!({}))
        .await
        .expect(202);
    let engine = world.worker().await;
    testkit::until(
        "the erasure",
        std::time::Duration::from_secs(30),
        || async {
            let now = world.admin.get(&path).await.expect(200);
            Ok((now["state"] == "done").then_some(()))
        },
    )
    .await
    .unwrap();
    engine.shutdown().await;
}
