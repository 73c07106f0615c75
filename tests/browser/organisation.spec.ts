import type { Page } from '@playwright/test';
import { Provider } from './provider.ts';
import { expect, OVERLAY, signInAs, test, violations, visit } from './support.ts';

/** One that no other run of these tests has used. */
const mark = Date.now().toString(36);

/** Shows who one is, where that is asked for. */
async function prove(page: Page) {
  const asked = page.getByRole('dialog', { name: 'Show that it is you' });
  const { SYNCLINE_PASSWORD: password = '' } = process.env;
  await asked.getByLabel('Password').fill(password);
  await asked.getByRole('button', { name: 'Go on' }).click();
}

test.describe('an identity provider', () => {
  // What is refused on purpose is logged by the browser.
  test.use({ expected: /\b(401|403|409|422)\b/ });

  test('is added, tried, corrected, enabled, and lets somebody in', async ({ page, browser, baseURL }) => {
    const provider = await Provider.start();
    const name = `Directory ${mark}`;
    try {
      await visit(page, '/identity-providers');
      await page.getByRole('link', { name: 'New provider' }).first().click();
      await expect(page.getByRole('heading', { level: 1, name: 'New provider' })).toBeFocused();
      await expect(page.getByText(`${new URL(baseURL ?? '').origin}/api/v1/sso/callback`)).toBeVisible();
      await page.getByRole('textbox', { name: 'Name' }).first().fill(name);
      await page.getByLabel('Issuer').fill(`${provider.issuer}?not=an-issuer`);
      await page.getByLabel('Client id').fill('hub');
      await page.getByText('Make users who are not there yet').click();
      await page.getByRole('button', { name: /^None.*Role where|Role where.*None/ }).click();
      await page.getByRole('option', { name: 'Read-only' }).click();
      await page.getByRole('button', { name: 'Add provider' }).click();
      await expect(page.getByRole('alert').filter({ hasText: 'issuer' })).toBeVisible();
      // What was typed is still there.
      await expect(page.getByLabel('Client id')).toHaveValue('hub');
      await page.getByLabel('Issuer').fill(provider.issuer);
      await page.getByRole('button', { name: 'Add provider' }).click();
      await expect(page.getByRole('heading', { level: 1, name })).toBeFocused();
      await expect(page.getByText('Not tested', { exact: true })).toBeVisible();

      // It cannot be enabled before it was tried; the reason stands where the choice is.
      await page.getByRole('button', { name: 'Enable', exact: true }).click();
      const enable = page.getByRole('dialog', { name: `Let people in from ${name}` });
      await enable.getByRole('button', { name: 'Enable' }).click();
      await expect(enable.getByRole('alert')).toContainText('Try it first', { ignoreCase: true });
      expect(await violations(page, OVERLAY)).toEqual([]);
      await page.keyboard.press('Escape');

      const tryIt = async () => {
        await page.getByRole('button', { name: 'Test sign-in' }).click();
        await page.getByRole('dialog').getByRole('button', { name: 'Go there' }).click();
        await page.waitForURL(/\/identity-providers\/idp_/);
        return page.locator('section', { has: page.getByRole('heading', { name: 'Last test sign-in' }) });
      };
      provider.says({ email_verified: false });
      const refused = await tryIt();
      await expect(refused.getByText('This sign-in would be refused')).toBeVisible();
      await expect(refused).toContainText('verified');
      await expect(page.getByText('Test failed', { exact: true })).toBeVisible();

      provider.says({});
      const accepted = await tryIt();
      await expect(accepted.getByText('This person would be let in')).toBeVisible();
      await expect(accepted).toContainText('night watch, ops');
      await expect(accepted).toContainText('Read-only');
      expect(await violations(page)).toEqual([]);

      await page.getByRole('button', { name: 'Enable', exact: true }).click();
      await enable.getByRole('button', { name: 'Enable' }).click();
      await expect(page.getByText('Lets people in', { exact: true })).toBeVisible();

      const other = await browser.newContext({ baseURL, storageState: undefined });
      const stranger = await other.newPage();
      // An address that several tenants share names none of them.
      const { tenant } = await (await page.request.get('/api/v1/session')).json();
      await stranger.goto(`/sign-in?tenant=${tenant.id}`);
      await stranger.getByRole('button', { name: `Sign in with ${name}` }).click();
      await stranger.waitForURL((url) => url.pathname === '/');
      await stranger.getByRole('button', { name: 'Profile: Ada Okafor' }).click();
      await expect(stranger.getByText('ada.there@example.com')).toBeVisible();
      // Read-only people find nothing here to set up.
      await stranger.goto('/identity-providers');
      await expect(stranger.getByText('You may not see this page')).toBeVisible();
      await other.close();

      // Without a fallback admin nobody could get in when the provider does not work.
      await visit(page, '/identity-providers');
      await page.getByText('Only identity providers let people in').click();
      await page.getByRole('button', { name: 'Save who gets in' }).click();
      await expect(page.getByRole('alert').filter({ hasText: 'fallback admin' })).toBeVisible();

      await page.getByRole('link', { name, exact: true }).click();
      await page.getByRole('button', { name: 'Disable', exact: true }).click();
      await page.getByRole('dialog').getByRole('button', { name: 'Disable' }).click();
      await expect(page.getByText('Tested, off', { exact: true })).toBeVisible();
      await page.getByRole('button', { name: 'Delete', exact: true }).click();
      await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
      await expect(page.getByRole('heading', { level: 1, name: 'Identity providers' })).toBeVisible();
      await expect(page.getByRole('link', { name, exact: true })).toHaveCount(0);
    } finally {
      await provider.stop();
    }
  });

  test('is refused to somebody who has not shown who they are for a while, until they do', async ({
    page,
  }) => {
    let isProven = false;
    await page.route('**/api/v1/identity-providers', async (route) => {
      if (route.request().method() !== 'POST' || isProven) return route.continue();
      isProven = true;
      return route.fulfill({
        status: 403,
        contentType: 'application/problem+json',
        body: JSON.stringify({
          type: '/problems/step-up-required',
          title: 'Show that it is you',
          status: 403,
        }),
      });
    });
    await visit(page, '/identity-providers/new?kind=google');
    await page.getByLabel('Client id').fill(`google-${mark}`);
    await page.getByRole('button', { name: 'Add provider' }).click();
    await prove(page);
    await expect(page.getByRole('heading', { level: 1, name: 'Google' })).toBeFocused();
    await page.getByRole('button', { name: 'Delete', exact: true }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await expect(page.getByRole('heading', { level: 1, name: 'Identity providers' })).toBeVisible();
  });
});

test.describe('a domain', () => {
  test.use({ expected: /\b(409|422|502)\b/, permissions: ['clipboard-read', 'clipboard-write'] });

  test('is added by keyboard, its record is copied, looked for in vain, and removed', async ({ page }) => {
    const host = `portal-${mark}.example`;
    await visit(page, '/domains');
    await page.getByRole('link', { name: 'New domain' }).first().focus();
    await page.keyboard.press('Enter');
    await expect(page.getByRole('heading', { level: 1, name: 'New domain' })).toBeFocused();
    await page.keyboard.press('Tab');
    await expect(page.getByRole('textbox', { name: 'Domain' })).toBeFocused();
    await page.keyboard.type('not a domain');
    await page.keyboard.press('Enter');
    await expect(page.getByRole('alert')).toBeVisible();
    await expect(page.getByRole('textbox', { name: 'Domain' })).toHaveValue('not a domain');
    await page.getByRole('textbox', { name: 'Domain' }).fill(host);
    await page.keyboard.press('Enter');
    await expect(page.getByRole('heading', { level: 1, name: host })).toBeFocused();

    await page.getByRole('button', { name: 'Copy Value' }).click();
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    expect(copied).toMatch(/^syncline-domain=/);
    await expect(page.getByText(copied)).toBeVisible();

    // No name server of the world knows a name under .example.
    await page.getByRole('button', { name: 'Look for the record' }).click();
    await expect(page.getByRole('alert')).toContainText('It is not shown to be yours yet', {
      timeout: 30_000,
    });
    expect(await violations(page)).toEqual([]);

    await page.getByRole('button', { name: 'Remove', exact: true }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
    await expect(page.getByRole('heading', { level: 1, name: 'Domains' })).toBeVisible();
    await expect(page.getByRole('link', { name: host })).toHaveCount(0);
  });
});

test.describe('a tenant', () => {
  test.use({ expected: /\b(401|403|409|422)\b/ });

  test('is made, given quotas, suspended and let go on; its first admin comes in by the link', async ({
    page,
    browser,
    baseURL,
  }) => {
    const name = `Harbour ${mark}`;
    const email = `first-${mark}@harbour.example`;
    const password = `a long enough sentence ${mark}`;
    await visit(page, '/tenants/new');
    await page.getByRole('textbox', { name: /^Name(?! of)/ }).fill(name);
    await page.getByLabel('E-mail of its first admin').fill(email);
    await page.getByLabel('Name of its first admin').fill('Dina Petrova');
    await page.getByRole('button', { name: 'Create tenant' }).click();
    const made = page.getByRole('dialog', { name: 'Invitation made' });
    const link = await made.locator('code').innerText();
    await made.getByRole('button', { name: 'Done' }).click();
    await expect(page.getByRole('heading', { level: 1, name })).toBeVisible();

    const other = await browser.newContext({ baseURL, storageState: undefined });
    const admin = await other.newPage();
    await admin.goto(link);
    for (const name of ['password', 'again']) await admin.locator(`input[name=${name}]`).fill(password);
    await admin.getByRole('button', { name: 'Set password' }).click();
    await admin.getByRole('link', { name: 'Sign in' }).click();
    await signInAs(admin, email, password);
    await expect(admin.getByText(name, { exact: true })).toBeVisible();

    await page.getByLabel('Records', { exact: true }).fill('25');
    await page.getByRole('button', { name: 'Save quotas' }).click();
    await expect(page.getByText('of 25', { exact: true })).toBeVisible();
    await admin.goto('/usage');
    await expect(admin.getByText('of 25', { exact: true })).toBeVisible();
    await admin.goto('/tenants');
    await expect(admin.getByText('You may not see this page')).toBeVisible();

    await page.getByRole('button', { name: 'Suspend', exact: true }).click();
    const suspend = page.getByRole('dialog', { name: `Suspend ${name}` });
    expect(await violations(page, OVERLAY)).toEqual([]);
    await suspend.getByLabel('Reason').fill('A test of the console');
    await suspend.getByRole('button', { name: 'Suspend' }).click();
    await expect(page.getByText('Suspended', { exact: true })).toBeVisible();
    await admin.goto('/usage');
    await expect(admin).toHaveURL(/\/sign-in/);

    await page.getByRole('button', { name: 'Resume', exact: true }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Resume' }).click();
    await expect(page.getByText('Active', { exact: true })).toBeVisible();
    await other.close();
  });
});
