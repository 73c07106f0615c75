import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

type Theme = Record<string, string>;

const css = readFileSync('src/ui/tokens.css', 'utf8');
const themes = { light: read(':root[data-theme="light"]'), dark: read(':root[data-theme="dark"]') };

const GROUNDS = ['canvas', 'surface', 'raised', 'sunken', 'hover'];
const STATUSES = ['ok', 'warn', 'bad', 'run', 'hold', 'idle'];

/** Words on grounds: at least 4.5 to 1. */
const TEXT: [string, string][] = [
  ...GROUNDS.flatMap((ground) =>
    ['ink', 'ink-2', 'ink-3', 'accent-ink', 'bad-ink'].map((ink): [string, string] => [ink, ground]),
  ),
  ...STATUSES.map((status): [string, string] => [`${status}-ink`, `${status}-soft`]),
  ['ink', 'accent-soft'],
  ['ink-2', 'accent-soft'],
  ['accent-ink', 'accent-soft'],
  ['on-accent', 'accent'],
  ['on-accent', 'accent-hover'],
  ['hold-ink', 'surface'],
  ['ok-ink', 'surface'],
  ['warn-ink', 'sunken'],
];

/** Shapes that carry meaning: at least 3 to 1. */
const SHAPES: [string, string][] = [
  ...['edge', 'accent', 'focus'].flatMap((shape) =>
    ['canvas', 'surface', 'raised'].map((ground): [string, string] => [shape, ground]),
  ),
  ...STATUSES.flatMap((status) =>
    ['canvas', 'surface', 'raised', 'hover', `${status}-soft`].map((ground): [string, string] => [
      status,
      ground,
    ]),
  ),
  ['edge', 'hover'],
  ['run', 'accent-soft'],
  ['ok', 'accent-soft'],
  ['bad', 'accent-soft'],
];

describe.each(Object.entries(themes))('in the %s theme', (_name, theme) => {
  it.each(TEXT)('%s can be read on %s', (ink, ground) => {
    expect(contrast(theme, ink, ground)).toBeGreaterThanOrEqual(4.5);
  });

  it.each(SHAPES)('%s is seen on %s', (shape, ground) => {
    expect(contrast(theme, shape, ground)).toBeGreaterThanOrEqual(3);
  });
});

it('has every token in both themes', () => {
  expect(Object.keys(themes.light)).toEqual(Object.keys(themes.dark));
});

function read(selector: string): Theme {
  const block = css.slice(css.indexOf(selector)).split('}')[0] ?? '';
  return Object.fromEntries(
    [...block.matchAll(/--([a-z0-9-]+): (#[0-9a-f]{6});/g)].map(([, name, value]) => [name, value]),
  );
}

function contrast(theme: Theme, one: string, other: string): number {
  const [bright = 0, dim = 0] = [luminance(theme[one]), luminance(theme[other])].sort((a, b) => b - a);
  return (bright + 0.05) / (dim + 0.05);
}

/** WCAG's relative luminance. */
function luminance(color: string | undefined): number {
  if (!color) throw new Error('a pair names a token that does not exist');
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const channel = Number.parseInt(color.slice(at, at + 2), 16) / 255;
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
