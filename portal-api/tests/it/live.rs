use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request};
use engine::feed::Notice;
use futures::StreamExt as _;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::world::{Client, World};

/// Opens a stream of news and waits for the first that names the topic.
async fn first_news(client: &Client, act: impl Future<Output = ()>) -> Option<String> {
    let request = Request::builder()
        .uri("/api/v1/events")
        .header("cookie", client.cookie.clone().unwrap())
        .body(Body::empty())
        .unwrap();
    let response = client.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    act.await;
    let mut news = response.into_body().into_data_stream();
    let next = tokio::time::timeout(Duration::from_secs(2), news.next())
        .await
        .ok()??;
    Some(String::from_utf8(next.unwrap().to_vec()).unwrap())
}

#[tokio::test]
async fn a_change_is_told_to_its_own_tenant_only() {
    let world = World::new().await;
    let other = world.other_tenant().await;
    let make = |client: Client| async move {
        client
            .post("/accounts", &json!({"fields": {"name": "Acme"}}))
            .await
            .expect(201);
    };
    let told = first_news(&world.admin, make(world.admin.clone()))
        .await
        .unwrap();
    assert!(
        told.contains("event: changed") && told.contains("\"topic\":\"account\""),
        "{told}"
    );
    assert_eq!(first_news(&other, make(world.admin.clone())).await, None);
}

#[tokio::test]
async fn the_answer_to_a_write_is_told_though_the_record_here_stays_as_it_is() {
    let world = World::new().await;
    let _system = world.pulled().await;
    let accounts = world.admin.get("/accounts?limit=1").await.expect(200);
    let id = accounts["items"][0]["id"].as_str().unwrap();
    let path = format!("/accounts/{id}");
    let etag = world.admin.get(&path).await.etag();
    let edit = json!({"fields": {"phone": "+49 30 5550100"}});
    world
        .admin
        .send(Method::PATCH, &path, Some(&etag), Some(&edit))
        .await
        .expect(200);
    // The worker is another process, of which the feed hears; the news of the edit itself are over.
    let (feed, stop) = (world.store.feed(), CancellationToken::new());
    feed.listen(stop.clone());
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut notices = feed.subscribe();
    world.work_until_idle().await;
    loop {
        let next = tokio::time::timeout(Duration::from_secs(5), notices.recv()).await;
        let notice = next.expect("the account is told of").unwrap();
        if matches!(&notice, Notice::Changed(changed) if changed.id.as_deref() == Some(id)) {
            break;
        }
    }
    stop.cancel();
}

#[tokio::test]
async fn news_end_when_the_reader_is_deactivated() {
    let world = World::new().await;
    let reader = world
        .user(
            world.tenant,
            "reader@one.example",
            domain::users::Role::Viewer,
        )
        .await;
    let id = reader.get("/session").await.expect(200)["user"]["id"].clone();
    let path = format!("/users/{}/deactivate", id.as_str().unwrap());
    let request = Request::builder()
        .uri("/api/v1/events")
        .header("cookie", reader.cookie.clone().unwrap())
        .body(Body::empty())
        .unwrap();
    let response = reader.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    world.admin.post(&path, &json!({})).await.expect(200);
    let mut news = response.into_body().into_data_stream();
    let next = tokio::time::timeout(Duration::from_secs(5), news.next()).await;
    assert!(next.unwrap().is_none());
}
