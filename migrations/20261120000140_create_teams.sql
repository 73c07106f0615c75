-- Who looks after which account, and what somebody sees who does not see all.
--
-- A transaction of such a person works as `syncline_scoped`, which may what `syncline_app` may and is
-- held back by restrictive policies: one per table that holds something of an account. So no statement
-- can forget the scope, and one that has none costs the others nothing.
do $$
begin
    create role syncline_scoped nologin;
exception
    when duplicate_object or unique_violation then null;
end
$$;

do $$
begin
    grant syncline_app to syncline_scoped;
    execute format('grant syncline_scoped to %I', current_user);
exception
    -- Another database of this cluster is being migrated at the same moment and has just done it.
    when unique_violation or internal_error then null;
end
$$;

-- What holds rows of accounts is seen as far as this condition goes.
create procedure scope_table(name regclass, condition text)
    language plpgsql as
$$
begin
    execute format('create policy scope on %s as restrictive to syncline_scoped using (%s)',
                   name, condition);
end
$$;

-- A table with `entity` and `entity_id` shows the rows of entities that are seen.
create procedure scope_entity_table(name regclass)
    language plpgsql as
$$
begin
    call scope_table(name, format(
        'case entity
            when ''account'' then exists (select from accounts e where e.id = %1$s.entity_id)
            when ''contact'' then exists (select from contacts e where e.id = %1$s.entity_id)
            else false
         end', name));
end
$$;

-- Who works in a scoped transaction.
create function scope_user() returns uuid
    language sql stable parallel safe
    return nullif(current_setting('hub.user', true), '')::uuid;

create table teams (
    tenant_id  uuid not null default current_tenant() references tenants,
    id         uuid not null,
    name       text not null,
    version    bigint not null default 1,
    created_at timestamptz not null,
    primary key (tenant_id, id)
);
create unique index teams_name on teams (tenant_id, lower(name));
call protect_tenant_table('teams');

create table team_members (
    tenant_id uuid not null default current_tenant(),
    team_id   uuid not null,
    user_id   uuid not null,
    is_lead   boolean not null default false,
    joined_at timestamptz not null,
    primary key (tenant_id, team_id, user_id),
    foreign key (tenant_id, team_id) references teams (tenant_id, id) on delete cascade,
    foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade
);
create index team_members_user on team_members (tenant_id, user_id);
call protect_tenant_table('team_members');

-- Partner organisations, whose people see the accounts that are assigned to them.
create table partners (
    tenant_id  uuid not null default current_tenant() references tenants,
    id         uuid not null,
    name       text not null,
    version    bigint not null default 1,
    created_at timestamptz not null,
    primary key (tenant_id, id)
);
create unique index partners_name on partners (tenant_id, lower(name));
call protect_tenant_table('partners');
alter table users add foreign key (tenant_id, partner_id) references partners (tenant_id, id);

-- Who looks after an account, and who did. Rows end; they are not deleted.
create table account_assignments (
    tenant_id   uuid not null default current_tenant(),
    id          uuid not null,
    account_id  uuid not null,
    user_id     uuid,
    team_id     uuid,
    partner_id  uuid,
    assigned_at timestamptz not null,
    assigned_by uuid not null,
    ended_at    timestamptz,
    ended_by    uuid,
    primary key (tenant_id, id),
    check (num_nonnulls(user_id, team_id, partner_id) = 1),
    foreign key (tenant_id, user_id) references users (tenant_id, id),
    foreign key (tenant_id, partner_id) references partners (tenant_id, id)
);
create unique index account_assignments_once on account_assignments
    (tenant_id, account_id, coalesce(user_id, team_id, partner_id)) where ended_at is null;
create index account_assignments_holder on account_assignments
    (tenant_id, coalesce(user_id, team_id, partner_id), account_id) where ended_at is null;
create index account_assignments_account on account_assignments (tenant_id, account_id, id);
call protect_tenant_table('account_assignments');

-- The accounts that whoever works in this transaction sees. It reads assignments as their owner does,
-- for a scoped reader is shown only those of accounts that this function names.
create function scope_accounts() returns uuid[]
    language sql stable security definer set search_path = public, pg_temp as
$$
    with me as (
        select u.id, u.account_id, u.partner_id, current_setting('hub.scope', true) as scope
        from users u
        where u.tenant_id = current_tenant() and u.id = scope_user() and u.state = 'active'
    ), holders as (
        select me.id as holder from me where me.scope in ('assigned', 'team')
        union
        select me.partner_id from me
        where me.scope in ('assigned', 'team') and me.partner_id is not null
        union
        select m.team_id
        from me
        join team_members m on m.tenant_id = current_tenant() and m.user_id = me.id
        where me.scope = 'team'
        union
        select mate.user_id
        from me
        join team_members m on m.tenant_id = current_tenant() and m.user_id = me.id
        join team_members mate on mate.tenant_id = current_tenant() and mate.team_id = m.team_id
        where me.scope = 'team'
    )
    select coalesce(array_agg(distinct account), '{}')
    from (
        select me.account_id as account from me
        where me.scope = 'own' and me.account_id is not null
        union all
        select a.account_id
        from holders
        join account_assignments a
            on a.tenant_id = current_tenant()
           and coalesce(a.user_id, a.team_id, a.partner_id) = holders.holder
           and a.ended_at is null
    ) as mine
$$;
revoke execute on function scope_accounts() from public;
grant execute on function scope_accounts() to syncline_scoped;

-- Seen with their account. Somebody who makes an account is assigned to it before it is there.
create policy scope_read on account_assignments as restrictive for select to syncline_scoped
    using (account_id = any ((select scope_accounts())::uuid[]));
create policy scope_insert on account_assignments as restrictive for insert to syncline_scoped
    with check (user_id = (select scope_user()));
create policy scope_update on account_assignments as restrictive for update to syncline_scoped
    using (false);
create policy scope_delete on account_assignments as restrictive for delete to syncline_scoped
    using (false);

-- The account whose people whoever works in this transaction looks after; null for everybody else.
create function scope_organisation() returns uuid
    language sql stable security definer set search_path = public, pg_temp as
$$
    select u.account_id from users u
    where u.tenant_id = current_tenant() and u.id = scope_user() and u.state = 'active'
      and current_setting('hub.scope', true) = 'own'
      and (u.role = 'customer_admin'
           or 'organisation.manage' = any (permissions_beyond_role(u.tenant_id, u.id)))
$$;
revoke execute on function scope_organisation() from public;
grant execute on function scope_organisation() to syncline_scoped;

-- Whoever works in this transaction, and the people they look after.
create function scope_people() returns uuid[]
    language sql stable security definer set search_path = public, pg_temp as
$$
    select coalesce(array_agg(u.id), '{}') from users u
    where u.tenant_id = current_tenant()
      and (u.id = scope_user()
           or u.account_id = scope_organisation()
              and u.role in ('customer_admin', 'customer_manager', 'customer_user'))
$$;
revoke execute on function scope_people() from public;
grant execute on function scope_people() to syncline_scoped;

-- The groups of the organisation they look after. A function, for the policies of groups and of their
-- members would else ask each other.
create function scope_groups() returns uuid[]
    language sql stable security definer set search_path = public, pg_temp as
$$
    select coalesce(array_agg(g.id), '{}') from user_groups g
    where g.tenant_id = current_tenant() and g.account_id = scope_organisation()
$$;
revoke execute on function scope_groups() from public;
grant execute on function scope_groups() to syncline_scoped;

-- Of what people have of their own each sees theirs, and who looks after them sees those that end with
-- their access; names of others may be read.
call scope_table('sessions', 'user_id = any ((select scope_people())::uuid[])');
call scope_table('user_links', 'user_id = any ((select scope_people())::uuid[])');
call scope_table('old_passwords', 'user_id = (select scope_user())');
call scope_table('api_keys', 'user_id = (select scope_user())');
call scope_table('totp_factors', 'user_id = (select scope_user())');
call scope_table('backup_codes', 'user_id = (select scope_user())');
call scope_table('sms_factors', 'user_id = (select scope_user())');
call scope_table('sms_codes', 'user_id = (select scope_user())');
call scope_table('passkeys', 'user_id = (select scope_user())');
call scope_table('devices', 'user_id = (select scope_user())');
call scope_table('sign_in_tickets', 'user_id = (select scope_user())');
call scope_table('token_families', 'user_id = (select scope_user())');
call scope_table('user_identities', 'user_id = (select scope_user())');
call scope_table('provider_sessions', 'user_id = (select scope_user())');
call scope_table('token_keys', 'false');
call scope_table('refresh_tokens', 'false');
create policy scope_update on users as restrictive for update to syncline_scoped
    using (id = (select scope_user())
           or account_id = (select scope_organisation())
              and role in ('customer_admin', 'customer_manager', 'customer_user'));
create policy scope_insert on users as restrictive for insert to syncline_scoped
    with check (account_id = (select scope_organisation())
                and role in ('customer_admin', 'customer_manager', 'customer_user'));
create policy scope_delete on users as restrictive for delete to syncline_scoped using (false);

-- Who looks after a customer's people reads all that these have by groups and grants, and changes the
-- groups of the organisation and what a customer may have. Their own they do not change.
create policy scope_read on group_members as restrictive for select to syncline_scoped
    using (user_id = any ((select scope_people())::uuid[]));
create policy scope_insert on group_members as restrictive for insert to syncline_scoped
    with check (user_id = any ((select scope_people())::uuid[]) and user_id <> (select scope_user())
                and group_id = any ((select scope_groups())::uuid[]));
create policy scope_update on group_members as restrictive for update to syncline_scoped
    using (false);
create policy scope_delete on group_members as restrictive for delete to syncline_scoped
    using (user_id <> (select scope_user()) and group_id = any ((select scope_groups())::uuid[]));
create policy scope_read on user_groups as restrictive for select to syncline_scoped
    using (account_id = (select scope_organisation())
           or exists (select from group_members m
                      where m.tenant_id = user_groups.tenant_id and m.group_id = user_groups.id));
create policy scope_insert on user_groups as restrictive for insert to syncline_scoped
    with check (account_id = (select scope_organisation()) and permissions <@ array[
        'records.read', 'records.write', 'conflicts.read', 'conflicts.resolve']);
create policy scope_update on user_groups as restrictive for update to syncline_scoped
    using (account_id = (select scope_organisation()))
    with check (account_id = (select scope_organisation()) and permissions <@ array[
        'records.read', 'records.write', 'conflicts.read', 'conflicts.resolve']);
create policy scope_delete on user_groups as restrictive for delete to syncline_scoped
    using (account_id = (select scope_organisation()));
create policy scope_read on user_grants as restrictive for select to syncline_scoped
    using (user_id = any ((select scope_people())::uuid[]));
create policy scope_insert on user_grants as restrictive for insert to syncline_scoped
    with check (user_id = any ((select scope_people())::uuid[]) and user_id <> (select scope_user())
                and permission in (
        'records.read', 'records.write', 'conflicts.read', 'conflicts.resolve'));
create policy scope_update on user_grants as restrictive for update to syncline_scoped using (false);
create policy scope_delete on user_grants as restrictive for delete to syncline_scoped
    using (user_id = any ((select scope_people())::uuid[]) and user_id <> (select scope_user()));
