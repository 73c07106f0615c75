-- What the tests see apart from the journal.
create schema evidence;

create table evidence.inserts (
    run_id uuid not null,
    seq    integer not null,
    token  uuid not null
);

create table evidence.finishes (
    run_id uuid not null,
    state  text not null,
    at     timestamptz not null default clock_timestamp()
);

create function evidence.note_finish() returns trigger
    language plpgsql security definer as
$$
begin
    insert into evidence.finishes (run_id, state) values (new.id, new.state);
    return null;
end
$$;

-- A run that ends stays in its table or moves to that of the finished ones.
do
$$
begin
    create trigger note_finish after update of state on runs
        for each row
        when (new.state in ('succeeded', 'failed', 'cancelled')
              and old.state is distinct from new.state)
        execute function evidence.note_finish();
    if to_regclass('finished_runs') is not null then
        create trigger note_finish after insert on finished_runs
            for each row execute function evidence.note_finish();
        create view evidence.runs as
            select id, workflow, state, trigger, owner, epoch, due_at, error from all_runs;
    else
        create view evidence.runs as
            select id, workflow, state, trigger, owner, epoch, due_at, error from runs;
    end if;
end
$$;

grant usage on schema evidence to syncline_app, syncline_system;
grant select, insert on evidence.inserts to syncline_app, syncline_system;
