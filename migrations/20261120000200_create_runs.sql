-- One row per process of the hub, by incarnation: a restarted process is another one.
create table processes (
    id         uuid primary key,
    host       text not null,
    -- Held as a session lock for as long as the process lives; others watch it.
    lock_key   bigint not null,
    started_at timestamptz not null,
    seen_at    timestamptz not null
);
grant select, insert, update, delete on processes to syncline_system;
grant select on processes to syncline_app;

create table runs (
    tenant_id        uuid not null default current_tenant() references tenants,
    id               uuid not null,
    workflow         text not null,
    version          smallint not null,
    -- queued: claimable from due_at on (ready, asleep or backing off) · running: leased to owner ·
    -- waiting: for a signal or children, until due_at if set · parked: for a person
    state            text not null check (state in
        ('queued', 'running', 'waiting', 'succeeded', 'failed', 'cancelled', 'parked')),
    -- Runs of one key run one at a time, in the order of due_at.
    key              text,
    -- From its first claim until it ends, also while it sleeps: no other run of its key is claimed.
    holds_key        boolean not null default false,
    -- A claim found its key held: out of the claim's way until the holder ends.
    behind           boolean not null default false,
    priority         smallint not null default 0,
    due_at           timestamptz,
    -- Grows with every claim; whoever writes with an older one has lost the lease.
    epoch            bigint not null default 0,
    owner            uuid,
    -- Failed attempts of the step it is backing off from.
    attempt          integer not null default 0,
    cancel_requested boolean not null default false,
    parent_id        uuid,
    parent_seq       integer,
    -- The parent waits for the end of this run.
    wakes_parent     boolean not null default false,
    -- Of a waiting run: ends of children still to come before it is woken.
    awaits           integer not null default 0,
    -- By when it must have ended.
    deadline         timestamptz,
    -- The run of whose journal this one began with a copy, of so many steps.
    forked_from      uuid,
    forked_seq       integer,
    trigger          text not null,
    connection_id    uuid,
    stream           text,
    input            bytea not null,
    output           bytea,
    -- {class, message, code?}
    error            jsonb,
    error_class      text,
    -- {done, total?, unit}
    progress         jsonb,
    -- {read, created, updated, unchanged, deleted, conflicts, failed, written}
    counts           jsonb,
    created_at       timestamptz not null,
    started_at       timestamptz,
    finished_at      timestamptz,
    primary key (tenant_id, id),
    -- Whoever is the owner runs it: writes are fenced by epoch and owner.
    constraint runs_owner_runs check ((state = 'running') = (owner is not null))
) with (fillfactor = 70);
create index runs_claim on runs (priority desc, due_at, id) where state = 'queued' and not behind;
create index runs_behind on runs (tenant_id, key, priority desc, due_at, id)
    where state = 'queued' and behind;
create index runs_owner on runs (owner) where state = 'running';
create unique index runs_key on runs (tenant_id, key) where holds_key;
create index runs_deadline on runs (due_at) where state = 'waiting' and due_at is not null;
create index runs_must_end on runs (deadline)
    where deadline is not null and state in ('queued', 'running', 'waiting')
      and not cancel_requested;
create index runs_list on runs (tenant_id, created_at desc, id desc);
create index runs_state on runs (tenant_id, state, created_at desc, id desc);
create index runs_connection on runs (tenant_id, connection_id, created_at desc, id desc)
    where connection_id is not null;
create index runs_parent on runs (tenant_id, parent_id, parent_seq) where parent_id is not null;
call protect_tenant_table('runs');

-- The journal: one row per finished step. No foreign key: the statement that writes a row has locked
-- the run already (the fence), and a check per row is not cheap.
create table steps (
    tenant_id   uuid not null default current_tenant(),
    run_id      uuid not null,
    seq         integer not null,
    name        text not null,
    -- Tells repeats of one step apart.
    key         text not null default '',
    kind        text not null,
    attempt     integer not null,
    output      bytea,
    -- {class, message, code?} of a step that failed for good; it has no output.
    error       jsonb,
    started_at  timestamptz not null,
    finished_at timestamptz not null,
    primary key (tenant_id, run_id, seq)
);
call protect_tenant_table('steps');

-- Attempts that failed; the one that succeeded is the step's row.
create table attempts (
    tenant_id   uuid not null default current_tenant(),
    run_id      uuid not null,
    seq         integer not null,
    attempt     integer not null,
    name        text not null,
    key         text not null default '',
    error       jsonb not null,
    started_at  timestamptz not null,
    finished_at timestamptz not null,
    -- When the next attempt is due; null after the last.
    next_at     timestamptz,
    -- Whether it uses up one of the step's attempts: not when the other system named the time of the
    -- next one, and not after a person retried the run.
    counts      boolean not null,
    primary key (tenant_id, run_id, seq, attempt)
);
call protect_tenant_table('attempts');

create sequence signals_number;
grant usage on sequence signals_number to syncline_app, syncline_system;

create table signals (
    tenant_id uuid not null default current_tenant(),
    run_id    uuid not null,
    id        uuid not null,
    name      text not null,
    dedupe    text,
    body      bytea not null,
    sent_at   timestamptz not null,
    -- The step that took it.
    taken_seq integer,
    -- Grows in the order of sending: senders hold the run's lock.
    number    bigint not null default nextval('signals_number'),
    primary key (tenant_id, run_id, id),
    foreign key (tenant_id, run_id) references runs (tenant_id, id) on delete cascade
);
create unique index signals_dedupe on signals (tenant_id, run_id, name, dedupe)
    where dedupe is not null;
create index signals_to_take on signals (tenant_id, run_id, name, number) where taken_seq is null;
call protect_tenant_table('signals');

-- Starts that must happen once: schedule firings, edits that already have a push under way.
create table run_dedupe (
    tenant_id  uuid not null default current_tenant(),
    key        text not null,
    run_id     uuid not null,
    expires_at timestamptz not null,
    primary key (tenant_id, key)
);
create index run_dedupe_expiry on run_dedupe (expires_at);
call protect_tenant_table('run_dedupe');

create table schedules (
    tenant_id     uuid not null default current_tenant() references tenants,
    id            uuid not null,
    name          text not null,
    workflow      text not null,
    -- The newest version a worker knew when it last fired.
    workflow_version smallint not null default 1,
    input         jsonb not null,
    -- The key of its runs; without one the workflow's own.
    key           text,
    connection_id uuid,
    stream        text,
    cron          text not null,
    time_zone     text not null,
    overlap       text not null default 'skip' check (overlap in ('skip', 'queue')),
    catch_up      text not null default 'one' check (catch_up in ('none', 'one')),
    paused        boolean not null default false,
    next_at       timestamptz,
    last_at       timestamptz,
    last_run_id   uuid,
    version       bigint not null default 1,
    created_at    timestamptz not null,
    updated_at    timestamptz not null,
    primary key (tenant_id, id)
);
create index schedules_next on schedules (next_at) where not paused and next_at is not null;
call protect_tenant_table('schedules');
