import type { Field } from '#/api/types';
import type { WordKey } from '#/lib/words';

/** A value as the form holds it: text, lists by line. */
export function writable(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (Array.isArray(value)) return value.join('\n');
  return String(value);
}

export type Typed = { value: unknown } | { problem: WordKey };

/** What was typed as the value the API wants; decimals stay texts, so that no digit is lost. */
export function typedValue(field: Field, typed: string): Typed {
  const text = field.type === 'long_text' ? typed : typed.trim();
  if (field.type === 'boolean') return { value: text === 'true' };
  if (text === '') return field.required ? { problem: 'form.required' } : { value: null };
  if (field.max_length != null && text.length > field.max_length) return { problem: 'form.too_long' };
  switch (field.type) {
    case 'integer':
      return /^-?\d+$/.test(bare(text)) ? { value: integer(bare(text)) } : { problem: 'form.whole_number' };
    case 'decimal':
    case 'currency':
      return /^-?\d+(\.\d+)?$/.test(bare(text)) ? { value: bare(text) } : { problem: 'form.number' };
    case 'date':
      return /^\d{4}-\d{2}-\d{2}$/.test(text) ? { value: text } : { problem: 'form.date' };
    case 'instant': {
      const at = new Date(text);
      return Number.isNaN(at.getTime()) ? { problem: 'form.date' } : { value: at.toISOString() };
    }
    case 'choices':
      return { value: text.split('\n') };
    default:
      return { value: text };
  }
}

/** People group digits; the API does not. */
function bare(text: string): string {
  return text.replace(/[\s_]/g, '');
}

function integer(text: string): number | string {
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : text;
}
