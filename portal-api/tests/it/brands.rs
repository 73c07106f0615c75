use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value as Json, json};

use crate::world::{Answer, Client, World};

fn brand(name: &str, domain: Option<&str>) -> Json {
    json!({
        "name": name, "domain": domain, "accent": "#0b5cad", "on_accent": "#ffffff",
        "background": "#ffffff", "foreground": "#1a1a1a",
    })
}

fn with(mut body: Json, field: &str, value: Json) -> Json {
    body[field] = value;
    body
}

async fn upload(client: &Client, path: &str, bytes: Vec<u8>) -> Answer {
    let request = Request::builder()
        .method(Method::PUT)
        .uri(format!("/api/v1{path}"))
        .header("content-type", "image/png")
        .header(
            "content-disposition",
            "attachment; filename=\"../../../etc/passwd\"",
        );
    client.raw(request.body(Body::from(bytes)).unwrap()).await
}

#[tokio::test]
async fn a_brand_has_colours_that_can_be_read_and_a_domain_of_its_own() {
    let world = World::new().await;
    let first = world
        .admin
        .post("/brands", &brand("Acme", Some("Portal.Acme.example")))
        .await;
    let first = first.expect(201);
    assert_eq!(
        (&first["domain"], &first["is_default"]),
        (&json!("portal.acme.example"), &json!(true))
    );
    let bad = [
        ("/name", with(brand("x", None), "name", json!(""))),
        (
            "/name",
            with(brand("x", None), "name", json!("x".repeat(100_000))),
        ),
        ("/name", with(brand("x", None), "name", json!("a\nb"))),
        ("/accent", with(brand("x", None), "accent", json!("red"))),
        (
            "/accent",
            with(
                brand("x", None),
                "accent",
                json!(format!("#{}", "f".repeat(1000))),
            ),
        ),
        (
            "/on_accent",
            with(brand("x", None), "on_accent", json!("#0b5cae")),
        ),
        (
            "/foreground",
            with(brand("x", None), "foreground", json!("#777777")),
        ),
        ("/domain", brand("x", Some("p\u{43e}rtal.example"))),
        ("/domain", brand("x", Some("../../etc"))),
        ("/domain", brand("x", Some("169.254.169.254"))),
        (
            "/tenant_id",
            with(brand("x", None), "tenant_id", json!("tnt_1")),
        ),
        ("/logo", with(brand("x", None), "logo", json!("<svg>"))),
    ];
    for (place, body) in bad {
        world.admin.post("/brands", &body).await.invalid(place);
    }
    // Another tenant does not get the domain, nor hears whose it is.
    let other = world.other_tenant().await;
    let taken = other
        .post("/brands", &brand("Mine", Some("portal.acme.example")))
        .await;
    let taken = taken.problem(409, "conflict");
    assert!(!taken.to_string().contains("Acme"), "{taken}");
    let second = world
        .admin
        .post("/brands", &brand("Help", None))
        .await
        .expect(201);
    assert_eq!(second["is_default"], false);
    let path = format!("/brands/{}", second["id"].as_str().unwrap());
    let put = async |tag: &str, body: Json| {
        world
            .admin
            .send(Method::PUT, &path, Some(tag), Some(&body))
            .await
    };
    put("\"7\"", brand("Help", None))
        .await
        .problem(412, "stale");
    put(
        "\"1\"",
        with(brand("Help", None), "is_default", json!(true)),
    )
    .await
    .expect(200);
    put("\"2\"", brand("Help", None))
        .await
        .problem(409, "conflict");
    let list = world.admin.get("/brands").await.expect(200);
    let defaults = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|brand| brand["is_default"] == true);
    assert_eq!(defaults.count(), 1);
    let delete = async |path: &str, tag: &str| {
        world
            .admin
            .send(Method::DELETE, path, Some(tag), None)
            .await
    };
    delete(&path, "\"2\"").await.problem(409, "conflict");
    let first = format!("/brands/{}", first["id"].as_str().unwrap());
    delete(&first, "\"2\"").await.expect(204);
}

#[tokio::test]
async fn a_logo_is_an_image_by_its_bytes_and_comes_back_as_nothing_else() {
    let world = World::new().await;
    let made = world
        .admin
        .post("/brands", &brand("Acme", None))
        .await
        .expect(201);
    let path = format!("/brands/{}/logo", made["id"].as_str().unwrap());
    let image = b"\x89PNG\r\n\x1a\nimage".to_vec();
    world.admin.get(&path).await.problem(404, "not-found");
    for bad in [
        b"<svg onload=alert(1)>".to_vec(),
        b"GIF89a".to_vec(),
        Vec::new(),
    ] {
        upload(&world.admin, &path, bad)
            .await
            .problem(422, "invalid-field");
    }
    let mut large = image.clone();
    large.resize(300_000, 0);
    upload(&world.admin, &path, large)
        .await
        .problem(413, "too-large");
    let mut huge = image.clone();
    huge.resize(3 << 20, 0);
    assert_eq!(upload(&world.admin, &path, huge).await.status, 413);
    upload(&world.admin, &path, image.clone()).await.expect(200);
    let answer = world.admin.get(&path).await;
    assert_eq!((answer.status, &answer.bytes[..]), (200, &image[..]));
    assert_eq!(answer.headers["content-type"], "image/png");
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    assert_eq!(
        answer.headers["content-disposition"],
        "inline; filename=\"logo\""
    );
    // What was uploaded counts, once.
    let used = async || world.admin.get("/usage").await.expect(200)["storage"]["used"].clone();
    assert_eq!(used().await, image.len());
    upload(&world.admin, &path, image.clone()).await.expect(200);
    assert_eq!(used().await, image.len());
    world
        .admin
        .send(Method::DELETE, &path, None, None)
        .await
        .expect(204);
    assert_eq!(used().await, 0);
    world
        .admin
        .get("/brands/..%2f..%2fetc%2fpasswd/logo")
        .await
        .problem(404, "not-found");
}
