//! What a tenant sets for itself.

use engine::store::audit::Entry;
use engine::{StoreError, SystemTx, Tx};
use serde::{Deserialize, Serialize};

/// Most sites that may call the interface.
const MOST_ORIGINS: usize = 20;

/// A tenant's settings; without any said, [`Settings::default`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// As `en` or `de-CH`.
    pub locale: String,
    /// As `Europe/Berlin`.
    pub time_zone: String,
    /// Where people of the tenant's customers write to.
    pub contact_email: Option<String>,
    /// Sites whose pages may call the interface with a key.
    pub origins: Vec<String>,
    /// Whether a second person has to agree before the tenant is deleted.
    pub deletion_needs_approval: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            locale: "en".to_owned(),
            time_zone: "UTC".to_owned(),
            contact_email: None,
            origins: Vec::new(),
            deletion_needs_approval: true,
        }
    }
}

impl Settings {
    /// What cannot be set: place and why.
    pub fn problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        let mut note = |place: &str, why: String| problems.push((place.to_owned(), why));
        if !is_locale(&self.locale) {
            note("locale", "locale is not of the form en or de-CH".to_owned());
        }
        if self.time_zone.parse::<chrono_tz::Tz>().is_err() {
            note(
                "time_zone",
                "time_zone is not the name of a time zone".to_owned(),
            );
        }
        if let Some(email) = &self.contact_email
            && let Err(error) = crate::users::email(email)
        {
            note("contact_email", error.to_string());
        }
        if self.origins.len() > MOST_ORIGINS {
            note(
                "origins",
                format!("at most {MOST_ORIGINS} origins can be set"),
            );
        }
        for (index, text) in self.origins.iter().enumerate() {
            if let Err(why) = origin(text) {
                note(&format!("origins/{index}"), why);
            }
        }
        problems
    }
}

fn is_locale(text: &str) -> bool {
    let mut parts = text.split('-');
    let language = parts.next().unwrap_or_default();
    let is_language =
        (2..=3).contains(&language.len()) && language.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_region = parts.next().is_none_or(|region| {
        region.len() == 2 && region.bytes().all(|byte| byte.is_ascii_uppercase())
    });
    is_language && is_region && parts.next().is_none()
}

/// An origin exactly as browsers send it: scheme, host, port where it is not the scheme's.
///
/// # Errors
/// Why it is none.
pub fn origin(text: &str) -> Result<(), String> {
    let url = url::Url::parse(text).map_err(|error| format!("this is no origin: {error}"))?;
    let is_local = matches!(url.host_str(), Some("localhost" | "127.0.0.1"));
    if url.scheme() != "https" && !(url.scheme() == "http" && is_local) {
        return Err("an origin begins with https://".to_owned());
    }
    let is_host = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
    };
    if let Some(url::Host::Domain(domain)) = url.host()
        && !is_host(domain)
    {
        return Err("an origin names one site".to_owned());
    }
    // What is left over (a path, a user, an upper case letter, a homograph) is not what is sent.
    if url.origin().ascii_serialization() != text {
        return Err(format!(
            "an origin is written as browsers send it: {}",
            url.origin().ascii_serialization()
        ));
    }
    Ok(())
}

/// Settings with the version of their row; 0 while there is none.
#[derive(Clone, Debug)]
pub struct Current {
    pub settings: Settings,
    pub version: i64,
}

/// The settings that hold.
///
/// # Errors
/// [`StoreError`].
pub async fn current(tx: &mut Tx) -> Result<Current, StoreError> {
    let row = sqlx::query!(
        "select locale, time_zone, contact_email, origins, deletion_needs_approval, version
         from tenant_settings"
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(match row {
        None => Current {
            settings: Settings::default(),
            version: 0,
        },
        Some(row) => Current {
            settings: Settings {
                locale: row.locale,
                time_zone: row.time_zone,
                contact_email: row.contact_email,
                origins: row.origins,
                deletion_needs_approval: row.deletion_needs_approval,
            },
            version: row.version,
        },
    })
}

/// Whether any tenant lets pages of this site call.
///
/// # Errors
/// [`StoreError`].
pub async fn is_any_origin(tx: &mut SystemTx, origin: &str) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"select exists (select from tenant_settings where $1 = any(origins)) as "is!""#,
        origin
    )
    .fetch_one(tx.conn())
    .await?)
}

/// Sets them. `version` is the one that was read.
///
/// # Errors
/// [`StoreError::Stale`]; [`StoreError::Conflict`] where [`Settings::problems`] has any.
pub async fn change(tx: &mut Tx, version: i64, settings: &Settings) -> Result<(), StoreError> {
    if let Some((_place, why)) = settings.problems().into_iter().next() {
        return Err(StoreError::Conflict(why));
    }
    let before = current(tx).await?;
    let changed = sqlx::query!(
        "insert into tenant_settings
             (locale, time_zone, contact_email, origins, deletion_needs_approval)
         select $2, $3, $4, $5, $6
         where $1::bigint = 0 or exists (select from tenant_settings where version = $1)
         on conflict (tenant_id) do update
         set locale = excluded.locale, time_zone = excluded.time_zone,
             contact_email = excluded.contact_email, origins = excluded.origins,
             deletion_needs_approval = excluded.deletion_needs_approval,
             version = tenant_settings.version + 1
         where tenant_settings.version = $1",
        version,
        settings.locale,
        settings.time_zone,
        settings.contact_email,
        &settings.origins,
        settings.deletion_needs_approval,
    )
    .execute(tx.conn())
    .await?;
    if changed.rows_affected() == 0 {
        return Err(StoreError::Stale("settings".to_owned()));
    }
    let shown = |settings: &Settings| serde_json::to_value(settings).map_err(StoreError::Encode);
    tx.audit(
        Entry::new("set_tenant_settings", "tenant", tx.tenant())
            .before(shown(&before.settings)?)
            .after(shown(settings)?),
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_can_be_set_and_what_cannot_is_named() {
        assert!(Settings::default().problems().is_empty());
        let settings = Settings {
            locale: "../../etc".to_owned(),
            time_zone: "Mars/Base".to_owned(),
            contact_email: Some("nobody".to_owned()),
            origins: vec!["https://ok.example".to_owned(), "https://*".to_owned()],
            deletion_needs_approval: false,
        };
        let places: Vec<_> = settings
            .problems()
            .into_iter()
            .map(|(place, _)| place)
            .collect();
        assert_eq!(
            places,
            ["locale", "time_zone", "contact_email", "origins/1"]
        );
    }

    #[test]
    fn an_origin_is_what_browsers_send_and_nothing_more() {
        for good in [
            "https://shop.example",
            "https://shop.example:8443",
            "http://localhost:5173",
        ] {
            assert_eq!(origin(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "*",
            "null",
            "shop.example",
            "http://shop.example",
            "https://shop.example/",
            "https://shop.example/x",
            "https://a@shop.example",
            "https://SHOP.example",
            "https://shop.example:443",
            "https://sh\u{43e}p.example",
            "javascript:alert(1)",
            "https://*.example",
        ] {
            assert!(origin(bad).is_err(), "{bad}");
        }
    }
}
