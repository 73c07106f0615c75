-- What a tenant may use at most, set by whoever runs the hub; null is no limit.
create table tenant_quotas (
    tenant_id     uuid not null default current_tenant() references tenants,
    records       bigint check (records >= 0),
    connections   bigint check (connections >= 0),
    -- Bytes of files.
    storage       bigint check (storage >= 0),
    calls_per_day bigint check (calls_per_day >= 0),
    version       bigint not null default 1,
    primary key (tenant_id)
);
call protect_tenant_table('tenant_quotas');
revoke insert, update, delete on tenant_quotas from syncline_app;

-- What it uses: kept by whoever makes records and files, so that no request counts large tables, and
-- set right now and then by counting.
create table tenant_usage (
    tenant_id  uuid not null default current_tenant() references tenants,
    records    bigint not null default 0,
    storage    bigint not null default 0,
    counted_at timestamptz,
    primary key (tenant_id)
) with (fillfactor = 50);
call protect_tenant_table('tenant_usage');

-- What a tenant sets for itself; no row means the defaults.
create table tenant_settings (
    tenant_id     uuid not null default current_tenant() references tenants,
    locale        text not null default 'en',
    time_zone     text not null default 'UTC',
    -- Where people of the tenant's customers write to.
    contact_email text,
    -- Pages of other sites that may call the interface with a key, as https://shop.example.
    origins       text[] not null default '{}',
    -- Whether a second person has to agree before the tenant is deleted.
    deletion_needs_approval boolean not null default true,
    version       bigint not null default 1,
    primary key (tenant_id)
);
call protect_tenant_table('tenant_settings');

-- Faces of a tenant. A domain belongs to one brand of one tenant, in the form without homographs
-- (punycode) that browsers send.
create table brands (
    tenant_id  uuid not null default current_tenant() references tenants,
    id         uuid not null,
    name       text not null,
    domain     text,
    is_default boolean not null default false,
    -- As #rrggbb: what stands out, what is written on it, the page, the text on it.
    accent     text not null,
    on_accent  text not null,
    background text not null,
    foreground text not null,
    logo       bytea,
    logo_type  text check (logo_type in ('image/png', 'image/jpeg', 'image/webp')),
    version    bigint not null default 1,
    created_at timestamptz not null,
    primary key (tenant_id, id)
);
create unique index brands_name on brands (tenant_id, lower(name));
create unique index brands_domain on brands (domain);
create unique index brands_default on brands (tenant_id) where is_default;
call protect_tenant_table('brands');
