-- One row per process of the hub, by incarnation: a restarted process is another one.
create table processes (
    id         uuid primary key,
    host       text not null,
    -- Held as a session lock for as long as the process lives; others watch it.
    lock_key   bigint not null,
    started_at timestamptz not null,
    seen_at    timestamptz not null,
    -- The workflows it can run, as name/version.
    knows      text[] not null default '{}'
);
grant select, insert, update, delete on processes to syncline_system;
grant select on processes to syncline_app;

-- Runs that are not over; one that ends moves to finished_runs. Whatever becomes of this table, it
-- stays as small as the work at hand: claims do not slow down with history.
create table runs (
    tenant_id        uuid not null default current_tenant(),
    id               uuid not null,
    workflow         text not null,
    version          smallint not null,
    -- queued: claimable from due_at on (ready, asleep or backing off) · running: leased to owner ·
    -- waiting: for a signal or children, until due_at if set · parked: for a person
    state            text not null check (state in ('queued', 'running', 'waiting', 'parked')),
    -- Runs of one key run one at a time (or as many as its lane says), in the order of due_at.
    key              text,
    -- From its first claim until it ends, also while it sleeps: it counts against its key's limit.
    holds_key        boolean not null default false,
    -- A queued run is in the claim's way unless it is behind a lane without room, or asleep. Who queues
    -- a run need not know: a claim that finds it too early or without room puts it aside.
    behind           boolean not null default false,
    -- The lane it is behind, if it is: key/<key> or connection/<id>.
    lane             text,
    -- Until due_at.
    asleep           boolean not null default false,
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
    -- {class, message, code?} of a parked run.
    error            jsonb,
    error_class      text,
    -- {done, total?, unit}
    progress         jsonb,
    -- {read, created, updated, unchanged, deleted, conflicts, failed, written}
    counts           jsonb,
    created_at       timestamptz not null,
    started_at       timestamptz,
    -- Where it stands in a trace: the traceparent (W3C) of what started it, and behind a space its
    -- tracestate, if any.
    trace            text,
    primary key (tenant_id, id),
    -- Whoever is the owner runs it: writes are fenced by epoch and owner.
    constraint runs_owner_runs check ((state = 'running') = (owner is not null)),
    -- Claims order by it, and begin to look at some.
    constraint runs_queued_due check (state <> 'queued' or due_at is not null)
) with (fillfactor = 50);
create index runs_claim on runs (tenant_id, workflow, version, priority, due_at, id)
    where state = 'queued' and not behind and not asleep;
create index runs_asleep on runs (due_at) where state = 'queued' and asleep and not behind;
create index runs_behind on runs (tenant_id, lane, holds_key desc, priority desc, due_at, id)
    where state = 'queued' and behind;
create index runs_owner on runs (owner, workflow, tenant_id) where state = 'running';
-- Of the running ones those that somebody wants to stop: their processes ask every second.
create index runs_stopping on runs (owner) where state = 'running' and cancel_requested;
create index runs_key on runs (tenant_id, key) where holds_key;
create index runs_deadline on runs (due_at) where state = 'waiting' and due_at is not null;
create index runs_must_end on runs (deadline)
    where deadline is not null and state in ('queued', 'running', 'waiting')
      and not cancel_requested;
-- Lists go by id, which is the order of creation. Of the other states there are as many as workers.
create index runs_waiting on runs (tenant_id, state, id) where state in ('waiting', 'parked');
create index runs_connection on runs (tenant_id, connection_id, id)
    where connection_id is not null;
create index runs_parent on runs (tenant_id, parent_id, parent_seq) where parent_id is not null;
call protect_tenant_table('runs');

-- Counts ended children for their parents and queues those that wait for no more. It touches the row
-- whatever its state: a parent that is just going to wait is locked, and its new state is seen here
-- once that has committed. A parent that has ended is in the table of open runs no more.
create function wake_parents(tenants uuid[], parents uuid[], moment timestamptz) returns void
    language sql
begin atomic
    update runs r
    set awaits = greatest(r.awaits - t.ended, 0),
        state = case when r.state = 'waiting' and r.awaits <= t.ended then 'queued'
                else r.state end,
        due_at = case when r.state = 'waiting' and r.awaits <= t.ended then moment
                 else r.due_at end
    from (select u.tenant_id, u.id, count(*)::integer as ended
          from unnest(tenants, parents) as u(tenant_id, id)
          group by u.tenant_id, u.id) as t
    where r.tenant_id = t.tenant_id and r.id = t.id;
end;

-- Runs that are over. Like the journal below it is cut by the day in which a run was made, which is a
-- range of ids (they begin with the milliseconds of their making): a read by id looks into one day, a
-- run's end moves nothing but its row, and a day is dropped at once. An index here is paid by every
-- end of a run.
create table finished_runs (
    tenant_id        uuid not null default current_tenant(),
    id               uuid not null,
    workflow         text not null,
    version          smallint not null,
    state            text not null check (state in ('succeeded', 'failed', 'cancelled')),
    key              text,
    priority         smallint not null,
    epoch            bigint not null,
    attempt          integer not null,
    cancel_requested boolean not null,
    parent_id        uuid,
    parent_seq       integer,
    wakes_parent     boolean not null,
    deadline         timestamptz,
    forked_from      uuid,
    forked_seq       integer,
    trigger          text not null,
    connection_id    uuid,
    stream           text,
    input            bytea not null,
    output           bytea,
    -- {class, message, code?, seq?}
    error            jsonb,
    error_class      text,
    progress         jsonb,
    counts           jsonb,
    created_at       timestamptz not null,
    started_at       timestamptz,
    finished_at      timestamptz not null,
    trace            text,
    primary key (tenant_id, id) include (state)
) partition by range (id);
create index finished_runs_bad on finished_runs (tenant_id, state, id) where state <> 'succeeded';
create index finished_runs_connection on finished_runs (tenant_id, connection_id, id)
    where connection_id is not null;
create index finished_runs_parent on finished_runs (tenant_id, parent_id, parent_seq)
    where parent_id is not null;
call protect_tenant_table('finished_runs');

-- For readers. A statement sees a run on exactly one side: it moves in one transaction.
create view all_runs with (security_invoker = true) as
select tenant_id, id, workflow, version, state, key, priority, due_at, epoch, owner, attempt,
       cancel_requested, parent_id, parent_seq, wakes_parent, deadline, forked_from, forked_seq,
       trigger, connection_id, stream, input, null::bytea as output, error, error_class, progress,
       counts, created_at, started_at, null::timestamptz as finished_at, trace,
       case when behind then lane end as lane
from runs
union all
select tenant_id, id, workflow, version, state, key, priority, null, epoch, null, attempt,
       cancel_requested, parent_id, parent_seq, wakes_parent, deadline, forked_from, forked_seq,
       trigger, connection_id, stream, input, output, error, error_class, progress, counts,
       created_at, started_at, finished_at, trace, null
from finished_runs;
grant select on all_runs to syncline_app, syncline_system;

-- Runs that were cancelled, or ran out of time, while others were open that they had called: the
-- pulse of some process cancels those and forgets the row. Not done where the parent is cancelled:
-- that holds the parent's lock, which whoever ends a child waits for.
create table cancelled_parents (
    tenant_id uuid not null default current_tenant(),
    run_id    uuid not null,
    primary key (tenant_id, run_id)
);
call protect_tenant_table('cancelled_parents');

-- What a claim must heed: a row for each lane that is limited, closed or paused. Others have none.
-- Rows of the tenant 0 are for all tenants: a workflow, or everything (kind tenant).
create table lanes (
    tenant_id     uuid not null default current_tenant(),
    kind          text not null check (kind in ('tenant', 'workflow', 'connection', 'key')),
    -- The workflow, the connection's id or the key; empty for a tenant.
    name          text not null default '',
    -- At once: runs under way of a workflow or tenant; runs that hold a key (1 without a row).
    max_running   integer check (max_running > 0),
    -- Of a tenant: its part of the time, against 1 of the others.
    weight        double precision check (weight > 0),
    -- Another system asked for a pause, or we may know that it will refuse.
    closed_until  timestamptz,
    closed_reason text,
    -- A person wants it so.
    paused_at     timestamptz,
    paused_by     text,
    paused_reason text,
    primary key (tenant_id, kind, name),
    constraint lanes_limit check (max_running is null or kind <> 'connection'),
    constraint lanes_weight check (weight is null or kind = 'tenant')
);
create index lanes_closed on lanes (closed_until) where closed_until is not null;
call protect_tenant_table('lanes');

-- How many of the runs behind a lane (key/<key> or connection/<id>) may go, at most 10,000. Those that
-- hold a key and wait behind it themselves are the first of them.
create function lane_room(tenant uuid, behind_lane text, moment timestamptz) returns bigint
    language sql stable
    return (
        select case
                   when l.paused_at is not null or l.closed_until > moment then 0
                   when n.kind = 'key' then greatest(0, coalesce(l.max_running, 1) - (
                       select count(*) from runs r
                       where r.tenant_id = tenant and r.key = n.name and r.holds_key
                         and not (r.behind and r.lane = behind_lane)))
                   else 10000
               end
        from (select split_part(behind_lane, '/', 1) as kind,
                     substr(behind_lane, strpos(behind_lane, '/') + 1) as name) n
        left join lanes l on l.tenant_id = tenant and l.kind = n.kind and l.name = n.name);

-- Time that tenants' runs used lately: what fair shares are measured by. Halves every minute.
create table time_used (
    tenant_id uuid primary key default current_tenant(),
    seconds   double precision not null,
    -- Average of an activation.
    average   double precision not null,
    at        timestamptz not null
);
call protect_tenant_table('time_used');

-- What other systems let us do: a bucket of tokens for each account there.
create table budgets (
    tenant_id  uuid not null default current_tenant(),
    -- The account: by custom the connection's id.
    name       text not null,
    capacity   double precision not null check (capacity > 0),
    -- Tokens a second.
    refill     double precision not null check (refill >= 0),
    -- The parts of the capacity that interactive, webhook, incremental, backfill and reconcile leave
    -- to those before them.
    reserve    double precision[] not null check (cardinality(reserve) = 5),
    -- What was there at that time, by the server's clock: several machines take from it.
    tokens     double precision not null,
    at         timestamptz not null,
    -- Capacity and refill are what the other system says they are, and follow it.
    reported   boolean not null default false,
    primary key (tenant_id, name)
);
call protect_tenant_table('budgets');

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
) partition by range (run_id);
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
) partition by range (run_id);
call protect_tenant_table('attempts');

create sequence signals_number;
grant usage on sequence signals_number to syncline_app, syncline_system;

-- No foreign key here either: it would ask for signals at the end of every run.
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
    primary key (tenant_id, run_id, id)
) partition by range (run_id);
create unique index signals_dedupe on signals (tenant_id, run_id, name, dedupe)
    where dedupe is not null;
create index signals_to_take on signals (tenant_id, run_id, name, number) where taken_seq is null;
call protect_tenant_table('signals');

-- The days of finished_runs, steps, attempts and signals. Their tables are reached through their
-- parents only: no role has rights on them. What belongs to no day that is there goes to the default
-- table: no write fails for want of a day. The functions work as the owner of the tables, for the
-- housekeeping of a role that owns nothing.
create table finished_runs_default partition of finished_runs default;
create table steps_default partition of steps default;
create table attempts_default partition of attempts default;
create table signals_default partition of signals default;

-- Less than or equal to every id that was made from this moment on.
create function id_floor(at timestamptz) returns uuid
    language sql stable strict parallel safe
    return (lpad(to_hex(floor(extract(epoch from at) * 1000)::bigint), 12, '0')
            || repeat('0', 20))::uuid;

create function run_day_start(day date) returns uuid
    language sql stable strict parallel safe
    return id_floor(day::timestamp at time zone 'UTC');

-- Makes the tables of a day; false when they are there. Attached, not made as partitions: that needs
-- no lock that would keep anybody from the other days.
create function add_run_day(day date) returns boolean
    language plpgsql security definer set search_path = public, pg_temp as
$$
declare
    first uuid := run_day_start(day);
    next uuid := run_day_start(day + 1);
    parent text;
    child text;
    id_of_run text;
begin
    if to_regclass('finished_runs_' || to_char(day, 'YYYYMMDD')) is not null then
        return false;
    end if;
    foreach parent in array array['finished_runs', 'steps', 'attempts', 'signals'] loop
        child := parent || '_' || to_char(day, 'YYYYMMDD');
        id_of_run := case parent when 'finished_runs' then 'id' else 'run_id' end;
        execute format('create table %I (like %I including all)', child, parent);
        execute format('lock table %I in access exclusive mode', parent || '_default');
        -- What was written while the day was missing.
        execute format('with moved as (delete from %I where %I >= $1 and %I < $2 returning *)
                        insert into %I select * from moved', parent || '_default', id_of_run,
                       id_of_run, child)
            using first, next;
        execute format('alter table %I attach partition %I for values from (%L) to (%L)',
                       parent, child, first, next);
    end loop;
    return true;
end
$$;

-- Keeps runs of this day from moving until the transaction ends; readers go on.
create function hold_run_day(day date) returns void
    language plpgsql security definer set search_path = public, pg_temp as
$$
begin
    execute format('lock table %I in share mode', 'finished_runs_' || to_char(day, 'YYYYMMDD'));
end
$$;

-- Drops the tables of a day unless a run of it ended at the cut or later: returns then when the last
-- one did. Whoever calls it holds the day and has seen that no run of it is open.
create function drop_run_day(day date, cut timestamptz) returns timestamptz
    language plpgsql security definer set search_path = public, pg_temp as
$$
declare
    suffix text := to_char(day, 'YYYYMMDD');
    last timestamptz;
    parent text;
begin
    execute format('select max(finished_at) from %I', 'finished_runs_' || suffix) into last;
    if last >= cut then
        return last;
    end if;
    foreach parent in array array['finished_runs', 'steps', 'attempts', 'signals'] loop
        execute format('drop table %I', parent || '_' || suffix);
    end loop;
    return null;
end
$$;

-- Deletes up to 1,000 finished runs without a day that ended before the cut, with their journal;
-- returns how many.
create function forget_dayless_runs(cut timestamptz) returns bigint
    language sql security definer set search_path = public, pg_temp as
$$
    with gone as (
        delete from finished_runs_default
        where ctid = any(array(select ctid from finished_runs_default
                               where finished_at < cut limit 1000))
        returning tenant_id, id
    ), gone_steps as (
        delete from steps_default s using gone
        where s.tenant_id = gone.tenant_id and s.run_id = gone.id
    ), gone_attempts as (
        delete from attempts_default a using gone
        where a.tenant_id = gone.tenant_id and a.run_id = gone.id
    ), gone_signals as (
        delete from signals_default s using gone
        where s.tenant_id = gone.tenant_id and s.run_id = gone.id
    )
    select count(*) from gone
$$;

revoke execute on function add_run_day, hold_run_day, drop_run_day, forget_dayless_runs from public;
grant execute on function add_run_day, hold_run_day, drop_run_day, forget_dayless_runs
    to syncline_system;

-- Further days are made by the housekeeping of the engine.
select add_run_day((now() at time zone 'UTC')::date + ahead) from generate_series(-1, 7) as ahead;

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
    -- What becomes of a time of day that a clock change skips, or repeats.
    gap           text not null default 'run_after' check (gap in ('run_after', 'skip')),
    repeat        text not null default 'once' check (repeat in ('once', 'twice')),
    -- Nothing fires before the one or after the other.
    starts_at     timestamptz,
    ends_at       timestamptz,
    -- A firing is later than its nominal time by up to this.
    jitter_seconds integer not null default 0,
    overlap       text not null default 'skip'
        check (overlap in ('skip', 'queue', 'cancel_previous')),
    catch_up      text not null default 'one' check (catch_up in ('none', 'one', 'all')),
    -- The most missed firings that 'all' catches up.
    catch_up_limit smallint not null default 10,
    -- Who paused it: person · stream (it is switched off) · hub (it can no longer be computed)
    paused_by     text check (paused_by in ('person', 'stream', 'hub')),
    paused_reason text,
    paused_at     timestamptz,
    paused        boolean not null generated always as (paused_by is not null) stored,
    -- The next firing: the time that the expression names, and that time with its jitter.
    next_nominal  timestamptz,
    next_at       timestamptz,
    -- The newest firing that was dealt with, so that none is twice when the clock goes back.
    last_nominal  timestamptz,
    last_at       timestamptz,
    last_run_id   uuid,
    version       bigint not null default 1,
    created_at    timestamptz not null,
    updated_at    timestamptz not null,
    primary key (tenant_id, id)
);
create index schedules_next on schedules (next_at) where not paused and next_at is not null;
call protect_tenant_table('schedules');
