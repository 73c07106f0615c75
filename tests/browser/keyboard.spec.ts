import { expect, test, visit } from './support.ts';

test('the first stop is the way past the frame', async ({ page }) => {
  await visit(page, '/');
  await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
  await page.keyboard.press('Tab');
  await expect(page.getByRole('button', { name: 'Skip to content' })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('main')).toBeFocused();
});

test('a record is found, read and edited without a mouse', async ({ page }) => {
  await visit(page, '/');
  await page.keyboard.press('g');
  await page.keyboard.press('a');
  await expect(page.getByRole('heading', { level: 1, name: 'Accounts' })).toBeFocused();
  await expect(page.getByRole('table', { name: 'Accounts' }).getByRole('link').first()).toBeVisible();
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  const second = page.locator('[data-row="1"] a').first();
  await expect(second).toBeFocused();
  const name = await second.innerText();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { level: 1, name })).toBeFocused();

  await expect(page.getByRole('table', { name: 'Fields' })).toBeVisible();
  await page.keyboard.press('j');
  await expect(page.locator('[data-field="0"] [aria-expanded]')).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.locator('[data-field="0"] [aria-expanded="true"]')).toBeFocused();
  await page.keyboard.press('e');
  await expect(page.locator('[data-field="0"]').getByRole('textbox')).toBeFocused();
  await page.keyboard.press('Escape');
  await expect(page.locator('[data-field="0"]').getByRole('textbox')).toHaveCount(0);
});

test('the palette goes anywhere', async ({ page }) => {
  await visit(page, '/');
  await page.keyboard.press('Control+k');
  await expect(page.getByRole('searchbox', { name: /Find a page/ })).toBeFocused();
  await page.keyboard.type('sched');
  await expect(page.getByRole('menuitem').first()).toContainText('Schedules');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { level: 1, name: 'Schedules' })).toBeVisible();
});

test('the keys are on one sheet', async ({ page }) => {
  await visit(page, '/runs');
  await page.keyboard.press('?');
  await expect(page.getByRole('dialog', { name: 'Keys' })).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toHaveCount(0);
});

test('a filter is chosen with arrows and stays in the address', async ({ page }) => {
  await visit(page, '/runs');
  await page.getByRole('button', { name: /State/ }).focus();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('listbox')).toBeVisible();
  await page.keyboard.type('Succ');
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/state=succeeded/);
  await page.reload();
  await expect(page.getByRole('button', { name: /Succeeded.*State|State.*Succeeded/ })).toBeVisible();
});

test('who changed a user is found in the audit trail without a mouse', async ({ page }) => {
  await visit(page, '/');
  await page.keyboard.press('g');
  await page.keyboard.press('t');
  await expect(page.getByRole('heading', { level: 1, name: 'Audit trail' })).toBeFocused();
  await page.getByRole('combobox', { name: 'Action' }).focus();
  await page.keyboard.type('Invite');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/action=invite_user/);
  const first = page.locator('[data-row="0"] button').first();
  await expect(first).toHaveText('Invite user');
  await page.getByRole('region', { name: 'Audit trail' }).focus();
  await page.keyboard.press('j');
  await expect(first).toBeFocused();
  await page.keyboard.press('Enter');
  const sheet = page.getByRole('dialog', { name: 'Invite user' });
  await expect(sheet.getByText('email')).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(sheet).toHaveCount(0);
  await expect(first).toBeFocused();
});
