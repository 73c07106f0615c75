//! `up`, `serve`, `work` and `migrate`.

use anyhow::{Result, bail};
use domain::tenants::NewTenant;
use secrecy::ExposeSecret;
use workflows::{MailerOptions, MessengerOptions};

use crate::cli::Common;
use crate::database::{self, Database};
use crate::files::{Data, vault};
use crate::hub::{AdminWish, Hub, HubOptions};
use crate::terminal::{say, stop_on_signal};
use crate::tls::TlsFiles;

/// The options that the settings make, on a database that was found.
pub(crate) fn options(
    common: &Common,
    data: &Data,
    database_url: &secrecy::SecretString,
    tenant: NewTenant,
) -> Result<HubOptions> {
    Ok(HubOptions {
        database_url: database_url.clone(),
        vault: vault(&data.key_file(common))?,
        listen: Some(common.listen),
        workers: common.workers.max(1),
        migrate: true,
        admin: Some(AdminWish {
            email: common.admin_email.clone(),
            password: common.admin_password.clone(),
            tenant,
        }),
        https: common.https,
        tls: match (&common.tls_cert, &common.tls_key) {
            (Some(certificate), Some(key)) => Some(TlsFiles {
                certificate: certificate.clone(),
                key: key.clone(),
            }),
            (None, None) => None,
            _ => bail!("--tls-cert and --tls-key go together"),
        },
        public_url: common
            .public_url
            .as_deref()
            .map(|url| url.trim_end_matches('/').to_owned()),
        mail: common.smtp_url.clone().map(|server| MailerOptions {
            server,
            from: common.mail_from.clone(),
        }),
        trusted_proxies: common.trusted_proxies.clone(),
        private_providers: common.private_providers,
        public_systems: common.public_systems,
        passkey_domain: common.passkey_domain.clone(),
        messages: match (&common.sms_url, &common.sms_secret) {
            (Some(url), Some(secret)) => Some(MessengerOptions {
                url: url.clone(),
                secret: secret.clone(),
            }),
            (None, None) => None,
            _ => bail!("--sms-url and --sms-secret go together"),
        },
    })
}

fn tenant() -> NewTenant {
    NewTenant {
        name: "Syncline".to_owned(),
        environment: "production".to_owned(),
    }
}

pub(crate) async fn run(common: Common) -> Result<()> {
    let stop = stop_on_signal()?;
    let data = Data::of(&common)?;
    let database = Database::find(&common, &data).await?;
    let outcome = async {
        let options = options(&common, &data, &database.url, tenant())?;
        until_stopped(announced(options).await?, &stop).await
    }
    .await;
    let stopped = database.stop().await;
    outcome.and(stopped)
}

pub(crate) async fn serve(common: Common) -> Result<()> {
    let stop = stop_on_signal()?;
    let data = Data::of(&common)?;
    let url = database::given(&common)?;
    let options = HubOptions {
        workers: 0,
        migrate: false,
        ..options(&common, &data, url, tenant())?
    };
    until_stopped(announced(options).await?, &stop).await
}

pub(crate) async fn work(common: Common) -> Result<()> {
    let stop = stop_on_signal()?;
    let data = Data::of(&common)?;
    let url = database::given(&common)?;
    let options = HubOptions {
        listen: None,
        migrate: false,
        admin: None,
        ..options(&common, &data, url, tenant())?
    };
    until_stopped(announced(options).await?, &stop).await
}

pub(crate) async fn migrate(common: Common) -> Result<()> {
    let data = Data::of(&common)?;
    let database = Database::find(&common, &data).await?;
    let outcome = async {
        let store = database::connect(&database.url).await?;
        store.migrate().await?;
        store.close().await;
        say("The database is up to date.")
    }
    .await;
    let stopped = database.stop().await;
    outcome.and(stopped)
}

async fn announced(options: HubOptions) -> Result<Hub> {
    let hub = Hub::start(options).await?;
    announce(&hub)?;
    Ok(hub)
}

/// Waits, and ends the hub.
pub(crate) async fn until_stopped(
    hub: Hub,
    stop: &tokio_util::sync::CancellationToken,
) -> Result<()> {
    stop.cancelled().await;
    say("Stopping …")?;
    hub.shutdown().await
}

/// Says where the hub is and who may sign in.
pub(crate) fn announce(hub: &Hub) -> Result<()> {
    match hub.url() {
        Some(url) => say(&format!("Syncline is at {url}"))?,
        None => say("Syncline works.")?,
    }
    let Some(admin) = &hub.first_admin else {
        return Ok(());
    };
    match &admin.one_time_password {
        Some(password) => say(&format!(
            "Sign in as {} with the one-time password {}",
            admin.user.email,
            password.expose_secret()
        )),
        None => say(&format!(
            "Sign in as {} with the password you gave",
            admin.user.email
        )),
    }
}
