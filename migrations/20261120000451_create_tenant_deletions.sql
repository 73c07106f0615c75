-- Deletions of tenants. The row is what stays: it stands outside the tenant, says who asked and agreed,
-- when, how many rows of what were destroyed, and where the tenant's audit trail ended. It is also what
-- carrying it out goes by, so that a process that dies leaves nothing half done for ever.
create table tenant_deletions (
    id              uuid primary key,
    tenant          uuid not null,
    -- As it was called then.
    name            text not null,
    reason          text not null,
    -- asked: waits for a second person · approved: held, and can be withdrawn · destroying: cannot
    state           text not null
        check (state in ('asked', 'approved', 'withdrawn', 'destroying', 'done')),
    -- What it goes back to if it is withdrawn.
    was_suspended   boolean not null,
    hold_days       integer not null check (hold_days between 0 and 365),
    asked_by        text not null,
    -- Null: the command line.
    asked_by_id     uuid,
    asked_at        timestamptz not null,
    approved_by     text,
    approved_by_id  uuid,
    approved_at     timestamptz,
    hold_until      timestamptz,
    withdrawn_by    text,
    withdrawn_at    timestamptz,
    begun_at        timestamptz,
    done_at         timestamptz,
    -- When it was last looked whether something came in behind it.
    looked_at       timestamptz,
    counts          jsonb not null default '{}',
    -- The last entry of its audit trail.
    last_audit_seq  bigint,
    last_audit_hash bytea,
    check (asked_by_id is null or approved_by_id is distinct from asked_by_id)
);
create unique index tenant_deletions_open on tenant_deletions (tenant)
    where state in ('asked', 'approved', 'destroying');
alter table tenant_deletions enable row level security;
alter table tenant_deletions force row level security;
create policy tenant on tenant_deletions using (tenant = (select current_tenant()));
create policy system on tenant_deletions to syncline_system using (true);
grant select, insert, update on tenant_deletions to syncline_app, syncline_system;
call scope_table('tenant_deletions', 'false');

-- Tables that hold rows of tenants, in the order in which they can be emptied: what is referenced comes
-- after what refers to it, the tenants last. Partitions stand for their parents. Whatever table a later
-- migration adds is among them.
create function tenant_tables() returns setof regclass
    language plpgsql stable set search_path = public, pg_temp as
$$
declare
    left_over oid[] := array(
        select c.oid from pg_class c
        join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
        where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
        order by c.relname);
    free oid[];
begin
    while cardinality(left_over) > 0 loop
        free := array(
            select t from unnest(left_over) with ordinality as u(t, at)
            where not exists (
                select from pg_constraint f
                where f.contype = 'f' and f.confrelid = u.t and f.conrelid <> u.t
                  and f.conrelid = any(left_over))
              and (u.t <> 'tenants'::regclass or cardinality(left_over) = 1)
            order by u.at);
        if cardinality(free) = 0 then
            raise exception 'tables of tenants refer to each other in a circle: %',
                (select string_agg(t::regclass::text, ', ') from unnest(left_over) as t);
        end if;
        return query select t::regclass from unnest(free) with ordinality as u(t, at) order by at;
        left_over := array(select t from unnest(left_over) as t where t <> all(free));
    end loop;
end
$$;

-- Destroys up to so many rows of a tenant that is being deleted; of which tables how many. No row: there
-- is nothing left. Works as the owner: nobody else takes entries out of an audit trail, or names a
-- partition.
create function destroy_tenant_rows(gone_tenant uuid, most bigint)
    returns table (place text, gone bigint)
    language plpgsql security definer set search_path = public, pg_temp as
$$
declare
    was text := current_setting('hub.tenant', true);
    name regclass;
    number bigint;
begin
    -- The owner, too, sees the rows of one tenant at a time.
    perform set_config('hub.tenant', gone_tenant::text, true);
    if not exists (select from tenant_deletions d
                   where d.tenant = gone_tenant and d.state in ('destroying', 'done')) then
        raise exception 'tenant % is not being deleted', gone_tenant;
    end if;
    for name in select t from tenant_tables() as t loop
        execute format('delete from %1$s where ctid = any(array(
                            select ctid from %1$s where tenant_id = $1 limit $2))', name)
            using gone_tenant, most;
        get diagnostics number = row_count;
        if number > 0 then
            place := coalesce((select i.inhparent::regclass::text from pg_inherits i
                               where i.inhrelid = name), name::text);
            gone := number;
            return next;
            most := most - number;
        end if;
        exit when most <= 0;
    end loop;
    delete from rate_counts where subject in (
        'tenant/' || replace(gone_tenant::text, '-', ''), 'day/' || replace(gone_tenant::text, '-', ''));
    perform set_config('hub.tenant', coalesce(was, ''), true);
end
$$;
revoke execute on function destroy_tenant_rows(uuid, bigint) from public;
grant execute on function destroy_tenant_rows(uuid, bigint) to syncline_system;
