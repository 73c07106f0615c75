import { spawnSync } from 'node:child_process';
import { findChromium } from './browser.js';

const missing = ['SYNCLINE_URL', 'SYNCLINE_EMAIL', 'SYNCLINE_PASSWORD'].filter((name) => !process.env[name]);

if (!findChromium()) {
  console.error('browser tests need Chromium: install the package chromium, or set CHROMIUM');
  process.exitCode = 2;
} else if (missing.length > 0) {
  console.error(`browser tests need ${missing.join(', ')}: the address and sign-in of a running hub`);
  process.exitCode = 2;
} else {
  const cli = new URL('node_modules/@playwright/test/cli.js', import.meta.url).pathname;
  const cwd = new URL('.', import.meta.url).pathname;
  const run = spawnSync(process.execPath, [cli, 'test', ...process.argv.slice(2)], { cwd, stdio: 'inherit' });
  process.exitCode = run.status ?? 1;
}
