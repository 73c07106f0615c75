import { SamlProvider } from './saml.ts';
import { expect, test, violations, visit } from './support.ts';

/** One that no other run of these tests has used. */
const mark = Date.now().toString(36);

test.describe('an identity provider that speaks SAML', () => {
  // What is refused on purpose is logged by the browser.
  test.use({ expected: /\b(401|403|409|422)\b/ });

  test('is added by its metadata, tried, enabled, and lets somebody in', async ({
    page,
    browser,
    baseURL,
  }) => {
    const provider = await SamlProvider.start();
    const name = `Registry ${mark}`;
    try {
      await visit(page, '/identity-providers/new?kind=saml');
      await page.getByRole('textbox', { name: 'Name' }).first().fill(name);
      await page.getByLabel('Metadata of the provider').fill(provider.metadata);
      await page.getByText('Trust its addresses, verified or not').click();
      await page.getByText('Make users who are not there yet').click();
      await page.getByRole('button', { name: /^None.*Role where|Role where.*None/ }).click();
      await page.getByRole('option', { name: 'Read-only' }).click();
      // It has no address for signing out.
      await page.getByText('Whoever signs out here is signed out there too').click();
      const added = page.waitForResponse((answer) => answer.request().method() === 'POST');
      await page.getByRole('button', { name: 'Add provider' }).click();
      if ((await added).status() === 409) {
        // A hub that was built without the libraries of C says so, and that is all it can do.
        await expect(page.getByRole('alert').filter({ hasText: 'does not speak SAML' })).toBeVisible();
        return;
      }
      await expect(page.getByRole('alert').filter({ hasText: 'signing out' })).toBeVisible();
      await page.getByText('Whoever signs out here is signed out there too').click();
      await page.getByRole('button', { name: 'Add provider' }).click();
      await expect(page.getByRole('heading', { level: 1, name })).toBeFocused();
      await expect(page.getByText('Not tested', { exact: true })).toBeVisible();
      const { origin } = new URL(baseURL ?? '');
      const id = new URL(page.url()).pathname.split('/').pop();
      await expect(page.getByText(`${origin}/api/v1/sso/${id}/slo`)).toBeVisible();

      const tryIt = async () => {
        await page.getByRole('button', { name: 'Test sign-in' }).click();
        await page.getByRole('dialog').getByRole('button', { name: 'Go there' }).click();
        await page.waitForURL(/\/identity-providers\/idp_/);
        return page.locator('section', { has: page.getByRole('heading', { name: 'Last test sign-in' }) });
      };
      provider.says({ email: 'no address' });
      const refused = await tryIt();
      await expect(refused.getByText('This sign-in would be refused')).toBeVisible();
      await expect(page.getByText('Test failed', { exact: true })).toBeVisible();
      provider.says({});
      const accepted = await tryIt();
      await expect(accepted.getByText('This person would be let in')).toBeVisible();
      await expect(accepted).toContainText('ada-at-saml');
      await expect(accepted).toContainText('night watch, ops');
      await expect(accepted).toContainText('Read-only');
      expect(await violations(page)).toEqual([]);

      await page.getByRole('button', { name: 'Enable', exact: true }).click();
      const enable = page.getByRole('dialog', { name: `Let people in from ${name}` });
      await enable.getByRole('button', { name: 'Enable' }).click();
      await expect(page.getByText('Lets people in', { exact: true })).toBeVisible();

      const other = await browser.newContext({ baseURL, storageState: undefined });
      const stranger = await other.newPage();
      const { tenant } = await (await page.request.get('/api/v1/session')).json();
      await stranger.goto(`/sign-in?tenant=${tenant.id}`);
      await stranger.getByRole('button', { name: `Sign in with ${name}` }).click();
      await stranger.waitForURL((url) => url.pathname === '/');
      await stranger.getByRole('button', { name: 'Profile: Ada Okafor' }).click();
      await expect(stranger.getByText('ada.saml@example.com')).toBeVisible();
      expect(provider.asked.at(-1)).toEqual({ isAnew: false });

      // Long after, something sensitive asks who one is: there is no password, so the provider is asked again.
      let isProven = false;
      await stranger.route('**/api/v1/factors/totp', async (route) => {
        if (isProven) return route.continue();
        const problem = { type: '/problems/step-up-required', title: 'Again', status: 403, detail: 'again' };
        return route.fulfill({ status: 403, contentType: 'application/problem+json', json: problem });
      });
      await stranger.goto('/security');
      await stranger.getByRole('button', { name: 'Set up' }).first().click();
      const proof = stranger.getByRole('dialog', { name: 'Show that it is you' });
      await proof.getByRole('button', { name: `Go to ${name}` }).click();
      await expect.poll(() => provider.asked.at(-1)).toEqual({ isAnew: true });
      isProven = true;
      await stranger.waitForURL((url) => url.pathname === '/security');
      // Others do the same meanwhile.
      const { user } = await (await stranger.request.get('/api/v1/session')).json();
      const noted = await page.request.get(`/api/v1/audit?action=step_up&actor=${user.id}`);
      expect((await noted.json()).items[0].after).toEqual({ by: 'provider' });
      await stranger.getByRole('button', { name: 'Set up' }).first().click();
      await expect(stranger.getByRole('dialog', { name: 'Authenticator app' })).toBeVisible();
      await other.close();

      await page.getByRole('button', { name: 'Disable', exact: true }).click();
      await page.getByRole('dialog').getByRole('button', { name: 'Disable' }).click();
      await expect(page.getByText('Tested, off', { exact: true })).toBeVisible();
      await page.getByRole('button', { name: 'Delete', exact: true }).click();
      await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
      await expect(page.getByRole('heading', { level: 1, name: 'Identity providers' })).toBeVisible();
    } finally {
      await provider.stop();
    }
  });
});
