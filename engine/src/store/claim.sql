-- Claims due runs for the process $1 at the time $2, at most $3: by priority, then by due time. Of the
-- runs of a key only the first is taken, and none while another holds it; the rest are put behind.
-- Rows are addressed by place (ctid), which they keep under their lock: no join, no statistics.
with recursive levels(priority) as (
    (select priority from runs
     where state = 'queued' and not behind
     order by priority desc limit 1)
    union all
    select (select r.priority from runs r
            where r.state = 'queued' and not r.behind and r.priority < l.priority
            order by r.priority desc limit 1)
    from levels l
    where l.priority is not null
), found as materialized (
    select r.place, r.tenant_id, r.id, r.key, r.holds_key, l.priority, r.due_at
    from levels l
    cross join lateral (
        select ctid as place, tenant_id, id, key, holds_key, due_at
        from runs
        where state = 'queued' and not behind
          and priority = l.priority and due_at <= $2
        order by due_at, id
        limit $3
        for update skip locked
    ) r
    where l.priority is not null
    limit $3
), judged as materialized (
    select f.place,
           f.key is null
           or f.holds_key
           or (row_number() over (partition by f.tenant_id, f.key
                                  order by f.priority desc, f.due_at, f.id) = 1
               and not exists (select from runs h
                               where h.tenant_id = f.tenant_id and h.key = f.key
                                 and h.holds_key)) as free
    from found f
), put_behind as (
    update runs
    set behind = true
    where ctid = any(array(select place from judged where not free))
), taken as (
    update runs
    set state = 'running', epoch = epoch + 1, owner = $1,
        started_at = coalesce(started_at, $2), holds_key = key is not null
    where ctid = any(array(select place from judged where free))
    returning tenant_id, id, epoch, workflow, version, input, cancel_requested,
              priority, due_at, deadline
)
select (select count(*) from found) as "looked_at!",
       t.tenant_id as "tenant_id?", t.id as "id?", t.epoch as "epoch?",
       t.workflow as "workflow?", t.version as "version?", t.input as "input?",
       t.cancel_requested as "cancel_requested?", t.deadline as "deadline?"
from (select) as always
left join taken t on true
order by t.priority desc, t.due_at, t.id
