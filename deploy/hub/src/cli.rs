//! The command line; `syncline --help` is the reference of all settings.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use secrecy::SecretString;

/// Keeps systems and their shared core in step: a durable integration hub.
#[derive(Debug, Parser)]
#[command(name = "syncline", version)]
pub struct Cli {
    #[command(flatten)]
    pub common: Common,

    /// How log lines look.
    #[arg(
        long,
        env = "SYNCLINE_LOG_FORMAT",
        hide_env_values = true,
        global = true,
        default_value = "text"
    )]
    pub log_format: LogFormat,

    #[command(subcommand)]
    pub command: Command,
}

/// Settings that several commands share.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Address to serve on; port 0 takes a free one.
    #[arg(
        long,
        env = "SYNCLINE_LISTEN",
        hide_env_values = true,
        global = true,
        value_name = "ADDR",
        default_value = "127.0.0.1:8080"
    )]
    pub listen: SocketAddr,

    /// Folder of the private Postgres and the vault's key. Default: /var/lib/syncline for root,
    /// otherwise ~/.local/share/syncline; `demo` takes its own folder in it.
    #[arg(
        long,
        env = "SYNCLINE_DATA",
        hide_env_values = true,
        global = true,
        value_name = "DIR"
    )]
    pub data: Option<PathBuf>,

    /// Postgres to use (15 or newer) in place of a private one.
    #[arg(
        long,
        env = "DATABASE_URL",
        hide_env_values = true,
        global = true,
        value_name = "URL"
    )]
    pub database_url: Option<SecretString>,

    /// Address of the first admin, who is made when the database is empty.
    #[arg(
        long,
        env = "SYNCLINE_ADMIN_EMAIL",
        hide_env_values = true,
        global = true,
        value_name = "EMAIL",
        default_value = "admin@syncline.local"
    )]
    pub admin_email: String,

    /// Password of the first admin. Default: one is made up, printed once, and must be changed at
    /// the first sign-in.
    #[arg(
        long,
        env = "SYNCLINE_ADMIN_PASSWORD",
        hide_env_values = true,
        global = true,
        value_name = "PASSWORD"
    )]
    pub admin_password: Option<SecretString>,

    /// File with the 32-byte key that seals credentials; made when it is not there. Default:
    /// vault.key in the data folder.
    #[arg(
        long,
        env = "SYNCLINE_KEY_FILE",
        hide_env_values = true,
        global = true,
        value_name = "FILE"
    )]
    pub key_file: Option<PathBuf>,

    /// Browsers reach the hub over https: cookies are marked secure.
    #[arg(long, env = "SYNCLINE_HTTPS", hide_env_values = true, global = true)]
    pub https: bool,

    /// File with the certificate to serve https with: PEM, the hub's own first, then those that lead
    /// to its authority. Replaced files count without a restart. Without, the hub serves http.
    #[arg(
        long,
        env = "SYNCLINE_TLS_CERT",
        hide_env_values = true,
        global = true,
        value_name = "FILE"
    )]
    pub tls_cert: Option<PathBuf>,

    /// File with the private key of that certificate: PEM.
    #[arg(
        long,
        env = "SYNCLINE_TLS_KEY",
        hide_env_values = true,
        global = true,
        value_name = "FILE"
    )]
    pub tls_key: Option<PathBuf>,

    /// Where browsers reach the hub, for links in mails and sign-in through others. Requests to
    /// other hosts than this and the tenants' domains are then refused. Default: the address it
    /// listens on.
    #[arg(
        long,
        env = "SYNCLINE_PUBLIC_URL",
        hide_env_values = true,
        global = true,
        value_name = "URL"
    )]
    pub public_url: Option<String>,

    /// Proxies in front of the hub, as addresses or networks (10.0.0.0/8): what they say of the host
    /// and of the caller's address counts. Of others it does not.
    #[arg(
        long = "trusted-proxy",
        env = "SYNCLINE_TRUSTED_PROXIES",
        hide_env_values = true,
        global = true,
        value_delimiter = ',',
        value_name = "NETWORK"
    )]
    pub trusted_proxies: Vec<portal_api::Network>,

    /// Identity providers may be in private networks or on this machine, and be reached without
    /// TLS: for tests, and where all tenants are one's own.
    #[arg(
        long,
        env = "SYNCLINE_PRIVATE_PROVIDERS",
        hide_env_values = true,
        global = true
    )]
    pub private_providers: bool,

    /// Systems are at public addresses, over https only: a connection that leads into a private network
    /// or to this machine is refused. For hubs whose tenants do not trust each other's admins.
    #[arg(
        long,
        env = "SYNCLINE_PUBLIC_SYSTEMS",
        hide_env_values = true,
        global = true
    )]
    pub public_systems: bool,

    /// Server that mails to users go to: smtps://user:password@host or smtp://host:25?tls=required.
    /// Without, admins hand links over themselves and nobody resets a password alone.
    #[arg(
        long,
        env = "SYNCLINE_SMTP_URL",
        hide_env_values = true,
        global = true,
        value_name = "URL"
    )]
    pub smtp_url: Option<SecretString>,

    /// Address that mails to users come from.
    #[arg(
        long,
        env = "SYNCLINE_MAIL_FROM",
        hide_env_values = true,
        global = true,
        value_name = "EMAIL",
        default_value = "syncline@localhost"
    )]
    pub mail_from: String,

    /// Domain that passkeys belong to: the host of the public address, or one above it. Default: the
    /// host. It cannot be changed later without losing them.
    #[arg(
        long,
        env = "SYNCLINE_PASSKEY_DOMAIN",
        hide_env_values = true,
        global = true,
        value_name = "DOMAIN"
    )]
    pub passkey_domain: Option<String>,

    /// Where messages to phones are handed over, as a signed POST of id, to and text. Without, nobody
    /// gets codes by SMS.
    #[arg(
        long,
        env = "SYNCLINE_SMS_URL",
        hide_env_values = true,
        global = true,
        value_name = "URL"
    )]
    pub sms_url: Option<SecretString>,

    /// Signs what is handed over there; at least 16 bytes.
    #[arg(
        long,
        env = "SYNCLINE_SMS_SECRET",
        hide_env_values = true,
        global = true,
        value_name = "SECRET"
    )]
    pub sms_secret: Option<SecretString>,

    /// Runs worked on at once.
    #[arg(
        long,
        env = "SYNCLINE_WORKERS",
        hide_env_values = true,
        global = true,
        value_name = "N",
        default_value_t = 50
    )]
    pub workers: usize,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the main job: private Postgres, simulated Salesforce with data, a two-way sync.
    Demo,
    /// Serve and work in one process, on DATABASE_URL or a private Postgres.
    Up,
    /// Serve API and console; needs DATABASE_URL and a process that works.
    Serve,
    /// Work off runs; needs DATABASE_URL.
    Work,
    /// Bring the database to this release's schema.
    Migrate,
    /// Run a simulated system; needs no database.
    Simulate(Simulate),
    /// Manage users and tenants' shares; print the API's description.
    Admin(Admin),
    /// Control the private Postgres.
    Pg(Pg),
}

/// Settings of a simulated system.
#[derive(Debug, Clone, Args)]
pub struct Simulate {
    pub system: SimulatedSystem,
    /// Accounts it begins with.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub accounts: usize,
    /// Contacts it begins with.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub contacts: usize,
    /// Client id of the connected app; made up unless given.
    #[arg(long, value_name = "ID")]
    pub client_id: Option<String>,
    /// Client secret of the connected app; made up unless given.
    #[arg(
        long,
        env = "SYNCLINE_SIM_SECRET",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    pub client_secret: Option<String>,
}

/// The systems that can be simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SimulatedSystem {
    Salesforce,
}

/// Work of the person who runs the hub.
#[derive(Debug, Clone, Args)]
pub struct Admin {
    #[command(subcommand)]
    pub command: AdminCommand,
}

/// What to manage.
#[derive(Debug, Clone, Subcommand)]
pub enum AdminCommand {
    /// Make a user with a one-time password, which is printed.
    CreateUser {
        #[arg(long)]
        email: String,
        #[arg(long)]
        name: String,
        /// admin, manager, csm, agent, operator or viewer, for example
        #[arg(long)]
        role: domain::users::Role,
        /// Id of the tenant; needed where there are several.
        #[arg(long, value_name = "ID")]
        tenant: Option<engine::ids::TenantId>,
    },
    /// Give a tenant a larger or smaller part of the workers' time.
    SetWeight {
        /// Id of the tenant; needed where there are several.
        #[arg(long, value_name = "ID")]
        tenant: Option<engine::ids::TenantId>,
        /// Against the 1 of others, while there is not enough for all; from over 0 to 1000.
        #[arg(long, value_name = "N")]
        weight: f64,
    },
    /// Put a new key in front of the vault's and seal everything under it, while the hub runs; the old
    /// key opens nothing afterwards. Cut short, it goes on where it was when called again.
    RotateKeys,
    /// Print the API's OpenAPI document.
    Openapi,
    /// Print which role may do what, operation by operation.
    Permissions,
    /// Check the audit trail, or take away what is older than the tenants keep.
    Audit {
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// Print what was done about people's data in a month, as CSV: erasures, exports, approvals,
    /// refusals and failures.
    PrivacyReport {
        /// Id of the tenant; needed where there are several.
        #[arg(long, value_name = "ID")]
        tenant: Option<engine::ids::TenantId>,
        /// By UTC, as 2026-11.
        #[arg(long, value_name = "MONTH")]
        month: domain::privacy_log::Month,
    },
    /// Make, list, suspend, limit and delete tenants.
    Tenant {
        #[command(subcommand)]
        command: TenantCommand,
    },
    /// Let a user look after all tenants by the API, which no role does.
    Operator {
        #[arg(long)]
        email: String,
        /// No more.
        #[arg(long)]
        remove: bool,
    },
    /// Make two complete demo tenants with people of every role; those that are there stay.
    Seed,
    /// Give a user a new one-time password, which is printed, and end all sessions.
    ResetPassword {
        #[arg(long)]
        email: String,
    },
}

/// What to do with tenants.
#[derive(Debug, Clone, Subcommand)]
pub enum TenantCommand {
    /// Make a tenant with its first admin, whose one-time password is printed.
    Create {
        #[arg(long)]
        name: String,
        /// Named on every page of the console.
        #[arg(long, default_value = "production")]
        environment: String,
        #[arg(long, value_name = "EMAIL")]
        admin_email: String,
    },
    /// Print all tenants.
    List,
    /// Let nobody of a tenant sign in and no run of it begin.
    Suspend {
        #[arg(long, value_name = "ID")]
        tenant: engine::ids::TenantId,
        /// For the tenant's own audit trail.
        #[arg(long)]
        reason: String,
    },
    /// Let a suspended tenant go on.
    Resume {
        #[arg(long, value_name = "ID")]
        tenant: engine::ids::TenantId,
    },
    /// Close a tenant and have everything of it destroyed when the hold is over. Where the tenant's
    /// settings ask for a second person, somebody who looks after all tenants agrees by the API first.
    Delete {
        #[arg(long, value_name = "ID")]
        tenant: engine::ids::TenantId,
        /// The tenant's name, typed.
        #[arg(long, value_name = "NAME")]
        confirm: String,
        #[arg(long)]
        reason: String,
        /// For how many days it can be withdrawn.
        #[arg(long, value_name = "N", default_value_t = domain::tenants::deletion::HOLD_DAYS)]
        hold_days: i32,
    },
    /// Withdraw the deletion of a tenant, which is again as it was before.
    Keep {
        #[arg(long, value_name = "ID")]
        tenant: engine::ids::TenantId,
    },
    /// Print the deletions of tenants there were, with what was destroyed.
    Deletions,
    /// Count anew what a tenant uses.
    Recount {
        #[arg(long, value_name = "ID")]
        tenant: engine::ids::TenantId,
    },
    /// Set all quotas of a tenant; what is left out has no limit.
    SetQuotas {
        #[arg(long, value_name = "ID")]
        tenant: engine::ids::TenantId,
        /// Accounts and contacts.
        #[arg(long, value_name = "N")]
        records: Option<i64>,
        #[arg(long, value_name = "N")]
        connections: Option<i64>,
        /// Of files.
        #[arg(long, value_name = "BYTES")]
        storage: Option<i64>,
        /// From midnight to midnight UTC.
        #[arg(long, value_name = "N")]
        calls_per_day: Option<i64>,
    },
}

/// What to do with the audit trail.
#[derive(Debug, Clone, Subcommand)]
pub enum AuditCommand {
    /// Walk the chain of hashes of each tenant; fails where an entry was changed, removed or moved.
    Verify {
        /// Id of the tenant; all of them unless given.
        #[arg(long, value_name = "ID")]
        tenant: Option<engine::ids::TenantId>,
        /// Number and hash that an earlier check printed, as 12:8f3c…: also shows a chain that was
        /// rewritten as a whole or cut off at its end. Needs --tenant.
        #[arg(long, value_name = "SEQ:HASH", requires = "tenant")]
        expect: Option<String>,
    },
    /// Take away entries that are older than their tenant keeps them; the newest always stays.
    Prune,
}

/// Settings of `pg`.
#[derive(Debug, Clone, Args)]
pub struct Pg {
    #[command(subcommand)]
    pub command: PgCommand,
}

/// What to do with the private Postgres.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum PgCommand {
    /// Start it and leave it running.
    Start,
    Stop,
    /// Print its connection URL.
    Url,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}
