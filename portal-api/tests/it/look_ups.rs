//! What entities are found by costs what is found, however many there are.

use domain::accounts::Accounts;
use domain::contacts::Contacts;
use engine::entity::{CoreTable, MOST_FOUND};
use engine::{Store, Tx};

use crate::world::World;

const ENTITIES: i32 = 2_000;
const TEXTS: usize = 100;

/// Looks texts up in `table` by `field` that none of its many rows has, and returns how many rows
/// that touched.
async fn touched<T: CoreTable>(tx: &mut Tx, table: &str, field: &str, texts: &[String]) -> i64 {
    let count = "select coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)
                 from pg_stat_xact_user_tables where relname = $1";
    let before: i64 = sqlx::query_scalar(count)
        .bind(table)
        .fetch_one(tx.conn())
        .await
        .unwrap();
    let found = T::find(tx, field, texts).await.unwrap();
    assert_eq!(found, []);
    let after: i64 = sqlx::query_scalar(count)
        .bind(table)
        .fetch_one(tx.conn())
        .await
        .unwrap();
    after - before
}

fn ids() -> Vec<String> {
    (0..TEXTS)
        .map(|n| format!("00000000-0000-0000-0000-{n:012}"))
        .collect()
}

fn texts() -> Vec<String> {
    (0..TEXTS).map(|n| format!("nobody{n}.example")).collect()
}

/// As in a first pull: the plan is made while the tables are empty, and nothing is known of what
/// they hold when they are full.
#[tokio::test]
async fn finding_touches_no_row_of_others() {
    let world = World::new().await;
    let store: &Store = &world.store;
    // Counted when nothing was there that anybody could see: every index looks as good as any other.
    let pool = world.db.pool().await.unwrap();
    let counted = "update pg_class set reltuples = 0, relpages = 1000
                   where relname in ('accounts', 'contacts')";
    sqlx::query(counted).execute(&pool).await.unwrap();
    let mut tx = store.begin(world.tenant).await.unwrap();
    let sought = [("domain", texts()), ("name", texts()), ("parent", ids())];
    let of_contacts = [
        ("email", texts()),
        ("last_name", texts()),
        ("account", ids()),
    ];
    for full in [false, true] {
        // More often than Postgres plans anew.
        for _ in 0..8 {
            for (field, texts) in &sought {
                let touched = touched::<Accounts>(&mut tx, "accounts", field, texts).await;
                assert_eq!(touched, 0, "accounts by {field}, full: {full}");
            }
            for (field, texts) in &of_contacts {
                let touched = touched::<Contacts>(&mut tx, "contacts", field, texts).await;
                assert_eq!(touched, 0, "contacts by {field}, full: {full}");
            }
        }
        if !full {
            fill(&mut tx).await;
        }
    }
}

async fn fill(tx: &mut Tx) {
    let accounts = "insert into accounts (id, name, domain, parent, created_at, updated_at)
                    select gen_random_uuid(), 'Firm ' || n, 'firm' || n || '.example',
                           gen_random_uuid(), now(), now()
                    from generate_series(1, $1) n";
    let contacts = "insert into contacts (id, last_name, email, account, created_at, updated_at)
                    select gen_random_uuid(), 'Name ' || n, 'p' || n || '@firm.example',
                           gen_random_uuid(), now(), now()
                    from generate_series(1, $1) n";
    for statement in [accounts, contacts] {
        sqlx::query(statement)
            .bind(ENTITIES)
            .execute(tx.conn())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_whole_name_is_found_among_many_that_begin_with_the_same_word() {
    let world = World::new().await;
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    fill(&mut tx).await;
    let names: Vec<String> = (1..=ENTITIES)
        .step_by(97)
        .map(|n| format!("firm {n}"))
        .collect();
    let found = Accounts::find_whole(&mut tx, "name", &names).await.unwrap();
    let mut found: Vec<String> = found.into_iter().map(|(name, _)| name).collect();
    found.sort();
    let mut names = names;
    names.sort();
    assert_eq!(found, names);
    let alike = Accounts::find(&mut tx, "name", &["firm".to_owned()]).await;
    assert_eq!(alike.unwrap().len(), usize::try_from(MOST_FOUND).unwrap());
}
