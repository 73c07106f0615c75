import { readFileSync } from 'node:fs';
import { test as base, expect, type Page } from '@playwright/test';

const axe = readFileSync(new URL('node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/** A test that also fails on any error in the browser's console, broken content policies among them. */
export const test = base.extend<{ expected: RegExp; quiet: undefined }>({
  /** Messages that a test brings about on purpose. */
  expected: [/(?!)/, { option: true }],
  quiet: [
    async ({ page, expected }, use) => {
      const heard: string[] = [];
      page.on('pageerror', (error) => heard.push(String(error)));
      page.on('console', (message) => {
        // Asking who is signed in is answered with 401 when nobody is; the browser logs that by itself.
        const isExpected =
          message.location().url.endsWith('/api/v1/session') && /\b401\b/.test(message.text());
        if (message.type() === 'error' && !isExpected && !expected.test(message.text()))
          heard.push(message.text());
      });
      await use(undefined);
      expect(heard, 'errors in the console').toEqual([]);
    },
    { auto: true },
  ],
});

/** Fills in the sign-in that is open. */
export async function signIn(page: Page) {
  const { SYNCLINE_EMAIL: email = '', SYNCLINE_PASSWORD: password = '' } = process.env;
  await signInAs(page, email, password);
}

export async function signInAs(page: Page, email: string, password: string) {
  await page.getByLabel('E-mail').fill(email);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL((url) => url.pathname !== '/sign-in');
}

/** What axe finds, a line each. Some rules do not fit open overlays; the tests that open one name them. */
export async function violations(page: Page, without: readonly string[] = []): Promise<string[]> {
  await page.evaluate(axe);
  return page.evaluate(
    async ({ tags, off }) => {
      type Node = { html: string; failureSummary?: string };
      type Axe = {
        run: (root: Document, options: object) => Promise<{ violations: { id: string; nodes: Node[] }[] }>;
      };
      const rules = Object.fromEntries(off.map((rule) => [rule, { enabled: false }]));
      const { axe: found } = globalThis as unknown as { axe: Axe };
      const result = await found.run(document, { runOnly: tags, rules });
      return result.violations.map(
        ({ id, nodes }) => `${id}: ${nodes[0]?.html.slice(0, 200)} ${nodes[0]?.failureSummary}`,
      );
    },
    { tags: TAGS, off: [...without] },
  );
}

/**
 * Overlays live outside the landmarks, the page behind them is inert with its title, and the palette's list is moved
 * through from its search field.
 */
export const OVERLAY = ['region', 'landmark-one-main', 'page-has-heading-one', 'scrollable-region-focusable'];

/** Opens an address and waits until its data stands there. */
export async function visit(page: Page, path: string) {
  await page.goto(path);
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  await expect(page.getByRole('status', { name: /loading/ })).toHaveCount(0);
}

export { expect };
