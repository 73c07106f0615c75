import { defineConfig } from '@playwright/test';
import { findChromium } from './browser.js';

const launchOptions = {
  executablePath: findChromium(),
  args: [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
};

/** Where the one sign-in that all tests share is kept while they run. */
const storageState = 'test-results/session.json';

export default defineConfig({
  testDir: '.',
  workers: 2,
  timeout: 90_000,
  expect: { timeout: 15_000 },
  // A second try tells a slow machine from a fault; what needed one is named at the end as flaky.
  retries: 1,
  reporter: [['list']],
  use: {
    baseURL: process.env.SYNCLINE_URL,
    browserName: 'chromium',
    launchOptions,
    // Without its film, which takes time in every test; each screen has its own picture.
    trace: { mode: 'retain-on-failure', screenshots: false, snapshots: true, sources: true },
    locale: 'en-GB',
  },
  projects: [
    { name: 'sign-in', testMatch: 'session.setup.ts' },
    {
      name: 'desktop',
      dependencies: ['sign-in'],
      use: { viewport: { width: 1440, height: 900 }, storageState },
    },
    {
      // Between the two the frame changes its shape; colours are the others' matter.
      name: 'tablet',
      dependencies: ['sign-in'],
      testMatch: 'screens.spec.ts',
      grep: /light theme/,
      use: { viewport: { width: 820, height: 1180 }, hasTouch: true, storageState },
    },
    {
      name: 'phone',
      dependencies: ['sign-in'],
      testMatch: 'screens.spec.ts',
      use: { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, storageState },
    },
  ],
});
