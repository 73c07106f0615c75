//! Passkeys, with an authenticator in software.

use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value as Json, json};
use url::Url;
use webauthn_authenticator_rs::WebauthnAuthenticator;
use webauthn_authenticator_rs::softpasskey::SoftPasskey;
use webauthn_rs::prelude::{CreationChallengeResponse, RequestChallengeResponse};

use crate::world::{Client, ORIGIN, PASSWORD, World};

const EMAIL: &str = "admin@one.example";

struct Device {
    soft: SoftPasskey,
    /// The last credential, in base64url; a passkey kept on the device is found by itself.
    credential: String,
}

impl Device {
    fn new() -> Self {
        Self {
            soft: SoftPasskey::new(true),
            credential: String::new(),
        }
    }

    fn make(&mut self, question: &Json, origin: &str) -> Json {
        let asked: CreationChallengeResponse =
            serde_json::from_value(question["options"].clone()).unwrap();
        let url = Url::parse(origin).unwrap();
        let made = self.soft.do_registration(url, asked).unwrap();
        self.credential = made.id.clone();
        serde_json::to_value(made).unwrap()
    }

    fn sign(&mut self, question: &Json, origin: &str) -> Json {
        let mut options = question["options"].clone();
        // A device finds its own credentials; this one has to be told.
        if options["publicKey"]["allowCredentials"]
            .as_array()
            .is_none_or(Vec::is_empty)
        {
            options["publicKey"]["allowCredentials"] =
                json!([{"type": "public-key", "id": self.credential}]);
        }
        let asked: RequestChallengeResponse = serde_json::from_value(options).unwrap();
        let url = Url::parse(origin).unwrap();
        serde_json::to_value(self.soft.do_authentication(url, asked).unwrap()).unwrap()
    }

    /// As a passkey kept on the device answers: it names its user.
    fn sign_as(&mut self, question: &Json, user: &str) -> Json {
        let mut answer = self.sign(question, ORIGIN);
        answer["response"]["userHandle"] = handle(user).into();
        answer
    }
}

/// A user's id as devices keep it.
fn handle(user: &str) -> String {
    let id: engine::ids::UserId = user.parse().unwrap();
    URL_SAFE_NO_PAD.encode(id.0.as_bytes())
}

async fn ask(client: &Client, path: &str) -> Json {
    client.post(path, &json!({})).await.expect(200)
}

async fn add(client: &Client, device: &mut Device, name: &str) -> Json {
    let question = ask(client, "/passkeys/question").await;
    let answer = device.make(&question, ORIGIN);
    let body = json!({"name": name, "question": question["question"], "answer": answer});
    client.post("/passkeys", &body).await.expect(201)
}

async fn id(client: &Client) -> String {
    let session = client.get("/session").await.expect(200);
    session["user"]["id"].as_str().unwrap().to_owned()
}

fn answer(question: &Json, answer: Json) -> Json {
    json!({"question": question["question"], "answer": answer})
}

#[tokio::test]
async fn where_only_providers_let_people_in_a_passkey_alone_is_no_way_around_them() {
    let world = World::new().await;
    let provider = crate::provider::Provider::start().await;
    crate::provider::enabled(&world, &provider, &provider.body()).await;
    let second = world
        .user(
            world.tenant,
            "second@one.example",
            domain::users::Role::Admin,
        )
        .await;
    let (first_user, second_user) = (id(&world.admin).await, id(&second).await);
    let (mut of_first, mut of_second) = (Device::new(), Device::new());
    add(&world.admin, &mut of_first, "Laptop").await;
    add(&second, &mut of_second, "Laptop").await;
    let sign_in = async |device: &mut Device, user: &str| {
        let client = world.stranger();
        let question = ask(&client, "/session/passkey/question").await;
        let body = answer(&question, device.sign_as(&question, user));
        client.post("/session/passkey", &body).await
    };
    sign_in(&mut of_second, &second_user).await.expect(200);
    let only = json!({"sso_only": true, "fallback_admins": [first_user]});
    world
        .admin
        .send(Method::PUT, "/sign-in-policy", Some("\"0\""), Some(&only))
        .await
        .expect(200);
    sign_in(&mut of_second, &second_user)
        .await
        .problem(401, "unauthenticated");
    let trail = world.admin.get("/audit?action=refused:sign_in").await;
    let why = trail.expect(200)["items"][0]["after"]["why"].clone();
    assert_eq!(why, "another address or a provider is needed");
    sign_in(&mut of_first, &first_user).await.expect(200);
}

#[tokio::test]
async fn a_passkey_signs_in_alone_and_an_answer_works_once() {
    let world = World::new().await;
    let mut device = Device::new();
    let added = add(&world.admin, &mut device, "Laptop").await;
    assert_eq!(added["backup_codes"].as_array().unwrap().len(), 10);
    let user = id(&world.admin).await;
    let mut client = world.stranger();
    let question = ask(&client, "/session/passkey/question").await;
    let options = &question["options"]["publicKey"];
    assert_eq!(options["rpId"], "hub.example");
    assert_eq!(options["userVerification"], "required");
    let body = answer(&question, device.sign_as(&question, &user));
    let entered = client.post("/session/passkey", &body).await;
    client.keep(&entered);
    assert_eq!(entered.expect(200)["user"]["email"], EMAIL);
    client.get("/accounts").await.expect(200);
    world
        .stranger()
        .post("/session/passkey", &body)
        .await
        .problem(401, "unauthenticated");
    let listed = client.get("/passkeys").await.expect(200);
    assert!(listed["items"][0]["last_used_at"].is_string());
    let entry = client
        .get("/audit?action=sign_in&limit=1")
        .await
        .expect(200);
    assert_eq!(entry["items"][0]["after"]["factor"], "passkey");
}

#[tokio::test]
async fn answers_that_are_not_right_are_refused_alike_and_noted_where_the_passkey_is_known() {
    let world = World::new().await;
    let mut device = Device::new();
    add(&world.admin, &mut device, "Laptop").await;
    let user = id(&world.admin).await;
    let other = id(&world
        .user(world.tenant, "o@one.example", domain::users::Role::Csm)
        .await)
    .await;
    let stranger = world.stranger();
    let question = ask(&stranger, "/session/passkey/question").await;
    let elsewhere = ask(&stranger, "/session/passkey/question").await;
    let mut details = Vec::new();
    let mut foreign_page = device.sign(&question, "https://evil.hub.example");
    foreign_page["response"]["userHandle"] = handle(&user).into();
    let bodies = [
        // Of another page.
        answer(&question, foreign_page),
        // To another question.
        answer(&elsewhere, device.sign_as(&question, &user)),
        json!({"question": "made up", "answer": {}}),
        json!({"question": question["question"], "answer": {"id": "x"}}),
    ];
    for body in bodies {
        let problem = stranger
            .post("/session/passkey", &body)
            .await
            .problem(401, "unauthenticated");
        details.push(problem["detail"].clone());
    }
    for change in [json!({"user": other}), json!({"signature": true})] {
        let question = ask(&stranger, "/session/passkey/question").await;
        let mut signed = device.sign_as(&question, change["user"].as_str().unwrap_or(&user));
        if change["signature"] == true {
            signed["response"]["signature"] = "AAAA".into();
        }
        let body = answer(&question, signed);
        let problem = stranger
            .post("/session/passkey", &body)
            .await
            .problem(401, "unauthenticated");
        details.push(problem["detail"].clone());
    }
    assert!(
        details.iter().all(|detail| *detail == details[0]),
        "{details:?}"
    );
    let trail = world
        .admin
        .get("/audit?action=refused:sign_in")
        .await
        .expect(200);
    assert_eq!(trail["items"].as_array().unwrap().len(), 3, "{trail}");
}

#[tokio::test]
async fn a_passkey_is_the_second_stage_and_shows_who_one_is_again() {
    let world = World::new().await;
    let mut device = Device::new();
    add(&world.admin, &mut device, "Key").await;
    let mut client = world.stranger();
    let body = json!({"email": EMAIL, "password": PASSWORD});
    let first = client.post("/session", &body).await;
    client.keep(&first);
    assert_eq!(
        first.expect(202)["methods"],
        json!(["passkey", "backup_code"])
    );
    let question = ask(&client, "/session/second/passkey/question").await;
    // A question of the second stage is not answered elsewhere.
    let signed = device.sign(&question, ORIGIN);
    let mut elsewhere = signed.clone();
    elsewhere["response"]["userHandle"] = handle(&id(&world.admin).await).into();
    let wrong_place = answer(&question, elsewhere);
    client
        .post("/session/passkey", &wrong_place)
        .await
        .problem(401, "unauthenticated");
    let body = answer(&question, signed);
    let entered = client.post("/session/second/passkey", &body).await;
    client.keep(&entered);
    entered.expect(200);
    let question = ask(&client, "/session/step-up/passkey/question").await;
    let body = answer(&question, device.sign(&question, ORIGIN));
    client
        .post("/session/step-up/passkey", &body)
        .await
        .expect(200);
    client
        .post("/session/step-up/passkey", &body)
        .await
        .invalid("/answer");
}

#[tokio::test]
async fn a_counter_that_goes_back_is_a_copy_of_the_passkey() {
    let world = World::new().await;
    let mut device = Device::new();
    add(&world.admin, &mut device, "Key").await;
    let user = id(&world.admin).await;
    let stranger = world.stranger();
    let sign_in = async |device: &mut Device| {
        let question = ask(&stranger, "/session/passkey/question").await;
        let body = answer(&question, device.sign_as(&question, &user));
        stranger.post("/session/passkey", &body).await.status
    };
    assert_eq!(sign_in(&mut device).await, 200);
    assert_eq!(sign_in(&mut device).await, 200);
    let db = world.db.pool().await.unwrap();
    sqlx::query("update passkeys set credential = jsonb_set(credential, '{cred,counter}', '1000')")
        .execute(&db)
        .await
        .unwrap();
    assert_eq!(sign_in(&mut device).await, 401);
}

#[tokio::test]
async fn passkeys_are_made_by_their_owner_here_and_now_and_renamed_and_removed_by_nobody_else() {
    let world = World::new().await;
    let other = world
        .user(world.tenant, "o@one.example", domain::users::Role::Csm)
        .await;
    let mut device = Device::new();
    let question = ask(&world.admin, "/passkeys/question").await;
    let options = &question["options"]["publicKey"];
    assert_eq!(options["rp"]["id"], "hub.example");
    assert_eq!(
        options["authenticatorSelection"]["residentKey"],
        "preferred"
    );
    let made = device.make(&question, ORIGIN);
    let body = json!({"name": "Mine", "question": question["question"], "answer": made});
    // Somebody else's question is none of theirs, and is not used up by the attempt.
    other.post("/passkeys", &body).await.invalid("/answer");
    world.admin.post("/passkeys", &body).await.expect(201);
    world
        .admin
        .post("/passkeys", &body)
        .await
        .invalid("/answer");
    let question = ask(&world.admin, "/passkeys/question").await;
    let made = device.make(&question, "https://evil.hub.example");
    let body = json!({"name": "Mine", "question": question["question"], "answer": made});
    world
        .admin
        .post("/passkeys", &body)
        .await
        .invalid("/answer");
    let nameless = json!({"name": " ", "question": "x", "answer": {}});
    world
        .admin
        .post("/passkeys", &nameless)
        .await
        .invalid("/name");

    let listed = world.admin.get("/passkeys").await.expect(200);
    let path = format!("/passkeys/{}", listed["items"][0]["id"].as_str().unwrap());
    let name = json!({"name": "Phone"});
    other
        .send(Method::PATCH, &path, None, Some(&name))
        .await
        .problem(404, "not-found");
    other
        .send(Method::DELETE, &path, None, None)
        .await
        .problem(404, "not-found");
    world
        .admin
        .send(Method::PATCH, &path, None, Some(&name))
        .await
        .expect(204);
    assert_eq!(
        world.admin.get("/passkeys").await.expect(200)["items"][0]["name"],
        "Phone"
    );
    world
        .admin
        .send(Method::DELETE, &path, None, None)
        .await
        .expect(204);
    // With the last factor gone the password is enough again.
    world.stranger().sign_in(EMAIL, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn a_deactivated_users_passkey_opens_nothing() {
    let world = World::new().await;
    let csm = world
        .user(world.tenant, "o@one.example", domain::users::Role::Csm)
        .await;
    let mut device = Device::new();
    add(&csm, &mut device, "Key").await;
    let user = id(&csm).await;
    let path = format!("/users/{user}/deactivate");
    world.admin.post(&path, &json!({})).await.expect(200);
    let stranger = world.stranger();
    let question = ask(&stranger, "/session/passkey/question").await;
    let body = answer(&question, device.sign_as(&question, &user));
    stranger
        .post("/session/passkey", &body)
        .await
        .problem(401, "unauthenticated");
}
