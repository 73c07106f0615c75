-- Records of which it is not sure whose they are: a person says so. One row per record, kept when it
-- is decided: what was said of a record holds when it is read again.
create table matches (
    tenant_id         uuid not null default current_tenant(),
    id                uuid not null,
    connection_id     uuid not null,
    stream            text not null,
    key               text not null,
    entity            text not null,
    -- possible: it looks like them; ambiguous: several are named by its strong key; taken: the one that
    -- is named has another record there; being_made: the one that is named is being created there
    why               text not null check (why in ('possible', 'ambiguous', 'taken', 'being_made')),
    state             text not null check (state in ('open', 'same', 'different', 'gone')),
    -- [{entity_id, score, evidence: [{field, here, there, agreement, weight}], is_taken}]
    candidates        jsonb not null,
    candidate_ids     uuid[] not null,
    -- What it can be found by: field, colon, text in the form it is looked up by.
    keys              text[] not null,
    -- The record as last seen.
    raw               json not null,
    remote_version    text,
    remote_changed_at timestamptz,
    -- Of the mapping by which it is held, as in records.
    mapping_version   integer not null,
    run_id            uuid not null,
    opened_at         timestamptz not null,
    seen_at           timestamptz not null,
    -- Whose it is, by what was said; null for one of its own.
    entity_id         uuid,
    -- As in link_events.
    method            text,
    -- Whence the link was moved.
    from_entity       uuid,
    -- What was agreed of it there, where it goes along: two became one over there.
    base              json,
    decided_at        timestamptz,
    decided_by        uuid,
    note              text,
    version           bigint not null default 1,
    primary key (tenant_id, id)
);
create unique index matches_record on matches (tenant_id, connection_id, stream, key);
create index matches_list on matches (tenant_id, state, opened_at desc, id desc);
create index matches_open on matches (tenant_id, connection_id, stream) where state = 'open';
call protect_tenant_table('matches');

-- How records came to their entities, where that was not by being read first: what the link rests on,
-- and whence it was moved. A row is never changed.
create table link_events (
    tenant_id     uuid not null default current_tenant(),
    id            uuid not null,
    connection_id uuid not null,
    stream        text not null,
    key           text not null,
    entity        text not null,
    entity_id     uuid not null,
    from_entity   uuid,
    method        text not null
        check (method in ('hub_id', 'strong_key', 'person', 'merge', 'conversion')),
    -- As in matches, of the one candidate.
    evidence      jsonb,
    score         integer,
    at            timestamptz not null,
    run_id        uuid,
    user_id       uuid,
    primary key (tenant_id, id)
);
create index link_events_entity on link_events (tenant_id, entity_id, at desc);
create index link_events_from on link_events (tenant_id, from_entity) where from_entity is not null;
create index link_events_record on link_events (tenant_id, connection_id, stream, key, at desc);
call protect_tenant_table('link_events');
call scope_entity_table('link_events');
-- Whoever does not see all accounts decides nothing about which are the same.
call scope_table('matches', 'false');
