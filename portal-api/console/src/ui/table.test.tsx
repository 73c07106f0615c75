import { screen, within } from '@testing-library/react';
import { expect, it, vi } from 'vitest';
import { show } from '#/test/render';
import { type Column, Table } from './table';

type Row = { id: string; name: string };

const columns: Column<Row>[] = [
  {
    id: 'name',
    header: 'Name',
    width: '200px',
    sort: 'name',
    cell: (row) => <a href={`#${row.id}`}>{row.name}</a>,
  },
  { id: 'id', header: 'Id', width: '80px', cell: (row) => row.id },
];
const rows = [
  { id: 'a', name: 'Anna' },
  { id: 'b', name: 'Bert' },
];

function table(more: object = {}) {
  return <Table label="People" columns={columns} rows={rows} idOf={(row) => row.id} {...more} />;
}

it('is a table to assistive technology', () => {
  show(table({ total: 40 }));
  const found = screen.getByRole('table', { name: 'People' });
  expect(found).toHaveProperty('ariaRowCount', '41');
  expect(
    within(found)
      .getAllByRole('columnheader')
      .map((head) => head.textContent),
  ).toEqual(['Name', 'Id']);
  expect(within(found).getAllByRole('row')).toHaveLength(3);
});

it('asks for the other direction when the sorted column is pressed again', async () => {
  const onSort = vi.fn();
  const user = show(table({ sort: 'name', onSort }));
  expect(screen.getByRole('columnheader', { name: 'Name' }).getAttribute('aria-sort')).toBe('ascending');
  await user.click(screen.getByRole('button', { name: 'Name' }));
  expect(onSort).toHaveBeenCalledWith('-name');
});

it('moves through its rows with J and K', async () => {
  const user = show(table());
  await user.keyboard('j');
  await vi.waitFor(() => expect(document.activeElement?.textContent).toBe('Anna'));
  await user.keyboard('j');
  await vi.waitFor(() => expect(document.activeElement?.textContent).toBe('Bert'));
  await user.keyboard('k');
  await vi.waitFor(() => expect(document.activeElement?.textContent).toBe('Anna'));
});

it('asks for more when its end is in sight', () => {
  const onMore = vi.fn();
  show(table({ hasMore: true, onMore }));
  expect(onMore).toHaveBeenCalled();
});
