//! Brands: the faces of a tenant. Name, domain, logo, colours.

use chrono::{DateTime, Utc};
use engine::ids::BrandId;
use engine::store::audit::Entry;
use engine::store::quotas;
use engine::{StoreError, Tx};
use serde_json::json;

use super::colour::{Colour, LEAST_CONTRAST};

/// Largest logo, in bytes.
pub const LARGEST_LOGO: usize = 256 * 1024;

/// A brand.
#[derive(Clone, Debug)]
pub struct Brand {
    pub id: BrandId,
    pub name: String,
    pub domain: Option<String>,
    pub is_default: bool,
    pub accent: String,
    pub on_accent: String,
    pub background: String,
    pub foreground: String,
    /// Bytes; `None` without.
    pub logo_size: Option<i64>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
}

/// What a brand shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrandWish {
    pub name: String,
    /// As [`domain`] gives it.
    pub domain: Option<String>,
    /// Shown where no domain says which; the first brand is it.
    pub is_default: bool,
    pub accent: Colour,
    pub on_accent: Colour,
    pub background: Colour,
    pub foreground: Colour,
}

impl BrandWish {
    /// Texts that could not be read: place and why.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let pairs = [
            ("on_accent", self.on_accent, self.accent, "accent"),
            ("foreground", self.foreground, self.background, "background"),
        ];
        pairs
            .into_iter()
            .filter_map(|(place, text, ground, under)| {
                let contrast = text.contrast(ground);
                (contrast < LEAST_CONTRAST).then(|| {
                    let why = format!(
                        "{place} on {under} has a contrast of {contrast:.2}; text needs \
                         {LEAST_CONTRAST}"
                    );
                    (place, why)
                })
            })
            .collect()
    }
}

/// A domain as browsers send it: lower case, international letters as punycode.
///
/// # Errors
/// Why it cannot be a brand's.
pub fn domain(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.len() > 253 {
        return Err("a domain has at most 253 characters".to_owned());
    }
    let host = url::Host::parse(text).map_err(|error| format!("this is no domain: {error}"))?;
    let url::Host::Domain(domain) = host else {
        return Err("this is an address, not a domain".to_owned());
    };
    let is_named = domain.contains('.')
        && domain.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        });
    if !is_named {
        return Err("this is no domain with a dot in it".to_owned());
    }
    // Letters of other scripts can look like ours. Whoever owns such a domain writes it as punycode
    // and so sees what it is.
    if !text.is_ascii() {
        return Err(format!("write international letters as punycode: {domain}"));
    }
    Ok(domain)
}

/// The kind of an image, by what it begins with; names and headers say nothing.
///
/// # Errors
/// Why it cannot be a logo.
pub fn logo_type(bytes: &[u8]) -> Result<&'static str, String> {
    if bytes.len() > LARGEST_LOGO {
        return Err(format!("a logo has at most {LARGEST_LOGO} bytes"));
    }
    match bytes {
        [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Ok("image/png"),
        [0xff, 0xd8, 0xff, ..] => Ok("image/jpeg"),
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => Ok("image/webp"),
        // SVG is a program.
        _ => Err("a logo is a PNG, a JPEG or a WebP".to_owned()),
    }
}

/// All brands, by name.
///
/// # Errors
/// [`StoreError`].
pub async fn list(tx: &mut Tx) -> Result<Vec<Brand>, StoreError> {
    Ok(sqlx::query_as!(
        Brand,
        r#"
        select id as "id: BrandId", name, domain, is_default, accent, on_accent, background,
               foreground, octet_length(logo)::bigint as logo_size, version, created_at
        from brands order by lower(name)
        "#
    )
    .fetch_all(tx.conn())
    .await?)
}

/// A brand.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn get(tx: &mut Tx, id: BrandId) -> Result<Brand, StoreError> {
    let brands = list(tx).await?;
    let found = brands.into_iter().find(|brand| brand.id == id);
    found.ok_or_else(|| StoreError::NotFound(format!("brand {id}")))
}

/// Makes a brand; the first one is the default.
///
/// # Errors
/// [`StoreError::Conflict`] when name or domain is taken.
pub async fn create(tx: &mut Tx, wish: &BrandWish) -> Result<BrandId, StoreError> {
    let (id, now) = (BrandId::fresh(), tx.now());
    if wish.is_default {
        no_default(tx).await?;
    }
    sqlx::query!(
        "insert into brands (id, name, domain, is_default, accent, on_accent, background,
                             foreground, created_at)
         values ($1, $2, $3, $4 or not exists (select from brands), $5, $6, $7, $8, $9)",
        id.0,
        wish.name,
        wish.domain,
        wish.is_default,
        wish.accent.to_string(),
        wish.on_accent.to_string(),
        wish.background.to_string(),
        wish.foreground.to_string(),
        now,
    )
    .execute(tx.conn())
    .await
    .map_err(taken)?;
    tx.audit(Entry::new("create_brand", "brand", id).after(shown(wish)));
    Ok(id)
}

/// Changes a brand.
///
/// # Errors
/// [`StoreError::NotFound`], [`StoreError::Stale`]; [`StoreError::Conflict`] when name or domain is
/// taken, or the default would be none.
pub async fn change(
    tx: &mut Tx,
    id: BrandId,
    version: i64,
    wish: &BrandWish,
) -> Result<(), StoreError> {
    let before = get(tx, id).await?;
    if before.is_default && !wish.is_default {
        let why = "one brand is the default: make another one it";
        return Err(StoreError::Conflict(why.to_owned()));
    }
    if wish.is_default && !before.is_default {
        no_default(tx).await?;
    }
    let changed = sqlx::query!(
        "update brands set name = $3, domain = $4, is_default = $5, accent = $6, on_accent = $7,
                background = $8, foreground = $9, version = version + 1
         where id = $1 and version = $2",
        id.0,
        version,
        wish.name,
        wish.domain,
        wish.is_default,
        wish.accent.to_string(),
        wish.on_accent.to_string(),
        wish.background.to_string(),
        wish.foreground.to_string(),
    )
    .execute(tx.conn())
    .await
    .map_err(taken)?;
    if changed.rows_affected() == 0 {
        return Err(StoreError::Stale(format!("brand {id}")));
    }
    tx.audit(
        Entry::new("update_brand", "brand", id)
            .before(shown_of(&before))
            .after(shown(wish)),
    );
    Ok(())
}

/// Removes a brand that is not the default.
///
/// # Errors
/// [`StoreError::NotFound`], [`StoreError::Stale`]; [`StoreError::Conflict`] for the default.
pub async fn delete(tx: &mut Tx, id: BrandId, version: i64) -> Result<(), StoreError> {
    let before = get(tx, id).await?;
    if before.is_default {
        let why = "this is the default: make another one it first";
        return Err(StoreError::Conflict(why.to_owned()));
    }
    let gone = sqlx::query!(
        "delete from brands where id = $1 and version = $2",
        id.0,
        version
    )
    .execute(tx.conn())
    .await?;
    if gone.rows_affected() == 0 {
        return Err(StoreError::Stale(format!("brand {id}")));
    }
    quotas::take_storage(tx, -before.logo_size.unwrap_or(0)).await?;
    tx.audit(Entry::new("delete_brand", "brand", id).before(shown_of(&before)));
    Ok(())
}

/// Sets or takes away a brand's logo.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Conflict`] for what is no image; [`StoreError::OverQuota`].
pub async fn set_logo(tx: &mut Tx, id: BrandId, logo: Option<&[u8]>) -> Result<(), StoreError> {
    let before = get(tx, id).await?;
    let kind = logo
        .map(logo_type)
        .transpose()
        .map_err(StoreError::Conflict)?;
    sqlx::query!(
        "update brands set logo = $2, logo_type = $3, version = version + 1 where id = $1",
        id.0,
        logo,
        kind,
    )
    .execute(tx.conn())
    .await?;
    let size = logo.map_or(0, <[u8]>::len) as i64;
    quotas::take_storage(tx, size - before.logo_size.unwrap_or(0)).await?;
    tx.audit(
        Entry::new("set_brand_logo", "brand", id)
            .before(json!({"bytes": before.logo_size}))
            .after(json!({"bytes": logo.map(<[u8]>::len), "type": kind})),
    );
    Ok(())
}

/// A brand's logo with its type.
///
/// # Errors
/// [`StoreError::NotFound`], also without a logo.
pub async fn logo(tx: &mut Tx, id: BrandId) -> Result<(String, Vec<u8>), StoreError> {
    let row = sqlx::query!(
        r#"select logo as "logo!", logo_type as "kind!" from brands
           where id = $1 and logo is not null and logo_type is not null"#,
        id.0
    )
    .fetch_optional(tx.conn())
    .await?;
    row.map(|row| (row.kind, row.logo))
        .ok_or_else(|| StoreError::NotFound(format!("logo of brand {id}")))
}

async fn no_default(tx: &mut Tx) -> Result<(), StoreError> {
    sqlx::query!("update brands set is_default = false, version = version + 1 where is_default")
        .execute(tx.conn())
        .await?;
    Ok(())
}

fn shown(wish: &BrandWish) -> serde_json::Value {
    json!({
        "name": wish.name,
        "domain": wish.domain,
        "is_default": wish.is_default,
        "accent": wish.accent.to_string(),
        "on_accent": wish.on_accent.to_string(),
        "background": wish.background.to_string(),
        "foreground": wish.foreground.to_string(),
    })
}

fn shown_of(brand: &Brand) -> serde_json::Value {
    json!({
        "name": brand.name,
        "domain": brand.domain,
        "is_default": brand.is_default,
        "accent": brand.accent,
        "on_accent": brand.on_accent,
        "background": brand.background,
        "foreground": brand.foreground,
    })
}

/// Whose domain it is already is not told.
fn taken(error: sqlx::Error) -> StoreError {
    match StoreError::from(error) {
        error if error.is_unique_violation() => {
            StoreError::Conflict("a brand has this name or this domain already".to_owned())
        }
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_what_browsers_send_and_homographs_must_show_themselves() {
        assert_eq!(
            domain(" Portal.Acme.example "),
            Ok("portal.acme.example".to_owned())
        );
        assert_eq!(
            domain("xn--caf-dma.example"),
            Ok("xn--caf-dma.example".to_owned())
        );
        // The o is Cyrillic.
        let homograph = domain("p\u{43e}rtal.example").unwrap_err();
        assert!(homograph.contains("xn--"), "{homograph}");
        let long = format!("{}.example", "a".repeat(64));
        let longer = format!("{}example", "a.".repeat(130));
        for bad in [
            "",
            "localhost",
            "127.0.0.1",
            "[::1]",
            "a..b",
            "-a.example",
            "a_b.example",
            "a b.example",
            "a.example/x",
            "a.example:80",
            "../etc",
            &long,
            &longer,
        ] {
            assert!(domain(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_logo_is_known_by_its_bytes() {
        assert_eq!(logo_type(b"\x89PNG\r\n\x1a\n...."), Ok("image/png"));
        assert_eq!(logo_type(b"\xff\xd8\xff\xe0"), Ok("image/jpeg"));
        assert_eq!(logo_type(b"RIFF....WEBPVP8 "), Ok("image/webp"));
        for bad in [
            &b""[..],
            b"<svg onload=x>",
            b"GIF89a",
            b"RIFF....WAVE",
            b"\x89PNG",
        ] {
            assert!(logo_type(bad).is_err());
        }
        let mut large = b"\x89PNG\r\n\x1a\n".to_vec();
        large.resize(LARGEST_LOGO + 1, 0);
        assert!(logo_type(&large).is_err());
    }
}
