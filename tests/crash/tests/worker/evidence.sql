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

create trigger note_finish after insert on finished_runs
    for each row execute function evidence.note_finish();

create view evidence.runs as
    select id, workflow, state, trigger, owner, epoch, due_at, error from all_runs;

grant usage on schema evidence to syncline_app, syncline_system;
grant select, insert on evidence.inserts to syncline_app, syncline_system;
