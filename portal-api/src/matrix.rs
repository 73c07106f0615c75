//! Who may do what, as a table: made from the routes and the roles, committed as `permissions.md`.

use std::fmt::Write as _;

use domain::permissions::{Permission, Permissions};
use domain::users::Role;

use crate::permit::{Access, EXTENSION, STEP_UP};

/// The table, in Markdown: each operation with its permission and the roles that have it.
pub fn permission_matrix() -> String {
    let mut text = String::from(
        "# Permissions\n\n\
         Written by `cargo x gen` from the handlers and the roles; never edited. A user has the \
         permissions of their role, of their groups and those granted to them alone; a change \
         counts from the next request on.\n\n## Roles\n\n",
    );
    let header = |text: &mut String, first: &str| {
        let names: Vec<&str> = Role::ALL.iter().map(|role| role.as_str()).collect();
        line(text, format_args!("| {first} | {} |", names.join(" | ")));
        let rule = "---|".repeat(Role::ALL.len() + first.split('|').count());
        line(text, format_args!("|{rule}"));
    };
    header(&mut text, "permission");
    for permission in Permission::ALL {
        let marks = marks(|may| may.has(*permission));
        line(&mut text, format_args!("| {permission} | {marks} |"));
    }
    text.push_str(
        "\n## Operations\n\n`open`: everybody. `own`: whoever is signed in, about themselves. \
         `platform`: whoever runs the hub for all tenants, which no role has. `*`: a person must \
         have shown password or second factor just now.\n\n",
    );
    header(&mut text, "operation | route | permission");
    let document = crate::spec::document();
    let paths = document["paths"].as_object().into_iter().flatten();
    for (path, item) in paths {
        for (method, operation) in item.as_object().into_iter().flatten() {
            let name = operation["operationId"].as_str().unwrap_or_default();
            let access = operation[EXTENSION].as_str().unwrap_or_default();
            let marks = match access.parse::<Permission>() {
                Ok(permission) => marks(|may| may.has(permission)),
                Err(_) if access == Access::Platform.as_str() => marks(|_may| false),
                Err(_open_or_own) => marks(|_may| true),
            };
            let method = method.to_uppercase();
            let star = if operation[STEP_UP] == true { " *" } else { "" };
            line(
                &mut text,
                format_args!("| {name} | {method} {path} | {access}{star} | {marks} |"),
            );
        }
    }
    text
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("a text takes what is written");
}

fn marks(has: impl Fn(Permissions) -> bool) -> String {
    let marks: Vec<&str> = Role::ALL
        .iter()
        .map(|role| {
            let may = role.scope().narrow(role.permissions());
            if has(may) { "yes" } else { "" }
        })
        .collect();
    marks.join(" | ")
}
