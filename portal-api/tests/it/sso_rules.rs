//! How identity providers are set up, whom they may let in and link, and who gets in without them.

use axum::http::Method;
use domain::users::Role;
use engine::ids::GroupId;
use serde_json::{Value as Json, json};

use crate::provider::{Begun, Provider, begin, enable, enabled, last_refusal, session};
use crate::world::{PASSWORD, World};

#[tokio::test]
async fn a_provider_is_tried_before_it_lets_anybody_in_and_again_after_a_change() {
    let world = World::new().await;
    let provider = Provider::start().await;
    let made = world
        .admin
        .post("/identity-providers", &provider.body())
        .await;
    let etag = made.etag();
    let made = made.expect(201);
    assert_eq!(made["enabled"], false);
    assert_eq!(made["oidc"]["has_secret"], true);
    assert!(!made.to_string().contains(crate::provider::SECRET));
    let id = made["id"].as_str().unwrap();
    let path = format!("/identity-providers/{id}");
    let enable_path = format!("{path}/enable");
    let answer = world
        .admin
        .send(Method::POST, &enable_path, Some(&etag), None)
        .await;
    assert!(
        answer.problem(409, "conflict")["detail"]
            .as_str()
            .unwrap()
            .contains("try it first")
    );
    world
        .stranger()
        .post(&format!("/sso/{id}/start"), &json!({}))
        .await
        .problem(404, "not-found");

    // A test that is not let in counts as one that failed, with its reason.
    let answer = world.admin.post(&format!("{path}/test"), &json!({})).await;
    let begun = Begun::of(&world.admin, &provider, &answer);
    begun.admits(json!({"email_verified": false}));
    let outcome = begun.comes_back().await.expect(200);
    assert_eq!(outcome["accepted"], false);
    assert!(outcome["reason"].as_str().unwrap().contains("verified"));
    let shown = world.admin.get(&path).await;
    let etag = shown.etag();
    assert_eq!(shown.expect(200)["tested"], false);
    world
        .admin
        .send(Method::POST, &enable_path, Some(&etag), None)
        .await
        .problem(409, "conflict");
    // Nobody was made by it.
    assert_eq!(
        world.admin.get("/users?q=ada").await.expect(200)["items"],
        json!([])
    );

    enable(&world, &provider, id).await;
    let mut body = provider.body();
    body["default_role"] = json!("agent");
    body["oidc"]["client_secret"].take();
    let begun = begin(&world, &provider, id).await;
    begun.admits(json!({}));
    let etag = world.admin.get(&path).await.etag();
    let stale = world
        .admin
        .send(Method::PUT, &path, Some("\"1\""), Some(&body))
        .await;
    stale.problem(412, "stale");
    let changed = world
        .admin
        .send(Method::PUT, &path, Some(&etag), Some(&body))
        .await
        .expect(200);
    assert_eq!(
        (&changed["enabled"], &changed["tested"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(changed["oidc"]["has_secret"], true);
    // What was begun with the rules of before ends with them.
    begun.comes_back().await.problem(401, "unauthenticated");
    assert!(last_refusal(&world).await.contains("changed"));
}

type Change<'a> = &'a dyn Fn(&mut Json);

#[tokio::test]
async fn a_body_that_cannot_be_so_is_refused_with_its_place() {
    let world = World::new().await;
    let provider = Provider::start().await;
    let refused = async |change: Change<'_>| {
        let mut body = provider.body();
        change(&mut body);
        world.admin.post("/identity-providers", &body).await
    };
    let group = json!({"name": "Admins", "permissions": ["users.manage"]});
    let group = world.admin.post("/groups", &group).await.expect(201)["id"].clone();
    let cases: [(&str, Change<'_>); 15] = [
        ("/name", &|it| it["name"] = json!(" ")),
        ("/oidc", &|it| it["oidc"] = Json::Null),
        ("/oidc", &|it| it["saml"] = json!({"metadata": "<a/>"})),
        ("/oidc/issuer", &|it| {
            it["oidc"]["issuer"] = json!("not an address");
        }),
        ("/oidc/issuer", &|it| {
            it["oidc"]["issuer"] = json!("https://u@x.example");
        }),
        ("/oidc/issuer", &|it| {
            it["oidc"]["issuer"] = json!("ftp://x.example");
        }),
        ("/oidc/client_id", &|it| it["oidc"]["client_id"] = json!("")),
        ("/oidc/scopes", &|it| it["oidc"]["scopes"] = json!(["a b"])),
        ("/default_role", &|it| it["default_role"] = json!("admin")),
        ("/role_rules/0/role", &|it| {
            it["role_rules"] = json!([{"value": "x", "role": "admin"}]);
        }),
        ("/group_rules/0/group", &|it| {
            it["group_rules"] = json!([{"value": "x", "group": GroupId::fresh()}]);
        }),
        ("/group_rules/0/group", &|it| {
            it["group_rules"] = json!([{"value": "x", "group": group}]);
        }),
        ("/email_domains/0", &|it| {
            it["email_domains"] = json!(["pаypal.example"]);
        }),
        ("/session_minutes", &|it| it["session_minutes"] = json!(1)),
        ("/ceiling", &|it| it["ceiling"] = json!("root")),
    ];
    for (pointer, change) in cases {
        refused(change).await.invalid(pointer);
    }
    refused(&|it| it["more"] = json!(1)).await.invalid("/more");
    // Where anybody can have an account, it is said whose addresses may come.
    let public: [(&str, Change<'_>); 2] = [
        ("/email_domains", &|it| it["preset"] = json!("google")),
        ("/trust_email", &|it| {
            it["preset"] = json!("google");
            it["email_domains"] = json!(["one.example"]);
            it["trust_email"] = json!(true);
        }),
    ];
    for (pointer, change) in public {
        refused(change).await.invalid(pointer);
    }
    let mut saml = provider.body();
    saml.as_object_mut().unwrap().remove("oidc");
    saml["saml"] = json!({"metadata": "<a/>"});
    // This portal was built without.
    world
        .admin
        .post("/identity-providers", &saml)
        .await
        .problem(409, "conflict");
    let stranger = world
        .user(world.tenant, "viewer@one.example", Role::Viewer)
        .await;
    stranger
        .post("/identity-providers", &provider.body())
        .await
        .problem(403, "forbidden");
}

#[tokio::test]
async fn nobody_lets_in_through_a_provider_what_they_do_not_have_themselves() {
    let world = World::new().await;
    let provider = Provider::start().await;
    let clerk = world
        .user(world.tenant, "clerk@one.example", Role::Viewer)
        .await;
    let id = clerk.get("/session").await.expect(200)["user"]["id"].clone();
    let path = format!("/users/{}", id.as_str().unwrap());
    let etag = world.admin.get(&path).await.etag();
    let grant = json!({"grants": ["hub.configure"]});
    world
        .admin
        .send(Method::PATCH, &path, Some(&etag), Some(&grant))
        .await
        .expect(200);
    let mut body = provider.body();
    body["ceiling"] = json!("admin");
    clerk
        .post("/identity-providers", &body)
        .await
        .problem(403, "forbidden");
    let trail = world
        .admin
        .get("/audit?action=refused:create_identity_provider")
        .await;
    assert_eq!(trail.expect(200)["items"][0]["after"]["ceiling"], "admin");
}

#[tokio::test]
async fn only_a_verified_address_links_and_never_somebody_above_the_ceiling() {
    let world = World::new().await;
    let provider = Provider::start().await;
    let mut body = provider.body();
    body["provision"] = json!(false);
    body["email_domains"] = json!(["one.example"]);
    let id = enabled(&world, &provider, &body).await;
    world
        .make_user(world.tenant, "ada@one.example", Role::Viewer, false)
        .await;
    provider.say_of_user(json!({"sub": "ada-1"}));
    let come = async |claims: Json| {
        let begun = begin(&world, &provider, &id).await;
        begun.admits(claims);
        begun.comes_back().await
    };
    for (claims, why) in [
        (json!({"email_verified": false}), "verified"),
        (json!({"email_verified": null}), "verified"),
        (json!({"email": "admin@one.example"}), "more permissions"),
        (json!({"email": "nobody@one.example"}), "no such user"),
        (json!({"email": "ada@evil.example"}), "domain"),
        (json!({"email": null}), "no e-mail"),
    ] {
        come(claims.clone()).await.problem(401, "unauthenticated");
        let noted = last_refusal(&world).await;
        assert!(noted.contains(why), "{claims}: {noted}");
        world.forgive();
    }
    let ada = session(&world, &come(json!({})).await);
    // Who was there before keeps the role they had.
    assert_eq!(
        ada.get("/session").await.expect(200)["user"]["role"],
        "viewer"
    );
    // Linked: the address does not matter any more, nor who else has it there.
    let again = come(json!({"email": "other@evil.example", "email_verified": false})).await;
    session(&world, &again);
    come(json!({"sub": "eve"}))
        .await
        .problem(401, "unauthenticated");
    assert!(last_refusal(&world).await.contains("somebody else"));
    // Deactivated: no way in.
    let people = world.admin.get("/users?q=ada").await.expect(200);
    let path = format!(
        "/users/{}/deactivate",
        people["items"][0]["id"].as_str().unwrap()
    );
    world.admin.post(&path, &json!({})).await.expect(200);
    ada.get("/session").await.problem(401, "unauthenticated");
    come(json!({})).await.problem(401, "unauthenticated");
    assert!(last_refusal(&world).await.contains("deactivated"));
}

#[tokio::test]
async fn an_address_of_another_tenants_user_shows_nothing() {
    let world = World::new().await;
    world.other_tenant().await;
    let provider = Provider::start().await;
    let id = {
        let made = world
            .admin
            .post("/identity-providers", &provider.body())
            .await
            .expect(201);
        let id = made["id"].as_str().unwrap().to_owned();
        enable(&world, &provider, &id).await;
        id
    };
    let named = world.tenant.to_string();
    let stranger = world.stranger();
    let path = format!("/sso/{id}/start");
    let headers = [("x-syncline-tenant", named.as_str())];
    let answer =
        crate::domains::ask(&stranger, Method::POST, &path, &headers, Some(&json!({}))).await;
    let begun = Begun::of(&stranger, &provider, &answer);
    begun.admits(json!({"email": "admin@two.example"}));
    let told = begun.comes_back().await.problem(401, "unauthenticated");
    assert!(!told.to_string().contains("two.example"));
    assert!(last_refusal(&world).await.contains("somebody else"));
}

#[tokio::test]
async fn who_is_signed_in_links_and_unlinks_and_keeps_a_way_in() {
    let world = World::new().await;
    let provider = Provider::start().await;
    let id = enabled(&world, &provider, &provider.body()).await;
    // The admin, whom no address would link.
    let wish = json!({"provider_id": id, "next": "/"});
    let link = async |client: &crate::world::Client| {
        let answer = client.post("/session/identities", &wish).await;
        Begun::of(client, &provider, &answer)
    };
    let begun = link(&world.admin).await;
    begun.admits(json!({"sub": "boss", "email": "boss@home.example", "email_verified": false}));
    assert_eq!(begun.comes_back().await.status, 303);
    let begun = begin(&world, &provider, &id).await;
    begun.admits(json!({"sub": "boss"}));
    let boss = session(&world, &begun.comes_back().await);
    assert_eq!(
        boss.get("/session").await.expect(200)["user"]["email"],
        "admin@one.example"
    );
    // Linked to one, it is not linked to another; nor by a browser that is signed out meanwhile.
    let viewer = world
        .user(world.tenant, "viewer@one.example", Role::Viewer)
        .await;
    let begun = link(&viewer).await;
    begun.admits(json!({"sub": "boss"}));
    begun.comes_back().await.problem(401, "unauthenticated");
    let begun = link(&viewer).await;
    begun.admits(json!({"sub": "viewer"}));
    viewer
        .send(Method::DELETE, "/session", None, None)
        .await
        .expect(204);
    begun.comes_back().await.problem(401, "unauthenticated");

    let mine = boss.get("/session/identities").await.expect(200);
    assert_eq!(mine["items"][0]["provider"], "Company");
    let path = format!(
        "/session/identities/{}",
        mine["items"][0]["id"].as_str().unwrap()
    );
    let viewer = world
        .user(world.tenant, "viewer2@one.example", Role::Viewer)
        .await;
    viewer
        .send(Method::DELETE, &path, None, None)
        .await
        .problem(404, "not-found");
    boss.send(Method::DELETE, &path, None, None)
        .await
        .expect(204);
    // Somebody without a password keeps the one way in.
    let begun = begin(&world, &provider, &id).await;
    begun.admits(json!({}));
    let ada = session(&world, &begun.comes_back().await);
    let mine = ada.get("/session/identities").await.expect(200);
    let path = format!(
        "/session/identities/{}",
        mine["items"][0]["id"].as_str().unwrap()
    );
    ada.send(Method::DELETE, &path, None, None)
        .await
        .problem(409, "conflict");
}

#[tokio::test]
async fn only_providers_let_people_in_where_a_fallback_admin_remains() {
    let world = World::new().await;
    let provider = Provider::start().await;
    let admin = world.admin.get("/session").await.expect(200)["user"]["id"].clone();
    let viewer = world
        .user(world.tenant, "viewer@one.example", Role::Viewer)
        .await;
    let viewer = viewer.get("/session").await.expect(200)["user"]["id"].clone();
    let set = async |etag: &str, body: Json| {
        world
            .admin
            .send(Method::PUT, "/sign-in-policy", Some(etag), Some(&body))
            .await
    };
    let only = |admins: Json| json!({"sso_only": true, "fallback_admins": admins});
    let why = |answer: crate::world::Answer| {
        answer.problem(409, "conflict")["detail"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert!(why(set("\"0\"", only(json!([admin]))).await).contains("no identity provider"));
    let id = enabled(&world, &provider, &provider.body()).await;
    assert!(why(set("\"0\"", only(json!([]))).await).contains("fallback admin"));
    assert!(why(set("\"0\"", only(json!([viewer]))).await).contains("no active admin"));
    set("\"0\"", only(json!([admin]))).await.expect(200);
    set("\"0\"", only(json!([admin])))
        .await
        .problem(412, "stale");

    let options = world.stranger().get("/sign-in-options").await.expect(200);
    assert_eq!(options["password"], false);
    let mut stranger = world.stranger();
    let told = stranger
        .sign_in("viewer@one.example", PASSWORD)
        .await
        .problem(401, "unauthenticated");
    let unknown = stranger
        .sign_in("nobody@one.example", PASSWORD)
        .await
        .problem(401, "unauthenticated");
    assert_eq!(told["detail"], unknown["detail"]);
    stranger
        .sign_in("admin@one.example", PASSWORD)
        .await
        .expect(200);
    // What lets people in stays, and so does who gets in without it.
    let path = format!("/identity-providers/{id}");
    for (method, action) in [(Method::POST, "/disable"), (Method::DELETE, "")] {
        let etag = world.admin.get(&path).await.etag();
        let path = format!("{path}{action}");
        let answer = world.admin.send(method, &path, Some(&etag), None).await;
        assert!(why(answer).contains("only this provider"));
    }
    world
        .make_user(world.tenant, "second@one.example", Role::Admin, false)
        .await;
    let mut second = world.stranger();
    let begun = begin(&world, &provider, &id).await;
    begun.admits(json!({}));
    session(&world, &begun.comes_back().await);
    second
        .sign_in("second@one.example", PASSWORD)
        .await
        .problem(401, "unauthenticated");
    let gone = format!("/users/{}/deactivate", admin.as_str().unwrap());
    let answer = world.admin.post(&gone, &json!({})).await;
    assert!(why(answer).contains("last fallback admin"));
}

#[tokio::test]
async fn microsoft_speaks_for_each_of_its_directories_and_only_the_named_ones_may_come() {
    const OURS: &str = "11111111-2222-3333-4444-555555555555";
    const THEIRS: &str = "99999999-2222-3333-4444-555555555555";
    let world = World::new().await;
    let mut provider = Provider::start().await;
    let base = provider.issuer.clone();
    provider.describe(|it| it["issuer"] = json!(format!("{base}/{{tenantid}}/v2.0")));
    provider.issuer = format!("{base}/{OURS}/v2.0");
    let mut body = provider.body();
    body["preset"] = json!("microsoft");
    body["oidc"]["issuer"] = json!(format!("{base}/organizations/v2.0"));
    body["microsoft_tenants"] = json!([OURS]);
    let made = world
        .admin
        .post("/identity-providers", &body)
        .await
        .expect(201);
    let id = made["id"].as_str().unwrap().to_owned();
    let path = format!("/identity-providers/{id}");
    let answer = world.admin.post(&format!("{path}/test"), &json!({})).await;
    let begun = Begun::of(&world.admin, &provider, &answer);
    begun.admits(json!({"tid": OURS}));
    assert_eq!(begun.comes_back().await.expect(200)["accepted"], true);
    let etag = world.admin.get(&path).await.etag();
    let enable = format!("{path}/enable");
    world
        .admin
        .send(Method::POST, &enable, Some(&etag), None)
        .await
        .expect(200);
    for (claims, why) in [
        // A directory that signs as itself, one that says it is another, one that says none.
        (
            json!({"tid": THEIRS, "iss": format!("{base}/{THEIRS}/v2.0")}),
            "Microsoft tenant",
        ),
        (
            json!({"tid": OURS, "iss": format!("{base}/{THEIRS}/v2.0")}),
            "another issuer",
        ),
        (json!({"tid": THEIRS}), "another issuer"),
        (json!({"tid": null}), "another issuer"),
        (json!({"tid": "../../x"}), "another issuer"),
        // Its addresses are what their owners wrote there.
        (json!({"tid": OURS, "email_verified": null}), "verified"),
    ] {
        let begun = begin(&world, &provider, &id).await;
        begun.admits(claims.clone());
        begun.comes_back().await.problem(401, "unauthenticated");
        let noted = last_refusal(&world).await;
        assert!(noted.contains(why), "{claims}: {noted}");
        world.forgive();
    }
    let begun = begin(&world, &provider, &id).await;
    begun.admits(json!({"tid": OURS}));
    session(&world, &begun.comes_back().await);
}

#[tokio::test]
async fn google_is_let_in_by_verified_addresses_of_the_companys_domain() {
    let world = World::new().await;
    let provider = Provider::start().await;
    let mut body = provider.body();
    body["preset"] = json!("google");
    body["email_domains"] = json!(["one.example"]);
    let id = enabled(&world, &provider, &body).await;
    for claims in [
        json!({"email": "eve@gmail.example"}),
        json!({"email": "ada@one.example", "email_verified": false}),
    ] {
        let begun = begin(&world, &provider, &id).await;
        begun.admits(claims);
        begun.comes_back().await.problem(401, "unauthenticated");
    }
    let begun = begin(&world, &provider, &id).await;
    begun.admits(json!({"hd": "one.example"}));
    let ada = session(&world, &begun.comes_back().await);
    assert_eq!(
        ada.get("/session").await.expect(200)["user"]["email"],
        "ada@one.example"
    );
}
