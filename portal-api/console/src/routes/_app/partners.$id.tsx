import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { Plus } from 'lucide-react';
import { Permitted } from '#/app/permitted';
import { HeldAccounts } from '#/features/assignments/held-accounts';
import { partnerQuery, renamePartner } from '#/features/partners/queries';
import { useMay } from '#/features/session/queries';
import { NameForm } from '#/features/teams/name-form';
import { usersQuery } from '#/features/users/queries';
import { UserPill } from '#/features/users/state';
import { useWords } from '#/lib/words';
import { Button, buttonLook } from '#/ui/button';
import { LINK, NAME_LINK } from '#/ui/link';
import { Page } from '#/ui/page';
import { Panel } from '#/ui/panel';
import { QueryView } from '#/ui/query-view';
import { toast } from '#/ui/toast';

export const Route = createFileRoute('/_app/partners/$id')({ component: PartnerPage });

function PartnerPage() {
  const t = useWords();
  return (
    <Permitted needs="teams.read" title={t('partners.one')}>
      <OnePartner />
    </Permitted>
  );
}

function OnePartner() {
  const t = useWords();
  const { id } = Route.useParams();
  const may = useMay();
  const client = useQueryClient();
  const query = useQuery(partnerQuery(id));
  return (
    <Page
      key={id}
      title={query.data?.name ?? t('partners.one')}
      up={
        <Link to="/partners" className={LINK}>
          {t('partners.title')}
        </Link>
      }
    >
      <QueryView query={query} loading={t('partners.loading')}>
        {(found) => (
          <div className="grid grid-cols-[minmax(300px,2fr)_minmax(0,3fr)] items-start gap-4 max-lg:grid-cols-1">
            <div className="flex min-w-0 flex-col gap-4">
              {may('teams.manage') && (
                <Panel title={t('groups.settings')}>
                  <NameForm
                    name={found.name}
                    label={t('partners.name')}
                    save={(name) => renamePartner(found, name)}
                    onSaved={(saved) => {
                      toast({ text: t('partners.saved') });
                      client.setQueryData(partnerQuery(id).queryKey, saved);
                      void client.invalidateQueries({ queryKey: ['partners', 'list'] });
                    }}
                    submit={t('ui.save')}
                  />
                </Panel>
              )}
              {may('users.read') && <People partner={id} />}
            </div>
            <HeldAccounts holder={id} title={t('assign.of_partner')} empty={t('assign.none_of_partner')} />
          </div>
        )}
      </QueryView>
    </Page>
  );
}

/** Who signs in for the organisation. */
function People({ partner }: { partner: string }) {
  const t = useWords();
  const may = useMay();
  const query = useInfiniteQuery(usersQuery({ partner }));
  const users = query.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Panel
      title={t('partners.people')}
      actions={
        may('users.manage') && (
          <Link
            to="/users/new"
            search={{ role: 'partner', partner }}
            className={buttonLook('plain', 'small')}
          >
            <Plus aria-hidden size={14} /> {t('users.invite')}
          </Link>
        )
      }
    >
      <QueryView query={query} loading={t('users.loading')} skeletonRows={3}>
        {() =>
          users.length === 0 ? (
            <p className="text-sm text-ink-2">{t('partners.no_people')}</p>
          ) : (
            <ul className="flex flex-col divide-y divide-line">
              {users.map((user) => (
                <li key={user.id} className="flex items-center gap-3 py-1.5">
                  <span className="min-w-0 flex-1">
                    <Link to="/users/$id" params={{ id: user.id }} className={`text-sm ${NAME_LINK}`}>
                      {user.name}
                    </Link>
                    <span className="block truncate text-xs text-ink-2">{user.email}</span>
                  </span>
                  <UserPill user={user} />
                </li>
              ))}
            </ul>
          )
        }
      </QueryView>
      {query.hasNextPage && (
        <Button size="small" look="quiet" onPress={() => void query.fetchNextPage()}>
          {t('ui.load_more')}
        </Button>
      )}
    </Panel>
  );
}
