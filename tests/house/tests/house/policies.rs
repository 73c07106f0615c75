//! Row security is the lock between tenants. Asked of a migrated database, not of the text: what
//! counts is what Postgres will do.

use std::fs;

use localpg::Cluster;

/// Tables that belong to no tenant, and why.
const WITHOUT_TENANT: [&str; 5] = [
    "passkey_challenges", // who signs in with a passkey alone is known only by the answer
    "processes",          // the hub's own, which serve all tenants
    "rate_counts",        // calls are counted by address too, which belongs to nobody
    "tenant_deletions",   // what stays of a tenant when it is gone
    "vault_keys",         // the hub's own: one key seals for all tenants
];

/// A database of our own on the shared test cluster, dropped at the end.
struct Migrated {
    cluster: Cluster,
    name: String,
}

impl Migrated {
    fn new() -> Self {
        let cluster = localpg::test_cluster().unwrap();
        let name = format!(
            "house_{}_{:?}",
            std::process::id(),
            std::thread::current().id()
        );
        let name = name
            .replace(|c: char| !c.is_ascii_alphanumeric(), "_")
            .to_lowercase();
        cluster.create_database(&name).unwrap();
        let migrated = Self { cluster, name };
        let mut files: Vec<_> = fs::read_dir(house::root().join("migrations"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
            .collect();
        files.sort();
        for file in files {
            migrated.ask(&fs::read_to_string(file).unwrap());
        }
        migrated
    }

    fn ask(&self, statement: &str) -> Vec<String> {
        self.cluster.execute(&self.name, statement).unwrap()
    }
}

impl Drop for Migrated {
    fn drop(&mut self) {
        self.cluster
            .execute(
                "postgres",
                &format!("drop database {} with (force)", self.name),
            )
            .unwrap();
    }
}

const TENANT_TABLES: &str = "select c.oid, c.relname, c.relrowsecurity, c.relforcerowsecurity
    from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
      and not c.relispartition";

#[test]
fn every_tenant_table_is_locked_by_a_forced_policy() {
    let database = Migrated::new();
    assert!(
        !database.ask(TENANT_TABLES).is_empty(),
        "no tenant table at all?"
    );
    let open = database.ask(&format!(
        "select relname from ({TENANT_TABLES}) t
         where not relrowsecurity or not relforcerowsecurity
            or not exists (select from pg_policy p where p.polrelid = t.oid
                           and pg_get_expr(p.polqual, p.polrelid) like '%tenant%')"
    ));
    house::assert_none("tenant tables that are not locked", &open);
}

#[test]
fn only_the_system_role_sees_every_tenant() {
    let database = Migrated::new();
    let findings = database.ask(
        "select c.relname || ': policy ' || p.polname from pg_policy p
         join pg_class c on c.oid = p.polrelid
         where pg_get_expr(p.polqual, p.polrelid) not like '%tenant%'
           -- A restrictive one takes away from what others let see.
           and p.polpermissive
           and p.polroles <> array['syncline_system'::regrole::oid]",
    );
    house::assert_none("policies that let others see all rows", &findings);
}

#[test]
fn a_table_without_tenant_is_a_known_exception() {
    let database = Migrated::new();
    let exceptions = WITHOUT_TENANT.map(|table| format!("'{table}'")).join(", ");
    let findings = database.ask(&format!(
        "select relname from pg_class where relnamespace = 'public'::regnamespace
         and relkind in ('r', 'p') and not relispartition and relname not in ({exceptions})
         and oid not in (select oid from ({TENANT_TABLES}) t)"
    ));
    house::assert_none("tables without tenant_id", &findings);
}

/// Row security counts where a table is named: partitions have none of their own, so nobody may name
/// them.
#[test]
fn partitions_are_reached_through_their_locked_parents_only() {
    let database = Migrated::new();
    let partitions = database.ask("select relname from pg_class where relispartition");
    assert!(!partitions.is_empty(), "no partition at all?");
    let findings = database.ask(
        "select c.relname || ': ' || r.role || ' may ' || p.privilege
         from pg_class c
         cross join unnest(array['public', 'syncline_app', 'syncline_system']) as r(role)
         cross join unnest(array['select', 'insert', 'update', 'delete', 'truncate'])
             as p(privilege)
         where c.relispartition and c.relkind = 'r'
           and has_table_privilege(r.role, c.oid, p.privilege)",
    );
    house::assert_none("rights on partitions", &findings);
}

#[test]
fn functions_that_work_as_the_owner_are_for_the_system_role_only() {
    let database = Migrated::new();
    let findings = database.ask(
        "select p.proname || ': ' || r.role
         from pg_proc p
         cross join unnest(array['public', 'syncline_app']) as r(role)
         where p.pronamespace = 'public'::regnamespace and p.prosecdef
           and has_function_privilege(r.role, p.oid, 'execute')",
    );
    house::assert_none("rights on functions that work as the owner", &findings);
    let loose = database.ask(
        "select proname from pg_proc
         where pronamespace = 'public'::regnamespace and prosecdef
           and not coalesce(proconfig::text like '%search_path=%', false)",
    );
    house::assert_none("functions of the owner without a search path", &loose);
}

#[test]
fn the_tenant_leads_the_primary_keys_of_its_tables() {
    let database = Migrated::new();
    let findings = database.ask(&format!(
        "select c.relname from pg_index i
         join pg_class c on c.oid = i.indexrelid
         join ({TENANT_TABLES}) t on t.oid = i.indrelid
         left join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
         where a.attname is distinct from 'tenant_id' and i.indisprimary"
    ));
    house::assert_none("primary keys that do not begin with tenant_id", &findings);
}
