-- Ends runs under their leases: each leaves the table of open runs and is kept under the day of its
-- making. One statement, so that no reader finds a run on both sides or on none.
with ended as (
    delete from runs r
    using unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::uuid[], $5::text[], $6::bytea[],
                 $7::jsonb[], $8::text[], $9::jsonb[], $10::jsonb[], $11::integer[])
        as t(tenant_id, id, epoch, owner, state, output, error, error_class, progress, counts,
             attempt)
    where r.tenant_id = t.tenant_id and r.id = t.id
      and r.epoch = t.epoch and r.owner is not distinct from t.owner
    returning r.tenant_id, r.id, r.workflow, r.version, t.state, r.key, r.priority, r.epoch,
              t.attempt, r.cancel_requested, r.parent_id, r.parent_seq, r.wakes_parent, r.deadline,
              r.forked_from, r.forked_seq, r.trigger,
              r.connection_id, r.stream, r.input, t.output, t.error, t.error_class,
              coalesce(t.progress, r.progress) as progress, coalesce(t.counts, r.counts) as counts,
              r.created_at, r.started_at, r.trace
), kept as (
    insert into finished_runs
        (tenant_id, id, workflow, version, state, key, priority, epoch, attempt, cancel_requested,
         parent_id, parent_seq, wakes_parent, deadline, forked_from, forked_seq, trigger,
         connection_id, stream, input, output, error, error_class, progress, counts, created_at, started_at, finished_at,
         trace)
    select tenant_id, id, workflow, version, state, key, priority, epoch, attempt, cancel_requested,
           parent_id, parent_seq, wakes_parent, deadline, forked_from, forked_seq, trigger,
           connection_id, stream, input, output, error, error_class, progress, counts, created_at, started_at, $12,
           trace
    from ended
)
select tenant_id as "tenant_id!", id as "id!", cancel_requested as "cancel_requested!", key,
       case when wakes_parent then parent_id end as parent
from ended
