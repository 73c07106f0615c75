import { expect, it } from 'vitest';
import { initialOf, toSend } from './config';
import { formOf } from './schema';

const schema = {
  type: 'object',
  properties: {
    login_url: { type: 'string', format: 'uri', default: 'https://login.example.com/' },
    auth: { $ref: '#/$defs/Auth' },
    field: { type: ['string', 'null'], default: 'Hub_Id__c' },
    page_size: { type: 'integer', minimum: 200, maximum: 2000, default: 2000 },
    verbose: { type: 'boolean', default: false },
    mode: { enum: ['fast', 'careful'] },
  },
  required: ['auth', 'page_size'],
  $defs: {
    Auth: {
      oneOf: [
        {
          type: 'object',
          properties: {
            kind: { const: 'password' },
            user: { type: 'string' },
            secret: { type: 'string', writeOnly: true },
          },
          required: ['kind', 'user', 'secret'],
        },
        {
          type: 'object',
          properties: {
            kind: { const: 'key' },
            private_key: { type: 'string', writeOnly: true, description: 'RSA key in PEM form.' },
            audience: { anyOf: [{ type: 'string' }, { type: 'null' }] },
          },
          required: ['kind', 'private_key'],
        },
      ],
    },
  },
};

it('draws each property by its type', () => {
  expect(formOf(schema).map((field) => [field.label, field.kind, field.required])).toEqual([
    ['Login URL', 'text', false],
    ['Auth', 'variant', true],
    ['Field', 'text', false],
    ['Page size', 'number', true],
    ['Verbose', 'switch', false],
    ['Mode', 'choice', false],
  ]);
});

it('tells variants apart by their constant and leaves it out of their fields', () => {
  const auth = formOf(schema)[1];
  if (auth?.kind !== 'variant') throw new Error('auth is no variant');
  expect(auth.tag).toBe('kind');
  expect(auth.variants.map((variant) => variant.value)).toEqual(['password', 'key']);
  const [user, secret] = auth.variants[0]?.fields ?? [];
  expect(user).toMatchObject({ path: ['auth', 'user'], secret: false, required: true });
  expect(secret).toMatchObject({ path: ['auth', 'secret'], secret: true });
  expect(auth.variants[1]?.fields).toMatchObject([
    { kind: 'text', long: true },
    { label: 'Audience', required: false },
  ]);
});

it('starts with the defaults and the first variant', () => {
  expect(initialOf(formOf(schema))).toEqual({
    login_url: 'https://login.example.com/',
    auth: { kind: 'password' },
    field: 'Hub_Id__c',
    page_size: 2000,
    verbose: false,
  });
});

it('sends no empty secret, so that the old one is kept', () => {
  const old = { auth: { kind: 'password', user: 'hub' } };
  const config = { auth: { kind: 'password', user: 'hub', secret: '' } };
  expect(toSend(config, old)).toEqual({ auth: { kind: 'password', user: 'hub' } });
});

it('sends null for a value that was emptied on purpose', () => {
  expect(toSend({ field: '' }, { field: 'Hub_Id__c' })).toEqual({ field: null });
});

it('draws nothing for what is no schema', () => {
  expect(formOf(null)).toEqual([]);
  expect(formOf({ properties: { loop: { $ref: '#/$defs/missing' } } })).toEqual([]);
});
