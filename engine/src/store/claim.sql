-- Claims due runs for the process $1 at the time $2, at most $3, from up to $5 tenants from $4 on.
--
-- Tenants come in the order of the time they used ($7: tenant -> [seconds, seconds of one run]; others
-- is who has no entry), each further run of a tenant counted in advance. Within a tenant the order is
-- that of the due time, where a level of priority counts for $6. Lanes that are paused, closed or full,
-- and workflows that this process does not know, are passed over as a whole; only for what depends on
-- the single run (its key, its connection) is a run looked at, and put aside when it may not go.
--
-- $8 to $13 are floors: of the runs of such a group (tenant, workflow, version, priority) only those are
-- looked at that are due at that time, and have that id, or come later. Below a floor there are the
-- dead rows that an open snapshot keeps.
--
-- All is found by index, hop by hop: no statistics, no scan. Rows are addressed by place (ctid), which
-- they keep under their lock.
with recursive me as materialized (
    -- Holds off our burial, which queues again what we hold, until this has committed.
    select knows from processes where id = $1 for key share skip locked
), floors as materialized (
    select *
    from unnest($8::uuid[], $9::text[], $10::smallint[], $11::smallint[], $12::timestamptz[],
                $13::uuid[]) as f(tenant_id, workflow, version, priority, due_at, id)
), walk(tenant_id, workflow, version, priority, floor_due_at, floor_id, tenants, hops) as (
    select $4::uuid, ''::text, '-32768'::smallint, '-32768'::smallint, null::timestamptz, null::uuid,
           0, 0
    union all
    select n.tenant_id, n.workflow, n.version, n.priority,
           case when n.has_floor then k.floor_due_at end, case when n.has_floor then k.floor_id end,
           w.tenants + (w.tenants = 0 or n.tenant_id <> w.tenant_id)::integer, w.hops + 1
    from walk w
    cross join lateral (
        -- The next group that has a floor: what is dead in it is not walked over.
        select coalesce(f.tenant_id, 'ffffffff-ffff-ffff-ffff-ffffffffffff') as tenant_id,
               coalesce(f.workflow, '') as workflow, coalesce(f.version, 0::smallint) as version,
               coalesce(f.priority, 0::smallint) as priority, f.due_at as floor_due_at,
               f.id as floor_id, f.tenant_id is not null as has_floor,
               f.tenant_id = w.tenant_id as same_tenant,
               (f.tenant_id, f.workflow) = (w.tenant_id, w.workflow) as same_workflow,
               (f.tenant_id, f.workflow, f.version)
                   = (w.tenant_id, w.workflow, w.version) as same_version
        from (select) as always
        left join lateral (
            select * from floors x
            where (x.tenant_id, x.workflow, x.version, x.priority)
                  > (w.tenant_id, w.workflow, w.version, w.priority)
            order by x.tenant_id, x.workflow, x.version, x.priority
            limit 1
        ) f on true
    ) k
    cross join lateral (
        -- What comes next: a group with a run before that with the next floor, or that itself. A scan
        -- ends early only where all but the last of its columns are fixed: hence one for each.
        select *,
               (c.tenant_id, c.workflow, c.version, c.priority)
                   = (k.tenant_id, k.workflow, k.version, k.priority) as has_floor
        from ((select tenant_id, workflow, version, priority from runs
               where not k.has_floor
                 and state = 'queued' and not behind and not asleep
                 and (tenant_id, workflow, version, priority)
                  > (w.tenant_id, w.workflow, w.version, w.priority)
               order by tenant_id, workflow, version, priority limit 1)
              union all
              (select tenant_id, workflow, version, priority from runs
               where k.has_floor and k.same_version
                 and state = 'queued' and not behind and not asleep
                 and tenant_id = w.tenant_id and workflow = w.workflow
                 and version = w.version and priority > w.priority and priority < k.priority
               order by tenant_id, workflow, version, priority limit 1)
              union all
              (select tenant_id, workflow, version, priority from runs
               where k.has_floor and not k.same_version
                 and state = 'queued' and not behind and not asleep
                 and tenant_id = w.tenant_id and workflow = w.workflow
                 and version = w.version and priority > w.priority
               order by tenant_id, workflow, version, priority limit 1)
              union all
              (select tenant_id, workflow, version, priority from runs
               where k.has_floor and k.same_workflow
                 and state = 'queued' and not behind and not asleep
                 and tenant_id = w.tenant_id and workflow = w.workflow
                 and version > w.version and version < k.version
               order by tenant_id, workflow, version, priority limit 1)
              union all
              (select tenant_id, workflow, version, priority from runs
               where k.has_floor and not k.same_workflow
                 and state = 'queued' and not behind and not asleep
                 and tenant_id = w.tenant_id and workflow = w.workflow
                 and version > w.version
               order by tenant_id, workflow, version, priority limit 1)
              union all
              (select tenant_id, workflow, version, priority from runs
               where k.has_floor and k.same_tenant
                 and state = 'queued' and not behind and not asleep
                 and tenant_id = w.tenant_id and workflow > w.workflow and workflow < k.workflow
               order by tenant_id, workflow, version, priority limit 1)
              union all
              (select tenant_id, workflow, version, priority from runs
               where k.has_floor and not k.same_tenant
                 and state = 'queued' and not behind and not asleep
                 and tenant_id = w.tenant_id and workflow > w.workflow
               order by tenant_id, workflow, version, priority limit 1)
              union all
              (select tenant_id, workflow, version, priority from runs
               where k.has_floor
                 and state = 'queued' and not behind and not asleep
                 and tenant_id > w.tenant_id and tenant_id < k.tenant_id
               order by tenant_id, workflow, version, priority limit 1)
              union all
              (select tenant_id, workflow, version, priority from runs
               where k.has_floor and not k.same_tenant
                 and state = 'queued' and not behind and not asleep
                 and tenant_id = k.tenant_id and workflow < k.workflow
               order by tenant_id, workflow, version, priority limit 1)
              union all
              (select tenant_id, workflow, version, priority from runs
               where k.has_floor and not k.same_workflow
                 and state = 'queued' and not behind and not asleep
                 and tenant_id = k.tenant_id and workflow = k.workflow
                 and version < k.version
               order by tenant_id, workflow, version, priority limit 1)
              union all
              (select tenant_id, workflow, version, priority from runs
               where k.has_floor and not k.same_version
                 and state = 'queued' and not behind and not asleep
                 and tenant_id = k.tenant_id and workflow = k.workflow
                 and version = k.version and priority < k.priority
               order by tenant_id, workflow, version, priority limit 1)
              union all
              select k.tenant_id, k.workflow, k.version, k.priority where k.has_floor) c
        order by c.tenant_id, c.workflow, c.version, c.priority
        limit 1
    ) n
    where w.tenants <= $5 and w.hops < 1000
), walked as (
    -- The last tenant of the window, if others may come after it.
    select (select tenant_id from walk
            where tenants = least($5, (select max(tenants) from walk))
              and (select max(tenants) > $5 or max(hops) >= 1000 from walk)
            limit 1) as last_tenant
), groups as materialized (
    select row_number() over () as number,
           w.tenant_id, w.workflow, w.version, w.priority, l.limited,
           l.tenant_room, l.workflow_room, l.hub_room,
           least(l.tenant_room, l.workflow_room, l.hub_room) as room,
           coalesce(w.floor_due_at, '-infinity') as floor_due_at,
           coalesce(w.floor_id, '00000000-0000-0000-0000-000000000000') as floor_id,
           (u.used ->> 0)::double precision / l.weight as used,
           (u.used ->> 1)::double precision / l.weight as average
    from walk w
    cross join me
    cross join lateral (
        select coalesce($7::jsonb -> w.tenant_id::text, $7::jsonb -> 'others', '[0, 0]') as used
    ) u
    cross join lateral (
        select coalesce(bool_or(x.paused_at is not null or x.closed_until > $2), false) as shut,
               coalesce(bool_or(x.max_running is not null), false) as limited,
               min(x.room) filter (where x.kind = 'tenant') as tenant_room,
               min(x.room) filter (where x.kind = 'workflow' and x.own) as workflow_room,
               min(x.room) filter (where x.kind = 'workflow' and not x.own) as hub_room,
               coalesce(max(x.weight) filter (where x.own), 1) as weight
        from (
            select a.kind, a.own, l.paused_at, l.closed_until, l.max_running, l.weight,
                   l.max_running - case
                       when l.max_running is null then null
                       when a.kind = 'tenant' then (
                           select count(*) from runs r
                           where r.state = 'running' and r.tenant_id = w.tenant_id)
                       else (
                           select count(*) from runs r
                           where r.state = 'running'
                             and r.owner = any(array(select id from processes))
                             and r.workflow = w.workflow
                             and (r.tenant_id = w.tenant_id or not a.own))
                   end as room
            from (values ('tenant', '', true), ('workflow', w.workflow, true),
                         ('tenant', '', false), ('workflow', w.workflow, false))
                 as a(kind, name, own)
            join lanes l
              on l.tenant_id = case when a.own then w.tenant_id
                               else '00000000-0000-0000-0000-000000000000' end
             and l.kind = a.kind and l.name = a.name
            offset 0
        ) x
    ) l
    where w.hops > 0 and w.tenants <= $5 and not l.shut
      and w.workflow || '/' || w.version = any(me.knows)
      -- A group that has ended since has its floor for some time, and no part of what is claimed.
      and (w.floor_due_at is null
           or exists (select from runs
                      where state = 'queued' and not behind and not asleep
                        and tenant_id = w.tenant_id and workflow = w.workflow
                        and version = w.version and priority = w.priority
                        and (due_at, id) >= (w.floor_due_at, w.floor_id)))
), shares as materialized (
    -- Runs to look at of each group. Who used little lately is ahead of the others by two runs at most:
    -- who was idle does not stop them.
    select case when count(distinct tenant_id) <= 1 then $3
           else 1 + $3 / count(distinct tenant_id) end as most,
           max(used) - 2 * max(average) as least_used,
           count(distinct tenant_id) > 1 as many
    from groups
), found as materialized (
    select g.number as group_number, g.tenant_id, g.tenant_room, g.workflow_room, g.hub_room,
           greatest(g.used, s.least_used) as since, g.average,
           r.place, r.id, r.key, r.connection_id, r.holds_key, r.due_at,
           r.due_at - g.priority * $6::interval as rank
    from groups g
    cross join shares s
    cross join lateral (
        select ctid as place, id, key, connection_id, holds_key, due_at
        from runs
        where state = 'queued' and not behind and not asleep
          and tenant_id = g.tenant_id and workflow = g.workflow
          and version = g.version and priority = g.priority
          and (due_at, id) >= (g.floor_due_at, g.floor_id)
        order by due_at, id
        limit greatest(0, least(s.most, g.room))
        for update skip locked
    ) r
), allowed as (
    -- A lane's room is shared by its groups.
    select *,
           row_number() over (partition by tenant_id order by rank, id) as turn
    from found f
    where (f.workflow_room is null
           or f.workflow_room > (
                select count(*)
                from found o
                join groups og on og.number = o.group_number
                join groups fg on fg.number = f.group_number
                where o.tenant_id = f.tenant_id and og.workflow = fg.workflow
                  and (o.rank, o.id) < (f.rank, f.id)))
      and (f.hub_room is null
           or f.hub_room > (
                select count(*)
                from found o
                join groups og on og.number = o.group_number
                join groups fg on fg.number = f.group_number
                where og.workflow = fg.workflow and (o.rank, o.id) < (f.rank, f.id)))
), timed as (
    -- When each would have its turn, in time used.
    select *, since + (turn - 1) * average as at
    from allowed
    where turn <= coalesce(tenant_room, turn)
), chosen as materialized (
    -- Of a tenant that has more than was looked at, the next may come before what others have: what
    -- would come after that waits for the next claim.
    select *
    from timed
    where at <= coalesce((
        select min(last)
        from (select max(at + average) as last from timed
              where (select many from shares)
              group by group_number
              having count(*) = (select most from shares)) more), 'infinity')
    order by at, turn, rank
    limit $3
), judged as materialized (
    -- A key's room goes to those that nothing else stops; who holds the key has its place in it.
    select b.place, b.due_at,
           case
               when b.stop is not null then b.stop
               when not b.holds_key
                    and row_number() over (
                            partition by case when not b.holds_key and b.stop is null then b.key end,
                                         b.tenant_id
                            order by b.rank, b.id)
                        > b.most_holders - (select count(*) from runs h
                                            where h.tenant_id = b.tenant_id and h.key = b.key
                                              and h.holds_key)
                   then 'key/' || b.key
           end as aside
    from (select c.place, c.tenant_id, c.id, c.key, c.holds_key, c.rank, c.due_at,
                 coalesce(k.max_running, 1) as most_holders,
                 case
                     when c.due_at > $2 then 'time'
                     when n.shut then 'connection/' || c.connection_id
                     when k.shut then 'key/' || c.key
                 end as stop
          from chosen c
          left join lateral (
              select l.paused_at is not null or coalesce(l.closed_until > $2, false) as shut
              from lanes l
              where c.connection_id is not null
                and l.tenant_id = c.tenant_id and l.kind = 'connection'
                and l.name = c.connection_id::text
              limit 1
          ) n on true
          left join lateral (
              select l.max_running,
                     l.paused_at is not null or coalesce(l.closed_until > $2, false) as shut
              from lanes l
              where l.tenant_id = c.tenant_id and l.kind = 'key' and l.name = c.key
              limit 1
          ) k on true
          where c.key is not null) b
    union all
    select c.place, c.due_at,
           case
               when c.due_at > $2 then 'time'
               when c.connection_id is not null and exists (
                   select from lanes l
                   where l.tenant_id = c.tenant_id and l.kind = 'connection'
                     and l.name = c.connection_id::text
                     and (l.paused_at is not null or l.closed_until > $2))
                   then 'connection/' || c.connection_id
           end
    from chosen c
    where c.key is null
), put_aside as (
    update runs r
    set asleep = (j.aside = 'time'), behind = (j.aside <> 'time'), lane = nullif(j.aside, 'time')
    from judged j
    where r.ctid = j.place and j.aside is not null
), taken as (
    update runs
    set state = 'running', epoch = epoch + 1, owner = $1,
        started_at = coalesce(started_at, $2), holds_key = key is not null
    where ctid = any(array(select place from judged where aside is null))
    returning tenant_id, id, epoch, workflow, version, input, cancel_requested, priority, due_at,
              deadline, trigger, trace, wakes_parent and parent_id is not null as called,
              key is not null as keyed
)
select (select last_tenant from walked) as "last_tenant?",
       exists (select from chosen)
           and ((select count(*) from found) > (select count(*) from chosen)
                or exists (select from found
                           group by group_number
                           having count(*) = (select most from shares))) as "more!",
       exists (select from groups where limited) as "limited!",
       (select min(due_at) from judged where aside = 'time') as "wakes_at?",
       t.tenant_id as "tenant_id?", t.id as "id?", t.epoch as "epoch?",
       t.workflow as "workflow?", t.version as "version?", t.input as "input?",
       t.cancel_requested as "cancel_requested?", t.deadline as "deadline?",
       t.trigger as "trigger?", t.trace as "trace?", t.priority as "priority?",
       t.due_at as "due_at?", t.called as "called?", t.keyed as "keyed?"
from (select) as always
left join taken t on true
