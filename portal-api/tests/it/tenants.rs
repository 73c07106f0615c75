//! What belongs to another tenant is not there.

use axum::http::Method;
use engine::ids::{AssignmentId, CanaryId, FixtureId, MappingApprovalId, PreviewId, SessionId};
use serde_json::{Value as Json, json};

use crate::world::World;

#[tokio::test]
async fn another_tenants_things_are_not_found_by_any_operation() {
    let world = World::new().await;
    let connected = world.pulled().await;
    let other = world.other_tenant().await;
    let domain = crate::domains::domain(&world.admin, "www.one-t.example").await;
    let provider = crate::provider::Provider::start().await;
    let provider_id = crate::provider::enabled(&world, &provider, &provider.body()).await;
    let wish = json!({"provider_id": provider_id});
    let answer = world.admin.post("/session/identities", &wish).await;
    let begun = crate::provider::Begun::of(&world.admin, &provider, &answer);
    begun.admits(json!({}));
    assert_eq!(begun.comes_back().await.status, 303);
    let one = |list: Json| list["items"][0]["id"].as_str().unwrap().to_owned();
    let schedule = json!({
        "name": "Nightly", "connection_id": connected.id, "stream": "Account", "cron": "0 3 * * *",
    });
    let schedule = world.admin.post("/schedules", &schedule).await.expect(201)["id"].clone();
    let class = crate::failure_classes::failed_write(&world, &connected).await;
    let group = json!({"name": "Editors", "permissions": ["records.write"]});
    let group = world.admin.post("/groups", &group).await.expect(201)["id"].clone();
    let key = json!({"name": "CI", "permissions": ["runs.read"]});
    let key = world.admin.post("/keys", &key).await.expect(201)["key"]["id"].clone();
    let team = json!({"name": "North", "members": []});
    let team = world.admin.post("/teams", &team).await.expect(201)["id"].clone();
    let partner = json!({"name": "Partners"});
    let partner = world.admin.post("/partners", &partner).await.expect(201)["id"].clone();
    let brand = world
        .admin
        .post("/brands", &body("update_brand").unwrap())
        .await;
    let brand = brand.expect(201)["id"].clone();
    let contact = world.admin.get("/contacts").await.expect(200)["items"][0]["id"].clone();
    let wish = json!({"kind": "erase", "contact_id": contact, "reason": "asked"});
    let erasure = world.admin.post("/erasures", &wish).await.expect(201)["id"].clone();
    let wish = json!({"contact_id": contact, "reason": "asked"});
    let export = world
        .admin
        .post("/subject-exports", &wish)
        .await
        .expect(202)["id"]
        .clone();
    let tokens = json!({"name": "CI", "permissions": ["runs.read"]});
    let tokens = world.admin.post("/tokens", &tokens).await.expect(201)["grant"]["id"].clone();
    let (passkey, device) = crate::factors::passkey_and_device(&world).await;
    let conflict = crate::conflicts::opened(&world, &connected).await;
    let breaker = crate::breakers::frozen(&world, &connected).await;
    let approval = crate::approvals::asked(&world, &connected).await;
    let question = crate::matches::asked(&world).await.id;
    let ids = [
        ("connections", connected.id.clone()),
        (
            "mappings",
            one(world.admin.get("/mappings").await.expect(200)),
        ),
        ("schedules", schedule.as_str().unwrap().to_owned()),
        ("runs", one(world.admin.get("/runs").await.expect(200))),
        (
            "accounts",
            one(world.admin.get("/accounts").await.expect(200)),
        ),
        (
            "contacts",
            one(world.admin.get("/contacts").await.expect(200)),
        ),
        ("conflicts", conflict),
        ("matches", question),
        ("breakers", breaker),
        ("failure-classes", class["id"].as_str().unwrap().to_owned()),
        ("approvals", approval["id"].as_str().unwrap().to_owned()),
        ("users", one(world.admin.get("/users").await.expect(200))),
        ("keys", key.as_str().unwrap().to_owned()),
        ("tokens", tokens.as_str().unwrap().to_owned()),
        ("passkeys", passkey),
        ("devices", device),
        ("groups", group.as_str().unwrap().to_owned()),
        // Whoever belongs to no organisation finds nothing there; `organisation.rs` asks as its others.
        (
            "organisation/people",
            one(world.admin.get("/users").await.expect(200)),
        ),
        ("organisation/groups", group.as_str().unwrap().to_owned()),
        ("teams", team.as_str().unwrap().to_owned()),
        ("partners", partner.as_str().unwrap().to_owned()),
        ("brands", brand.as_str().unwrap().to_owned()),
        ("erasures", erasure.as_str().unwrap().to_owned()),
        ("subject-exports", export.as_str().unwrap().to_owned()),
        // Of whoever runs the hub: the walk leaves it out, `tenancy.rs` asks for it.
        ("tenants", world.tenant.to_string()),
        ("domains", domain["id"].as_str().unwrap().to_owned()),
        ("identity-providers", provider_id.clone()),
        ("sso", provider_id),
        (
            "session/identities",
            one(world.admin.get("/session/identities").await.expect(200)),
        ),
        (
            "sessions",
            one(world.admin.get("/sessions").await.expect(200)),
        ),
    ];
    let document = portal_api::document();
    // Whatever is named by an id is walked: a new noun needs a line above.
    for path in document["paths"].as_object().unwrap().keys() {
        let noun = path
            .strip_prefix("/api/v1/")
            .and_then(|path| path.split_once("/{id}"));
        let is_known = noun.is_none_or(|(noun, _)| ids.iter().any(|(known, _)| *known == noun));
        assert!(is_known, "{path} is not asked for as another tenant");
    }
    let mut asked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let Some(path) = path.strip_prefix("/api/v1") else {
            continue;
        };
        let Some((_, id)) = ids
            .iter()
            .find(|(noun, _)| path.starts_with(&format!("/{noun}/{{id}}")))
        else {
            continue;
        };
        let path = path
            .replace("{id}", id)
            .replace("{stream}", "Account")
            .replace("{version}", "1")
            .replace("{session}", &SessionId::fresh().to_string())
            .replace("{preview}", &PreviewId::fresh().to_string())
            .replace("{canary}", &CanaryId::fresh().to_string())
            .replace("{fixture}", &FixtureId::fresh().to_string())
            .replace("{approval}", &MappingApprovalId::fresh().to_string())
            .replace("{assignment}", &AssignmentId::fresh().to_string());
        for (method, operation) in item.as_object().unwrap() {
            if operation["x-permission"] == "platform" {
                continue;
            }
            let operation = operation["operationId"].as_str().unwrap();
            // Nobody is signed in there: what is signed by the provider says whom it is about.
            if ["saml_acs", "saml_sign_out_form", "sso_backchannel_logout"].contains(&operation) {
                continue;
            }
            let body = body(operation);
            let path = format!("{path}{}", query(operation));
            let method: Method = method.to_uppercase().parse().unwrap();
            let answer = other
                .send(method, &path, Some("\"1\""), body.as_ref())
                .await;
            answer.problem(404, "not-found");
            asked += 1;
        }
    }
    assert!(asked > 35, "{asked}");
}

/// A query that would be taken, where the operation needs one.
pub(crate) fn query(operation: &str) -> &'static str {
    match operation {
        "get_account_as_of" | "get_contact_as_of" => "?at=2026-01-01T00:00:00Z",
        "diff_account" | "diff_contact" => "?from=2026-01-01T00:00:00Z",
        _ => "",
    }
}

/// A body that would be taken, where the operation takes one.
pub(crate) fn body(operation: &str) -> Option<Json> {
    Some(match operation {
        "update_connection" => json!({"name": "Mine"}),
        "put_connection_stream" => json!({"enabled": false, "entity": "account"}),
        "put_stream_caps" => {
            let cap = json!({"count": 1, "share": 1});
            json!({"deletes": cap, "overwrites": cap, "creates": cap})
        }
        "approve_approval" => json!({"count": 1}),
        "decline_approval" => json!({}),
        "pull_stream" => json!({}),
        "put_stream_sweep" => json!({"within_minutes": 60}),
        "start_stream_sweep" => json!({"what": "all"}),
        "put_mapping" => json!({"text": "", "publish": false}),
        "start_canary" => json!({"version": 1, "share": 10}),
        "publish_mapping" => json!({"version": 1}),
        "roll_back_mapping" => json!({"version": 1}),
        "start_preview" => json!({"version": 1}),
        "pin_mapping_fixture" => json!({"name": "Mine", "key": "1"}),
        "ask_mapping_approval" => json!({"version": 1}),
        "decide_mapping_approval" => json!({"approve": true, "text_hash": "00"}),
        "update_schedule" => json!({"paused": true}),
        "skip_schedule" => json!({"at": "2026-11-20T10:00:00Z"}),
        "update_account" => json!({"fields": {"name": "Mine"}}),
        "update_contact" => json!({"fields": {"last_name": "Mine"}}),
        "start_sso" => json!({}),
        "update_identity_provider" => {
            let oidc = json!({"issuer": "http://127.0.0.1:1", "client_id": "x"});
            json!({"name": "Mine", "oidc": oidc, "ceiling": "viewer"})
        }
        "rotate_key" => json!({"overlap_minutes": 0}),
        "update_user" => json!({"name": "Mine"}),
        "classify_field" => json!({"personal": "no"}),
        "update_brand" => json!({
            "name": "Mine", "domain": null, "accent": "#000000", "on_accent": "#ffffff",
            "background": "#ffffff", "foreground": "#000000",
        }),
        "approve_erasure" | "stop_erasure" => json!({}),
        "update_team" => json!({"name": "Mine", "members": []}),
        "update_partner" => json!({"name": "Mine"}),
        "assign_account" => json!({"to": format!("usr_{}", "0".repeat(32))}),
        "update_organisation_person" => json!({"name": "Mine"}),
        "update_group" | "update_organisation_group" => json!({"name": "Mine", "permissions": []}),
        "rename_passkey" => json!({"name": "Mine"}),
        "reset_factors"
        | "deactivate_user"
        | "reactivate_user"
        | "unlock_user"
        | "create_user_link"
        | "deactivate_organisation_person"
        | "reactivate_organisation_person"
        | "create_organisation_link" => json!({}),
        "restart_run" | "fork_run" => json!({"from": "start"}),
        "undo_run" => json!({"restored": 1, "fields": 1, "removed": 0, "revived": 0}),
        "signal_run" => json!({"name": "go", "body": null}),
        "update_failure_class" => json!({"muted": true}),
        "retry_failure_class" => json!({"count": 1}),
        "resolve_conflict" => json!({"choice": "core"}),
        "answer_match" => json!({"choice": "different"}),
        _ => return None,
    })
}

#[tokio::test]
async fn another_tenants_lists_are_empty() {
    let world = World::new().await;
    let connected = world.pulled().await;
    let other = world.other_tenant().await;
    for list in [
        "connections",
        "mappings",
        "schedules",
        "runs",
        "accounts",
        "contacts",
        "conflicts",
        "matches",
        "failure-classes",
        "approvals",
        "groups",
        "keys",
        "teams",
        "partners",
        "brands",
        "erasures",
        "subject-exports",
        "domains",
        "identity-providers",
        "session/identities",
    ] {
        let page = other.get(&format!("/{list}")).await.expect(200);
        assert_eq!(page["items"], json!([]), "{list}");
    }
    let filtered = other
        .get(&format!("/accounts?connection_id={}", connected.id))
        .await;
    assert_eq!(filtered.expect(200)["items"], json!([]));
    let overview = other.get("/overview").await.expect(200);
    assert_eq!(overview["sentence"], "Nothing is connected yet.");
    assert_eq!(overview["records"], json!({"accounts": 0, "contacts": 0}));
}

#[tokio::test]
async fn a_body_that_names_another_tenants_thing_is_refused() {
    let world = World::new().await;
    let connected = world.connected().await;
    let account = world
        .admin
        .post("/accounts", &json!({"fields": {"name": "Theirs"}}))
        .await;
    let account = account.expect(201)["id"].clone();
    let other = world.other_tenant().await;
    let schedule = json!({
        "name": "x", "connection_id": connected.id, "stream": "Account", "cron": "0 3 * * *",
    });
    other.post("/schedules", &schedule).await.invalid("/stream");
    let mapping = json!({"connection_id": connected.id, "stream": "Account", "text": ""});
    other
        .post("/mappings", &mapping)
        .await
        .problem(404, "not-found");
    other
        .post("/mappings/check", &mapping)
        .await
        .problem(404, "not-found");
    // A reference to another tenant's account shows nothing of it.
    let contact = json!({"fields": {"last_name": "Doe", "account": account}});
    let answer = other.post("/contacts", &contact).await;
    if answer.status == 201 {
        let list = other.get("/contacts").await.expect(200);
        assert_eq!(list["items"][0]["account"], Json::Null);
    }
}
