//! Codes by SMS, through a provider on this machine that keeps what it is given.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use engine::Clock;
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;
use workflows::{Messenger, MessengerOptions};

use crate::world::{Client, PASSWORD, World};

const EMAIL: &str = "admin@one.example";
const SECRET: &str = "a secret of the provider";

#[derive(Clone, Default)]
struct Provider {
    got: Arc<Mutex<Vec<(HeaderMap, String)>>>,
    answers: Arc<Mutex<u16>>,
}

impl Provider {
    async fn start(&self) -> String {
        *self.answers.lock().unwrap() = 204;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/send", listener.local_addr().unwrap());
        let app = axum::Router::new()
            .route("/send", axum::routing::post(take))
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        url
    }

    fn last(&self) -> Json {
        let got = self.got.lock().unwrap();
        serde_json::from_str(&got.last().unwrap().1).unwrap()
    }

    fn code(&self) -> String {
        let text = self.last()["text"].as_str().unwrap().to_owned();
        text.split(' ').next().unwrap().to_owned()
    }
}

async fn take(State(provider): State<Provider>, headers: HeaderMap, body: String) -> StatusCode {
    provider.got.lock().unwrap().push((headers, body));
    StatusCode::from_u16(*provider.answers.lock().unwrap()).unwrap()
}

async fn world() -> (World, Clock, Provider) {
    let clock = Clock::manual("2026-11-20T08:00:00Z".parse().unwrap());
    let provider = Provider::default();
    let options = MessengerOptions {
        url: provider.start().await.into(),
        secret: SECRET.into(),
    };
    let now = clock.clone();
    let messenger = Messenger::new(&options, move || now.system_time()).unwrap();
    let world = World::with_sms(clock.clone(), Arc::new(messenger)).await;
    (world, clock, provider)
}

async fn enrol(client: &Client, provider: &Provider) {
    let number = json!({"number": "+49 170 1234567"});
    client.post("/factors/sms", &number).await.expect(202);
    let code = json!({"code": provider.code()});
    let confirmed = client.post("/factors/sms/confirm", &code).await.expect(200);
    assert_eq!(confirmed["backup_codes"].as_array().unwrap().len(), 10);
}

async fn first_stage(world: &World) -> Client {
    let mut client = world.stranger();
    let body = json!({"email": EMAIL, "password": PASSWORD});
    let answer = client.post("/session", &body).await;
    client.keep(&answer);
    assert_eq!(answer.expect(202)["methods"], json!(["sms", "backup_code"]));
    client
}

fn second(code: &str) -> Json {
    json!({"method": "sms", "code": code})
}

#[tokio::test]
async fn a_code_that_was_sent_signs_in_once_and_the_last_one_only() {
    let (world, clock, provider) = world().await;
    enrol(&world.admin, &provider).await;
    assert_eq!(provider.last()["to"], "+491701234567");
    {
        let got = provider.got.lock().unwrap();
        let (headers, body) = got.last().unwrap();
        assert!(
            headers["syncline-signature"]
                .to_str()
                .unwrap()
                .starts_with("v1=")
        );
        assert_eq!(headers["syncline-timestamp"], "1795161600");
        assert!(body.contains(headers["idempotency-key"].to_str().unwrap()));
    }
    clock.advance(Duration::from_secs(31));
    let client = first_stage(&world).await;
    let send = async || client.post("/session/second/sms", &json!({})).await;
    send().await.expect(202);
    let first = provider.code();
    let again = send().await;
    assert_eq!(again.headers["retry-after"], "30");
    again.problem(429, "rate-limited");
    clock.advance(Duration::from_secs(30));
    send().await.expect(202);
    let last = provider.code();
    assert_ne!(first, last);
    client
        .post("/session/second", &second(&first))
        .await
        .problem(401, "unauthenticated");
    client
        .post("/session/second", &second(&last))
        .await
        .expect(200);
    let client = first_stage(&world).await;
    client
        .post("/session/second", &second(&last))
        .await
        .problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_code_expires_and_there_are_six_in_an_hour() {
    let (world, clock, provider) = world().await;
    enrol(&world.admin, &provider).await;
    for _ in 0..5 {
        clock.advance(Duration::from_secs(31));
        let client = first_stage(&world).await;
        client
            .post("/session/second/sms", &json!({}))
            .await
            .expect(202);
    }
    clock.advance(Duration::from_secs(31));
    let client = first_stage(&world).await;
    client
        .post("/session/second/sms", &json!({}))
        .await
        .problem(429, "rate-limited");
    assert_eq!(provider.got.lock().unwrap().len(), 6);
    clock.advance(Duration::from_secs(301));
    let late = second(&provider.code());
    client
        .post("/session/second", &late)
        .await
        .problem(401, "unauthenticated");
}

#[tokio::test]
async fn bad_numbers_and_a_provider_that_fails_are_said_and_leak_nothing() {
    let (world, clock, provider) = world().await;
    for bad in [
        "",
        "0170 1234567",
        "+1",
        "+49170123456789012",
        "tel:+491701234567",
    ] {
        let number = json!({"number": bad});
        world
            .admin
            .post("/factors/sms", &number)
            .await
            .invalid("/number");
    }
    *provider.answers.lock().unwrap() = 500;
    let number = json!({"number": "+491701234567"});
    let problem = world
        .admin
        .post("/factors/sms", &number)
        .await
        .problem(503, "unavailable");
    assert!(!problem.to_string().contains("1701234"), "{problem}");
    *provider.answers.lock().unwrap() = 204;
    clock.advance(Duration::from_secs(31));
    enrol(&world.admin, &provider).await;
    let factors = world.admin.get("/factors").await.expect(200);
    assert_eq!(factors["sms_ends_with"], "67");
    // Neither number nor code is in the trail or readable in the database.
    let trail = world.admin.get("/audit?limit=100").await;
    let text = String::from_utf8_lossy(&trail.bytes).into_owned();
    assert!(
        !text.contains("1701234") && !text.contains(&provider.code()),
        "{text}"
    );
    let sealed: Vec<u8> = sqlx::query_scalar("select number from sms_factors")
        .fetch_one(&world.db.pool().await.unwrap())
        .await
        .unwrap();
    assert!(!String::from_utf8_lossy(&sealed).contains("1701234"));
    world
        .admin
        .send(Method::DELETE, "/factors/sms", None, None)
        .await
        .expect(204);
    world.stranger().sign_in(EMAIL, PASSWORD).await.expect(200);
}
