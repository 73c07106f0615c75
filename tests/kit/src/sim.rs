//! The simulated Salesforce on a free port of this process.

use anyhow::Result;
use connector_salesforce::sim::{SimOptions, Simulator};
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A running simulator; it stops with this value.
pub struct Salesforce {
    pub sim: Simulator,
    pub url: String,
    _stop: DropGuard,
}

impl Salesforce {
    /// # Errors
    /// No free port.
    pub async fn start(options: SimOptions) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let sim = Simulator::new(options);
        let stop = CancellationToken::new();
        let (serving, stopped) = (sim.clone(), stop.clone());
        tokio::spawn(async move { serving.serve(listener, stopped.cancelled_owned()).await });
        Ok(Self {
            sim,
            url,
            _stop: stop.drop_guard(),
        })
    }

    /// The configuration of a connection to it.
    pub fn config(&self) -> Json {
        json!({
            "login_url": self.url,
            "auth": {
                "kind": "client_credentials",
                "client_id": self.sim.client_id(),
                "client_secret": self.sim.client_secret(),
            },
        })
    }
}
