//! Frozen fields: listed, explained, let go.

use serde_json::json;

use crate::world::{Connected, World};

/// A field of an account that its system rewrote too often.
pub(crate) async fn frozen(world: &World, connected: &Connected) -> String {
    let key = connected.salesforce.sim.ids("Account")[0].clone();
    sqlx::query(
        "insert into rewrites
             (tenant_id, id, connection_id, stream, entity, entity_id, field, write_id, ours, theirs,
              times, frozen_at)
         select tenant_id, gen_random_uuid(), connection_id, stream, entity, entity_id, 'industry',
                gen_random_uuid(), '\"Rail\"', '\"Air\"', array[now()], now()
         from records
         where key = $1",
    )
    .bind(&key)
    .execute(&world.db.pool().await.unwrap())
    .await
    .unwrap();
    let list = world.admin.get("/breakers").await.expect(200);
    list["items"][0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_frozen_field_is_shown_with_both_values_and_let_go_once() {
    let world = World::new().await;
    let connected = world.pulled().await;
    let id = frozen(&world, &connected).await;
    let shown = world
        .admin
        .get(&format!("/breakers/{id}"))
        .await
        .expect(200);
    assert_eq!(
        (&shown["field"], &shown["ours"], &shown["theirs"]),
        (&json!("industry"), &json!("Rail"), &json!("Air")),
        "{shown}"
    );
    assert!(shown["entity_id"].as_str().unwrap().starts_with("acc_"));
    let classes = world.admin.get("/failure-classes").await.expect(200);
    let class = &classes["items"][0];
    assert_eq!(
        (&class["source"], &class["about"]),
        (&json!("breaker"), &json!("industry"))
    );
    assert_eq!(class["id"], shown["failure_class_id"]);
    let message = class["samples"][0]["message"].as_str().unwrap();
    assert!(
        message.contains("\"Rail\"") && message.contains("\"Air\""),
        "{message}"
    );

    let release = format!("/breakers/{id}/release");
    world.admin.post(&release, &json!({})).await.expect(202);
    world.work_until_idle().await;
    world
        .admin
        .get(&format!("/breakers/{id}"))
        .await
        .problem(404, "not-found");
    world
        .admin
        .post(&release, &json!({}))
        .await
        .problem(404, "not-found");
    let classes = world
        .admin
        .get("/failure-classes?state=closed")
        .await
        .expect(200);
    assert_eq!(classes["items"][0]["source"], "breaker", "{classes}");
}

#[tokio::test]
async fn retrying_the_class_lets_all_of_its_fields_go() {
    let world = World::new().await;
    let connected = world.pulled().await;
    frozen(&world, &connected).await;
    let classes = world.admin.get("/failure-classes").await.expect(200);
    let path = format!(
        "/failure-classes/{}/retry",
        classes["items"][0]["id"].as_str().unwrap()
    );
    world
        .admin
        .post(&path, &json!({"count": 1}))
        .await
        .expect(202);
    world.work_until_idle().await;
    let list = world.admin.get("/breakers").await.expect(200);
    assert_eq!(list["items"], json!([]));
}

#[tokio::test]
async fn near_misses_are_told_by_field_and_of_known_streams_only() {
    let world = World::new().await;
    let connected = world.pulled().await;
    let path = format!("/connections/{}/streams/Account/near-misses", connected.id);
    assert_eq!(world.admin.get(&path).await.expect(200)["items"], json!([]));
    let path = format!("/connections/{}/streams/Nothing/near-misses", connected.id);
    world.admin.get(&path).await.problem(404, "not-found");
}
