-- The two roles every transaction works as; the login role owns the tables and only migrates.
do $$
begin
    create role syncline_app nologin;
exception
    when duplicate_object or unique_violation then null;
end
$$;

do $$
begin
    create role syncline_system nologin;
exception
    when duplicate_object or unique_violation then null;
end
$$;

do $$
begin
    execute format('grant syncline_app, syncline_system to %I', current_user);
exception
    -- Another database of this cluster is being migrated at the same moment and has just done it.
    when unique_violation or internal_error then null;
end
$$;

create function current_tenant() returns uuid
    language sql stable parallel safe
    -- nullif: a used connection leaves '' behind, not null.
    return nullif(current_setting('hub.tenant', true), '')::uuid;

create procedure protect_tenant_table(name regclass)
    language plpgsql as
$$
begin
    execute format('alter table %s enable row level security', name);
    execute format('alter table %s force row level security', name);
    -- The sub-select makes it one call per statement instead of one per row.
    execute format('create policy tenant on %s using (tenant_id = (select current_tenant()))', name);
    execute format('create policy system on %s to syncline_system using (true)', name);
    execute format('grant select, insert, update, delete on %s to syncline_app, syncline_system', name);
end
$$;

create table tenants (
    tenant_id   uuid primary key,
    name        text not null,
    environment text not null default 'production',
    -- Suspended: nobody signs in, keys do not work, no run begins. Deleting: nor is it known by its
    -- names, and what is left of it goes when its deletion is due.
    state       text not null default 'active'
        check (state in ('active', 'suspended', 'deleting')),
    -- Whether suspending paused the tenant's lane, so that resuming opens it and no other pause.
    lane_paused boolean not null default false,
    version     bigint not null default 1,
    created_at  timestamptz not null
);
call protect_tenant_table('tenants');

create table users (
    tenant_id            uuid not null default current_tenant() references tenants,
    id                   uuid not null,
    email                text not null,
    name                 text not null,
    role                 text not null,
    state                text not null default 'active'
        check (state in ('invited', 'active', 'deactivated')),
    -- Null until the person has set one.
    password_hash        text,
    password_set_at      timestamptz,
    must_change_password boolean not null default false,
    -- Wrong passwords since the last right one, from whatever address.
    failed_sign_ins      integer not null default 0,
    -- Wrong codes of second factors since the last right one.
    failed_codes         integer not null default 0,
    locked_until         timestamptz,
    -- Whether a second factor is set up: every sign-in and request asks, so it is not counted anew.
    has_factor           boolean not null default false,
    last_sign_in_at      timestamptz,
    -- Which accounts the user sees; null is what the role says.
    scope                text check (scope in ('all', 'team', 'assigned', 'own')),
    -- Of a customer's user: the account they belong to.
    account_id           uuid,
    -- Of a partner's user: the organisation they belong to.
    partner_id           uuid,
    -- Looks after all tenants. Given from the command line only; no role has it.
    is_operator          boolean not null default false,
    -- When all that says who it was was destroyed: what they did is then done by nobody known.
    erased_at            timestamptz,
    version              bigint not null default 1,
    created_at           timestamptz not null,
    primary key (tenant_id, id)
);
-- One address signs in to one tenant: sign-in knows the address only.
create unique index users_email on users (lower(email));
create index users_account on users (tenant_id, account_id) where account_id is not null;
call protect_tenant_table('users');

create table sessions (
    tenant_id    uuid not null default current_tenant(),
    -- SHA-256 of the cookie: a copy of the table signs nobody in.
    token_hash   bytea not null,
    user_id      uuid not null,
    id           uuid not null,
    -- Where it was opened from, for its owner to recognise.
    address      text,
    agent        text,
    -- The second factor it was opened with, if any.
    factor       text check (factor in ('totp', 'backup_code', 'sms', 'passkey', 'device', 'provider')),
    created_at   timestamptz not null,
    last_seen_at timestamptz not null,
    -- When password or second factor were last shown: sensitive actions ask for it anew after a while.
    proved_at    timestamptz not null,
    expires_at   timestamptz not null,
    primary key (tenant_id, token_hash),
    foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade
);
create unique index sessions_token on sessions (token_hash);
create index sessions_user on sessions (tenant_id, user_id);
call protect_tenant_table('sessions');
