//! A system that changes what it says of its fields.

use std::time::Duration;

use connector_salesforce::sim::SimOptions;
use connector_salesforce::sim::schema::{Field, FieldType as Kind};
use engine::sdk::{FieldType, MAX_FIELDS};
use serde_json::{Value as Json, json};

use crate::odd::{Scripted, field};
use crate::previews::{account_mapping, draft, publish};
use crate::world::{Connected, World};

async fn run(world: &World, connected: &Connected, path: &str, body: Json) -> Json {
    let path = format!("/connections/{}/streams/{path}", connected.id);
    let started = world.admin.post(&path, &body).await.expect(202);
    world.ended(&started).await
}

async fn drifts(world: &World, id: &str) -> Vec<Json> {
    let path = format!("/connections/{id}/streams/Account/drifts");
    let list = world.admin.get(&path).await.expect(200);
    list["items"].as_array().unwrap().clone()
}

async fn number(world: &World, sql: &'static str) -> i64 {
    let pool = world.db.pool().await.unwrap();
    sqlx::query_scalar(sql).fetch_one(&pool).await.unwrap()
}

/// The text with a plan and a region; the organisation has both fields.
fn with_plan(text: &str) -> String {
    let rows = "[[field]]\ncore = \"tier\"\nremote = \"Plan__c\"\n\n\
                [[field]]\ncore = \"founded\"\nremote = \"Region__c\"\ndirection = \"in\"\n";
    let kept = text
        .split("[[field]]")
        .filter(|row| !row.contains("core = \"tier\"") && !row.contains("core = \"founded\""));
    let kept: Vec<&str> = kept.collect();
    format!("{}\n\n{rows}", kept.join("[[field]]"))
}

/// Scenario 18: `Plan__c` becomes a picklist, `Region__c` goes and a field becomes required, between
/// two pages of a read.
#[tokio::test]
async fn a_schema_change_in_the_middle_of_a_read_lets_only_its_fields_stand_still() {
    let world = World::new().await;
    let options = SimOptions {
        page_size: 10,
        ..SimOptions::default()
    };
    let connected = world.connected_to(options, 60, 0).await;
    let sim = connected.salesforce.sim.clone();
    sim.add_field("Account", Field::new("Plan__c", Kind::String).length(40))
        .unwrap();
    sim.add_field("Account", Field::new("Region__c", Kind::String).length(40))
        .unwrap();
    sim.add_field("Account", Field::new("Segment__c", Kind::String).length(20))
        .unwrap();
    let keys = sim.ids("Account");
    for key in &keys {
        let fields = json!({"Plan__c": "Basic", "Region__c": "1999", "Segment__c": "A"});
        sim.update("Account", key, fields).unwrap();
    }
    // A read ends at the second before the server's.
    sim.clock.advance(chrono::Duration::seconds(2));
    let discover = format!("/connections/{}/discover", connected.id);
    world.admin.post(&discover, &json!({})).await.expect(200);
    let (path, text) = account_mapping(&world).await;
    let version = draft(&world.admin, &path, &with_plan(&text)).await;
    publish(&world.admin, &path, &version, None)
        .await
        .expect(200);
    let first = run(&world, &connected, "Account/pull", json!({})).await;
    assert_eq!(first["counts"]["created"], 60, "{first}");
    let plans = "select count(*) from accounts where tier = 'Basic' and founded = '1999'";
    assert_eq!(number(&world, plans).await, 60);

    // Everybody moves to Gold, and while that is read the schema changes, after its third page.
    for key in &keys {
        let fields = json!({"Plan__c": "Gold", "Phone": "+1 555 0100", "Region__c": "2001"});
        sim.update("Account", key, fields).unwrap();
    }
    // A read ends at the second before the server's.
    sim.clock.advance(chrono::Duration::seconds(2));
    let changing = sim.clone();
    let change = tokio::spawn(async move {
        let begun = changing.requests().of("query_more") + changing.requests().of("query_all");
        loop {
            let asked = changing.requests();
            if asked.of("query_more") + asked.of("query_all") >= begun + 3 {
                break;
            }
            tokio::task::yield_now().await;
        }
        let plan = Field::new("Plan__c", Kind::Picklist).values(&["Basic", "Gold"], false);
        changing.retype_field("Account", plan).unwrap();
        changing.remove_field("Account", "Region__c").unwrap();
        let needed = |field: &mut Field| field.nillable = false;
        changing
            .edit_field("Account", "Segment__c", needed)
            .unwrap();
        // What was opened before the change is closed by it.
        changing.faults().locator_ttl_ms = Some(0);
    });
    let second = run(&world, &connected, "Account/pull", json!({})).await;
    change.await.unwrap();
    assert_eq!(second["state"], "succeeded", "{second}");
    // Only what changed stands still; other fields flow.
    let phones = "select count(*) from accounts where phone = '+1 555 0100'";
    assert_eq!(number(&world, phones).await, 60, "{second}");
    let gold = number(&world, "select count(*) from accounts where tier = 'Gold'").await;
    assert!(
        (1..60).contains(&gold),
        "{gold}: before and after the change"
    );
    let held = drifts(&world, &connected.id).await;
    let mut kinds: Vec<(&str, &str)> = held
        .iter()
        .map(|drift| {
            (
                drift["field"].as_str().unwrap(),
                drift["kind"].as_str().unwrap(),
            )
        })
        .collect();
    kinds.sort_unstable();
    assert_eq!(
        kinds,
        [
            ("Plan__c", "type"),
            ("Region__c", "removed"),
            ("Segment__c", "required")
        ],
        "{held:?}"
    );
    let plan = held
        .iter()
        .find(|drift| drift["field"] == "Plan__c")
        .unwrap();
    assert_eq!(
        (
            &plan["held"],
            &plan["before"]["type"],
            &plan["after"]["type"]
        ),
        (&json!(["tier"]), &json!("text"), &json!("choice"))
    );
    let raw = "select count(*) from records where raw ->> 'Plan__c' = 'Gold'";
    assert_eq!(number(&world, raw).await, 60, "the payloads are kept");
    let classes = world
        .admin
        .get("/failure-classes?state=open")
        .await
        .expect(200);
    let schema: Vec<&Json> = classes["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|class| class["source"] == "schema")
        .collect();
    assert_eq!(schema.len(), 3, "{classes}");
    assert_eq!(schema[0]["remedy"]["who"], "person");
    let retry = format!(
        "/failure-classes/{}/retry",
        schema[0]["id"].as_str().unwrap()
    );
    let retry = world.admin.post(&retry, &json!({"count": 1})).await;
    retry.problem(409, "conflict");

    // A new account waits for what over there asks for; edits of the plan wait too.
    let made = json!({"fields": {"name": "Made here"}});
    world.admin.post("/accounts", &made).await.expect(201);
    let pool = world.db.pool().await.unwrap();
    let id: sqlx::types::Uuid =
        sqlx::query_scalar("select id from accounts where tier = 'Gold' order by id limit 1")
            .fetch_one(&pool)
            .await
            .unwrap();
    let account = format!("/accounts/acc_{}", id.simple());
    let etag = world.admin.get(&account).await.etag();
    let edit = json!({"fields": {"tier": "Hub", "website": "https://edited.example"}});
    world
        .admin
        .send(
            axum::http::Method::PATCH,
            &account,
            Some(&etag),
            Some(&edit),
        )
        .await
        .expect(200);
    let engine = world.worker().await;
    testkit::until("the website over there", Duration::from_secs(20), || {
        let (sim, keys) = (sim.clone(), keys.clone());
        async move {
            let edited = keys.iter().filter_map(|key| sim.get("Account", key));
            let edited = edited.filter(|row| {
                row["Website"] == "https://edited.example" && row["Plan__c"] == "Gold"
            });
            Ok((edited.count() == 1).then_some(()))
        }
    })
    .await
    .unwrap();
    engine.shutdown().await;
    assert_eq!(
        sim.count("Account"),
        60,
        "nothing was made without its segment"
    );

    // The proposal, previewed and published like any other version.
    let proposal = format!(
        "/connections/{}/streams/Account/drifts/proposal",
        connected.id
    );
    let proposed = world.admin.get(&proposal).await.expect(200);
    let text = proposed["text"].as_str().unwrap();
    assert!(
        text.contains("Segment__c = \"unknown\"") && !text.contains("Region__c"),
        "{text}"
    );
    assert_eq!(proposed["edits"].as_array().unwrap().len(), 3, "{proposed}");
    let drafted = world.admin.post(&proposal, &json!({})).await.expect(201);
    let order = json!({"version": drafted["version"], "live": 0});
    let started = world.admin.post(&format!("{path}/previews"), &order).await;
    let started = started.expect(202);
    let engine = world.worker().await;
    let one = format!("{path}/previews/{}", started["id"].as_str().unwrap());
    let preview = testkit::until("a preview", Duration::from_secs(20), || async {
        let preview = world.admin.get(&one).await.expect(200);
        Ok((preview["state"] == "done").then_some(preview))
    })
    .await
    .unwrap();
    assert_eq!(preview["fields"]["tier"], 60 - gold, "{preview}");
    publish(
        &world.admin,
        &path,
        &drafted["version"],
        Some(&preview["id"]),
    )
    .await
    .expect(200);
    testkit::until("all plans applied", Duration::from_secs(30), || async {
        let held = "select count(*) from accounts where tier = 'Gold'";
        Ok((number(&world, held).await >= 59).then_some(()))
    })
    .await
    .unwrap();
    // What was held back went out as well.
    testkit::until(
        "the plan of the hub over there",
        Duration::from_secs(30),
        || {
            let (sim, keys) = (sim.clone(), keys.clone());
            async move {
                let plans = keys.iter().filter_map(|key| sim.get("Account", key));
                let set = plans.filter(|row| row["Plan__c"] == "Hub").count();
                Ok((set == 1).then_some(()))
            }
        },
    )
    .await
    .unwrap();
    engine.shutdown().await;
    let edited = "select count(*) from accounts where tier = 'Hub'";
    assert_eq!(number(&world, edited).await, 1, "the edit stands");
    let regions = "select count(*) from accounts where founded is not null";
    assert_eq!(
        number(&world, regions).await,
        60,
        "the hub keeps what it had"
    );
    let after = drifts(&world, &connected.id).await;
    assert!(
        after.iter().all(|drift| drift["state"] == "decided"),
        "{after:?}"
    );
    let shown = format!("/connections/{}/streams/Account/coverage", connected.id);
    assert_eq!(world.admin.get(&shown).await.expect(200)["held"], 0);
    let classes = world
        .admin
        .get("/failure-classes?state=open")
        .await
        .expect(200);
    let open = classes["items"].as_array().unwrap().iter();
    assert_eq!(
        open.filter(|class| class["source"] == "schema").count(),
        0,
        "{classes}"
    );
}

async fn held(world: &World, scripted: &Scripted) -> Vec<(String, String, String)> {
    let mut told: Vec<(String, String, String)> = drifts(world, &scripted.id)
        .await
        .iter()
        .map(|drift| {
            let text = |name: &str| drift[name].as_str().unwrap().to_owned();
            (text("field"), text("kind"), text("state"))
        })
        .collect();
    told.sort_unstable();
    told
}

fn said(field: &str, kind: &str, state: &str) -> (String, String, String) {
    (field.to_owned(), kind.to_owned(), state.to_owned())
}

#[tokio::test]
async fn a_field_that_comes_back_is_no_longer_held_and_its_values_are_taken_over() {
    let world = World::new().await;
    let scripted = world.scripted(5).await;
    world.reads(&scripted).await;
    let staff = |scripted: &Scripted, kind| {
        let mut script = scripted.script();
        script.fields.retain(|field| field.name != "Staff");
        script.fields.push(field("Staff", kind));
    };
    staff(&scripted, FieldType::Text);
    {
        let mut script = scripted.script();
        let changed = [("Staff", 9_i64.into()), ("Phone", "5552222".into())];
        script.put("k00001", &changed, Some(engine::Clock::system().now()));
        script
            .feed
            .push(crate::odd::Said::Changed("k00001".to_owned()));
    }
    world.reads(&scripted).await;
    assert_eq!(
        held(&world, &scripted).await,
        [said("Staff", "type", "open")]
    );
    let phones = "select count(*) from accounts where phone = '5552222' and employees = 7";
    assert_eq!(
        number(&world, phones).await,
        1,
        "the number stands still, the phone flows"
    );
    // The same description again holds nothing more.
    world.reads(&scripted).await;
    assert_eq!(held(&world, &scripted).await.len(), 1);
    staff(&scripted, FieldType::Integer);
    world.reads(&scripted).await;
    assert_eq!(
        held(&world, &scripted).await,
        [said("Staff", "type", "recovered")]
    );
    let nine = "select count(*) from accounts where employees = 9";
    assert_eq!(number(&world, nine).await, 1);
    let nothing = scripted.path("/drifts/proposal");
    let proposal = world.admin.get(&nothing).await.expect(200);
    assert_eq!(proposal["text"], Json::Null);
    world
        .admin
        .post(&nothing, &json!({}))
        .await
        .problem(409, "conflict");
}

#[tokio::test]
async fn hostile_descriptions_hold_a_field_or_stop_the_stream_and_never_more() {
    let world = World::new().await;
    let scripted = world.scripted(5).await;
    world.reads(&scripted).await;
    // Twice, and not the same; of a type that nobody knows.
    scripted.script().fields.extend([
        field("Phone", FieldType::Date),
        field("New", FieldType::Other),
    ]);
    let run = world.reads(&scripted).await;
    assert_eq!(run["state"], "succeeded", "{run}");
    assert_eq!(
        held(&world, &scripted).await,
        [said("Phone", "type", "open")]
    );
    // Larger than any: told as a class, and what was known stands.
    let many = (0..=MAX_FIELDS).map(|at| field(&format!("F{at}"), FieldType::Text));
    let before = scripted.script().fields.clone();
    scripted.script().fields.extend(many);
    let run = world.reads(&scripted).await;
    assert_eq!(run["state"], "failed", "{run}");
    assert!(run.to_string().contains("fields and"), "{run}");
    let discover = format!("/connections/{}/discover", scripted.id);
    world.admin.post(&discover, &json!({})).await.expect(200);
    assert_eq!(held(&world, &scripted).await.len(), 1);
    scripted.script().fields = before;
    let run = world.reads(&scripted).await;
    assert_eq!(run["state"], "succeeded", "{run}");
}
