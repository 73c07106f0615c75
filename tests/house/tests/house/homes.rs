//! Some libraries have one home: whoever wants a request sent, a row read or a route served asks
//! the crate that does it, so that limits, tenancy and errors are in one place.

use cargo_metadata::DependencyKind;

use crate::imports::{TESTS, packages};

/// The library, by the start of its name, and the crates that may use it. Tests may use anything.
const HOMES: [(&str, &[&str]); 15] = [
    ("reqwest", &["connector-sdk"]),
    ("apalis", &["engine"]),
    // hub: the migrator and the pool's options.
    ("sqlx", &["engine", "domain", "hub"]),
    // Connectors: their simulators.
    ("axum", &["portal-api", "hub", "connector-"]),
    ("clap", &["hub", "xtask"]),
    ("utoipa", &["portal-api"]),
    ("lettre", &["workflows"]),
    // C code, and alone.
    ("openssl", &["saml"]),
    ("samael", &["saml"]),
    ("totp-rs", &["domain"]),
    ("webauthn-rs", &["domain"]),
    // connector-sdk: its conformance suite looks for secrets in what is logged.
    ("tracing-subscriber", &["hub", "connector-sdk"]),
    // The engine knows no exporter; it says where a span stands.
    ("opentelemetry", &["hub"]),
    ("opentelemetry_sdk", &["hub"]),
    ("tracing-opentelemetry", &["hub"]),
];

#[test]
fn a_library_with_a_home_is_used_only_there() {
    let mut findings = Vec::new();
    for package in packages()
        .iter()
        .filter(|package| !TESTS.contains(&package.name.as_str()))
    {
        let normal = package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind != DependencyKind::Development);
        for dependency in normal {
            let Some((_, homes)) = HOMES.iter().find(|(library, _)| {
                dependency.name == *library || dependency.name.starts_with(&format!("{library}-"))
            }) else {
                continue;
            };
            let at_home = homes.iter().any(|home| {
                package.name.as_str() == *home
                    || (home.ends_with('-') && package.name.starts_with(home))
            });
            if !at_home {
                findings.push(format!(
                    "{} uses {}, whose home is {}",
                    package.name,
                    dependency.name,
                    homes.join(", ")
                ));
            }
        }
    }
    house::assert_none("libraries away from home", &findings);
}
