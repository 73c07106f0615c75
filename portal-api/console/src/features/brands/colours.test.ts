import { expect, it } from 'vitest';
import { COLOURS, contrast, isColour, LEAST_CONTRAST, PAIRS, shownContrast, USUAL } from './colours';

it('measures contrast as the guidelines do', () => {
  expect(contrast('#000000', '#ffffff')).toBeCloseTo(21);
  expect(contrast('#ffffff', '#000000')).toBeCloseTo(21);
  expect(contrast('#777777', '#ffffff')).toBeCloseTo(4.48, 2);
  expect(contrast('#767676', '#ffffff')).toBeCloseTo(4.54, 2);
});

it.each(['', 'red', '#fff', '#ggg000', '#1234567', 'url(x)'])('takes %j for no colour', (text) => {
  expect(isColour(text)).toBe(false);
  expect(contrast(text, '#ffffff')).toBeNull();
});

it('begins with colours on which text can be read', () => {
  for (const { text, ground } of PAIRS)
    expect(contrast(USUAL[text], USUAL[ground])).toBeGreaterThanOrEqual(LEAST_CONTRAST);
  expect(new Set(PAIRS.flatMap(({ text, ground }) => [text, ground]))).toEqual(new Set(COLOURS));
});

it('does not call too little enough', () => {
  expect(shownContrast(4.499)).toBe('4.4');
  expect(shownContrast(21)).toBe('21.0');
});
