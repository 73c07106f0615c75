//! Forgetting people (scenario 22 of the sync's), and telling them what is known.

use std::time::Duration;

use axum::http::Method;
use domain::users::Role;
use engine::Clock;
use engine::store::link_events::{self, Made};
use serde_json::{Value as Json, json};

use crate::world::{Client, Connected, World};

/// What names the person, in all the ways it is stored.
const CANARIES: [&str; 5] = [
    "Canaryfirst",
    "Canarylast",
    "canary@person.example",
    "5550199",
    "Canarystreet",
];

pub(crate) async fn pull(world: &World, connected: &Connected, full: bool) -> Json {
    let path = format!("/connections/{}/streams/Contact/pull", connected.id);
    let started = world
        .admin
        .post(&path, &json!({"full": full}))
        .await
        .expect(202);
    world.work_until_idle().await;
    let run = format!("/runs/{}", started["run_id"].as_str().unwrap());
    world.admin.get(&run).await.expect(200)
}

fn person() -> Json {
    json!({
        "FirstName": "Canaryfirst", "LastName": "Canarylast", "Email": "canary@person.example",
        "Phone": "+49 30 5550199", "MailingStreet": "Canarystreet 1",
    })
}

/// The id of the contact with this last name.
async fn found(world: &World, name: &str) -> Option<String> {
    let page = world
        .admin
        .get(&format!("/contacts?q={name}"))
        .await
        .expect(200);
    Some(page["items"][0]["id"].as_str()?.to_owned())
}

pub(crate) async fn second_admin(world: &World) -> Client {
    world
        .user(world.tenant, "second@one.example", Role::Admin)
        .await
}

pub(crate) async fn forget(
    world: &World,
    second: &Client,
    contact: &str,
    kind: &str,
    hours: i32,
    reason: &str,
) -> String {
    let wish = json!({"kind": kind, "contact_id": contact, "reason": reason, "hold_hours": hours});
    let asked = world.admin.post("/erasures", &wish).await.expect(201);
    let path = format!("/erasures/{}", asked["id"].as_str().unwrap());
    let own = world
        .admin
        .post(&format!("{path}/approve"), &json!({}))
        .await;
    own.problem(409, "conflict");
    second
        .post(&format!("{path}/approve"), &json!({"note": "checked"}))
        .await
        .expect(200);
    path
}

/// Tables in which any of the texts stands, as text or as bytes.
pub(crate) async fn places_of(world: &World, texts: &[impl AsRef<str>]) -> Vec<String> {
    let pool = world.db.pool().await.unwrap();
    let tables: Vec<String> = sqlx::query_scalar(
        "select c.relname::text from pg_class c
         where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
           and not c.relispartition order by 1",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let mut places = Vec::new();
    for table in tables {
        for text in texts {
            let text = text.as_ref();
            let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
            let sql = format!(
                "select count(*) from {table} t
                 where strpos(lower(t::text), lower($1)) > 0 or strpos(t::text, $2) > 0"
            );
            let rows: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
                .bind(text)
                .bind(hex)
                .fetch_one(&pool)
                .await
                .unwrap();
            if rows > 0 {
                places.push(format!("{table}: {text}"));
            }
        }
    }
    places
}

#[tokio::test]
async fn who_is_forgotten_is_in_no_table_and_no_later_sync_brings_them_back() {
    let world = World::new().await;
    let connected = world.pulled().await;
    let sim = &connected.salesforce.sim;
    let key = sim.insert("Contact", person()).unwrap();
    let made_by = pull(&world, &connected, false).await;
    let contact = found(&world, "Canarylast").await.unwrap();
    let path = format!("/contacts/{contact}");
    // He is edited here and there, so that journals, writes and history hold him.
    let etag = world.admin.get(&path).await.etag();
    let edit = json!({"fields": {"phone": "+49 30 5550199 1", "mailing_street": "Canarystreet 2"}});
    world
        .admin
        .send(Method::PATCH, &path, Some(&etag), Some(&edit))
        .await
        .expect(200);
    world.work_until_idle().await;
    sim.update("Contact", &key, json!({"Title": "Friend of Canarylast"}))
        .unwrap();
    pull(&world, &connected, false).await;
    let mappings = world.admin.get("/mappings").await.expect(200);
    let of_contacts = mappings["items"].as_array().unwrap().iter();
    let mapping = of_contacts
        .clone()
        .find(|mapping| mapping["stream"] == "Contact")
        .unwrap();
    let mapping = format!("/mappings/{}", mapping["id"].as_str().unwrap());
    let pin = json!({"name": "One of them", "key": key});
    let pinned = world.admin.post(&format!("{mapping}/fixtures"), &pin).await;
    assert!(pinned.status < 300, "{}", pinned.body);
    let export = json!({"contact_id": contact, "reason": "asked"});
    world
        .admin
        .post("/subject-exports", &export)
        .await
        .expect(202);
    world.work_until_idle().await;
    let before = places_of(&world, &CANARIES).await;
    for table in [
        "contacts",
        "records",
        "changes",
        "steps",
        "writes",
        "mapping_fixtures",
    ] {
        assert!(
            before.iter().any(|place| place.starts_with(table)),
            "{table}: {before:?}"
        );
    }
    // What was gathered of him is sealed.
    assert!(
        !before
            .iter()
            .any(|place| place.starts_with("subject_exports"))
    );

    // Retention may take the writes before the journals of the runs that sent them.
    let pool = world.db.pool().await.unwrap();
    let taken = sqlx::query("delete from writes").execute(&pool).await;
    assert_ne!(taken.unwrap().rows_affected(), 0);
    let before = places_of(&world, &CANARIES).await;

    let second = second_admin(&world).await;
    // What it would destroy is told, and asking does nothing.
    let plan = world.admin.get(&format!("{path}/erasure")).await;
    let plan = plan.expect(200)["destroyed"].clone();
    assert_eq!(places_of(&world, &CANARIES).await, before);
    let erasure = forget(&world, &second, &contact, "erase", 0, "asked by letter").await;
    world.work_until_idle().await;
    let done = world.admin.get(&erasure).await.expect(200);
    assert_eq!(done["state"], "done", "{done}");
    for kind in ["contacts", "records", "fixtures", "exports", "suppressions"] {
        assert_eq!(plan[kind], done["destroyed"][kind], "{kind}: {plan}");
        assert_ne!(plan[kind], json!(0), "{kind}");
    }
    let gone = world.admin.get(&format!("{path}/erasure")).await;
    gone.problem(404, "not-found");
    assert_eq!(
        (
            &done["destroyed"]["contacts"],
            &done["destroyed"]["records"]
        ),
        (&json!(1), &json!(1))
    );
    assert_eq!(places_of(&world, &CANARIES).await, Vec::<String>::new());
    for at in [
        path.clone(),
        format!("{path}/timeline"),
        format!("{path}/provenance"),
        format!("{path}/as-of?at=2026-11-20T00:00:00Z"),
    ] {
        world.admin.get(&at).await.problem(404, "not-found");
    }

    // A back-fill reads him again, a change over there brings him, another record is of him too.
    let run = pull(&world, &connected, true).await;
    assert_eq!(run["counts"]["suppressed"], 1, "{run}");
    sim.update("Contact", &key, json!({"Phone": "+49 30 5550199"}))
        .unwrap();
    let run = pull(&world, &connected, false).await;
    assert_eq!(run["counts"]["suppressed"], 1, "{run}");
    sim.insert("Contact", person()).unwrap();
    sim.insert(
        "Contact",
        json!({"LastName": "Other", "Email": "other@person.example"}),
    )
    .unwrap();
    let run = pull(&world, &connected, false).await;
    assert_eq!(
        (&run["counts"]["suppressed"], &run["counts"]["created"]),
        (&json!(1), &json!(1)),
        "{run}"
    );
    assert!(found(&world, "Other").await.is_some());
    // So does a person, here: who it was is not told.
    for value in [
        json!({"email": " CANARY@person.example"}),
        json!({"mobile": "0049 (30) 555-0199"}),
    ] {
        let mut fields = json!({"last_name": "Somebody"});
        fields
            .as_object_mut()
            .unwrap()
            .extend(value.as_object().unwrap().clone());
        let refused = world
            .admin
            .post("/contacts", &json!({"fields": fields}))
            .await;
        let refused = refused.problem(409, "conflict");
        assert!(
            refused["detail"]
                .as_str()
                .unwrap()
                .starts_with("suppressed (1)"),
            "{refused}"
        );
    }
    // An undo of what made him finds nothing of his to take back.
    let undo = format!("/runs/{}/undo", made_by["id"].as_str().unwrap());
    let plan = world.admin.get(&undo).await.expect(200);
    assert_eq!(plan["counts"]["removed"], 0, "{plan}");
    let restored = world
        .admin
        .send(
            Method::POST,
            &format!("{path}/restore"),
            Some("\"1\""),
            None,
        )
        .await;
    restored.problem(404, "not-found");
    assert_eq!(places_of(&world, &CANARIES).await, Vec::<String>::new());
    // The others are all there, and the trail is whole.
    assert_eq!(world.admin.get("/contacts").await.expect(200)["total"], 21);
    let audit = world
        .admin
        .get("/audit?action=carry_out_erasure")
        .await
        .expect(200);
    assert_eq!(audit["items"][0]["after"]["destroyed"]["contacts"], 1);
}

#[tokio::test]
async fn an_erasure_is_withdrawn_while_it_is_held_and_decided_by_another() {
    let clock = Clock::manual("2026-11-20T08:00:00Z".parse().unwrap());
    let world = World::with_clock(clock.clone()).await;
    let body = json!({"fields": {"last_name": "Held"}});
    let contact = world.admin.post("/contacts", &body).await.expect(201)["id"].clone();
    let contact = contact.as_str().unwrap();
    let wish = |more: Json| {
        let mut wish = json!({"kind": "erase", "contact_id": contact, "reason": "asked"});
        wish.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let admin = world.admin.clone();
        async move { admin.post("/erasures", &wish).await }
    };
    wish(json!({"hold_hours": -1})).await.invalid("/hold_hours");
    wish(json!({"hold_hours": 721}))
        .await
        .invalid("/hold_hours");
    wish(json!({"reason": " "})).await.invalid("/reason");
    wish(json!({"reason": "x".repeat(501)}))
        .await
        .invalid("/reason");
    wish(json!({"state": "approved"})).await.invalid("/state");
    wish(json!({"approved_by": "usr_1"}))
        .await
        .invalid("/approved_by");
    wish(json!({"contact_id": format!("ctc_{}", "0".repeat(32))}))
        .await
        .problem(404, "not-found");
    let second = second_admin(&world).await;
    let erasure = forget(&world, &second, contact, "erase", 24, "asked by letter").await;
    wish(json!({})).await.problem(409, "conflict");
    assert!(found(&world, "Held").await.is_some());
    second
        .post(&format!("{erasure}/approve"), &json!({}))
        .await
        .problem(409, "conflict");
    let stopped = world
        .admin
        .post(&format!("{erasure}/stop"), &json!({"note": "a mistake"}))
        .await;
    assert_eq!(stopped.expect(200)["state"], "withdrawn");
    world
        .admin
        .post(&format!("{erasure}/stop"), &json!({}))
        .await
        .problem(409, "conflict");
    clock.advance(Duration::from_secs(25 * 3600));
    let mut admin = world.stranger();
    admin
        .sign_in("admin@one.example", crate::world::PASSWORD)
        .await
        .expect(200);
    // The run that would have carried it out finds that it is withdrawn.
    let engine = world.worker().await;
    testkit::until("the run's end", Duration::from_secs(30), || async {
        let runs = admin.get("/runs?workflow=erase_person").await.expect(200);
        Ok((runs["items"][0]["state"] == "succeeded").then_some(()))
    })
    .await
    .unwrap();
    engine.shutdown().await;
    let list = admin.get("/contacts?q=Held").await.expect(200);
    assert_eq!(list["total"], 1);
    // Not even the database takes one's own approval.
    let pool = world.db.pool().await.unwrap();
    let forged = sqlx::query("update erasures set state = 'approved', decided_by = asked_by")
        .execute(&pool)
        .await;
    assert!(forged.is_err());
    let list = admin.get("/erasures").await.expect(200);
    assert_eq!(list["total"], 1);
}

#[tokio::test]
async fn an_anonymised_contact_stays_without_a_name_and_is_not_filled_again() {
    let world = World::new().await;
    let connected = world.pulled().await;
    let key = connected
        .salesforce
        .sim
        .insert("Contact", person())
        .unwrap();
    pull(&world, &connected, false).await;
    let contact = found(&world, "Canarylast").await.unwrap();
    let second = second_admin(&world).await;
    forget(&world, &second, &contact, "anonymise", 0, "asked by letter").await;
    world.work_until_idle().await;
    let left = world
        .admin
        .get(&format!("/contacts/{contact}"))
        .await
        .expect(200);
    assert!(
        left["fields"]["last_name"]
            .as_str()
            .unwrap()
            .starts_with("Anonymous "),
        "{left}"
    );
    assert_eq!(
        (&left["fields"]["email"], &left["links"]),
        (&Json::Null, &json!([]))
    );
    connected
        .salesforce
        .sim
        .update("Contact", &key, json!({"Title": "x"}))
        .unwrap();
    pull(&world, &connected, true).await;
    assert_eq!(places_of(&world, &CANARIES).await, Vec::<String>::new());
}

#[tokio::test]
async fn what_is_known_of_a_person_is_gathered_by_a_run_and_handed_out_with_a_note() {
    let world = World::new().await;
    let connected = world.pulled().await;
    connected
        .salesforce
        .sim
        .insert("Contact", person())
        .unwrap();
    pull(&world, &connected, false).await;
    let contact = found(&world, "Canarylast").await.unwrap();
    let id: engine::ids::ContactId = contact.parse().unwrap();
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    for (entity, key) in [(id, "003-1"), (engine::ids::ContactId::fresh(), "003-2")] {
        let made = Made {
            key: key.to_owned(),
            entity_id: entity.into(),
            from: None,
            method: link_events::Method::StrongKey,
            evidence: Vec::new(),
            score: None,
            by: None,
        };
        let place = (connected.id.parse().unwrap(), "Contact");
        link_events::note(&mut tx, place, "contact", None, &[made])
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
    let wish = json!({"contact_id": contact, "reason": "asked by letter"});
    let asked = world
        .admin
        .post("/subject-exports", &wish)
        .await
        .expect(202);
    let path = format!("/subject-exports/{}", asked["id"].as_str().unwrap());
    world
        .admin
        .get(&format!("{path}/json"))
        .await
        .problem(409, "conflict");
    world.work_until_idle().await;
    assert_ne!(
        world.admin.get(&path).await.expect(200)["done_at"],
        Json::Null
    );
    let body = world.admin.get(&format!("{path}/json")).await.expect(200);
    assert_eq!(body["contact"]["email"], "canary@person.example");
    assert_eq!(body["records"][0]["fields"]["LastName"], "Canarylast");
    assert_eq!(body["links"][0]["method"], "strong_key");
    assert_eq!(
        body["links"].as_array().unwrap().len(),
        1,
        "and nobody else's"
    );
    assert_eq!(body["matches"], json!([]));
    assert!(!body.to_string().contains("tenant_id"));
    let csv = world.admin.get(&format!("{path}/csv")).await;
    assert!(
        csv.headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/csv")
    );
    assert!(
        String::from_utf8_lossy(&csv.bytes).contains("\"contact.email\",\"canary@person.example\"")
    );
    let audit = world
        .admin
        .get("/audit?action=hand_out_subject_export")
        .await
        .expect(200);
    assert_eq!(audit["items"].as_array().unwrap().len(), 2);
    // Only who may.
    let manager = world
        .user(world.tenant, "m@one.example", Role::Manager)
        .await;
    manager.get(&path).await.problem(403, "forbidden");
    // The trail says that a person's values were changed, not to what.
    let at = format!("/contacts/{contact}");
    let etag = world.admin.get(&at).await.etag();
    let edit = json!({"fields": {"first_name": "Newname", "title": "Boss"}});
    world
        .admin
        .send(Method::PATCH, &at, Some(&etag), Some(&edit))
        .await
        .expect(200);
    let audit = world
        .admin
        .get("/audit?action=update_contact")
        .await
        .expect(200);
    let entry = &audit["items"][0];
    assert_eq!(
        entry["after"],
        json!({"first_name": "•••", "title": "Boss"})
    );
    assert_eq!(entry["before"]["first_name"], "•••");
    let fields = world.admin.get("/fields/contact").await.expect(200);
    let email = fields.to_string();
    assert!(email.contains("\"personal\":\"identifying\""), "{email}");
}
