import { readFileSync } from 'node:fs';
import { forgotten, list, makeContact, PASSWORD, signedIn } from './hub.ts';
import { expect, test, visit } from './support.ts';

test('a person is found by address, forgotten once another approves, and a certificate says so', async ({
  page,
  browser,
  baseURL,
}) => {
  // The run that forgets waits for writes about the person.
  test.slow();
  const contact = await makeContact(page.request, 'Ingrid');
  await visit(page, '/erasures');
  await page.getByRole('link', { name: 'Forget somebody' }).click();
  const { email } = contact.fields;
  await page.getByRole('combobox', { name: 'Person' }).fill(email);
  await page.getByRole('option', { name: /Ingrid Lapsed/ }).click();
  await expect(page.getByText(email)).toBeVisible();
  const plan = page.locator('section', {
    has: page.getByRole('heading', { name: 'What would be destroyed' }),
  });
  await expect(plan.getByText('Contact', { exact: true })).toBeVisible();

  // What is wrong is said at its field, and what was typed stays.
  const reason = page.getByLabel('Reason');
  await page.getByLabel('Hold, in hours').fill('9999');
  await reason.fill('By letter.');
  await page.getByRole('button', { name: 'Ask for erasure' }).click();
  await expect(page.getByText('Between 0 and 720')).toBeVisible();
  await expect(reason).toHaveValue('By letter.');
  await page.getByLabel('Hold, in hours').fill('0');
  await page.getByRole('button', { name: 'Ask for erasure' }).click();

  await expect(page.getByRole('heading', { level: 1, name: 'Request to forget somebody' })).toBeVisible();
  await expect(page.getByText('You asked for it, so somebody else has to approve it.')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Approve' })).toHaveCount(0);
  const id = new URL(page.url()).pathname.split('/').pop() ?? '';

  const context = await browser.newContext({ baseURL, storageState: undefined });
  const other = await context.newPage();
  await other.goto(`/sign-in?next=/erasures/${id}`);
  await other.getByLabel('E-mail').fill('dora@example.com');
  await other.getByLabel('Password').fill(PASSWORD);
  await other.getByRole('button', { name: 'Sign in' }).click();
  await other.getByRole('button', { name: 'Approve' }).click();
  const dialog = other.getByRole('dialog', { name: 'Approve the erasure' });
  await dialog.getByLabel('Note').fill('Identity checked.');
  await dialog.getByRole('button', { name: 'Approve' }).click();
  await expect(other.getByRole('dialog')).toHaveCount(0);
  await context.close();

  await forgotten(page.request, id);
  await expect(page.getByText('Carried out. What was known of the person is destroyed')).toBeVisible();
  await expect(page.getByText('A forgotten person')).toBeVisible();
  const saved = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Save certificate' }).click();
  const text = readFileSync(await (await saved).path(), 'utf8');
  expect(text).toContain('Certificate of erasure');
  expect(text).toContain('Dora Niemi');
  expect(text).toContain('Contact: 1');
  for (const hidden of ['Ingrid', 'Lapsed', email, contact.id]) expect(text).not.toContain(hidden);
});
test('a request is refused by another, and nothing is destroyed', async ({ page }) => {
  const contact = await makeContact(page.request, 'Runa');
  const other = await signedIn('dora@example.com');
  const wish = { kind: 'anonymise', contact_id: contact.id, reason: 'By phone.' };
  const headers = { Origin: new URL(process.env.SYNCLINE_URL ?? '').origin };
  const asked = await (await other.post('/api/v1/erasures', { headers, data: wish })).json();
  await other.dispose();
  await visit(page, `/erasures/${asked.id}`);
  await page.getByRole('button', { name: 'Refuse' }).click();
  const dialog = page.getByRole('dialog', { name: 'Refuse the erasure' });
  await dialog.getByLabel('Note').fill('Not this person.');
  await dialog.getByRole('button', { name: 'Refuse' }).click();
  await expect(page.getByText('Refused: nothing was destroyed.')).toBeVisible();
  await expect(page.getByText('Not this person.')).toBeVisible();
  expect(await list(page.request, `/contacts?q=${contact.fields.email}`)).toHaveLength(1);
});

test('what is known of a person is gathered and handed out as files', async ({ page }) => {
  const contact = await makeContact(page.request, 'Tove');
  await visit(page, `/subject-exports?contact=${contact.id}`);
  await page.getByLabel('Reason').fill(`By e-mail of ${contact.fields.email}.`);
  await page.getByRole('button', { name: 'Gather it' }).click();
  const item = page.getByRole('listitem').filter({ hasText: contact.fields.email });
  await expect(item.getByText('Ready')).toBeVisible();
  for (const [kind, told] of [
    ['JSON', '"first_name": "Tove"'],
    ['CSV', '"contact.first_name","Tove"'],
  ] as const) {
    const saved = page.waitForEvent('download');
    await item.getByRole('button', { name: kind }).click();
    expect(readFileSync(await (await saved).path(), 'utf8')).toContain(told);
  }
});

test('how long things are kept is changed, and what that destroys is said first', async ({ page }) => {
  await visit(page, '/retention');
  const days = String(400 + Math.floor(Math.random() * 400));
  const previews = page.getByLabel('Previews of mappings');
  await previews.fill('0');
  await page.getByRole('button', { name: 'Save rules' }).click();
  await expect(page.getByText('Between 1 and 36,500')).toBeVisible();
  await previews.fill(days);
  await page.getByRole('button', { name: 'Save rules' }).click();
  await expect(page.getByText('Rules of retention saved')).toBeVisible();
  await previews.fill('30');
  await expect(page.getByText(/Kept shorter than before: Previews of mappings/)).toBeVisible();
  await page.reload();
  await expect(previews).toHaveValue(days);
});
