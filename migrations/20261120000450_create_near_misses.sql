-- Values that a system stored in another form than it was given, counted by field.
create table near_misses (
    tenant_id     uuid not null default current_tenant(),
    connection_id uuid not null,
    stream        text not null,
    field         text not null,
    count         bigint not null,
    first_at      timestamptz not null,
    last_at       timestamptz not null,
    last_entity   uuid not null,
    primary key (tenant_id, connection_id, stream, field),
    foreign key (tenant_id, connection_id) references connections (tenant_id, id) on delete cascade
);
call protect_tenant_table('near_misses');
-- Counted over all records.
call scope_table('near_misses', 'false');

-- A version of a mapping that is in force for some records of its stream, to see how it does.
create table canaries (
    tenant_id       uuid not null default current_tenant(),
    id              uuid not null,
    mapping_id      uuid not null,
    connection_id   uuid not null,
    stream          text not null,
    mapping_version integer not null,
    -- Percent of the records by a hash of their keys; null for a list.
    share           integer check (share between 1 and 50),
    keys            text[] not null,
    -- The most failures, conflicts and near misses that are borne.
    most_failures   bigint not null check (most_failures >= 0),
    most_conflicts  bigint not null check (most_conflicts >= 0),
    most_misses     bigint not null check (most_misses >= 0),
    state           text not null check (state in ('running', 'stopped', 'promoted')),
    -- limit, asked
    reason          text,
    records         bigint not null default 0,
    failures        bigint not null default 0,
    conflicts       bigint not null default 0,
    misses          bigint not null default 0,
    preview_id      uuid,
    -- The run that applied it to the stored snapshots.
    run_id          uuid not null,
    applied_at      timestamptz,
    -- The run that undoes what it did.
    undo_run_id     uuid,
    by              uuid not null,
    at              timestamptz not null,
    ended_at        timestamptz,
    primary key (tenant_id, id),
    check ((share is null) <> (cardinality(keys) = 0)),
    foreign key (tenant_id, mapping_id) references mappings (tenant_id, id) on delete cascade
);
create unique index canaries_running on canaries (tenant_id, connection_id, stream)
    where state = 'running';
create index canaries_mapping on canaries (tenant_id, mapping_id, id desc);
call protect_tenant_table('canaries');
call scope_table('canaries', 'false');
