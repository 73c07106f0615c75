-- What a tenant asks for before a mapping is put in force; without a row, nothing.
create table mapping_rules (
    tenant_id      uuid not null default current_tenant() references tenants,
    needs_preview  boolean not null,
    needs_approval boolean not null,
    -- Percent of a stream's records that may have moved between a preview and publishing by it.
    stale_percent  integer not null check (stale_percent between 0 and 100),
    version        bigint not null default 1,
    updated_at     timestamptz not null,
    updated_by     uuid not null,
    -- Who asked that approvals are needed no more: somebody else has to ask it too.
    release_asked_by uuid,
    primary key (tenant_id)
);
call protect_tenant_table('mapping_rules');

-- What a version of a mapping would do to the stored snapshots of its stream.
create table previews (
    tenant_id       uuid not null default current_tenant(),
    id              uuid not null,
    mapping_id      uuid not null,
    mapping_version integer not null,
    -- The version that was in force then; null for none.
    against         integer,
    -- What else the answer depends on: the versions of the other streams' mappings, the fields.
    around          jsonb not null,
    run_id          uuid not null,
    -- Records to read again from the system.
    sample          integer not null,
    asked_by        uuid not null,
    asked_at        timestamptz not null,
    began_at        timestamptz,
    ended_at        timestamptz,
    totals          jsonb not null default '{}',
    -- Of all outcomes in the order of their keys: what a later run is held against.
    digest          bytea,
    -- {asked, found, totals, error?}
    live            jsonb,
    primary key (tenant_id, id),
    foreign key (tenant_id, mapping_id) references mappings (tenant_id, id) on delete cascade
);
create index previews_mapping on previews (tenant_id, mapping_id, id);
call protect_tenant_table('previews');

-- The records of a preview to which something would happen. Without a foreign key: they come a
-- thousand at a time, and whoever deletes a preview deletes them first.
create table preview_rows (
    tenant_id    uuid not null default current_tenant(),
    preview_id   uuid not null,
    number       bigint not null,
    -- Read from the system for the preview, not from its snapshot.
    live         boolean not null,
    record_key   text not null,
    entity_id    uuid,
    act          text not null,
    has_conflict boolean not null,
    has_failure  boolean not null,
    outcome      json not null,
    primary key (tenant_id, preview_id, number)
);
call protect_tenant_table('preview_rows');

-- Every time a version of a mapping was put in force.
create table publications (
    tenant_id       uuid not null default current_tenant(),
    id              uuid not null,
    mapping_id      uuid not null,
    mapping_version integer not null,
    -- The version that was in force before; null for none.
    replaced        integer,
    -- For one that rolled back: the version whose text came back.
    restored        integer,
    preview_id      uuid,
    approval_id     uuid,
    -- The run that applies it to the stored snapshots.
    run_id          uuid,
    at              timestamptz not null,
    by              uuid not null,
    applied_at      timestamptz,
    totals          jsonb,
    digest          bytea,
    primary key (tenant_id, id),
    foreign key (tenant_id, mapping_id) references mappings (tenant_id, id) on delete cascade
);
create index publications_mapping on publications (tenant_id, mapping_id, id);
call protect_tenant_table('publications');

-- Records with the values that a mapping must go on making of them.
create table mapping_fixtures (
    tenant_id  uuid not null default current_tenant(),
    id         uuid not null,
    mapping_id uuid not null,
    name       text not null,
    -- {key, version, changed_at, fields}
    record     jsonb not null,
    -- {values, references, failed}
    expected   jsonb not null,
    created_at timestamptz not null,
    created_by uuid not null,
    primary key (tenant_id, id),
    foreign key (tenant_id, mapping_id) references mappings (tenant_id, id) on delete cascade
);
create unique index mapping_fixtures_name on mapping_fixtures (tenant_id, mapping_id, lower(name));
call protect_tenant_table('mapping_fixtures');

-- Asking a second person whether a version may be put in force. Bound to the version's text.
create table mapping_approvals (
    tenant_id       uuid not null default current_tenant(),
    id              uuid not null,
    mapping_id      uuid not null,
    mapping_version integer not null,
    text_hash       bytea not null,
    note            text,
    asked_by        uuid not null,
    asked_at        timestamptz not null,
    state           text not null default 'open' check (state in ('open', 'approved', 'refused')),
    answer          text,
    decided_by      uuid,
    decided_at      timestamptz,
    primary key (tenant_id, id),
    foreign key (tenant_id, mapping_id) references mappings (tenant_id, id) on delete cascade
);
create unique index mapping_approvals_version on mapping_approvals
    (tenant_id, mapping_id, mapping_version);
call protect_tenant_table('mapping_approvals');
call scope_table('preview_rows', 'false');
call scope_table('mapping_fixtures', 'false');
