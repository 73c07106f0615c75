/** One value of an entry, before and after. */
export type FieldDiff = {
  /** `fields.phone` */
  path: string;
  kind: 'added' | 'removed' | 'changed' | 'same';
  before: unknown;
  after: unknown;
};

/**
 * What an entry changed, value by value, changes first. Objects are gone into; a list is one value, as its order may
 * mean something. A value that only one side has was added or removed.
 */
export function diff(before: unknown, after: unknown): FieldDiff[] {
  const [from, to] = [flat(before), flat(after)];
  const paths = [...new Set([...from.keys(), ...to.keys()])];
  const rows = paths.map((path): FieldDiff => {
    const row = { path, before: from.get(path), after: to.get(path) };
    if (!from.has(path)) return { ...row, kind: 'added' };
    if (!to.has(path)) return { ...row, kind: 'removed' };
    return { ...row, kind: isSame(row.before, row.after) ? 'same' : 'changed' };
  });
  return [...rows.filter((row) => row.kind !== 'same'), ...rows.filter((row) => row.kind === 'same')];
}

/** What of two lists of plain values came and went; nothing where one of them is no such list. */
export function listDiff(before: unknown, after: unknown): { came: string[]; went: string[] } | null {
  if (!isPlainList(before) || !isPlainList(after)) return null;
  const [from, to] = [before.map(String), after.map(String)];
  return {
    came: to.filter((one) => !from.includes(one)),
    went: from.filter((one) => !to.includes(one)),
  };
}

function flat(value: unknown, path = '', found = new Map<string, unknown>()): Map<string, unknown> {
  if (value === null || value === undefined) {
    if (path !== '') found.set(path, value);
  } else if (typeof value === 'object' && !Array.isArray(value) && Object.keys(value).length > 0) {
    for (const [key, inner] of Object.entries(value))
      flat(inner, path === '' ? key : `${path}.${key}`, found);
  } else if (path !== '' || typeof value !== 'object') {
    found.set(path, value);
  }
  return found;
}

function isPlainList(value: unknown): value is (string | number)[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string' || typeof one === 'number');
}

function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
