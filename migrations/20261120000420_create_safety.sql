-- Failures, folded by their cause. Whether something fails is never stored: the view says it of the
-- rows themselves, so that a class shrinks when its records succeed and in no other way.

-- A message without what differs from record to record: quoted parts, ids, numbers. Most have none of
-- these, and looking for them by patterns is what folding spends its time on.
create function fold_message(message text) returns text
    language sql immutable parallel safe
    return left(
        case
            when message = translate(message, '0123456789"''', '') then lower(message)
            else regexp_replace(
                regexp_replace(
                    regexp_replace(lower(message), '"[^"]*"|''[^'']*''', '…', 'g'),
                    '\m(?=[a-z_-]*[0-9])[0-9a-z_-]{6,}\M', '#', 'g'),
                '[0-9]+([.,:][0-9]+)*', '#', 'g')
        end,
        300);

create function failure_class(
    connection uuid, stream text, source text, kind text, code text, about text, message text
) returns uuid
    language sql immutable parallel safe
    return md5(concat_ws(chr(31), connection::text, stream, source, coalesce(kind, ''),
                         coalesce(code, ''), coalesce(about, ''), fold_message(message)))::uuid;

-- Fields that a system keeps changing after the hub wrote them. At five times in ten minutes, or the
-- same two values five times in a row within days, the field of that record is frozen: nothing of it is read or written until somebody lets it go.
create table rewrites (
    tenant_id     uuid not null default current_tenant(),
    id            uuid not null,
    connection_id uuid not null,
    stream        text not null,
    entity        text not null,
    entity_id     uuid not null,
    field         text not null,
    -- The write that was changed last: one is counted once, however often its end is seen.
    write_id      uuid not null,
    -- What the hub wrote, and what the system showed then.
    ours          jsonb not null,
    theirs        jsonb not null,
    times         timestamptz[] not null,
    -- How often in a row the two sides set these very values, at whatever pace.
    repeats       integer not null default 1,
    frozen_at     timestamptz,
    run_id        uuid,
    primary key (tenant_id, connection_id, stream, entity_id, field)
);
create unique index rewrites_frozen on rewrites (tenant_id, id) where frozen_at is not null;
create index rewrites_entity on rewrites (tenant_id, connection_id, stream, entity_id)
    where frozen_at is not null;
call protect_tenant_table('rewrites');
call scope_entity_table('rewrites');

-- What fails now. `thing` is what is counted: a record, an entity with its writes, a workflow of a
-- stream; `ref` is the write or the run itself. Each part has an index of its own.
create view failing with (security_invoker = true) as
select r.tenant_id, r.connection_id, r.stream, 'field'::text as source, p.cause as kind,
       null::text as code, p.core as about, p.reason as message,
       failure_class(r.connection_id, r.stream, 'field', p.cause, null, p.core, p.reason) as class,
       r.entity, r.entity_id, r.key as thing, null::uuid as ref, r.mapped_at as at,
       null::timestamptz as next_at
from records r
cross join lateral jsonb_to_recordset(r.problems) as p (core text, cause text, reason text)
where r.problems is not null and r.removed_at is null
union all
select w.tenant_id, w.connection_id, w.stream, 'write', w.error ->> 'kind', w.error ->> 'code',
       f.names, w.error ->> 'message',
       failure_class(w.connection_id, w.stream, 'write', w.error ->> 'kind', w.error ->> 'code',
                     f.names, w.error ->> 'message'),
       w.entity, w.entity_id, w.entity_id::text, w.id,
       coalesce(w.settled_at, w.sent_at, w.created_at), null
from writes w
cross join lateral (
    select string_agg(name, ', ' order by name) as names
    from jsonb_array_elements_text(coalesce(w.error -> 'fields', '[]')) as name
) f
-- What was written later has made it good. Asked row by row, by the entity's index.
cross join lateral (
    select exists (
        select
        from writes later
        where later.tenant_id = w.tenant_id
          and later.entity_id = w.entity_id
          and later.connection_id = w.connection_id
          and later.stream = w.stream
          and later.state = 'settled'
          and later.settled_at > w.settled_at
          and later.fields @> w.fields
    ) as is_good
    offset 0
) later
where w.state = 'failed' and not later.is_good
union all
select w.tenant_id, w.connection_id, w.stream, 'write', w.error ->> 'kind', w.error ->> 'code',
       f.names, w.error ->> 'message',
       failure_class(w.connection_id, w.stream, 'write', w.error ->> 'kind', w.error ->> 'code',
                     f.names, w.error ->> 'message'),
       w.entity, w.entity_id, w.entity_id::text, w.id, coalesce(w.sent_at, w.created_at), w.due_at
from writes w
cross join lateral (
    select string_agg(name, ', ' order by name) as names
    from jsonb_array_elements_text(coalesce(w.error -> 'fields', '[]')) as name
) f
where w.state = 'pending' and w.error is not null
union all
-- Frozen fields; the message is told apart by its words, and says both values.
select r.tenant_id, r.connection_id, r.stream, 'breaker', 'frozen', null, r.field, m.message,
       failure_class(r.connection_id, r.stream, 'breaker', 'frozen', null, r.field, m.message),
       r.entity, r.entity_id, r.entity_id::text, null::uuid, r.frozen_at, null
from rewrites r
cross join lateral (
    select format('the hub writes "%s" and the system sets "%s", again and again',
                  left(translate(r.ours #>> '{}', '"', ''''), 100),
                  left(translate(r.theirs #>> '{}', '"', ''''), 100)) as message
) m
where r.frozen_at is not null
union all
select r.tenant_id, r.connection_id, r.stream, 'run', r.error ->> 'class', r.error ->> 'code',
       r.workflow, r.error ->> 'message',
       failure_class(r.connection_id, r.stream, 'run', r.error ->> 'class', r.error ->> 'code',
                     r.workflow, r.error ->> 'message'),
       null, null, r.workflow, r.id, coalesce(r.started_at, r.created_at), null
from runs r
where r.state = 'parked' and r.connection_id is not null and r.stream is not null
union all
-- A flow fails if its newest run did.
select r.tenant_id, r.connection_id, r.stream, 'run', r.error ->> 'class', r.error ->> 'code',
       r.workflow, r.error ->> 'message',
       failure_class(r.connection_id, r.stream, 'run', r.error ->> 'class', r.error ->> 'code',
                     r.workflow, r.error ->> 'message'),
       null, null, r.workflow, r.id, r.finished_at, null
from finished_runs r
cross join lateral (
    select exists (
        select
        from finished_runs later
        where later.tenant_id = r.tenant_id
          and later.connection_id = r.connection_id
          and later.stream = r.stream
          and later.workflow = r.workflow
          and later.state in ('succeeded', 'failed')
          and later.id > r.id
    ) as is_there
    offset 0
) later
where r.state = 'failed' and r.connection_id is not null and r.stream is not null
  and not later.is_there;
grant select on failing to syncline_app, syncline_system;

-- The things of a class that failed by a time, with their writes or runs, newest first: what is counted
-- is what a retry acts on.
create function failing_things(of_class uuid, of_connection uuid, of_stream text, until timestamptz)
    returns table (thing text, refs uuid[])
    language sql stable as
$$
    select f.thing, array_agg(f.ref order by f.ref desc)
    from failing f
    where f.class = of_class
      and f.connection_id = of_connection
      and f.stream = of_stream
      and f.at <= until
    group by f.thing
$$;

-- What is remembered of a class when nothing of it fails any more, and what people said of it.
create table failure_classes (
    tenant_id     uuid not null default current_tenant(),
    -- failure_class(…)
    id            uuid not null,
    connection_id uuid not null,
    stream        text not null,
    source        text not null check (source in ('field', 'write', 'run', 'breaker', 'schema')),
    kind          text,
    code          text,
    -- The core field, the fields a system complained of, or the workflow.
    about         text,
    message       text not null,
    state         text not null check (state in ('open', 'closed')),
    -- Things and failures when it was last looked.
    things        bigint not null,
    failures      bigint not null,
    -- The newest: [{entity, entity_id, thing, message, at}]
    samples       jsonb not null,
    first_seen_at timestamptz not null,
    last_seen_at  timestamptz not null,
    next_try_at   timestamptz,
    closed_at     timestamptz,
    muted_at      timestamptz,
    muted_by      uuid,
    note          text,
    -- Of what people say.
    version       bigint not null default 1,
    primary key (tenant_id, id),
    foreign key (tenant_id, connection_id) references connections (tenant_id, id) on delete cascade
);
create index failure_classes_list on failure_classes (tenant_id, state, last_seen_at desc, id desc);
call protect_tenant_table('failure_classes');

-- How much a run may do to the records of a stream before it asks. A stream without a row has the
-- hub's defaults.
create table stream_caps (
    tenant_id         uuid not null default current_tenant(),
    connection_id     uuid not null,
    stream            text not null,
    -- More than so many and more than such a part of the stream's records, in percent.
    deletes_count     bigint not null check (deletes_count >= 0),
    deletes_share     integer not null check (deletes_share between 0 and 100),
    overwrites_count  bigint not null check (overwrites_count >= 0),
    overwrites_share  integer not null check (overwrites_share between 0 and 100),
    creates_count     bigint not null check (creates_count >= 0),
    creates_share     integer not null check (creates_share between 0 and 100),
    version           bigint not null default 1,
    primary key (tenant_id, connection_id, stream),
    foreign key (tenant_id, connection_id) references connections (tenant_id, id) on delete cascade
);
call protect_tenant_table('stream_caps');

-- What runs ask a person for, because it is beyond a cap. One open question per stream and kind.
create table approvals (
    tenant_id     uuid not null default current_tenant(),
    id            uuid not null,
    connection_id uuid not null,
    stream        text not null,
    kind          text not null check (kind in ('delete', 'overwrite', 'create')),
    -- approved: a run applies what was approved · settled: it has
    state         text not null check (state in ('open', 'approved', 'declined', 'settled')),
    -- The run that asked first.
    run_id        uuid,
    asked_at      timestamptz not null,
    -- The most changes that were agreed to.
    ceiling       bigint,
    decided_at    timestamptz,
    decided_by    uuid,
    note          text,
    -- The run that applies them.
    apply_run_id  uuid,
    primary key (tenant_id, id),
    foreign key (tenant_id, connection_id) references connections (tenant_id, id) on delete cascade
);
create unique index approvals_open on approvals (tenant_id, connection_id, stream, kind)
    where state = 'open';
create index approvals_list on approvals (tenant_id, state, asked_at desc, id desc);
call protect_tenant_table('approvals');

-- Changes of records that were read and not applied. The cursor is past them: this is where they are.
create table withheld (
    tenant_id     uuid not null default current_tenant(),
    id            uuid not null,
    approval_id   uuid not null,
    connection_id uuid not null,
    stream        text not null,
    key           text not null,
    kind          text not null check (kind in ('delete', 'overwrite', 'create')),
    entity        text not null,
    -- None for a record of which no entity was made.
    entity_id     uuid,
    -- Of an overwrite: [{field, old, new}]
    fields        jsonb,
    -- The tombstone, or the record's fields as they came.
    change        json not null,
    run_id        uuid not null,
    at            timestamptz not null,
    -- recovered: the system shows something else by now · gone: the record is not there any more
    state         text not null check (state in ('open', 'applied', 'recovered', 'gone', 'declined')),
    ended_at      timestamptz,
    primary key (tenant_id, id),
    foreign key (tenant_id, connection_id) references connections (tenant_id, id) on delete cascade
);
create unique index withheld_open on withheld (tenant_id, connection_id, stream, key)
    where state = 'open';
create index withheld_approval on withheld (tenant_id, approval_id, id);
call protect_tenant_table('withheld');
call scope_entity_table('withheld');
call scope_table('approvals', 'exists (select from withheld w where w.approval_id = approvals.id)');
-- Counted over all records.
call scope_table('failure_classes', 'false');
