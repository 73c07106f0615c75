// Every key of src/words is used, and every key that is used is there.
// `t('a.b')` uses one key; a template such as `run_state.${state}` uses all keys that begin like it.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = new URL('../src/', import.meta.url).pathname;
const files = readdirSync(join(root, 'words')).map((name) => join(root, 'words', name));
const words = new Set(files.flatMap((file) => Object.keys(JSON.parse(readFileSync(file, 'utf8')))));
const sources = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.tsx?$/.test(name) && !name.endsWith('.test.tsx') && !name.endsWith('.gen.ts'))
  .map((name) => readFileSync(join(root, name), 'utf8'))
  .join('\n');

const named = new Set([...sources.matchAll(/['"]([a-z_]+\.[a-z_0-9-]+)['"]/g)].map((match) => match[1]));
// In a template the part before and after the first hole decides.
const patterns = [...sources.matchAll(/`([a-z_]+\.[a-z_0-9]*)\$\{[^}]*\}([a-z_0-9]*)`/g)].map((match) => ({
  start: match[1],
  end: match[2],
}));

const unused = [...words].filter(
  (key) => !named.has(key) && !patterns.some(({ start, end }) => key.startsWith(start) && key.endsWith(end)),
);
const spaces = new Set([...words].map((key) => key.split('.')[0]));
// `config.${…}` and the like are no words at all.
const missing = patterns
  .filter(({ start }) => spaces.has(start.split('.')[0]))
  .filter(({ start, end }) => ![...words].some((key) => key.startsWith(start) && key.endsWith(end)));

for (const key of unused) console.error(`words: ${key} is used nowhere`);
for (const { start, end } of missing) console.error(`words: nothing is called ${start}…${end}`);
if (unused.length + missing.length > 0) process.exit(1);
