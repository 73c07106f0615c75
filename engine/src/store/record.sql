-- What runs did: steps of runs that go on, and the ends of others, under their leases. One statement,
-- so that it can be its own transaction, and so that no reader finds a run on both sides or on none.
--
-- The locks on runs that go on hold off a new owner until the commit. A run that is over leaves the
-- table of open runs and, where it stays ($29), is kept under the day of its making.
with held as materialized (
    select r.id, r.cancel_requested
    from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::uuid[])
        as t(tenant_id, id, epoch, owner)
    join runs r on r.tenant_id = t.tenant_id and r.id = t.id
    where r.epoch = t.epoch and r.owner is not distinct from t.owner
    for share of r
), ended as (
    delete from runs r
    using unnest($5::uuid[], $6::uuid[], $7::bigint[], $8::uuid[], $9::text[], $10::bytea[],
                 $11::jsonb[], $12::text[], $13::jsonb[], $14::jsonb[], $15::integer[],
                 $29::boolean[])
        as t(tenant_id, id, epoch, owner, state, output, error, error_class, progress, counts,
             attempt, stays)
    where r.tenant_id = t.tenant_id and r.id = t.id
      and r.epoch = t.epoch and r.owner is not distinct from t.owner
    returning r.tenant_id, r.id, r.workflow, r.version, t.state, r.key, r.priority, r.epoch,
              t.attempt, r.cancel_requested, r.parent_id, r.parent_seq, r.wakes_parent, r.deadline,
              r.forked_from, r.forked_seq, r.trigger,
              r.connection_id, r.stream, r.input, t.output, t.error, t.error_class,
              coalesce(t.progress, r.progress) as progress, coalesce(t.counts, r.counts) as counts,
              r.created_at, r.started_at, r.trace, t.stays
), kept as (
    insert into finished_runs
        (tenant_id, id, workflow, version, state, key, priority, epoch, attempt, cancel_requested,
         parent_id, parent_seq, wakes_parent, deadline, forked_from, forked_seq, trigger,
         connection_id, stream, input, output, error, error_class, progress, counts, created_at,
         started_at, finished_at, trace)
    select tenant_id, id, workflow, version, state, key, priority, epoch, attempt, cancel_requested,
           parent_id, parent_seq, wakes_parent, deadline, forked_from, forked_seq, trigger,
           connection_id, stream, input, output, error, error_class, progress, counts, created_at,
           started_at, $16, trace
    from ended
    where stays
), written as (
    insert into steps (tenant_id, run_id, seq, name, key, kind, attempt, output, error, started_at,
                       finished_at)
    select s.*
    from unnest($17::uuid[], $18::uuid[], $19::integer[], $20::text[], $21::text[], $22::text[],
                $23::integer[], $24::bytea[], $25::jsonb[], $26::timestamptz[], $27::timestamptz[])
        as s(tenant_id, run_id, seq, name, key, kind, attempt, output, error, started_at,
             finished_at)
    -- Hashed, as what is neither a join nor a comparison with an array. $28: runs given back before.
    where (s.run_id in (select id from held
                        union all select id from ended
                        union all select unnest($28::uuid[]))) is true
), woken as (
    select case when count(*) > 0
           then wake_parents(array_agg(tenant_id), array_agg(parent_id), $16) is not null end
    from ended
    where wakes_parent and parent_id is not null
)
select id as "id!", cancel_requested as "cancel_requested!", tenant_id, key,
       wakes_parent and parent_id is not null as "wakes!"
from ended
cross join woken
union all
select id, cancel_requested, null, null, false from held
