import { FileUp } from 'lucide-react';
import { useState } from 'react';
import { FileTrigger } from 'react-aria-components/FileTrigger';
import { formatBytes } from '#/lib/format';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { CheckBox } from '#/ui/check-box';
import { Field } from '#/ui/field';
import type { Draft } from './draft';
import type { Kind } from './kinds';

type Props = {
  kind: Kind;
  draft: Draft;
  edit: (change: Partial<Draft>) => void;
  /** A secret is there already; it stays unless another one is typed. */
  hasSecret: boolean;
};

/** How the provider is reached: by its metadata, or by its address and what it knows this hub by. */
export function EndpointFields(props: Props) {
  return props.kind === 'saml' ? <SamlFields {...props} /> : <OidcFields {...props} />;
}

function OidcFields({ kind, draft, edit, hasSecret }: Props) {
  const t = useWords();
  return (
    <>
      {kind !== 'google' && (
        <Field
          label={t('providers.issuer')}
          help={t(kind === 'microsoft' ? 'providers.issuer_microsoft' : 'providers.issuer_help')}
          name="oidc.issuer"
          inputMode="url"
          spellCheck="false"
          maxLength={500}
          placeholder={kind === 'microsoft' ? undefined : 'https://id.example.com'}
          value={draft.issuer}
          onChange={(issuer) => edit({ issuer })}
          isRequired={kind === 'oidc'}
        />
      )}
      <div className="grid grid-cols-2 gap-4 max-sm:grid-cols-1">
        <Field
          label={t('providers.client_id')}
          name="oidc.client_id"
          autoComplete="off"
          spellCheck="false"
          maxLength={255}
          mono
          value={draft.client_id}
          onChange={(client_id) => edit({ client_id })}
          isRequired
        />
        <Field
          label={t('providers.client_secret')}
          help={t(hasSecret ? 'connections.secret_kept' : 'providers.client_secret_help')}
          name="oidc.client_secret"
          type="password"
          autoComplete="new-password"
          value={draft.client_secret}
          onChange={(client_secret) => edit({ client_secret })}
        />
      </div>
      <Field
        label={t('providers.scopes')}
        help={t('providers.scopes_help')}
        name="oidc.scopes"
        autoComplete="off"
        spellCheck="false"
        placeholder="openid profile email"
        value={draft.scopes}
        onChange={(scopes) => edit({ scopes })}
      />
      {kind === 'microsoft' && (
        <Field
          label={t('providers.directories')}
          help={t('providers.directories_help')}
          name="microsoft_tenants"
          spellCheck="false"
          mono
          lines={2}
          value={draft.microsoft_tenants}
          onChange={(microsoft_tenants) => edit({ microsoft_tenants })}
        />
      )}
    </>
  );
}

/** More than this is no metadata of one provider. */
const LARGEST = 500_000;

function SamlFields({ draft, edit }: Props) {
  const t = useWords();
  const [wrong, setWrong] = useState<string | null>(null);
  async function choose(files: FileList | null) {
    const file = files?.item(0);
    if (!file) return;
    if (file.size > LARGEST) {
      setWrong(t('providers.metadata_too_large', { size: formatBytes(file.size) }));
      return;
    }
    setWrong(null);
    edit({ metadata: await file.text() });
  }
  return (
    <div className="flex flex-col gap-2">
      <Field
        label={t('providers.metadata')}
        help={t('providers.metadata_help')}
        name="saml.metadata"
        mono
        lines={8}
        spellCheck="false"
        autoComplete="off"
        value={draft.metadata}
        onChange={(metadata) => edit({ metadata })}
        isRequired
      />
      {wrong && (
        <p role="alert" className="text-sm text-bad-ink">
          {wrong}
        </p>
      )}
      <div>
        <FileTrigger
          acceptedFileTypes={['.xml', 'text/xml', 'application/xml', 'application/samlmetadata+xml']}
          onSelect={(files) => void choose(files)}
        >
          <Button size="small" icon={FileUp}>
            {t('providers.metadata_upload')}
          </Button>
        </FileTrigger>
      </div>
      <div className="flex flex-col gap-1 pt-2">
        <CheckBox
          label={t('providers.single_logout')}
          value={draft.single_logout}
          onChange={(single_logout) => edit({ single_logout })}
        />
        <p className="text-xs text-ink-3">{t('providers.single_logout_help')}</p>
      </div>
    </div>
  );
}
