-- A code of an authenticator app (RFC 6238). Sealed: whoever reads the secret makes codes.
create table totp_factors (
    tenant_id    uuid not null default current_tenant(),
    user_id      uuid not null,
    secret       bytea not null,
    created_at   timestamptz not null,
    -- Null until the first right code: until then it counts for nothing.
    confirmed_at timestamptz,
    -- The last step of 30 seconds whose code was taken: neither it nor an earlier one is taken again.
    last_step    bigint,
    primary key (tenant_id, user_id),
    foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade
);
call protect_tenant_table('totp_factors');

-- Codes for the day the phone is lost; each works once.
create table backup_codes (
    tenant_id uuid not null default current_tenant(),
    user_id   uuid not null,
    -- SHA-256 of 80 random bits.
    code_hash bytea not null,
    used_at   timestamptz,
    primary key (tenant_id, user_id, code_hash),
    foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade
);
call protect_tenant_table('backup_codes');

-- A number that codes are sent to.
create table sms_factors (
    tenant_id    uuid not null default current_tenant(),
    user_id      uuid not null,
    number       bytea not null,
    -- Its last two digits, for people to recognise it.
    shown        text not null,
    created_at   timestamptz not null,
    confirmed_at timestamptz,
    primary key (tenant_id, user_id),
    foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade
);
call protect_tenant_table('sms_factors');

-- Codes that were sent, the last of each user being the one that works. Six digits are no secret once
-- hashed, so they are sealed.
create table sms_codes (
    tenant_id  uuid not null default current_tenant(),
    user_id    uuid not null,
    id         uuid not null,
    code       bytea not null,
    sent_at    timestamptz not null,
    expires_at timestamptz not null,
    used_at    timestamptz,
    primary key (tenant_id, user_id, id),
    foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade
);
call protect_tenant_table('sms_codes');

create table passkeys (
    tenant_id     uuid not null default current_tenant(),
    id            uuid not null,
    user_id       uuid not null,
    name          text not null,
    credential_id bytea not null,
    -- The public key with its counter, as the library keeps it.
    credential    jsonb not null,
    created_at    timestamptz not null,
    last_used_at  timestamptz,
    primary key (tenant_id, id),
    foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade
);
create unique index passkeys_credential on passkeys (credential_id);
create index passkeys_user on passkeys (tenant_id, user_id);
call protect_tenant_table('passkeys');

-- What a browser was asked to sign, until it answers, once. Of no tenant: whoever signs in with a
-- passkey alone is known only by the answer.
create table passkey_challenges (
    token_hash bytea primary key,
    purpose    text not null check (purpose in ('register', 'sign_in', 'second', 'step_up')),
    -- Whom it was made for, unless that is to be found out.
    user_id    uuid,
    state      jsonb not null,
    expires_at timestamptz not null
);
create index passkey_challenges_expires on passkey_challenges (expires_at);
grant select, insert, update, delete on passkey_challenges to syncline_system;

-- Browsers that are not asked for a second factor for a while.
create table devices (
    tenant_id    uuid not null default current_tenant(),
    id           uuid not null,
    user_id      uuid not null,
    token_hash   bytea not null,
    address      text,
    agent        text,
    created_at   timestamptz not null,
    last_used_at timestamptz not null,
    expires_at   timestamptz not null,
    primary key (tenant_id, id),
    foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade
);
create unique index devices_token on devices (token_hash);
create index devices_user on devices (tenant_id, user_id);
call protect_tenant_table('devices');

-- Sign-ins whose first stage is done and whose second is owed. No session: nothing can be read with it.
create table sign_in_tickets (
    tenant_id  uuid not null default current_tenant(),
    token_hash bytea not null,
    user_id    uuid not null,
    first      text not null check (first in ('password', 'provider')),
    -- The session that will be opened, and after how many minutes it ends at the latest.
    session_id uuid not null,
    session_minutes integer,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    primary key (tenant_id, token_hash),
    foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade
);
create unique index sign_in_tickets_token on sign_in_tickets (token_hash);
create index sign_in_tickets_user on sign_in_tickets (tenant_id, user_id);
call protect_tenant_table('sign_in_tickets');

-- Roles whose people need a second factor. No row: they may have one.
create table factor_rules (
    tenant_id      uuid not null default current_tenant() references tenants,
    role           text not null,
    grace_days     integer not null check (grace_days between 0 and 90),
    required_since timestamptz not null,
    primary key (tenant_id, role)
);
call protect_tenant_table('factor_rules');

-- Keys that sign access tokens, newest first in use. Each signs with HMAC-SHA-256 and nothing else.
create table token_keys (
    tenant_id  uuid not null default current_tenant() references tenants,
    id         uuid not null,
    secret     bytea not null,
    created_at timestamptz not null,
    -- Signs no more from then on; what it signed holds until it expires.
    retired_at timestamptz,
    primary key (tenant_id, id)
);
create unique index token_keys_id on token_keys (id);
call protect_tenant_table('token_keys');

-- Grants of tokens to a program: all tokens that follow from one another by refreshing.
create table token_families (
    tenant_id    uuid not null default current_tenant() references tenants,
    id           uuid not null,
    user_id      uuid not null,
    name         text not null,
    permissions  text[] not null,
    created_at   timestamptz not null,
    expires_at   timestamptz not null,
    last_used_at timestamptz,
    revoked_at   timestamptz,
    -- revoked: by a person; reused: a refresh token came a second time.
    revoked_why  text check (revoked_why in ('revoked', 'reused')),
    primary key (tenant_id, id),
    foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade
);
create index token_families_user on token_families (tenant_id, user_id);
call protect_tenant_table('token_families');

create table refresh_tokens (
    tenant_id  uuid not null default current_tenant(),
    token_hash bytea not null,
    family_id  uuid not null,
    created_at timestamptz not null,
    -- Kept after use: a second use shows that somebody copied it.
    used_at    timestamptz,
    primary key (tenant_id, token_hash),
    foreign key (tenant_id, family_id) references token_families (tenant_id, id) on delete cascade
);
create unique index refresh_tokens_token on refresh_tokens (token_hash);
create index refresh_tokens_family on refresh_tokens (tenant_id, family_id);
call protect_tenant_table('refresh_tokens');

-- Master keys this database was sealed with, by what names them; the keys themselves are never here.
create table vault_keys (
    key_id     bytea primary key,
    since      timestamptz not null,
    -- Opens nothing any more.
    retired_at timestamptz
);
grant select, insert, update, delete on vault_keys to syncline_system;
