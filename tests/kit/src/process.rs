//! The program as a process.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::api::{Api, answers};
use crate::until;

pub const ADMIN_EMAIL: &str = "admin@example.com";
pub const ADMIN_PASSWORD: &str = "correct horse battery staple";

/// A running `syncline up` against a database that outlives it.
pub struct HubProcess {
    child: Child,
    pub base: String,
}

/// The program under test: `SYNCLINE_BIN`, or the one built beside this test.
///
/// # Errors
/// It has not been built.
pub fn binary() -> Result<PathBuf> {
    #[expect(
        clippy::disallowed_methods,
        reason = "tests are told by the task runner where it is"
    )]
    if let Some(path) = std::env::var_os("SYNCLINE_BIN") {
        return Ok(path.into());
    }
    let test = std::env::current_exe()?;
    let target = test
        .parent()
        .and_then(|deps| deps.parent())
        .context("no target folder")?;
    let binary = target.join("syncline");
    ensure!(
        binary.exists(),
        "{} is missing: cargo build --workspace",
        binary.display()
    );
    Ok(binary)
}

impl HubProcess {
    /// Starts the hub and waits until it is ready.
    ///
    /// # Errors
    /// It does not get ready within 30 s.
    pub async fn start(database_url: &str, data: &std::path::Path) -> Result<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?
            .local_addr()?
            .port();
        let listen = format!("127.0.0.1:{port}");
        let child = Command::new(binary()?)
            .args(["up", "--listen", &listen, "--data"])
            .arg(data)
            .env("DATABASE_URL", database_url)
            .env("SYNCLINE_ADMIN_EMAIL", ADMIN_EMAIL)
            .env("SYNCLINE_ADMIN_PASSWORD", ADMIN_PASSWORD)
            // Simulated systems run on this machine.
            .env("SYNCLINE_PEERS_AT", "127.0.0.0/8,::1/128")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(
                std::fs::File::options()
                    .create(true)
                    .append(true)
                    .open(data.join("hub.log"))?,
            )
            .spawn()?;
        let hub = Self {
            child,
            base: format!("http://{listen}"),
        };
        let ready = format!("{}/ready", hub.base);
        until("a ready hub", Duration::from_secs(30), || {
            let ready = ready.clone();
            async move { Ok(answers(&ready).await.then_some(())) }
        })
        .await?;
        Ok(hub)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Signs in as the first admin.
    ///
    /// # Errors
    /// As [`Api::sign_in`].
    pub async fn api(&self) -> Result<Api> {
        Api::sign_in(&self.base, ADMIN_EMAIL, ADMIN_PASSWORD).await
    }

    /// Kills it with SIGKILL, as a crash does.
    ///
    /// # Errors
    /// It is gone already.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for HubProcess {
    fn drop(&mut self) {
        // Already gone after `kill`.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
