import { expect, it } from 'vitest';
import { diff, listDiff } from './diff';

it('names what came, went, changed and stayed, changes first', () => {
  const rows = diff({ name: 'Ada', role: 'viewer', old: 1 }, { name: 'Ada', role: 'admin', fresh: true });
  expect(rows).toEqual([
    { path: 'role', kind: 'changed', before: 'viewer', after: 'admin' },
    { path: 'old', kind: 'removed', before: 1, after: undefined },
    { path: 'fresh', kind: 'added', before: undefined, after: true },
    { path: 'name', kind: 'same', before: 'Ada', after: 'Ada' },
  ]);
});

it('goes into objects and takes a list as one value', () => {
  const rows = diff({ fields: { phone: '1' }, groups: ['a'] }, { fields: { phone: '2' }, groups: ['a'] });
  expect(rows.map(({ path, kind }) => [path, kind])).toEqual([
    ['fields.phone', 'changed'],
    ['groups', 'same'],
  ]);
});

it('has nothing to show of nothing, and one nameless value of a plain one', () => {
  expect(diff(null, null)).toEqual([]);
  expect(diff(null, {})).toEqual([]);
  expect(diff(null, 'gone')).toEqual([{ path: '', kind: 'added', before: undefined, after: 'gone' }]);
});

it('tells a value that became null from one that was taken away', () => {
  expect(diff({ until: 'x' }, { until: null })).toEqual([
    { path: 'until', kind: 'changed', before: 'x', after: null },
  ]);
});

it('says what of a list came and went', () => {
  expect(listDiff(['a', 'b'], ['b', 'c'])).toEqual({ came: ['c'], went: ['a'] });
  expect(listDiff(['a'], 'a')).toBeNull();
  expect(listDiff([{}], [])).toBeNull();
});
