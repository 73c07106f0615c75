//! A hub in this process: what keeps it from starting is one clear line, and what it made it finds
//! again.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where what it builds on is not there"
)]

use domain::tenants::NewTenant;
use engine::vault::Vault;
use hub::{AdminWish, Hub, HubOptions};
use serde_json::json;
use testdb::TestDb;

fn options(database_url: String) -> HubOptions {
    HubOptions {
        database_url: database_url.into(),
        vault: Vault::new(&Vault::fresh_key().unwrap()).unwrap(),
        listen: Some("127.0.0.1:0".parse().unwrap()),
        workers: 2,
        migrate: true,
        admin: Some(AdminWish {
            email: "admin@one.example".to_owned(),
            password: None,
            tenant: NewTenant {
                name: "One".to_owned(),
                environment: "test".to_owned(),
            },
        }),
        https: false,
        tls: None,
        public_url: None,
        mail: None,
        trusted_proxies: Vec::new(),
        private_providers: false,
        public_systems: false,
        passkey_domain: None,
        messages: None,
    }
}

async fn refusal(options: HubOptions) -> String {
    match Hub::start(options).await {
        Ok(hub) => {
            hub.shutdown().await.unwrap();
            panic!("should not start");
        }
        Err(error) => format!("{error:#}"),
    }
}

#[tokio::test]
async fn a_second_start_finds_what_the_first_made() {
    let db = TestDb::new().await.unwrap();
    let options = options(db.url());
    let first = Hub::start(options.clone()).await.unwrap();
    let admin = first.first_admin.as_ref().unwrap();
    assert!(admin.one_time_password.is_some() && admin.user.must_change_password);
    assert_ne!(first.addr.unwrap().port(), 0);
    first.shutdown().await.unwrap();
    let second = Hub::start(options).await.unwrap();
    assert!(second.first_admin.is_none());
    second.shutdown().await.unwrap();
}

#[tokio::test]
async fn two_hubs_that_start_at_once_make_one_admin() {
    let db = TestDb::new().await.unwrap();
    let options = options(db.url());
    let (one, two) = tokio::join!(Hub::start(options.clone()), Hub::start(options));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one.first_admin.is_some(), two.first_admin.is_none());
    one.shutdown().await.unwrap();
    two.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_taken_port_is_said_before_anything_else_is_done() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap();
    let nowhere = "postgres://nobody@127.0.0.1:1/none".to_owned();
    let said = refusal(HubOptions {
        listen: Some(listen),
        ..options(nowhere)
    })
    .await;
    assert!(said.contains(&format!("{listen} is taken")), "{said}");
}

#[tokio::test]
async fn a_database_that_is_not_there_is_named_at_once() {
    let started = std::time::Instant::now();
    let said = refusal(options("postgres://nobody@127.0.0.1:1/none".to_owned())).await;
    assert!(said.starts_with("cannot reach the database"), "{said}");
    assert!(said.contains("refused"), "{said}");
    assert!(started.elapsed().as_secs() < 5);
}

#[tokio::test]
async fn a_key_that_is_not_the_one_of_the_stored_credentials_is_refused() {
    let db = TestDb::new().await.unwrap();
    let right = options(db.url());
    let hub = Hub::start(right.clone()).await.unwrap();
    let tenant = hub.first_admin.as_ref().unwrap().user.tenant;
    let config = json!({
        "login_url": "http://127.0.0.1:1",
        "auth": {"kind": "client_credentials", "client_id": "id", "client_secret": "secret"},
    });
    let mut tx = hub.store.begin(tenant).await.unwrap();
    hub.peers
        .create(&mut tx, "salesforce", "CRM", config)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    hub.shutdown().await.unwrap();
    let said = refusal(options(db.url())).await;
    assert!(said.contains("sealed with another key"), "{said}");
    Hub::start(right).await.unwrap().shutdown().await.unwrap();
}

#[tokio::test]
async fn serving_an_old_schema_says_how_to_bring_it_up_to_date() {
    let db = TestDb::new().await.unwrap();
    let sql = db.pool().await.unwrap();
    sqlx::query("delete from _sqlx_migrations")
        .execute(&sql)
        .await
        .unwrap();
    let said = refusal(HubOptions {
        migrate: false,
        ..options(db.url())
    })
    .await;
    assert!(said.contains("syncline migrate"), "{said}");
}

#[tokio::test]
async fn a_hub_of_strangers_connects_to_no_system_inside_its_own_network() {
    let db = TestDb::new().await.unwrap();
    let given = options(db.url());
    for (public_systems, refused) in [(true, true), (false, false)] {
        let hub = Hub::start(HubOptions {
            public_systems,
            ..given.clone()
        });
        let hub = hub.await.unwrap();
        let mut tx = hub.store.begin_system().await.unwrap();
        let tenant = domain::tenants::list(&mut tx).await.unwrap()[0];
        drop(tx);
        for inside in [
            "https://127.0.0.1:1",
            "https://localhost:1",
            "https://[::ffff:a9fe:a9fe]",
        ] {
            let config = json!({
                "login_url": inside,
                "auth": {"kind": "client_credentials", "client_id": "id", "client_secret": "s"},
            });
            let mut tx = hub.store.begin(tenant).await.unwrap();
            let made = hub
                .peers
                .create(&mut tx, "salesforce", inside, config)
                .await;
            let made = made.unwrap();
            tx.commit().await.unwrap();
            if !refused && inside.contains('[') {
                // Nothing is asked for there: it may be slow to say no.
                continue;
            }
            let checked = hub.peers.check(tenant, made).await.unwrap();
            let error = checked.error.unwrap();
            let is_refused = error.message.contains("private network");
            assert_eq!(is_refused, refused, "{inside}: {}", error.message);
        }
        let mut tx = hub.store.begin(tenant).await.unwrap();
        sqlx::query("delete from connections")
            .execute(tx.conn())
            .await
            .unwrap();
        tx.commit().await.unwrap();
        hub.shutdown().await.unwrap();
    }
}
