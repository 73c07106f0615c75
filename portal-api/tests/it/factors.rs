//! Second factors: set up, asked for at sign-in and before sensitive actions, lost and reset.

use std::time::Duration;

use axum::http::Method;
use domain::users::Role;
use engine::Clock;
use serde_json::{Value as Json, json};
use totp_rs::{Builder, Secret};

use crate::world::{Answer, Client, PASSWORD, World};

const EMAIL: &str = "admin@one.example";
const START: &str = "2026-11-20T08:00:00Z";

/// An authenticator app.
pub(crate) struct App(String);

impl App {
    /// The code at the clock's moment and so many steps later.
    pub(crate) fn code(&self, clock: &Clock, steps: i64) -> String {
        let secret = Secret::try_from_base32(&self.0).unwrap();
        let totp = Builder::new()
            .with_secret(secret.as_bytes().to_vec())
            .with_account_name("x")
            .build()
            .unwrap();
        let at = clock.now().timestamp() + 30 * steps;
        totp.generate(at.unsigned_abs()).to_string()
    }
}

/// Sets an app up; its backup codes.
pub(crate) async fn enrol(client: &Client, clock: &Clock) -> (App, Vec<String>) {
    let made = client.post("/factors/totp", &json!({})).await.expect(201);
    let app = App(made["secret"].as_str().unwrap().to_owned());
    let code = json!({"code": app.code(clock, 0)});
    let confirmed = client
        .post("/factors/totp/confirm", &code)
        .await
        .expect(200);
    let codes = confirmed["backup_codes"].as_array().unwrap();
    let codes = codes.iter().map(|code| code.as_str().unwrap().to_owned());
    (app, codes.collect())
}

async fn world() -> (World, Clock) {
    let clock = Clock::manual(START.parse().unwrap());
    (World::with_clock(clock.clone()).await, clock)
}

/// The first stage, which is not the last.
async fn first_stage(world: &World, email: &str) -> (Client, Json) {
    let mut client = world.stranger();
    let body = json!({"email": email, "password": PASSWORD});
    let answer = client.post("/session", &body).await;
    client.keep(&answer);
    (client, answer.expect(202))
}

fn second(method: &str, code: &str) -> Json {
    json!({"method": method, "code": code})
}

async fn entries(client: &Client, action: &str) -> Vec<Json> {
    let path = format!("/audit?action={action}");
    let page = client.get(&path).await.expect(200);
    page["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn who_has_an_app_has_no_session_before_its_code_and_a_code_works_once() {
    let (world, clock) = world().await;
    let (app, codes) = enrol(&world.admin, &clock).await;
    assert_eq!(codes.len(), 10);
    let (mut client, stage) = first_stage(&world, EMAIL).await;
    assert_eq!(stage["methods"], json!(["totp", "backup_code"]));
    for path in ["/session", "/accounts", "/factors", "/sessions"] {
        client.get(path).await.problem(401, "unauthenticated");
    }
    // The code that confirmed the app was taken.
    let used = second("totp", &app.code(&clock, 0));
    client
        .post("/session/second", &used)
        .await
        .problem(401, "unauthenticated");
    clock.advance(Duration::from_secs(30));
    let code = second("totp", &app.code(&clock, 0));
    let answer = client.post("/session/second", &code).await;
    client.keep(&answer);
    assert_eq!(answer.expect(200)["user"]["email"], EMAIL);
    client.get("/accounts").await.expect(200);
    // The ticket is used up, and so is the code.
    client
        .post("/session/second", &code)
        .await
        .problem(401, "unauthenticated");
    let (again, _) = first_stage(&world, EMAIL).await;
    again
        .post("/session/second", &code)
        .await
        .problem(401, "unauthenticated");
    let refused = entries(&client, "refused:second_factor").await;
    assert_eq!(refused.len(), 2, "{refused:?}");
    assert_eq!(refused[0]["actor"]["name"], "stranger");
}

#[tokio::test]
async fn a_code_may_be_a_step_early_or_late_and_no_older_than_the_last() {
    let (world, clock) = world().await;
    let (app, _) = enrol(&world.admin, &clock).await;
    clock.advance(Duration::from_secs(120));
    let enter = async |steps: i64| {
        let (client, _) = first_stage(&world, EMAIL).await;
        let code = second("totp", &app.code(&clock, steps));
        client.post("/session/second", &code).await.status
    };
    assert_eq!(enter(2).await, 401);
    assert_eq!(enter(-2).await, 401);
    assert_eq!(enter(0).await, 200);
    assert_eq!(enter(-1).await, 401, "older than the last one taken");
    assert_eq!(enter(1).await, 200);
    assert_eq!(enter(1).await, 401);
}

#[tokio::test]
async fn two_at_once_with_one_code_are_one() {
    let (world, clock) = world().await;
    let (app, _) = enrol(&world.admin, &clock).await;
    clock.advance(Duration::from_secs(60));
    let code = second("totp", &app.code(&clock, 0));
    let (one, _) = first_stage(&world, EMAIL).await;
    let (two, _) = first_stage(&world, EMAIL).await;
    let (one, two) = tokio::join!(
        one.post("/session/second", &code),
        two.post("/session/second", &code)
    );
    let mut both = [one.status, two.status];
    both.sort_unstable();
    assert_eq!(both, [200, 401]);
}

#[tokio::test]
async fn a_backup_code_works_once_and_new_ones_replace_the_old() {
    let (world, clock) = world().await;
    let (_, codes) = enrol(&world.admin, &clock).await;
    let enter = async |code: &str| {
        let (client, _) = first_stage(&world, EMAIL).await;
        client
            .post("/session/second", &second("backup_code", code))
            .await
            .status
    };
    assert_eq!(enter(&codes[0].to_lowercase().replace('-', " ")).await, 200);
    assert_eq!(enter(&codes[0]).await, 401);
    let left = world.admin.get("/factors").await.expect(200);
    assert_eq!(left["backup_codes_left"], 9);
    let renewed = world.admin.post("/factors/backup-codes", &json!({})).await;
    let renewed = renewed.expect(200)["backup_codes"].clone();
    assert_eq!(enter(&codes[1]).await, 401);
    assert_eq!(enter(renewed[0].as_str().unwrap()).await, 200);
    // Nothing of a code is stored, neither in its table nor in the trail.
    let trail = world.admin.get("/audit?limit=100").await;
    let text = String::from_utf8_lossy(&trail.bytes).into_owned();
    for code in codes
        .iter()
        .map(String::as_str)
        .chain([renewed[0].as_str().unwrap()])
    {
        assert!(!text.contains(code));
    }
}

#[tokio::test]
async fn five_wrong_codes_close_the_account_for_right_ones_too() {
    let (world, clock) = world().await;
    let (app, codes) = enrol(&world.admin, &clock).await;
    clock.advance(Duration::from_secs(60));
    let (client, _) = first_stage(&world, EMAIL).await;
    let (other, _) = first_stage(&world, EMAIL).await;
    for (at, client) in [&client, &other, &client, &other, &client]
        .into_iter()
        .enumerate()
    {
        let wrong = second(if at % 2 == 0 { "totp" } else { "backup_code" }, "000000");
        client
            .post("/session/second", &wrong)
            .await
            .problem(401, "unauthenticated");
    }
    let right = second("totp", &app.code(&clock, 0));
    client
        .post("/session/second", &right)
        .await
        .problem(401, "unauthenticated");
    let body = json!({"email": EMAIL, "password": PASSWORD});
    world
        .stranger()
        .post("/session", &body)
        .await
        .problem(401, "unauthenticated");
    clock.advance(Duration::from_secs(16 * 60));
    let (client, _) = first_stage(&world, EMAIL).await;
    let backup = second("backup_code", &codes[0]);
    let mut client = client;
    let answer = client.post("/session/second", &backup).await;
    client.keep(&answer);
    answer.expect(200);
    assert_eq!(entries(&client, "lock_user").await.len(), 1);
}

#[tokio::test]
async fn a_remembered_browser_is_not_asked_until_it_is_forgotten_or_too_old() {
    let (world, clock) = world().await;
    let (app, _) = enrol(&world.admin, &clock).await;
    clock.advance(Duration::from_secs(60));
    let (mut browser, stage) = first_stage(&world, EMAIL).await;
    assert_eq!(stage["device_days"], 30);
    let mut body = second("totp", &app.code(&clock, 0));
    body["remember"] = true.into();
    let answer = browser.post("/session/second", &body).await;
    let cookie = answer.headers.get_all("set-cookie").iter();
    let cookie = cookie.map(|value| value.to_str().unwrap());
    let cookie = cookie
        .into_iter()
        .find(|text| text.starts_with("syncline_device="));
    for part in [
        "HttpOnly",
        "SameSite=Lax",
        "Path=/api/v1;",
        "Max-Age=2592000",
    ] {
        assert!(cookie.unwrap().contains(part), "{cookie:?}");
    }
    browser.keep(&answer);
    let again = async |browser: &Client| {
        let body = json!({"email": EMAIL, "password": PASSWORD});
        let answer: Answer = browser.post("/session", &body).await;
        answer
    };
    let answer = again(&browser).await;
    browser.keep(&answer);
    answer.expect(200);
    // It signs in, but has shown nothing: a sensitive action asks for the factor.
    let key = json!({"name": "x", "permissions": []});
    browser
        .post("/keys", &key)
        .await
        .problem(403, "step-up-required");
    // Another user's browser is not remembered by it.
    let (elsewhere, _) = first_stage(&world, EMAIL).await;
    assert!(!elsewhere.cookie.unwrap().contains("syncline_device"));
    let devices = browser.get("/devices").await.expect(200);
    assert_eq!(devices["items"].as_array().unwrap().len(), 1);
    let path = format!("/devices/{}", devices["items"][0]["id"].as_str().unwrap());
    browser
        .send(Method::DELETE, &path, None, None)
        .await
        .expect(204);
    again(&browser).await.expect(202);

    clock.advance(Duration::from_secs(30));
    let mut body = second("totp", &app.code(&clock, 0));
    body["remember"] = true.into();
    let answer = again(&browser).await;
    browser.keep(&answer);
    let answer = browser.post("/session/second", &body).await;
    browser.keep(&answer);
    answer.expect(200);
    clock.advance(Duration::from_secs(31 * 86_400));
    again(&browser).await.expect(202);
}

#[tokio::test]
async fn a_sensitive_action_asks_for_the_factor_when_the_last_was_a_while_ago() {
    let (world, clock) = world().await;
    let key = json!({"name": "x", "permissions": []});
    world.admin.post("/keys", &key).await.expect(201);
    clock.advance(Duration::from_secs(16 * 60));
    world.admin.get("/keys").await.expect(200);
    for (method, path, body) in [
        (Method::POST, "/keys", Some(&key)),
        (Method::POST, "/users", Some(&key)),
        (Method::GET, "/audit.csv", None),
        (Method::POST, "/factors/totp", None),
        (Method::POST, "/passkeys/question", None),
        (Method::POST, "/tokens", Some(&key)),
    ] {
        let answer = world.admin.send(method, path, None, body).await;
        answer.problem(403, "step-up-required");
    }
    let step = |method: &str, secret: &str| json!({"method": method, "secret": secret});
    let step_up = async |method: &str, secret: &str| {
        world
            .admin
            .post("/session/step-up", &step(method, secret))
            .await
    };
    step_up("password", "wrong").await.invalid("/secret");
    step_up("guess", "x").await.invalid("/method");
    step_up("totp", "123456").await.invalid("/secret");
    step_up("password", PASSWORD).await.expect(200);
    world.admin.post("/keys", &key).await.expect(201);
    let (app, _) = enrol(&world.admin, &clock).await;
    clock.advance(Duration::from_secs(16 * 60));
    world
        .admin
        .post("/keys", &key)
        .await
        .problem(403, "step-up-required");
    // Who has a factor shows it: the password is not enough.
    step_up("password", PASSWORD).await.invalid("/method");
    step_up("totp", &app.code(&clock, 0)).await.expect(200);
    world.admin.post("/keys", &key).await.expect(201);
    let refused = entries(&world.admin, "refused:step_up").await;
    assert_eq!(refused.len(), 7);
    assert_eq!(refused[0]["after"]["operation"], "create_key");
    assert_eq!(entries(&world.admin, "step_up").await.len(), 2);
}

#[tokio::test]
async fn a_role_that_needs_a_factor_can_do_nothing_but_set_one_up_after_its_days_of_grace() {
    let (world, clock) = world().await;
    let csm = world.user(world.tenant, "csm@one.example", Role::Csm).await;
    let put = async |body: Json| {
        let answer = world
            .admin
            .send(Method::PUT, "/security/factors", None, Some(&body));
        answer.await
    };
    let rule = |role: &str, days: i32| json!({"required": [{"role": role, "grace_days": days}]});
    put(rule("root", 1)).await.invalid("/required/0/role");
    put(rule("csm", 91)).await.invalid("/required/0/grace_days");
    let twice =
        json!({"required": [{"role": "csm", "grace_days": 1}, {"role": "csm", "grace_days": 1}]});
    put(twice).await.invalid("/required/1/role");
    put(rule("csm", 7)).await.expect(200);
    let session = csm.get("/session").await.expect(200);
    assert_eq!(session["user"]["must_enrol"], false);
    assert_eq!(session["user"]["factor_due"], "2026-11-27T08:00:00Z");
    csm.get("/accounts").await.expect(200);
    clock.advance(Duration::from_secs(7 * 86_400));
    let mut csm = world.stranger();
    csm.sign_in("csm@one.example", PASSWORD).await.expect(200);
    assert_eq!(
        csm.get("/session").await.expect(200)["user"]["must_enrol"],
        true
    );
    csm.get("/accounts").await.problem(403, "forbidden");
    let (app, _) = enrol(&csm, &clock).await;
    csm.get("/accounts").await.expect(200);
    // Removing it again is possible, and shuts the door again.
    clock.advance(Duration::from_secs(60));
    csm.send(Method::DELETE, "/factors/totp", None, None)
        .await
        .expect(204);
    csm.get("/accounts").await.problem(403, "forbidden");
    drop(app);
    // The rule keeps its first day when its grace changes.
    let mut admin = world.stranger();
    admin.sign_in(EMAIL, PASSWORD).await.expect(200);
    let body = rule("csm", 90);
    let answer = admin
        .send(Method::PUT, "/security/factors", None, Some(&body))
        .await;
    assert_eq!(answer.expect(200)["required"][0]["required_since"], START);
    csm.get("/accounts").await.expect(200);
}

#[tokio::test]
async fn an_admin_resets_the_factors_of_somebody_who_lost_them_and_it_shows() {
    let (world, clock) = world().await;
    let csm = world.user(world.tenant, "csm@one.example", Role::Csm).await;
    enrol(&csm, &clock).await;
    let id = csm.get("/session").await.expect(200)["user"]["id"].clone();
    let path = format!("/users/{}/reset-factors", id.as_str().unwrap());
    csm.post(&path, &json!({})).await.problem(403, "forbidden");
    world
        .other_tenant()
        .await
        .post(&path, &json!({}))
        .await
        .problem(404, "not-found");
    first_stage(&world, "csm@one.example").await;
    world.admin.post(&path, &json!({})).await.expect(204);
    csm.get("/session").await.problem(401, "unauthenticated");
    let mut csm = world.stranger();
    csm.sign_in("csm@one.example", PASSWORD).await.expect(200);
    let entry = &entries(&world.admin, "reset_factors").await[0];
    assert_eq!(entry["before"]["totp"], true);
    assert_eq!(entry["actor"]["name"], "admin");
}

#[tokio::test]
async fn an_app_is_set_up_by_its_code_only_and_once() {
    let (world, clock) = world().await;
    let made = world
        .admin
        .post("/factors/totp", &json!({}))
        .await
        .expect(201);
    let text = made.to_string();
    assert!(
        made["picture"]
            .as_str()
            .unwrap()
            .starts_with("data:image/svg+xml;base64,")
    );
    assert!(
        made["uri"].as_str().unwrap().starts_with("otpauth://totp/"),
        "{text}"
    );
    for bad in ["", "000000", "abcdef", "12345", "1234567", "０１２３４５"] {
        let code = json!({"code": bad});
        world
            .admin
            .post("/factors/totp/confirm", &code)
            .await
            .invalid("/code");
    }
    assert_eq!(entries(&world.admin, "refused:add_totp").await.len(), 6);
    // Until it is confirmed it counts for nothing.
    world.stranger().sign_in(EMAIL, PASSWORD).await.expect(200);
    let (_, codes) = enrol(&world.admin, &clock).await;
    assert_eq!(codes.len(), 10);
    world
        .admin
        .post("/factors/totp", &json!({}))
        .await
        .problem(409, "conflict");
    let sealed: Vec<u8> = sqlx::query_scalar("select secret from totp_factors")
        .fetch_one(&world.db.pool().await.unwrap())
        .await
        .unwrap();
    assert!(sealed.len() > 100, "not the 20 bytes themselves");
}

#[tokio::test]
async fn programs_have_no_second_factors_and_a_ticket_is_no_session() {
    let (world, clock) = world().await;
    enrol(&world.admin, &clock).await;
    let (client, _) = first_stage(&world, EMAIL).await;
    let ticket = client.cookie.clone().unwrap();
    let token = ticket.split_once('=').unwrap().1.to_owned();
    let mut forged = world.stranger();
    for cookie in [
        format!("syncline_session={token}"),
        "syncline_second=x".to_owned(),
        "syncline_second=".to_owned(),
    ] {
        forged.cookie = Some(cookie);
        forged.get("/session").await.problem(401, "unauthenticated");
    }
    let wrong = second("totp", "123456");
    forged
        .post("/session/second", &wrong)
        .await
        .problem(401, "unauthenticated");
    client
        .post("/session/second", &second("device", "x"))
        .await
        .invalid("/method");
    clock.advance(Duration::from_secs(601));
    client
        .post("/session/second", &wrong)
        .await
        .problem(401, "unauthenticated");
    assert!(
        entries(&world.admin, "refused:second_factor")
            .await
            .is_empty()
    );
}

/// A passkey and a remembered browser of the admin, as rows.
pub(crate) async fn passkey_and_device(world: &World) -> (String, String) {
    let (passkey, device) = (
        engine::ids::PasskeyId::fresh(),
        engine::ids::DeviceId::fresh(),
    );
    let db = world.db.pool().await.unwrap();
    sqlx::query(
        "insert into passkeys (tenant_id, user_id, id, name, credential_id, credential, created_at)
         select tenant_id, id, $1, 'Key', '\\x01', '{}', now() from users limit 1",
    )
    .bind(passkey.0)
    .execute(&db)
    .await
    .unwrap();
    sqlx::query(
        "insert into devices (tenant_id, user_id, id, token_hash, created_at, last_used_at, expires_at)
         select tenant_id, id, $1, '\\x02', now(), now(), now() + interval '1 day'
         from users limit 1",
    )
    .bind(device.0)
    .execute(&db)
    .await
    .unwrap();
    (passkey.to_string(), device.to_string())
}
