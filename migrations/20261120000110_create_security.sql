-- What a tenant asks of its people; no row means the defaults.
create table security_policies (
    tenant_id           uuid not null default current_tenant() references tenants,
    idle_minutes        integer not null default 30 check (idle_minutes between 1 and 1440),
    absolute_minutes    integer not null default 720 check (absolute_minutes between 5 and 43200),
    password_shortest   integer not null default 10 check (password_shortest between 8 and 128),
    -- Of lower case, upper case, digits and others.
    password_kinds      integer not null default 1 check (password_kinds between 1 and 4),
    password_remembered integer not null default 5 check (password_remembered between 0 and 24),
    -- Null: a password does not grow old.
    password_days       integer check (password_days between 1 and 3650),
    lockout_failures    integer not null default 20 check (lockout_failures between 3 and 1000),
    lockout_minutes     integer not null default 15 check (lockout_minutes between 1 and 1440),
    set_up_hours        integer not null default 72 check (set_up_hours between 1 and 720),
    -- Null: entries are kept for ever.
    audit_days          integer check (audit_days between 90 and 36500),
    calls_per_minute    integer not null default 60000 check (calls_per_minute between 60 and 1000000),
    -- How long a password or second factor counts as just shown, for sensitive actions.
    step_up_minutes     integer not null default 15 check (step_up_minutes between 1 and 1440),
    -- How long a browser is remembered and asked for no second factor; 0: none is.
    device_days         integer not null default 30 check (device_days between 0 and 365),
    version             bigint not null default 1,
    primary key (tenant_id)
);
call protect_tenant_table('security_policies');

create table user_groups (
    tenant_id   uuid not null default current_tenant() references tenants,
    id          uuid not null,
    -- Of a customer's organisation, whose administrators made it; null: of the tenant's own people.
    account_id  uuid,
    name        text not null,
    permissions text[] not null,
    version     bigint not null default 1,
    created_at  timestamptz not null,
    primary key (tenant_id, id)
);
create unique index user_groups_name on user_groups (tenant_id, account_id, lower(name))
    nulls not distinct;
call protect_tenant_table('user_groups');

create table group_members (
    tenant_id uuid not null default current_tenant(),
    user_id   uuid not null,
    group_id  uuid not null,
    primary key (tenant_id, user_id, group_id),
    foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade,
    foreign key (tenant_id, group_id) references user_groups (tenant_id, id) on delete cascade
);
create index group_members_group on group_members (tenant_id, group_id);
call protect_tenant_table('group_members');

-- Permissions that one user has beyond role and groups.
create table user_grants (
    tenant_id  uuid not null default current_tenant(),
    user_id    uuid not null,
    permission text not null,
    granted_at timestamptz not null,
    primary key (tenant_id, user_id, permission),
    foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade
);
call protect_tenant_table('user_grants');

-- What a user may beyond the role: grants and those of groups, some perhaps twice.
create function permissions_beyond_role(tenant uuid, person uuid) returns text[]
    language sql stable
    return array(
        select g.permission from user_grants g
        where g.tenant_id = tenant and g.user_id = person
        union all
        select unnest(ug.permissions)
        from group_members m
        join user_groups ug on ug.tenant_id = m.tenant_id and ug.id = m.group_id
        where m.tenant_id = tenant and m.user_id = person);

-- Links that let a person set a password, once.
create table user_links (
    tenant_id  uuid not null default current_tenant(),
    -- SHA-256 of the token in the link.
    token_hash bytea not null,
    user_id    uuid not null,
    purpose    text not null check (purpose in ('set_up', 'reset')),
    created_at timestamptz not null,
    expires_at timestamptz not null,
    primary key (tenant_id, token_hash),
    foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade
);
create unique index user_links_token on user_links (token_hash);
create index user_links_user on user_links (tenant_id, user_id);
call protect_tenant_table('user_links');

-- Hashes of passwords that a user had and may not have again.
create table old_passwords (
    tenant_id     uuid not null default current_tenant(),
    user_id       uuid not null,
    id            uuid not null,
    password_hash text not null,
    primary key (tenant_id, user_id, id),
    foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade
);
call protect_tenant_table('old_passwords');

-- E-mail that waits to be sent, and what became of it. The text is sealed while it waits, for it may
-- carry a link that signs in, and gone once it is sent.
create table outgoing_mails (
    tenant_id  uuid not null default current_tenant() references tenants,
    id         uuid not null,
    kind       text not null,
    user_id    uuid,
    recipient  text not null,
    subject    text not null,
    body       bytea,
    -- The run that asked for it; null where a person's request did.
    run_id     uuid,
    created_at timestamptz not null,
    sent_at    timestamptz,
    primary key (tenant_id, id)
);
create index outgoing_mails_run on outgoing_mails (tenant_id, run_id, id) where run_id is not null;
call protect_tenant_table('outgoing_mails');

-- Who did what, in the order it was committed. Each entry's hash covers the one before it, so that a
-- change, a gap or another order shows.
create table audit_entries (
    tenant_id     uuid not null default current_tenant(),
    -- From 1, without gaps.
    seq           bigint not null,
    at            timestamptz not null,
    actor_kind    text not null check (actor_kind in ('user', 'key', 'system')),
    actor_id      uuid,
    actor_name    text not null,
    address       text,
    request       text,
    action        text not null,
    subject_kind  text not null,
    subject_id    text not null,
    -- Text, not jsonb: the hash is of these very characters.
    before        text,
    after         text,
    previous_hash bytea not null,
    hash          bytea not null,
    primary key (tenant_id, seq)
);
create index audit_entries_subject on audit_entries (tenant_id, subject_kind, subject_id, seq);
create index audit_entries_actor on audit_entries (tenant_id, actor_id, seq);
create index audit_entries_at on audit_entries (tenant_id, at);
call protect_tenant_table('audit_entries');
-- Nobody who works for the hub changes what is written.
revoke update, delete on audit_entries from syncline_app, syncline_system;

-- The last entry that retention took away: where the chain begins now.
create table audit_anchors (
    tenant_id uuid not null default current_tenant() references tenants,
    seq       bigint not null,
    hash      bytea not null,
    primary key (tenant_id)
);
call protect_tenant_table('audit_anchors');
revoke insert, update, delete on audit_anchors from syncline_app, syncline_system;

-- Takes away the entries of a tenant from before a moment, and keeps where the chain goes on.
create function prune_audit(tenant uuid, cut timestamptz) returns bigint
    language plpgsql security definer set search_path = public, pg_temp as
$$
declare
    last record;
    gone bigint;
    was text := current_setting('hub.tenant', true);
begin
    if cut > now() - interval '30 days' then
        raise exception 'entries of the last 30 days stay';
    end if;
    -- The owner, too, sees the rows of one tenant at a time.
    perform set_config('hub.tenant', tenant::text, true);
    -- Only a beginning of the chain may go: up to the first entry that stays, by its number.
    select seq, hash into last from audit_entries
        where seq < coalesce((select min(seq) from audit_entries where at >= cut),
                             (select max(seq) from audit_entries))
        order by seq desc limit 1;
    if found then
        insert into audit_anchors (tenant_id, seq, hash) values (tenant, last.seq, last.hash)
            on conflict (tenant_id) do update set seq = excluded.seq, hash = excluded.hash;
        delete from audit_entries where seq <= last.seq;
        get diagnostics gone = row_count;
    end if;
    perform set_config('hub.tenant', coalesce(was, ''), true);
    return coalesce(gone, 0);
end
$$;
revoke execute on function prune_audit(uuid, timestamptz) from public;
grant execute on function prune_audit(uuid, timestamptz) to syncline_system;

-- Takes what names an erased person out of entries of a tenant: all that may become otherwise is who it
-- was by name, from which address, and values. The hashes stay, so that the chain does; an entry of the
-- same transaction says which they are and what they hold now.
create function redact_audit(of_tenant uuid, seqs bigint[], names text[], addresses text[],
                             befores text[], afters text[]) returns void
    language plpgsql security definer set search_path = public, pg_temp as
$$
declare
    was text := current_setting('hub.tenant', true);
begin
    perform set_config('hub.tenant', of_tenant::text, true);
    update audit_entries e
    set actor_name = r.actor_name, address = r.address, before = r.before, after = r.after
    from unnest(seqs, names, addresses, befores, afters)
         as r (seq, actor_name, address, before, after)
    where e.tenant_id = of_tenant and e.seq = r.seq;
    perform set_config('hub.tenant', coalesce(was, ''), true);
end
$$;
revoke execute on function redact_audit(uuid, bigint[], text[], text[], text[], text[]) from public;
grant execute on function redact_audit(uuid, bigint[], text[], text[], text[], text[])
    to syncline_system;

-- Keys of programs. A key acts for the user who made it, within the permissions it was given.
create table api_keys (
    tenant_id        uuid not null default current_tenant() references tenants,
    id               uuid not null,
    name             text not null,
    user_id          uuid not null,
    permissions      text[] not null,
    -- SHA-256 of the secret, and its first characters for people to tell keys apart.
    token_hash       bytea not null,
    shown            text not null,
    -- The secret before the last rotation, while it still works.
    old_token_hash   bytea,
    old_until        timestamptz,
    calls_per_minute integer check (calls_per_minute between 1 and 1000000),
    created_at       timestamptz not null,
    expires_at       timestamptz,
    last_used_at     timestamptz,
    revoked_at       timestamptz,
    version          bigint not null default 1,
    primary key (tenant_id, id),
    foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade
);
create unique index api_keys_token on api_keys (token_hash);
create unique index api_keys_old_token on api_keys (old_token_hash);
create index api_keys_user on api_keys (tenant_id, user_id);
call protect_tenant_table('api_keys');

create table api_usage (
    tenant_id uuid not null default current_tenant(),
    key_id    uuid not null,
    day       date not null,
    route     text not null,
    calls     bigint not null,
    refused   bigint not null,
    primary key (tenant_id, key_id, day, route),
    foreign key (tenant_id, key_id) references api_keys (tenant_id, id) on delete cascade
);
call protect_tenant_table('api_usage');

-- Calls in the current minute by key, user, tenant and address, for all processes together. Of no
-- tenant, for an address has none; lost in a crash, which forgives a minute.
create unlogged table rate_counts (
    subject text primary key,
    minute  bigint not null,
    calls   integer not null
) with (fillfactor = 50);
grant select, insert, update, delete on rate_counts to syncline_system;
