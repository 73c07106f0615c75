//! The one HTTP client: time limits, size limits, and failures told apart by what they mean for
//! a repeat.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ::http::{HeaderMap, StatusCode};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;

use crate::reach::{self, PublicOnly, Reach};
use crate::{ConnectorError, ErrorKind, Result, trace};

/// Limits of a client.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    pub connect_timeout: Duration,
    /// From the first byte sent to the last byte received.
    pub timeout: Duration,
    /// Longest silence inside a body.
    pub read_timeout: Duration,
    /// Largest body taken, after decompression.
    pub max_body: usize,
    /// Which addresses it connects to.
    pub reach: Reach,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(120),
            read_timeout: Duration::from_secs(30),
            max_body: 64 << 20,
            reach: Reach::Anywhere,
        }
    }
}

/// An answer, read in full.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    /// The text of a header, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// How long `Retry-After` asks us to stay away, where it is told in seconds.
    pub fn retry_after(&self) -> Option<Duration> {
        let seconds = self.header("retry-after")?.trim().parse().ok()?;
        Some(Duration::from_secs(seconds))
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// `Transient` when it is none: a proxy's page, a body that was cut.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|error| {
            ConnectorError::transient(format!(
                "answer with status {} is not the expected json",
                self.status.as_u16()
            ))
            .with_source(error)
        })
    }
}

/// Client shared by all connections of a process; cheap to clone.
#[derive(Clone)]
pub struct Http {
    client: reqwest::Client,
    max_body: usize,
    reach: Reach,
    now: Arc<dyn Fn() -> SystemTime + Send + Sync>,
}

impl Http {
    /// A client with these limits; `now` is the process's clock.
    ///
    /// # Errors
    /// `Config` when the TLS set-up of the process does not work.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the client is made"
    )]
    pub fn new(
        options: &HttpOptions,
        now: impl Fn() -> SystemTime + Send + Sync + 'static,
    ) -> Result<Self> {
        // A second installation answers with the provider that is already there.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut builder = reqwest::Client::builder();
        if options.reach == Reach::Public {
            // A proxy of the environment would resolve names itself, and may stand inside.
            builder = builder.dns_resolver(Arc::new(PublicOnly)).no_proxy();
        }
        let client = builder
            .connect_timeout(options.connect_timeout)
            .timeout(options.timeout)
            .read_timeout(options.read_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("syncline/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| {
                ConnectorError::config("http client cannot be set up").with_source(error)
            })?;
        Ok(Self {
            client,
            max_body: options.max_body,
            reach: options.reach,
            now: Arc::new(now),
        })
    }

    /// The time by the process's clock, for signed assertions.
    pub fn now(&self) -> SystemTime {
        (self.now)()
    }

    /// A request to fill and hand to [`Http::send`]; it says which trace it belongs to, if any.
    pub fn request(&self, method: ::http::Method, url: url::Url) -> reqwest::RequestBuilder {
        let request = self.client.request(method, url);
        let Some(place) = trace::current() else {
            return request;
        };
        let request = request.header("traceparent", place.parent.to_string());
        match place.state {
            Some(state) => request.header("tracestate", state.as_str()),
            None => request,
        }
    }

    /// Sends once and reads the answer in full, whatever its status.
    ///
    /// # Errors
    /// `Transient`: no connection (certainly not sent), or cut, hung or over time afterwards
    /// ([`ConnectorError::outcome_unknown`] is set). `Rejected` when the body passes the limit,
    /// `Config` when the address is out of reach.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Result<Reply> {
        let (client, request) = request.build_split();
        let request = request.map_err(failure)?;
        self.reach.check(request.url())?;
        let answer = client.execute(request).await.map_err(failure)?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut body = BytesMut::new();
        let mut chunks = answer.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(failure)?;
            if body.len() + chunk.len() > self.max_body {
                return Err(ConnectorError::rejected(format!(
                    "answer is larger than {} bytes",
                    self.max_body
                ))
                .with_outcome_unknown());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply {
            status,
            headers,
            body: body.freeze(),
        })
    }
}

fn failure(error: reqwest::Error) -> ConnectorError {
    // The address may carry a token in its query: it stays out of every message.
    let error = error.without_url();
    if error.is_builder() {
        return ConnectorError::new(ErrorKind::Config, "request cannot be built")
            .with_source(error);
    }
    if is_outside(&error) {
        return reach::inside();
    }
    if error.is_connect() {
        return ConnectorError::transient("system cannot be reached").with_source(error);
    }
    let message = if error.is_timeout() {
        "system did not answer in time"
    } else {
        "connection to the system was cut"
    };
    ConnectorError::transient(message)
        .with_outcome_unknown()
        .with_source(error)
}

/// Whether it was not connected because the name leads where requests may not go.
fn is_outside(error: &reqwest::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if error.is::<ConnectorError>() {
            return true;
        }
        cause = error.source();
    }
    false
}
