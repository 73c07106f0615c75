//! The business: its nouns, their tables and rules.
//!
//! A noun is a folder: types and rules in `mod.rs` and beside it, SQL in `table.rs` and
//! `store.rs`. HTTP is not here, nor is any system's name.

pub mod accounts;
pub mod approvals;
pub mod assignments;
pub mod breakers;
pub mod canaries;
mod columns;
pub mod conflicts;
pub mod connections;
pub mod contacts;
pub mod coverage;
pub mod custom_fields;
pub mod entities;
pub mod erasures;
pub mod factors;
pub mod failures;
mod free_mail;
pub mod groups;
pub mod keys;
pub mod links;
pub mod mails;
pub mod mappings;
pub mod match_report;
pub mod matches;
pub mod organisations;
pub mod overview;
pub mod past;
pub mod permissions;
pub mod previews;
pub mod privacy_log;
pub mod provenance;
pub mod providers;
pub mod pulls;
pub mod rates;
pub mod relinks;
pub mod removals;
pub mod retention;
pub mod runs;
pub mod schedule_previews;
pub mod schedules;
pub mod sealed;
pub mod security;
pub mod seed;
pub mod sessions;
mod show;
pub mod streams;
pub mod subject_exports;
pub mod teams;
pub mod tenant_domains;
pub mod tenants;
pub mod timeline;
pub mod tokens;
pub mod undo;
pub mod users;

use engine::entity::CoreTables;

/// The kinds of entities this hub merges.
pub fn core_tables() -> CoreTables {
    CoreTables::default()
        .with::<accounts::Accounts>()
        .with::<contacts::Contacts>()
}
