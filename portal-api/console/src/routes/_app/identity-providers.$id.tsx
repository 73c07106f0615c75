import { useQuery, useQueryClient } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { useState } from 'react';
import { Permitted } from '#/features/organisation/permitted';
import { Remove, Switch, TestSignIn } from '#/features/providers/actions';
import { draftOf, kindOf } from '#/features/providers/draft';
import { HandingOver } from '#/features/providers/handing-over';
import { LastTest } from '#/features/providers/last-test';
import { ProviderForm } from '#/features/providers/provider-form';
import { ProviderPill } from '#/features/providers/provider-pill';
import { editProvider, providerQuery } from '#/features/providers/queries';
import { useWords } from '#/lib/words';
import { LINK } from '#/ui/link';
import { Page } from '#/ui/page';
import { QueryView } from '#/ui/query-view';
import { toast } from '#/ui/toast';

export const Route = createFileRoute('/_app/identity-providers/$id')({ component: ProviderPage });

function ProviderPage() {
  const t = useWords();
  return (
    <Permitted needs="hub.configure" title={t('providers.one')}>
      <OneProvider />
    </Permitted>
  );
}

function OneProvider() {
  const t = useWords();
  const { id } = Route.useParams();
  const client = useQueryClient();
  const query = useQuery(providerQuery(id));
  const [isChanged, setChanged] = useState(false);
  const provider = query.data;
  return (
    <Page
      key={id}
      title={provider?.name ?? t('providers.one')}
      up={
        <Link to="/identity-providers" className={LINK}>
          {t('providers.title')}
        </Link>
      }
      aside={provider && <ProviderPill provider={provider} />}
      actions={
        provider && (
          <>
            <TestSignIn provider={provider} isChanged={isChanged} />
            <Switch provider={provider} />
            <Remove provider={provider} />
          </>
        )
      }
    >
      <QueryView query={query} loading={t('providers.loading')}>
        {(found) => (
          <div className="grid grid-cols-[minmax(0,3fr)_minmax(300px,2fr)] items-start gap-4 max-lg:grid-cols-1">
            <div className="flex min-w-0 flex-col gap-4 max-lg:order-2">
              <ProviderForm
                kind={kindOf(found)}
                draft={draftOf(found)}
                hasSecret={found.oidc?.has_secret}
                isOn={found.enabled}
                save={(body) => editProvider(found, body)}
                onChanged={setChanged}
                onReload={() => void query.refetch()}
                onSaved={(saved) => {
                  toast({ text: t('providers.saved') });
                  client.setQueryData(providerQuery(id).queryKey, saved);
                  void client.invalidateQueries({ queryKey: ['providers', 'list'] });
                }}
                submit={t('ui.save')}
              />
            </div>
            <div className="flex min-w-0 flex-col gap-4">
              <HandingOver provider={found} />
              <LastTest provider={found} />
            </div>
          </div>
        )}
      </QueryView>
    </Page>
  );
}
