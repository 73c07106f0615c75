import { expect, test as setup } from '@playwright/test';
import { signIn } from './support.ts';

setup('sign in', async ({ page }) => {
  await page.goto('/sign-in');
  await signIn(page);
  await expect(page.getByRole('heading', { level: 1, name: 'Overview' })).toBeVisible();
  await page.context().storageState({ path: 'test-results/session.json' });
});
