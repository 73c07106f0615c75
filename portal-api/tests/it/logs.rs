//! Secrets and people's values reach no log, whatever its level.

use std::io::Write;
use std::sync::{Arc, Mutex};

use axum::http::Method;
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::world::World;

/// What was logged.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn neither_secrets_nor_peoples_values_reach_the_log_at_any_level() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(lines.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let world = World::new().await;
    let mut stranger = world.stranger();
    stranger
        .sign_in("sparrow-address@one.example", "sparrow password")
        .await
        .problem(401, "unauthenticated");
    let connected = world.pulled().await;
    let secret = json!({"system": "salesforce", "name": "Second", "config": {
        "login_url": "http://127.0.0.1:1",
        "auth": {"kind": "client_credentials", "client_id": "x", "client_secret": "sparrow-secret"},
    }});
    let second = world.admin.post("/connections", &secret).await.expect(201);
    let check = format!("/connections/{}/check", second["id"].as_str().unwrap());
    world.admin.post(&check, &json!({})).await;
    let key = json!({"name": "k", "permissions": ["records.read"]});
    let key = world.admin.post("/keys", &key).await.expect(201)["secret"].clone();

    let person = json!({"fields": {
        "first_name": "Sparrowfirst", "last_name": "Sparrowlast", "email": "sparrow@person.example",
    }});
    let made = world.admin.post("/contacts", &person).await.expect(201);
    let path = format!("/contacts/{}", made["id"].as_str().unwrap());
    let bad =
        json!({"fields": {"email": "sparrow is no address", "is_primary": "sparrow-boolean"}});
    let refused = world
        .admin
        .send(Method::PATCH, &path, Some("\"1\""), Some(&bad))
        .await;
    assert_eq!(refused.status, 422, "{}", refused.body);
    world.admin.get("/contacts?q=Sparrowlast").await.expect(200);
    let there =
        json!({"FirstName": "Sparrowfirst", "LastName": "Sparrowlast", "Phone": "+49 30 5550199"});
    connected.salesforce.sim.insert("Contact", there).unwrap();
    let pull = format!("/connections/{}/streams/Contact/pull", connected.id);
    world.admin.post(&pull, &json!({})).await.expect(202);
    world.work_until_idle().await;

    let logged = String::from_utf8_lossy(&lines.0.lock().unwrap()).into_owned();
    // The log is on: it tells of runs.
    assert!(logged.contains("run"), "nothing was logged");
    for sparrow in [
        "sparrow",
        "5550199",
        key.as_str().unwrap(),
        crate::world::PASSWORD,
    ] {
        let found = logged
            .lines()
            .find(|line| line.to_lowercase().contains(&sparrow.to_lowercase()));
        assert!(found.is_none(), "{sparrow}: {found:?}");
    }
}
