import type { Page } from '@playwright/test';
import { first, list, PASSWORD } from './hub.ts';
import { expect, OVERLAY, test, violations, visit } from './support.ts';

/** Every screen with its address. */
const SCREENS: Record<string, (page: Page) => Promise<string>> = {
  overview: async () => '/',
  connections: async () => '/connections',
  'new connection': async () => '/connections/new',
  connection: (page) => one(page, '/connections'),
  mappings: async () => '/mappings',
  mapping: (page) => one(page, '/mappings'),
  'mapping text': (page) => one(page, '/mappings', '?tab=text'),
  'mapping versions': (page) => one(page, '/mappings', '?tab=versions'),
  schedules: async () => '/schedules',
  'new schedule': async () => '/schedules/new',
  schedule: (page) => one(page, '/schedules'),
  runs: async () => '/runs',
  'no runs': async () => '/runs?key=nothing',
  run: (page) => one(page, '/runs?state=succeeded'),
  accounts: async () => '/accounts',
  'no accounts': async () => '/accounts?q=zzzzzzzz',
  account: (page) => one(page, '/accounts'),
  'account timeline': (page) => one(page, '/accounts', '?tab=timeline'),
  contacts: async () => '/contacts',
  contact: (page) => one(page, '/contacts'),
  conflicts: async () => '/conflicts',
  'resolved conflicts': async () => '/conflicts?state=resolved',
  matches: async () => '/matches',
  match: (page) => of(page, '/matches?state=open', (id) => `/matches?id=${id}`),
  'no matches': async () => '/matches?state=gone',
  'how one signs in': async () => '/security',
  users: async () => '/users',
  'no users': async () => '/users?q=zzzzzzzz',
  'new user': async () => '/users/new',
  user: (page) => one(page, '/users?q=ada@example.com'),
  'user sign-in': (page) => one(page, '/users?state=active', '?tab=sign-in'),
  'user trail': (page) => one(page, '/users?q=ada@example.com', '?tab=trail'),
  groups: async () => '/groups',
  'new group': async () => '/groups/new',
  group: (page) => one(page, '/groups'),
  roles: async () => '/roles',
  'user accounts': (page) => one(page, '/users?q=ada@example.com', '?tab=accounts'),
  teams: async () => '/teams',
  'new team': async () => '/teams/new',
  team: (page) => one(page, '/teams'),
  partners: async () => '/partners',
  'new partner': async () => '/partners/new',
  partner: (page) => one(page, '/partners'),
  'new partner user': async () => '/users/new?role=partner',
  transfer: (page) => of(page, '/teams', (id) => `/assignments?from=${id}`),
  'transfer by choice': async () => '/assignments?deed=assign&way=ticked',
  'account holders': (page) => one(page, '/accounts', '?tab=holders'),
  erasures: async () => '/erasures',
  'no erasures': async () => '/erasures?state=refused',
  'new erasure': (page) => of(page, '/contacts', (id) => `/erasures/new?contact=${id}`),
  'erasure to approve': (page) => erasure(page, 'asked'),
  'erasure carried out': (page) => erasure(page, 'done'),
  'copies of data': async () => '/subject-exports',
  'personal data': async () => '/personal-data',
  retention: async () => '/retention',
  keys: async () => '/keys',
  'new key': async () => '/keys/new',
  key: (page) => one(page, '/keys'),
  audit: async () => '/audit',
  'no audit': async () => '/audit?action=nothing',
  'security rules': async () => '/security-rules',
  usage: async () => '/usage',
  'identity providers': async () => '/identity-providers',
  'new provider': async () => '/identity-providers/new',
  'new SAML provider': async () => '/identity-providers/new?kind=saml',
  'new Microsoft provider': async () => '/identity-providers/new?kind=microsoft',
  'identity provider': (page) => one(page, '/identity-providers'),
  domains: async () => '/domains',
  'new domain': async () => '/domains/new',
  domain: (page) => one(page, '/domains'),
  'no domain': async () => `/domains/dom_${'0'.repeat(32)}`,
  brands: async () => '/brands',
  'new brand': async () => '/brands/new',
  brand: (page) => one(page, '/brands'),
  tenants: async () => '/tenants',
  'no tenants': async () => '/tenants?q=zzzzzzzz',
  'new tenant': async () => '/tenants/new',
  tenant: (page) => one(page, '/tenants'),
  'not found': async () => '/no/such/page',
  notices: async () => '/licenses',
};

/** Those before the console. */
const GATES = ['/sign-in', '/forgot-password', '/set-password', '/set-password#token'];

async function one(page: Page, list: string, search = ''): Promise<string> {
  const [path = list] = list.split('?');
  const { id } = await first(page.request, list);
  return `${path}/${id}${search}`;
}

async function of(page: Page, list: string, address: (id: string) => string): Promise<string> {
  return address((await first(page.request, list)).id);
}

async function erasure(page: Page, state: string): Promise<string> {
  const found = (await list(page.request, '/erasures')).find((one) => one.state === state);
  return `/erasures/${found?.id}`;
}

for (const theme of ['light', 'dark'] as const) {
  test.describe(`${theme} theme`, () => {
    test.use({ colorScheme: theme });

    for (const [name, address] of Object.entries(SCREENS)) {
      test(`axe finds nothing on: ${name}`, async ({ page }, info) => {
        await visit(page, await address(page));
        expect(await violations(page)).toEqual([]);
        const sideways = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        expect(sideways, 'pixels to scroll sideways').toBeLessThanOrEqual(0);
        await page.screenshot({ path: info.outputPath(`${name}.png`) });
      });
    }

    for (const address of GATES) {
      test(`axe finds nothing on: ${address}`, async ({ browser, baseURL }) => {
        const context = await browser.newContext({ baseURL, colorScheme: theme, storageState: undefined });
        const page = await context.newPage();
        await visit(page, address);
        expect(await violations(page)).toEqual([]);
        await context.close();
      });
    }

    test('axe finds nothing on: open overlays', async ({ page }) => {
      await visit(page, '/runs');
      await page.keyboard.press('Control+k');
      await expect(page.getByRole('menu', { name: 'Results' })).toBeVisible();
      expect(await violations(page, OVERLAY)).toEqual([]);
      await page.keyboard.press('Escape');
      await expect(page.getByRole('dialog')).toHaveCount(0);

      await page.keyboard.press('?');
      await expect(page.getByRole('dialog', { name: 'Keys' })).toBeVisible();
      expect(await violations(page, OVERLAY)).toEqual([]);
      await page.keyboard.press('Escape');
      await expect(page.getByRole('dialog')).toHaveCount(0);

      await page.getByRole('button', { name: /State/ }).click();
      await expect(page.getByRole('listbox')).toBeVisible();
      expect(await violations(page, OVERLAY)).toEqual([]);
      await page.keyboard.press('Escape');

      await page.getByRole('button', { name: /^Profile/ }).click();
      await expect(page.getByRole('menu', { name: 'Profile' })).toBeVisible();
      expect(await violations(page, OVERLAY)).toEqual([]);
    });

    test('axe finds nothing on: sheets and dialogs', async ({ page }) => {
      await visit(page, await one(page, '/connections'));
      await page.getByRole('button', { name: 'Edit', exact: true }).click();
      await expect(page.getByRole('dialog', { name: 'Edit' })).toBeVisible();
      expect(await violations(page, OVERLAY)).toEqual([]);
      await page.keyboard.press('Escape');
      await page.getByRole('button', { name: 'Delete', exact: true }).click();
      await expect(page.getByRole('dialog', { name: /^Delete connection/ })).toBeVisible();
      expect(await violations(page, OVERLAY)).toEqual([]);
    });

    for (const [name, email, address] of [
      ['the first page of a partner', 'pia@partner.example', '/'],
      ['the first page of a customer', 'carl@customer.example', '/'],
      ['an organisation', 'cara@customer.example', '/organisation'],
    ] as const) {
      test(`axe finds nothing on: ${name}`, async ({ browser, baseURL }, info) => {
        const { viewport, isMobile, hasTouch } = info.project.use;
        const frame = { viewport, isMobile, hasTouch };
        const context = await browser.newContext({
          baseURL,
          colorScheme: theme,
          storageState: undefined,
          ...frame,
        });
        const page = await context.newPage();
        await page.goto('/sign-in');
        await page.getByLabel('E-mail').fill(email);
        await page.getByLabel('Password').fill(PASSWORD);
        await page.getByRole('button', { name: 'Sign in' }).click();
        await expect(page.getByRole('heading', { level: 1, name: /^Welcome/ })).toBeVisible();
        await visit(page, address);
        expect(await violations(page)).toEqual([]);
        await page.screenshot({ path: info.outputPath(`${name}.png`) });
        await context.close();
      });
    }

    test('axe finds nothing on: dialogs of transfers and erasures', async ({ page }) => {
      const closed = () => expect(page.getByRole('dialog')).toHaveCount(0);
      await visit(page, await of(page, '/teams', (id) => `/assignments?deed=end&from=${id}`));
      await page.getByRole('button', { name: 'Show the plan' }).click();
      await expect(page.getByRole('dialog', { name: 'End assignments' })).toBeVisible();
      expect(await violations(page, OVERLAY)).toEqual([]);
      await page.keyboard.press('Escape');
      await closed();

      await visit(page, await erasure(page, 'asked'));
      await page.getByRole('button', { name: 'Withdraw' }).click();
      await expect(page.getByRole('dialog', { name: 'Withdraw the erasure' })).toBeVisible();
      expect(await violations(page, OVERLAY)).toEqual([]);
    });

    test('axe finds nothing on: dialogs of people and access', async ({ page }) => {
      const closed = () => expect(page.getByRole('dialog')).toHaveCount(0);
      await visit(page, await one(page, '/users?q=ada@example.com'));
      await page.getByRole('button', { name: 'Withdraw invitation' }).click();
      await expect(page.getByRole('dialog', { name: /^Withdraw/ })).toBeVisible();
      expect(await violations(page, OVERLAY)).toEqual([]);
      await page.keyboard.press('Escape');
      await closed();

      await visit(page, await one(page, '/keys'));
      await page.getByRole('button', { name: 'Rotate' }).click();
      await expect(page.getByRole('dialog', { name: /^Rotate key/ })).toBeVisible();
      expect(await violations(page, OVERLAY)).toEqual([]);
      await page.keyboard.press('Escape');
      await closed();

      await visit(page, '/audit?action=invite_user');
      await page.getByRole('button', { name: 'Invite user' }).first().click();
      await expect(page.getByRole('dialog', { name: 'Invite user' })).toBeVisible();
      expect(await violations(page, OVERLAY)).toEqual([]);
      await page.keyboard.press('Escape');
      await closed();
      const who = page.getByRole('combobox', { name: 'Who' });
      await who.click();
      await expect(page.getByRole('listbox')).toBeVisible();
      // React Aria hides the page behind an open combo box without taking it from the keyboard: Tab closes the box first.
      expect(await violations(page, [...OVERLAY, 'aria-hidden-focus'])).toEqual([]);
    });
  });
}

test('the page is asked for again each time, with its content policy; its files are kept', async ({
  page,
  request,
}) => {
  const script = page.waitForResponse((response) => /\/assets\/index-.*\.js$/.test(response.url()));
  const response = await page.goto('/accounts');
  const headers = response?.headers() ?? {};
  expect(headers['content-type']).toBe('text/html; charset=utf-8');
  expect(headers['cache-control']).toBe('no-cache');
  const policy = headers['content-security-policy'] ?? '';
  expect(policy).toContain("default-src 'self'");
  expect(policy).not.toContain('unsafe');

  expect((await script).headers()['cache-control']).toBe('max-age=31536000, immutable');
  const gone = await request.get('/assets/of-another-release.js');
  expect(gone.status()).toBe(404);
  expect(gone.headers()['cache-control']).toBe('no-store');
});
