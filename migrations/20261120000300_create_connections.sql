create table connections (
    tenant_id         uuid not null default current_tenant() references tenants,
    id                uuid not null,
    system            text not null,
    name              text not null,
    state             text not null default 'new'
        check (state in ('new', 'ok', 'attention', 'stopped')),
    -- Without secrets; those are sealed beside it.
    config            jsonb not null,
    secrets           bytea,
    -- OAuth tokens, sealed; the revision fences concurrent refreshes.
    tokens            bytea,
    tokens_revision   bigint not null default 0,
    -- One refresher at a time, over all processes; lapses by itself.
    tokens_lease      uuid,
    tokens_lease_until timestamptz,
    checked_at        timestamptz,
    -- {kind, code?, message, at}
    error             jsonb,
    usage_used        bigint,
    usage_limit       bigint,
    usage_at          timestamptz,
    -- The system asked us to stay away until then.
    closed_until      timestamptz,
    version           bigint not null default 1,
    created_at        timestamptz not null,
    updated_at        timestamptz not null,
    primary key (tenant_id, id)
);
create unique index connections_name on connections (tenant_id, lower(name));
call protect_tenant_table('connections');

create table mappings (
    tenant_id         uuid not null default current_tenant() references tenants,
    id                uuid not null,
    connection_id     uuid not null,
    stream            text not null,
    entity            text not null,
    published_version integer,
    -- Of the row, for If-Match.
    version           bigint not null default 1,
    created_at        timestamptz not null,
    updated_at        timestamptz not null,
    primary key (tenant_id, id),
    foreign key (tenant_id, connection_id) references connections (tenant_id, id) on delete cascade
);
create unique index mappings_stream on mappings (tenant_id, connection_id, stream);
call protect_tenant_table('mappings');

create table mapping_versions (
    tenant_id  uuid not null default current_tenant(),
    mapping_id uuid not null,
    version    integer not null,
    state      text not null check (state in ('draft', 'published', 'superseded', 'rolled_back')),
    body       text not null,
    -- Of an earlier version whose text this one brings back.
    restores   integer,
    created_at timestamptz not null,
    created_by text not null,
    -- Null for what the hub brought along.
    author     uuid,
    primary key (tenant_id, mapping_id, version),
    foreign key (tenant_id, mapping_id) references mappings (tenant_id, id) on delete cascade
);
call protect_tenant_table('mapping_versions');

create table streams (
    tenant_id     uuid not null default current_tenant(),
    connection_id uuid not null,
    stream        text not null,
    entity        text not null,
    enabled       boolean not null default true,
    -- What becomes of a record over there whose entity is removed here.
    on_remove     text not null default 'keep' check (on_remove in ('keep', 'delete')),
    -- Where the next read goes on; null reads in full.
    cursor        text,
    phase         text not null default 'never' check (phase in ('never', 'full', 'incremental')),
    -- The system's description of the stream as last discovered.
    description   jsonb,
    described_at  timestamptz,
    -- Of the description: tells whether another says the same.
    description_mark text,
    -- Core fields that stand still, and whether nothing is made over there, until a person has looked
    -- at what changed in the description.
    held_fields   text[] not null default '{}',
    holds_creates boolean not null default false,
    -- Every change over there up to here is applied, but for open gaps; null before the first
    -- complete read.
    covered_to    timestamptz,
    -- When the pass under way began; null between two passes.
    pass_began_at timestamptz,
    -- When part of the records is compared with the system again.
    sweep_due_at  timestamptz,
    -- When all of its records that wait for what they point at were looked at last.
    waited_at     timestamptz,
    last_read_at  timestamptz,
    last_run_id   uuid,
    version       bigint not null default 1,
    primary key (tenant_id, connection_id, stream),
    foreign key (tenant_id, connection_id) references connections (tenant_id, id) on delete cascade
);
call protect_tenant_table('streams');

create table custom_fields (
    tenant_id  uuid not null default current_tenant() references tenants,
    entity     text not null,
    key        text not null,
    label      text not null,
    kind       text not null,
    scale      integer,
    choices    jsonb not null default '[]',
    -- How close it is to a person.
    personal   text not null default 'no' check (personal in ('no', 'identifying', 'sensitive')),
    created_at timestamptz not null,
    primary key (tenant_id, entity, key)
);
call protect_tenant_table('custom_fields');
