import type { BrandBody } from '#/api/types';

export const COLOURS = ['accent', 'on_accent', 'background', 'foreground'] as const;
export type Colour = (typeof COLOURS)[number];

/** Text, and what it stands on. */
export const PAIRS: readonly { text: Colour; ground: Colour }[] = [
  { text: 'on_accent', ground: 'accent' },
  { text: 'foreground', ground: 'background' },
];

/** The least contrast between text and what it stands on; the server refuses less. */
export const LEAST_CONTRAST = 4.5;

/** What a new brand begins with: ours. */
export const USUAL: BrandBody = {
  name: '',
  domain: null,
  is_default: false,
  accent: '#016893',
  on_accent: '#ffffff',
  background: '#f6f9fb',
  foreground: '#19212b',
};

export function isColour(text: string): boolean {
  return /^#[0-9a-f]{6}$/i.test(text);
}

/** Contrast of two colours by WCAG, from 1 to 21; `null` where one is no colour. */
export function contrast(one: string, other: string): number | null {
  if (!isColour(one) || !isColour(other)) return null;
  const [bright = 0, dim = 0] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (bright + 0.05) / (dim + 0.05);
}

function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** The contrast as it is said: cut, not rounded, so that 4.496 is not called enough. */
export function shownContrast(value: number): string {
  return (Math.floor(value * 10) / 10).toFixed(1);
}
