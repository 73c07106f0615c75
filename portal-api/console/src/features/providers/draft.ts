import type { IdentityProvider, IdentityProviderBody, RoleName } from '#/api/types';
import type { Kind } from './kinds';

export const VOUCHED = ['never', 'by_method', 'always'] as const;
export type Vouched = (typeof VOUCHED)[number];

/** A rule with what tells its row from the others while it is edited. */
export type RoleRule = { key: number; value: string; role: RoleName };
export type GroupRule = { key: number; value: string; group: string };

/** A provider as it stands in its form: lists are texts, what may be left out is the empty text. */
export type Draft = {
  name: string;
  issuer: string;
  client_id: string;
  client_secret: string;
  scopes: string;
  metadata: string;
  single_logout: boolean;
  email: string;
  display_name: string;
  groups: string;
  email_domains: string;
  trust_email: boolean;
  provision: boolean;
  default_role: RoleName | '';
  role_rules: RoleRule[];
  group_rules: GroupRule[];
  ceiling: RoleName;
  microsoft_tenants: string;
  session_minutes: string;
  vouched: Vouched;
  methods: string;
};

const NAMES: Record<Kind, string> = { oidc: '', saml: '', google: 'Google', microsoft: 'Microsoft' };

/** A new provider lets in as little as makes sense, and makes nobody. */
export function newDraft(kind: Kind): Draft {
  return {
    name: NAMES[kind],
    issuer: '',
    client_id: '',
    client_secret: '',
    scopes: '',
    metadata: '',
    single_logout: false,
    email: 'email',
    display_name: 'name',
    groups: 'groups',
    email_domains: '',
    trust_email: false,
    provision: false,
    default_role: '',
    role_rules: [],
    group_rules: [],
    ceiling: 'viewer',
    microsoft_tenants: '',
    session_minutes: '',
    vouched: 'never',
    methods: '',
  };
}

export function kindOf(provider: IdentityProvider): Kind {
  if (provider.preset === 'google' || provider.preset === 'microsoft') return provider.preset;
  return provider.protocol === 'saml' ? 'saml' : 'oidc';
}

export function draftOf(provider: IdentityProvider): Draft {
  const { oidc, saml, attributes, second_factor } = provider;
  return {
    name: provider.name,
    issuer: oidc?.issuer ?? '',
    client_id: oidc?.client_id ?? '',
    // Never shown: what is there stays unless another one is typed.
    client_secret: '',
    scopes: oidc?.scopes.join(' ') ?? '',
    metadata: saml?.metadata ?? '',
    single_logout: saml?.single_logout ?? false,
    email: attributes.email,
    display_name: attributes.name,
    groups: attributes.groups,
    email_domains: provider.email_domains.join('\n'),
    trust_email: provider.trust_email,
    provision: provider.provision,
    default_role: provider.default_role ?? '',
    role_rules: provider.role_rules.map((rule, key) => ({ key, ...rule })),
    group_rules: provider.group_rules.map((rule, key) => ({ key, ...rule })),
    ceiling: provider.ceiling,
    microsoft_tenants: provider.microsoft_tenants.join('\n'),
    session_minutes: provider.session_minutes == null ? '' : String(provider.session_minutes),
    vouched: VOUCHED.find((one) => one === second_factor.vouched) ?? 'never',
    methods: second_factor.methods?.join('\n') ?? '',
  };
}

/** The values of a list that was typed one a line, or side by side. */
export function listOf(text: string): string[] {
  return text.split(/[\s,;]+/).filter((part) => part !== '');
}

/** Values that may have spaces in them: one a line. */
function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

/** What is sent of a draft; only what its kind has. */
export function bodyOf(kind: Kind, draft: Draft): IdentityProviderBody {
  const isPreset = kind === 'google' || kind === 'microsoft';
  return {
    name: draft.name,
    preset: isPreset ? kind : 'custom',
    oidc:
      kind === 'saml'
        ? null
        : {
            issuer: draft.issuer.trim() || null,
            client_id: draft.client_id.trim(),
            client_secret: draft.client_secret || null,
            scopes: listOf(draft.scopes),
          },
    saml: kind === 'saml' ? { metadata: draft.metadata, single_logout: draft.single_logout } : null,
    attributes: { email: draft.email, name: draft.display_name, groups: draft.groups },
    email_domains: listOf(draft.email_domains),
    trust_email: draft.trust_email,
    provision: draft.provision,
    default_role: draft.default_role || null,
    role_rules: draft.role_rules.map(({ value, role }) => ({ value: value.trim(), role })),
    group_rules: draft.group_rules.map(({ value, group }) => ({ value: value.trim(), group })),
    ceiling: draft.ceiling,
    microsoft_tenants: kind === 'microsoft' ? listOf(draft.microsoft_tenants) : [],
    session_minutes: draft.session_minutes === '' ? null : Number(draft.session_minutes),
    second_factor: {
      vouched: draft.vouched,
      methods: draft.vouched === 'by_method' ? linesOf(draft.methods) : [],
    },
  };
}

/** Fields of the form whose values the server names one by one, or by another name. */
const LISTS = ['email_domains', 'microsoft_tenants', 'oidc.scopes', 'second_factor.methods'];

/** What the server said of each field, by the names of the form's fields. */
export function byFormField(errors: Readonly<Record<string, string>>): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [pointer, message] of Object.entries(errors)) {
    const list = LISTS.find((name) => pointer.startsWith(`${name}.`));
    found[list ?? pointer] ??= message;
  }
  return found;
}

/** What changes nothing but its name leaves a provider as it is; everything else has to be tried again. */
export function mustBeTriedAgain(edits: Partial<Draft>): boolean {
  return Object.keys(edits).some((name) => name !== 'name');
}
