import { useQueryClient } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { Permitted } from '#/features/organisation/permitted';
import { newDraft } from '#/features/providers/draft';
import { HandingOverFirst } from '#/features/providers/handing-over';
import { KINDS, type Kind } from '#/features/providers/kinds';
import { ProviderForm } from '#/features/providers/provider-form';
import { createProvider, providerQuery } from '#/features/providers/queries';
import { oneOf } from '#/lib/search';
import { useWords } from '#/lib/words';
import { buttonLook } from '#/ui/button';
import { LINK } from '#/ui/link';
import { Page } from '#/ui/page';
import { Panel } from '#/ui/panel';
import { Select } from '#/ui/select';
import { toast } from '#/ui/toast';

export const Route = createFileRoute('/_app/identity-providers/new')({
  validateSearch: (search): { kind?: Kind } => ({ kind: oneOf(search.kind, KINDS) }),
  component: NewProviderPage,
});

function NewProviderPage() {
  const t = useWords();
  return (
    <Permitted needs="hub.configure" title={t('providers.add')}>
      <Page
        title={t('providers.add')}
        up={
          <Link to="/identity-providers" className={LINK}>
            {t('providers.title')}
          </Link>
        }
      >
        <NewProvider />
      </Page>
    </Permitted>
  );
}

function NewProvider() {
  const t = useWords();
  const client = useQueryClient();
  const navigate = Route.useNavigate();
  const { kind = 'oidc' } = Route.useSearch();
  return (
    <div className="flex max-w-180 flex-col gap-4">
      <Panel>
        <Select
          label={t('providers.kind')}
          help={t(`provider_kind_help.${kind}`)}
          value={kind}
          onChange={(value) => void navigate({ search: { kind: oneOf(value, KINDS) }, replace: true })}
          choices={KINDS.map((one) => ({ value: one, label: t(`provider_kind.${one}`) }))}
        />
      </Panel>
      <ProviderForm
        key={kind}
        isNew
        kind={kind}
        draft={newDraft(kind)}
        save={createProvider}
        onSaved={async (provider) => {
          toast({ text: t('providers.is_added', { name: provider.name }) });
          client.setQueryData(providerQuery(provider.id).queryKey, provider);
          await client.invalidateQueries({ queryKey: ['providers', 'list'] });
          await navigate({ to: '/identity-providers/$id', params: { id: provider.id } });
        }}
        submit={t('providers.create')}
        lead={<HandingOverFirst kind={kind} />}
      >
        <Link to="/identity-providers" className={buttonLook('quiet')}>
          {t('ui.cancel')}
        </Link>
      </ProviderForm>
    </div>
  );
}
