//! What a mapping leaves out by its conditions, and what it does not write over.

use anyhow::Result;
use connector_sdk::Value;
use engine::mapping::FailReason;

use super::world::{MAPPING, World, record};

fn with_filter(filter: &str) -> String {
    MAPPING.replacen("[link]", &format!("where = \"{filter}\"\n\n[link]"), 1)
}

#[tokio::test]
async fn records_outside_of_a_mappings_condition_stay_out_and_stand_still() -> Result<()> {
    let mut world = World::new().await?;
    let mapping = with_filter("Notes = 'take' and 10 / Employees > 1");
    world.connection = world.connect("Filtered", &mapping).await?;
    let of = |key: &str, notes: &str, employees: i64| {
        let fields = [
            ("Name", key.into()),
            ("Notes", notes.into()),
            ("Employees", employees.into()),
        ];
        record(key, &fields)
    };
    let page = vec![
        of("1", "take", 5),
        of("2", "leave", 5),
        of("3", "take", 50),
        of("4", "take", 0),
        record("5", &[("Name", "5".into())]),
    ];
    let applied = world.pull(page).await?;
    let counts = &applied.counts;
    assert_eq!((counts.created, counts.excluded, counts.failed), (1, 4, 1));
    assert_eq!(world.count("select count(*) from records").await?, 1);

    // Gone outside: it stands still. A part of a record that does not say is no leaving.
    let away = vec![record(
        "1",
        &[
            ("Name", "Uno".into()),
            ("Notes", "leave".into()),
            ("Employees", 5_i64.into()),
        ],
    )];
    let applied = world.pull(away).await?;
    assert_eq!((applied.counts.excluded, applied.counts.updated), (1, 0));
    let account = world.account("1").await?;
    assert_eq!(account.value("name"), "1".into());
    world.edit(&account, &[("phone", "5550001".into())]).await?;
    let batch = world.claim().await?;
    assert_eq!(
        (batch.outgoing.len(), batch.settled),
        (0, 1),
        "what is not read is not written"
    );
    let part = vec![record("1", &[("Name", "Uno".into())])];
    assert_eq!(world.pull(part).await?.counts.updated, 1);
    assert_eq!(world.account("1").await?.value("name"), "Uno".into());
    Ok(())
}

#[tokio::test]
async fn a_computed_value_that_divides_by_zero_is_that_fields_problem_alone() -> Result<()> {
    let mut world = World::new().await?;
    let mapping = MAPPING.replace(
        "remote = \"Employees\"\npolicy = \"max\"",
        "value = \"100 / Employees\"\ndirection = \"in\"",
    );
    world.connection = world.connect("Computed", &mapping).await?;
    let of = |employees: Value| {
        let fields = [("Name", "One".into()), ("Employees", employees)];
        vec![record("1", &fields)]
    };
    world.pull(of(4_i64.into())).await?;
    assert_eq!(world.account("1").await?.value("employees"), 25_i64.into());
    let applied = world.pull(of(0_i64.into())).await?;
    assert_eq!(applied.counts.failed, 1);
    let account = world.account("1").await?;
    assert_eq!(account.value("employees"), 25_i64.into(), "it stands still");
    let problems: serde_json::Value = sqlx::query_scalar("select problems from records")
        .fetch_one(&world.db.pool().await?)
        .await?;
    assert_eq!(problems[0]["core"], "employees");
    assert_eq!(
        problems[0]["cause"],
        serde_json::to_value(FailReason::Expression)?
    );
    Ok(())
}

#[tokio::test]
async fn an_edit_is_not_written_over_what_is_there_where_the_mapping_says_so() -> Result<()> {
    let mut world = World::new().await?;
    let mapping = MAPPING.replace(
        "remote = \"Phone\"",
        "remote = \"Phone\"\nwrite = \"if_empty\"",
    );
    world.connection = world.connect("Careful", &mapping).await?;
    let page = vec![
        record("1", &[("Name", "One".into()), ("Phone", "5550001".into())]),
        record("2", &[("Name", "Two".into()), ("Phone", Value::Null)]),
    ];
    world.pull(page).await?;
    for key in ["1", "2"] {
        let account = world.account(key).await?;
        world.edit(&account, &[("phone", "5559999".into())]).await?;
    }
    let batch = world.claim().await?;
    assert_eq!((batch.outgoing.len(), batch.settled), (1, 1));
    let two = world.account("2").await?;
    assert_eq!(batch.outgoing[0].entity_id, two.id);
    Ok(())
}
