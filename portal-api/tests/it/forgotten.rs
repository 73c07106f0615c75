//! An erasure, judged by what is left: a value of every field that is classified as personal is put
//! wherever the hub keeps values, and afterwards looked for in every column of the database.

use std::collections::BTreeMap;

use axum::http::Method;
use connector_salesforce::sim::{Condition, SimOptions, Validation};

use engine::catalogue::{FieldKind, Personal};
use engine::ids::EntityId;
use engine::likeness::{Agreement, Evidence, Likeness};
use engine::sdk::Value;
use engine::store::conflicts::{self, Opened, Sides};
use engine::store::link_events::{self, Made};
use engine::store::matches::{self, Candidate, Held, Why};
use engine::store::plans;
use serde_json::{Value as Json, json};

use crate::previews::{draft, with_etag};
use crate::privacy::{forget, places_of, pull, second_admin};
use crate::world::{Connected, World};

/// A value of every field of contacts that is classified as personal, by the field's name.
async fn canaries(world: &World) -> BTreeMap<String, String> {
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    let kind = domain::core_tables().kind("contact").unwrap();
    let catalogue = plans::catalogue(&mut tx, &kind).await.unwrap();
    let personal = catalogue.fields().iter().enumerate();
    let personal = personal.filter(|(_, field)| field.personal != Personal::No);
    let value = |(at, field): (usize, &engine::catalogue::Field)| {
        let plain: String = field
            .name
            .chars()
            .filter(char::is_ascii_alphabetic)
            .collect();
        let text = match field.kind {
            FieldKind::Email => format!("canary{plain}@person.example"),
            FieldKind::Phone => format!("+49 30 77018{at:03}"),
            // No field over there is shorter than a postal code.
            _ => format!("Canary{at:02}{plain:.12}"),
        };
        (field.name.clone(), text)
    };
    personal.map(value).collect()
}

fn contact_mapping(list: &Json) -> String {
    let mut items = list["items"].as_array().unwrap().iter();
    let mapping = items.find(|one| one["entity"] == "contact").unwrap();
    format!("/mappings/{}", mapping["id"].as_str().unwrap())
}

/// A contact with all canaries, here and over there, and its record's key.
async fn person(
    world: &World,
    connected: &Connected,
    canaries: &BTreeMap<String, String>,
) -> (String, String) {
    let sim = &connected.salesforce.sim;
    let name = json!({"LastName": canaries["last_name"], "Email": canaries["email"]});
    let key = sim.insert("Contact", name).unwrap();
    pull(world, connected, false).await;
    let found = format!("/contacts?q={}", canaries["last_name"]);
    let page = world.admin.get(&found).await.expect(200);
    let path = format!("/contacts/{}", page["items"][0]["id"].as_str().unwrap());
    let etag = world.admin.get(&path).await.etag();
    let all = json!({"fields": canaries});
    world
        .admin
        .send(Method::PATCH, &path, Some(&etag), Some(&all))
        .await
        .expect(200);
    world.work_until_idle().await;
    // And back, so that reads hold them too.
    sim.update("Contact", &key, json!({"Title": "Boss"}))
        .unwrap();
    pull(world, connected, true).await;
    (path, key)
}

/// A write that the system refuses, naming the person in words that are not kept.
async fn refused_write(world: &World, connected: &Connected, path: &str, last_name: &str) {
    connected.salesforce.sim.faults().validations = vec![Validation {
        object: "Contact".to_owned(),
        field: "Department".to_owned(),
        when: Condition::Contains("Nowhere".to_owned()),
        message: format!("{last_name} is in no such department"),
    }];
    let change = json!({"fields": {"department": "Nowhere"}});
    with_etag(&world.admin, Method::PATCH, path, path, &change)
        .await
        .expect(200);
    world.work_until_idle().await;
    // Classes are made up when they are looked at.
    let classes = world.admin.get("/failure-classes?state=open").await;
    let classes = classes.expect(200);
    assert_eq!(classes["items"].as_array().unwrap().len(), 1, "{classes}");
}

/// A record that may be the person's, one that is not and was compared with them, and how their own
/// came to be theirs.
async fn compared(
    world: &World,
    connected: &Connected,
    id: EntityId,
    key: &str,
    of: &BTreeMap<String, String>,
) {
    let evidence: Vec<Evidence> = of
        .iter()
        .map(|(field, text)| Evidence {
            field: field.clone(),
            here: Value::text(text),
            there: Value::text("Another"),
            agreement: Agreement::Apart,
            weight: -1,
        })
        .collect();
    let likeness = Likeness {
        score: 14,
        evidence: evidence.clone(),
    };
    let held = |key: &str, raw: Json| Held {
        key: key.to_owned(),
        why: Why::Possible,
        candidates: vec![Candidate {
            entity_id: id,
            is_taken: false,
            likeness: likeness.clone(),
        }],
        keys: vec![format!("email:{}", of["email"])],
        raw: raw.to_string(),
        remote_version: None,
        remote_changed_at: None,
    };
    let held = [
        held("003000000000001AAA", json!({"LastName": of["last_name"]})),
        held("003000000000002AAA", json!({"LastName": "Another"})),
    ];
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    let connection = connected.id.parse().unwrap();
    let run = engine::ids::RunId::fresh();
    let place = matches::Place {
        connection,
        stream: "Contact",
        entity: "contact",
        mapping_version: 1,
    };
    matches::hold(&mut tx, &place, run, &held).await.unwrap();
    sqlx::query(
        "update matches set state = 'different', decided_at = now(), note = $1
         where key = '003000000000002AAA'",
    )
    .bind(format!("not {}", of["last_name"]))
    .execute(tx.conn())
    .await
    .unwrap();
    let made = Made {
        key: key.to_owned(),
        entity_id: id,
        from: None,
        method: link_events::Method::StrongKey,
        evidence,
        score: Some(14),
        by: None,
    };
    link_events::note(&mut tx, (connection, "Contact"), "contact", None, &[made])
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

/// A conflict about every personal field, and a record held back, as the sync stores them.
async fn held(
    world: &World,
    connected: &Connected,
    path: &str,
    key: &str,
    of: &BTreeMap<String, String>,
) {
    let sides = |text: &String| Sides {
        base: Some(Value::text(text)),
        core: Value::text(text),
        remote: Value::text(format!("{text} too")),
    };
    let id: engine::ids::ContactId = path.trim_start_matches("/contacts/").parse().unwrap();
    let conflict = Opened {
        entity: "contact",
        entity_id: id.into(),
        record_key: key.to_owned(),
        group: "name".to_owned(),
        kind: "edit",
        fields: of
            .iter()
            .map(|(name, text)| (name.clone(), sides(text)))
            .collect(),
    };
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    let connection = connected.id.parse().unwrap();
    conflicts::open(&mut tx, connection, "Contact", None, &[conflict])
        .await
        .unwrap();
    for (key, change) in [
        (key, json!({"LastName": of["last_name"]})),
        // Of the same person, and nobody's yet.
        (
            "003000000000000AAA",
            json!({"Email": of["email"].to_uppercase()}),
        ),
    ] {
        sqlx::query(
            "insert into withheld (id, approval_id, connection_id, stream, key, kind, entity,
                                   change, run_id, at, state)
             select $1, $1, $2, 'Contact', $3, 'create', 'contact', $4, $1, now(), 'open'",
        )
        .bind(engine::ids::fresh())
        .bind(connected.id.parse::<engine::ids::ConnectionId>().unwrap())
        .bind(key)
        .bind(change)
        .execute(tx.conn())
        .await
        .unwrap();
    }
    // What the system made of an address, again and again.
    sqlx::query(
        "insert into rewrites (id, connection_id, stream, entity, entity_id, field, write_id, ours,
                               theirs, times, frozen_at)
         values ($1, $2, 'Contact', 'contact', $3, 'email', $1, to_jsonb($4::text),
                 to_jsonb(upper($4::text)), array[now()], now())",
    )
    .bind(engine::ids::fresh())
    .bind(connected.id.parse::<engine::ids::ConnectionId>().unwrap())
    .bind(EntityId::from(id))
    .bind(&of["email"])
    .execute(tx.conn())
    .await
    .unwrap();
    sqlx::query(
        "insert into outgoing_mails (id, kind, recipient, subject, created_at)
         select $1, 'invitation', $2, 'Welcome', now()",
    )
    .bind(engine::ids::fresh())
    .bind(of["email"].to_uppercase())
    .execute(tx.conn())
    .await
    .unwrap();
    tx.commit().await.unwrap();
    compared(world, connected, id.into(), key, of).await;
}

#[tokio::test]
async fn no_column_of_the_database_holds_what_a_forgotten_persons_fields_held() {
    let world = World::new().await;
    let connected = world.pulled().await;
    let field = json!({
        "key": "nickname", "label": "Nickname", "type": "text", "personal": "identifying",
    });
    world
        .admin
        .post("/fields/contact", &field)
        .await
        .expect(201);
    let canaries = canaries(&world).await;
    assert!(canaries.len() >= 11, "{canaries:?}");
    let texts: Vec<&String> = canaries.values().collect();
    let (path, key) = person(&world, &connected, &canaries).await;
    refused_write(&world, &connected, &path, &canaries["last_name"]).await;
    held(&world, &connected, &path, &key, &canaries).await;
    let mapping = contact_mapping(&world.admin.get("/mappings").await.expect(200));
    let text = world.admin.get(&mapping).await.expect(200)["text"].clone();
    let shouting = text
        .as_str()
        .unwrap()
        .replacen("in = \"trim\"", "in = \"trim | upper\"", 2);
    let version = draft(&world.admin, &mapping, &shouting).await;
    let order = json!({"version": version, "live": 0});
    world
        .admin
        .post(&format!("{mapping}/previews"), &order)
        .await
        .expect(202);
    let pin = json!({"name": "One of them", "key": key});
    world
        .admin
        .post(&format!("{mapping}/fixtures"), &pin)
        .await
        .expect(201);
    let contact = path.trim_start_matches("/contacts/");
    let export = json!({"contact_id": contact, "reason": "asked"});
    world
        .admin
        .post("/subject-exports", &export)
        .await
        .expect(202);
    world.work_until_idle().await;
    let before = places_of(&world, &texts).await;
    for table in [
        "changes",
        "conflicts",
        "contacts",
        "link_events",
        "mapping_fixtures",
        "matches",
        "outgoing_mails",
        "preview_rows",
        "records",
        "rewrites",
        "steps",
        "withheld",
        "writes",
    ] {
        assert!(
            before
                .iter()
                .any(|place| place.starts_with(&format!("{table}:"))),
            "{table}: {before:?}"
        );
    }
    for (name, text) in &canaries {
        assert!(
            before.contains(&format!("contacts: {text}")),
            "{name}: {before:?}"
        );
    }

    let second = second_admin(&world).await;
    let reason = format!("{} wrote a letter", canaries["first_name"]);
    let done = forget(&world, &second, contact, "erase", 0, &reason).await;
    world.work_until_idle().await;
    let done = world.admin.get(&done).await.expect(200);
    assert_eq!(done["state"], "done", "{done}");
    assert_eq!(done["reason"], "••• wrote a letter");
    assert_eq!(
        (&done["destroyed"]["mails"], &done["destroyed"]["withheld"]),
        (&json!(1), &json!(2)),
        "{done}"
    );
    assert_eq!(
        (
            &done["destroyed"]["matches"],
            &done["destroyed"]["link_events"]
        ),
        (&json!(2), &json!(1)),
        "{done}"
    );
    // What was said of another's record holds.
    let pool = world.db.pool().await.unwrap();
    let left: Vec<String> = sqlx::query_scalar("select key || ' ' || state from matches")
        .fetch_all(&pool)
        .await
        .unwrap();
    assert_eq!(left, ["003000000000002AAA different"]);
    assert_eq!(places_of(&world, &texts).await, Vec::<String>::new());
    // Nor does a later look at all that is there bring anything back.
    let run = pull(&world, &connected, true).await;
    assert_eq!(run["counts"]["suppressed"], 1, "{run}");
    assert_eq!(places_of(&world, &texts).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_record_of_somebody_forgotten_is_no_question_either() {
    let world = World::new().await;
    let connected = world.pulled().await;
    let sim = &connected.salesforce.sim;
    // Two share an address: whose a record with it is, elsewhere, is a question.
    let shared = "shared@person.example";
    for name in ["Onesharer", "Othersharer"] {
        let fields = json!({"LastName": name, "Email": shared});
        sim.insert("Contact", fields).unwrap();
    }
    let person = json!({
        "FirstName": "Canaryfirst", "LastName": "Canarylast", "Email": "canary@person.example",
        "Phone": "+49 30 5550199",
    });
    sim.insert("Contact", person.clone()).unwrap();
    pull(&world, &connected, false).await;
    let page = world.admin.get("/contacts?q=Canarylast").await.expect(200);
    let contact = page["items"][0]["id"].as_str().unwrap();
    let second = second_admin(&world).await;
    forget(&world, &second, contact, "erase", 0, "asked by letter").await;
    world.work_until_idle().await;

    let other = world
        .connected_as("Another", SimOptions::default(), 0, 0)
        .await;
    // What is written in the second in which a first read begins is left to the next one.
    pull(&world, &other, false).await;
    let mut known_by_number = person;
    known_by_number["Email"] = json!(shared);
    let stranger = json!({"LastName": "Stranger", "Email": shared});
    for fields in [known_by_number, stranger] {
        other.salesforce.sim.insert("Contact", fields).unwrap();
    }
    let run = pull(&world, &other, false).await;
    assert_eq!(
        (&run["counts"]["suppressed"], &run["counts"]["held"]),
        (&json!(1), &json!(1)),
        "{run}"
    );
    let names = ["Canaryfirst", "Canarylast", "5550199"];
    assert_eq!(places_of(&world, &names).await, Vec::<String>::new());
    let asked = places_of(&world, &["Stranger"]).await;
    assert!(asked.contains(&"matches: Stranger".to_owned()), "{asked:?}");
}
