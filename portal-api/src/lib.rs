//! portal-api
