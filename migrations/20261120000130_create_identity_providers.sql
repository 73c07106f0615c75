-- Names under which a tenant is reached. A name counts once somebody has shown, by a record in the
-- domain name system, that it is theirs.
create table tenant_domains (
    tenant_id   uuid not null default current_tenant() references tenants,
    id          uuid not null,
    -- As it travels: lower case, `xn--…` for what is not ASCII.
    host        text not null,
    -- What it looks like to a reader (Unicode TR 39): two names that look alike have the same.
    looks_like  text not null,
    -- What the record has to say.
    challenge   text not null,
    verified_at timestamptz,
    created_at  timestamptz not null,
    primary key (tenant_id, id)
);
create unique index tenant_domains_once on tenant_domains (tenant_id, host);
-- Whoever asks first gets nothing by it: only who has shown that it is theirs.
create unique index tenant_domains_host on tenant_domains (host) where verified_at is not null;
create index tenant_domains_looks on tenant_domains (looks_like) where verified_at is not null;
call protect_tenant_table('tenant_domains');

-- Where a tenant's people sign in besides the hub.
create table identity_providers (
    tenant_id      uuid not null default current_tenant() references tenants,
    id             uuid not null,
    protocol       text not null check (protocol in ('oidc', 'saml')),
    preset         text not null check (preset in ('custom', 'google', 'microsoft')),
    name           text not null,
    -- What it is and what becomes of those who come from there.
    config         jsonb not null,
    -- Client secret or private key.
    secret         bytea,
    enabled        boolean not null default false,
    -- Counts changes of what a test sign-in has to try again.
    config_version bigint not null default 1,
    -- The last test sign-in: of which configuration, when, and what came of it.
    tested_config  bigint,
    tested_at      timestamptz,
    test_outcome   jsonb,
    version        bigint not null default 1,
    created_at     timestamptz not null,
    primary key (tenant_id, id)
);
create unique index identity_providers_name on identity_providers (tenant_id, lower(name));
create unique index identity_providers_id on identity_providers (id);
call protect_tenant_table('identity_providers');

-- Whether only providers let people in. No row: passwords do too.
create table sign_in_policies (
    tenant_id uuid not null default current_tenant() references tenants,
    sso_only  boolean not null,
    version   bigint not null default 1,
    primary key (tenant_id)
);
call protect_tenant_table('sign_in_policies');

-- Who still signs in with a password where only providers let people in.
create table fallback_admins (
    tenant_id uuid not null default current_tenant(),
    user_id   uuid not null,
    primary key (tenant_id, user_id),
    foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade
);
call protect_tenant_table('fallback_admins');

-- Who somebody is at a provider.
create table user_identities (
    tenant_id    uuid not null default current_tenant(),
    id           uuid not null,
    provider_id  uuid not null,
    issuer       text not null,
    subject      text not null,
    user_id      uuid not null,
    -- As the provider said it when they were linked.
    email        text,
    -- The user was made by the provider, which then says what role they have.
    provisioned  boolean not null,
    linked_at    timestamptz not null,
    last_used_at timestamptz,
    primary key (tenant_id, id),
    foreign key (tenant_id, provider_id) references identity_providers (tenant_id, id) on delete cascade,
    foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade
);
create unique index user_identities_subject
    on user_identities (tenant_id, provider_id, issuer, subject);
create unique index user_identities_user on user_identities (tenant_id, user_id, provider_id);
call protect_tenant_table('user_identities');

-- A sign-in on its way through a provider. It is used once.
create table sign_in_attempts (
    tenant_id    uuid not null default current_tenant(),
    id           uuid not null,
    -- SHA-256 of what goes to the provider and comes back; of what the browser holds in a cookie.
    state_hash   bytea not null,
    browser_hash bytea not null,
    provider_id  uuid not null,
    purpose      text not null check (purpose in ('sign_in', 'test', 'link', 'step_up', 'sign_out')),
    -- Who tests, links, or shows who they are again; of a step-up in which session.
    user_id      uuid,
    session_id   uuid,
    -- Of which configuration.
    config_version bigint not null,
    -- Nonce and code verifier, sealed; of SAML the id of the request.
    secrets      bytea,
    request_id   text,
    -- Where the hub is reached by this browser: `https://hub.example`.
    origin       text not null,
    -- Where to go on in the console.
    next         text not null,
    -- Of SAML: who came, once the answer was found to be in order; sealed.
    outcome      bytea,
    created_at   timestamptz not null,
    expires_at   timestamptz not null,
    primary key (tenant_id, id),
    foreign key (tenant_id, provider_id) references identity_providers (tenant_id, id) on delete cascade
);
create unique index sign_in_attempts_state on sign_in_attempts (state_hash);
create index sign_in_attempts_expiry on sign_in_attempts (expires_at);
call protect_tenant_table('sign_in_attempts');

-- Assertions and logout tokens that were taken; none is taken twice.
create table used_assertions (
    tenant_id   uuid not null default current_tenant(),
    provider_id uuid not null,
    -- SHA-256 of its id.
    id_hash     bytea not null,
    expires_at  timestamptz not null,
    primary key (tenant_id, provider_id, id_hash),
    foreign key (tenant_id, provider_id) references identity_providers (tenant_id, id) on delete cascade
);
create index used_assertions_expiry on used_assertions (expires_at);
call protect_tenant_table('used_assertions');

-- What the hub knows of a session's other side, for signing out and for asking whether it holds. It is
-- there from the first stage on: the session may wait for a second factor.
create table provider_sessions (
    tenant_id   uuid not null default current_tenant(),
    session_id  uuid not null,
    user_id     uuid not null,
    provider_id uuid not null,
    issuer      text not null,
    subject     text not null,
    -- The provider's name of the session.
    sid         text,
    -- Id token and refresh token, sealed.
    tokens      bytea,
    created_at  timestamptz not null,
    primary key (tenant_id, session_id),
    foreign key (tenant_id, provider_id) references identity_providers (tenant_id, id) on delete cascade,
    foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade
);
create index provider_sessions_subject on provider_sessions (tenant_id, provider_id, subject);
create index provider_sessions_user on provider_sessions (tenant_id, user_id);
call protect_tenant_table('provider_sessions');
