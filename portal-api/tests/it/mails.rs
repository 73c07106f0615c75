//! Mails to users, through a mail server of our own that keeps what it is given.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::world::{PASSWORD, World};

#[derive(Clone, Default)]
pub(crate) struct Mailbox(Arc<Mutex<Vec<String>>>);

impl Mailbox {
    /// Starts a server on a free port; its URL.
    pub(crate) async fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let mailbox = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                mailbox.serve(stream).await.unwrap();
            }
        });
        url
    }

    /// One conversation (RFC 5321), as little of it as there is to say.
    async fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read).lines();
        write.write_all(b"220 here\r\n").await?;
        let mut mail: Option<String> = None;
        while let Some(line) = lines.next_line().await? {
            if let Some(text) = &mut mail {
                if line == "." {
                    self.0.lock().unwrap().push(std::mem::take(text));
                    mail = None;
                    write.write_all(b"250 taken\r\n").await?;
                } else {
                    text.push_str(&line);
                    text.push('\n');
                }
                continue;
            }
            let answer: &[u8] = match line.split([' ', ':']).next().unwrap_or_default() {
                "DATA" => {
                    mail = Some(String::new());
                    b"354 go on\r\n"
                }
                "QUIT" => {
                    write.write_all(b"221 bye\r\n").await?;
                    return Ok(());
                }
                _ => b"250 yes\r\n",
            };
            write.write_all(answer).await?;
        }
        Ok(())
    }

    /// Heads and texts of what came.
    pub(crate) fn mails(&self) -> Vec<(String, String)> {
        let mails = self.0.lock().unwrap();
        let read = |mail: &String| {
            let (head, body) = mail.split_once("\n\n").unwrap();
            let text = STANDARD.decode(body.replace('\n', "")).unwrap();
            (head.to_owned(), String::from_utf8(text).unwrap())
        };
        mails.iter().map(read).collect()
    }
}

fn token(text: &str) -> String {
    let link = text
        .split_whitespace()
        .find(|word| word.contains("/set-password#"));
    link.unwrap().split('#').nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn an_invitation_and_a_reset_reach_the_mailbox_and_nothing_of_them_stays() {
    let mailbox = Mailbox::default();
    let world = World::with_mail(mailbox.start().await).await;
    let body = json!({"email": "ada@one.example", "name": "Ada", "role": "agent"});
    let invited = world.admin.post("/users", &body).await.expect(201);
    assert_eq!(invited["invitation"]["link"], Json::Null);
    world.work_until_idle().await;
    let mails = mailbox.mails();
    let (head, text) = &mails[0];
    assert!(head.contains("To: ada@one.example\n"), "{head}");
    assert!(head.contains("From: hub@hub.example\n"), "{head}");
    assert!(text.contains("http://hub.example/set-password#"), "{text}");
    let set = json!({"token": token(text), "password": PASSWORD});
    world
        .stranger()
        .post("/session/link", &set)
        .await
        .expect(204);

    let mut ada = world.stranger();
    let reset = json!({"email": " ADA@one.example "});
    ada.post("/session/reset", &reset).await.expect(202);
    // Another one at once would only fill the mailbox.
    ada.post("/session/reset", &reset).await.expect(202);
    world.work_until_idle().await;
    let mails = mailbox.mails();
    assert_eq!(mails.len(), 2);
    let set = json!({"token": token(&mails[1].1), "password": "a fresh password"});
    ada.post("/session/link", &set).await.expect(204);
    ada.post("/session/link", &set).await.invalid("/token");
    ada.sign_in("ada@one.example", PASSWORD)
        .await
        .problem(401, "unauthenticated");
    ada.sign_in("ada@one.example", "a fresh password")
        .await
        .expect(200);
    let pool = world.db.pool().await.unwrap();
    let kept: i64 = sqlx::query_scalar(
        "select count(*) from outgoing_mails where body is not null or sent_at is null",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(kept, 0);
}

#[tokio::test]
async fn asking_for_a_reset_does_not_tell_who_has_an_account() {
    let mailbox = Mailbox::default();
    let world = World::with_mail(mailbox.start().await).await;
    let client = world.stranger();
    for email in ["admin@one.example", "nobody@one.example", "no address"] {
        let started = Instant::now();
        let answer = client
            .post("/session/reset", &json!({"email": email}))
            .await;
        let took = started.elapsed();
        assert_eq!((answer.status, answer.bytes.len()), (202, 0), "{email}");
        assert!(took >= Duration::from_millis(400), "{email} {took:?}");
    }
    world.work_until_idle().await;
    assert_eq!(mailbox.mails().len(), 1);
    let user = world.admin.get("/session").await.expect(200)["user"]["id"].clone();
    let path = format!("/users/{}/deactivate", user.as_str().unwrap());
    let second = world
        .user(
            world.tenant,
            "second@one.example",
            domain::users::Role::Admin,
        )
        .await;
    second.post(&path, &json!({})).await.expect(200);
    client
        .post("/session/reset", &json!({"email": "admin@one.example"}))
        .await
        .expect(202);
    let runs = second.get("/runs?state=queued").await.expect(200);
    assert_eq!(runs["items"], json!([]));
}

#[tokio::test]
async fn a_hub_without_mail_says_so_to_everybody_and_guessing_is_slowed_down() {
    let world = World::new().await;
    let reset = json!({"email": "admin@one.example"});
    world
        .stranger()
        .post("/session/reset", &reset)
        .await
        .problem(409, "conflict");
    let mailbox = Mailbox::default();
    let world = World::with_mail(mailbox.start().await).await;
    for _ in 0..8 {
        world
            .stranger()
            .post("/session/reset", &reset)
            .await
            .expect(202);
    }
    world
        .stranger()
        .post("/session/reset", &reset)
        .await
        .problem(429, "rate-limited");
}

#[tokio::test]
async fn the_owner_of_a_locked_account_is_told() {
    let mailbox = Mailbox::default();
    let world = World::with_mail(mailbox.start().await).await;
    let current = world.admin.get("/security").await;
    let tag = current.etag();
    let mut policy = current.expect(200);
    policy["lockout_failures"] = json!(3);
    let put = world
        .admin
        .send(Method::PUT, "/security", Some(&tag), Some(&policy));
    put.await.expect(200);
    let mut client = world.stranger();
    for _ in 0..3 {
        client
            .sign_in("admin@one.example", "wrong")
            .await
            .problem(401, "unauthenticated");
    }
    world.work_until_idle().await;
    let mails = mailbox.mails();
    assert_eq!(mails.len(), 1);
    assert!(mails[0].1.contains("15 minutes"), "{}", mails[0].1);
}
