-- What is known not to be known of a stream, and how it is found out: stretches of the feed whose
-- changes did not come, records that a listing did not bring, differences that a sweep found, and
-- changes of the system's description that wait for a decision.

-- Stretches of time of which not every change was seen. What lies before `streams.covered_to` and in
-- no open gap is complete.
create table gaps (
    tenant_id     uuid not null default current_tenant(),
    id            uuid not null,
    connection_id uuid not null,
    stream        text not null,
    reason        text not null check (reason in ('overflow', 'gap', 'lost')),
    -- Null: from the beginning.
    from_at       timestamptz,
    to_at         timestamptz not null,
    -- The records it is about, where the system named them; null for any.
    keys          text[],
    found_at      timestamptz not null,
    run_id        uuid,
    closed_at     timestamptz,
    closed_by     uuid,
    primary key (tenant_id, id),
    foreign key (tenant_id, connection_id) references connections (tenant_id, id) on delete cascade
);
create index gaps_open on gaps (tenant_id, connection_id, stream) where closed_at is null;
create index gaps_list on gaps (tenant_id, connection_id, stream, id desc);
call protect_tenant_table('gaps');

-- Keys that a listing under way has brought. Without foreign keys, like the records themselves.
create table listed (
    tenant_id     uuid not null default current_tenant(),
    connection_id uuid not null,
    stream        text not null,
    run_id        uuid not null,
    key           text not null,
    primary key (tenant_id, connection_id, stream, run_id, key)
);
call protect_tenant_table('listed');

-- Records that a sweep did not find where they should be. Nothing is concluded from one look.
create table absences (
    tenant_id     uuid not null default current_tenant(),
    connection_id uuid not null,
    stream        text not null,
    run_id        uuid not null,
    key           text not null,
    -- suspected: one look did not find it · confirmed: nor did a direct read
    state         text not null check (state in ('suspected', 'confirmed')),
    primary key (tenant_id, connection_id, stream, run_id, key)
);
call protect_tenant_table('absences');

-- How the records of a stream are compared with the system, and what came of it.
create table sweeps (
    tenant_id      uuid not null default current_tenant(),
    connection_id  uuid not null,
    stream         text not null,
    -- Every record is compared at least this often.
    within_seconds bigint not null default 604800 check (within_seconds between 60 and 31536000),
    paused         boolean not null default false,
    -- The key up to which this round has come; '' between two rounds.
    place          text not null default '',
    round_began_at timestamptz,
    -- Of the round under way: records compared, and differences by cause.
    checked        bigint not null default 0,
    differing      jsonb not null default '{}',
    -- Of the last round that came to its end.
    round_ended_at timestamptz,
    last_checked   bigint,
    last_differing jsonb,
    version        bigint not null default 1,
    primary key (tenant_id, connection_id, stream),
    foreign key (tenant_id, connection_id) references connections (tenant_id, id) on delete cascade
);
call protect_tenant_table('sweeps');

-- When the records of a stream were last compared, by ranges of keys: each row is about the keys
-- above the row before it, up to its own; null is the last of all.
create table compared (
    tenant_id     uuid not null default current_tenant(),
    connection_id uuid not null,
    stream        text not null,
    up_to         text,
    at            timestamptz not null,
    foreign key (tenant_id, connection_id) references connections (tenant_id, id) on delete cascade
);
create unique index compared_range on compared (tenant_id, connection_id, stream, up_to)
    nulls not distinct;
call protect_tenant_table('compared');

-- Differences between a record and its snapshot that a sweep found, with what they come from.
create table differences (
    tenant_id     uuid not null default current_tenant(),
    id            uuid not null,
    connection_id uuid not null,
    stream        text not null,
    key           text not null,
    entity        text not null,
    entity_id     uuid not null,
    cause         text not null check (cause in ('in_flight', 'missed_change', 'lost_write',
        'normalisation', 'out_of_scope', 'permission', 'missing')),
    -- Core fields that differ; remote ones where no core field does.
    fields        text[] not null,
    found_at      timestamptz not null,
    run_id        uuid not null,
    primary key (tenant_id, id),
    foreign key (tenant_id, connection_id) references connections (tenant_id, id) on delete cascade
);
create index differences_list on differences (tenant_id, connection_id, stream, id desc);
call protect_tenant_table('differences');
call scope_entity_table('differences');

-- Changes of what a system says of a stream, where they touch what is mapped.
create table drifts (
    tenant_id     uuid not null default current_tenant(),
    id            uuid not null,
    connection_id uuid not null,
    stream        text not null,
    -- The remote field.
    field         text not null,
    kind          text not null check (kind in ('type', 'removed', 'required', 'choice')),
    -- The field's description before and now; null where there is none.
    before        jsonb,
    after         jsonb,
    -- Core fields that stand still for it.
    core_fields   text[] not null,
    message       text not null,
    -- decided: a mapping was put in force since · recovered: the system took it back
    state         text not null check (state in ('open', 'decided', 'recovered')),
    found_at      timestamptz not null,
    run_id        uuid,
    ended_at      timestamptz,
    -- The publication that decided it.
    publication_id uuid,
    primary key (tenant_id, id),
    foreign key (tenant_id, connection_id) references connections (tenant_id, id) on delete cascade
);
create unique index drifts_open on drifts (tenant_id, connection_id, stream, field)
    where state = 'open';
create index drifts_list on drifts (tenant_id, connection_id, stream, id desc);
call protect_tenant_table('drifts');

-- A change of the description is a failure of its field until somebody has decided.
alter view failing rename to failing_rows;
create view failing with (security_invoker = true) as
select * from failing_rows
union all
select d.tenant_id, d.connection_id, d.stream, 'schema', d.kind, null, d.field, d.message,
       failure_class(d.connection_id, d.stream, 'schema', d.kind, null, d.field, d.message),
       null, null, d.field, d.id, d.found_at, null
from drifts d
where d.state = 'open';
grant select on failing to syncline_app, syncline_system;
