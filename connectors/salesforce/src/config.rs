//! What a tenant sets up, and the checks that need no network.

use std::time::Duration;

use connector_sdk::{ConnectorError, Result};
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;
use url::{Host, Url};

/// A connection to one Salesforce org.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where to sign in: `https://login.salesforce.com`, `https://test.salesforce.com` for a
    /// sandbox, or the org's own `https://….my.salesforce.com` (client credentials need that one).
    #[serde(default = "default_login_url")]
    #[schemars(with = "String", extend("format" = "uri"))]
    pub login_url: Url,
    /// Version of the API, pinned: `62.0`.
    #[serde(default = "default_api_version")]
    pub api_version: String,
    /// How to sign in.
    pub auth: Auth,
    /// Unique external id text field that holds the hub's id on every object that is created
    /// there. Without one (null) a create whose answer is lost cannot be found again.
    #[serde(default = "default_external_id_field")]
    pub external_id_field: Option<String>,
    /// How far each incremental read reaches back, in seconds: longer than the longest
    /// transaction, because rows appear at commit with the stamp of their change.
    #[serde(default = "default_overlap")]
    pub overlap_seconds: u32,
    /// A full read of at least this many rows goes through the Bulk API.
    #[serde(default = "default_bulk_threshold")]
    pub bulk_threshold: u64,
    /// Rows of one page of a query, 200 to 2,000.
    #[serde(default = "default_page_size")]
    pub page_size: u32,
    /// How often the log of deleted records is asked, in seconds. Records in the recycle bin are
    /// seen at once without it; it finds those that left the bin.
    #[serde(default = "default_deleted_interval")]
    pub deleted_interval_seconds: u32,
}

/// How the hub signs in.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Auth {
    /// As the app itself, with the run-as user chosen in Salesforce.
    ClientCredentials {
        client_id: String,
        #[schemars(with = "String", extend("writeOnly" = true))]
        client_secret: SecretString,
    },
    /// As a user who was authorised beforehand, with a signed assertion.
    JwtBearer {
        client_id: String,
        username: String,
        /// RSA key in PEM form.
        #[schemars(with = "String", extend("writeOnly" = true))]
        private_key: SecretString,
        /// Whom the assertion is for, if it is not the sign-in address.
        #[serde(default)]
        audience: Option<String>,
    },
    /// As the person who consented in the browser.
    AuthorizationCode {
        client_id: String,
        #[serde(default)]
        #[schemars(with = "Option<String>", extend("writeOnly" = true))]
        client_secret: Option<SecretString>,
        /// Only to bring one from elsewhere: a consent in the browser stores its own.
        #[serde(default)]
        #[schemars(with = "Option<String>", extend("writeOnly" = true))]
        refresh_token: Option<SecretString>,
    },
}

fn default_login_url() -> Url {
    Url::parse("https://login.salesforce.com").expect("a constant address")
}

fn default_api_version() -> String {
    "62.0".to_owned()
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "serde wants the type of the field, and null is a choice there"
)]
fn default_external_id_field() -> Option<String> {
    Some("Hub_Id__c".to_owned())
}

fn default_overlap() -> u32 {
    900
}

fn default_bulk_threshold() -> u64 {
    10_000
}

fn default_page_size() -> u32 {
    2_000
}

fn default_deleted_interval() -> u32 {
    600
}

impl Config {
    /// # Errors
    /// `Config`, naming the setting that does not fit.
    pub(crate) fn check(&self) -> Result<()> {
        check_origin("login_url", &self.login_url, is_loopback(&self.login_url))?;
        let version = self.api_version.split_once('.');
        let digits =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !version.is_some_and(|(major, minor)| digits(major) && digits(minor)) {
            return Err(ConnectorError::config(
                "api_version has the form 62.0, without a v",
            ));
        }
        if let Some(field) = &self.external_id_field {
            crate::soql::check_name(field)?;
        }
        if !(200..=2_000).contains(&self.page_size) {
            return Err(ConnectorError::config(
                "page_size lies between 200 and 2000",
            ));
        }
        if self.overlap_seconds > 86_400 {
            return Err(ConnectorError::config("overlap_seconds is at most 86400"));
        }
        Ok(())
    }

    pub(crate) fn overlap(&self) -> Duration {
        Duration::from_secs(self.overlap_seconds.into())
    }
}

pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Hosts of the user interface, which serve no API.
const UI_HOSTS: [&str; 3] = [
    ".lightning.force.com",
    ".lightning.crmforce.mil",
    ".lightning.sfcrmapps.cn",
];

/// An address we may send tokens to: https, or plain http on this machine where that is expected.
pub(crate) fn check_origin(what: &str, url: &Url, loopback_expected: bool) -> Result<()> {
    let refuse = |why: &str| Err(ConnectorError::config(format!("{what} {why}")));
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("must not contain a user or password");
    }
    let Some(host) = url.host_str() else {
        return refuse("has no host");
    };
    if UI_HOSTS.iter().any(|ui| host.ends_with(ui)) {
        return refuse("is the address of the user interface, the API is at ….my.salesforce.com");
    }
    if is_loopback(url) && !loopback_expected {
        return refuse("leads back to this machine");
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(url) => Ok(()),
        _ => refuse("must begin with https://"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Result<()> {
        let config: Config = serde_json::from_str(text)
            .map_err(|error| ConnectorError::config(error.to_string()))?;
        config.check()
    }

    fn with(setting: &str) -> String {
        format!(
            r#"{{{setting}"auth":{{"kind":"client_credentials","client_id":"i","client_secret":"s"}}}}"#
        )
    }

    #[test]
    fn the_shortest_configuration_is_enough() {
        assert!(config(&with("")).is_ok());
        assert!(config(&with(r#""login_url":"http://127.0.0.1:8080","#)).is_ok());
    }

    #[test]
    fn a_setting_that_does_not_fit_is_named() {
        for (setting, named) in [
            (
                r#""login_url":"http://acme.my.salesforce.com","#,
                "https://",
            ),
            (
                r#""login_url":"https://acme.lightning.force.com","#,
                "user interface",
            ),
            (
                r#""login_url":"https://u:p@acme.my.salesforce.com","#,
                "user or password",
            ),
            (r#""api_version":"v62","#, "api_version"),
            (r#""page_size":100,"#, "page_size"),
            (r#""external_id_field":"A B","#, "A B"),
            (r#""pagesize":100,"#, "pagesize"),
        ] {
            let error = config(&with(setting)).unwrap_err();
            assert!(error.message.contains(named), "{setting}: {error}");
        }
    }

    #[test]
    fn secrets_do_not_print() {
        let config: Config =
            serde_json::from_str(&with("").replace(r#":"s""#, r#":"tell-no-one""#)).unwrap();
        assert!(!format!("{config:?}").contains("tell-no-one"));
        let schema = serde_json::to_string(&schemars::schema_for!(Config)).unwrap();
        assert!(schema.contains("writeOnly"));
    }
}
