// The sizes of console.md, gzip: the build fails over them. Then the manifest goes, which nobody serves.
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const BUDGET = { shell: 220, route: 60, css: 30 };
const dist = new URL('../dist/', import.meta.url).pathname;
const manifest = JSON.parse(readFileSync(join(dist, '.vite/manifest.json'), 'utf8'));

const size = (file) => gzipSync(readFileSync(join(dist, file))).length;
const kb = (bytes) => Math.round(bytes / 102.4) / 10;

/** The chunk and all it imports at once. */
function closure(key, seen = new Set()) {
  if (seen.has(key)) return seen;
  seen.add(key);
  for (const next of manifest[key].imports ?? []) closure(next, seen);
  return seen;
}

const entry = Object.keys(manifest).find((key) => manifest[key].isEntry);
// The frame is a route of the router, but no page opens without it.
const frame = Object.keys(manifest).find((key) => key.startsWith('src/routes/_app.tsx'));
const shell = closure(frame, closure(entry));
const sum = (keys) => [...keys].reduce((total, key) => total + size(manifest[key].file), 0);
const routes = Object.keys(manifest).filter((key) => manifest[key].isDynamicEntry && key !== frame);
const css = readdirSync(join(dist, 'assets')).filter((name) => name.endsWith('.css'));

const rows = [
  { what: 'shell', bytes: sum(shell), budget: BUDGET.shell },
  ...routes.map((key) => ({
    what: key.replace(/^src\/(routes\/)?/, '').replace(/\?.*$/, ''),
    bytes: sum([...closure(key)].filter((part) => !shell.has(part))),
    budget: BUDGET.route,
  })),
  { what: 'css', bytes: css.reduce((total, name) => total + size(`assets/${name}`), 0), budget: BUDGET.css },
];
for (const { what, bytes, budget } of rows) {
  console.log(`${String(kb(bytes)).padStart(7)} KB of ${budget}  ${what}`);
}
rmSync(join(dist, '.vite'), { recursive: true });
const over = rows.filter(({ bytes, budget }) => bytes > budget * 1024);
if (over.length > 0) {
  console.error(`over budget: ${over.map(({ what }) => what).join(', ')}`);
  process.exit(1);
}
