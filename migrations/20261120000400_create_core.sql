-- Core tables and what hangs on them, written by the page: 10,000 records a second. They carry no
-- foreign keys, whose checks run row by row and cost more than the insert; tenant_id comes from the
-- transaction, and deleting a connection purges its rows itself.
--
-- `provenance` holds, per field, where its value came from, compactly; it is read and
-- written with the row, so it lives in it. What is only ever read whole is json: jsonb costs its
-- parsing and sorting on every write.
create table accounts (
    tenant_id           uuid not null default current_tenant(),
    id                  uuid not null,
    version             bigint not null default 1,
    -- Empty where a system gave none that could be taken over.
    name                text not null,
    external_ref        text,
    industry            text,
    type                text,
    phone               text,
    website             text,
    domain              text,
    -- What an account is found by, typed: row security keeps expressions from using an index.
    domain_key          text generated always as (lower(btrim(domain))) stored,
    first_word          text generated always as (lower(split_part(btrim(name), ' ', 1))) stored,
    description         text,
    annual_revenue      numeric,
    employees           bigint,
    billing_street      text,
    billing_city        text,
    billing_state       text,
    billing_postal_code text,
    billing_country     text,
    tier                text,
    csm_email           text,
    account_manager     text,
    -- Array of text.
    products            jsonb,
    founded             text,
    parent              uuid,
    custom              jsonb not null default '{}',
    provenance          json not null default '{}',
    created_at          timestamptz not null,
    updated_at          timestamptz not null,
    removed_at          timestamptz,
    primary key (tenant_id, id)
) with (fillfactor = 85);
create index accounts_name on accounts (tenant_id, lower(name), id) where removed_at is null;
create index accounts_updated on accounts (tenant_id, updated_at, id) where removed_at is null;
-- Look-ups end in the id, by which they are ordered: else a plan that knows nothing of the values walks
-- the whole table in its order.
create index accounts_domain on accounts (tenant_id, domain_key, id)
    where domain_key is not null and removed_at is null;
create index accounts_first_word on accounts (tenant_id, first_word, id) where removed_at is null;
create index accounts_parent on accounts (tenant_id, parent, id) where parent is not null;
call protect_tenant_table('accounts');

create table contacts (
    tenant_id           uuid not null default current_tenant(),
    id                  uuid not null,
    version             bigint not null default 1,
    account             uuid,
    first_name          text,
    -- Empty where a system gave none that could be taken over.
    last_name           text not null,
    last_name_key       text generated always as (lower(btrim(last_name))) stored,
    email               text,
    email_key           text generated always as (lower(btrim(email))) stored,
    phone               text,
    mobile              text,
    title               text,
    department          text,
    is_primary          boolean,
    no_email            boolean,
    mailing_street      text,
    mailing_city        text,
    mailing_state       text,
    mailing_postal_code text,
    mailing_country     text,
    custom              jsonb not null default '{}',
    provenance          json not null default '{}',
    created_at          timestamptz not null,
    updated_at          timestamptz not null,
    removed_at          timestamptz,
    primary key (tenant_id, id)
) with (fillfactor = 85);
create index contacts_name on contacts (tenant_id, lower(last_name), id) where removed_at is null;
create index contacts_updated on contacts (tenant_id, updated_at, id) where removed_at is null;
create index contacts_account on contacts (tenant_id, account, id) where account is not null;
create index contacts_email on contacts (tenant_id, email_key, id)
    where email_key is not null and removed_at is null;
create index contacts_last_name on contacts (tenant_id, last_name_key, id) where removed_at is null;
call protect_tenant_table('contacts');

-- One row per record of a connected system: its identity link to an entity, its snapshot as last
-- seen, and the base, the values last agreed on by both sides.
create table records (
    tenant_id         uuid not null default current_tenant(),
    connection_id     uuid not null,
    stream            text not null,
    key               text not null,
    entity            text not null,
    entity_id         uuid not null,
    raw               json not null,
    base              json not null,
    remote_version    text,
    remote_changed_at timestamptz,
    -- Of raw: a record that comes again unchanged costs a comparison.
    content_hash      bytea not null,
    -- References of the record whose target is not linked yet: {field: {stream, key}}
    unresolved        jsonb,
    mapping_version   integer not null,
    -- Fields that could not be taken over: [{core, remote, cause, reason}]
    problems          jsonb,
    link_method       text not null,
    linked_at         timestamptz not null,
    -- When it was mapped last, which what is kept of it is without being seen anew.
    mapped_at         timestamptz not null,
    seen_at           timestamptz not null,
    -- It was asked for by itself then: a list may not show that yet.
    is_asked          boolean not null default false,
    run_id            uuid,
    removed_at        timestamptz,
    removal           jsonb,
    -- When the hub last wrote it: what changes soon after may be somebody's answer to that.
    written_at        timestamptz,
    primary key (tenant_id, connection_id, stream, key)
) with (fillfactor = 85);
create unique index records_entity on records (tenant_id, entity_id, connection_id, stream)
    where removed_at is null;
-- What is gone over there, or kept out by an undo: an undo of that asks by entity.
create index records_removed on records (tenant_id, entity_id) where removed_at is not null;
create index records_problems on records (tenant_id, connection_id, stream)
    where problems is not null;
create index records_unresolved on records (tenant_id, connection_id, stream, key)
    where unresolved is not null;
call protect_tenant_table('records');

-- What happened to an entity after it was created, one row per merge, edit or undo that changed it.
create table changes (
    tenant_id     uuid not null default current_tenant(),
    entity_id     uuid not null,
    id            uuid not null,
    entity        text not null,
    kind          text not null,
    at            timestamptz not null,
    connection_id uuid,
    run_id        uuid,
    user_id       uuid,
    -- [{field, old, new, rule}]
    fields        jsonb not null,
    primary key (tenant_id, entity_id, id)
);
create index changes_run on changes (tenant_id, run_id, entity_id) where run_id is not null;
call protect_tenant_table('changes');

create table conflicts (
    tenant_id     uuid not null default current_tenant(),
    id            uuid not null,
    entity        text not null,
    entity_id     uuid not null,
    connection_id uuid not null,
    stream        text not null,
    record_key    text not null,
    field_group   text not null,
    -- overwritten: a write of ours went over a value that nobody had seen; open until a person answers
    kind          text not null check (kind in ('edit', 'delete', 'overwritten')),
    -- {field: {base, core, remote}}
    fields        jsonb not null,
    state         text not null default 'open' check (state in ('open', 'resolved')),
    choice        text,
    note          text,
    opened_at     timestamptz not null,
    run_id        uuid,
    resolved_at   timestamptz,
    resolved_by   uuid,
    version       bigint not null default 1,
    primary key (tenant_id, id)
);
create unique index conflicts_open on conflicts
    (tenant_id, entity_id, connection_id, stream, field_group, kind) where state = 'open';
create index conflicts_list on conflicts (tenant_id, state, opened_at desc, id desc);
call protect_tenant_table('conflicts');

-- The outbox: what is owed to a system. The values are read when the write is sent, so two edits
-- before that make one write.
create table writes (
    tenant_id     uuid not null default current_tenant(),
    id            uuid not null,
    connection_id uuid not null,
    stream        text not null,
    entity        text not null,
    entity_id     uuid not null,
    op            text not null check (op in ('upsert', 'delete')),
    fields        text[] not null,
    state         text not null check (state in
        ('pending', 'sending', 'settled', 'failed', 'withheld', 'superseded')),
    -- An earlier attempt may have taken effect: look the record up before creating it.
    look_first    boolean not null default false,
    attempt       integer not null default 0,
    due_at        timestamptz not null,
    -- When the newest of its fields was asked for: what the system holds must be looked at later
    -- than that before it is sent.
    asked_at      timestamptz not null,
    run_id        uuid,
    -- Core values as sent: {field: value}
    sent          jsonb,
    -- Values that the system was known to hold for these; null where the write is to make the record.
    before        jsonb,
    -- The record's version when it was looked at, where the system tells one: what is written must be
    -- written over that, and what lay between is looked for.
    expected      text,
    -- [{field: value}]: what attempts carried of which it is not known whether they arrived, in order
    earlier       jsonb,
    sent_at       timestamptz,
    settled_at    timestamptz,
    -- {kind, code?, message, fields?}
    error         jsonb,
    cause_run_id  uuid,
    cause_user_id uuid,
    created_at    timestamptz not null,
    primary key (tenant_id, id)
);
create unique index writes_pending on writes (tenant_id, connection_id, stream, entity_id)
    where state = 'pending';
create index writes_due on writes (tenant_id, connection_id, stream, due_at, id)
    where state = 'pending';
create index writes_sending on writes (tenant_id, connection_id, stream) where state = 'sending';
create index writes_in_doubt on writes (tenant_id, connection_id, stream, entity_id)
    where state = 'sending' or earlier is not null;
create index writes_entity on writes (tenant_id, entity_id, created_at desc);
create index writes_run on writes (tenant_id, run_id, id) where run_id is not null;
create index writes_failed on writes (tenant_id, created_at desc) where state = 'failed';
call protect_tenant_table('writes');

-- Echo ledger: values we sent and have not seen come back. An entry is used once.
create table echoes (
    tenant_id     uuid not null default current_tenant(),
    connection_id uuid not null,
    entity_id     uuid not null,
    field         text not null,
    value_hash    bytea not null,
    write_id      uuid not null,
    -- The record's stamp after the write, from the receipt.
    written_at    timestamptz,
    expires_at    timestamptz not null,
    primary key (tenant_id, connection_id, entity_id, field, value_hash)
);
create index echoes_expiry on echoes (expires_at);
create index echoes_write on echoes (tenant_id, write_id);
call protect_tenant_table('echoes');

-- Records that are gone before the hub has heard that it made them: their removal was told while the
-- answer to a create was still to come.
create table early_removals (
    tenant_id     uuid not null default current_tenant(),
    connection_id uuid not null,
    stream        text not null,
    key           text not null,
    seen_at       timestamptz not null,
    primary key (tenant_id, connection_id, stream, key)
);
call protect_tenant_table('early_removals');

-- What somebody sees who does not see all accounts; 140 says how.
call scope_table('accounts', 'id = any ((select scope_accounts())::uuid[])');
call scope_table('contacts', 'account = any ((select scope_accounts())::uuid[])');
call scope_entity_table('records');
call scope_entity_table('changes');
call scope_entity_table('conflicts');
call scope_entity_table('writes');
call scope_table('early_removals', 'false');
-- Journals hold what was read, whoever it belongs to.
call scope_table('steps', 'false');
call scope_table('attempts', 'false');
call scope_table('signals', 'false');
call scope_table('finished_runs', 'false');
