import { expect, it } from 'vitest';
import type { IdentityProvider } from '#/api/types';
import { bodyOf, byFormField, draftOf, kindOf, listOf, mustBeTriedAgain, newDraft } from './draft';
import { hasArrived, providerState, readOutcome } from './state';

const OIDC: IdentityProvider = {
  id: 'idp_1',
  name: 'Company',
  preset: 'custom',
  protocol: 'oidc',
  enabled: false,
  tested: false,
  last_test: null,
  oidc: {
    issuer: 'https://id.example.com',
    client_id: 'hub',
    has_secret: true,
    scopes: ['openid', 'email'],
    redirect_uri: 'https://hub.example/api/v1/sso/callback',
    backchannel_logout_uri: 'https://hub.example/api/v1/sso/idp_1/backchannel-logout',
  },
  saml: null,
  attributes: { email: 'email', name: 'displayName', groups: 'roles' },
  email_domains: ['example.com', 'example.org'],
  trust_email: true,
  provision: true,
  default_role: 'viewer',
  role_rules: [{ value: 'ops', role: 'operator' }],
  group_rules: [{ value: 'night watch', group: 'grp_1' }],
  ceiling: 'operator',
  microsoft_tenants: [],
  session_minutes: 60,
  second_factor: { vouched: 'by_method', methods: ['mfa', 'urn:some thing'] },
  version: 4,
  created_at: '2026-11-01T08:00:00Z',
};

it('sends back what it shows, but the secret that it does not show', () => {
  const body = bodyOf(kindOf(OIDC), draftOf(OIDC));
  const { id: _, protocol: __, enabled, tested, last_test, saml, version, created_at, oidc, ...rest } = OIDC;
  expect(body).toEqual({
    ...rest,
    oidc: {
      issuer: oidc?.issuer,
      client_id: 'hub',
      client_secret: null,
      scopes: ['openid', 'email'],
    },
    saml: null,
  });
});

it('sends of a draft what its kind has', () => {
  const draft = {
    ...newDraft('saml'),
    name: 'Company',
    metadata: '<a/>',
    client_id: 'left over',
    methods: 'x',
  };
  const saml = bodyOf('saml', draft);
  expect(saml).toMatchObject({ preset: 'custom', oidc: null, saml: { metadata: '<a/>' } });
  expect(saml.second_factor).toEqual({ vouched: 'never', methods: [] });
  const google = bodyOf('google', { ...newDraft('google'), client_id: ' id ', microsoft_tenants: 'x' });
  expect(google).toMatchObject({
    name: 'Google',
    preset: 'google',
    saml: null,
    oidc: { issuer: null, client_id: 'id', client_secret: null, scopes: [] },
    microsoft_tenants: [],
    session_minutes: null,
    default_role: null,
    provision: false,
  });
});

it('reads lists however they were typed', () => {
  expect(listOf(' a.example, b.example\n\nc.example; ')).toEqual(['a.example', 'b.example', 'c.example']);
  expect(listOf(' ')).toEqual([]);
});

it('says what is wrong with one value of a list at the list', () => {
  expect(
    byFormField({
      'email_domains.1': 'no domain',
      'email_domains.2': 'another',
      'role_rules.0.role': 'too high',
    }),
  ).toEqual({ email_domains: 'no domain', 'role_rules.0.role': 'too high' });
});

it('knows what has to be tried again', () => {
  expect(mustBeTriedAgain({})).toBe(false);
  expect(mustBeTriedAgain({ name: 'Other' })).toBe(false);
  expect(mustBeTriedAgain({ name: 'Other', trust_email: true })).toBe(true);
});

it.each([
  [{ enabled: true, tested: true, last_test: null }, 'on'],
  [{ enabled: false, tested: true, last_test: null }, 'tested'],
  [{ enabled: false, tested: false, last_test: { at: '', outcome: { accepted: false } } }, 'failed'],
  // Tested once, and changed since.
  [{ enabled: false, tested: false, last_test: { at: '', outcome: { accepted: true } } }, 'new'],
  [{ enabled: false, tested: false, last_test: null }, 'new'],
] as const)('tells where a provider stands', (provider, state) => {
  expect(providerState(provider as never)).toBe(state);
});

it('reads an outcome whatever it lacks', () => {
  const outcome = readOutcome({
    accepted: true,
    subject: 'ada-1',
    provider_groups: ['ops', 7],
    role: 'viewer',
  });
  expect(outcome).toMatchObject({ accepted: true, theirGroups: ['ops'], email: null, groups: [] });
  expect(hasArrived(outcome)).toBe(true);
  for (const broken of [null, 'x', {}, { accepted: 'yes', reason: 'no code' }])
    expect(readOutcome(broken)).toMatchObject({ accepted: false, subject: null });
});
