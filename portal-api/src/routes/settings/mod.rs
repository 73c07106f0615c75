//! What a tenant sets for itself.

mod get;
mod put;

use domain::tenants::settings::{self, Settings};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::error::{ApiError, FieldProblem};
use crate::permit::routes;
use crate::portal::Portal;

pub(super) fn router() -> OpenApiRouter<Portal> {
    OpenApiRouter::new().routes(routes!(get::get, put::put))
}

/// What a tenant sets for itself.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TenantSettings {
    /// As `en` or `de-CH`.
    locale: String,
    /// As `Europe/Berlin`.
    time_zone: String,
    /// Where people of the tenant's customers write to.
    contact_email: Option<String>,
    /// Sites whose pages may call the interface with a key, as `https://shop.example`.
    origins: Vec<String>,
    /// Whether a second person has to agree before the tenant is deleted; yes unless said otherwise.
    #[serde(default = "yes")]
    deletion_needs_approval: bool,
}

fn yes() -> bool {
    true
}

impl From<Settings> for TenantSettings {
    fn from(settings: Settings) -> Self {
        Self {
            locale: settings.locale,
            time_zone: settings.time_zone,
            contact_email: settings.contact_email,
            origins: settings.origins,
            deletion_needs_approval: settings.deletion_needs_approval,
        }
    }
}

impl TenantSettings {
    fn read(self) -> Result<settings::Settings, ApiError> {
        let settings = Settings {
            locale: self.locale,
            time_zone: self.time_zone,
            contact_email: self.contact_email,
            origins: self.origins,
            deletion_needs_approval: self.deletion_needs_approval,
        };
        let problems: Vec<_> = settings
            .problems()
            .into_iter()
            .map(|(place, why)| FieldProblem::new(format!("/{place}"), why))
            .collect();
        if problems.is_empty() {
            Ok(settings)
        } else {
            Err(ApiError::invalid_all(problems))
        }
    }
}
