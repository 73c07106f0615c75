import { makeConflict, quietAccounts } from './hub.ts';
import { expect, signIn, test, violations, visit } from './support.ts';

/** A write waits for its run and the system's answer. */
const PATIENCE = 60_000;

test('from the sign-in to an edit that has arrived in the other system', async ({ browser, baseURL }) => {
  const context = await browser.newContext({
    baseURL,
    viewport: { width: 1440, height: 900 },
    storageState: undefined,
  });
  const page = await context.newPage();

  await page.goto('/connections');
  await expect(page).toHaveURL(/\/sign-in\?next=/);
  await signIn(page);
  await expect(page.getByRole('heading', { level: 1, name: 'Connections' })).toBeVisible();

  await page.getByRole('link', { name: 'Overview', exact: true }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'Overview' })).toBeFocused();
  const flows = page.getByRole('table', { name: 'Flows' });
  await expect(flows.getByRole('row')).not.toHaveCount(1);

  await flows
    .getByRole('link', { name: /· Account$/ })
    .first()
    .click();
  await page.getByRole('button', { name: 'Test connection' }).click();
  await expect(page.getByText(/It works\. Answered in/)).toBeVisible();

  await page.getByRole('button', { name: 'Pull now: Account' }).click();
  await expect(page).toHaveURL(/\/runs\/run_/);
  await expect(
    page
      .getByRole('main')
      .getByText(/^(Succeeded|Partial)$/)
      .first(),
  ).toBeVisible({ timeout: PATIENCE });
  await expect(page.getByRole('region', { name: 'Steps' }).getByRole('button')).not.toHaveCount(0);
  expect(await violations(page)).toEqual([]);

  // One that nobody has to decide about, so that the edit goes straight out.
  const [account] = await quietAccounts(page.request);
  if (!account) throw new Error('every account has a conflict or a write under way');

  await page.getByRole('link', { name: 'Accounts', exact: true }).click();
  await page.getByRole('searchbox', { name: 'Find an account' }).fill(account.name);
  await expect(page).toHaveURL(/[?&]q=/);
  await page
    .getByRole('table', { name: 'Accounts' })
    .getByRole('link', { name: account.name, exact: true })
    .first()
    .click();
  await expect(page.getByRole('heading', { level: 1, name: account.name })).toBeFocused();

  await page.getByRole('button', { name: 'Why: Name', exact: true }).click();
  await expect(page.getByRole('link', { name: 'Open run' }).first()).toBeVisible();

  const phone = `+1 555 01${String(Date.now() % 100_000).padStart(5, '0')}`;
  const row = page
    .getByRole('row')
    .filter({ has: page.getByRole('rowheader', { name: 'Phone', exact: true }) });
  await row.hover();
  await row.getByRole('button', { name: 'Edit Phone' }).click();
  await page.getByRole('textbox', { name: 'Phone', exact: true }).fill(phone);
  await page.keyboard.press('Enter');
  await expect(page.getByText('Saved: Phone')).toBeVisible();
  // The core has it at once, the other system when the write has been answered: then no mark is left.
  await expect(row.getByRole('cell').nth(0)).toContainText(phone);
  await expect(row.getByRole('cell').nth(1)).toHaveText(phone, { timeout: PATIENCE });

  const timeline = page.getByRole('listitem').filter({ hasText: phone });
  await expect(timeline.first()).toBeVisible();
  expect(await violations(page)).toEqual([]);
  await context.close();
});

test('a conflict is decided with a key and a note', async ({ page }) => {
  const conflict = await makeConflict(page.request);
  await visit(page, `/conflicts?id=${conflict.id}`);
  await page.keyboard.press('1');
  await expect(page.getByRole('radio', { checked: true })).toHaveCount(1);
  await page.getByRole('textbox', { name: 'Note' }).fill('Checked with the customer.');
  await page.getByRole('button', { name: 'Keep the core’s value' }).click();
  await expect(page.getByText(`Resolved: ${conflict.entity_name}`)).toBeVisible();
  const resolved = await page.request.get(`/api/v1/conflicts/${conflict.id}`);
  expect((await resolved.json()).state).toBe('resolved');
});

test('an answer that is no data is an error with a way on, not a broken page', async ({ page }) => {
  await page.route('**/api/v1/runs/run_missing', (route) =>
    route.fulfill({ status: 200, contentType: 'text/html', body: '<html></html>' }),
  );
  await page.goto('/runs/run_missing');
  await expect(page.getByRole('alert')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Try again' })).toBeVisible();
});

test.describe('when live changes stop', () => {
  test.use({ expected: /net::ERR_FAILED/ });

  test('the page says so', async ({ page }) => {
    await page.route('**/api/v1/events', (route) => route.abort());
    await page.clock.install();
    await page.goto('/');
    await expect(page.getByRole('heading', { level: 1, name: 'Overview' })).toBeVisible();
    await page.clock.runFor(20_000);
    await expect(page.getByText(/Live changes stopped/)).toBeVisible();
  });
});
