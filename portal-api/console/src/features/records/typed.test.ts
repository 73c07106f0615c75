import { expect, it } from 'vitest';
import type { Field } from '#/api/types';
import { typedValue } from './typed';

function field(type: string, more: Partial<Field> = {}): Field {
  return {
    name: 'x',
    label: 'X',
    type,
    group: null,
    required: false,
    custom: false,
    scale: null,
    max_length: null,
    choices: [],
    ...more,
  } as Field;
}

it.each([
  ['text', '  Acme ', { value: 'Acme' }],
  ['text', '', { value: null }],
  ['long_text', ' a\nb ', { value: ' a\nb ' }],
  ['integer', '12 000', { value: 12000 }],
  ['integer', '1.5', { problem: 'form.whole_number' }],
  ['currency', '90071992547409930.10', { value: '90071992547409930.10' }],
  ['decimal', '1,5', { problem: 'form.number' }],
  ['boolean', 'true', { value: true }],
  ['date', '2026-05-01', { value: '2026-05-01' }],
  ['date', 'tomorrow', { problem: 'form.date' }],
  ['choices', 'North\nSouth', { value: ['North', 'South'] }],
])('%s: %j', (type, typed, expected) => {
  expect(typedValue(field(type), typed)).toEqual(expected);
});

it('does not empty a required field', () => {
  expect(typedValue(field('text', { required: true }), ' ')).toEqual({ problem: 'form.required' });
});

it('keeps an integer beyond what a number can hold as text', () => {
  expect(typedValue(field('integer'), '9223372036854775807')).toEqual({ value: '9223372036854775807' });
});

it('counts the letters', () => {
  expect(typedValue(field('text', { max_length: 3 }), 'abcd')).toEqual({ problem: 'form.too_long' });
});
