//! Every operation, asked by people who do not see all accounts.

use axum::http::Method;
use domain::users::Role;
use serde_json::json;

use crate::scopes::{account, assign, contact, everybody, names, somebody};
use crate::world::World;

#[tokio::test]
async fn what_is_out_of_scope_is_not_found_by_any_operation_and_what_is_in_it_is() {
    let world = World::new().await;
    let connected = world.pulled().await;
    let conflict = crate::conflicts::opened(&world, &connected).await;
    let approval = crate::approvals::asked(&world, &connected).await;
    let question = crate::matches::asked(&world).await.id;
    let others = world.admin.get("/contacts?limit=1").await.expect(200)["items"][0].clone();
    let theirs = world.admin.get("/accounts?limit=1").await.expect(200)["items"][0].clone();
    let ours = account(&world, "Ours").await;
    let of_ours = contact(&world, "Mine", &ours).await;
    assert_ne!(theirs["id"], ours.as_str());
    let ids = [
        ("accounts", theirs["id"].as_str().unwrap().to_owned()),
        ("contacts", others["id"].as_str().unwrap().to_owned()),
        ("conflicts", conflict),
        ("matches", question),
        ("approvals", approval["id"].as_str().unwrap().to_owned()),
    ];
    let document = portal_api::document();
    for (who, client) in everybody(&world, &ours).await {
        let session = client.get("/session").await.expect(200);
        let may = |permission: &str| {
            let all = session["permissions"].as_array().unwrap();
            permission == "own" || all.contains(&json!(permission))
        };
        let mut found = 0;
        for (path, item) in document["paths"].as_object().unwrap() {
            let path = path.strip_prefix("/api/v1").unwrap_or(path);
            let Some((noun, id)) = ids
                .iter()
                .find(|(noun, _)| path.starts_with(&format!("/{noun}/{{id}}")))
            else {
                continue;
            };
            for (method, operation) in item.as_object().unwrap() {
                let name = operation["operationId"].as_str().unwrap();
                let query = crate::tenants::query(name);
                let at = |id: &str| format!("{}{query}", path.replace("{id}", id));
                let is_read = method == "get";
                let method: Method = method.to_uppercase().parse().unwrap();
                let body = crate::tenants::body(name);
                let answer = client
                    .send(method.clone(), &at(id), Some("\"1\""), body.as_ref())
                    .await;
                if !may(operation["x-permission"].as_str().unwrap()) {
                    answer.problem(403, "forbidden");
                    continue;
                }
                answer.problem(404, "not-found");
                let own = match *noun {
                    "accounts" => &ours,
                    "contacts" => &of_ours,
                    _ => continue,
                };
                if is_read && !at(own).contains("from=") && !at(own).contains("at=") {
                    client.get(&at(own)).await.expect(200);
                    found += 1;
                }
            }
        }
        assert!(found >= 7, "{who}: {found}");
        let list = client.get("/accounts").await.expect(200);
        assert_eq!(
            (names(&list, "name"), &list["total"]),
            (vec!["Ours".to_owned()], &json!(1)),
            "{who}"
        );
        let list = client.get("/contacts").await.expect(200);
        assert_eq!(
            (names(&list, "last_name"), &list["total"]),
            (vec!["Mine".to_owned()], &json!(1)),
            "{who}"
        );
        for search in [
            format!(
                "/accounts?q={}",
                theirs["name"].as_str().unwrap().split(' ').next().unwrap()
            ),
            format!("/accounts?connection_id={}", connected.id),
            "/accounts?assigned_to=nobody".to_owned(),
            format!("/contacts?q={}", others["last_name"].as_str().unwrap()),
        ] {
            let page = client.get(&search).await.expect(200);
            assert_eq!(
                (&page["items"], &page["total"]),
                (&json!([]), &json!(0)),
                "{who}: {search}"
            );
        }
        if may("conflicts.read") {
            for list in ["/conflicts", "/matches"] {
                let page = client.get(list).await.expect(200);
                assert_eq!(page["items"], json!([]), "{who}: {list}");
            }
        }
    }
}

/// Every operation that reads, with nothing chosen beforehand: who does not see all may call those of
/// records and conflicts and those about themselves, and none of them shows anything of another account.
#[tokio::test]
async fn no_operation_that_reads_shows_anything_of_other_accounts() {
    let world = World::new().await;
    let connected = world.pulled().await;
    let question = crate::matches::asked(&world).await.id;
    let theirs = account(&world, "Hiddencanary").await;
    let hidden = contact(&world, "Hiddencanary", &theirs).await;
    let holder = somebody(&world, "holder@one.example", Role::Csm, json!({}))
        .await
        .1;
    assign(&world, &theirs, &holder).await;
    let conflict = crate::conflicts::opened(&world, &connected).await;
    let ours = account(&world, "Ours").await;
    let of_ours = contact(&world, "Mine", &ours).await;
    let shown = world.admin.get("/accounts?limit=200").await.expect(200);
    let mut secrets = vec![
        "Hiddencanary".to_owned(),
        theirs.clone(),
        hidden.clone(),
        conflict,
        question,
    ];
    let others = shown["items"].as_array().unwrap().iter();
    secrets.extend(others.map(|item| item["id"].as_str().unwrap().to_owned()));
    secrets.retain(|secret| *secret != ours);
    let document = portal_api::document();
    let nobody = "0".repeat(32);
    for (who, client) in everybody(&world, &ours).await {
        let (mut called, mut refused) = (0, 0);
        for (path, item) in document["paths"].as_object().unwrap() {
            let Some(operation) = item.get("get") else {
                continue;
            };
            let name = operation["operationId"].as_str().unwrap();
            // A stream that does not end; it is refused as the other operations are.
            if name == "events" {
                let may = operation["x-permission"].as_str().unwrap();
                assert_eq!(may, "hub.read", "who hears the news of the whole tenant?");
                continue;
            }
            let path = path.strip_prefix("/api/v1").unwrap_or(path);
            let own = match path.split('/').nth(1).unwrap_or_default() {
                "accounts" => ours.clone(),
                "contacts" => of_ours.clone(),
                noun => format!("{}_{nobody}", &noun[..3.min(noun.len())]),
            };
            let asked = path
                .replace("{id}", &own)
                .replace("{entity}", "contact")
                .replace("{stream}", "Contact");
            let asked = format!("{asked}{}", crate::tenants::query(name));
            let answer = client.get(&asked).await;
            let needs = operation["x-permission"].as_str().unwrap();
            // Who looks after the people of a customer does so within the customer's own account.
            let within = ["records.read", "conflicts.read", "own", "open"].contains(&needs)
                || (needs == "organisation.manage" && who == "customer admin");
            if within {
                called += 1;
            } else {
                assert_eq!(
                    answer.status, 403,
                    "{who}: {name} needs {needs}: {}",
                    answer.body
                );
                refused += 1;
            }
            let body = String::from_utf8_lossy(&answer.bytes);
            for secret in &secrets {
                assert!(!body.contains(secret), "{who}: {name} shows {secret}");
            }
        }
        assert!(
            called >= 15 && refused >= 30,
            "{who}: {called} called, {refused} refused"
        );
    }
}
