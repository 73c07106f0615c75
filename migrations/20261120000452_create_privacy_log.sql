-- What was done about people's data: asked for, agreed to, refused, carried out, failed, handed out. It
-- names nobody but who did it, by id, and outlives the requests it is about.
create table privacy_log (
    tenant_id uuid not null default current_tenant() references tenants,
    id        uuid not null,
    at        timestamptz not null,
    action    text not null
        check (action in ('ask', 'approve', 'refuse', 'withdraw', 'carry_out', 'fail', 'hand_out')),
    -- Null: the hub.
    actor_id  uuid,
    -- ers_… or sar_…
    request   text not null,
    kind      text not null check (kind in ('erase', 'anonymise', 'export')),
    -- Of whom: contact or user.
    scope     text not null,
    -- The request's, afterwards.
    state     text not null,
    -- How many rows were destroyed.
    destroyed bigint,
    -- The class of a failure.
    failure   text,
    primary key (tenant_id, id)
);
create index privacy_log_at on privacy_log (tenant_id, at);
call protect_tenant_table('privacy_log');
call scope_table('privacy_log', 'false');
-- Nobody who works for the hub changes what is written.
revoke update, delete on privacy_log from syncline_app, syncline_system;
