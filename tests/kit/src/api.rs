//! A client of the hub's API, as the console is one.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value as Json, json};

/// A signed-in client.
#[derive(Clone)]
pub struct Api {
    client: reqwest::Client,
    base: String,
    cookie: String,
}

/// An answer of the API.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub etag: Option<String>,
    pub body: Json,
}

impl Answer {
    /// The body of a success.
    ///
    /// # Errors
    /// Any other status, with the problem's text.
    pub fn ok(self) -> Result<Json> {
        ensure!(
            (200..300).contains(&self.status),
            "status {}: {}",
            self.status,
            self.body
        );
        Ok(self.body)
    }
}

impl Api {
    /// Signs in at `base` (`http://127.0.0.1:8080`).
    ///
    /// # Errors
    /// Nobody answers, or the password is wrong.
    pub async fn sign_in(base: &str, email: &str, password: &str) -> Result<Self> {
        let mut api = Self {
            client: client()?,
            base: base.to_owned(),
            cookie: String::new(),
        };
        let answer = api
            .client
            .post(format!("{base}/api/v1/session"))
            .header("origin", base)
            .json(&json!({ "email": email, "password": password }))
            .send()
            .await?;
        ensure!(
            answer.status().is_success(),
            "sign-in answered {}",
            answer.status()
        );
        let cookie = answer
            .headers()
            .get("set-cookie")
            .context("no cookie")?
            .to_str()?;
        cookie
            .split(';')
            .next()
            .context("empty cookie")?
            .clone_into(&mut api.cookie);
        Ok(api)
    }

    /// One request; the body is JSON or nothing.
    ///
    /// # Errors
    /// Nobody answers.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        if_match: Option<&str>,
        body: Option<&Json>,
    ) -> Result<Answer> {
        let mut request = self
            .client
            .request(method, format!("{}/api/v1{path}", self.base))
            .header("cookie", &self.cookie)
            .header("origin", &self.base);
        if let Some(etag) = if_match {
            request = request.header("if-match", etag);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let etag = answer
            .headers()
            .get("etag")
            .and_then(|tag| tag.to_str().ok())
            .map(str::to_owned);
        let bytes = answer.bytes().await?;
        let body = if bytes.is_empty() {
            Json::Null
        } else {
            serde_json::from_slice(&bytes)?
        };
        Ok(Answer { status, etag, body })
    }

    /// # Errors
    /// Nobody answers, or no success.
    pub async fn get(&self, path: &str) -> Result<Json> {
        self.send(Method::GET, path, None, None).await?.ok()
    }

    /// # Errors
    /// Nobody answers, or no success.
    pub async fn post(&self, path: &str, body: &Json) -> Result<Json> {
        self.send(Method::POST, path, None, Some(body)).await?.ok()
    }

    /// Reads a thing for its version and changes it.
    ///
    /// # Errors
    /// Nobody answers, or no success.
    pub async fn patch(&self, path: &str, body: &Json) -> Result<Json> {
        let current = self.send(Method::GET, path, None, None).await?;
        let etag = current.etag.clone();
        current.ok()?;
        self.send(Method::PATCH, path, etag.as_deref(), Some(body))
            .await?
            .ok()
    }

    /// All items of a list, page by page.
    ///
    /// # Errors
    /// Nobody answers, or no success.
    pub async fn all(&self, path: &str) -> Result<Vec<Json>> {
        let joint = if path.contains('?') { '&' } else { '?' };
        let (mut items, mut next) = (Vec::new(), String::new());
        loop {
            let mut page = self.get(&format!("{path}{joint}limit=200{next}")).await?;
            items.append(page["items"].as_array_mut().context("no items")?);
            match page["next"].as_str() {
                Some(cursor) => next = format!("&cursor={cursor}"),
                None => return Ok(items),
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a test is a client from outside")]
fn client() -> Result<reqwest::Client> {
    drop(rustls::crypto::ring::default_provider().install_default());
    Ok(reqwest::Client::builder()
        .timeout(Duration::from_secs(60))
        .build()?)
}

/// Whether an unauthenticated GET answers with success.
pub(crate) async fn answers(url: &str) -> bool {
    let Ok(client) = client() else { return false };
    client
        .get(url)
        .send()
        .await
        .is_ok_and(|answer| answer.status().is_success())
}
