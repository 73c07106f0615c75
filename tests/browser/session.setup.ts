import { expect, test as setup } from '@playwright/test';
import {
  decide,
  list,
  makeConflict,
  makeHolders,
  makeMatch,
  makeOrganisation,
  makePeople,
  makeRequests,
} from './hub.ts';
import { signIn } from './support.ts';

setup('sign in, and make sure that every screen has something to show', async ({ page }) => {
  await page.goto('/sign-in');
  await signIn(page);
  await expect(page.getByRole('heading', { level: 1, name: 'Overview' })).toBeVisible();
  await page.context().storageState({ path: 'test-results/session.json' });

  await decide(page.request, await makeConflict(page.request));
  await makeConflict(page.request);
  await makeMatch(page.request);
  await makePeople(page.request);
  await makeOrganisation(page.request);
  await makeHolders(page.request);
  await makeRequests(page.request);
  const needed = [
    '/connections',
    '/schedules',
    '/mappings',
    '/contacts',
    '/runs?state=succeeded',
    '/conflicts?state=open',
    '/conflicts?state=resolved',
    '/matches?state=open',
  ];
  for (const path of needed) {
    await expect.poll(async () => (await list(page.request, path)).length, path).toBeGreaterThan(0);
  }
});
