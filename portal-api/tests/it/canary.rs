//! Nothing secret reaches a log: everything that signs in is said once, with the log at its most
//! talkative, and looked for in it.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::Method;
use engine::Clock;
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::factors::enrol;
use crate::world::{PASSWORD, World};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn no_password_code_or_token_is_in_a_log_or_the_trail() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(log.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let clock = Clock::manual("2026-11-20T08:00:00Z".parse().unwrap());
    let world = World::with_clock(clock.clone()).await;
    let mut secrets = vec![PASSWORD.to_owned(), "a wrong canary".to_owned()];

    let made = world
        .admin
        .post("/factors/totp", &json!({}))
        .await
        .expect(201);
    secrets
        .extend(["secret", "uri", "picture"].map(|name| made[name].as_str().unwrap().to_owned()));
    let (app, codes) = enrol(&world.admin, &clock).await;
    secrets.extend(codes.clone());
    clock.advance(Duration::from_secs(60));
    let mut client = world.stranger();
    client
        .sign_in("admin@one.example", "a wrong canary")
        .await
        .expect(401);
    let body = json!({"email": "admin@one.example", "password": PASSWORD});
    let answer = client.post("/session", &body).await;
    client.keep(&answer);
    let body = json!({"method": "totp", "code": "a wrong canary"});
    client.post("/session/second", &body).await.expect(401);
    let code = app.code(&clock, 0);
    let body = json!({"method": "totp", "code": code, "remember": true});
    let answer = client.post("/session/second", &body).await;
    client.keep(&answer);
    answer.expect(200);
    let cookies = client.cookie.clone().unwrap();
    secrets.extend(
        cookies
            .split("; ")
            .map(|cookie| cookie.split_once('=').unwrap().1.to_owned()),
    );
    let step = json!({"method": "backup_code", "secret": codes[0]});
    client.post("/session/step-up", &step).await.expect(200);
    let wrong = json!({"method": "totp", "secret": "a wrong canary"});
    client
        .post("/session/step-up", &wrong)
        .await
        .invalid("/secret");

    let question = client
        .post("/passkeys/question", &json!({}))
        .await
        .expect(200);
    secrets.push(question["question"].as_str().unwrap().to_owned());
    let body = json!({"name": "x", "question": question["question"], "answer": {"id": "x"}});
    client.post("/passkeys", &body).await.invalid("/answer");
    let body = json!({"name": "x", "permissions": ["records.read"]});
    let granted = client.post("/tokens", &body).await.expect(201);
    let refresh = granted["tokens"]["refresh_token"]
        .as_str()
        .unwrap()
        .to_owned();
    secrets.push(
        granted["tokens"]["access_token"]
            .as_str()
            .unwrap()
            .to_owned(),
    );
    let body = json!({"refresh_token": refresh});
    for status in [200, 401] {
        client.post("/tokens/refresh", &body).await.expect(status);
    }
    secrets.push(refresh);
    let key = json!({"name": "x", "permissions": []});
    let key = client.post("/keys", &key).await.expect(201);
    secrets.push(key["secret"].as_str().unwrap().to_owned());
    client
        .send(Method::DELETE, "/factors/totp", None, None)
        .await
        .expect(204);

    let trail = client.get("/audit.csv").await;
    drop(guard);
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("answered"), "the log was listened to");
    let trail = String::from_utf8(trail.bytes.to_vec()).unwrap();
    assert!(trail.contains("grant_tokens"));
    for secret in &secrets {
        assert!(secret.len() > 5);
        assert!(!log.contains(secret), "{secret} is in the log");
        assert!(!trail.contains(secret), "{secret} is in the trail");
    }
    let code = format!("{code}\"");
    assert!(!trail.contains(&code) && !log.contains(&format!("={code}")));
}
