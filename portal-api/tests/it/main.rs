//! The interface as callers see it, on a real Postgres: a database for each test.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where what it builds on is not there"
)]

mod accounts;
mod approvals;
mod audit;
mod bodies;
mod brands;
mod breakers;
mod budgets;
mod canaries;
mod canary;
mod conflicts;
mod connections;
mod contacts;
mod coverage;
mod domains;
mod drift;
mod erased_users;
mod factors;
mod failure_classes;
mod fields;
mod forgotten;
mod groups;
mod keys;
mod lanes;
mod live;
mod logs;
mod machine;
mod mails;
mod managing;
mod mappings;
mod odd;
mod openapi;
mod oracle;
mod organisation;
mod passkeys;
mod passwords;
mod past;
mod permissions;
mod previews;
mod privacy;
mod privacy_report;
mod provider;
mod publishing;
mod quotas;
mod reach;
mod removals;
mod retention;
mod runs;
mod saml;
mod saml_provider;
mod schedule_previews;
mod schedules;
mod scopes;
mod security;
mod session;
mod sms;
mod sso;
mod sso_rules;
mod sso_second;
mod sso_sessions;
mod sso_step_up;
mod sweeps;
mod systems;
mod teams;
mod tenancy;
mod tenant_closing;
mod tenant_deletion;
mod tenants;
mod tokens;
mod undo;
mod users;
mod world;
