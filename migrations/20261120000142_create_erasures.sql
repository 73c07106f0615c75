-- Requests to forget a person, who asked and who agreed, and what was destroyed. They name a contact by
-- its id, which says nothing about anybody once the contact is gone.
create table erasures (
    tenant_id  uuid not null default current_tenant() references tenants,
    id         uuid not null,
    -- erase: nothing is left · anonymise: a pseudonym stays where the contact was
    kind       text not null check (kind in ('erase', 'anonymise')),
    -- user: somebody who signs in and is no contact
    entity     text not null default 'contact' check (entity in ('contact', 'user')),
    entity_id  uuid not null,
    reason     text not null,
    state      text not null default 'asked'
        check (state in ('asked', 'approved', 'refused', 'withdrawn', 'failed', 'done')),
    -- After the approval it can be withdrawn for so long.
    hold_hours integer not null check (hold_hours between 0 and 720),
    asked_by   uuid not null,
    asked_at   timestamptz not null,
    decided_by uuid,
    decided_at timestamptz,
    note       text,
    hold_until timestamptz,
    run_id     uuid,
    done_at    timestamptz,
    -- How many rows of what were destroyed.
    counts     jsonb,
    primary key (tenant_id, id),
    check (decided_by is distinct from asked_by or state in ('asked', 'withdrawn'))
);
create unique index erasures_open on erasures (tenant_id, entity_id)
    where state in ('asked', 'approved', 'failed');
call protect_tenant_table('erasures');
call scope_table('erasures', 'false');

-- What keeps a forgotten person out of later syncs: hashes of keys, addresses and numbers, each over a
-- salt of the tenant's own, so that the same person has other hashes in another tenant.
create table suppression_salts (
    tenant_id uuid not null default current_tenant() references tenants,
    salt      bytea not null,
    primary key (tenant_id)
);
call protect_tenant_table('suppression_salts');
create table suppressions (
    tenant_id  uuid not null default current_tenant(),
    token      bytea not null,
    erasure_id uuid not null,
    primary key (tenant_id, token)
);
call protect_tenant_table('suppressions');
-- Nobody lets a forgotten person in again.
revoke update, delete on suppressions, suppression_salts from syncline_app;

-- Destroys what hangs on a user: every table whose rows go with their user, whichever a later migration
-- adds, and how many rows of each.
create function forget_user_rows(person uuid) returns table (place text, gone bigint)
    language plpgsql set search_path = public, pg_temp as
$$
declare
    one record;
begin
    for one in
        select f.conrelid::regclass as name, a.attname as column_name
        from pg_constraint f
        join pg_attribute a on a.attrelid = f.conrelid and a.attnum = f.conkey[array_upper(f.conkey, 1)]
        where f.contype = 'f' and f.confrelid = 'users'::regclass and f.confdeltype = 'c'
        order by 1
    loop
        place := one.name::text;
        execute format('delete from %s where %I = $1', one.name, one.column_name) using person;
        get diagnostics gone = row_count;
        return next;
    end loop;
end
$$;

-- A text without these parts.
create function mask_text(body text, parts text[]) returns text
    language plpgsql immutable as
$$
declare
    part text;
begin
    foreach part in array parts loop
        body := replace(body, part, '•••');
    end loop;
    return body;
end
$$;

-- What is known of a person, gathered for them.
create table subject_exports (
    tenant_id  uuid not null default current_tenant() references tenants,
    id         uuid not null,
    entity     text not null default 'contact',
    entity_id  uuid not null,
    reason     text not null,
    asked_by   uuid not null,
    asked_at   timestamptz not null,
    run_id     uuid,
    -- JSON, sealed; null until it is gathered.
    body       bytea,
    done_at    timestamptz,
    expires_at timestamptz not null,
    primary key (tenant_id, id)
);
create index subject_exports_entity on subject_exports (tenant_id, entity_id);
call protect_tenant_table('subject_exports');
call scope_table('subject_exports', 'false');

-- How long what is kept beside the records stays, per kind; a kind without a row stays for ever.
create table retention_policies (
    tenant_id uuid not null default current_tenant() references tenants,
    kind      text not null check (kind in
        ('history', 'previews', 'withheld', 'conflicts', 'matches', 'links', 'writes', 'mails')),
    days      integer not null check (days between 1 and 36500),
    primary key (tenant_id, kind)
);
call protect_tenant_table('retention_policies');
