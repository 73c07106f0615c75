import type { SecurityPolicy } from '#/api/types';

type Name = keyof SecurityPolicy;

/** A value of the policy; its bounds are the server's, said here so that they need not be found out. */
export type PolicyField = {
  name: Name;
  least: number;
  most: number;
  unit?: 'minutes' | 'hours' | 'days';
  /** Empty means never, or for ever. */
  open?: boolean;
};

export type PolicyPart = {
  id: 'sessions' | 'passwords' | 'lockout' | 'other';
  fields: readonly PolicyField[];
};

export const PARTS: readonly PolicyPart[] = [
  {
    id: 'sessions',
    fields: [
      { name: 'idle_minutes', least: 1, most: 1_440, unit: 'minutes' },
      { name: 'absolute_minutes', least: 5, most: 43_200, unit: 'minutes' },
      { name: 'step_up_minutes', least: 1, most: 1_440, unit: 'minutes' },
      { name: 'device_days', least: 0, most: 365, unit: 'days' },
    ],
  },
  {
    id: 'passwords',
    fields: [
      { name: 'password_shortest', least: 8, most: 128 },
      { name: 'password_kinds', least: 1, most: 4 },
      { name: 'password_remembered', least: 0, most: 24 },
      { name: 'password_days', least: 1, most: 3_650, unit: 'days', open: true },
    ],
  },
  {
    id: 'lockout',
    fields: [
      { name: 'lockout_failures', least: 3, most: 1_000 },
      { name: 'lockout_minutes', least: 1, most: 1_440, unit: 'minutes' },
    ],
  },
  {
    id: 'other',
    fields: [
      { name: 'set_up_hours', least: 1, most: 720, unit: 'hours' },
      { name: 'calls_per_minute', least: 60, most: 1_000_000 },
      { name: 'audit_days', least: 90, most: 36_500, unit: 'days', open: true },
    ],
  },
];

export type Typed = Record<Name, string>;

/** The values as they stand in their fields. */
export function typedOf(policy: SecurityPolicy): Typed {
  const fields = PARTS.flatMap((part) => part.fields);
  return Object.fromEntries(fields.map(({ name }) => [name, String(policy[name] ?? '')])) as Typed;
}

/** What is wrong with what stands in a field; nothing where it is right. */
export function wrong({ least, most, open }: PolicyField, text: string): 'required' | 'between' | null {
  if (text === '') return open ? null : 'required';
  const value = Number(text);
  return Number.isInteger(value) && value >= least && value <= most ? null : 'between';
}

/** The policy that is typed, with what is not shown here as it was. */
export function policyOf<T extends SecurityPolicy>(before: T, typed: Typed): T {
  const fields = PARTS.flatMap((part) => part.fields);
  const values = fields.map(({ name }) => [name, typed[name] === '' ? null : Number(typed[name])]);
  return { ...before, ...Object.fromEntries(values) };
}

const SIZES = { minutes: 1, hours: 60, days: 1_440 } as const;

/** «12 hours» for 720 minutes: the largest unit in which it is a whole number; nothing where that is the same unit. */
export function larger(
  text: string,
  unit: keyof typeof SIZES,
): { count: number; unit: 'hours' | 'days' } | null {
  const minutes = Number(text) * SIZES[unit];
  if (!Number.isInteger(minutes) || minutes <= 0) return null;
  for (const next of ['days', 'hours'] as const) {
    if (SIZES[next] > SIZES[unit] && minutes % SIZES[next] === 0)
      return { count: minutes / SIZES[next], unit: next };
  }
  return null;
}
