-- The journals of the runs $2 of the tenants $1. The bounds $3 and $4 of their ids say which days to
-- look into.
select t.place as "place!", s.seq, s.name, s.key, s.kind, s.attempt, s.output, s.error,
       s.started_at, s.finished_at
from unnest($1::uuid[], $2::uuid[]) with ordinality as t(tenant_id, run_id, place)
join steps s on s.tenant_id = t.tenant_id and s.run_id = t.run_id
where s.run_id between $3 and $4
order by t.place, s.seq
