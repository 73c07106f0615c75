import { ExternalLink } from 'lucide-react';
import type { IdentityProvider } from '#/api/types';
import { useWords } from '#/lib/words';
import { CopyField } from '#/ui/copy-field';
import { LINK } from '#/ui/link';
import { Panel } from '#/ui/panel';
import type { Kind } from './kinds';

/** Where every provider of OpenID Connect sends people back to: it is the same before there is one. */
function redirectAddress(): string {
  return `${globalThis.location.origin}/api/v1/sso/callback`;
}

/** What has to be written down at the provider, so that it knows this hub. */
export function HandingOver({ provider }: { provider: IdentityProvider }) {
  const t = useWords();
  const { oidc, saml } = provider;
  return (
    <Panel title={t('providers.hand_over')}>
      <div className="flex flex-col gap-4">
        {oidc && (
          <>
            <CopyField label={t('providers.redirect_uri')} value={oidc.redirect_uri} />
            <CopyField label={t('providers.backchannel')} value={oidc.backchannel_logout_uri} />
            <p className="text-xs text-ink-3">{t('providers.backchannel_help')}</p>
          </>
        )}
        {saml && (
          <>
            <CopyField label={t('providers.our_entity_id')} value={saml.our_entity_id} />
            <CopyField label={t('providers.acs_url')} value={saml.acs_url} />
            <CopyField label={t('providers.slo_url')} value={saml.slo_url} />
            <p className="text-sm text-ink-2">
              {t('providers.metadata_text')}{' '}
              <a href={saml.our_entity_id} target="_blank" rel="noreferrer" className={LINK}>
                {t('providers.metadata_open')}
                <ExternalLink aria-hidden size={12} className="ml-1 inline" />
              </a>
            </p>
          </>
        )}
      </div>
    </Panel>
  );
}

/** The same before there is a provider: who sets it up there needs it first. */
export function HandingOverFirst({ kind }: { kind: Kind }) {
  const t = useWords();
  if (kind === 'saml') return <p className="text-sm text-ink-2">{t('providers.saml_first')}</p>;
  return <CopyField label={t('providers.redirect_uri')} value={redirectAddress()} />;
}
