//! The vault's key is exchanged under a hub that runs, cut short anywhere, and the old one opens nothing.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where what it builds on is not there"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::sealed;
use domain::tenants::{self, NewTenant};
use engine::ids::{MailId, TenantId};
use engine::vault::Vault;
use engine::{Clock, Store};
use hub::{Phase, rotate, vault};
use secrecy::ExposeSecret as _;
use sqlx::PgPool;
use testdb::TestDb;

struct World {
    store: Store,
    pool: PgPool,
    tenants: Vec<TenantId>,
    key_file: PathBuf,
    _dir: tempfile::TempDir,
    _db: TestDb,
}

/// Two tenants with more sealed values than one part of a rotation takes.
async fn world() -> World {
    let db = TestDb::new().await.unwrap();
    let store = db.store(Clock::system()).await.unwrap();
    let pool = db.pool().await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let key_file = dir.path().join("vault.key");
    let vault = vault(&key_file).unwrap();
    sealed::check_key(&store, &vault).await.unwrap();
    let mut all = Vec::new();
    for name in ["One", "Two"] {
        let mut tx = store.begin_system().await.unwrap();
        let new = NewTenant {
            name: name.to_owned(),
            environment: "test".to_owned(),
        };
        all.push(tenants::insert(&mut tx, &new).await.unwrap());
        tx.commit().await.unwrap();
    }
    for tenant in &all {
        for at in 0..230 {
            mail(&pool, &vault, *tenant, &format!("text {at}")).await;
        }
        let id = engine::ids::fresh();
        let secret = vault
            .seal(&format!("token-key/{id}"), b"a signing key")
            .unwrap();
        sqlx::query(
            "insert into token_keys (tenant_id, id, secret, created_at) values ($1, $2, $3, now())",
        )
        .bind(tenant.0)
        .bind(id)
        .bind(secret)
        .execute(&pool)
        .await
        .unwrap();
        provider(&pool, &vault, *tenant).await;
    }
    World {
        store,
        pool,
        tenants: all,
        key_file,
        _dir: dir,
        _db: db,
    }
}

/// Stores a sealed mail, as somebody does who is at work.
async fn mail(pool: &PgPool, vault: &Vault, tenant: TenantId, text: &str) {
    let id = MailId::fresh();
    // As everybody does: sealed within the transaction that stores it.
    let mut tx = pool.begin().await.unwrap();
    let body = vault
        .seal(&format!("mail/{}", id.0), text.as_bytes())
        .unwrap();
    sqlx::query(
        "insert into outgoing_mails (tenant_id, id, kind, recipient, subject, body, created_at)
         values ($1, $2, 'reset', 'a@b', 's', $3, now())",
    )
    .bind(tenant.0)
    .bind(id.0)
    .bind(body)
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
}

/// An identity provider, with a sign-in on its way through it and a session that came from it.
async fn provider(pool: &PgPool, vault: &Vault, tenant: TenantId) {
    let user = engine::ids::fresh();
    sqlx::query(
        "insert into users (tenant_id, id, email, name, role, state, created_at)
         values ($1, $2, $3, 'Ada', 'viewer', 'active', now())",
    )
    .bind(tenant.0)
    .bind(user)
    .bind(format!("{user}@one.example"))
    .execute(pool)
    .await
    .unwrap();
    let id = engine::ids::fresh();
    let secret = seal(vault, "identity_provider", id);
    sqlx::query(
        "insert into identity_providers
             (tenant_id, id, protocol, preset, name, config, secret, created_at)
         values ($1, $2, 'oidc', 'custom', 'Company', '{}', $3, now())",
    )
    .bind(tenant.0)
    .bind(id)
    .bind(secret)
    .execute(pool)
    .await
    .unwrap();
    let attempt = engine::ids::fresh();
    sqlx::query(
        "insert into sign_in_attempts
             (tenant_id, id, state_hash, browser_hash, provider_id, purpose, config_version,
              secrets, origin, next, outcome, created_at, expires_at)
         values ($1, $2, $3, '', $4, 'sign_in', 1, $5, '', '/', $6, now(), now())",
    )
    .bind(tenant.0)
    .bind(attempt)
    .bind(attempt.as_bytes().as_slice())
    .bind(id)
    .bind(seal(vault, "sign_in_attempt", attempt))
    .bind(seal(vault, "sign_in_attempt", attempt))
    .execute(pool)
    .await
    .unwrap();
    let session = engine::ids::fresh();
    sqlx::query(
        "insert into provider_sessions
             (tenant_id, session_id, user_id, provider_id, issuer, subject, tokens, created_at)
         values ($1, $2, $3, $4, '', '', $5, now())",
    )
    .bind(tenant.0)
    .bind(session)
    .bind(user)
    .bind(id)
    .bind(seal(vault, "provider_session", session))
    .execute(pool)
    .await
    .unwrap();
    let export = engine::ids::fresh();
    sqlx::query(
        "insert into subject_exports
             (tenant_id, id, entity_id, reason, asked_by, asked_at, body, done_at, expires_at)
         values ($1, $2, $2, '', $3, now(), $4, now(), now())",
    )
    .bind(tenant.0)
    .bind(export)
    .bind(user)
    .bind(seal(vault, "subject-export", export))
    .execute(pool)
    .await
    .unwrap();
}

fn seal(vault: &Vault, of: &str, id: sqlx::types::Uuid) -> Vec<u8> {
    vault.seal(&format!("{of}/{id}"), b"a secret").unwrap()
}

/// How many values open with this vault, and how many there are.
async fn opened(pool: &PgPool, vault: &Vault) -> (usize, usize) {
    let mails: Vec<(sqlx::types::Uuid, Vec<u8>)> =
        sqlx::query_as("select id, body from outgoing_mails")
            .fetch_all(pool)
            .await
            .unwrap();
    let keys: Vec<(sqlx::types::Uuid, Vec<u8>)> =
        sqlx::query_as("select id, secret from token_keys")
            .fetch_all(pool)
            .await
            .unwrap();
    let others: Vec<(String, Vec<u8>)> = sqlx::query_as(
        "select 'identity_provider/' || id, secret from identity_providers
         union all select 'provider_session/' || session_id, tokens from provider_sessions
         union all select 'sign_in_attempt/' || id, secrets from sign_in_attempts
         union all select 'sign_in_attempt/' || id, outcome from sign_in_attempts
         union all select 'subject-export/' || id, body from subject_exports",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let all = mails.len() + keys.len() + others.len();
    let mails = mails.iter().filter(|(id, body)| {
        let opened = vault.open(&format!("mail/{id}"), body);
        opened.is_ok_and(|text| text.expose_secret().starts_with(b"text"))
    });
    let keys = keys.iter().filter(|(id, secret)| {
        let opened = vault.open(&format!("token-key/{id}"), secret);
        opened.is_ok_and(|text| text.expose_secret() == b"a signing key")
    });
    let others = others.iter().filter(|(owner, sealed)| {
        let opened = vault.open(owner, sealed);
        opened.is_ok_and(|text| text.expose_secret() == b"a secret")
    });
    (mails.count() + keys.count() + others.count(), all)
}

fn copy(from: &Path, name: &str) -> PathBuf {
    let to = from.with_file_name(name);
    fs::copy(from, &to).unwrap();
    fs::set_permissions(&to, fs::Permissions::from_mode(0o600)).unwrap();
    to
}

#[tokio::test]
async fn a_rotation_that_is_cut_short_anywhere_loses_nothing_and_goes_on() {
    for phase in [Phase::Begun, Phase::Some, Phase::All, Phase::Retired] {
        let world = world().await;
        let running = vault(&world.key_file).unwrap();
        let old = copy(&world.key_file, "old.key");
        rotate(&world.store, &world.key_file, phase).await.unwrap();
        // The process that runs, and one that starts now, open everything.
        let started = vault(&world.key_file).unwrap();
        sealed::check_key(&world.store, &started).await.unwrap();
        for vault in [&running, &started] {
            let (opens, all) = opened(&world.pool, vault).await;
            assert_eq!(opens, all, "{phase:?}");
        }
        if phase == Phase::Some {
            let (still_old, _) = opened(&world.pool, &vault(&old).unwrap()).await;
            assert!(
                (1..=470).contains(&still_old),
                "{still_old} are under the old key"
            );
        }
        mail(&world.pool, &running, world.tenants[0], "text of meanwhile").await;
        rotate(&world.store, &world.key_file, Phase::Finished)
            .await
            .unwrap();
        assert_eq!(fs::read(&world.key_file).unwrap().len(), 32);
        for vault in [&running, &vault(&world.key_file).unwrap()] {
            let (opens, all) = opened(&world.pool, vault).await;
            assert_eq!((opens, all), (473, 473), "{phase:?}");
        }
        // The old key opens nothing, and a hub with it does not start.
        let old = vault(&old).unwrap();
        assert_eq!(opened(&world.pool, &old).await.0, 0);
        let refused = sealed::check_key(&world.store, &old).await.unwrap_err();
        assert!(refused.to_string().contains("was retired"), "{refused}");
        for tenant in &world.tenants {
            let noted: i64 = sqlx::query_scalar(
                "select count(*) from audit_entries where tenant_id = $1
                 and action = 'rotate_keys' and actor_name = 'syncline admin'",
            )
            .bind(tenant.0)
            .fetch_one(&world.pool)
            .await
            .unwrap();
            assert!(noted >= 1, "{phase:?}");
        }
    }
}

#[tokio::test]
async fn who_is_at_work_meanwhile_notices_nothing() {
    let world = world().await;
    let stop = Arc::new(AtomicBool::new(false));
    let at_work = {
        let (stop, pool, tenant) = (stop.clone(), world.pool.clone(), world.tenants[0]);
        let vault = vault(&world.key_file).unwrap();
        tokio::spawn(async move {
            let mut made = 0;
            while !stop.load(Ordering::SeqCst) {
                mail(&pool, &vault, tenant, &format!("text {made}")).await;
                let (id, body): (sqlx::types::Uuid, Vec<u8>) =
                    sqlx::query_as("select id, body from outgoing_mails order by random() limit 1")
                        .fetch_one(&pool)
                        .await
                        .unwrap();
                vault.open(&format!("mail/{id}"), &body).unwrap();
                made += 1;
            }
            made
        })
    };
    for _ in 0..3 {
        rotate(&world.store, &world.key_file, Phase::Finished)
            .await
            .unwrap();
    }
    stop.store(true, Ordering::SeqCst);
    assert!(at_work.await.unwrap() > 0);
    let (opens, all) = opened(&world.pool, &vault(&world.key_file).unwrap()).await;
    assert_eq!(opens, all);
}

#[tokio::test]
async fn a_value_under_a_key_that_is_not_there_stops_the_rotation_before_the_old_key_goes() {
    let world = world().await;
    let other = Vault::new(&Vault::fresh_key().unwrap()).unwrap();
    mail(&world.pool, &other, world.tenants[1], "text of another hub").await;
    let error = rotate(&world.store, &world.key_file, Phase::Finished)
        .await
        .unwrap_err();
    assert!(
        format!("{error:#}").contains("outgoing_mails.body"),
        "{error:#}"
    );
    assert_eq!(
        fs::read(&world.key_file).unwrap().len(),
        64,
        "both keys stay"
    );
}

#[tokio::test]
async fn every_column_of_bytes_is_sealed_and_known_or_known_not_to_be() {
    /// Hashes, journals, public keys, pictures: what nobody sealed.
    const PLAIN: [&str; 4] = ["hash", "digest", "input", "output"];
    const PUBLIC: [&str; 6] = [
        "_sqlx_migrations.checksum",
        "brands.logo",
        "passkeys.credential_id",
        "suppression_salts.salt",
        "suppressions.token",
        "vault_keys.key_id",
    ];
    let world = world().await;
    let columns: Vec<String> = sqlx::query_scalar(
        "select table_name || '.' || column_name from information_schema.columns
         where data_type = 'bytea' and table_schema = 'public' order by 1",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap();
    let sealed: Vec<&str> = sealed::columns().collect();
    for column in &sealed {
        assert!(
            columns.iter().any(|known| known == column),
            "{column} is gone"
        );
    }
    for column in columns {
        let is_plain = PLAIN.iter().any(|end| column.ends_with(end))
            || PUBLIC.contains(&column.as_str())
            || (column.starts_with("signals") && column.ends_with(".body"));
        let known = sealed.contains(&column.as_str()) || is_plain;
        assert!(
            known,
            "{column}: is it sealed? then name it in domain::sealed"
        );
    }
}
