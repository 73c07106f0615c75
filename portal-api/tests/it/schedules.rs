use axum::http::Method;
use domain::users::Role;
use engine::Clock;
use serde_json::{Value as Json, json};

use crate::world::{Answer, World};

impl World {
    /// Changes the newest version of a schedule.
    async fn patch_schedule(&self, id: &Json, change: &Json) -> Answer {
        let path = format!("/schedules/{}", id.as_str().unwrap());
        let etag = self.admin.get(&path).await.etag();
        self.admin
            .send(Method::PATCH, &path, Some(&etag), Some(change))
            .await
    }

    async fn schedule(&self, id: &Json) -> Json {
        let path = format!("/schedules/{}", id.as_str().unwrap());
        self.admin.get(&path).await.expect(200)
    }
}

fn facts(schedule: &Json) -> (bool, Option<&str>, Option<&str>) {
    (
        schedule["paused"].as_bool().unwrap(),
        schedule["paused_by"].as_str(),
        schedule["paused_reason"].as_str(),
    )
}

#[tokio::test]
async fn a_schedule_shows_its_next_times_and_is_paused_run_and_removed() {
    let world = World::new().await;
    let connected = world.connected().await;
    let body = json!({
        "name": "Nightly", "connection_id": connected.id, "stream": "Account",
        "cron": "0 3 * * *", "time_zone": "Europe/Berlin",
    });
    let made = world.admin.post("/schedules", &body).await;
    let etag = made.etag();
    let made = made.expect(201);
    assert_eq!(made["next"].as_array().unwrap().len(), 5);
    assert_eq!(
        (&made["overlap"], &made["catch_up"]),
        (&json!("skip"), &json!("one"))
    );
    let path = format!("/schedules/{}", made["id"].as_str().unwrap());
    let list = world.admin.get("/schedules").await.expect(200);
    let listed = list["items"].as_array().unwrap();
    assert!(listed.contains(&made), "{list}");

    let pause = json!({"paused": true});
    let patch = |etag| world.admin.send(Method::PATCH, &path, etag, Some(&pause));
    patch(None).await.problem(428, "precondition-required");
    let paused = patch(Some(etag.as_str())).await.expect(200);
    assert_eq!(
        (&paused["paused"], &paused["next"]),
        (&json!(true), &json!([]))
    );
    assert_eq!(
        patch(Some(etag.as_str())).await.problem(412, "stale")["current"],
        paused
    );

    let run = world
        .admin
        .post(&format!("{path}/run"), &json!({}))
        .await
        .expect(202);
    let run = world
        .admin
        .get(&format!("/runs/{}", run["run_id"].as_str().unwrap()))
        .await
        .expect(200);
    assert_eq!(
        (&run["workflow"], &run["stream"]),
        (&json!("pull_stream"), &json!("Account"))
    );
    world.work_until_idle().await;
    let run = world
        .admin
        .get(&format!("/runs/{}", run["id"].as_str().unwrap()))
        .await
        .expect(200);
    assert_eq!(run["state"], "succeeded", "{run}");

    let current = world.admin.get(&path).await;
    world
        .admin
        .send(Method::DELETE, &path, Some("\"99\""), None)
        .await
        .problem(412, "stale");
    let etag = current.etag();
    world
        .admin
        .send(Method::DELETE, &path, Some(&etag), None)
        .await
        .expect(204);
    world.admin.get(&path).await.problem(404, "not-found");
}

#[tokio::test]
async fn a_schedule_that_cannot_be_is_refused_where_it_is_wrong() {
    let world = World::new().await;
    let connected = world.connected().await;
    let good = json!({
        "name": "x", "connection_id": connected.id, "stream": "Account", "cron": "0 3 * * *",
    });
    for (field, value, pointer) in [
        ("name", json!(""), "/name"),
        ("cron", json!("every day"), "/cron"),
        ("cron", json!("* * * * * *"), "/cron"),
        ("time_zone", json!("Mars/Olympus"), "/time_zone"),
        ("workflow", json!("drop_tables"), "/workflow"),
        ("cron", json!("0 0 30 2 *"), "/cron"),
        ("time_zone", json!("Berlin"), "/time_zone"),
        ("gap", json!("jump"), "/gap"),
        ("repeat", json!("thrice"), "/repeat"),
        ("jitter_seconds", json!(3601), "/jitter_seconds"),
        ("catch_up", json!("all"), "/catch_up"),
        ("catch_up_limit", json!(0), "/catch_up_limit"),
        ("ends_at", json!("2020-01-01T00:00:00Z"), "/ends_at"),
        ("starts_at", json!("tomorrow"), "/starts_at"),
        ("paused_reason", json!("because"), "/paused_reason"),
        ("stream", json!("Nosuch"), "/stream"),
        ("stream", Json::Null, "/stream"),
        ("connection_id", Json::Null, "/connection_id"),
        ("overlap", json!("always"), "/overlap"),
    ] {
        let mut body = good.clone();
        body[field] = value;
        world.admin.post("/schedules", &body).await.invalid(pointer);
    }
}

#[tokio::test]
async fn a_schedule_keeps_what_a_person_says_about_clocks_bounds_and_jitter() {
    let clock = Clock::manual("2026-11-20T10:00:30Z".parse().unwrap());
    let world = World::with_clock(clock).await;
    let connected = world.connected().await;
    let body = json!({
        "name": "Often", "connection_id": connected.id, "stream": "Account",
        "cron": "*/10 * * * *", "gap": "skip", "repeat": "twice", "overlap": "queue",
        "catch_up": "all", "catch_up_limit": 7, "jitter_seconds": 60,
        "starts_at": "2026-11-20T11:00:00Z", "ends_at": "2026-11-20T11:25:00Z",
    });
    let made = world.admin.post("/schedules", &body).await.expect(201);
    for (field, value) in body.as_object().unwrap() {
        assert_eq!(&made[field], value, "{field}");
    }
    let next = made["next"].as_array().unwrap();
    assert_eq!(next.len(), 3, "{made}");
    for (time, nominal) in next.iter().zip(["11:00", "11:10", "11:20"]) {
        let time: chrono::DateTime<chrono::Utc> = time.as_str().unwrap().parse().unwrap();
        let nominal: chrono::DateTime<chrono::Utc> =
            format!("2026-11-20T{nominal}:00Z").parse().unwrap();
        assert!((0..60).contains(&(time - nominal).num_seconds()), "{time}");
    }
    let id = &made["id"];
    let open = json!({"ends_at": null, "starts_at": null, "jitter_seconds": 0});
    let changed = world.patch_schedule(id, &open).await.expect(200);
    assert_eq!(changed["ends_at"], Json::Null);
    assert_eq!(changed["next"][0], "2026-11-20T10:10:00Z");
    assert_eq!(changed["gap"], "skip");
    world
        .patch_schedule(id, &json!({"overlap": "cancel_previous"}))
        .await
        .invalid("/catch_up");
    let other = json!({"overlap": "cancel_previous", "catch_up": "none"});
    let changed = world.patch_schedule(id, &other).await.expect(200);
    assert_eq!(changed["overlap"], "cancel_previous");
    assert_eq!(changed["ended"], false);
}

#[tokio::test]
async fn the_next_time_is_skipped_by_its_name() {
    let clock = Clock::manual("2026-11-20T10:00:30Z".parse().unwrap());
    let world = World::with_clock(clock).await;
    let connected = world.connected().await;
    let body = json!({
        "name": "Hourly", "connection_id": connected.id, "stream": "Account", "cron": "0 * * * *",
    });
    let made = world.admin.post("/schedules", &body).await.expect(201);
    let path = format!("/schedules/{}/skip", made["id"].as_str().unwrap());
    let operator = world
        .user(world.tenant, "operator@one.example", Role::Operator)
        .await;
    let next = json!({"at": made["next"][0]});
    let skipped = operator.post(&path, &next).await.expect(200);
    assert_eq!(skipped["next"][0], made["next"][1]);
    operator.post(&path, &next).await.problem(409, "conflict");
    operator.post(&path, &json!({})).await.invalid("");
    let paused = json!({"paused": true});
    world.patch_schedule(&made["id"], &paused).await.expect(200);
    let next = json!({"at": made["next"][1]});
    operator.post(&path, &next).await.problem(409, "conflict");
}

#[tokio::test]
async fn a_paused_schedule_says_since_when_and_why() {
    let clock = Clock::manual("2026-11-20T10:00:30Z".parse().unwrap());
    let world = World::with_clock(clock).await;
    let connected = world.connected().await;
    let body = json!({
        "name": "x", "connection_id": connected.id, "stream": "Account", "cron": "0 * * * *",
    });
    let made = world.admin.post("/schedules", &body).await.expect(201);
    assert_eq!(facts(&made), (false, None, None));
    let pause = json!({"paused": true, "paused_reason": " moving house "});
    let paused = world.patch_schedule(&made["id"], &pause).await.expect(200);
    assert_eq!(facts(&paused), (true, Some("person"), Some("moving house")));
    assert_eq!(paused["paused_at"], "2026-11-20T10:00:30Z");
    let long = json!({"paused_reason": "x".repeat(501)});
    let refused = world.patch_schedule(&made["id"], &long).await;
    refused.invalid("/paused_reason");
    let renamed = json!({"name": "y"});
    let renamed = world.patch_schedule(&made["id"], &renamed).await;
    assert_eq!(facts(&renamed.expect(200)), facts(&paused));
    let resume = json!({"paused": false});
    let on = world.patch_schedule(&made["id"], &resume).await.expect(200);
    assert_eq!(facts(&on), (false, None, None));
    assert_eq!(on["paused_at"], Json::Null);
}

#[tokio::test]
async fn a_stream_that_is_set_up_has_a_schedule_that_follows_it() {
    let world = World::new().await;
    let connected = world.connected().await;
    let list = world.admin.get("/schedules").await.expect(200);
    let names: Vec<_> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        ["Account every 5 minutes", "Contact every 5 minutes"]
    );
    let id = &list["items"][0]["id"];
    assert_eq!(list["items"][0]["cron"], "*/5 * * * *");
    assert_eq!(list["items"][0]["workflow"], "pull_stream");

    let stream = format!("/connections/{}/streams/Account", connected.id);
    let switch = async |version: u32, enabled: bool| {
        let body = json!({"enabled": enabled, "entity": "account"});
        let etag = format!("\"{version}\"");
        world
            .admin
            .send(Method::PUT, &stream, Some(&etag), Some(&body))
            .await
            .expect(200)
    };
    // A person has paused it (the world did): it stays so, whatever the stream does.
    switch(1, false).await;
    assert_eq!(
        facts(&world.schedule(id).await),
        (true, Some("person"), None)
    );
    let resume = json!({"paused": false});
    world.patch_schedule(id, &resume).await.invalid("/paused");
    switch(2, true).await;
    let on = world.patch_schedule(id, &resume).await.expect(200);
    assert_eq!(facts(&on), (false, None, None));
    // Nobody has: it follows.
    switch(3, false).await;
    let off = world.schedule(id).await;
    let reason = "the stream is switched off";
    assert_eq!(facts(&off), (true, Some("stream"), Some(reason)));
    world.patch_schedule(id, &resume).await.invalid("/paused");
    switch(4, true).await;
    assert_eq!(facts(&world.schedule(id).await), (false, None, None));
    // One that is made while the stream is off waits for it.
    switch(5, false).await;
    let body = json!({
        "name": "x", "connection_id": connected.id, "stream": "Account", "cron": "0 * * * *",
    });
    let made = world.admin.post("/schedules", &body).await.expect(201);
    assert_eq!(facts(&made), (true, Some("stream"), Some(reason)));
    switch(6, true).await;
    let made = world.schedule(&made["id"]).await;
    assert_eq!(facts(&made), (false, None, None));
}

#[tokio::test]
async fn a_stream_without_a_mapping_is_read_from_when_it_has_one() {
    let world = World::new().await;
    let connected = world.connected().await;
    let path = format!("/connections/{}/streams/Opportunity", connected.id);
    let body = json!({"enabled": true, "entity": "account"});
    let set_up = world.admin.send(Method::PUT, &path, None, Some(&body));
    assert_eq!(set_up.await.expect(201)["mapping_version"], Json::Null);
    let list = world.admin.get("/schedules").await.expect(200);
    let items = list["items"].as_array().unwrap();
    let of_it = |one: &&Json| one["stream"] == "Opportunity";
    let made = items.iter().find(of_it).unwrap();
    let reason = "the stream has no published mapping";
    assert_eq!(facts(made), (true, Some("stream"), Some(reason)));
    let text = "system = \"salesforce\"\nstream = \"Opportunity\"\nentity = \"account\"\n\
                first_contact = \"remote\"\n\n[link]\nkey = \"Id\"\n\n\
                [[field]]\ncore = \"name\"\nremote = \"Name\"\ndirection = \"in\"\n";
    let mapping = json!({
        "connection_id": connected.id, "stream": "Opportunity", "text": text, "publish": false,
    });
    let draft = world.admin.post("/mappings", &mapping).await;
    let etag = draft.etag();
    let id = draft.expect(201)["id"].as_str().unwrap().to_owned();
    assert!(facts(&world.schedule(&made["id"]).await).0);
    let publish = json!({"text": text, "publish": true});
    world
        .admin
        .send(
            Method::PUT,
            &format!("/mappings/{id}"),
            Some(&etag),
            Some(&publish),
        )
        .await
        .expect(200);
    assert_eq!(
        facts(&world.schedule(&made["id"]).await),
        (false, None, None)
    );
}
