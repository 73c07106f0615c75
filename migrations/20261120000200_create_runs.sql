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
    tenant_id        uuid not null default current_tenant() references tenants,
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
    primary key (tenant_id, id),
    -- Whoever is the owner runs it: writes are fenced by epoch and owner.
    constraint runs_owner_runs check ((state = 'running') = (owner is not null))
) with (fillfactor = 70);
create index runs_claim on runs (tenant_id, workflow, version, priority, due_at, id)
    where state = 'queued' and not behind and not asleep;
create index runs_asleep on runs (due_at) where state = 'queued' and asleep and not behind;
create index runs_behind on runs (tenant_id, lane, holds_key desc, priority desc, due_at, id)
    where state = 'queued' and behind;
create index runs_owner on runs (owner, workflow, tenant_id) where state = 'running';
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
       counts, created_at, started_at, null::timestamptz as finished_at
from runs
union all
select tenant_id, id, workflow, version, state, key, priority, null, epoch, null, attempt,
       cancel_requested, parent_id, parent_seq, wakes_parent, deadline, forked_from, forked_seq,
       trigger, connection_id, stream, input, output, error, error_class, progress, counts,
       created_at, started_at, finished_at
from finished_runs;
grant select on all_runs to syncline_app, syncline_system;

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

-- Starting runs. Every start goes through start_runs, those of the hub and those of start_run, so
-- that what a dedupe key means is written once.

-- A UUID v7: milliseconds since 1970, then chance. As good as the hub's own ids, and old servers
-- have none.
create function fresh_id() returns uuid
    language sql volatile parallel safe
    return encode(
        set_bit(set_bit(
            overlay(uuid_send(gen_random_uuid())
                    placing substring(int8send(floor(extract(epoch from clock_timestamp()) * 1000)::bigint) from 3)
                    from 1 for 6),
            52, 1), 53, 1), 'hex')::uuid;

-- A run to be started.
create type new_run as (
    tenant_id      uuid,
    id             uuid,
    workflow       text,
    version        smallint,
    key            text,
    priority       smallint,
    due_at         timestamptz,
    parent_id      uuid,
    parent_seq     integer,
    wakes_parent   boolean,
    trigger        text,
    connection_id  uuid,
    stream         text,
    input          bytea,
    dedupe_key     text,
    -- elapsed: until dedupe_expires_at · begun: while no worker has begun it · ended: while it is open
    dedupe_until   text,
    dedupe_expires_at timestamptz,
    -- What a start does when a run has the key. existing: finds it · replace: gives it the new start's
    -- input, if it has not begun · reject: nothing · debounce: replaces and puts it off
    dedupe_mode    text,
    -- Microseconds. A debounced run is due this long after the newest start …
    debounce       bigint,
    -- … and at the latest this long after the first.
    debounce_longest bigint,
    -- By when it must have ended.
    deadline       timestamptz
);

-- In PL/pgSQL, which keeps its plan: a function in SQL is planned anew with each call.
create function insert_runs(new new_run[], at timestamptz) returns void
    language plpgsql volatile as
$$
#variable_conflict use_column
begin
    insert into runs
        (tenant_id, id, workflow, version, state, key, priority, due_at, parent_id, parent_seq,
         wakes_parent, trigger, connection_id, stream, input, created_at, deadline)
    select tenant_id, id, workflow, version, 'queued', key, priority, due_at, parent_id, parent_seq,
           wakes_parent, trigger, connection_id, stream, input, at, deadline
    from unnest(new);
end
$$;

-- Starts runs; says of each id asked for which run it is now and whether that is new, existing (the
-- dedupe key was taken; the run may have got the new input) or rejected.
create function start_runs(new new_run[], at timestamptz)
    returns table (asked uuid, run_id uuid, outcome text)
    language plpgsql volatile as
$$
#variable_conflict use_column
declare
    one    new_run;
    holder record;
    held   record;
    waits  boolean;
    holds  boolean;
begin
    perform insert_runs(array(select n from unnest(new) as n where n.dedupe_key is null), at);
    return query select n.id, n.id, 'new' from unnest(new) as n where n.dedupe_key is null;
    -- In the order of keys: two calls with the same ones do not lock each other out.
    for one in
        select n.* from unnest(new) as n
        where n.dedupe_key is not null
        order by n.tenant_id, n.dedupe_key, n.id
    loop
        asked := one.id;
        run_id := one.id;
        outcome := 'new';
        loop
            insert into run_dedupe (tenant_id, key, run_id, expires_at)
            values (one.tenant_id, one.dedupe_key, one.id, one.dedupe_expires_at)
            on conflict (tenant_id, key) do nothing;
            exit when found;
            select d.run_id, d.expires_at into holder
            from run_dedupe d
            where d.tenant_id = one.tenant_id and d.key = one.dedupe_key
            for update;
            -- Gone since: somebody dropped expired keys.
            continue when not found;
            -- The lock keeps a waiting run from being begun before this transaction has committed
            -- what it wants that run to see.
            select r.state, r.started_at, r.created_at into held
            from runs r
            where r.tenant_id = one.tenant_id and r.id = holder.run_id
            for no key update;
            waits := found and held.state = 'queued' and held.started_at is null;
            holds := holder.expires_at > at and case one.dedupe_until
                when 'elapsed' then true
                when 'begun' then waits
                -- Whoever has ended is not among the open runs.
                else found
            end;
            if holds and one.dedupe_mode in ('existing', 'reject') then
                run_id := holder.run_id;
                outcome := case one.dedupe_mode when 'reject' then 'rejected' else 'existing' end;
                exit;
            end if;
            if holds and waits then
                run_id := holder.run_id;
                outcome := 'existing';
                update runs r
                set workflow = one.workflow, version = one.version, key = one.key,
                    priority = one.priority, parent_id = one.parent_id, trigger = one.trigger,
                    connection_id = one.connection_id, stream = one.stream, input = one.input,
                    deadline = one.deadline,
                    due_at = case when one.dedupe_mode = 'debounce'
                        then least(at + one.debounce * interval '1 microsecond',
                                   r.created_at + one.debounce_longest * interval '1 microsecond')
                        else one.due_at
                    end,
                    behind = false, asleep = false
                where r.tenant_id = one.tenant_id and r.id = holder.run_id;
                exit;
            end if;
            update run_dedupe d
            set run_id = one.id, expires_at = one.dedupe_expires_at
            where d.tenant_id = one.tenant_id and d.key = one.dedupe_key;
            exit;
        end loop;
        if outcome = 'new' then
            perform insert_runs(array[one], at);
        end if;
        return next;
    end loop;
end
$$;

-- A start for other languages and for triggers, in the caller's transaction and for the tenant that
-- hub.tenant names: the run exists if and only if that commits. Workers find it within a second; they
-- are not notified, because a NOTIFY in a trigger makes commits wait for each other. Without a due
-- time it is due at once. A dedupe key makes the start happen once; see new_run for what the modes
-- mean. Returns the run that is there now; errors have the code of a bad parameter (22023), or of a
-- unique violation (23505) for a start that dedupe_mode 'reject' rejects.
create function start_run(
    workflow         text,
    input            jsonb,
    key              text default null,
    dedupe_key       text default null,
    -- begun, ended, or an interval such as '1 hour' after the first start
    dedupe_until     text default 'begun',
    -- existing, replace, reject, debounce
    dedupe_mode      text default 'existing',
    debounce         interval default '1 second',
    debounce_longest interval default '1 minute',
    due_at           timestamptz default null,
    priority         integer default 0,
    version          integer default 1
) returns uuid
    language plpgsql volatile as
$$
declare
    at      timestamptz := clock_timestamp();
    one     new_run;
    started record;
begin
    if current_tenant() is null then
        raise 'hub.tenant names no tenant' using errcode = '22023';
    elsif coalesce(start_run.workflow, '') = '' or start_run.input is null then
        raise 'a run needs a workflow and an input' using errcode = '22023';
    elsif start_run.dedupe_mode is null
        or start_run.dedupe_mode not in ('existing', 'replace', 'reject', 'debounce') then
        raise 'dedupe_mode % is none of existing, replace, reject, debounce', start_run.dedupe_mode
            using errcode = '22023';
    elsif start_run.dedupe_mode = 'debounce'
        and (start_run.dedupe_key is null or start_run.due_at is not null
             or start_run.debounce is null or start_run.debounce_longest is null) then
        raise 'a debounced run needs a dedupe_key and both times, and has no due_at'
            using errcode = '22023';
    end if;
    one := row(
        current_tenant(), fresh_id(), start_run.workflow, coalesce(start_run.version, 1)::smallint,
        start_run.key, coalesce(start_run.priority, 0)::smallint, coalesce(start_run.due_at, at),
        null, null, false, 'sql', null, null, convert_to(start_run.input::text, 'UTF8'),
        start_run.dedupe_key, start_run.dedupe_until, at + interval '90 days',
        start_run.dedupe_mode, null, null, null);
    if start_run.dedupe_until is null or start_run.dedupe_until not in ('begun', 'ended') then
        one.dedupe_expires_at := at + start_run.dedupe_until::interval;
        one.dedupe_until := 'elapsed';
    end if;
    if start_run.dedupe_mode = 'debounce' then
        one.debounce := extract(epoch from start_run.debounce) * 1000000;
        one.debounce_longest := extract(epoch from start_run.debounce_longest) * 1000000;
        one.due_at := at + least(start_run.debounce, start_run.debounce_longest);
    end if;
    select s.run_id, s.outcome into started from start_runs(array[one], at) as s;
    if started.outcome = 'rejected' then
        raise 'run % was started with this dedupe key already', started.run_id
            using errcode = '23505';
    end if;
    return started.run_id;
end
$$;

revoke execute on function insert_runs(new_run[], timestamptz) from public;
revoke execute on function start_runs(new_run[], timestamptz) from public;
revoke execute on function start_run(text, jsonb, text, text, text, text, interval, interval,
                                     timestamptz, integer, integer) from public;
grant execute on function insert_runs(new_run[], timestamptz) to syncline_app, syncline_system;
grant execute on function start_runs(new_run[], timestamptz) to syncline_app, syncline_system;
grant execute on function start_run(text, jsonb, text, text, text, text, interval, interval,
                                    timestamptz, integer, integer) to syncline_app;
