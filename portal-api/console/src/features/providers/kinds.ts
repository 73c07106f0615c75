/** How a provider is spoken to; Google and Microsoft are known, of others everything is said. */
export const KINDS = ['oidc', 'saml', 'google', 'microsoft'] as const;
export type Kind = (typeof KINDS)[number];
