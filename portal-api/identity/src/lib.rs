//! Who somebody is according to others: OpenID Connect, the interface of SAML, and whose a domain is.
//! Protocols only: they are asked, and say what was found.
//!
//! Not here: SQL and what becomes of somebody who signs in (domain), routes (portal-api), XML
//! signatures (saml).

pub mod dns;
pub mod host;
pub mod oidc;
pub mod saml;
