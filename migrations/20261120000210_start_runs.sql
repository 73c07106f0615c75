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
    deadline       timestamptz,
    -- The traceparent of what starts it, and behind a space its tracestate, if any.
    trace          text
);

-- In PL/pgSQL, which keeps its plan: a function in SQL is planned anew with each call.
create function insert_runs(new new_run[], at timestamptz) returns void
    language plpgsql volatile as
$$
#variable_conflict use_column
begin
    insert into runs
        (tenant_id, id, workflow, version, state, key, priority, due_at, parent_id, parent_seq,
         wakes_parent, trigger, connection_id, stream, input, created_at, deadline, trace)
    select tenant_id, id, workflow, version, 'queued', key, priority, due_at, parent_id, parent_seq,
           wakes_parent, trigger, connection_id, stream, input, at, deadline,
           trace
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
                    deadline = one.deadline, trace = one.trace,
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
        start_run.dedupe_mode, null, null, null, null);
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
