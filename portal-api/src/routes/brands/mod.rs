//! Brands: the faces of a tenant.

mod create;
mod delete;
mod get;
mod list;
mod logo;
mod update;

use chrono::{DateTime, Utc};
use domain::tenants::brands::{self, BrandWish};
use domain::tenants::{BadColour, Colour};
use engine::ids::BrandId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::error::{ApiError, FieldProblem};
use crate::permit::routes;
use crate::portal::Portal;

pub(super) fn router() -> OpenApiRouter<Portal> {
    OpenApiRouter::new()
        .routes(routes!(list::list, create::create))
        .routes(routes!(get::get, update::update, delete::delete))
        .routes(routes!(logo::get, logo::put, logo::delete))
}

/// A face of the tenant.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Brand {
    #[schema(value_type = String)]
    id: BrandId,
    name: String,
    /// As browsers send it; international letters as punycode.
    domain: Option<String>,
    /// Shown where no domain says which.
    is_default: bool,
    /// What stands out, as #rrggbb.
    accent: String,
    /// What is written on it.
    on_accent: String,
    /// The page.
    background: String,
    /// The text on it.
    foreground: String,
    /// Of the logo, in bytes; null without.
    logo_size: Option<i64>,
    version: i64,
    created_at: DateTime<Utc>,
}

impl From<brands::Brand> for Brand {
    fn from(brand: brands::Brand) -> Self {
        Self {
            id: brand.id,
            name: brand.name,
            domain: brand.domain,
            is_default: brand.is_default,
            accent: brand.accent,
            on_accent: brand.on_accent,
            background: brand.background,
            foreground: brand.foreground,
            logo_size: brand.logo_size,
            version: brand.version,
            created_at: brand.created_at,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BrandBody {
    /// Unique among the tenant's brands.
    name: String,
    /// Of this brand alone, in whatever tenant; international letters as punycode.
    domain: Option<String>,
    /// The first brand is the default.
    #[serde(default)]
    is_default: bool,
    /// As #rrggbb. Text needs a contrast of 4.5 with what it stands on.
    accent: String,
    on_accent: String,
    background: String,
    foreground: String,
}

impl BrandBody {
    fn read(self) -> Result<BrandWish, ApiError> {
        let colour = |place: &str, text: &str| -> Result<Colour, ApiError> {
            text.parse().map_err(|error: BadColour| {
                ApiError::invalid(format!("/{place}"), error.to_string())
            })
        };
        let domain = self.domain.as_deref().map(brands::domain).transpose();
        let wish = BrandWish {
            name: domain::tenants::name(&self.name)
                .map_err(|why| ApiError::invalid("/name", why))?,
            domain: domain.map_err(|why| ApiError::invalid("/domain", why))?,
            is_default: self.is_default,
            accent: colour("accent", &self.accent)?,
            on_accent: colour("on_accent", &self.on_accent)?,
            background: colour("background", &self.background)?,
            foreground: colour("foreground", &self.foreground)?,
        };
        let problems: Vec<_> = wish
            .problems()
            .into_iter()
            .map(|(place, why)| FieldProblem::new(format!("/{place}"), why))
            .collect();
        if problems.is_empty() {
            Ok(wish)
        } else {
            Err(ApiError::invalid_all(problems))
        }
    }
}
