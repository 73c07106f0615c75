import { first, list, makeTeam } from './hub.ts';
import { expect, test, visit } from './support.ts';

// A plan that is not true any more is answered with 412, which the browser logs by itself.
test.use({ expected: /\b412\b/ });

test('accounts go from one team to another as the plan says, and their history tells of it', async ({
  page,
}) => {
  const from = await makeTeam(page.request, 3);
  const to = await makeTeam(page.request, 0);
  const [account] = await list(page.request, `/accounts?assigned_to=${from.id}`);

  await visit(page, `/teams/${from.id}`);
  await page.getByRole('link', { name: 'Transfer', exact: true }).click();
  await expect(page.getByRole('combobox', { name: 'From' })).toHaveValue(`${from.name} · team`);
  const plan = page.getByRole('button', { name: 'Show the plan' });
  await expect(plan).toBeDisabled();
  await page.getByRole('combobox', { name: 'To' }).fill(`${to.name}`);
  await page.getByRole('option', { name: `${to.name} · team` }).click();
  await plan.click();

  const dialog = page.getByRole('dialog', { name: 'Transfer to another' });
  await expect(dialog).toContainText(`3 accounts go from ${from.name} to ${to.name}.`);
  await expect(dialog).toContainText('3 assignments end.');
  await dialog.getByRole('button', { name: 'Transfer 3 accounts' }).click();
  await expect(page.getByText(`Transferred from ${from.name} to ${to.name}: 3 accounts.`)).toBeVisible();
  await page.getByRole('link', { name: 'See these accounts' }).click();
  await expect(page.getByText('3 accounts', { exact: true })).toBeVisible();

  await visit(page, `/accounts/${account?.id}`);
  await expect(page.getByRole('link', { name: `${to.name}` })).toBeVisible();
  await page.getByRole('button', { name: /^Show \d+ who did before/ }).click();
  await expect(page.getByRole('link', { name: `${from.name}` })).toBeVisible();
});

test('a plan that is not true any more is not carried out, but made again', async ({ page }) => {
  const from = await makeTeam(page.request, 2);
  const to = await makeTeam(page.request, 0);
  await visit(page, `/assignments?from=${from.id}&to=${to.id}`);
  await page.getByRole('button', { name: 'Show the plan' }).click();
  const dialog = page.getByRole('dialog', { name: 'Transfer to another' });
  await expect(dialog).toContainText('2 accounts go');
  // Meanwhile somebody else ends one of them.
  const { id: account } = await first(page.request, `/accounts?assigned_to=${from.id}`);
  const assignments = await list(page.request, `/accounts/${account}/assignments`);
  const one = assignments.find((assignment) => assignment.holder_id === from.id);
  const ended = await page.request.delete(`/api/v1/accounts/${account}/assignments/${one?.id}`, {
    headers: { Origin: new URL(page.url()).origin },
  });
  expect(ended.ok(), await ended.text()).toBe(true);

  await dialog.getByRole('button', { name: 'Transfer 2 accounts' }).click();
  await expect(dialog.getByRole('alert')).toContainText('plan again');
  await dialog.getByRole('button', { name: 'Plan again' }).click();
  await expect(dialog).toContainText('1 account goes');
  await dialog.getByRole('button', { name: 'Transfer 1 account' }).click();
  await expect(page.getByText(`Transferred from ${from.name} to ${to.name}: 1 account.`)).toBeVisible();
});
test('accounts are chosen from the list without a mouse', async ({ page }) => {
  const to = await makeTeam(page.request, 0);
  await visit(page, `/assignments?deed=assign&way=ticked&to=${to.id}`);
  const boxes = page.getByRole('checkbox', { name: /^Choose / });
  await boxes.first().focus();
  await page.keyboard.press('Space');
  await boxes.nth(1).focus();
  await page.keyboard.press('Space');
  await expect(page.getByText('2 accounts chosen')).toBeVisible();
  await page.getByRole('button', { name: 'Show the plan' }).focus();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: 'Assign to somebody' });
  const act = dialog.getByRole('button', { name: 'Assign 2 accounts' });
  await expect(act).toBeVisible();
  await act.focus();
  await page.keyboard.press('Enter');
  await expect(page.getByText(`Assigned to ${to.name}: 2 accounts.`)).toBeVisible();
});
