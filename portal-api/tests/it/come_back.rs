//! Every way by which somebody who was forgotten might come back.

use axum::http::Method;
use connector_salesforce::sim::SimOptions;
use engine::ids::RunId;
use engine::sdk::{Change, Removal, Tombstone, Value};
use engine::store::links;
use engine::sync::page::{self, Origin, Page};
use serde_json::{Value as Json, json};

use crate::privacy::{forget, places_of, pull, second_admin};
use crate::world::{Connected, World};

const CANARIES: [&str; 3] = ["Canarylast", "canary@person.example", "5550199"];

fn person() -> Json {
    json!({"LastName": "Canarylast", "Email": "canary@person.example", "Phone": "+49 30 5550199"})
}

/// A page that was read while they were here, and lay about until now.
async fn applied(world: &World, connected: &Connected, change: Change) -> page::Applied {
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    let page = Page {
        connection: connected.id.parse().unwrap(),
        stream: "Contact".to_owned(),
        run: RunId::fresh(),
        changes: vec![change].into(),
        cursor: None,
        pass: None,
        origin: Origin::Hub,
    };
    let applied = page::apply(&mut tx, &domain::core_tables(), page).await;
    tx.commit().await.unwrap();
    applied.unwrap()
}

#[tokio::test]
async fn scenario_22_who_was_forgotten_comes_back_by_no_way_there_is() {
    let world = World::new().await;
    let connected = world.pulled().await;
    let sim = &connected.salesforce.sim;
    let key = sim.insert("Contact", person()).unwrap();
    let bystander = json!({"LastName": "Bystander", "Email": "bystander@person.example"});
    let other_key = sim.insert("Contact", bystander).unwrap();
    pull(&world, &connected, false).await;
    let list = world.admin.get("/contacts?q=Canarylast").await.expect(200);
    let contact = list["items"][0]["id"].as_str().unwrap().to_owned();
    let list = world.admin.get("/contacts?q=Bystander").await.expect(200);
    let other = format!("/contacts/{}", list["items"][0]["id"].as_str().unwrap());
    // As a chunk of a back-fill, and a delivery that is queued, hold them.
    let record = {
        let mut tx = world.store.begin(world.tenant).await.unwrap();
        let id: engine::ids::ContactId = contact.parse().unwrap();
        let rows = links::of_entity(&mut tx, id.into()).await.unwrap();
        assert_eq!(rows[0].key, key);
        rows[0].record.clone()
    };
    let second = second_admin(&world).await;
    forget(&world, &second, &contact, "erase", 0, "asked by letter").await;
    world.work_until_idle().await;
    assert_eq!(places_of(&world, &CANARIES).await, Vec::<String>::new());

    // What was read before, as it was and under another key.
    let late = applied(&world, &connected, Change::Upsert(record.clone())).await;
    assert_eq!((late.counts.suppressed, late.counts.created), (1, 0));
    let mut copy = record;
    copy.key = "003000000000009AAA".to_owned();
    copy.fields.insert("Id".to_owned(), Value::text(&copy.key));
    let late = applied(&world, &connected, Change::Upsert(copy)).await;
    assert_eq!((late.counts.suppressed, late.counts.created), (1, 0));
    // Their record goes into another's over there, and is deleted.
    for removal in [Removal::MergedInto { key: other_key }, Removal::Deleted] {
        let gone = Tombstone {
            key: key.clone(),
            removed_at: None,
            removal,
        };
        applied(&world, &connected, Change::Delete(gone)).await;
        world.work_until_idle().await;
    }
    assert_eq!(places_of(&world, &CANARIES).await, Vec::<String>::new());

    // A comparison of everything, whose cause it may be that they are missing here.
    for what in ["all", "part"] {
        let path = format!("/connections/{}/streams/Contact/sweep", connected.id);
        let started = world.admin.post(&path, &json!({"what": what})).await;
        let run = world.ended(&started.expect(202)).await;
        assert_eq!(run["state"], "succeeded", "{run}");
        assert_eq!(run["counts"]["created"], 0, "{run}");
    }
    // Another system that has them, by its own key, with nothing else in common than an address.
    let elsewhere = world
        .connected_as("Elsewhere", SimOptions::default(), 0, 0)
        .await;
    // What is written in the second in which a first read begins is left to the next one.
    pull(&world, &elsewhere, false).await;
    let same = json!({"LastName": "Canarylast", "Email": "CANARY@Person.example"});
    elsewhere.salesforce.sim.insert("Contact", same).unwrap();
    let run = pull(&world, &elsewhere, false).await;
    assert_eq!(run["counts"]["suppressed"], 1, "{run}");
    // A person makes somebody else into them.
    let etag = world.admin.get(&other).await.etag();
    let change = json!({"fields": {"email": "canary@person.example"}});
    let refused = world
        .admin
        .send(Method::PATCH, &other, Some(&etag), Some(&change))
        .await;
    refused.problem(409, "conflict");
    // Everything is read anew.
    let run = pull(&world, &connected, true).await;
    assert_eq!(run["counts"]["suppressed"], 1, "{run}");
    assert_eq!(places_of(&world, &CANARIES).await, Vec::<String>::new());
}
