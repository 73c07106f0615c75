import { screen, within } from '@testing-library/react';
import { expect, it } from 'vitest';
import { open, page, SESSION, serve } from '#/test/render';

const account = {
  id: `acc_${'e'.repeat(32)}`,
  name: 'Acme',
  industry: 'Energy',
  billing_city: 'Oslo',
  assignees: [],
  conflicts: 0,
  pending_writes: 0,
};
const outside = (role: string, scope: string) => ({
  ...SESSION,
  user: { ...SESSION.user, name: 'Pia', role },
  scope,
  permissions: ['records.read'],
});
const base = {
  'GET /api/v1/accounts': { items: [account], next: null, total: 3 },
  'GET /api/v1/contacts': page([]),
};

it('begins for a partner with what is theirs, and asks for nothing of the whole hub', async () => {
  const asked = serve({ ...base, 'GET /api/v1/session': outside('partner', 'assigned') });
  await open('/');
  expect(await screen.findByRole('heading', { level: 1, name: 'Welcome, Pia' })).toBeTruthy();
  expect(await screen.findByText('3 accounts of Acme are yours to look after.')).toBeTruthy();
  expect(await screen.findByRole('link', { name: 'Acme' })).toBeTruthy();
  const pages = within(screen.getByRole('navigation', { name: 'Pages' }));
  expect(pages.getAllByRole('link').map((link) => link.textContent)).toEqual([
    'Home',
    'Accounts',
    'Contacts',
  ]);
  const calls = new Set(asked.map(({ call }) => call));
  expect([...calls].sort()).toEqual(['GET /api/v1/accounts', 'GET /api/v1/contacts', 'GET /api/v1/session']);
});

it('begins for a customer with their own account', async () => {
  const one = { items: [account], next: null, total: 1 };
  serve({ ...base, 'GET /api/v1/accounts': one, 'GET /api/v1/session': outside('customer_user', 'own') });
  await open('/');
  expect(await screen.findByText('You are signed in for Acme.')).toBeTruthy();
});

it('says whom to ask while nothing is theirs', async () => {
  serve({ ...base, 'GET /api/v1/accounts': page([]), 'GET /api/v1/session': outside('partner', 'assigned') });
  await open('/');
  expect(await screen.findByText('Nothing is yours yet.')).toBeTruthy();
  expect(screen.getByText(/Ask whoever invited you/)).toBeTruthy();
});

it('shows their list of accounts without filters that are not theirs', async () => {
  const asked = serve({
    ...base,
    'GET /api/v1/session': outside('partner', 'assigned'),
    'GET /api/v1/fields/account': [],
  });
  await open('/accounts');
  expect(await screen.findByRole('link', { name: 'Acme' })).toBeTruthy();
  expect(screen.queryByText('Linked to')).toBeNull();
  expect(asked.some(({ call }) => call === 'GET /api/v1/connections')).toBe(false);
});
