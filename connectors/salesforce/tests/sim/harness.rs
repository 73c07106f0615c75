//! An organisation in process and the requests a test sends to it.

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request};
use connector_salesforce::sim::{SimOptions, Simulator};
use serde_json::Value as Json;
use tower::ServiceExt as _;

pub(crate) const ROOT: &str = "/services/data/v62.0";

/// A simulated organisation with a session.
pub(crate) struct Org {
    pub(crate) sim: Simulator,
    pub(crate) token: String,
}

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    /// The body broke off.
    pub(crate) cut: bool,
}

impl Answer {
    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|error| panic!("{} {error}: {}", self.status, self.text))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The code of the usual one-element error array.
    pub(crate) fn code(&self) -> String {
        self.json()[0]["errorCode"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

impl Org {
    pub(crate) fn new() -> Self {
        Self::with(SimOptions::default())
    }

    pub(crate) fn with(options: SimOptions) -> Self {
        let sim = Simulator::new(options);
        let token = sim.access_token();
        Self { sim, token }
    }

    /// Sends any request with these headers.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "org.example");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Body::from(body))
            .expect("the request is well formed");
        let response = self
            .sim
            .router()
            .oneshot(request)
            .await
            .expect("the router cannot fail");
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await;
        let cut = bytes.is_err();
        let text = String::from_utf8(bytes.unwrap_or_default().to_vec()).expect("answers are text");
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text,
            cut,
        }
    }

    /// A REST call with our session, below the version; the body may be null.
    pub(crate) async fn rest(&self, method: &str, path: &str, body: Json) -> Answer {
        self.rest_with(method, path, &[], body).await
    }

    pub(crate) async fn rest_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Json,
    ) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        let mut all = vec![
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
        ];
        all.extend_from_slice(headers);
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let path = if path.starts_with("/services") {
            path.to_owned()
        } else {
            format!("{ROOT}{path}")
        };
        self.send(method, &path, &all, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.rest("GET", path, Json::Null).await
    }

    /// The first page of a query.
    pub(crate) async fn query(&self, soql: &str) -> Answer {
        self.get(&format!("/query?q={}", encoded(soql))).await
    }

    /// All records of a query, through every page.
    pub(crate) async fn query_all_pages(&self, soql: &str) -> Vec<Json> {
        let mut page = self.query(soql).await.json();
        let mut records = vec![];
        loop {
            records.extend(page["records"].as_array().cloned().unwrap_or_default());
            let Some(next) = page["nextRecordsUrl"].as_str() else {
                return records;
            };
            page = self.get(next).await.json();
        }
    }

    /// The ids a query finds, in order.
    pub(crate) async fn ids(&self, soql: &str) -> Vec<String> {
        let records = self.query_all_pages(soql).await;
        records.iter().map(|record| text(&record["Id"])).collect()
    }

    /// A control request, which must succeed.
    pub(crate) async fn control(&self, path: &str, body: Json) -> Json {
        let answer = self
            .send("POST", &format!("/__control/{path}"), &[], body.to_string())
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }

    pub(crate) fn insert(&self, object: &str, fields: Json) -> String {
        self.sim.insert(object, fields).expect("the row is valid")
    }
}

pub(crate) fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

pub(crate) fn text(json: &Json) -> String {
    json.as_str().unwrap_or_default().to_owned()
}
