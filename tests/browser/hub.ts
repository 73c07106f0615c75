import { type APIRequestContext, expect, request as requests } from '@playwright/test';

/** What the tests ask the hub for behind the page's back, as the signed-in user. */

export type Item = { id: string; version: number; [key: string]: unknown };
type Account = Item & {
  name: string;
  conflicts: number;
  pending_writes: number;
  website: string | null;
  links: { key: string }[];
};
type Run = Item & { workflow: string; finished_at: string | null };
type Conflict = Item & { entity_id: string; entity_name: string };

/** A hub refuses changes by a browser's session that do not say where they come from. */
const OURS = { Origin: new URL(process.env.SYNCLINE_URL ?? '').origin };
/** A push looks at the other side first, and opens a conflict within a second or two. */
const UNTIL_PUSHED = { timeout: 20_000, intervals: [250] };

export async function list<T extends Item>(request: APIRequestContext, path: string): Promise<T[]> {
  const response = await request.get(`/api/v1${path}`);
  expect(response.ok(), path).toBe(true);
  return (await response.json()).items;
}

/** The first of a list, of which there must be one. */
export async function first<T extends Item>(request: APIRequestContext, path: string): Promise<T> {
  const [item] = await list<T>(request, path);
  if (!item) throw new Error(`the hub has nothing at ${path}`);
  return item;
}

/** Accounts with a record there that nobody has to decide about and that no write is under way for, by name. */
export async function quietAccounts(request: APIRequestContext): Promise<Account[]> {
  const accounts = await list<Account>(request, '/accounts?limit=200');
  return accounts.filter(
    (account) => account.links.length > 0 && account.conflicts + account.pending_writes === 0,
  );
}

/** Waits for the writes under way, so that the next edit starts a push of its own, which then looks at the other side. */
async function pushesFinished(request: APIRequestContext) {
  await expect
    .poll(async () => {
      const runs = await list<Run>(request, '/runs?limit=50');
      return runs.filter((run) => run.workflow === 'push_writes' && !run.finished_at).length;
    }, UNTIL_PUSHED)
    .toBe(0);
}

/** Changes the same field in the simulated Salesforce and here, and waits for the conflict. */
export async function makeConflict(request: APIRequestContext): Promise<Conflict> {
  const now = new Date().toISOString();
  const connection = await first<Item & { config: { login_url: string } }>(request, '/connections');
  await pushesFinished(request);
  // From the end: tests that edit an account by hand take the first.
  for (const account of (await quietAccounts(request)).reverse().slice(0, 5)) {
    const theirs = await request.post(`${connection.config.login_url}/__control/rows`, {
      data: {
        op: 'update',
        object: 'Account',
        id: account.links[0]?.key,
        fields: { Description: `Theirs, ${now}` },
      },
    });
    expect(theirs.ok(), await theirs.text()).toBe(true);
    const ours = await request.patch(`/api/v1/accounts/${account.id}`, {
      headers: { ...OURS, 'If-Match': `"${account.version}"` },
      data: { fields: { description: `Ours, ${now}` } },
    });
    // A scheduled pull came between and brought their change in: nothing to disagree about.
    if (ours.status() === 412) continue;
    expect(ours.ok(), await ours.text()).toBe(true);
    let found: Conflict | undefined;
    await expect
      .poll(async () => {
        const open = await list<Conflict>(request, '/conflicts?state=open&limit=200');
        found = open.find((conflict) => conflict.entity_id === account.id);
        return found?.entity_name;
      }, UNTIL_PUSHED)
      .toBe(account.name);
    if (found) return found;
  }
  throw new Error('a pull came between all the changes that were to be a conflict');
}

/**
 * Takes an account's record in the simulated Salesforce for one of its own, brings in another one of the same website,
 * and waits for the question whose that is.
 */
export async function makeMatch(request: APIRequestContext) {
  const connection = await first<Item & { config: { login_url: string } }>(request, '/connections');
  const accounts = await quietAccounts(request);
  const account = accounts.slice(20).find((one) => one.website);
  if (!account) throw new Error('no account with a website');
  await make(request, '/links/move', {
    connection_id: connection.id,
    stream: 'Account',
    key: account.links[0]?.key,
    from: account.id,
    to: null,
  });
  const theirs = await request.post(`${connection.config.login_url}/__control/rows`, {
    data: {
      op: 'insert',
      object: 'Account',
      fields: { Name: `${account.name} Group`, Website: account.website },
    },
  });
  expect(theirs.ok(), await theirs.text()).toBe(true);
  await make(request, `/connections/${connection.id}/streams/Account/pull`, {});
  await expect
    .poll(async () => (await list(request, '/matches?state=open')).length, UNTIL_PUSHED)
    .toBeGreaterThan(0);
}

type User = Item & { email: string };

/** Of people whom the tests invite. */
export const PASSWORD = 'Correct horse 42 battery';

/** Sends a change, and hands on what the hub made of it. */
async function make<T = Item>(request: APIRequestContext, path: string, data: object): Promise<T> {
  const made = await request.post(`/api/v1${path}`, { headers: OURS, data });
  expect(made.ok(), `${path}: ${await made.text()}`).toBe(true);
  return await made.json();
}

/** Invites somebody, who sets their password with the link that this hub cannot send. */
async function invite(
  request: APIRequestContext,
  person: { email: string; [more: string]: unknown },
): Promise<string> {
  type Invited = { user: User; invitation: { link: string } };
  const { user, invitation } = await make<Invited>(request, '/users', person);
  const token = new URL(invitation.link).hash.slice(1);
  const nobody = await requests.newContext({ baseURL: process.env.SYNCLINE_URL });
  const set = await nobody.post('/api/v1/session/link', {
    headers: OURS,
    data: { token, password: PASSWORD },
  });
  expect(set.ok(), await set.text()).toBe(true);
  await nobody.dispose();
  return user.id;
}

/** Somebody else, signed in; to be disposed of. */
export async function signedIn(email: string): Promise<APIRequestContext> {
  const other = await requests.newContext({ baseURL: process.env.SYNCLINE_URL });
  await make(other, '/session', { email, password: PASSWORD });
  return other;
}

/** A person of this name in the core alone. */
export async function makeContact(
  request: APIRequestContext,
  first_name: string,
): Promise<Item & { fields: { email: string } }> {
  const email = `${first_name.toLowerCase()}.${Date.now()}@forget.example`;
  return make(request, '/contacts', { fields: { first_name, last_name: 'Lapsed', email } });
}

/** A team of its own name that looks after so many accounts, from the end of the list. */
export async function makeTeam(request: APIRequestContext, count: number): Promise<Item & { name: string }> {
  const name = `Team ${Math.random().toString(36).slice(2, 9)}`;
  const team = await make<Item & { name: string }>(request, '/teams', { name, members: [] });
  for (const account of (await list(request, '/accounts?sort=-name')).slice(0, count))
    await make(request, `/accounts/${account.id}/assignments`, { to: team.id });
  return team;
}

/** A team, a partner and a customer with their people, who look after some accounts. */
export async function makeHolders(request: APIRequestContext) {
  if ((await list(request, '/teams')).length > 0) return;
  const { id: ada } = await first<User>(request, '/users?q=ada@example.com');
  const dora = await invite(request, { email: 'dora@example.com', name: 'Dora Niemi', role: 'admin' });
  const members = [
    { user_id: ada, lead: true },
    { user_id: dora, lead: false },
  ];
  const team = await make(request, '/teams', { name: 'First tier', members });
  await make(request, '/teams', { name: 'Second tier', members: [] });
  const partner = await make(request, '/partners', { name: 'Fjord Partners' });
  const accounts = await list<Account>(request, '/accounts?limit=12');
  const [own] = accounts;
  const pia = { email: 'pia@partner.example', name: 'Pia Solberg', role: 'partner', partner_id: partner.id };
  await invite(request, pia);
  const carl = {
    email: 'carl@customer.example',
    name: 'Carl Ibsen',
    role: 'customer_user',
    account_id: own?.id,
  };
  await invite(request, carl);
  await invite(request, {
    ...carl,
    email: 'cara@customer.example',
    name: 'Cara Lund',
    role: 'customer_admin',
  });
  const holders = [team.id, partner.id, ada];
  for (const [at, account] of accounts.entries())
    await make(request, `/accounts/${account.id}/assignments`, { to: holders[at % holders.length] });
}

/** Requests to forget people as they can stand, and what was gathered of one. */
export async function makeRequests(request: APIRequestContext) {
  if ((await list(request, '/erasures')).length > 0) return;
  const ask = async (name: string, hold_hours: number) => {
    const { id: contact_id } = await makeContact(request, name);
    const wish = { kind: 'erase', contact_id, reason: 'Asked by letter of 3 November.', hold_hours };
    return (await make(request, '/erasures', wish)).id;
  };
  await ask('Vera', 24);
  const other = await signedIn('dora@example.com');
  const held = await ask('Nils', 48);
  await make(other, `/erasures/${held}/approve`, { note: 'Identity checked.' });
  const done = await ask('Signe', 0);
  await make(other, `/erasures/${done}/approve`, {});
  await other.dispose();
  const { id: contact_id } = await first(request, '/contacts');
  await make(request, '/subject-exports', { contact_id, reason: 'Asked by e-mail.' });
  await forgotten(request, done);
}

/** Waits until a request is carried out: its run looks every half minute whether writes about the person have settled. */
export async function forgotten(request: APIRequestContext, id: string) {
  const look = async () => (await list(request, '/erasures')).find((one) => one.id === id)?.state;
  await expect.poll(look, { timeout: 75_000, intervals: [1_000] }).toBe('done');
}

/** A group, somebody in it, and a key that was used: what the pages of people and access show. */
export async function makePeople(request: APIRequestContext) {
  if ((await list<User>(request, '/users')).some((user) => user.email === 'ada@example.com')) return;
  const { id } = await make(request, '/groups', {
    name: 'Auditors',
    permissions: ['audit.read', 'runs.read'],
  });
  const people = [
    { email: 'ada@example.com', name: 'Ada Okafor', role: 'manager', groups: [id], grants: ['runs.operate'] },
    { email: 'ben@example.com', name: 'Ben Lindqvist', role: 'viewer', groups: [] },
    { email: 'cleo@partner.example', name: 'Cleo Marchetti', role: 'partner', groups: [] },
  ];
  for (const person of people) await make(request, '/users', person);
  const { id: gone } = await first<User>(request, '/users?q=ben@example.com');
  await make(request, `/users/${gone}/deactivate`, {});
  const permissions = ['records.read', 'runs.read', 'connections.read'];
  const { secret } = await make<{ secret: string }>(request, '/keys', {
    name: 'Nightly export',
    permissions,
  });
  // Calls of a program carry no cookie.
  for (const path of ['/accounts', '/accounts', '/runs']) {
    const used = await fetch(new URL(`/api/v1${path}`, process.env.SYNCLINE_URL), {
      headers: { Authorization: `Bearer ${secret}` },
    });
    expect(used.status).toBe(200);
  }
}

/** One pixel. */
const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

/** A brand with a logo, domains, a provider and another tenant with quotas: what the pages of an organization show. */
export async function makeOrganisation(request: APIRequestContext) {
  const tenants = await list<Item & { name: string }>(request, '/tenants');
  if (tenants.some((tenant) => tenant.name === 'Northwind Harbour')) return;
  const colours = { accent: '#7a1f5c', on_accent: '#ffffff', background: '#fbf7fa', foreground: '#241a21' };
  const brand = await make<Item>(request, '/brands', { name: 'Harbour', is_default: true, ...colours });
  const logo = await request.put(`/api/v1/brands/${brand.id}/logo`, {
    headers: { ...OURS, 'Content-Type': 'application/octet-stream' },
    data: Buffer.from(PIXEL, 'base64'),
  });
  expect(logo.ok(), await logo.text()).toBe(true);
  await make(request, '/brands', {
    name: 'Harbour Partners',
    domain: 'partners.example.com',
    ...colours,
    accent: '#0b5d4b',
  });
  for (const host of ['portal.example.com', 'bücher.example']) await make(request, '/domains', { host });
  await make(request, '/identity-providers', {
    name: 'Company directory',
    oidc: { issuer: 'https://id.example.com', client_id: 'syncline', client_secret: 'not shown again' },
    email_domains: ['example.com'],
    provision: true,
    default_role: 'viewer',
    role_rules: [{ value: 'operations', role: 'operator' }],
    ceiling: 'operator',
  });
  const { tenant } = await make<{ tenant: Item }>(request, '/tenants', {
    name: 'Northwind Harbour',
    environment: 'production',
    admin: { email: 'first.admin@northwind.example', name: 'Dina Petrova' },
  });
  const quotas = await request.get(`/api/v1/tenants/${tenant.id}/quotas`);
  const set = await request.put(`/api/v1/tenants/${tenant.id}/quotas`, {
    headers: { ...OURS, 'If-Match': quotas.headers().etag ?? '' },
    data: { records: 5_000, connections: 0, storage: 20_000_000, calls_per_day: null },
  });
  expect(set.ok(), await set.text()).toBe(true);
}

/** Decides a conflict for the hub's value. */
export async function decide(request: APIRequestContext, conflict: Conflict) {
  const decided = await request.post(`/api/v1/conflicts/${conflict.id}/resolve`, {
    headers: { ...OURS, 'If-Match': `"${conflict.version}"` },
    data: { choice: 'core', note: 'Checked with the customer.' },
  });
  expect(decided.ok(), await decided.text()).toBe(true);
}
