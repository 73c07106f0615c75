import type { FieldProvenance, Side } from '#/api/types';

export type Show = 'all' | 'filled' | 'differing' | 'pending';
export const SHOWS = ['all', 'filled', 'differing', 'pending'] as const satisfies readonly Show[];

/** Whether the system's value is another than the core's. What counts as another is the server's to say. */
export function differs(field: FieldProvenance, side: Side): boolean {
  return !field.agrees && side.present && !sameValue(side.value, field.value);
}

export function isPending(field: FieldProvenance): boolean {
  return field.sides.some((side) => side.write_state != null);
}

export function isShown(field: FieldProvenance, show: Show, wanted: string): boolean {
  if (wanted !== '' && !`${field.label} ${field.name}`.toLowerCase().includes(wanted)) return false;
  switch (show) {
    case 'all':
      return true;
    case 'filled':
      return isFilled(field.value) || field.sides.some((side) => side.present && isFilled(side.value));
    case 'differing':
      return field.conflict_id != null || field.sides.some((side) => differs(field, side));
    case 'pending':
      return isPending(field);
  }
}

export function sameValue(one: unknown, other: unknown): boolean {
  return JSON.stringify(one ?? null) === JSON.stringify(other ?? null);
}

export function isFilled(value: unknown): boolean {
  return value !== null && value !== undefined && value !== '';
}
